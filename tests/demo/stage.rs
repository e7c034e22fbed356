//! A simulated deployment in processes of its own: started, looked at, killed, stopped.
//!
//! It knows the directory of `claviger-sim up` and its process ids. What is said about a deployment here is the host's own
//! word, good enough to know when to go on; proofs are checked elsewhere.

use anyhow::{Context, bail, ensure};
use claviger_cli::{owner::Desk, profile::Profile};
use claviger_client::{Agent, AgentKey, Error, session::wall_clock_ms};
use claviger_shared::{
    call::{Ask, HttpInput, Input, Reply, Sign},
    time::{Millis, UnixMs},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// How long a deployment may take to serve.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same where its enclave has a machine to boot.
const PATIENCE_WITH_GUEST: Duration = Duration::from_secs(180);
/// How long it may only say to try again.
const ADVICE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(30);

/// This machine's clock, to give up by.
fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a demonstration's own clock")]
    Instant::now()
}

/// A deployment.
pub struct Stage {
    /// Where it keeps everything.
    pub dir: PathBuf,
    up: Child,
    /// What `up` keeps running.
    children: &'static [&'static str],
    patience: Duration,
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid.try_into()?).context("no process")?;
    Ok(kill_process(pid, signal)?)
}

/// A program that was built beside this one; tests are one directory further down.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: cargo build -p claviger-sim"))
}

/// Where the relying parties' scripts are.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("relying_party")
}

/// The Python that has the relying parties' libraries.
pub fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python")
}

impl Stage {
    /// Starts `up` on a directory and waits until it serves.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::start_at(dir, None).await
    }

    /// Likewise; its enclave is somebody else's to keep running, behind this socket of a virtual machine.
    pub async fn start_at(dir: &Path, guest: Option<&Path>) -> anyhow::Result<Self> {
        // One that was killed leaves its word behind.
        let _ = std::fs::remove_file(dir.join("ready.json"));
        let mut up = Command::new(program("claviger-sim")?);
        up.args(["up", "--dir"]).arg(dir);
        if let Some(socket) = guest {
            up.arg("--guest").arg(socket);
        }
        let (children, patience): (&[_], _) = match guest {
            None => (&["kms", "enclave", "host"], PATIENCE),
            Some(_) => (&["kms", "host"], PATIENCE_WITH_GUEST),
        };
        let mut stage = Self {
            dir: dir.to_owned(),
            up: up.env("RUST_LOG", "error").kill_on_drop(true).spawn()?,
            children,
            patience,
        };
        stage.serving().await?;
        Ok(stage)
    }

    /// Waits until every process is there and the enclave serves.
    pub async fn serving(&mut self) -> anyhow::Result<()> {
        tokio::time::timeout(self.patience, async {
            loop {
                if let Some(status) = self.up.try_wait()? {
                    bail!("`claviger-sim up` ended with {status}; see {}", self.logs());
                }
                if self.serves().await {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await
        .with_context(|| format!("the deployment does not serve; see {}", self.logs()))?
    }

    async fn serves(&self) -> bool {
        let Ok(profile) = self.profile() else {
            return false;
        };
        let alive = self
            .children
            .iter()
            .all(|name| matches!(pid(&profile, name), Ok(pid) if pid > 0 && is_alive(pid)));
        let Ok(operator) = profile.operator() else {
            return false;
        };
        let Ok(status) = operator.status().await else {
            return false;
        };
        alive && status.get("phase").and_then(Value::as_str) == Some("serving")
    }

    fn logs(&self) -> String {
        self.dir.join("logs").display().to_string()
    }

    /// The profile of `ready.json`.
    pub fn profile(&self) -> anyhow::Result<Profile> {
        Ok(Profile::read(&self.dir.join("ready.json"))?)
    }

    /// An owner's desk, its log audited up to now.
    pub async fn desk(&self) -> anyhow::Result<Desk> {
        Ok(Desk::open(self.profile()?).await?)
    }

    /// Creates a grant and connects its agent.
    pub async fn agent(&self, name: &str, grant: &Value) -> anyhow::Result<Agent> {
        let mut desk = self.desk().await?;
        self.agent_by(&mut desk, name, grant).await
    }

    /// The same at a desk that is open already.
    pub async fn agent_by(
        &self,
        desk: &mut Desk,
        name: &str,
        grant: &Value,
    ) -> anyhow::Result<Agent> {
        let file = self.dir.join(format!("{name}.key"));
        let text = grant.to_string();
        desk.create_grant(text.as_bytes(), Some(&file)).await?;
        self.connect(name).await
    }

    /// Connects the agent whose key is in `NAME.key`.
    pub async fn connect(&self, name: &str) -> anyhow::Result<Agent> {
        let started = now();
        loop {
            match Agent::connect(self.agent_key(name)?).await {
                Err(Error::Refused(_) | Error::Host(_)) if started.elapsed() < ADVICE => {
                    tokio::time::sleep(PAUSE).await;
                }
                connected => return Ok(connected?),
            }
        }
    }

    /// The agent key that [`Self::agent`] wrote.
    pub fn agent_key(&self, name: &str) -> anyhow::Result<AgentKey> {
        let file = self.dir.join(format!("{name}.key"));
        Ok(AgentKey::parse(&std::fs::read_to_string(file)?)?)
    }

    /// The process id of a child.
    pub fn pid(&self, name: &str) -> anyhow::Result<u32> {
        pid(&self.profile()?, name)
    }

    /// Every process id of it.
    pub fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let mut pids = vec![self.up.id().context("`up` has ended")?];
        for name in self.children {
            pids.push(self.pid(name)?);
        }
        Ok(pids)
    }

    /// Kills a child without a warning and waits until the deployment serves again with another in its place.
    pub async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let old = self.pid(name)?;
        signal(old, Signal::KILL)?;
        tokio::time::timeout(PATIENCE, async {
            while self.pid(name).is_ok_and(|pid| pid == old) {
                tokio::time::sleep(PAUSE).await;
            }
        })
        .await
        .context("a killed child was not started again")?;
        self.serving().await
    }

    /// Kills `up` itself without a warning.
    pub async fn kill_up(mut self) -> anyhow::Result<()> {
        self.up.kill().await?;
        Ok(())
    }

    /// Ends it as an operator would: SIGTERM.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        signal(self.up.id().context("`up` has ended")?, Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(20), self.up.wait()).await;
        let status = ended.context("`up` does not end at SIGTERM")??;
        ensure!(
            !self.dir.join("ready.json").exists(),
            "ready.json outlives `up`"
        );
        Ok(status)
    }
}

fn pid(profile: &Profile, name: &str) -> anyhow::Result<u32> {
    let pids = profile.pids.as_ref().and_then(|pids| pids.get(name));
    let pid = pids
        .and_then(Value::as_u64)
        .context("ready.json names no process")?;
    Ok(u32::try_from(pid)?)
}

/// Whether a process runs; one that has ended and was not waited for does not.
pub fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// Asks until there is a sealed answer: what a host refuses without a seal is advice to try again.
pub async fn answered(agent: &Agent, ask: Ask) -> Result<Reply, Error> {
    let started = now();
    loop {
        match agent.ask(ask.clone()).await {
            Err(Error::Refused(_) | Error::Host(_)) if started.elapsed() < ADVICE => {
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

/// A grant over everything in the simulation's catalog, good for an hour.
pub fn grant(calls: u64, per_call: u64, per_day: u64) -> Value {
    let now = UnixMs(wall_clock_ms());
    // The enclave's clock is the NSM's, read now and then: it is never ahead and may be a little behind.
    let begin = UnixMs(now.0.saturating_sub(60_000));
    json!({
        "v": 1, "agent": { "id": "first-agent" }, "env": "live",
        "not_before": begin.to_string(), "expires_at": now.plus(Millis(3_600_000)).to_string(),
        "permissions": { "read": ["order_history"], "write": ["charges", "tokens"], "delete": [] },
        "allow_minting": ["tokens"],
        "budgets": [
            { "unit": "call", "max": calls.to_string(), "window": "grant" },
            { "unit": "usd-cents", "max": per_call.to_string(), "window": "call" },
            { "unit": "usd-cents", "max": per_day.to_string(), "window": "rolling:P1D" },
        ],
    })
}

/// A GET without a body.
pub fn get(url: &str) -> Sign {
    let input = HttpInput {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
    };
    Sign {
        input: Input::Http(input),
        idempotency_key: None,
    }
}

//! A simulation of this build, with agents of the benchmark's own.

use anyhow::{Context, ensure};
use claviger_cli::{
    owner::{Desk, key::NewKey},
    profile::Profile,
};
use claviger_client::{Agent, AgentKey};
use claviger_shared::{
    effect::{Env, Kind},
    id::AgentId,
    owner::command::Alg,
    time::{Millis, UnixMs},
};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::process::{Child, Command};

/// How long the simulation may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running deployment.
pub struct Deployment {
    dir: tempfile::TempDir,
    up: Child,
    /// Whether answers do not wait for storage.
    pub volatile: bool,
    /// Connected agents.
    pub agents: Vec<Arc<Agent>>,
    /// Process ids: enclave and host.
    pub pids: (u32, u32),
}

impl Deployment {
    /// Starts it and connects `agents` agents, each under a grant of its own.
    pub async fn start(volatile: bool, agents: usize) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let program = std::env::current_exe()?.with_file_name("claviger-sim");
        ensure!(program.exists(), "{} is not built", program.display());
        let mut command = Command::new(program);
        command
            .args(["up", "--dir"])
            .arg(dir.path())
            .env("RUST_LOG", "warn")
            .kill_on_drop(true);
        if volatile {
            command.arg("--volatile");
        }
        let up = command.spawn()?;
        let ready = dir.path().join("ready.json");
        tokio::time::timeout(PATIENCE, async {
            while !ready.exists() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .context("the simulation did not become ready")?;
        let profile = Profile::read(&ready)?;
        let pid = |name: &str| -> anyhow::Result<u32> {
            let pids = profile
                .pids
                .as_ref()
                .and_then(|pids| pids.get(name))
                .and_then(serde_json::Value::as_u64);
            Ok(u32::try_from(pids.context("no pid")?)?)
        };
        let pids = (pid("enclave")?, pid("host")?);
        let agents = connect(profile, dir.path(), volatile, agents).await?;
        Ok(Self {
            dir,
            up,
            volatile,
            agents,
            pids,
        })
    }

    /// The file of an agent's key.
    pub fn key_file(&self, number: usize) -> PathBuf {
        key_file(self.dir.path(), number)
    }

    /// Stops it and takes its directory away.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self {
            dir,
            mut up,
            agents,
            ..
        } = self;
        drop(agents);
        let pid = up
            .id()
            .and_then(|pid| rustix::process::Pid::from_raw(pid.try_into().ok()?));
        rustix::process::kill_process(pid.context("no pid")?, rustix::process::Signal::TERM)?;
        up.wait().await?;
        dir.close()?;
        Ok(())
    }
}

async fn connect(
    profile: Profile,
    dir: &Path,
    volatile: bool,
    count: usize,
) -> anyhow::Result<Vec<Arc<Agent>>> {
    let mut desk = Desk::open(profile).await?;
    let mut agents = Vec::with_capacity(count);
    for number in 0..count {
        let file = key_file(dir, number);
        let agent = format!("bench-{number}");
        let key = NewKey {
            name: None,
            kind: Kind::Http,
            alg: Alg::Ed25519,
            env: if volatile { Env::Sandbox } else { Env::Live },
            agent: Some(AgentId::parse(&agent)?),
        };
        desk.create_key(&key).await?;
        desk.create_grant(grant(volatile, &agent).as_bytes(), Some(&file))
            .await?;
        let key = AgentKey::parse(&std::fs::read_to_string(&file)?)?;
        agents.push(Arc::new(Agent::connect(key).await?));
    }
    Ok(agents)
}

fn key_file(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("bench-{number}.key"))
}

/// A grant whose budgets a benchmark does not reach.
fn grant(volatile: bool, agent: &str) -> String {
    let now = UnixMs(claviger_client::session::wall_clock_ms());
    let env = if volatile { "sandbox" } else { "live" };
    let grant = json!({
        "v": 1, "agent": { "id": agent }, "env": env,
        "not_before": now.to_string(), "expires_at": now.plus(Millis(3_600_000)).to_string(),
        "permissions": { "read": ["order_history"], "write": [], "delete": [] },
        "budgets": [{ "unit": "call", "max": "1000000000", "window": "grant" }],
    });
    grant.to_string()
}

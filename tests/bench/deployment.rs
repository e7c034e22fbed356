//! A simulation of this build in processes of its own, with agents of the benchmark's.

use crate::{cell::Entries, child::Kept, owner::Owner};
use anyhow::{Context, ensure};
use claviger_cli::{owner::Desk, profile::Profile};
use claviger_client::{
    Agent, AgentKey,
    agent_key::AgentSecret,
    face::Face,
    session::wall_clock_ms,
    trust::{self, Floor, Trusted},
};
use claviger_shared::id::{Digest, GrantId, KeyId};
use claviger_tests::vm::{Part, Vm, nitro, simulation};
use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One agent's grant.
#[derive(Clone)]
pub struct Granted {
    /// Its id.
    pub grant: GrantId,
    /// The agent's channel key.
    pub secret: [u8; 32],
    /// The public half of its signing key.
    pub public: Vec<u8>,
}

/// Where a deployment's enclave runs.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In a process of this machine.
    Process,
    /// The simulation's, in a virtual machine.
    Machine,
    /// The production image, on an emulated Nitro machine.
    Nitro,
}

/// A running deployment.
pub struct Deployment {
    // Stopped before the machine and the directory are taken away.
    up: Kept,
    /// What the enclave is in, where it is no process of this machine.
    pub vm: Option<Vm>,
    dir: tempfile::TempDir,
    /// Whether answers do not wait for storage.
    pub volatile: bool,
    /// Where it is.
    pub profile: Profile,
    /// Each with a grant and a signing key of its own.
    pub agents: Vec<Granted>,
    /// What an agent's attestation gave.
    pub trusted: Trusted,
    /// Its owner.
    pub owner: Owner,
}

/// Runs something asynchronous to its end.
pub fn wait<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(future)
}

impl Deployment {
    /// Starts it and makes so many agents.
    pub fn start(volatile: bool, agents: usize) -> anyhow::Result<Self> {
        Self::start_with(Place::Process, volatile, agents)
    }

    /// Likewise, its enclave in a virtual machine.
    pub fn start_in_machine(volatile: bool, agents: usize) -> anyhow::Result<Self> {
        Self::start_with(Place::Machine, volatile, agents)
    }

    /// Likewise, the production image on an emulated Nitro machine.
    pub fn start_on_nitro(volatile: bool, agents: usize) -> anyhow::Result<Self> {
        Self::start_with(Place::Nitro, volatile, agents)
    }

    fn start_with(place: Place, volatile: bool, agents: usize) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("claviger-").tempdir()?;
        let mut command = Kept::command(beside("claviger-sim")?)?;
        command.args(["up", "--dir"]).arg(dir.path());
        let vm = match place {
            Place::Process => None,
            Place::Machine => {
                let vm = simulation::start(dir.path(), &beside("claviger-guest")?)?;
                command.arg("--guest").arg(vm.places().address());
                Some(vm)
            }
            Place::Nitro => {
                let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
                command.arg("--guest").arg(&nitro.address);
                Some(nitro.vm)
            }
        };
        command.env("RUST_LOG", "warn");
        if volatile {
            command.arg("--volatile");
        }
        let mut up = Kept::start(&mut command)?;
        let ready = dir.path().join("ready.json");
        up.wait_until("ready.json", || ready.exists())?;
        let profile = Profile::read(&ready)?;
        let mut owner = wait(Owner::open(&profile, volatile))?;
        owner.catalog(&std::fs::read_to_string(dir.path().join("catalog.json"))?)?;
        let trusted = wait(attest(&profile))?;
        let mut deployment = Self {
            up,
            vm,
            dir,
            volatile,
            profile,
            agents: Vec::new(),
            trusted,
            owner,
        };
        deployment.agents(agents)?;
        Ok(deployment)
    }

    /// Makes agents until there are so many, each with a signing key and a grant.
    pub fn agents(&mut self, count: usize) -> anyhow::Result<()> {
        for number in self.agents.len()..count {
            let name = format!("bench-{number}");
            self.owner.key(&name)?;
            let granted = self.owner.grant(&format!("gr_{name}"), &name)?;
            self.agents.push(granted);
        }
        wait(find_keys(&self.profile, &mut self.agents))
    }

    /// `durable` or `volatile`.
    pub fn mode(&self) -> &'static str {
        if self.volatile { "volatile" } else { "durable" }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Asks the host how many entries its log has.
    pub fn log(&self) -> Entries {
        let url = format!("{}/log/checkpoint", self.profile.operator_api);
        Box::new(move || {
            let text = wait(async {
                let http = claviger_client::web::builder(false, &[])?.build()?;
                let answer = http.get(&url).send().await?.error_for_status()?;
                Ok(answer.text().await?)
            })?;
            Ok(text.lines().nth(1).context("no checkpoint")?.parse()?)
        })
    }

    /// The enclave's own socket.
    pub fn enclave_socket(&self) -> PathBuf {
        self.dir.path().join("enclave.sock")
    }

    /// A process of it, by its name.
    pub fn pid(&self, name: &str) -> anyhow::Result<u32> {
        // Written anew when a process has been started again.
        let profile = Profile::read(&self.dir.path().join("ready.json"))?;
        let pid = profile
            .pids
            .as_ref()
            .and_then(|pids| pids.get(name)?.as_u64());
        Ok(u32::try_from(pid.context("no pid")?)?)
    }

    /// Enclave and host; where the enclave is in a machine, that machine and its device.
    pub fn pids(&self) -> anyhow::Result<Vec<(&'static str, u32)>> {
        let host = ("host", self.pid("host")?);
        let Some(vm) = &self.vm else {
            return Ok(vec![("enclave", self.pid("enclave")?), host]);
        };
        let part = |part| vm.pid(part).context("the machine does not run");
        let (enclave, device) = (part(Part::Guest)?, part(Part::Device)?);
        Ok(vec![("enclave", enclave), host, ("device", device)])
    }

    /// The key that an agent is started with.
    pub fn agent_key(&self, number: usize) -> AgentKey {
        let Granted { grant, secret, .. } = &self.agents[number];
        AgentKey {
            api: self.profile.api.clone(),
            fingerprint: self.trusted.chain.fingerprint(),
            grant: grant.clone(),
            secret: AgentSecret::new(*secret),
            generation: self.trusted.chain.newest().generation,
            size: 0,
            root: Digest([0; 32]),
        }
    }

    /// The same in a file.
    pub fn key_file(&self, number: usize) -> anyhow::Result<PathBuf> {
        let path = self.dir.path().join(format!("bench-{number}.key"));
        let text = self.agent_key(number).expose()?;
        std::fs::write(&path, text.as_bytes())?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(path)
    }

    /// The first agents with the client library.
    pub async fn connect(&self, count: usize) -> anyhow::Result<Vec<Arc<Agent>>> {
        let mut agents = Vec::with_capacity(count);
        for number in 0..count {
            agents.push(Arc::new(Agent::connect(self.agent_key(number)).await?));
        }
        Ok(agents)
    }

    /// Attests the enclave that serves now.
    pub fn attest(&mut self) -> anyhow::Result<()> {
        self.trusted = wait(attest(&self.profile))?;
        Ok(())
    }

    /// Stops it and keeps its directory.
    pub fn stop(self) -> tempfile::TempDir {
        drop(self.up);
        self.dir
    }
}

async fn attest(profile: &Profile) -> anyhow::Result<Trusted> {
    let chain = profile.chain()?;
    let floor = Floor {
        fingerprint: chain.fingerprint(),
        generation: chain.newest().generation,
    };
    let face = Face::new(&profile.api)?;
    Ok(trust::establish(&face, &floor, wall_clock_ms()).await?)
}

/// Reads agents' public keys from the audited log.
async fn find_keys(profile: &Profile, granted: &mut [Granted]) -> anyhow::Result<()> {
    let desk = Desk::open(profile.clone()).await?;
    for (number, granted) in granted.iter_mut().enumerate() {
        let id = KeyId::parse(&format!("k_bench-{number}"))?;
        let key = desk.view().state().key(&id).context("no key")?;
        granted.public = key.public.clone();
    }
    Ok(())
}

/// A program that was built beside this one.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.exists(), "{} is not built", program.display());
    Ok(program)
}

//! A deployment with its machine, and a few things to ask of both.

use crate::stage::{Stage, answered, get, program};
use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Reply, Sign},
    denial::Code,
};
use claviger_tests::vm::{Part, Vm, simulation};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::process::Command;

/// A machine and the rest of its deployment. Fields end in this order.
pub struct Guest {
    /// KMS and host.
    pub stage: Stage,
    /// The machine.
    pub vm: Arc<Vm>,
    /// Everything that is kept.
    pub dir: TempDir,
}

impl Guest {
    /// Starts both and holds the ceremony: the machine boots once to be born, once to serve.
    pub async fn start() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let vm = simulation::start(dir.path(), &program("claviger-guest")?)?;
        let address = vm.places().address();
        Self::of(dir, vm, &address).await
    }

    /// Likewise, with a machine that runs already and is dialled there.
    pub async fn of(dir: TempDir, vm: Vm, address: &Path) -> anyhow::Result<Self> {
        let vm = Arc::new(vm);
        let stage = Stage::start_at(dir.path(), Some(address)).await;
        let stage = stage.with_context(|| format!("the guest's console:\n{}", vm.console()))?;
        ensure!(vm.ups() == 2, "a birth and a boot, not {}", vm.ups());
        Ok(Self { stage, vm, dir })
    }

    /// Something that takes its time, away from what else goes on.
    pub async fn apart(
        &self,
        work: impl FnOnce(&Vm) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let vm = Arc::clone(&self.vm);
        tokio::task::spawn_blocking(move || work(&vm)).await?
    }

    /// Kills a part of the machine and waits until the deployment serves again.
    pub async fn kill(&mut self, part: Part) -> anyhow::Result<()> {
        self.apart(move |vm| vm.kill(part)).await?;
        let served = self.stage.serving().await;
        served.with_context(|| format!("the guest's console:\n{}", self.vm.console()))
    }

    /// `claviger audit verify` over the store's files and these receipts; what it printed.
    pub async fn audit(&self, receipts: &[Vec<u8>]) -> anyhow::Result<serde_json::Value> {
        let lines: Vec<_> = receipts.iter().map(|one| STANDARD.encode(one)).collect();
        let file = self.dir.path().join("receipts");
        std::fs::write(&file, lines.join("\n") + "\n")?;
        let profile = self.stage.profile()?;
        let mut command = Command::new(program("claviger")?);
        command.args(["--json", "audit", "verify"]);
        command.arg(profile.log.context("no log")?);
        command.arg("--manifest").arg(&profile.manifest);
        let done = command.arg("--receipts").arg(&file).output().await?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(done.status.success(), "the audit complains: {said}");
        Ok(serde_json::from_str(&said)?)
    }

    /// Ends everything, and looks whether it did.
    pub async fn stop(self) -> anyhow::Result<()> {
        ensure!(
            self.vm.lost_boots() == 0,
            "{} boots hung",
            self.vm.lost_boots()
        );
        let parts = [Part::Guest, Part::Device].map(|part| self.vm.pid(part));
        ensure!(self.stage.stop().await?.success(), "`up` ends badly");
        drop(self.vm);
        for pid in parts.into_iter().flatten() {
            let left = Path::new("/proc").join(pid.to_string()).exists();
            ensure!(!left, "process {pid} is left behind");
        }
        Ok(())
    }
}

/// Asks for a GET to be signed; the receipt.
pub async fn receipt(agent: &Agent, sign: Sign) -> anyhow::Result<Vec<u8>> {
    match answered(agent, Ask::Sign(sign)).await? {
        Reply::Issued(issued) => Ok(issued.receipt),
        other => bail!("no credential: {other:?}"),
    }
}

/// A GET that the simulation's grants reach.
pub fn order(number: usize) -> Sign {
    get(&format!("https://api.example.com/v1/orders/ord_{number}"))
}

/// The next call is denied, and for this reason.
pub async fn denied(agent: &Agent, code: Code) -> anyhow::Result<()> {
    let answer = answered(agent, Ask::Sign(order(1))).await;
    let so = matches!(&answer, Ok(Reply::Denied(denial)) if denial.code == code);
    ensure!(so, "not {code:?} but {answer:?}");
    Ok(())
}

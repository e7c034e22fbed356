//! An owner or operator at work: commands written, signed, sent, and proved to be in the log.
//!
//! A command is written on top of what the audited log says its chain's end is. What is answered has been checked: the
//! receipt proves the very bytes that were signed.

pub mod catalog;
pub mod diff;
pub mod federate;
pub mod fill;
pub mod follow;
pub mod grant;
pub mod import;
pub mod key;
pub mod lint;
pub mod manifest;
pub mod propose;
pub mod release;
pub mod signers;
pub mod terms;
pub mod words;

use crate::{
    Error,
    operator::{Done, Operator},
    profile::Profile,
    ssh::Signer,
    view::View,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    id::Digest,
    label,
    log::{receipt::Receipt, record::Body},
    owner::{
        command::{Chain as CommandChain, Command},
        manifest::{AttestationRoot, chain::Chain},
        sshsig::PublicKey,
    },
    time::{Millis, UnixMs},
    wire::control::Signed,
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// How long a command may still be applied after it was written.
pub const LIFE: Millis = Millis(3_600_000);

/// Looks for an entry in the host's log, and the pause between two.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A profile, opened: its log audited up to now.
#[derive(Debug)]
pub struct Desk {
    profile: Profile,
    chain: Arc<Chain>,
    operator: Operator,
    view: View,
}

/// A command that is applied, durable and proved.
#[derive(Debug)]
pub struct Applied {
    /// What came of it, by the enclave's word.
    pub result: Value,
    /// The receipt's bytes in base64.
    pub receipt: String,
}

impl Desk {
    /// Opens a profile.
    ///
    /// # Errors
    ///
    /// [`Error`]: the chain or the log does not check out, or the host does not answer.
    pub async fn open(profile: Profile) -> Result<Self, Error> {
        let chain = profile.chain()?;
        let operator = profile.operator()?;
        let mut view = View::new(Arc::clone(&chain))?;
        view.read_on(&operator, |_| {}).await?;
        Ok(Self {
            profile,
            chain,
            operator,
            view,
        })
    }

    /// The profile.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The manifest chain.
    #[must_use]
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The audited log.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The operators' face.
    #[must_use]
    pub const fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Reads on to the end of the log.
    ///
    /// # Errors
    ///
    /// As [`View::read_on`].
    pub async fn refresh(&mut self) -> Result<(), Error> {
        self.view.read_on(&self.operator, |_| {}).await
    }

    /// The exact bytes of the next widening command.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault.
    pub fn widen(&self, action: &Value, lifts: &[Digest]) -> Result<Vec<u8>, Error> {
        let head = self.view.state().widen_head();
        self.write("widen", head.seq, head.digest, action, lifts)
    }

    /// The exact bytes of the next narrowing command of one signer.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault.
    pub fn narrow(&self, signer: &PublicKey, action: &Value) -> Result<Vec<u8>, Error> {
        let head = self.view.state().narrow_head(&signer.fingerprint());
        self.write("narrow", head.seq, head.digest, action, &[])
    }

    fn write(
        &self,
        chain: &str,
        seq: u64,
        prev: Digest,
        action: &Value,
        lifts: &[Digest],
    ) -> Result<Vec<u8>, Error> {
        let now = UnixMs(wall_clock_ms());
        let mut command = json!({
            "v": 1, "origin": self.chain.newest().origin, "chain": chain, "seq": seq.saturating_add(1), "prev": prev,
            "issued_at": now.to_string(), "not_after": now.plus(LIFE).to_string(), "action": action,
        });
        if !lifts.is_empty()
            && let Some(members) = command.as_object_mut()
        {
            members.insert("lifts".to_owned(), json!(lifts));
        }
        let bytes =
            serde_json::to_vec_pretty(&command).map_err(|error| Error::Usage(error.to_string()))?;
        Command::parse(&bytes)?;
        Ok(bytes)
    }

    /// The profile's owner key.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where the profile names none.
    pub fn owner_key(&self) -> Result<Signer, Error> {
        let path = self.profile.owner_key.as_deref();
        Signer::read(
            path.ok_or_else(|| {
                Error::Usage("profile names no owner_key; use --out FILE".to_owned())
            })?,
        )
    }

    /// The key that stops: the profile's operator key, else its owner key.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] where the profile names neither.
    pub fn stopping_key(&self) -> Result<Signer, Error> {
        match self.profile.operator_key.as_deref() {
            Some(path) => Signer::read(path),
            None => self.owner_key(),
        }
    }

    /// Whether the deployment is a simulation.
    #[must_use]
    pub fn is_simulation(&self) -> bool {
        self.chain.g0().attestation_root != Some(AttestationRoot::Aws)
    }

    /// Signs a widening command with the profile's owner key and sends it.
    ///
    /// # Errors
    ///
    /// [`Error::Pending`] where more owners must sign; otherwise as [`Self::send`].
    pub async fn widen_now(&mut self, action: &Value, lifts: &[Digest]) -> Result<Applied, Error> {
        self.alone()?;
        let body = self.widen(action, lifts)?;
        let signature = self.owner_key()?.sign(label::NAMESPACE_COMMAND, &body)?;
        self.send(Signed {
            body,
            signatures: vec![signature],
        })
        .await
    }

    /// Whether one owner is enough.
    fn alone(&self) -> Result<(), Error> {
        let in_force = self.in_force()?;
        let threshold = in_force.threshold;
        if threshold <= 1 {
            return Ok(());
        }
        let owners: Vec<_> = in_force
            .owners
            .iter()
            .map(|owner| owner.name.as_str())
            .collect();
        Err(Error::Pending(format!(
            "{threshold} of {}; nothing was sent: write the command with --out FILE, have them sign it, then \
             `claviger submit FILE SIG…`",
            owners.join(", ")
        )))
    }

    /// Signs a narrowing command with the profile's operator or owner key and sends it.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn narrow_now(&mut self, action: &Value) -> Result<Applied, Error> {
        let signer = self.stopping_key()?;
        let body = self.narrow(signer.public(), action)?;
        let signature = signer.sign(label::NAMESPACE_COMMAND, &body)?;
        self.send(Signed {
            body,
            signatures: vec![signature],
        })
        .await
    }

    /// Sends a signed command, checks its receipt, and reads the log on.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where the enclave refuses it; [`Error::Distrust`] for a receipt of something else.
    pub async fn send(&mut self, signed: Signed) -> Result<Applied, Error> {
        self.send_beside(signed, None).await
    }

    /// The same with a sealed key beside the command.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn send_beside(
        &mut self,
        signed: Signed,
        sealed: Option<&[u8]>,
    ) -> Result<Applied, Error> {
        Command::parse(&signed.body)?;
        let Done {
            seq: _,
            result,
            receipt,
        } = self.operator.command(&signed, sealed).await?;
        let index = self.check_receipt(&receipt, &signed.body)?;
        self.reach(index).await?;
        Ok(Applied { result, receipt })
    }

    /// Reads the log on until it holds an entry: in a volatile deployment an answer may be ahead of its storage.
    async fn reach(&mut self, index: u64) -> Result<(), Error> {
        for _ in 0..TRIES {
            self.refresh().await?;
            if self.view.report().is_ok_and(|report| report.size > index) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::Unavailable(format!(
            "entry {index} is not in the host's log yet"
        )))
    }

    /// The index of the entry that a receipt proves these very bytes to stand in.
    fn check_receipt(&self, receipt: &str, body: &[u8]) -> Result<u64, Error> {
        let distrust = |what: &str| Error::Distrust(format!("receipt {what}"));
        let bytes = STANDARD
            .decode(receipt)
            .map_err(|_| distrust("is malformed"))?;
        let receipt = Receipt::decode(&bytes).map_err(|_| distrust("is malformed"))?;
        let proved = receipt
            .verify(self.view.log_key(), &RingVerifier)
            .map_err(|_| distrust("proves nothing"))?;
        let Body::Command(recorded) = proved.record.body else {
            return Err(distrust("is for another record"));
        };
        if recorded.body == body {
            Ok(proved.leaf.index)
        } else {
            Err(distrust("is for another command"))
        }
    }
}

/// Whether a command widens or narrows.
#[must_use]
pub const fn widens(command: &Command) -> bool {
    matches!(command.chain, CommandChain::Widen)
}

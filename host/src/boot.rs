//! Drives an enclave from its first breath to serving, and again after each of its restarts.
//!
//! ```text
//! Booted → Measure → Measured → AttestKms, KMS, Unseal → Unsealed → Resume → Replaying → Serving
//! ```
//! A deployment that is not born waits, measured under g0 alone, for an operator's genesis; one that is born but whose
//! g1 is not here yet is not measured: measuring is once per boot. The courier decides nothing; it only asks in order.

use crate::{
    deployment::Deployment,
    kms::Kms,
    link::{
        Backoff,
        control::{AskError, Control},
    },
};
use claviger_shared::{
    bundle::Bundle,
    id::InstanceId,
    wire::{
        FrameType, Phase,
        control::{Document, Measure, Measured, Unseal, Unsealed},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::Instant};

/// How long a document is shown to KMS, which takes none older than five minutes.
const MAX_AGE: Duration = Duration::from_secs(240);

/// Why a step is tried again later.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("bundle is malformed")]
    Bundle,
    #[error("no recipient's KMS key answered")]
    NoRecipient,
}

/// What drives.
#[derive(Debug)]
pub(crate) struct Boot {
    /// The enclave.
    pub control: Control,
    /// The manifests and the bundle.
    pub deployment: Arc<Deployment>,
    /// KMS.
    pub kms: Kms,
    /// Told when the manifests or the bundle change.
    pub changed: Arc<Notify>,
    /// A document that no reply was opened with yet.
    pub document: Option<Unused>,
}

/// A document for KMS, its boot and its age: an enclave makes few, and a KMS that is away must not use them up.
#[derive(Debug)]
pub(crate) struct Unused {
    instance: Option<InstanceId>,
    made: Instant,
    document: Vec<u8>,
}

impl Boot {
    /// Runs until the runtime ends.
    pub(crate) async fn run(mut self) {
        let mut view = self.control.watch();
        let mut backoff = Backoff::default();
        loop {
            let seen = view.borrow_and_update().phase;
            let step = match seen {
                Some(phase) => self.step(phase).await,
                None => Ok(()),
            };
            // What moved on by the step itself is looked at again at once.
            let retry = match step {
                Ok(()) => {
                    backoff.reset();
                    None
                }
                Err(stuck) => {
                    tracing::warn!(phase = ?seen, error = %stuck, "boot step failed");
                    Some(backoff.pause())
                }
            };
            let again = async move {
                match retry {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                gone = view.changed(), if retry.is_none() => if gone.is_err() { return },
                () = self.changed.notified() => {}
                () = again => {}
            }
        }
    }

    async fn step(&mut self, phase: Phase) -> Result<(), Stuck> {
        match phase {
            Phase::Booted => self.measure().await,
            Phase::Measured => self.unseal().await,
            Phase::Unsealed => self.resume().await,
            Phase::Replaying | Phase::Serving | Phase::Fenced | Phase::Stopped => Ok(()),
        }
    }

    async fn measure(&self) -> Result<(), Stuck> {
        let Some(chain) = self.deployment.chain() else {
            return Ok(());
        };
        if chain.links.len() == 1 && self.deployment.bundle().is_some() {
            tracing::warn!("deployment is born; waiting for its g1");
            return Ok(());
        }
        let manifests = chain.links.clone();
        let measured: Measured = self
            .control
            .ask(FrameType::Measure, &Measure { manifests })
            .await?;
        tracing::info!(pcr16 = %measured.pcr16, generation = chain.links.len() - 1, "measured");
        self.control.moved(Phase::Booted, Phase::Measured);
        Ok(())
    }

    async fn unseal(&mut self) -> Result<(), Stuck> {
        let (Some(chain), Some(bytes)) = (self.deployment.chain(), self.deployment.bundle()) else {
            return Ok(());
        };
        if chain.links.len() < 2 {
            return Ok(());
        }
        let bundle = Bundle::parse(&bytes).map_err(|_| Stuck::Bundle)?;
        let mut refused = Stuck::NoRecipient;
        for recipient in &bundle.head.recipients {
            match self
                .unseal_by(&recipient.arn, &bundle.head.ephemeral, &bytes)
                .await
            {
                Ok(()) => return Ok(()),
                Err(stuck) => refused = stuck,
            }
        }
        Err(refused)
    }

    async fn document(&mut self) -> Result<Vec<u8>, Stuck> {
        let instance = self.control.view().instance;
        if let Some(unused) = &self.document
            && unused.instance == instance
            && unused.made.elapsed() < MAX_AGE
        {
            return Ok(unused.document.clone());
        }
        let Document { document } = self.control.ask(FrameType::AttestKms, &()).await?;
        self.document = Some(Unused {
            instance,
            made: Instant::now(),
            document: document.clone(),
        });
        Ok(document)
    }

    /// Tries one recipient.
    async fn unseal_by(&mut self, arn: &str, ephemeral: &[u8], bundle: &[u8]) -> Result<(), Stuck> {
        let document = self.document().await?;
        let ciphertext = match self.kms.derive(arn, ephemeral, document).await {
            Ok(ciphertext) => ciphertext,
            Err(error) => {
                tracing::warn!(
                    arn,
                    code = error.code,
                    detail = error.detail(),
                    "KMS refused"
                );
                return Err(Stuck::NoRecipient);
            }
        };
        // Its key opens one reply, whatever comes of it.
        self.document = None;
        let unseal = Unseal {
            recipient: arn.to_owned(),
            ciphertext,
            bundle: bundle.to_vec(),
        };
        let unsealed: Unsealed = self.control.ask(FrameType::Unseal, &unseal).await?;
        tracing::info!(
            arn,
            origin = unsealed.origin,
            generation = unsealed.generation,
            "unsealed"
        );
        self.control.moved(Phase::Measured, Phase::Unsealed);
        Ok(())
    }

    async fn resume(&self) -> Result<(), Stuck> {
        let () = self.control.ask(FrameType::Resume, &()).await?;
        self.control.moved(Phase::Unsealed, Phase::Replaying);
        Ok(())
    }
}

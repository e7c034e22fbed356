//! The `evm` kind in this process: a transfer of a token parsed and matched, and its signature, as the enclave makes them; and
//! the curve alone.

use anyhow::ensure;
use claviger_enclave::secret::ChainKey;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::Sign,
    catalog::Catalog,
    effect::Kind,
    grant::Grant,
    id::{KeyId, ResourceName},
    owner::command::Alg,
    time::UnixMs,
};
use claviger_tests::evm;
use std::hint::black_box;

/// One transfer, parsed and signed.
pub struct Bench {
    sign: Sign,
    catalog: Catalog,
    grant: Grant,
    call: AnyCall,
    key: ChainKey,
    info: SigningKeyInfo,
    moment: Moment,
}

impl Bench {
    /// Under a grant like `grant`, which then names payouts alone.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(evm::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        grant.permissions.write = vec![ResourceName::parse("payouts")?];
        let sign = Sign {
            input: evm::tx(&evm::transfer(7, 5_000_000)),
            idempotency_key: None,
        };
        let call = AnyCall::parse(&sign, &catalog, &grant)
            .map_err(|denial| anyhow::anyhow!("{denial:?}"))?;
        let key = ChainKey::new(&[7; 32]).map_err(|_| anyhow::anyhow!("no key"))?;
        Ok(Self {
            sign,
            catalog,
            grant,
            call,
            info: SigningKeyInfo {
                id: KeyId::parse("k_evm")?,
                kind: Kind::Evm,
                alg: Alg::Secp256k1,
                deployment: "bench".into(),
                public: key.public().to_vec(),
                thumbprint: "bench".to_owned(),
                session_token: None,
            },
            key,
            moment: Moment {
                now,
                expires_at: UnixMs::NEVER,
                nonce: [0; 16],
            },
        })
    }

    /// Reads and matches the transaction.
    pub fn parse(&self) {
        let _ = black_box(AnyCall::parse(&self.sign, &self.catalog, &self.grant));
    }

    /// The unsigned bytes, their signature, and the signed ones with their hash.
    pub fn sign(&self) {
        let Ok(signed @ ToSign::Message(_)) = self.call.to_sign(&self.info, &self.moment) else {
            return;
        };
        let Ok(message) = signed.message() else {
            return;
        };
        let signature = self.key.sign(message);
        let _ = black_box(self.call.assemble(&self.moment, &signed, &signature));
    }

    /// A hash and a signature of so many bytes, and nothing else.
    pub fn raw(&self) {
        let _ = black_box(self.key.sign(&[7; 128]));
    }

    /// That what is measured works.
    pub fn check(&self) -> anyhow::Result<()> {
        let to_sign = self.call.to_sign(&self.info, &self.moment);
        ensure!(matches!(to_sign, Ok(ToSign::Message(_))), "{to_sign:?}");
        Ok(())
    }
}

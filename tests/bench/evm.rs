//! The `evm` kind in this process: a token's transfer and a call with a long list parsed and matched, and their signatures, as
//! the enclave makes them; and the curve alone.

use anyhow::ensure;
use claviger_enclave::secret::ChainKey;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::Sign,
    catalog::Catalog,
    chain::abi::MAX_ITEMS,
    effect::Kind,
    grant::Grant,
    id::{KeyId, ResourceName},
    owner::command::Alg,
    time::UnixMs,
};
use claviger_tests::evm;
use serde_json::Value;
use std::hint::black_box;

/// One transaction, parsed and signed.
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
    /// A token's transfer.
    pub fn transfer(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        Self::new(grant, now, "payouts", &evm::transfer(7, 5_000_000))
    }

    /// A contract's call with the longest list that is read.
    pub fn list(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let parts = [(evm::PAYEE, 10); MAX_ITEMS as usize];
        Self::new(grant, now, "pool", &evm::spread(7, &parts, "thanks"))
    }

    /// Under a grant like `grant`, which then names one resource alone.
    fn new(grant: &Grant, now: UnixMs, resource: &str, tx: &Value) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(evm::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        grant.permissions.write = vec![ResourceName::parse(resource)?];
        let sign = Sign {
            input: evm::tx(tx),
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

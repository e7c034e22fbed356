//! The `x402` kind in this process: a demand read and matched, and its payment, as the enclave makes them; and the curve alone.

use anyhow::{Context, ensure};
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
use claviger_tests::x402;
use std::hint::black_box;

/// A payment, parsed and signed.
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
    /// Under a grant like `grant`, which then names payments alone.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(x402::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        grant.permissions.write = vec![ResourceName::parse("data").ok().context("name")?];
        let sign = Sign {
            input: x402::input(&x402::requirements("10000")),
            idempotency_key: None,
        };
        let call = AnyCall::parse(&sign, &catalog, &grant)
            .map_err(|denial| anyhow::anyhow!("{denial:?}"))?;
        let key = ChainKey::new(&[7; 32]).ok().context("key")?;
        let life = call.effects().first.max_lifetime;
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
                thumbprint: String::new(),
                session_token: None,
            },
            key,
            moment: Moment {
                now: UnixMs(now.secs() * 1000),
                expires_at: UnixMs(now.secs() * 1000).plus(life),
                nonce: [0; 16],
            },
        })
    }

    /// Reads and matches the demand.
    pub fn parse(&self) {
        let _ = black_box(AnyCall::parse(&self.sign, &self.catalog, &self.grant));
    }

    /// The typed data, its signature, and the payment in base64.
    pub fn sign(&self) {
        let Ok(ToSign::Payment(payment)) = self.call.to_sign(&self.info, &self.moment) else {
            return;
        };
        let signature = self.key.sign(&payment.message());
        let signed = ToSign::Payment(payment);
        let _ = black_box(self.call.assemble(&self.moment, &signed, &signature));
    }

    /// The curve's signature over 66 bytes, and nothing else.
    pub fn curve(&self) {
        let _ = black_box(self.key.sign(black_box(&[7; 66])));
    }

    /// That what is measured works.
    pub fn check(&self) -> anyhow::Result<()> {
        let to_sign = self.call.to_sign(&self.info, &self.moment);
        ensure!(matches!(to_sign, Ok(ToSign::Payment(_))), "{to_sign:?}");
        Ok(())
    }
}

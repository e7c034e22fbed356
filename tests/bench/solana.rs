//! The `solana` kind in this process: a message read and matched, and its transaction, as the enclave makes them; and the curve alone.

use anyhow::{Context, ensure};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::Sign,
    catalog::Catalog,
    effect::Kind,
    grant::Grant,
    id::{KeyId, ResourceName},
    owner::command::Alg,
    solana::COMPUTE_BUDGET,
    time::UnixMs,
};
use claviger_tests::solana::{self, build};
use std::hint::black_box;

/// A transfer of tokens with a priority fee, parsed and signed.
pub struct Bench {
    sign: Sign,
    catalog: Catalog,
    grant: Grant,
    call: AnyCall,
    key: Ed25519KeyPair,
    info: SigningKeyInfo,
    moment: Moment,
}

impl Bench {
    /// Under a grant like `grant`, which then names payments alone.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(solana::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        grant.permissions.write = vec![ResourceName::parse("usdc").ok().context("name")?];
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32])?;
        let me: [u8; 32] = key.public_key().as_ref().try_into()?;
        let budget = build::compute(COMPUTE_BUDGET.0, Some(60_000), Some(1000));
        let paid = solana::usdc(me, solana::key(solana::PAYEE), 10_000);
        let sign = Sign {
            input: solana::input(me, &[budget, vec![paid]].concat()),
            idempotency_key: None,
        };
        let call = AnyCall::parse(&sign, &catalog, &grant)
            .map_err(|denial| anyhow::anyhow!("{denial:?}"))?;
        let life = call.effects().first.max_lifetime;
        Ok(Self {
            sign,
            catalog,
            grant,
            call,
            info: SigningKeyInfo {
                id: KeyId::parse("k_sol")?,
                kind: Kind::Solana,
                alg: Alg::Ed25519,
                deployment: "bench".into(),
                public: me.to_vec(),
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

    /// Reads and matches the message.
    pub fn parse(&self) {
        let _ = black_box(AnyCall::parse(&self.sign, &self.catalog, &self.grant));
    }

    /// The message, its signature, and the transaction in base64.
    pub fn sign(&self) {
        let Ok(ToSign::Solana(signing)) = self.call.to_sign(&self.info, &self.moment) else {
            return;
        };
        let signature = self.key.sign(&signing.message);
        let signed = ToSign::Solana(signing);
        let made = self
            .call
            .assemble(&self.moment, &signed, signature.as_ref());
        let _ = black_box(made);
    }

    /// The curve's signature over 300 bytes, and nothing else.
    pub fn curve(&self) {
        let _ = black_box(self.key.sign(black_box(&[7; 300])));
    }

    /// That what is measured works.
    pub fn check(&self) -> anyhow::Result<()> {
        let to_sign = self.call.to_sign(&self.info, &self.moment);
        ensure!(matches!(to_sign, Ok(ToSign::Solana(_))), "{to_sign:?}");
        Ok(())
    }
}

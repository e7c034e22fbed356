//! The `ssh` kind in this process: a certificate and a commit, parsed, matched, signed and assembled, as the enclave does.

use anyhow::Context;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
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
use claviger_tests::ssh;
use std::hint::black_box;

/// Two calls: a certificate, and a commit.
pub struct Bench {
    calls: [(Sign, AnyCall, Moment); 2],
    catalog: Catalog,
    grant: Grant,
    pair: Ed25519KeyPair,
    info: SigningKeyInfo,
}

impl Bench {
    /// Under a grant like `grant`, which then names hosts and a repository alone.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(ssh::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        let names = ["hosts", "repo"].map(|name| ResourceName::parse(name).ok());
        let names: Option<Vec<_>> = names.into_iter().collect();
        grant.permissions.write = names.context("names")?;
        let now = UnixMs(now.secs() * 1000);
        let call = |input| {
            let sign = Sign {
                input,
                idempotency_key: None,
            };
            let call = AnyCall::parse(&sign, &catalog, &grant)
                .map_err(|denial| anyhow::anyhow!("{denial:?}"))?;
            let life = call.effects().first.max_lifetime;
            let moment = Moment {
                now,
                expires_at: now.plus(life).min(UnixMs::NEVER),
                nonce: [1; 16],
            };
            anyhow::Ok((sign, call, moment))
        };
        let calls = [
            call(ssh::certificate(ssh::PUBLIC_KEY, &["deploy"], None))?,
            call(ssh::object(ssh::COMMIT.as_bytes()))?,
        ];
        let pair =
            Ed25519KeyPair::from_seed_unchecked(&[7; 32]).map_err(|_| anyhow::anyhow!("key"))?;
        let info = SigningKeyInfo {
            id: KeyId::parse("k_ssh")?,
            kind: Kind::Ssh,
            alg: Alg::Ed25519,
            deployment: "bench".into(),
            public: pair.public_key().as_ref().to_vec(),
            thumbprint: String::new(),
            session_token: None,
        };
        let bench = Self {
            calls,
            catalog,
            grant,
            pair,
            info,
        };
        for which in 0..2 {
            bench.made(which).context("nothing is made")?;
        }
        Ok(bench)
    }

    /// Reads and matches a call.
    pub fn parse(&self, which: usize) {
        let (sign, ..) = &self.calls[which];
        let _ = black_box(AnyCall::parse(sign, &self.catalog, &self.grant));
    }

    /// The bytes, their signature, and what the agent gets.
    pub fn sign(&self, which: usize) {
        let _ = black_box(self.made(which));
    }

    fn made(&self, which: usize) -> Option<claviger_shared::credential::Credential> {
        let (_, call, moment) = &self.calls[which];
        let signed = call.to_sign(&self.info, moment).ok()?;
        let ToSign::Ssh(signing) = &signed else {
            return None;
        };
        let signature = self.pair.sign(&signing.message);
        call.assemble(moment, &signed, signature.as_ref()).ok()
    }
}

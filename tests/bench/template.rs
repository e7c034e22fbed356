//! The `template` kind in this process: a request parsed and matched, and its signature, as the enclave makes them.

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::Sign, catalog::Catalog, effect::Kind, grant::Grant, id::KeyId, owner::command::Alg,
    time::UnixMs,
};
use claviger_tests::template;
use std::hint::black_box;

/// A GET, parsed and signed with HMAC.
pub struct Bench {
    sign: Sign,
    catalog: Catalog,
    grant: Grant,
    call: AnyCall,
    key: hmac::Key,
    info: SigningKeyInfo,
    moment: Moment,
}

impl Bench {
    /// Under a grant like `grant`, which then names one resource.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(template::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        let name = claviger_shared::id::ResourceName::parse("quotes-hs256")
            .ok()
            .context("name")?;
        grant.permissions.read = vec![name];
        let sign = Sign {
            input: template::input(template::quote("hs256")),
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
            key: hmac::Key::new(hmac::HMAC_SHA256, template::SECRET),
            info: SigningKeyInfo {
                id: KeyId::parse("k_template")?,
                kind: Kind::Template,
                alg: Alg::Hs256,
                deployment: "bench".into(),
                public: b"name".to_vec(),
                thumbprint: "name".to_owned(),
                session_token: None,
            },
            moment: Moment {
                now: UnixMs(now.secs() * 1000),
                expires_at: UnixMs(now.secs() * 1000).plus(life),
                nonce: [0; 16],
            },
        })
    }

    /// Reads and matches the request.
    pub fn parse(&self) {
        let _ = black_box(AnyCall::parse(&self.sign, &self.catalog, &self.grant));
    }

    /// The string, its HMAC, and the header fields.
    pub fn sign(&self) {
        let Ok(to_sign) = self.call.to_sign(&self.info, &self.moment) else {
            return;
        };
        let Ok(message) = to_sign.message() else {
            return;
        };
        let signature = hmac::sign(&self.key, message);
        let _ = black_box(
            self.call
                .assemble(&self.moment, &to_sign, signature.as_ref()),
        );
    }

    /// That what is measured works.
    pub fn check(&self) -> anyhow::Result<()> {
        let to_sign = self.call.to_sign(&self.info, &self.moment);
        ensure!(matches!(to_sign, Ok(ToSign::Template(_))), "{to_sign:?}");
        Ok(())
    }
}

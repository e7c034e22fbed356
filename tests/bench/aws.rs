//! The `aws` kind in this process: a request parsed and matched, and its signature, as the enclave makes them.

use anyhow::{Context, ensure};
use claviger_enclave::secret::AccessKey;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::Sign, catalog::Catalog, crypto::import, effect::Kind, grant::Grant, id::KeyId,
    owner::command::Alg, time::UnixMs,
};
use claviger_tests::{aws, import::ACCESS_KEY};
use std::hint::black_box;

/// A GET of one object, parsed and signed.
pub struct Bench {
    sign: Sign,
    catalog: Catalog,
    grant: Grant,
    call: AnyCall,
    key: AccessKey,
    info: SigningKeyInfo,
    moment: Moment,
}

impl Bench {
    /// Under a grant like `grant`, which then names a bucket alone.
    pub fn new(grant: &Grant, now: UnixMs) -> anyhow::Result<Self> {
        let catalog = Catalog::parse(aws::catalog().to_string().as_bytes())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut grant = grant.clone();
        let name = claviger_shared::id::ResourceName::parse("bucket")
            .ok()
            .context("name")?;
        grant.permissions.read = vec![name];
        let sign = Sign {
            input: aws::input(aws::object("GET", "/2026/report.csv")),
            idempotency_key: None,
        };
        let call = AnyCall::parse(&sign, &catalog, &grant)
            .map_err(|denial| anyhow::anyhow!("{denial:?}"))?;
        let secret = import::access_key(ACCESS_KEY.secret.as_bytes(), b"").context("secret")?;
        let life = call.effects().first.max_lifetime;
        Ok(Self {
            sign,
            catalog,
            grant,
            call,
            key: AccessKey::new(&secret).context("key")?,
            info: SigningKeyInfo {
                id: KeyId::parse("k_aws")?,
                kind: Kind::Aws,
                alg: Alg::SigV4,
                deployment: "bench".into(),
                public: Vec::new(),
                thumbprint: ACCESS_KEY.id.to_owned(),
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

    /// The canonical request, its signature under the day's key, and the header fields.
    pub fn sign(&self) {
        let Ok(ToSign::SigV4(signing)) = self.call.to_sign(&self.info, &self.moment) else {
            return;
        };
        let scope = (
            signing.date(),
            signing.region.as_str(),
            signing.service.as_str(),
        );
        let signature = self.key.sign(scope, signing.string_to_sign().as_bytes());
        let signed = ToSign::SigV4(signing);
        let _ = black_box(self.call.assemble(&self.moment, &signed, &signature));
    }

    /// That what is measured works.
    pub fn check(&self) -> anyhow::Result<()> {
        let to_sign = self.call.to_sign(&self.info, &self.moment);
        ensure!(matches!(to_sign, Ok(ToSign::SigV4(_))), "{to_sign:?}");
        Ok(())
    }
}

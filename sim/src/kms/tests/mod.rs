//! The real SDK against the mock, over loopback.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    reason = "tests know the sizes they work with"
)]

mod attested;
mod keys;
mod signature;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeyEncryptionMechanism, KeySpec, KeyUsageType, RecipientInfo};
use claviger_enclave::platform::Nsm as _;
use claviger_verify::attestation::Root;
use serde_bytes::ByteBuf;

use super::*;
use crate::nsm::{Measurements, MockNsm, Pki};

const ROOT: &str = "arn:aws:iam::000000000000:root";
const HOST: &str = "arn:aws:iam::000000000000:role/host";

/// A running KMS, its callers, and a module whose documents it accepts.
struct Bench {
    dir: tempfile::TempDir,
    pki: Arc<Pki>,
    /// How far the simulation's clock is ahead of this machine's.
    ahead_ms: Arc<AtomicU64>,
    kms: Running,
    chunk: Option<NonZeroUsize>,
}

impl Bench {
    async fn new() -> Self {
        Self::with(
            tempfile::tempdir().unwrap(),
            Arc::new(Pki::generate().unwrap()),
            None,
        )
        .await
    }

    async fn with(dir: tempfile::TempDir, pki: Arc<Pki>, chunk: Option<usize>) -> Self {
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let mut config = KmsConfig::new(
            dir.path().join("kms"),
            Root::Pinned(pki.root_der().to_vec()),
            vec![root(), host()],
        );
        config.clock = clock(&ahead_ms);
        config.chunk = chunk.and_then(NonZeroUsize::new);
        let chunk = config.chunk;
        let kms = serve(config).await.unwrap();
        Self {
            dir,
            pki,
            ahead_ms,
            kms,
            chunk,
        }
    }

    async fn restarted(self) -> Self {
        self.kms.stop().await;
        Self::with(self.dir, self.pki, self.chunk.map(NonZeroUsize::get)).await
    }

    fn root(&self) -> Client {
        client(&self.kms.endpoint(), &root())
    }

    fn host(&self) -> Client {
        client(&self.kms.endpoint(), &host())
    }

    fn boot(&self, measurements: &Measurements) -> MockNsm {
        let id = MockNsm::random_module_id().unwrap();
        MockNsm::new(
            Arc::clone(&self.pki),
            measurements,
            &id,
            clock(&self.ahead_ms),
        )
        .unwrap()
    }

    /// A key agreement key under a policy; the root user may do everything but derive.
    async fn key(&self, statements: &str) -> String {
        let policy = format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Sid":"admin","Effect":"Allow","Principal":{{"AWS":"{ROOT}"}},"NotAction":"kms:DeriveSharedSecret","Resource":"*"}},
                {{"Sid":"read","Effect":"Allow","Principal":{{"AWS":"{HOST}"}},"Action":["kms:DescribeKey","kms:GetPublicKey"],"Resource":"*"}}
                {statements}]}}"#
        );
        let created = self
            .root()
            .create_key()
            .key_spec(KeySpec::EccNistP256)
            .key_usage(KeyUsageType::KeyAgreement)
            .policy(policy)
            .send()
            .await
            .unwrap();
        created.key_metadata.unwrap().arn.unwrap()
    }
}

fn clock(ahead_ms: &Arc<AtomicU64>) -> Arc<dyn WallClock> {
    let ahead_ms = Arc::clone(ahead_ms);
    Arc::new(move || {
        SystemClock
            .now_ms()
            .saturating_add(ahead_ms.load(Ordering::Relaxed))
    })
}

fn root() -> Credential {
    Credential::new("AKIAROOT", "secret of the root user", ROOT)
}

fn host() -> Credential {
    Credential::new("ASIAHOST", "secret of the host", HOST).with_session_token("token of the host")
}

fn client(endpoint: &str, credential: &Credential) -> Client {
    let token = credential.session_token().map(str::to_owned);
    let credentials = Credentials::new(
        credential.access_key_id(),
        credential.expose(),
        token,
        None,
        "test",
    );
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

fn measurements() -> Measurements {
    Measurements {
        pcr0: [0xa0; 48],
        pcr1: [0xa1; 48],
        pcr2: [0xa2; 48],
        role_arn: HOST.to_owned(),
        instance_id: "i-0123456789abcdef0".to_owned(),
    }
}

/// A single-use RSA key and the document that attests it.
struct Attested {
    key: PrivateDecryptingKey,
    document: Vec<u8>,
}

impl Attested {
    fn by(nsm: &MockNsm) -> Self {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let document = attest(nsm, Some(key.public_key().as_der().unwrap().as_ref()));
        Self { key, document }
    }

    fn recipient(&self) -> RecipientInfo {
        recipient(&self.document)
    }

    /// Opens a reply whose ciphertext came in one octet string, knowing where its parts are.
    fn open(self, reply: &[u8]) -> Vec<u8> {
        use aws_lc_rs::cipher::{
            AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
        };
        let key = OaepPrivateDecryptingKey::new(self.key).unwrap();
        let mut content_key = [0; 256];
        let content_key = key
            .decrypt(
                &OAEP_SHA256_MGF1SHA256,
                &reply[131..387],
                &mut content_key,
                None,
            )
            .unwrap();
        let iv: [u8; 16] = reply[415..431].try_into().unwrap();
        let mut content = reply[435..483].to_vec();
        let content_key = UnboundCipherKey::new(&AES_256, content_key).unwrap();
        let opener = PaddedBlockDecryptingKey::cbc_pkcs7(content_key).unwrap();
        opener
            .decrypt(&mut content, DecryptionContext::Iv128(iv.into()))
            .unwrap()
            .to_vec()
    }
}

fn attest(nsm: &MockNsm, public_key: Option<&[u8]>) -> Vec<u8> {
    let public_key = public_key.map(ByteBuf::from);
    match nsm.process(Request::Attestation {
        user_data: None,
        nonce: None,
        public_key,
    }) {
        Response::Attestation { document } => document,
        other => panic!("{other:?}"),
    }
}

fn recipient(document: &[u8]) -> RecipientInfo {
    RecipientInfo::builder()
        .key_encryption_algorithm(KeyEncryptionMechanism::RsaesOaepSha256)
        .attestation_document(Blob::new(document))
        .build()
}

/// The other side of an agreement.
struct Peer(aws_lc_rs::agreement::PrivateKey);

impl Peer {
    fn new() -> Self {
        Self(aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::ECDH_P256).unwrap())
    }

    fn spki(&self) -> Blob {
        let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
            self.0.compute_public_key().unwrap().as_der().unwrap();
        Blob::new(der.as_ref())
    }

    /// What it shares with the owner of a SubjectPublicKeyInfo.
    fn agree(&self, spki: &[u8]) -> Vec<u8> {
        use aws_lc_rs::agreement::{ECDH_P256, UnparsedPublicKey, agree};
        let point = UnparsedPublicKey::new(&ECDH_P256, &spki[spki.len() - 65..]);
        agree(&self.0, point, (), |secret| Ok(secret.to_vec())).unwrap()
    }
}

/// The error type of a refusal, as the SDK understood it.
#[track_caller]
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E, impl std::fmt::Debug>>,
) -> String {
    result.unwrap_err().code().unwrap().to_owned()
}

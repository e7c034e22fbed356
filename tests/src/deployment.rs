//! A deployment in this process: KMS, owners, and an enclave that boots as often as a test wants.

mod enclave;

pub use enclave::Enclave;

use crate::{
    courier::{Life, Link, Tap, serve_storage},
    platform::{Recording, TestClock, nsm, platform},
    store::Store,
};
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    primitives::Blob,
    types::{KeyAgreementAlgorithmSpec, KeyEncryptionMechanism, RecipientInfo},
};
use claviger_cli::{
    ceremony::{
        birth,
        kms::{Kms, Place},
        manifest::{self, Birth, People, Person, Recipient, Root},
        policy::{self, Parties, Pins},
    },
    operator::Born as CheckedBorn,
    ssh::{self, Signer},
};
use claviger_client::trust::extended_once;
use claviger_enclave::{boot::Platform, platform::Nsm, serve::run};
use claviger_shared::{
    bundle::Bundle,
    id::Pcr,
    label,
    log::record::{Body, Record},
    owner::manifest::{Release, Version, chain::Chain},
    wire::{
        Phase, Role,
        control::{Born, Measured, PhaseEvent, Signed, Unsealed},
        storage::StoredEntry,
    },
};
use claviger_sim::{
    aws::Credential,
    kms::{self, KmsConfig, Running},
    nsm::{Measurements, Pki},
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::Value;
use std::{
    os::unix::net::UnixListener,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const HOST: &str = "arn:aws:iam::000000000000:role/claviger-host";
const ADMIN: &str = "arn:aws:iam::000000000000:role/kms-admin";
/// What the account lets the administrator do; everything else is the key policy's to say.
const CREATOR: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}]}"#;
/// The owner's nonce at genesis.
pub const NONCE: [u8; 32] = [5; 32];

/// A deployment that is born.
pub struct Deployment {
    dir: TempDir,
    /// Where asynchronous clients run.
    pub runtime: Runtime,
    pki: Arc<Pki>,
    kms: Option<Running>,
    admin: Kms,
    host: Client,
    /// The test's time.
    pub clock: TestClock,
    /// The one owner.
    pub owner: Signer,
    /// The one operator.
    pub operator: Signer,
    people: People,
    /// The one KMS key.
    pub recipient: Recipient,
    /// What the image measures.
    pub measurements: Measurements,
    /// Which release the image says it is.
    pub version: Version,
    /// g0 and g1.
    pub links: Vec<Signed>,
    /// The sealed root.
    pub bundle: Vec<u8>,
    /// What the courier stores.
    pub store: Arc<Store>,
    /// Every frame that any life of the enclave sent.
    pub tap: Tap,
    /// What was drawn at genesis.
    pub genesis_draws: Vec<Vec<u8>>,
    sockets: AtomicU64,
    lives: Mutex<Vec<Arc<Life>>>,
}

impl std::fmt::Debug for Deployment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deployment")
    }
}

fn signer(dir: &TempDir, name: &str) -> Signer {
    let path = dir.path().join(name);
    std::fs::write(&path, ssh::generate(name).unwrap().0.as_bytes()).unwrap();
    Signer::read(&path).unwrap()
}

fn client(endpoint: &str, credential: &Credential) -> Client {
    let id = credential.access_key_id();
    let credentials = Credentials::new(id, credential.expose(), None, None, "test");
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

impl Deployment {
    /// A deployment after its ceremony: the root is born, g1 signed, the policy put.
    #[must_use]
    pub fn born() -> Self {
        let mut deployment = Self::unborn();
        let (born, draws) = deployment.genesis();
        deployment.genesis_draws = draws;
        deployment.bundle.clone_from(&born.bundle);
        let g1 = deployment.next_manifest(&born);
        deployment.links.push(g1);
        deployment.put_policy(&deployment.pins());
        deployment
    }

    /// A deployment after its ceremony whose answers do not wait for storage.
    #[must_use]
    pub fn volatile() -> Self {
        let mut deployment = Self::unborn();
        let (born, _) = deployment.genesis();
        deployment.bundle.clone_from(&born.bundle);
        let releases = vec![deployment.release()];
        let g1 = deployment.g1(&born, releases, "volatile", &deployment.owner);
        deployment.links.push(g1);
        deployment.put_policy(&deployment.pins());
        deployment
    }

    /// A deployment that serves, with a catalog and keys.
    #[track_caller]
    #[must_use]
    pub fn serving() -> (Self, Enclave) {
        let deployment = Self::born();
        let enclave = deployment.boot();
        deployment.furnish(&enclave);
        (deployment, enclave)
    }

    /// Before its ceremony: KMS runs, people have keys, g0 is signed.
    #[must_use]
    pub fn unborn() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let pki = Arc::new(Pki::generate().unwrap());
        let host = Credential::new("ASIAHOST", "secret of the host", HOST);
        let creator = Credential::new("AKIAADMIN", "secret of the admin", ADMIN);
        let callers = vec![host, creator.with_identity_policy(CREATOR)];
        let root = claviger_verify::attestation::Root::Pinned(pki.root_der().to_vec());
        let config = KmsConfig::new(dir.path().join("kms"), root, callers);
        let kms = runtime.block_on(kms::serve(config)).unwrap();
        let admin = runtime.block_on(admin(&dir, &kms.endpoint()));
        let unborn = policy::unborn(&parties());
        let recipient = runtime.block_on(admin.create_key(&unborn)).unwrap();
        let (owner, operator) = (signer(&dir, "owner"), signer(&dir, "operator"));
        let person = |name: &str, key: &Signer| Person {
            name: name.to_owned(),
            keys: vec![ssh::line(key.public())],
        };
        let people = People {
            owners: vec![person("ana", &owner)],
            threshold: 1,
            operators: vec![person("duty", &operator)],
        };
        let certificate = Root::Certificate(pki.root_der().to_vec());
        let to = std::slice::from_ref(&recipient);
        let g0 = manifest::g0("acme-test/claviger", &certificate, &people, to).unwrap();
        let host = Credential::new("ASIAHOST", "secret of the host", HOST);
        Self {
            links: vec![manifest::sign(g0, &[&owner]).unwrap()],
            host: client(&kms.endpoint(), &host),
            kms: Some(kms),
            measurements: measurements(),
            version: claviger_enclave::version(),
            bundle: Vec::new(),
            store: Arc::default(),
            tap: Tap::default(),
            genesis_draws: Vec::new(),
            sockets: AtomicU64::new(0),
            lives: Mutex::default(),
            clock: TestClock::default(),
            dir,
            runtime,
            pki,
            admin,
            owner,
            operator,
            people,
            recipient,
        }
    }

    /// The certificate that attestation chains end in, as DER.
    #[must_use]
    pub fn attestation_root(&self) -> Vec<u8> {
        self.pki.root_der().to_vec()
    }

    /// g0's bytes.
    #[must_use]
    pub fn g0(&self) -> &[u8] {
        &self.links[0].body
    }

    /// The verified chain.
    #[must_use]
    pub fn verified_chain(&self) -> Chain {
        Chain::verify(&self.links, &RingVerifier).unwrap()
    }

    /// The verified chain, to be shared.
    #[must_use]
    pub fn chain(&self) -> Arc<Chain> {
        Arc::new(self.verified_chain())
    }

    /// The build as manifests name it.
    #[must_use]
    pub fn release(&self) -> Release {
        Release {
            version: self.version,
            pcr0: Pcr(self.measurements.pcr0),
            pcr1: Pcr(self.measurements.pcr1),
            pcr2: Pcr(self.measurements.pcr2),
        }
    }

    /// Genesis in an enclave of its own, checked by the owner; the birth and what was drawn for it.
    #[track_caller]
    #[must_use]
    pub fn genesis(&self) -> (Born, Vec<Vec<u8>>) {
        let enclave = self.start();
        let _: Measured = enclave.measure(&self.links[..1]).reply();
        let born: Born = enclave.genesis().reply();
        let checked = CheckedBorn {
            bundle: born.bundle.clone(),
            origin: born.origin.clone(),
            vkey: born.vkey.clone(),
            first_root: born.first_root,
            document: born.document.clone(),
        };
        let now = self.clock.now().0;
        birth::check(&checked, self.g0(), &self.release(), &NONCE, now).unwrap();
        let stopped: PhaseEvent = enclave
            .control
            .event(|event: &PhaseEvent| event.phase == Phase::Stopped);
        assert_eq!(stopped.reason.as_deref(), Some("genesis is done"));
        let draws = enclave.entropy.draws();
        enclave.crash();
        (born, draws)
    }

    /// g1 of a birth, signed by the owner.
    #[must_use]
    pub fn next_manifest(&self, born: &Born) -> Signed {
        self.g1(born, vec![self.release()], "durable", &self.owner)
    }

    /// A g1 of a birth.
    #[must_use]
    pub fn g1(
        &self,
        born: &Born,
        releases: Vec<Release>,
        durability: &'static str,
        by: &Signer,
    ) -> Signed {
        let facts = Birth {
            bundle: Bundle::digest(&born.bundle),
            vkey: born.vkey.clone(),
            first_root: born.first_root,
            releases,
            durability,
        };
        let to = std::slice::from_ref(&self.recipient);
        let body = manifest::g1(self.g0(), &self.people, to, &facts).unwrap();
        manifest::sign(body, &[by]).unwrap()
    }

    /// What the policy of this deployment pins.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins {
            releases: vec![self.release()],
            deployment: extended_once(label::PCR_DEPLOYMENT, self.g0()),
            anchor: extended_once(label::PCR_ANCHOR, &self.links[1].body),
        }
    }

    /// Puts the key's policy.
    pub fn put_policy(&self, pins: &Pins) {
        self.put_rendered(&policy::render(&parties(), pins));
    }

    /// Puts a policy that was rendered already.
    pub fn put_rendered(&self, policy: &Value) {
        let put = self.admin.put_policy(&self.recipient.arn, policy);
        self.runtime.block_on(put).unwrap();
    }

    /// Asks KMS as the host does; the code of its refusal.
    ///
    /// # Errors
    ///
    /// KMS's own.
    pub fn derive(&self, document: &[u8]) -> Result<Vec<u8>, String> {
        let bundle = Bundle::parse(&self.bundle).unwrap();
        let recipient = RecipientInfo::builder()
            .attestation_document(Blob::new(document))
            .key_encryption_algorithm(KeyEncryptionMechanism::RsaesOaepSha256)
            .build();
        let request = self
            .host
            .derive_shared_secret()
            .key_id(&self.recipient.arn)
            .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
            .public_key(Blob::new(bundle.head.ephemeral))
            .recipient(recipient);
        let reply = self.runtime.block_on(request.send());
        let reply = reply.map_err(|error| format!("{:?}", error.into_service_error()))?;
        assert!(reply.shared_secret().is_none(), "never in the clear");
        Ok(reply.ciphertext_for_recipient().unwrap().as_ref().to_vec())
    }

    /// An enclave that has just begun, with storage connected.
    #[must_use]
    pub fn start(&self) -> Enclave {
        self.start_on(Arc::new(nsm(&self.pki, &self.measurements, &self.clock)))
    }

    /// A fresh module of this deployment's simulation.
    #[must_use]
    pub fn module(&self, measurements: &Measurements) -> claviger_sim::nsm::MockNsm {
        nsm(&self.pki, measurements, &self.clock)
    }

    /// An enclave that has just begun on a module.
    #[must_use]
    pub fn start_on(&self, nsm: Arc<dyn Nsm>) -> Enclave {
        let number = self.sockets.fetch_add(1, Ordering::Relaxed);
        let socket = self.dir.path().join(format!("{number}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let entropy = Arc::new(Recording::default());
        let mut platform = platform(nsm, &self.clock, &entropy);
        platform.version = self.version;
        let life = self.live(platform, listener);
        let tap = Arc::clone(&self.tap);
        serve_storage(
            socket.clone(),
            Arc::clone(&self.store),
            Arc::clone(&tap),
            Arc::clone(&life),
        );
        let control = Link::connect(&socket, Role::Control, &tap);
        Enclave {
            socket,
            control,
            tap,
            life,
            entropy,
        }
    }

    /// Where KMS listens.
    #[must_use]
    pub fn kms_endpoint(&self) -> String {
        self.kms.as_ref().unwrap().endpoint()
    }

    /// A directory of this deployment's own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A process of an enclave at a socket, and nobody's courier.
    pub fn run_at(&self, socket: &std::path::Path) {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).unwrap();
        let nsm = Arc::new(self.module(&self.measurements));
        let platform = platform(nsm, &self.clock, &Arc::default());
        drop(self.live(platform, listener));
    }

    /// One life of an enclave, which ends with this deployment if it does not before.
    fn live(&self, platform: Platform, listener: UnixListener) -> Arc<Life> {
        let life = Arc::<Life>::default();
        assert!(life.keep(&listener), "it only begins");
        self.lives.lock().unwrap().push(Arc::clone(&life));
        thread::spawn(move || run::run(platform, Box::new(listener)));
        life
    }

    /// An enclave that is measured for this deployment.
    #[track_caller]
    #[must_use]
    pub fn measured(&self) -> Enclave {
        let enclave = self.start();
        let _: Measured = enclave.measure(&self.links).reply();
        enclave
    }

    /// An enclave whose root is open.
    #[track_caller]
    #[must_use]
    pub fn unsealed(&self) -> Enclave {
        let enclave = self.measured();
        let reply = self.derive(&enclave.kms_document()).unwrap();
        let _: Unsealed = enclave
            .unseal(&self.recipient.arn, &reply, &self.bundle)
            .reply();
        enclave
    }

    /// An enclave that serves.
    #[track_caller]
    #[must_use]
    pub fn boot(&self) -> Enclave {
        let enclave = self.unsealed();
        enclave.resume();
        let event: PhaseEvent = enclave
            .control
            .event(|event: &PhaseEvent| matches!(event.phase, Phase::Serving | Phase::Stopped));
        assert_eq!(event.phase, Phase::Serving, "{:?}", event.reason);
        enclave
    }

    /// An enclave that resumes on whatever is stored; why not, where it does not serve.
    ///
    /// # Errors
    ///
    /// The enclave's reason.
    #[track_caller]
    pub fn boots(&self) -> Result<Enclave, String> {
        let enclave = self.unsealed();
        enclave.resume();
        let event: PhaseEvent = enclave
            .control
            .event(|event: &PhaseEvent| matches!(event.phase, Phase::Serving | Phase::Stopped));
        if event.phase == Phase::Serving {
            Ok(enclave)
        } else {
            Err(event.reason.unwrap())
        }
    }

    /// An enclave that resumes and refuses what is stored; why.
    #[track_caller]
    #[must_use]
    pub fn refuses_to_boot(&self) -> String {
        let enclave = self.unsealed();
        enclave.resume();
        let event: PhaseEvent = enclave
            .control
            .event(|event: &PhaseEvent| matches!(event.phase, Phase::Serving | Phase::Stopped));
        assert_eq!(event.phase, Phase::Stopped);
        event.reason.unwrap()
    }

    /// The newest Boot entry stored.
    #[track_caller]
    #[must_use]
    pub fn boot_entry(&self) -> StoredEntry {
        let is_boot = |entry: &StoredEntry| {
            let record = entry.records.first();
            record.is_some_and(|bytes| matches!(Record::decode(bytes).unwrap().body, Body::Boot(_)))
        };
        let mut entries = self.store.entries();
        entries.retain(is_boot);
        entries.pop().expect("a boot")
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        for life in self.lives.lock().unwrap().drain(..) {
            life.end();
        }
        if let Some(kms) = self.kms.take() {
            self.runtime.block_on(kms.stop());
        }
    }
}

async fn admin(dir: &TempDir, endpoint: &str) -> Kms {
    let path = dir.path().join("aws-credentials");
    let text =
        "[kms-admin]\naws_access_key_id = AKIAADMIN\naws_secret_access_key = secret of the admin\n";
    std::fs::write(&path, text).unwrap();
    Kms::connect(&Place {
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        profile: Some("kms-admin".to_owned()),
        credentials_file: Some(path),
    })
    .await
}

/// Whom key policies name.
#[must_use]
pub fn parties() -> Parties {
    Parties {
        host: HOST.to_owned(),
        administrator: ADMIN.to_owned(),
        break_glass: ADMIN.to_owned(),
    }
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

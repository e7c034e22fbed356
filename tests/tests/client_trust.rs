//! What a client refuses before it sends a byte: each test changes one thing in a deployment that checks out.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_cli::{
    ceremony::manifest::{self, Birth, People, Person, Recipient, Root},
    ssh::{self, Signer},
};
use claviger_client::{
    Error,
    trust::{self, MAX_AGE_MS, Trusted},
};
use claviger_enclave::platform::Nsm;
use claviger_shared::{
    attest,
    codec::cbor,
    crypto::{handshake, sha256, sha384},
    id::{Digest, InstanceId, Pcr, X25519Public, to_hex},
    label,
    log::{
        checkpoint::LogKey,
        entry::Leaf,
        record::{Body, Boot, Record},
    },
    owner::manifest::{Durability, Release, Version, chain::Chain},
    time::UnixMs,
    wire::{control::Signed, storage::StoredEntry},
};
use claviger_sim::{
    clock::WallClock,
    nsm::{Measurements, MockNsm, Pki},
};
use claviger_verify::ring_verifier::RingVerifier;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_bytes::ByteBuf;
use std::sync::Arc;

const ORIGIN: &str = "test/claviger";
const NOW: u64 = 1_795_424_400_000;
const NONCE: &[u8] = &[5; 32];
const VERSION: Version = Version(0, 1, 0);

struct At(u64);

impl WallClock for At {
    fn now_ms(&self) -> u64 {
        self.0
    }
}

fn measurements() -> Measurements {
    Measurements {
        pcr0: [1; 48],
        pcr1: [2; 48],
        pcr2: [3; 48],
        role_arn: "arn:aws:iam::000000000000:role/host".to_owned(),
        instance_id: "i-0123456789abcdef0".to_owned(),
    }
}

/// Everything that a client is shown; public to be changed.
struct World {
    pki: Arc<Pki>,
    links: Vec<Signed>,
    log: LogKey,
    measured: Measurements,
    attested_at: u64,
    g0_measured: Vec<u8>,
    anchor_measured: Vec<u8>,
    boot: Boot,
    public_key: Vec<u8>,
}

fn recipient() -> Recipient {
    let random = ring::rand::SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).unwrap();
    // SubjectPublicKeyInfo of P-256 before its point, RFC 5480.
    let mut public_key =
        hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
    public_key.extend_from_slice(pair.public_key().as_ref());
    Recipient {
        arn: "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000"
            .to_owned(),
        public_key,
    }
}

fn signer() -> (Signer, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("id");
    let (private, public) = ssh::generate("ana").unwrap();
    std::fs::write(&path, private.as_bytes()).unwrap();
    (Signer::read(&path).unwrap(), public)
}

impl World {
    fn new() -> Self {
        let pki = Arc::new(Pki::generate().unwrap());
        let (owner, public) = signer();
        let person = |name: &str, key: &str| Person {
            name: name.to_owned(),
            keys: vec![key.to_owned()],
        };
        let people = People {
            owners: vec![person("ana", &public)],
            threshold: 1,
            operators: vec![person("duty", &signer().1)],
        };
        let to = [recipient()];
        let root = Root::Certificate(pki.root_der().to_vec());
        let g0 = manifest::g0(ORIGIN, &root, &people, &to).unwrap();
        let log = LogKey {
            name: format!("{ORIGIN}/{}", &to_hex(&sha256(&[&g0]).0)[..16]),
            public: [4; 32],
        };
        let measured = measurements();
        let birth = Birth {
            bundle: Digest([6; 32]),
            vkey: log.vkey(),
            first_root: Digest([7; 32]),
            releases: vec![Release {
                version: VERSION,
                pcr0: Pcr(measured.pcr0),
                pcr1: Pcr(measured.pcr1),
                pcr2: Pcr(measured.pcr2),
            }],
            durability: "durable",
        };
        let g1 = manifest::g1(&g0, &people, &to, &birth).unwrap();
        let boot = Boot {
            instance: InstanceId([8; 16]),
            nonce: [9; 32],
            channel_key: X25519Public([10; 32]),
            pcrs: [Pcr(measured.pcr0), Pcr(measured.pcr1), Pcr(measured.pcr2)],
            version: VERSION,
            generation: 1,
            manifest: sha256(&[&g1]),
            time: UnixMs(NOW),
            durability: Durability::Durable,
        };
        Self {
            pki,
            log,
            measured,
            attested_at: NOW,
            g0_measured: g0.clone(),
            anchor_measured: g1.clone(),
            public_key: boot.channel_key.0.to_vec(),
            boot,
            links: [g0, g1]
                .into_iter()
                .map(|body| manifest::sign(body, &[&owner]).unwrap())
                .collect(),
        }
    }

    fn chain(&self) -> Chain {
        Chain::verify(&self.links, &RingVerifier).unwrap()
    }

    fn record(&self) -> Vec<u8> {
        let record = Record {
            salt: [11; 16],
            body: Body::Boot(Box::new(self.boot.clone())),
        };
        record.encode().unwrap()
    }

    fn entry(&self) -> StoredEntry {
        let leaf = Leaf {
            v: 1,
            origin: self.log.name.clone(),
            instance: self.boot.instance,
            index: 1,
            parent: Digest([7; 32]),
            time: UnixMs(NOW),
            count: 1,
            records_root: Digest([0; 32]),
        };
        StoredEntry {
            index: 1,
            leaf: cbor::encode(&leaf).unwrap(),
            records: vec![ByteBuf::from(self.record())],
            checkpoint: String::new(),
        }
    }

    /// The document this world's enclave makes for a nonce, binding the manifest of `chain` and this boot.
    fn document(&self, nonce: &[u8]) -> Vec<u8> {
        let clock = Arc::new(At(self.attested_at));
        let nsm = MockNsm::new(Arc::clone(&self.pki), &self.measured, "i-0-enc0", clock).unwrap();
        for (index, label, bytes) in [
            (16, label::PCR_DEPLOYMENT, &self.g0_measured),
            (17, label::PCR_ANCHOR, &self.anchor_measured),
        ] {
            let data = sha384(&[label, bytes]).0.to_vec();
            let extended = nsm.process(Request::ExtendPCR { index, data });
            assert!(matches!(extended, Response::ExtendPCR { .. }));
        }
        assert!(matches!(
            nsm.process(Request::LockPCRs { range: 32 }),
            Response::LockPCRs
        ));
        let boot = handshake::boot_hash(&self.record());
        let manifest = self.chain().newest().digest;
        let bound = attest::channel_user_data(ORIGIN, &boot, &manifest);
        let answer = nsm.process(Request::Attestation {
            user_data: Some(ByteBuf::from(bound.0.to_vec())),
            nonce: Some(ByteBuf::from(nonce)),
            public_key: Some(ByteBuf::from(self.public_key.clone())),
        });
        match answer {
            Response::Attestation { document } => document,
            other => panic!("{other:?}"),
        }
    }

    fn check(&self) -> Result<Trusted, Error> {
        trust::check(
            self.chain(),
            &self.document(NONCE),
            NONCE,
            &self.entry(),
            NOW,
        )
    }
}

/// The reason of a refusal.
fn why(result: Result<Trusted, Error>) -> &'static str {
    match result {
        Err(Error::Distrust(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deployment_that_checks_out_is_trusted_and_says_that_it_is_a_simulation() {
    let world = World::new();
    let trusted = world.check().unwrap();
    assert_eq!(trusted.channel_key, world.boot.channel_key);
    assert!(trusted.simulation);
}

#[test]
fn a_document_for_another_nonce_is_refused() {
    let world = World::new();
    let document = world.document(&[6; 32]);
    let result = trust::check(world.chain(), &document, NONCE, &world.entry(), NOW);
    assert_eq!(why(result), "attestation document has another nonce");
}

#[test]
fn a_build_that_was_not_released_is_refused_in_each_register() {
    for change in [
        (|m: &mut Measurements| m.pcr0[47] ^= 1) as fn(&mut Measurements),
        |m| m.pcr1[0] ^= 1,
        |m| m.pcr2[20] ^= 1,
    ] {
        let mut world = World::new();
        change(&mut world.measured);
        assert_eq!(why(world.check()), "build is not among the releases");
    }
}

#[test]
fn an_enclave_in_debug_mode_is_refused() {
    let mut world = World::new();
    world.measured = world.measured.debug();
    assert_eq!(why(world.check()), "enclave runs in debug mode");
}

#[test]
fn another_deployment_or_an_older_anchor_in_the_registers_is_refused() {
    let mut world = World::new();
    world.g0_measured.push(b' ');
    assert_eq!(why(world.check()), "PCR16 is of another deployment");
    let mut world = World::new();
    world.anchor_measured.push(b' ');
    assert_eq!(why(world.check()), "PCR17 is of another anchor manifest");
}

#[test]
fn a_document_is_refused_once_it_is_older_than_the_limit() {
    let mut world = World::new();
    world.attested_at = NOW - MAX_AGE_MS;
    world.check().unwrap();
    world.attested_at = NOW - MAX_AGE_MS - 1;
    assert_eq!(why(world.check()), "attestation document does not verify");
}

#[test]
fn a_document_under_another_root_is_refused() {
    let mut world = World::new();
    world.pki = Arc::new(Pki::generate().unwrap());
    assert_eq!(why(world.check()), "attestation document does not verify");
}

#[test]
fn a_changed_document_is_refused() {
    let world = World::new();
    let mut document = world.document(NONCE);
    let last = document.len() - 1;
    document[last] ^= 1;
    let result = trust::check(world.chain(), &document, NONCE, &world.entry(), NOW);
    assert_eq!(why(result), "attestation document does not verify");
}

#[test]
fn a_boot_entry_that_the_document_does_not_bind_is_refused() {
    let mut world = World::new();
    let document = world.document(NONCE);
    world.boot.channel_key = X25519Public([12; 32]);
    let result = trust::check(world.chain(), &document, NONCE, &world.entry(), NOW);
    assert_eq!(
        why(result),
        "attestation document is for another boot or manifest"
    );
}

#[test]
fn a_channel_key_that_only_the_boot_entry_names_is_refused() {
    let mut world = World::new();
    world.public_key = vec![12; 32];
    assert_eq!(
        why(world.check()),
        "attestation document carries another channel key"
    );
}

#[test]
fn an_enclave_under_another_manifest_or_log_is_refused() {
    let mut world = World::new();
    world.boot.generation = 0;
    assert_eq!(why(world.check()), "enclave serves under another manifest");
    let mut world = World::new();
    world.boot.manifest = Digest([0; 32]);
    assert_eq!(why(world.check()), "enclave serves under another manifest");
    let mut world = World::new();
    world.log.name.push('x');
    assert_eq!(why(world.check()), "boot entry is of another log");
}

#[test]
fn a_deployment_without_g1_is_refused() {
    let world = World::new();
    let document = world.document(NONCE);
    let unborn = Chain::verify(&world.links[..1], &RingVerifier).unwrap();
    let result = trust::check(unborn, &document, NONCE, &world.entry(), NOW);
    assert_eq!(why(result), "deployment is not born yet");
}

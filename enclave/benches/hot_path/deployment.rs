//! A deployment that serves: a log of one owner's commands, a key, and agents with a grant each. No ceremony, no NSM.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};
use claviger_enclave::{
    boot::Platform,
    channel::key::ChannelKey,
    core::Core,
    platform::{Clock, Entropy, NoEntropy, Nsm},
    secret::{RootKeys, Secret},
    serve::{
        entry::{Head, head_entry},
        hub::{BootFacts, Hub, Parts},
        link::{Connection, Halves, Input, Output},
        nonces::Nonces,
        receipts::Receipts,
        storage::Storage,
        time::Time,
    },
    vault::Vault,
};
use claviger_shared::{
    crypto::{
        AwsLc,
        handshake::{Initiator, Session, respond},
        noise, sha256,
    },
    effect::{Env, Kind},
    id::{AgentId, Digest, GrantId, InstanceId, KeyId, Pcr, X25519Public, to_hex},
    label::{NAMESPACE_COMMAND, NAMESPACE_MANIFEST},
    ledger::{Slot, State},
    log::{
        merkle::Frontier,
        record::{self, Body, Boot, Born, Genesis, Record},
    },
    owner::{
        command::{Alg, KeyCreate},
        manifest::{Durability, chain::Chain},
        sshsig::{self, PublicKey},
    },
    time::{Millis, UnixMs},
    wire::control::Signed,
};
use std::{os::unix::net::UnixStream, sync::Arc, thread};

const ORIGIN: &str = "bench/claviger";
const BUNDLE: Digest = Digest([9; 32]);
/// RFC 5480 §2: the head of an uncompressed P-256 key, and the point (4, 4, …), in base64.
const SPKI: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA==";
/// 2026-11-23T10:00:00Z.
const START: UnixMs = UnixMs(1_795_428_000_000);

/// An agent: its grant's place, and both ends of its channel.
pub(crate) struct Agent {
    pub(crate) number: u8,
    pub(crate) id: AgentId,
    pub(crate) grant: GrantId,
    pub(crate) slot: Slot,
    pub(crate) session: Session,
    pub(crate) enclave_side: Option<Session>,
}

/// What serves, and the host's end of its storage.
pub(crate) struct Deployment {
    pub(crate) hub: Arc<Hub>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) storage: UnixStream,
}

/// A platform whose time stands still: instructions counted fifty times slower must not look like slow calls.
struct Here;

impl Clock for Here {
    fn monotonic_us(&self) -> u64 {
        1
    }
}

impl Entropy for Here {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        aws_lc_rs::rand::fill(out).map_err(|_| NoEntropy)
    }
}

impl Nsm for Here {
    fn process(&self, _: Request) -> Response {
        Response::Error(ErrorCode::InvalidOperation)
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).expect("a seed")
}

fn owner() -> PublicKey {
    PublicKey::ed25519(pair().public_key().as_ref().try_into().expect("32 bytes"))
}

fn sign(namespace: &str, body: Vec<u8>) -> Signed {
    let signature = pair().sign(&sshsig::signed_data(namespace, &body));
    let signature = signature.as_ref().try_into().expect("64 bytes");
    Signed {
        signatures: vec![sshsig::armor(&owner(), namespace, signature)],
        body,
    }
}

fn governance() -> String {
    format!(
        r#""v":1,"origin":"{ORIGIN}","owners":[{{"name":"ana","keys":["{}"]}}],"threshold":1,"operators":[],
        "recipients":[{{"arn":"arn:a","public_key":"{SPKI}"}}]"#,
        owner()
    )
}

fn g0() -> Vec<u8> {
    format!(
        r#"{{{},"generation":0,"attestation_root":"aws"}}"#,
        governance()
    )
    .into_bytes()
}

fn g1(vkey: &str) -> Vec<u8> {
    let pcr = to_hex(&[1; 48]);
    format!(
        r#"{{{},"generation":1,"supersedes":"{}","anchor":true,"bundle":"{BUNDLE}",
        "log":{{"vkey":"{vkey}","first_root":"{}"}},
        "releases":[{{"version":"0.1.0","pcr0":"{pcr}","pcr1":"{pcr}","pcr2":"{pcr}"}}],
        "min_version":"0.1.0","rollback":"accepted"}}"#,
        governance(),
        sha256(&[&g0()]),
        Digest([8; 32]),
    )
    .into_bytes()
}

/// Every record of the log, applied to the state that follows from it.
struct Log {
    state: State,
    records: Vec<Record>,
}

impl Log {
    fn put(&mut self, body: Body) {
        let record = Record {
            salt: [0; 16],
            body,
        };
        self.state
            .apply(&record, START, &AwsLc)
            .expect("an honest record");
        self.records.push(record);
    }

    fn command(&mut self, action: &str, born: Option<Born>) {
        let head = self.state.widen_head();
        let body = format!(
            r#"{{"v":1,"origin":"{ORIGIN}","chain":"widen","seq":{},"prev":"{}","issued_at":"{START}",
            "not_after":"{}","action":{action}}}"#,
            head.seq + 1,
            head.digest,
            START.plus(Millis(3_600_000)),
        );
        let signed = sign(NAMESPACE_COMMAND, body.into_bytes());
        self.put(Body::Command(Box::new(record::Command {
            body: signed.body,
            signatures: signed.signatures,
            applied_at: START,
            born,
        })));
    }
}

impl Deployment {
    /// Of so many agents, each with a key of this algorithm, which commands call by a name.
    pub(crate) fn new(agents: u8, alg: (Alg, &str)) -> Self {
        let here = Arc::new(Here);
        let log_origin = format!("{ORIGIN}/{}", to_hex(&sha256(&[&g0()]).0[..8]));
        let root = Secret::take(&mut [3; 32]);
        let keys = RootKeys::derive(&root, &sha256(&[&g0()]), &log_origin).expect("keys");
        let links = [g0(), g1(&keys.log_key().vkey())].map(|body| sign(NAMESPACE_MANIFEST, body));
        let chain = Arc::new(Chain::verify(&links, &AwsLc).expect("a chain"));
        let mut log = Log {
            state: State::new(Arc::clone(&chain)),
            records: Vec::new(),
        };
        log.put(Body::Genesis(Box::new(Genesis {
            g0: sha256(&[&g0()]),
            bundle: BUNDLE,
            vkey: keys.log_key().vkey(),
            nonce: Digest([0; 32]),
        })));
        let channel_key = ChannelKey::generate(here.as_ref()).expect("entropy");
        let channel_public = channel_key.public().expect("a key");
        let boot = Boot {
            instance: InstanceId([1; 16]),
            nonce: [1; 32],
            channel_key: channel_public,
            pcrs: [Pcr([1; 48]); 3],
            version: claviger_enclave::version(),
            generation: 1,
            manifest: chain.newest().digest,
            time: START,
            durability: Durability::Durable,
        };
        log.put(Body::Boot(Box::new(boot)));
        let vault = Vault::default();
        log.command(
            r#"{"type":"catalog.set","catalog":{"v":1,"resources":{"order_history":[{"kind":"http",
            "host":"api.example.com","methods":["GET"],"path":"/v1/orders/{id}","query":["expand"]}]}}}"#,
            None,
        );
        let sessions: Vec<_> = (1..=agents)
            .map(|number| {
                let secret = [number; 32];
                born(&mut log, &vault, &keys, number, alg);
                grant(&mut log, number, &secret);
                session(&secret, channel_key.expose(), &channel_public)
            })
            .collect();
        let agents = (1..=agents).zip(sessions).map(|(number, (here, there))| {
            let grant = GrantId::parse(&format!("gr_{number}")).expect("a name");
            Agent {
                number,
                id: AgentId::parse(&format!("bot-{number}")).expect("a name"),
                slot: log.state.slot(&grant).expect("a grant"),
                grant,
                session: here,
                enclave_side: Some(there),
            }
        });
        let agents = agents.collect();
        let head = Head {
            instance: InstanceId([1; 16]),
            time: START,
        };
        let (_, frontier) =
            head_entry(&keys, &head, &Frontier::default(), &log.records).expect("an entry");
        let (storage, there) = UnixStream::pair().expect("a pair");
        let Halves {
            read, write, close, ..
        } = Box::new(there).split().expect("halves");
        let connected = Arc::new(Storage::default());
        let reading = Arc::clone(&connected);
        thread::spawn(move || reading.serve(Input::new(read), Output::new(write), close));
        let nonces = Nonces::new(here.as_ref()).expect("entropy");
        let hub = Hub::new(Parts {
            core: Core::new(log.state, frontier.size(), frontier.root()),
            frontier,
            vault,
            keys,
            time: Time::new(Arc::<Here>::clone(&here), START),
            platform: Platform {
                nsm: Arc::<Here>::clone(&here),
                clock: Arc::<Here>::clone(&here),
                entropy: here,
                version: claviger_enclave::version(),
            },
            storage: connected,
            boot: BootFacts {
                instance: InstanceId([1; 16]),
                origin: ORIGIN.to_owned(),
                log_origin,
                boot_hash: Digest([0; 32]),
                manifest: chain.newest().digest,
                boot_index: 0,
                channel_public,
                durability: Durability::Durable,
                simulation: true,
                serves_live: true,
            },
            channel_key,
            receipts: Receipts::default(),
            nonces,
        });
        Self {
            hub: Arc::new(hub),
            agents,
            storage,
        }
    }
}

/// An agent's key.
fn born(log: &mut Log, vault: &Vault, keys: &RootKeys, number: u8, (alg, name): (Alg, &str)) {
    let id = KeyId::parse(&format!("k_{number}")).expect("a name");
    let key = KeyCreate {
        id: id.clone(),
        kind: Kind::Http,
        alg,
        env: Env::Live,
        agent: AgentId::parse(&format!("bot-{number}")).ok(),
    };
    let born = vault
        .create(&Here, keys, ORIGIN, &key)
        .expect("a key is born");
    let told = Born {
        key: id,
        public: born.public.clone(),
        blob: born.digest,
    };
    vault.insert(born);
    let action = format!(
        r#"{{"type":"key.create","key":{{"id":"k_{number}","kind":"http","alg":"{name}","agent":"bot-{number}"}}}}"#
    );
    log.command(&action, Some(told));
}

fn grant(log: &mut Log, number: u8, secret: &[u8; 32]) {
    let public = noise::public_key(secret).expect("a key");
    let action = format!(
        r#"{{"type":"grant.create","grant":{{"v":1,"id":"gr_{number}",
        "agent":{{"id":"bot-{number}","key":"x25519:{}"}},
        "not_before":"2026-11-23T09:00:00Z","expires_at":"2026-12-23T10:00:00Z","keys":["k_{number}"],
        "permissions":{{"read":["order_history"]}},
        "budgets":[{{"unit":"call","max":"1000000000","window":"grant"}}]}}}}"#,
        to_hex(&public),
    );
    log.command(&action, None);
}

/// Both ends of a channel.
fn session(agent: &[u8; 32], enclave: &[u8; 32], public: &X25519Public) -> (Session, Session) {
    let (initiator, first) = Initiator::start(agent, public, b"bench").expect("a handshake");
    let (there, second) = respond(enclave, b"bench", &first).expect("an answer");
    (initiator.finish(&second).expect("a session"), there)
}

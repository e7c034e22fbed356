//! Makes the seeds and their context from a deployment at work: real manifests, documents, entries, receipts, frames.
//!
//! Run once per change of a format (`docs/fuzzing.md`); what it writes is kept.

mod aws;
mod evm;
mod http;
mod template;
mod x402;

use super::{calls, context::context, folder, host_http, owner::MESSAGE, ssh as fuzz_ssh};
use crate::{
    agent::{Agent, SOURCE, charge, greeting, issued, read_order, token},
    deployment::{Deployment, Enclave},
    owner::Granted,
};
use claviger_client::{AgentKey, agent_key::AgentSecret};
use claviger_enclave::boot::replay::{SNAPSHOT_VERSION, SnapshotBody};
use claviger_shared::{
    call::{Ask, Request, Sign},
    codec::cbor,
    id::{ChannelId, Digest},
    label::NAMESPACE_COMMAND,
    log::{
        merkle::{Frontier, leaf_hash},
        record::Record,
    },
    owner::{
        manifest::chain::Chain,
        sshkey::{PrivateKey, Seed},
    },
    wire::{
        FrameType, Hello, Refused, RefusedCode, Role, VERSION,
        call::Call,
        control::{Attest, Measure, Submitted, Unseal},
        storage::{Appended, Blob, BlobBytes, Chunk, Done, Entries, Read, SnapshotPut, Tail},
        stream::{self, AnswerItem, Item, Refusal},
    },
};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) fn put(target: &str, name: &str, bytes: &[u8]) {
    let dir = folder().join(target);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join(name), bytes).unwrap();
}

fn put_cbor<T: Serialize>(target: &str, name: &str, value: &T) {
    put(target, name, &cbor::encode(value).unwrap());
}

/// Writes all of them.
pub fn write() {
    let deployment = Deployment::born();
    let enclave = deployment.unsealed_for_samples();
    deployment.furnish(&enclave);
    let granted = deployment.grant(&enclave, "gr_1", |grant| {
        grant["purpose"] = json!("samples")
    });
    let agent = Agent::connect(&deployment, &enclave, &granted);
    for (name, input) in [
        ("http", read_order("1")),
        ("charge", charge(5)),
        ("jwt", token(None)),
    ] {
        put(
            "receipt",
            name,
            &issued(agent.ask(&Ask::Sign(sign(input)))).unwrap().receipt,
        );
    }
    drop(agent.sign(read_order("../x")));
    drop(agent.ask(&Ask::Renew));
    context_files(&deployment, &enclave);
    log(&deployment);
    owners(&deployment, &enclave);
    control(&deployment, &enclave);
    storage(&deployment);
    agents(&deployment, &enclave, &granted, &agent);
    texts();
    assert!(!context().records.is_empty());
}

const fn sign(input: claviger_shared::call::Input) -> Sign {
    Sign {
        input,
        idempotency_key: None,
    }
}

impl Deployment {
    /// Boots, and keeps the document and the reply of KMS on the way.
    fn unsealed_for_samples(&self) -> Enclave {
        let enclave = self.measured();
        let document = enclave.kms_document();
        let reply = self.derive(&document).unwrap();
        put("context", "document-kms.cbor", &document);
        put("attestation", "kms", &document);
        put("cms", "reply", &reply);
        let unseal = Unseal {
            recipient: self.recipient.arn.clone(),
            ciphertext: reply.clone(),
            bundle: self.bundle.clone(),
        };
        put_cbor("wire_control", "unseal", &unseal);
        let unsealed: claviger_shared::wire::control::Unsealed = enclave
            .unseal(&self.recipient.arn, &reply, &self.bundle)
            .reply();
        put("context", "log.vkey", unsealed.vkey.as_bytes());
        put_cbor("wire_control", "unsealed", &unsealed);
        enclave.resume();
        let _: claviger_shared::wire::control::PhaseEvent =
            enclave
                .control
                .event(|event: &claviger_shared::wire::control::PhaseEvent| {
                    event.phase == claviger_shared::wire::Phase::Serving
                });
        enclave
    }
}

fn context_files(deployment: &Deployment, enclave: &Enclave) {
    let document = enclave.attest(&[7; 32]);
    put("context", "document-channel.cbor", &document);
    put("attestation", "channel", &document);
    put(
        "context",
        "manifests.json",
        Chain::to_file(&deployment.links).as_bytes(),
    );
    put(
        "chain",
        "whole",
        Chain::to_file(&deployment.links).as_bytes(),
    );
    put(
        "chain",
        "g0",
        Chain::to_file(&deployment.links[..1]).as_bytes(),
    );
    put(
        "context",
        "attestation-root.der",
        &deployment.attestation_root(),
    );
    let entries = deployment.store.entries();
    let all = Entries { entries, end: true };
    put_cbor("context", "entries.cbor", &all);
    put_cbor("entries", "whole", &all);
    put_cbor(
        "entries",
        "three",
        &Entries {
            entries: all.entries[..3].to_vec(),
            end: false,
        },
    );
    put(
        "context",
        "signer.pub",
        deployment.owner.public().to_string().as_bytes(),
    );
    put("bundle", "sealed", &deployment.bundle);
}

fn log(deployment: &Deployment) {
    let mut seen = BTreeSet::new();
    let mut frontier = Frontier::default();
    for (at, entry) in deployment.store.entries().iter().enumerate() {
        frontier.append(leaf_hash(&entry.leaf));
        for bytes in &entry.records {
            let body = format!("{:?}", Record::decode(bytes).unwrap().body);
            let kind: String = body
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if seen.insert(kind.clone()) {
                put("record", &kind.to_lowercase(), bytes);
            }
        }
        if at < 3 {
            put("record", &format!("leaf{at}"), &entry.leaf);
            put("checkpoint", &at.to_string(), entry.checkpoint.as_bytes());
            put_cbor("stored_entry", &at.to_string(), entry);
        }
    }
    let state = deployment.audited();
    let body = SnapshotBody {
        v: SNAPSHOT_VERSION,
        frontier,
        time: state.time(),
        data: state.data().clone(),
    };
    put_cbor("snapshot", "whole", &body);
    for (name, bytes) in [
        ("one", &[0, 0][..]),
        ("odd", &[12, 7, 0, 3, 9]),
        ("large", &[69, 64, 1, 0, 1, 3, 0, 1, 4, 0, 2]),
    ] {
        put("inclusion", name, bytes);
    }
}

fn owners(deployment: &Deployment, enclave: &Enclave) {
    for (at, link) in deployment.links.iter().enumerate() {
        put("manifest", &format!("g{at}"), &link.body);
    }
    put(
        "sshsig",
        "message",
        deployment
            .owner
            .sign(NAMESPACE_COMMAND, MESSAGE)
            .unwrap()
            .as_bytes(),
    );
    put(
        "ssh_key",
        "line",
        deployment.owner.public().to_string().as_bytes(),
    );
    put(
        "ssh_key",
        "line-comment",
        format!("{} ana@example", deployment.operator.public()).as_bytes(),
    );
    let point = [0x2b; 32];
    let key = PrivateKey {
        seed: Seed::take(&mut [9; 32]),
        point,
    };
    put("ssh_key", "file", key.format("sample").as_bytes());
    for name in ["ecdsa.pub", "ed25519_sk.pub"] {
        let path = folder().join("../vectors/sshsig").join(name);
        put(
            "ssh_key",
            name,
            std::fs::read_to_string(path).unwrap().trim_end().as_bytes(),
        );
    }
    let trusted = crate::import::attested(deployment, enclave);
    let import = crate::import::action(&trusted, "k_mine", &crate::import::public(&[7; 32]));
    let all = [
        json!({"type": "catalog.set", "catalog": calls::catalog_text()}),
        json!({"type": "grant.create", "grant": calls::grant_text()}),
        json!({"type": "key.create", "key": {"id": "k_1", "kind": "jwt", "alg": "p256"}}),
        json!({"type": "grant.amend", "grant": calls::grant_text()}),
        json!({"type": "thaw"}),
        import,
    ];
    for action in &all {
        let name = action["type"].as_str().unwrap();
        put("command", name, &deployment.widening(action, &[]).body);
    }
    put(
        "command",
        "lifts",
        &deployment
            .widening(
                &json!({"type": "grant.resume", "grant": "gr_1"}),
                &[Digest([5; 32])],
            )
            .body,
    );
    for action in [
        json!({"type": "freeze"}),
        json!({"type": "grant.suspend", "grant": "gr_1"}),
        json!({"type": "grant.revoke", "grant": "gr_1"}),
    ] {
        put(
            "command",
            action["type"].as_str().unwrap(),
            &deployment.narrowing(&action).body,
        );
    }
    put(
        "catalog",
        "calls",
        calls::catalog_text().to_string().as_bytes(),
    );
    put(
        "catalog",
        "common",
        crate::owner::catalog().to_string().as_bytes(),
    );
    put(
        "json",
        "catalog",
        calls::catalog_text().to_string().as_bytes(),
    );
    put(
        "json",
        "small",
        br#" {"a":[1,-2,1.5e3,true,null,"\u00fc\ud83d\ude00"],"b~/":{},"c":18446744073709551615} "#,
    );
    put("grant", "plain", calls::grant_text().to_string().as_bytes());
    let mut rich = calls::grant_text();
    rich["only"] = json!({"orders": {"path.id": ["ord_1", "ord_2"]}});
    rich["rate"] = json!([{"max": 9, "per_s": 60}]);
    rich["renew_until"] = json!("2036-02-01T00:00:00Z");
    rich["reported_sources"] = json!(["10.0.0.0/8", "2001:db8::/32"]);
    rich["credentials"] = json!({"http": {"profile": "generic", "ttl_s": 60}});
    rich["budgets"] = json!([{"unit": "call", "max": "9", "window": "calendar:P1D"}, {"unit": "usd-cents", "max": "500", "window": "rolling:PT1H"}]);
    put("grant", "rich", rich.to_string().as_bytes());
}

fn control(deployment: &Deployment, enclave: &Enclave) {
    put_cbor(
        "wire_control",
        "hello",
        &Hello {
            versions: vec![VERSION],
            role: Role::Control,
        },
    );
    put_cbor(
        "wire_control",
        "measure",
        &Measure {
            manifests: deployment.links.clone(),
        },
    );
    put_cbor("wire_control", "attest", &Attest { nonce: vec![1; 32] });
    put_cbor(
        "wire_control",
        "refused",
        &Refused {
            code: RefusedCode::Busy,
            retry_after_ms: 5,
            reason: "full".to_owned(),
        },
    );
    let signed = deployment.narrowing(&json!({"type": "freeze"}));
    put_cbor(
        "wire_control",
        "command",
        &Submitted {
            signed,
            sealed: Vec::new(),
        },
    );
    let status: claviger_shared::wire::control::Status =
        enclave.control.ask(FrameType::Status, &()).reply();
    put_cbor("wire_control", "status", &status);
    let mut kinds = BTreeSet::new();
    let frames = deployment.tap.lock().unwrap().clone();
    for frame in frames.iter().filter(|frame| frame.len() < 4096) {
        if kinds.insert(frame[4]) {
            put("frame", &format!("{:02x}", frame[4]), frame);
        }
    }
    let three: Vec<u8> = frames
        .iter()
        .filter(|frame| frame.len() < 600)
        .take(3)
        .flatten()
        .copied()
        .collect();
    put("frame", "three", &three);
}

fn storage(deployment: &Deployment) {
    let entry = deployment.store.entries().remove(1);
    put_cbor("wire_storage", "entry", &entry);
    put_cbor(
        "wire_storage",
        "entries",
        &Entries {
            entries: vec![entry],
            end: true,
        },
    );
    put_cbor(
        "wire_storage",
        "read",
        &Read {
            from: 70_000,
            max_bytes: 1 << 19,
        },
    );
    put_cbor("wire_storage", "stored", &Appended::Stored);
    put_cbor("wire_storage", "done", &Done::Ok);
    put_cbor(
        "wire_storage",
        "tail",
        &Tail {
            size: 300,
            checkpoint: "x\n".to_owned(),
            snapshot: None,
        },
    );
    put_cbor(
        "wire_storage",
        "chunk",
        &Chunk {
            total: 3,
            bytes: vec![1, 2, 3],
        },
    );
    put_cbor(
        "wire_storage",
        "blob",
        &Blob::Put(BlobBytes {
            digest: Digest([3; 32]),
            bytes: vec![1; 40],
        }),
    );
    put_cbor("wire_storage", "blob-get", &Blob::Get(Digest([3; 32])));
    put_cbor(
        "wire_storage",
        "snapshot",
        &SnapshotPut {
            size: 9,
            digest: Digest([1; 32]),
            offset: 0,
            total: 4,
            bytes: vec![1; 4],
        },
    );
    put_cbor(
        "cbor",
        "map",
        &std::collections::BTreeMap::from([("a".to_owned(), vec![Some("b".to_owned()), None])]),
    );
    put_cbor(
        "cbor",
        "list",
        &vec![vec![vec![1_u32, 500], vec![70_000]], vec![]],
    );
    put_cbor(
        "cbor",
        "pairs",
        &vec![("a".to_owned(), u64::MAX), (String::new(), 0)],
    );
    put_cbor("cbor", "integer", &-70_000_i64);
    put_cbor("cbor", "bytes", &serde_bytes::ByteBuf::from(vec![1; 30]));
}

fn agents(deployment: &Deployment, enclave: &Enclave, granted: &Granted, agent: &Agent) {
    let (_, open, _) = greeting(deployment, enclave, &granted.secret);
    put_cbor("wire_call", "open", &open);
    put("wire_call", "call", &agent.seal(&Ask::Whoami).1);
    let mut items = Vec::new();
    let channel = ChannelId([4; 16]);
    stream::Request::Open {
        cid: 7,
        noise: &open.noise,
    }
    .put(&mut items);
    stream::Request::Call {
        channel,
        seq: 1,
        sealed: b"sealed",
    }
    .put(&mut items);
    put("stream", "requests", &items);
    items.clear();
    let refusal = Refusal {
        code: RefusedCode::Busy,
        retry_after_ms: 50,
    };
    stream::Reply::Opened {
        cid: 7,
        channel,
        noise: &open.noise,
    }
    .put(&mut items);
    stream::Reply::Answer {
        channel,
        seq: 1,
        sealed: b"sealed",
    }
    .put(&mut items);
    stream::Reply::CallRefused {
        channel,
        seq: 1,
        refusal,
    }
    .put(&mut items);
    stream::Reply::OpenRefused { cid: 7, refusal }.put(&mut items);
    put("stream", "replies", &items);
    items.clear();
    Item {
        seq: 1,
        sealed: b"sealed",
    }
    .put(&mut items);
    AnswerItem {
        seq: 1,
        outcome: Ok(b"sealed"),
    }
    .put(&mut items);
    AnswerItem {
        seq: 1,
        outcome: Err(refusal),
    }
    .put(&mut items);
    put("stream", "items", &items);
    let mut call = Vec::new();
    Call {
        channel,
        seq: 258,
        source: SOURCE,
        sealed: b"x",
    }
    .put(&mut call);
    put("wire_call", "short", &call);
    for (name, ask) in [
        ("sign", Ask::Sign(sign(charge(5)))),
        ("simulate", Ask::Simulate(sign(token(Some(5))))),
        ("whoami", Ask::Whoami),
        ("revoke", Ask::RevokeSelf { leaked: true }),
    ] {
        let echo = *agent.echo.lock().unwrap();
        put_cbor("sealed", name, &Request { echo, ask });
    }
    let key = AgentKey {
        api: "https://claviger.example".to_owned(),
        fingerprint: Digest([1; 32]),
        grant: granted.id.clone(),
        secret: AgentSecret::new([3; 32]),
        generation: 1,
        size: 7,
        root: Digest([2; 32]),
    };
    put("agent_key", "key", key.expose().unwrap().as_bytes());
}

/// Messages of Solana.
fn solana_messages() {
    use crate::solana::{PAYEE, PAYER, build, build::Raw, create, key, usdc};
    let me = super::solana::ME;
    let payee = key(PAYEE);
    let budget = build::compute(
        claviger_shared::solana::COMPUTE_BUDGET.0,
        Some(60_000),
        Some(1000),
    );
    let whole = [budget, vec![create(me, payee), usdc(me, payee, 5)]].concat();
    for (name, version, payer, calls) in [
        (
            "coin",
            None,
            me,
            vec![build::transfer(me, payee, 1_000_000)],
        ),
        ("token", Some(0x80), me, vec![usdc(me, payee, 10_000)]),
        ("whole", Some(0x80), me, whole),
        (
            "sponsored",
            Some(0x80),
            key(PAYER),
            vec![usdc(me, payee, 10_000)],
        ),
        ("other", None, me, vec![build::transfer(me, key(PAYER), 1)]),
    ] {
        put(
            "solana_call",
            name,
            &Raw::of(version, payer, &calls).bytes(),
        );
    }
}

/// Writes those that need no deployment.
pub fn texts() {
    aws::texts();
    evm::texts();
    http::texts();
    template::texts();
    x402::texts();
    solana_messages();
    fuzz_ssh::texts();
    put("audit_place", "place", b"18446744073709551615.2047");
    put("audit_place", "small", b"0.0");
    put("sidecar", "http", br#"{"method":"POST","url":"https://pay.example.com/v1/charges","headers":{"Content-Type":"application/json"},"body":"e30=","idempotency_key":"k"}"#);
    put(
        "sidecar",
        "pairs",
        br#"{"method":"GET","url":"u","headers":[["B","1"],["a","2"]]}"#,
    );
    put(
        "sidecar",
        "jwt",
        br#"{"profile":"assertion","audience":"a","nonce":"n","ttl_s":60,"idempotency_key":"k"}"#,
    );
    let config = json!({
        "enclave": {"unix": "/run/enclave"}, "agents": "127.0.0.1:1", "operators": "0.0.0.0:2", "operator_token_file": "/t",
        "dir": "/var/lib/claviger", "kms": {"region": "eu-west-1", "endpoint": "http://127.0.0.1:3"}, "call_connections": 2,
    });
    put("host_config", "whole", config.to_string().as_bytes());
    for (name, text) in host_http::SEEDS {
        put("host_http", name, text.as_bytes());
    }
}

//! The judge of key policies against an evaluator that was written apart from it: the mock KMS, asked for real.
//!
//! What KMS lets through, the judge must call reachable; and where a policy leaves nothing to guess, it calls nothing else so.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa::{KeySize, PrivateDecryptingKey},
};
use aws_nitro_enclaves_nsm_api::api::{Request as Ask, Response};
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata,
    primitives::Blob,
    types::{
        KeyAgreementAlgorithmSpec, KeyEncryptionMechanism, KeySpec, KeyUsageType, RecipientInfo,
    },
};
use claviger_cli::ceremony::policy::{
    self, Parties, Pins,
    reach::{DERIVE, Policy, Registers, Request},
};
use claviger_enclave::platform::Nsm;
use claviger_shared::{
    id::{Pcr, to_hex},
    owner::manifest::{Release, Version},
};
use claviger_sim::{
    aws::Credential,
    kms::{KmsConfig, Running, serve},
    nsm::{Measurements, Pki},
};
use claviger_tests::platform::{TestClock, nsm};
use claviger_verify::attestation::{At, Root, verify_at};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use std::{cell::Cell, sync::Arc};

const ADMIN: &str = "arn:aws:iam::000000000000:role/kms-admin";
const HOST: &str = "arn:aws:iam::000000000000:role/host";
const OTHER: &str = "arn:aws:iam::000000000000:role/other";
const STRANGER: &str = "arn:aws:iam::111111111111:role/stranger";
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const OPERATORS: [&str; 9] = [
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCaseIfExists",
    "StringEqualsIgnoreCaseIfExists",
    "ForAllValues:StringEqualsIgnoreCase",
    "ForAnyValue:StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
];

struct Bench {
    runtime: tokio::runtime::Runtime,
    kms: Option<Running>,
    key: String,
    public: Blob,
    /// Documents with the registers that they show; none is a request without one.
    documents: Vec<(Option<Vec<u8>>, Registers)>,
    _dir: tempfile::TempDir,
}

fn client(endpoint: &str, role: &str) -> Client {
    let name = role.rsplit('/').next().unwrap();
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new(
            id(name),
            format!("secret of {name}"),
            None,
            None,
            "test",
        ))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

fn id(name: &str) -> String {
    format!("AKIA{}", name.to_uppercase().replace('-', ""))
}

fn measurements(seed: u8) -> Measurements {
    Measurements {
        pcr0: [seed; 48],
        pcr1: [0x31; 48],
        pcr2: [0x32; 48],
        role_arn: HOST.to_owned(),
        instance_id: "i-0".to_owned(),
    }
}

/// A document of an enclave that extended and locked PCR16 and PCR17, or did not.
fn document(
    pki: &Arc<Pki>,
    seed: u8,
    extended: &[(u16, u8)],
    public: &[u8],
) -> (Option<Vec<u8>>, Registers) {
    let module = nsm(pki, &measurements(seed), &TestClock::default());
    for (index, byte) in extended {
        module.process(Ask::ExtendPCR {
            index: *index,
            data: vec![*byte],
        });
        module.process(Ask::LockPCR { index: *index });
    }
    let asked = Ask::Attestation {
        user_data: None,
        nonce: None,
        public_key: Some(ByteBuf::from(public)),
    };
    let Response::Attestation { document } = module.process(asked) else {
        panic!("no document");
    };
    let root = Root::Pinned(pki.root_der().to_vec());
    let read = verify_at(&document, &root, At::Own).unwrap();
    let registers = read
        .document()
        .pcrs()
        .iter()
        .map(|(index, value)| (*index, Pcr(*value)))
        .collect();
    (Some(document), registers)
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (dir, pki) = (
            tempfile::tempdir().unwrap(),
            Arc::new(Pki::generate().unwrap()),
        );
        let caller = |role: &str| {
            let name = role.rsplit('/').next().unwrap();
            Credential::new(&id(name), &format!("secret of {name}"), role)
                .with_identity_policy(EVERYTHING)
        };
        let callers = [ADMIN, HOST, OTHER, STRANGER].map(caller).into();
        let config = KmsConfig::new(
            dir.path().join("kms"),
            Root::Pinned(pki.root_der().to_vec()),
            callers,
        );
        let kms = runtime.block_on(serve(config)).unwrap();
        let admin = client(&kms.endpoint(), ADMIN);
        let made = admin
            .create_key()
            .key_spec(KeySpec::EccNistP256)
            .key_usage(KeyUsageType::KeyAgreement);
        let made = runtime
            .block_on(made.policy(management().to_string()).send())
            .unwrap();
        let key = made.key_metadata.unwrap().arn.unwrap();
        let read = runtime
            .block_on(admin.get_public_key().key_id(&key).send())
            .unwrap();
        let rsa = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
        let documents = vec![
            document(&pki, 0x30, &[(16, 1), (17, 2)], der.as_ref()),
            document(&pki, 0x30, &[(16, 1), (17, 3)], der.as_ref()),
            document(&pki, 0x40, &[(16, 1), (17, 2)], der.as_ref()),
            document(&pki, 0x30, &[], der.as_ref()),
            (None, Registers::new()),
        ];
        Self {
            runtime,
            kms: Some(kms),
            key,
            public: read.public_key.unwrap(),
            documents,
            _dir: dir,
        }
    }

    fn put(&self, policy: &Value) -> bool {
        let admin = client(&self.kms.as_ref().unwrap().endpoint(), ADMIN);
        let put = admin
            .put_key_policy()
            .key_id(&self.key)
            .policy(policy.to_string());
        self.runtime.block_on(put.send()).is_ok()
    }

    fn lets(&self, caller: &str, document: Option<&Vec<u8>>) -> bool {
        let client = client(&self.kms.as_ref().unwrap().endpoint(), caller);
        let recipient = document.map(|document| {
            RecipientInfo::builder()
                .key_encryption_algorithm(KeyEncryptionMechanism::RsaesOaepSha256)
                .attestation_document(Blob::new(document.clone()))
                .build()
        });
        let asked = client
            .derive_shared_secret()
            .key_id(&self.key)
            .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
            .public_key(self.public.clone())
            .set_recipient(recipient);
        match self.runtime.block_on(asked.send()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code(), Some("AccessDeniedException"), "{error:?}");
                false
            }
        }
    }
}

/// What stays, so that the policy can be changed again; not what denies.
fn management() -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "Manage", "Effect": "Allow", "Principal": { "AWS": ADMIN }, "Resource": "*",
        "Action": ["kms:PutKeyPolicy", "kms:GetPublicKey", "kms:DescribeKey"],
    }] })
}

/// The rendered policy's Allow and Denies of deriving, under the management of this test.
fn rendered(bench: &Bench) -> Value {
    let good = &bench.documents[0].1;
    let pins = Pins {
        releases: vec![Release {
            version: Version(0, 1, 0),
            pcr0: good[&0],
            pcr1: good[&1],
            pcr2: good[&2],
        }],
        deployment: good[&16],
        anchor: good[&17],
    };
    let role = |arn: &str| arn.to_owned();
    let parties = Parties {
        host: role(HOST),
        administrator: role(ADMIN),
        break_glass: role(ADMIN),
    };
    let whole = policy::render(&parties, &pins);
    let mut document = management();
    let kept = whole["Statement"].as_array().unwrap().iter();
    let kept = kept
        .filter(|statement| statement["Action"] == DERIVE)
        .cloned();
    document["Statement"].as_array_mut().unwrap().extend(kept);
    document
}

/// One change to one statement about deriving.
fn mutate(policy: &mut Value, bench: &Bench, (at, kind, pick): (usize, u8, usize)) {
    let list = policy["Statement"].as_array_mut().unwrap();
    let at = 1 + at % (list.len() - 1).max(1);
    let Some(statement) = list.get_mut(at) else {
        return;
    };
    let choose = |options: &[Value]| options[pick % options.len()].clone();
    match kind {
        0 => drop(list.remove(at)),
        1 => {
            let conditions = statement["Condition"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            if let Some((_, keys)) = conditions.into_iter().next() {
                statement["Condition"] = json!({ OPERATORS[pick % OPERATORS.len()]: keys });
            }
        }
        2 => statement["Effect"] = choose(&[json!("Allow"), json!("Deny")]),
        3 => {
            statement["Principal"] = choose(&[
                json!("*"),
                json!({ "AWS": HOST }),
                json!({ "AWS": OTHER }),
                json!({ "AWS": "000000000000" }),
                json!({ "AWS": "arn:aws:iam::000000000000:root" }),
                json!({ "AWS": [HOST, STRANGER] }),
                json!({ "Service": "ec2.amazonaws.com" }),
            ]);
        }
        4 => {
            statement.as_object_mut().unwrap().remove("Action");
            let name = if pick % 2 == 0 { "Action" } else { "NotAction" };
            statement.as_object_mut().unwrap().remove("NotAction");
            statement[name] = choose(&[
                json!("kms:*"),
                json!("kms:derive*"),
                json!("kms:Decrypt"),
                json!(["kms:Sign", DERIVE]),
            ]);
        }
        5 => {
            let other = to_hex(&bench.documents[1].1[&17].0);
            let build = to_hex(&bench.documents[2].1[&0].0);
            let register = [0, 16, 17][pick % 3];
            let values = choose(&[
                json!([other, build]),
                json!("*"),
                json!(build),
                json!([other]),
            ]);
            statement["Condition"] = json!({ OPERATORS[pick % OPERATORS.len()]: { format!("kms:RecipientAttestation:PCR{register}"): values } });
        }
        6 => {
            let absent = (pick % 2 == 0).to_string();
            statement["Condition"] =
                json!({ "Null": { "kms:RecipientAttestation:PCR17": absent } });
        }
        7 => drop(statement.as_object_mut().unwrap().remove("Condition")),
        _ => {
            statement["Resource"] = choose(&[
                json!("*"),
                json!(bench.key),
                json!("arn:aws:kms:*:*:key/*"),
                json!("arn:aws:kms:us-east-1:000000000000:key/other"),
            ])
        }
    }
}

#[test]
fn the_judge_reaches_what_kms_lets_through_and_nothing_else() {
    let mut bench = Bench::new();
    let base = rendered(&bench);
    let config = Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let edits = proptest::collection::vec((0_usize..8, 0_u8..9, 0_usize..90), 0..4);
    let (put, passed) = (Cell::new(0), Cell::new(0));
    let ran = TestRunner::new(config).run(&edits, |edits| {
        let mut policy = base.clone();
        edits
            .into_iter()
            .for_each(|edit| mutate(&mut policy, &bench, edit));
        if !bench.put(&policy) {
            return Ok(());
        }
        put.set(put.get() + 1);
        let judged = Policy::parse(policy.to_string().as_bytes(), Some(&bench.key)).unwrap();
        for caller in [HOST, OTHER, STRANGER] {
            for (document, registers) in &bench.documents {
                let request = Request {
                    caller,
                    action: DERIVE,
                    registers,
                };
                let (theirs, ours) = (
                    bench.lets(caller, document.as_ref()),
                    judged.reaches(&request).is_some(),
                );
                passed.set(passed.get() + usize::from(theirs));
                prop_assert_eq!(
                    theirs,
                    ours,
                    "{} with {:?}\n{:#}",
                    caller,
                    registers.keys(),
                    policy
                );
            }
        }
        Ok(())
    });
    bench.runtime.block_on(bench.kms.take().unwrap().stop());
    ran.unwrap();
    let (put, passed) = (put.get(), passed.get());
    assert!(
        put > 30 && passed > 30,
        "too few policies say anything: {put} were put, {passed} requests passed"
    );
}

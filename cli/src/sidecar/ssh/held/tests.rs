//! What the agent offers and signs, before a scripted enclave.

use super::*;
use claviger_client::{Error as ClientError, session::Answered};
use claviger_shared::{
    call::IssuedWithReceipt,
    credential::{Issued, Replay},
    denial::{Code, Denial},
    grant::Grant,
    owner::command::Alg,
    time::UnixMs,
};
use ring::signature::{ED25519, UnparsedPublicKey};
use std::sync::{
    Mutex as StdMutex,
    atomic::{AtomicU64, Ordering},
};

const COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
author Bot <bot@example.com> 1 +0000
committer Bot <bot@example.com> 1 +0000

m
";

/// An enclave whose SSH key is here, which certifies whatever it is asked to; it denies once `life` is 0.
struct Enclave {
    pair: Ed25519KeyPair,
    life_s: AtomicU64,
    only: bool,
    /// Signs other bytes than those that it was asked to.
    crooked: bool,
    asked: StdMutex<Vec<Ask>>,
}

impl Enclave {
    fn new(life_s: u64) -> Self {
        Self {
            pair: Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap(),
            life_s: AtomicU64::new(life_s),
            only: false,
            crooked: false,
            asked: StdMutex::default(),
        }
    }

    fn public(&self) -> PublicKey {
        PublicKey::of(Alg::Ed25519, self.pair.public_key().as_ref()).unwrap()
    }

    fn asked(&self, wanted: fn(&Ask) -> bool) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|ask| wanted(ask))
            .count()
    }

    fn whoami(&self) -> Whoami {
        let mut grant = serde_json::json!({
            "v": 1, "id": "gr_1", "agent": {"id": "bot", "key": format!("x25519:{}", "09".repeat(32))},
            "not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "keys": ["k_1"],
            "permissions": {"write": ["hosts", "repo"]}, "budgets": [{"unit": "call", "max": "5", "window": "grant"}],
        });
        if self.only {
            grant["only"] = serde_json::json!({"hosts": {"ssh.principal": ["web", "x"]}});
        }
        let reach = |resource: &str, methods: &[&str], destination: &str| Reach {
            resource: claviger_shared::id::ResourceName::parse(resource).unwrap(),
            kind: Kind::Ssh,
            methods: methods.iter().map(|one| (*one).to_owned()).collect(),
            destination: destination.to_owned(),
            probe: false,
        };
        Whoami {
            grant: Grant::parse(grant.to_string().as_bytes()).unwrap(),
            state: "active".to_owned(),
            remaining: Vec::new(),
            routes: vec![
                reach("hosts", &["certify"], "deploy web"),
                reach("repo", &["git:commit"], "git"),
            ],
            more_routes: false,
            ssh_key: Some(format!("{} k_1", self.public())),
            now: UnixMs(0),
        }
    }

    fn made(&self, input: &SshInput) -> SshMade {
        match input {
            SshInput::Certificate(input) => {
                let key = PublicKey::parse_line(&input.public_key).unwrap();
                let mut inner = Reader::new(&key.blob);
                inner.string().unwrap();
                let mut blob = Vec::new();
                put_string(&mut blob, b"ssh-ed25519-cert-v01@openssh.com");
                put_string(&mut blob, input.principals.join(",").as_bytes());
                blob.extend_from_slice(inner.rest());
                let encoded = STANDARD.encode(blob);
                SshMade::Certificate(format!("ssh-ed25519-cert-v01@openssh.com {encoded} x"))
            }
            SshInput::Signature(input) => {
                let mut object = input.object.to_vec();
                if self.crooked {
                    object.push(b'x');
                }
                let signature = self.pair.sign(&sshsig::signed_data(GIT, &object));
                let raw = signature.as_ref().try_into().unwrap();
                SshMade::Signature(sshsig::armor(&self.public(), GIT, raw))
            }
        }
    }
}

impl Asks for Enclave {
    async fn ask(&self, ask: Ask) -> Result<Answered, ClientError> {
        self.asked.lock().unwrap().push(ask.clone());
        let window_s = self.life_s.load(Ordering::SeqCst);
        Ok(match ask {
            Ask::Whoami => Reply::Grant(Box::new(self.whoami())),
            Ask::Sign(Sign {
                input: Input::Ssh(input),
                ..
            }) if window_s > 0 => Reply::Issued(Box::new(IssuedWithReceipt {
                issued: Issued {
                    credential: Some(Credential::Ssh {
                        made: self.made(&input),
                    }),
                    expires_at: UnixMs(0),
                    replay: Replay {
                        single_use: false,
                        window_s,
                    },
                    effects: Vec::new(),
                    charged: Vec::new(),
                    remaining: Vec::new(),
                    sandbox: false,
                    replayed: false,
                    replaces: false,
                },
                receipt: Vec::new(),
            })),
            Ask::Checkpoint(_)
            | Ask::Renew
            | Ask::RevokeSelf { .. }
            | Ask::Sign(_)
            | Ask::Simulate(_) => Reply::Denied(Denial::new(Code::Frozen)),
        }
        .into())
    }

    async fn is_simulation(&self) -> bool {
        false
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the socket tells it")]
fn peer(pid: u32) -> Option<Peer> {
    Some(Peer {
        pid: i32::try_from(pid).unwrap(),
        uid: rustix::process::geteuid().as_raw(),
    })
}

fn held() -> Held {
    Held::new(|_| {}).unwrap()
}

async fn listed(held: &Held, enclave: &Enclave) -> Vec<Vec<u8>> {
    let Some(Answer::Identities(all)) = held.identities(enclave).await else {
        panic!("no list");
    };
    all.into_iter().map(|(blob, _)| blob).collect()
}

fn is_certificate(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::Sign(Sign {
            input: Input::Ssh(SshInput::Certificate(_)),
            ..
        })
    )
}

fn login(blob: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    put_string(&mut data, b"session");
    data.push(50);
    for part in [&b"deploy"[..], b"ssh-connection", b"publickey"] {
        put_string(&mut data, part);
    }
    data.push(1);
    put_string(&mut data, b"ssh-ed25519-cert-v01@openssh.com");
    put_string(&mut data, blob);
    data
}

#[tokio::test]
async fn a_certificate_is_asked_for_once_and_again_before_it_ends() {
    let (held, enclave) = (held(), Enclave::new(90));
    let start = Instant::now();
    let after = |secs| start + Duration::from_secs(secs);
    let list = async |secs| match held.identities_at(&enclave, after(secs)).await {
        Some(Answer::Identities(all)) => all.into_iter().map(|(blob, _)| blob).collect::<Vec<_>>(),
        _ => panic!("no list"),
    };
    let first = list(0).await;
    assert_eq!(first.len(), 2);
    assert_eq!(first[1], enclave.public().blob);
    assert_eq!(list(59).await, first);
    assert_eq!(enclave.asked(is_certificate), 1);
    list(60).await;
    assert_eq!(enclave.asked(is_certificate), 2);
    // Where none is to be had the last one is offered until it ends, and not longer.
    enclave.life_s.store(0, Ordering::SeqCst);
    assert_eq!(list(149).await.len(), 2);
    let blob = first[0].clone();
    let data = login(&blob);
    let sign = async |secs| {
        let signed = held.sign_at(&enclave, (&blob, &data), None, after(secs));
        signed.await.is_some()
    };
    assert!(sign(149).await);
    assert_eq!(list(150).await, [enclave.public().blob]);
    assert!(!sign(150).await);
}

#[tokio::test]
async fn users_are_those_that_the_grant_leaves() {
    let mut enclave = Enclave::new(90);
    enclave.only = true;
    listed(&held(), &enclave).await;
    let asked = enclave.asked.into_inner().unwrap();
    let Ask::Sign(Sign {
        input: Input::Ssh(SshInput::Certificate(input)),
        ..
    }) = &asked[1]
    else {
        panic!("{asked:?}");
    };
    assert_eq!(
        (input.principals.as_slice(), input.ttl_s),
        (&["web".to_owned()][..], None)
    );
}

#[tokio::test]
async fn the_agents_own_key_signs_logins_with_its_certificate_alone() {
    let (held, enclave) = (held(), Enclave::new(90));
    let blob = listed(&held, &enclave).await[0].clone();
    let data = login(&blob);
    let Some(Answer::Signature(signature)) = held.sign(&enclave, (&blob, &data), None).await else {
        panic!("no signature");
    };
    let mut reader = Reader::new(&signature);
    assert_eq!(reader.string().unwrap(), b"ssh-ed25519");
    let point = held.public.point().unwrap();
    let key = UnparsedPublicKey::new(&ED25519, point);
    key.verify(&data, reader.string().unwrap()).unwrap();
    for other in [
        b"x".to_vec(),
        login(b"other"),
        sshsig::signed_data(GIT, COMMIT.as_bytes()),
    ] {
        assert!(held.sign(&enclave, (&blob, &other), None).await.is_none());
    }
    // Not without its certificate either.
    let bare = held.public.blob.clone();
    assert!(
        held.sign(&enclave, (&bare, &login(&bare)), None)
            .await
            .is_none()
    );
}

/// Only a text that was found: this process is no `ssh-keygen`.
#[tokio::test]
async fn the_enclaves_key_is_never_asked_for_a_digest() {
    let (held, enclave) = (held(), Enclave::new(90));
    let own = enclave.public().blob;
    let me = peer(std::process::id());
    let git = sshsig::signed_data(GIT, COMMIT.as_bytes());
    for data in [
        git.clone(),
        sshsig::signed_data("file", b"x"),
        login(&own),
        b"SSHSIG".to_vec(),
    ] {
        for pid in [None, me] {
            assert!(held.sign(&enclave, (&own, &data), pid).await.is_none());
        }
    }
    assert_eq!(enclave.asked(|ask| matches!(ask, Ask::Sign(_))), 0);
}

/// What the enclave answers is checked before git has it.
#[tokio::test]
async fn a_signature_over_another_text_is_not_passed_on() {
    for crooked in [false, true] {
        let enclave = Enclave {
            crooked,
            ..Enclave::new(90)
        };
        let held = held();
        let place = tempfile::tempdir().unwrap();
        // A program of that name, which waits and has the text's file as its last word.
        let program = place.path().join("ssh-keygen");
        std::fs::copy("/bin/sh", &program).unwrap();
        let file = place.path().join("buffer");
        std::fs::write(&file, COMMIT).unwrap();
        let mut child = std::process::Command::new(&program)
            .args(["-c", "read line", "-Y", "sign", "-n", "git", "-f", "k"])
            .arg(&file)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // A process is there a moment before its command line is.
        let command = format!("/proc/{}/cmdline", child.id());
        while std::fs::read(&command).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let pid = peer(child.id());
        let data = sshsig::signed_data(GIT, COMMIT.as_bytes());
        let answer = held
            .sign(&enclave, (&enclave.public().blob, &data), pid)
            .await;
        assert_eq!(answer.is_some(), !crooked);
        if let Some(Answer::Signature(signature)) = answer {
            let mut reader = Reader::new(&signature);
            reader.string().unwrap();
            let public = enclave.public();
            let key = UnparsedPublicKey::new(&ED25519, public.point().unwrap());
            key.verify(&data, reader.string().unwrap()).unwrap();
        }
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

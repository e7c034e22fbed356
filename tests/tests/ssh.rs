//! The `ssh` kind in a whole enclave: keys born inside and imported, certificates that end when they say, signatures that the
//! grant lets out because they never do.

use claviger_shared::{
    credential::{Credential, SshMade},
    denial::Code,
    effect::Kind,
    owner::sshsig,
    time::UnixMs,
};
use claviger_tests::{
    agent::Agent,
    deployment::Deployment,
    import::{self, attested, sealed},
    owner::{done, refused},
    ssh::{COMMIT, PUBLIC_KEY, TAG, agent, certificate, object, serving},
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Value, json};

fn made(agent: &Agent, input: claviger_shared::call::Input) -> String {
    match agent.sign(input).unwrap().issued.credential.unwrap() {
        Credential::Ssh {
            made: SshMade::Certificate(text) | SshMade::Signature(text),
        } => text,
        other => panic!("{other:?}"),
    }
}

fn lines(line: &str) -> sshsig::PublicKey {
    sshsig::PublicKey::parse_line(line).unwrap()
}

#[test]
fn a_key_born_inside_certifies_and_signs_and_survives_a_restart() {
    for alg in ["ed25519", "p256"] {
        let (deployment, mut enclave, granted) = serving(alg, |_| {});
        let mut known = Vec::new();
        for restart in [true, false] {
            let agent = agent(&deployment, &enclave, &granted);
            let told = agent.whoami().ssh_key.unwrap();
            let key = lines(&told);
            assert!(told.ends_with(" k_ssh"));
            for text in [COMMIT, TAG] {
                let armored = made(&agent, object(text.as_bytes()));
                let verify = |text: &str| {
                    sshsig::verify(&armored, "git", text.as_bytes(), &RingVerifier).ok()
                };
                assert_eq!(verify(text), Some(key.clone()));
                assert_eq!(verify(&text.replace("Bot", "Eve")), None);
            }
            let line = made(&agent, certificate(PUBLIC_KEY, &["deploy"], None));
            assert!(
                line.starts_with("ssh-ed25519-cert-v01@openssh.com "),
                "{line}"
            );
            known.push(key);
            if restart {
                drop(agent);
                enclave.crash();
                enclave = deployment.boot();
            }
        }
        assert_eq!(known[0], known[1]);
        let state = deployment.audited();
        let (_, key) = state.keys().find(|(id, _)| id.as_str() == "k_ssh").unwrap();
        assert!(key.kind == Kind::Ssh && !key.imported);
    }
}

/// A certificate ends with its grant. A signature has no end, so that the grant must let it out by name.
#[test]
fn p8_what_has_no_end_is_let_out_by_name_alone() {
    let life = |change: fn(&mut Value), late_ms: u64, input| {
        let (deployment, enclave, granted) = serving("ed25519", change);
        deployment.clock.advance_ms(late_ms);
        let issued = agent(&deployment, &enclave, &granted).sign(input);
        let issued = issued.map_err(|denial| denial.code)?.issued;
        if issued.expires_at == UnixMs::NEVER {
            return Ok(None);
        }
        let left = issued.expires_at.since(deployment.clock.now());
        Ok(Some(left.0.div_ceil(1000)))
    };
    let hour = 3_600_000;
    let user = |ttl_s| certificate(PUBLIC_KEY, &["deploy"], ttl_s);
    assert_eq!(life(|_| {}, 0, user(None)), Ok(Some(120)));
    assert_eq!(life(|_| {}, 0, user(Some(1))), Ok(Some(1)));
    assert_eq!(life(|_| {}, 0, user(Some(121))), Err(Code::Outliving));
    assert_eq!(life(|_| {}, hour - 30_000, user(None)), Ok(Some(30)));
    let short: fn(&mut Value) = |grant| grant["credentials"] = json!({"ssh": {"ttl_s": 60}});
    assert_eq!(life(short, 0, user(None)), Ok(Some(60)));
    let commit = || object(COMMIT.as_bytes());
    assert_eq!(life(|_| {}, 0, commit()), Ok(None));
    assert_eq!(life(|_| {}, hour - 1, commit()), Ok(None));
    let kept: fn(&mut Value) = |grant| grant["allow_outliving"] = json!(["hosts"]);
    assert_eq!(life(kept, 0, commit()), Err(Code::Outliving));
    assert_eq!(life(short, 0, commit()), Err(Code::Outliving));
}

/// Whoever revokes is told what is still alive: the users of certificates until they end, signatures for ever.
#[test]
fn revoking_tells_what_never_dies() {
    let (deployment, enclave, granted) = serving("ed25519", |_| {});
    let agent = agent(&deployment, &enclave, &granted);
    made(&agent, certificate(PUBLIC_KEY, &["deploy", "backup"], None));
    made(&agent, object(COMMIT.as_bytes()));
    let told = deployment.narrow(
        &enclave,
        &json!({"type": "grant.revoke", "grant": "gr_ssh"}),
    );
    let told: Value = serde_json::from_str(&told.result).unwrap();
    let alive = |destination: &str| {
        let all = told["outstanding"].as_array().unwrap();
        let mut all = all.iter().filter(|one| one["destination"] == destination);
        all.next().map(|one| one["dies_at"].as_str().unwrap())
    };
    assert_eq!(alive("git"), Some("never"));
    for user in ["deploy", "backup"] {
        assert!(alive(user).unwrap().ends_with('Z'));
    }
    assert_eq!(agent.denied(object(TAG.as_bytes())), Code::GrantRevoked);
}

#[test]
fn only_narrows_to_users_people_and_tags() {
    let (deployment, enclave, granted) = serving("ed25519", |grant| {
        grant["only"] = json!({"hosts": {"ssh.principal": ["deploy"]}, "repo": {"git.tag": ["v1.2"], "git.tagger": ["Bot <bot@example.com>"]}});
    });
    let agent = agent(&deployment, &enclave, &granted);
    agent
        .sign(certificate(PUBLIC_KEY, &["deploy"], None))
        .unwrap();
    for users in [&["backup"][..], &["deploy", "backup"]] {
        let denied = agent.denied(certificate(PUBLIC_KEY, users, None));
        assert_eq!(denied, Code::PermissionDenied);
    }
    agent.sign(object(TAG.as_bytes())).unwrap();
    let other = TAG.replace("v1.2", "v1.3");
    for text in [other.as_str(), COMMIT] {
        assert_eq!(
            agent.denied(object(text.as_bytes())),
            Code::PermissionDenied
        );
    }
}

/// A key that certified itself could log in nowhere, but would be somebody's in a log: it is refused, and the call is spent.
#[test]
fn a_key_certifies_every_key_but_itself() {
    let (deployment, enclave, granted) = serving("ed25519", |_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let own = agent.whoami().ssh_key.unwrap();
    let left = agent.left();
    assert_eq!(
        agent.denied(certificate(&own, &["deploy"], None)),
        Code::Unavailable
    );
    assert_eq!(agent.left()[0], left[0] - 1);
    agent
        .sign(certificate(PUBLIC_KEY, &["deploy"], None))
        .unwrap();
}

/// The same key and input give the same certificate. A signature, which never ends, takes no key: it would be remembered for
/// ever.
#[test]
fn a_repetition_is_the_same_credential() {
    use claviger_shared::call::{Ask, Sign};
    let (deployment, enclave, granted) = serving("ed25519", |_| {});
    let agent = agent(&deployment, &enclave, &granted);
    let ask = |input| {
        let ask = Ask::Sign(Sign {
            input,
            idempotency_key: Some("once".into()),
        });
        claviger_tests::agent::issued(agent.ask(&ask))
    };
    let first = ask(certificate(PUBLIC_KEY, &["deploy"], None)).unwrap();
    deployment.clock.advance_ms(5000);
    let second = ask(certificate(PUBLIC_KEY, &["deploy"], None)).unwrap();
    assert_eq!(first.issued.credential, second.issued.credential);
    assert!(second.issued.replayed && !first.issued.replayed);
    let other = ask(certificate(PUBLIC_KEY, &["backup"], None)).unwrap_err();
    assert_eq!(other.code, Code::IdempotencyConflict);
    let signature = ask(object(COMMIT.as_bytes())).unwrap_err();
    assert_eq!(signature.code, Code::Unsupported);
    let again = |text: &str| made(&agent, object(text.as_bytes()));
    assert_eq!(again(COMMIT), again(COMMIT));
}

#[test]
fn an_imported_key_signs_and_other_algorithms_are_refused() {
    const SEED: [u8; 32] = *b"a private key made somewhere els";
    let (deployment, enclave, granted) = serving("p256", |_| {});
    let trusted = attested(&deployment, &enclave);
    let public = import::public(&SEED);
    let mut action = import::action(&trusted, "k_mine", &public);
    action["key"]["kind"] = json!("ssh");
    let (action, bytes) = sealed(&deployment, action, &SEED);
    done(enclave.submit(&deployment.widening(&action, &[]), &bytes));
    let mine = deployment.grant(&enclave, "gr_mine", |grant| {
        grant["keys"] = json!(["k_mine"]);
        grant["permissions"] = json!({"write": ["repo"]});
        grant["allow_minting"] = json!([]);
        grant["allow_outliving"] = json!(["repo"]);
        grant["credentials"] = json!({});
        grant["budgets"] = json!([{"unit": "call", "max": "10", "window": "grant"}]);
    });
    let armored = made(
        &agent(&deployment, &enclave, &mine),
        object(COMMIT.as_bytes()),
    );
    let key = sshsig::verify(&armored, "git", COMMIT.as_bytes(), &RingVerifier).unwrap();
    assert_eq!(
        key,
        sshsig::PublicKey::ed25519(public.as_slice().try_into().unwrap())
    );
    // The other grant's key is another.
    let other = agent(&deployment, &enclave, &granted).whoami().ssh_key;
    assert_ne!(other.map(|line| lines(&line)), Some(key));
    for alg in ["rs256", "sigv4", "secp256k1"] {
        let create = json!({"type": "key.create", "key": {"id": "k_x", "kind": "ssh", "alg": alg}});
        let refusal = refused(enclave.submit(&deployment.widening(&create, &[]), &[]));
        assert_eq!(refusal.pointer.as_deref(), Some("/action/key/alg"));
    }
}

#[test]
fn a_grant_without_an_ssh_key_is_told_of_none() {
    let (deployment, enclave) = Deployment::serving();
    let granted = deployment.grant(&enclave, "gr_1", |_| {});
    let agent = Agent::connect(&deployment, &enclave, &granted);
    assert_eq!(agent.whoami().ssh_key, None);
}

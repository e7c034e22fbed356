//! Certificates and objects of any bytes: what is signed says what the route says, and what was read is all there is.

use super::{calls::told_of, samples::put};
use crate::ssh;
use claviger_kinds::{Moment, SigningKeyInfo, ToSign, any::AnyCall};
use claviger_shared::{
    call::{Input, Sign, SshInput},
    catalog::Catalog,
    effect::{Effect, Kind, Verb},
    grant::Grant,
    id::KeyId,
    owner::{command::Alg, sshsig::signed_data, sshwire::put_string},
    time::UnixMs,
};
use serde_json::json;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::parse(ssh::catalog().to_string().as_bytes()).unwrap());
static GRANT: LazyLock<Grant> = LazyLock::new(|| {
    let grant = json!({"v": 1, "id": "gr_fuzz",
        "agent": {"id": "bot", "key": "x25519:0909090909090909090909090909090909090909090909090909090909090909"},
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_ssh"],
        "permissions": {"write": ["hosts", "repo"]}, "allow_identity_only": ["hosts"], "allow_outliving": ["repo"],
        "budgets": [{"unit": "call", "max": "1000", "window": "grant"}],
    });
    Grant::parse(grant.to_string().as_bytes()).unwrap()
});

/// `certificate USERS [SECONDS]` and a key's line; else a namespace and an object.
fn request(data: &[u8]) -> Option<Input> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    let head = std::str::from_utf8(&data[..at]).ok()?;
    let rest = &data[at + 1..];
    let mut words = head.split(' ');
    if words.next() == Some("certificate") {
        let users: Vec<_> = words.next()?.split(',').collect();
        let ttl_s = words.next().and_then(|word| word.parse().ok());
        let key = std::str::from_utf8(rest).ok()?;
        return Some(ssh::certificate(key, &users, ttl_s));
    }
    let mut input = ssh::object(rest);
    if let Input::Ssh(SshInput::Signature(signature)) = &mut input {
        head.clone_into(&mut signature.namespace);
    }
    Some(input)
}

/// Whatever stands in a call, a certificate is for listed users and ends, and an object is of the listed person, by its lines.
pub fn ssh_call(data: &[u8]) {
    let Some(input) = request(data) else {
        return;
    };
    let sign = Sign {
        input: input.clone(),
        idempotency_key: None,
    };
    let call = match AnyCall::parse(&sign, &CATALOG, &GRANT) {
        Ok(call) => call,
        Err(denial) => return told_of(&denial, &CATALOG),
    };
    let effects: Vec<&Effect> = call.effects().iter().collect();
    let key = SigningKeyInfo {
        id: KeyId::parse("k_ssh").unwrap(),
        kind: Kind::Ssh,
        alg: Alg::Ed25519,
        deployment: "fuzz".into(),
        public: vec![7; 32],
        thumbprint: "t".into(),
        session_token: None,
    };
    let now = UnixMs(1_795_424_400_000);
    let moment = Moment {
        now,
        expires_at: now.plus(effects[0].max_lifetime).min(UnixMs::NEVER),
        nonce: [1; 16],
    };
    let to_sign = call.to_sign(&key, &moment).unwrap();
    let ToSign::Ssh(signing) = &to_sign else {
        panic!("another kind");
    };
    assert!(effects.iter().all(|effect| effect.verb == Verb::Write));
    match input {
        Input::Ssh(SshInput::Signature(signature)) => {
            assert_eq!(signature.namespace, "git");
            assert!(signing.message.starts_with(b"SSHSIG\0\0\0\x03git"));
            assert!(!signature.object.contains(&0));
            let text = String::from_utf8_lossy(&signature.object).into_owned();
            let (head, _) = text.split_once("\n\n").unwrap();
            let people = head
                .lines()
                .filter(|line| line.contains('<'))
                .map(|line| line.split_once(' ').unwrap());
            let mut count = 0;
            for (role, who) in people {
                assert!(matches!(role, "author" | "committer" | "tagger"));
                assert!(who.starts_with("Bot <bot@example.com> "), "{who}");
                count += 1;
            }
            assert_eq!(count, if head.starts_with("tree ") { 2 } else { 1 });
            assert!(!head.contains("gpgsig") && !head.contains('\r'));
        }
        Input::Ssh(SshInput::Certificate(certificate)) => {
            let told: Vec<_> = effects.iter().map(|effect| &effect.destination).collect();
            let wanted: Vec<_> = certificate.principals.iter().collect();
            assert_eq!(told, wanted);
            assert!(
                told.iter()
                    .all(|user| matches!(user.as_str(), "deploy" | "backup"))
            );
            assert!(
                effects
                    .iter()
                    .all(|effect| effect.identity_only && effect.max_lifetime.0 <= 120_000)
            );
            assert!(
                signing
                    .message
                    .windows(13)
                    .any(|part| part == b"force-command")
            );
        }
        _ => panic!("another kind"),
    }
    call.assemble(&moment, &to_sign, &[7; 64]).unwrap();
}

/// Writes the seeds of calls, and of messages to the agent.
pub(super) fn texts() {
    let key = ssh::PUBLIC_KEY;
    for (name, text) in [
        ("certificate", format!("certificate deploy 60\n{key} mine")),
        (
            "certificate-two",
            format!("certificate deploy,backup\n{key}"),
        ),
        ("commit", format!("git\n{}", ssh::COMMIT)),
        (
            "merge",
            format!(
                "git\n{}",
                ssh::COMMIT.replace(
                    "author",
                    "parent 0123456789abcdef0123456789abcdef01234567\nauthor"
                )
            ),
        ),
        ("tag", format!("git\n{}", ssh::TAG)),
        (
            "signed",
            format!("git\n{}", ssh::COMMIT.replace("\n\n", "\ngpgsig x\n\n")),
        ),
    ] {
        put("ssh_call", name, text.as_bytes());
    }
    let strings = |parts: &[&[u8]]| {
        let mut out = Vec::new();
        for part in parts {
            put_string(&mut out, part);
        }
        out
    };
    let name = b"ssh-ed25519-cert-v01@openssh.com";
    let (head, key) = (strings(&[b"session"]), strings(&[name, b"certificate"]));
    let login = strings(&[b"deploy", b"ssh-connection", b"publickey"]);
    let login = [&head[..], &[50], &login, &[1], &strings(&[name, &key])].concat();
    let digest = signed_data("git", ssh::COMMIT.as_bytes());
    put("ssh_agent", "list", &[11]);
    for (name, data) in [("login", login), ("git", digest)] {
        let message = [&[13][..], &strings(&[&key, &data]), &[0; 4]].concat();
        put("ssh_agent", name, &message);
    }
    put(
        "ssh_agent",
        "extension",
        &[&[27][..], &strings(&[b"session-bind@openssh.com"])].concat(),
    );
}

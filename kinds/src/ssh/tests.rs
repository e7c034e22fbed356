//! What is refused, what is said of what is not, and how long it lives.

use super::{git::tests as objects, *};
use crate::fixture::{self, catalog, grant, moment};
use claviger_shared::{
    call::{
        SshCertificateInput, SshSignatureInput,
        ssh::{BACK_S, MAX_LIFETIME, MAX_OBJECT, MAX_PRINCIPALS, MAX_PUBLIC_KEY, ObjectType},
    },
    catalog::{Route, SshCertificate, SshRoute, SshSignature},
    effect::Verb,
    grant::CredentialRule,
    owner::command::Alg,
    time::Millis,
};

pub(super) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

pub(super) fn certifies(principals: &[&str]) -> SshCertificate {
    SshCertificate {
        principals: texts(principals),
        force_command: Some("/usr/bin/backup --all".into()),
        source_address: texts(&["10.0.0.0/8", "2001:db8::/32"]),
        extensions: texts(&["permit-port-forwarding", "permit-pty"]),
        ttl: MAX_LIFETIME,
    }
}

fn signs(objects: &[ObjectType], authors: &[&str]) -> Route {
    Route::Ssh(SshRoute::Signature(SshSignature {
        objects: objects.to_vec(),
        authors: texts(authors),
    }))
}

/// `hosts` for three users, `repo` for commits of two people, `tags` for tags.
fn whole() -> (Catalog, Grant) {
    let hosts = certifies(&["deploy", "backup", "web"]);
    let catalog = catalog(vec![
        ("hosts", vec![Route::Ssh(SshRoute::Certificate(hosts))]),
        (
            "repo",
            vec![signs(
                &[ObjectType::Commit],
                &["Bot <bot@example.com>", "A B <a@b>"],
            )],
        ),
        ("tags", vec![signs(&[ObjectType::Tag], &[])]),
    ]);
    (catalog, grant(&[], &["hosts", "repo", "tags"], &[]))
}

/// A P-256 or an Ed25519 key's line.
pub(super) fn line(alg: Alg, byte: u8) -> String {
    let public = if alg == Alg::P256 {
        [vec![4], vec![byte; 64]].concat()
    } else {
        vec![byte; 32]
    };
    PublicKey::of(alg, &public).unwrap().to_string()
}

pub(super) fn certificate(principals: &[&str]) -> SshCertificateInput {
    SshCertificateInput {
        public_key: line(Alg::Ed25519, 9),
        principals: texts(principals),
        ttl_s: None,
    }
}

pub(super) fn object(text: &str) -> SshInput {
    SshInput::Signature(SshSignatureInput {
        namespace: "git".into(),
        object: text.as_bytes().to_vec().into(),
    })
}

fn parse(input: &SshInput) -> Result<SshCall, Denial> {
    let (catalog, grant) = whole();
    SshCall::parse(input, None, &catalog, &grant)
}

fn denied(input: &SshInput) -> (Code, String) {
    let denial = parse(input).unwrap_err();
    (denial.code, denial.param.unwrap_or_default())
}

#[test]
fn a_certificate_has_an_effect_for_each_user_and_carries_no_destination() {
    let call = parse(&SshInput::Certificate(certificate(&["backup", "deploy"]))).unwrap();
    let told: Vec<_> = call
        .effects()
        .iter()
        .map(|effect| {
            assert_eq!(
                (effect.verb, effect.resource.as_str()),
                (Verb::Write, "hosts")
            );
            assert!(effect.identity_only && !effect.mints && !effect.fixed);
            assert_eq!(effect.max_lifetime, MAX_LIFETIME);
            let parameters = [("ssh.principal".to_owned(), effect.destination.clone())];
            assert_eq!(effect.parameters, parameters);
            (effect.method.as_str(), effect.destination.as_str())
        })
        .collect();
    assert_eq!(told, [("certify", "backup"), ("certify", "deploy")]);
}

#[test]
fn a_certificate_is_for_a_software_key_and_named_users() {
    let with = |change: &dyn Fn(&mut SshCertificateInput)| {
        let mut input = certificate(&["deploy"]);
        change(&mut input);
        SshInput::Certificate(input)
    };
    let key = |text: &str| {
        let text = text.to_owned();
        denied(&with(&move |input| input.public_key.clone_from(&text)))
    };
    let unsupported = (Code::Unsupported, "/public_key".to_owned());
    let malformed = (Code::InvalidRequest, "/public_key".to_owned());
    let good = line(Alg::Ed25519, 9);
    for other in [
        "",
        "ssh-rsa AAAA",
        "ssh-ed25519-cert-v01@openssh.com AAAA",
        "sk-ssh-ed25519@openssh.com AAAA",
        "# comment",
    ] {
        assert_eq!(key(other), unsupported, "{other}");
    }
    let p256 = line(Alg::P256, 1);
    let mixed = p256.replace("ecdsa-sha2-nistp256 ", "ssh-ed25519 ");
    let cut = good.get(..good.len() - 4).unwrap();
    let two = format!("{good}\n{good}");
    for other in ["ssh-ed25519", "ssh-ed25519 AAAA", &mixed, cut, &two] {
        assert_eq!(key(other), malformed, "{other}");
    }
    let room = MAX_PUBLIC_KEY - good.len() - 1;
    let longest = format!("{good} {}", "c".repeat(room));
    parse(&with(&|input| input.public_key.clone_from(&longest))).unwrap();
    assert_eq!(key(&format!("{longest}c")), malformed);
    parse(&with(&|input| input.public_key.clone_from(&p256))).unwrap();

    let users = |all: &[&str]| denied(&SshInput::Certificate(certificate(all)));
    let none = (Code::InvalidRequest, "/principals".to_owned());
    assert_eq!(users(&[]), none);
    assert_eq!(users(&["deploy", "deploy"]), none);
    assert_eq!(users(&["deploy"; MAX_PRINCIPALS + 1]), none);
    let foreign = (Code::DestinationDenied, "/principals".to_owned());
    for all in [
        &["root"][..],
        &["deploy", "root"],
        &[""],
        &["deploy,root"],
        &["deplo*"],
    ] {
        assert_eq!(users(all), foreign, "{all:?}");
    }
}

#[test]
fn as_many_users_as_the_limit_are_one_certificate() {
    let names: Vec<String> = (0..=MAX_PRINCIPALS).map(|n| format!("u{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let route = Route::Ssh(SshRoute::Certificate(certifies(&names)));
    let catalog = catalog(vec![("hosts", vec![route])]);
    let grant = grant(&[], &["hosts"], &[]);
    let parse = |count: usize| {
        let input = SshInput::Certificate(certificate(&names[..count]));
        SshCall::parse(&input, None, &catalog, &grant)
    };
    let most = parse(MAX_PRINCIPALS).unwrap();
    assert_eq!(most.effects().iter().count(), MAX_PRINCIPALS);
    assert_eq!(
        parse(MAX_PRINCIPALS + 1).unwrap_err().code,
        Code::InvalidRequest
    );
}

#[test]
fn a_certificate_lives_as_long_as_route_grant_and_call_all_say() {
    let life = |route: u64, rule: Option<u64>, ttl_s: Option<u64>| {
        let route = SshCertificate {
            ttl: Millis::from_secs(route),
            ..certifies(&["deploy"])
        };
        let catalog = catalog(vec![(
            "hosts",
            vec![Route::Ssh(SshRoute::Certificate(route))],
        )]);
        let mut grant = grant(&[], &["hosts"], &[]);
        let rule = CredentialRule {
            profile: None,
            signature_agent: None,
            ttl: rule.map(Millis::from_secs),
        };
        grant.credentials.insert(Kind::Ssh, rule);
        let input = SshCertificateInput {
            ttl_s,
            ..certificate(&["deploy"])
        };
        let call = SshCall::parse(&SshInput::Certificate(input), None, &catalog, &grant);
        call.map(|call| call.effects().first.max_lifetime.0 / 1000)
            .map_err(|denial| (denial.code, denial.param.unwrap_or_default()))
    };
    let at = |code: Code| Err((code, "/ttl_s".to_owned()));
    assert_eq!(life(300, None, None), Ok(300));
    assert_eq!(life(120, None, None), Ok(120));
    assert_eq!(life(120, Some(60), None), Ok(60));
    assert_eq!(life(120, Some(600), Some(120)), Ok(120));
    assert_eq!(life(120, Some(60), Some(1)), Ok(1));
    assert_eq!(life(120, Some(60), Some(61)), at(Code::Outliving));
    assert_eq!(life(120, None, Some(121)), at(Code::Outliving));
    assert_eq!(life(120, None, Some(u64::MAX)), at(Code::Outliving));
    assert_eq!(life(120, None, Some(0)), at(Code::InvalidRequest));
}

#[test]
fn an_object_is_signed_where_its_type_and_all_its_people_are_listed() {
    let call = parse(&object(objects::COMMIT)).unwrap();
    let effect = &call.effects().first;
    assert_eq!(
        (effect.method.as_str(), effect.destination.as_str()),
        ("git:commit", "git")
    );
    let parameters = [
        ("git.author", "Bot <bot@example.com>"),
        ("git.committer", "A B <a@b>"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(effect.parameters, parameters);
    assert!(effect.fixed && !effect.identity_only);
    assert_eq!(effect.max_lifetime, Millis::ENDLESS);
    let call = parse(&object(objects::TAG)).unwrap();
    let effect = &call.effects().first;
    assert_eq!(
        (effect.method.as_str(), effect.resource.as_str()),
        ("git:tag", "tags")
    );
    let parameters = [("git.tagger", "Bot <bot@example.com>"), ("git.tag", "v1.2")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(effect.parameters, parameters);

    for (from, place) in [("author Bot", "author"), ("committer A B", "committer")] {
        let other = objects::COMMIT.replace(from, &format!("{place} Eve"));
        let at = (Code::UnlistedMember, format!("/object/{place}"));
        assert_eq!(denied(&object(&other)), at);
    }
    let (catalog, _) = whole();
    let only = |name: &str, text: &str| {
        let denial = SshCall::parse(&object(text), None, &catalog, &grant(&[], &[name], &[]));
        denial.unwrap_err().code
    };
    assert_eq!(only("repo", objects::TAG), Code::MethodDenied);
    assert_eq!(only("tags", objects::COMMIT), Code::MethodDenied);
    assert_eq!(only("hosts", objects::COMMIT), Code::DestinationDenied);
    // Two ways, and the catalog does not say which is meant.
    let twice = fixture::catalog(vec![
        ("a", vec![signs(&[ObjectType::Tag], &[])]),
        ("b", vec![signs(&ObjectType::ALL, &[])]),
    ]);
    let both = grant(&[], &["a", "b"], &[]);
    let denial = SshCall::parse(&object(objects::TAG), None, &twice, &both).unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
    SshCall::parse(&object(objects::COMMIT), None, &twice, &both).unwrap();
}

#[test]
fn no_other_namespace_no_digest_and_nothing_too_long_is_signed() {
    let named = |namespace: &str| {
        denied(&SshInput::Signature(SshSignatureInput {
            namespace: namespace.into(),
            object: objects::COMMIT.as_bytes().to_vec().into(),
        }))
    };
    for other in [
        "",
        "file",
        "Git",
        "git ",
        "command@claviger",
        "manifest@claviger",
    ] {
        assert_eq!(
            named(other),
            (Code::Unsupported, "/namespace".into()),
            "{other}"
        );
    }
    let (catalog, grant) = whole();
    let keyed = SshCall::parse(&object(objects::COMMIT), Some("k"), &catalog, &grant);
    let keyed = keyed.unwrap_err();
    let place = Some("/idempotency_key".into());
    assert_eq!((keyed.code, keyed.param), (Code::Unsupported, place));
    let certificate = SshInput::Certificate(certificate(&["deploy"]));
    SshCall::parse(&certificate, Some("k"), &catalog, &grant).unwrap();
    let unreadable = (Code::UnparsableContent, "/object".to_owned());
    assert_eq!(denied(&object(&"x".repeat(64))), unreadable);
    assert_eq!(denied(&object("")), unreadable);
    let room = MAX_OBJECT - objects::COMMIT.len();
    let longest = format!("{}{}", objects::COMMIT, "x".repeat(room));
    parse(&object(&longest)).unwrap();
    let longer = object(&format!("{longest}x"));
    assert_eq!(denied(&longer), (Code::InvalidRequest, "/object".into()));
}

#[test]
fn equal_calls_have_equal_canonical_bytes_and_others_do_not() {
    let canonical = |input: &SshInput| parse(input).unwrap().canonical();
    let one = |change: fn(&mut SshCertificateInput)| {
        let mut input = certificate(&["deploy", "web"]);
        change(&mut input);
        canonical(&SshInput::Certificate(input))
    };
    let first = one(|_| {});
    // A comment says nothing.
    assert_eq!(first, one(|input| input.public_key.push_str(" mine")));
    let all = [
        first,
        one(|input| input.ttl_s = Some(300)),
        one(|input| input.principals.reverse()),
        one(|input| input.principals.truncate(1)),
        one(|input| input.public_key = line(Alg::Ed25519, 8)),
        canonical(&object(objects::COMMIT)),
        canonical(&object(objects::TAG)),
        canonical(&object(&format!("{}x", objects::COMMIT))),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|other| other != one), "{at}");
    }
}

#[test]
fn a_certificate_begins_a_little_before_it_is_made_and_ends_when_it_is_said_to() {
    let call = parse(&SshInput::Certificate(certificate(&["deploy"]))).unwrap();
    let key = fixture::key(Kind::Ssh, Alg::Ed25519);
    let signed = call.to_sign(&key, &moment()).unwrap();
    let Credential::Ssh {
        made: SshMade::Certificate(line),
    } = call.assemble(&moment(), &signed, &[7; 64]).unwrap()
    else {
        panic!("no certificate");
    };
    let read = ssh_key::Certificate::from_openssh(&line).unwrap();
    let (now, end) = (moment().now.secs(), moment().expires_at.secs());
    assert_eq!(
        (read.valid_after(), read.valid_before()),
        (now - BACK_S, end)
    );
    assert_eq!(read.serial(), u64::from_be_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
    let zero = Moment {
        nonce: [0; 16],
        ..moment()
    };
    let signed = call.to_sign(&key, &zero).unwrap();
    let Credential::Ssh {
        made: SshMade::Certificate(line),
    } = call.assemble(&zero, &signed, &[7; 64]).unwrap()
    else {
        panic!("no certificate");
    };
    assert_eq!(
        ssh_key::Certificate::from_openssh(&line).unwrap().serial(),
        1
    );
}

#[test]
fn no_key_of_another_kind_or_form_signs_and_none_certifies_itself() {
    let call = parse(&SshInput::Certificate(certificate(&["deploy"]))).unwrap();
    let sign = |key: &SigningKeyInfo| call.to_sign(key, &moment()).map_err(|denial| denial.code);
    let key = |kind, alg| fixture::key(kind, alg);
    for kind in [Kind::Http, Kind::Jwt, Kind::Aws] {
        assert_eq!(sign(&key(kind, Alg::Ed25519)), Err(Code::KeyDenied));
    }
    for alg in [Alg::Rs256, Alg::SigV4] {
        assert_eq!(sign(&key(Kind::Ssh, alg)), Err(Code::KeyDenied));
    }
    let own = SigningKeyInfo {
        public: vec![9; 32],
        ..key(Kind::Ssh, Alg::Ed25519)
    };
    assert_eq!(sign(&own), Err(Code::InvalidRequest));
    let still = Moment {
        expires_at: moment().now,
        ..moment()
    };
    let late = Moment {
        expires_at: moment().now.plus(Millis(301_000)),
        ..moment()
    };
    for other in [still, late] {
        let denial = call.to_sign(&key(Kind::Ssh, Alg::P256), &other);
        assert_eq!(denial.unwrap_err().code, Code::Outliving);
    }
    let signed = call.to_sign(&key(Kind::Ssh, Alg::P256), &moment()).unwrap();
    signed.message().unwrap_err();
    for length in [0, 63, 65] {
        let denial = call.assemble(&moment(), &signed, &vec![7; length]);
        assert_eq!(denial.unwrap_err().code, Code::KeyDenied);
    }
    let message = ToSign::Message(Vec::new());
    call.assemble(&moment(), &message, &[7; 64]).unwrap_err();
}

#[test]
fn a_grant_is_told_what_it_reaches() {
    let (catalog, whole) = whole();
    let told = |grant: &Grant| -> Vec<_> {
        let (all, more) = crate::reach::reach(&catalog, grant);
        assert!(!more);
        let one = all.into_iter();
        one.map(|one| (one.destination, one.methods.join(" "), one.probe))
            .collect()
    };
    let expected = [
        ("deploy backup web", "certify"),
        ("git", "git:commit"),
        ("git", "git:tag"),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(to, what)| (to.to_owned(), what.to_owned(), false))
        .collect();
    assert_eq!(told(&whole), expected);
    assert_eq!(told(&grant(&["hosts"], &[], &["repo"])), []);
}

//! What is signed, read again by a plain reader that knows the signed bytes alone, never exceeds what the grant says.
//!
//! The reader is written apart: it takes certificates and objects to pieces by their published layouts, byte by byte, and
//! knows nothing of the kind's parser, its effects or the wire helpers.

use super::{differential::Pair, *};
use crate::fixture::{catalog, grant, moment};
use claviger_shared::{
    call::{SshCertificateInput, SshSignatureInput, ssh::ObjectType},
    catalog::{Route, SshCertificate, SshRoute, SshSignature},
    grant::CredentialRule,
    owner::command::Alg,
    time::Millis,
};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use ring::digest;
use std::cell::Cell;

const CASES: u32 = 6000;
const USERS: [&str; 5] = ["deploy", "backup", "web", "root", "admin"];
const PEOPLE: [&str; 3] = [
    "Bot <bot@example.com>",
    "A B <a@b>",
    "Eve <eve@example.com>",
];
const PERMITS: [&str; 5] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
];

/// A number and so many bytes.
fn string<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let (length, rest) = bytes.split_at(4);
    let length = u32::from_be_bytes(length.try_into().unwrap());
    let length = usize::try_from(length).unwrap();
    let (value, rest) = rest.split_at(length);
    *bytes = rest;
    value
}

fn number(bytes: &mut &[u8]) -> u64 {
    let (value, rest) = bytes.split_at(8);
    *bytes = rest;
    u64::from_be_bytes(value.try_into().unwrap())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn pairs(mut bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let name = text(string(&mut bytes));
        all.push((name, string(&mut bytes).to_vec()));
    }
    all
}

/// What a certificate lets its holder do.
#[derive(Debug)]
struct Power {
    users: Vec<String>,
    seconds: (u64, u64),
    command: Option<String>,
    from: Option<String>,
    permits: Vec<String>,
    subject: Vec<u8>,
}

/// PROTOCOL.certkeys, field by field.
fn power(mut bytes: &[u8], ca: &[u8]) -> Power {
    let bytes = &mut bytes;
    let kind = text(string(bytes));
    string(bytes);
    let subject = match kind.as_str() {
        "ssh-ed25519-cert-v01@openssh.com" => string(bytes).to_vec(),
        "ecdsa-sha2-nistp256-cert-v01@openssh.com" => {
            assert_eq!(string(bytes), b"nistp256");
            string(bytes).to_vec()
        }
        other => panic!("{other}"),
    };
    assert_ne!(number(bytes), 0);
    let (role, rest) = bytes.split_at(4);
    assert_eq!(role, [0, 0, 0, 1], "a user's");
    *bytes = rest;
    assert_eq!(text(string(bytes)), "acme-prod/claviger:billing-bot:gr_1");
    let mut list = string(bytes);
    let mut users = Vec::new();
    while !list.is_empty() {
        users.push(text(string(&mut list)));
    }
    let seconds = (number(bytes), number(bytes));
    let options = pairs(string(bytes));
    let extensions = pairs(string(bytes));
    assert!(options.is_sorted() && extensions.is_sorted());
    assert!(string(bytes).is_empty());
    assert_eq!(string(bytes), ca);
    assert!(bytes.is_empty());
    let value = |wanted: &str| {
        let found = options.iter().find(|(name, _)| name == wanted);
        found.map(|(_, inner)| {
            let mut inner = inner.as_slice();
            let value = text(string(&mut inner));
            assert!(inner.is_empty());
            value
        })
    };
    let (command, from) = (value("force-command"), value("source-address"));
    let known = [&command, &from].into_iter().flatten().count();
    assert_eq!(options.len(), known);
    assert!(extensions.iter().all(|(_, value)| value.is_empty()));
    Power {
        users,
        seconds,
        command,
        from,
        permits: extensions.into_iter().map(|(name, _)| name).collect(),
        subject,
    }
}

/// What an object says by its lines: its type, everybody it names, its tag.
fn claims(object: &[u8]) -> (&'static str, Vec<String>, Option<String>) {
    let whole = String::from_utf8_lossy(object).into_owned();
    let head = whole.split("\n\n").next().unwrap();
    let mut people = Vec::new();
    let mut tag = None;
    for line in head.lines() {
        let (word, rest) = line.split_once(' ').unwrap();
        match word {
            "author" | "committer" | "tagger" => {
                let (who, _) = rest.rsplit_once("> ").unwrap();
                people.push(format!("{who}>"));
            }
            "tag" => tag = Some(rest.to_owned()),
            "tree" | "parent" | "object" | "type" | "encoding" => {}
            other => panic!("{other}"),
        }
    }
    let kind = if head.starts_with("tree ") {
        "git:commit"
    } else {
        "git:tag"
    };
    (kind, people, tag)
}

fn texts(all: Vec<&'static str>) -> Vec<String> {
    all.into_iter().map(str::to_owned).collect()
}

prop_compose! {
    fn certificate_route()(
        principals in subsequence(USERS.to_vec(), 1..4), command: bool, sources in subsequence(vec!["10.0.0.0/8", "::1"], 0..3),
        extensions in subsequence(PERMITS.to_vec(), 0..4), ttl in 1..=300_u64,
    ) -> SshRoute {
        SshRoute::Certificate(SshCertificate {
            principals: texts(principals),
            force_command: command.then(|| "/bin/one --command".to_owned()),
            source_address: texts(sources),
            extensions: texts(extensions),
            ttl: Millis::from_secs(ttl),
        })
    }
}

prop_compose! {
    fn signature_route()(objects in subsequence(ObjectType::ALL.to_vec(), 1..3), authors in subsequence(PEOPLE.to_vec(), 0..3)) -> SshRoute {
        SshRoute::Signature(SshSignature { objects, authors: texts(authors) })
    }
}

fn certificate_input() -> impl Strategy<Value = SshInput> {
    let users = prop::collection::vec(select(USERS.to_vec()), 0..4);
    let ttl = prop_oneof![Just(None), (0..310_u64).prop_map(Some)];
    (users, ttl, any::<bool>()).prop_map(|(users, ttl_s, p256)| {
        let alg = if p256 { Alg::P256 } else { Alg::Ed25519 };
        SshInput::Certificate(SshCertificateInput {
            public_key: tests::line(alg, 9),
            principals: texts(users),
            ttl_s,
        })
    })
}

/// Objects, most of them with something in the wrong place.
fn object_input() -> impl Strategy<Value = SshInput> {
    let line = prop_oneof![
        4 => select(PEOPLE.to_vec()).prop_map(|who| format!("author {who} 1 +0000\n")),
        4 => select(PEOPLE.to_vec()).prop_map(|who| format!("committer {who} 1 +0000\n")),
        4 => select(PEOPLE.to_vec()).prop_map(|who| format!("tagger {who} 1 +0000\n")),
        2 => Just(format!("parent {}\n", "1".repeat(40))),
        1 => Just("type commit\ntag v1\n".to_owned()),
        1 => Just("gpgsig x\n".to_owned()),
        1 => Just("encoding utf-8\n".to_owned()),
    ];
    let loose = (
        any::<bool>(),
        prop::collection::vec(line, 0..4),
        "[a-z\n]{0,12}",
    );
    let loose = loose.prop_map(|(commit, lines, message)| {
        let word = if commit { "tree" } else { "object" };
        format!("{word} {}\n{}\n{message}", "0".repeat(40), lines.concat())
    });
    let two = (
        select(PEOPLE.to_vec()),
        select(PEOPLE.to_vec()),
        any::<bool>(),
    );
    let strict = two.prop_map(|(one, two, commit)| {
        let id = "0".repeat(40);
        if commit {
            format!("tree {id}\nauthor {one} 1 +0000\ncommitter {two} 2 +0000\n\nm\n")
        } else {
            format!("object {id}\ntype commit\ntag v1\ntagger {one} 1 +0000\n\nm\n")
        }
    });
    prop_oneof![loose, strict].prop_map(|text| {
        SshInput::Signature(SshSignatureInput {
            namespace: "git".into(),
            object: text.into_bytes().into(),
        })
    })
}

/// Whether one of the routes that the grant names allows all that a certificate says.
fn certificate_is_within(power: &Power, routes: &[&SshRoute], rule: Option<u64>) -> bool {
    routes.iter().any(|route| {
        let SshRoute::Certificate(route) = route else {
            return false;
        };
        let life = power.seconds.1.checked_sub(power.seconds.0).unwrap();
        let from = (!route.source_address.is_empty()).then(|| route.source_address.join(","));
        !power.users.is_empty()
            && power
                .users
                .iter()
                .all(|user| route.principals.contains(user))
            && power.command == route.force_command
            && power.from == from
            && power.permits == route.extensions
            && life.saturating_sub(30) <= (route.ttl.0 / 1000).min(rule.unwrap_or(300))
    })
}

#[test]
fn nothing_signed_exceeds_a_random_grant() {
    let issued = [Cell::new(0), Cell::new(0)];
    let routes = prop::collection::vec(prop_oneof![certificate_route(), signature_route()], 1..4);
    let input = prop_oneof![certificate_input(), object_input()];
    let rule = prop_oneof![Just(None), (1..400_u64).prop_map(Some)];
    let named = prop::collection::vec(any::<bool>(), 4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = ProptestConfig::with_cases(CASES);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let pairs = Pair::both();
    let ran = runner.run(
        &(routes, input, rule, named),
        |(routes, input, rule, named)| {
            let names = ["a", "b", "c", "d"];
            let all = names.into_iter().zip(&routes);
            let all = all.map(|(name, route)| (name, vec![Route::Ssh(route.clone())]));
            let catalog = catalog(all.collect());
            let in_grant: Vec<_> = names
                .into_iter()
                .zip(&named)
                .filter(|(_, named)| **named)
                .map(|(name, _)| name)
                .collect();
            let mut grant = grant(&[], &in_grant, &[]);
            let ttl = rule.map(Millis::from_secs);
            grant.credentials.insert(
                Kind::Ssh,
                CredentialRule {
                    profile: None,
                    signature_agent: None,
                    ttl,
                },
            );
            let Ok(call) = SshCall::parse(&input, None, &catalog, &grant) else {
                return Ok(());
            };
            let now = moment().now;
            let reached: Vec<_> = names
                .into_iter()
                .zip(&routes)
                .filter(|(name, _)| in_grant.contains(name))
                .map(|(_, route)| route)
                .collect();
            let moment = Moment {
                expires_at: now.plus(call.effects().first.max_lifetime),
                ..moment()
            };
            for pair in &pairs {
                let info = pair.info();
                let ToSign::Ssh(signing) = call.to_sign(&info, &moment).unwrap() else {
                    panic!("another kind");
                };
                let told: Vec<_> = call.effects().iter().collect();
                prop_assert!(
                    told.iter()
                        .all(|one| grant.permissions.write.contains(&one.resource))
                );
                match &input {
                    SshInput::Certificate(input) => {
                        let ca = PublicKey::of(info.alg, &info.public).unwrap();
                        let power = power(&signing.message, &ca.blob);
                        prop_assert!(
                            certificate_is_within(&power, &reached, rule),
                            "{power:?} of {reached:?}"
                        );
                        let told: Vec<_> = told.iter().map(|one| one.destination.clone()).collect();
                        prop_assert_eq!(&told, &power.users);
                        prop_assert_eq!(&power.users, &input.principals);
                        prop_assert!(power.subject.ends_with(&[9; 32]));
                        issued[0].set(issued[0].get() + 1);
                    }
                    SshInput::Signature(input) => {
                        let (kind, people, tag) = claims(&input.object);
                        let hash = digest::digest(&digest::SHA512, &input.object);
                        let head = b"SSHSIG\0\0\0\x03git\0\0\0\0\0\0\0\x06sha512\0\0\0\x40";
                        prop_assert_eq!(&signing.message, &[&head[..], hash.as_ref()].concat());
                        let within = reached.iter().any(|route| {
                            let SshRoute::Signature(route) = route else {
                                return false;
                            };
                            route.objects.iter().any(|one| one.method() == kind)
                                && (route.authors.is_empty()
                                    || people.iter().all(|who| route.authors.contains(who)))
                        });
                        prop_assert!(within, "{people:?} of {reached:?}");
                        prop_assert_eq!(told[0].method.as_str(), kind);
                        let mut values: Vec<_> = told[0]
                            .parameters
                            .iter()
                            .map(|(_, value)| value.clone())
                            .collect();
                        prop_assert_eq!(
                            tag.as_ref(),
                            values.iter().find(|value| !value.contains('<'))
                        );
                        values.retain(|value| value.contains('<'));
                        prop_assert_eq!(values, people);
                        issued[1].set(issued[1].get() + 1);
                    }
                }
            }
            Ok(())
        },
    );
    ran.unwrap();
    for issued in issued {
        assert!(issued.get() > 200, "{issued:?}: too few to say anything");
    }
}

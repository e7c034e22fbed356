//! A signed key directory: the draft's sample to the byte, and everything that is none.
//!
//! Data: `tests/vectors/web-bot-auth/directory.json`; its source and licence stand beside it.

use super::*;
use crate::fixture::{get, key, listed, moment, name, route, whole};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_shared::{
    catalog::{DIRECTORY, Route},
    effect::Verb,
    grant::{CredentialRule, profile},
    jwk,
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

const VECTOR: &str = include_str!("../../../tests/vectors/web-bot-auth/directory.json");
const KEY: &str = include_str!("../../../tests/vectors/web-bot-auth/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-http.md");
const AGENT: &str = "https://agents.example.com";
const URL: &str = "https://agents.example.com/.well-known/http-message-signatures-directory";

/// The draft's key, which is RFC 9421's.
fn pair() -> (Ed25519KeyPair, Vec<u8>) {
    let vectors: Value = serde_json::from_str(KEY).unwrap();
    let decode = |name: &str| {
        let text = vectors["key"][name].as_str().unwrap();
        URL_SAFE_NO_PAD.decode(text).unwrap()
    };
    let pair = Ed25519KeyPair::from_seed_and_public_key(&decode("d"), &decode("x")).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    (pair, public)
}

fn place(host: &str, directory: bool) -> HttpRoute {
    HttpRoute {
        host: host.to_owned(),
        verb: Some(Verb::Write),
        directory,
        ..route(DIRECTORY, &["GET"])
    }
}

fn under(rule: CredentialRule, way: HttpRoute, input: &HttpInput) -> Result<HttpCall, Denial> {
    let (mut catalog, mut grant) = whole();
    let orders = catalog.resources.get_mut(&name("orders")).unwrap();
    let mut resource = orders.clone();
    resource.routes = vec![Route::Http(way)];
    catalog.resources.insert(name("directory"), resource);
    grant.permissions.write.push(name("directory"));
    grant.credentials.insert(Kind::Http, rule);
    HttpCall::parse(input, None, &catalog, &grant)
}

fn rule(profile: &str, agent: Option<&str>) -> CredentialRule {
    CredentialRule {
        profile: Some(profile.to_owned()),
        signature_agent: agent.map(str::to_owned),
        ttl: None,
    }
}

fn bot() -> CredentialRule {
    rule(profile::WEB_BOT_AUTH, Some(AGENT))
}

fn directory(input: &HttpInput) -> Result<HttpCall, Denial> {
    under(bot(), place("agents.example.com", true), input)
}

fn refusal(made: Result<HttpCall, Denial>) -> (Code, Option<String>) {
    let denial = made.unwrap_err();
    (denial.code, denial.param)
}

#[test]
fn the_drafts_sample_is_built_and_signed_to_the_byte() {
    let vector: Value = serde_json::from_str(VECTOR).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap();
    let (pair, public) = pair();
    assert_eq!(jwk::directory(Alg::Ed25519, &public).unwrap(), text("body"));
    let mut info = key(Kind::Http, Alg::Ed25519);
    info.public = public;
    let components = directory::components(text("authority"), &info).unwrap();
    assert_eq!(components[1].value, text("content_digest"));
    let integer = |name: &str| Parameter::Integer(vector[name].as_u64().unwrap());
    let parameters = [
        ("created", integer("created")),
        ("expires", integer("expires")),
        ("keyid", Parameter::Text(text("keyid").into())),
        ("tag", Parameter::Text(DIRECTORY_TAG.into())),
    ];
    let base = base::base(&components, &parameters).unwrap();
    let input = base::signature_input(&base).unwrap();
    assert_eq!(input, text("signature_input"));
    assert_eq!(STANDARD.encode(pair.sign(&base)), text("signature"));
    assert_eq!(directory::digest(&base).unwrap(), text("content_digest"));
}

#[test]
fn a_directory_says_whose_it_is_and_nothing_a_caller_said() {
    let call = directory(&get(URL)).unwrap();
    let effect = &call.effects().first;
    assert_eq!((effect.verb, effect.method.as_str()), (Verb::Write, "GET"));
    assert_eq!(effect.destination, "agents.example.com");
    assert!(!effect.mints && !effect.identity_only && effect.charges.is_empty());
    assert_eq!(effect.max_lifetime, MAX_LIFETIME);
    for alg in [Alg::Ed25519, Alg::P256] {
        let info = key(Kind::Http, alg);
        let signed = call.to_sign(&info, &moment()).unwrap();
        let text = String::from_utf8(signed.message().unwrap().to_vec()).unwrap();
        let body = jwk::directory(alg, &info.public).unwrap();
        let digest = content_digest(&sha256(&[body.as_bytes()]).0);
        let begins = format!(
            "\"@authority\";req: agents.example.com\n\"content-digest\": {digest}\n\"@signature-params\": \
             (\"@authority\";req \"content-digest\");created=1795424400;expires=1795424460;"
        );
        assert!(text.starts_with(&begins), "{text}");
        assert!(
            text.ends_with(";tag=\"http-message-signatures-directory\""),
            "{text}"
        );
        let Credential::Http { headers } = call.assemble(&moment(), &signed, &[0; 64]).unwrap()
        else {
            panic!("another kind")
        };
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["content-digest", "signature-input", "signature"]);
        assert_eq!(headers[0].1, digest);
    }
    for alg in [Alg::Rs256, Alg::SigV4, Alg::Secp256k1] {
        let denial = call.to_sign(&key(Kind::Http, alg), &moment()).unwrap_err();
        assert_eq!(denial.code, Code::KeyDenied);
    }
}

#[test]
fn only_the_agents_own_directory_is_signed_and_only_for_a_bot() {
    let own = || place("agents.example.com", true);
    let generic = rule(profile::GENERIC, None);
    assert_eq!(
        refusal(under(generic, own(), &get(URL))),
        (Code::Unsupported, None)
    );
    for other in [
        "https://agents.example.net",
        "https://agents.example.com:8443",
        "https://sub.agents.example.com",
    ] {
        let made = under(rule(profile::WEB_BOT_AUTH, Some(other)), own(), &get(URL));
        let expected = (Code::DestinationDenied, Some("/url".to_owned()));
        assert_eq!(refusal(made), expected, "{other}");
    }
    let elsewhere = URL.replace("example.com", "example.net");
    let away = place("agents.example.net", true);
    let made = under(bot(), away, &get(&elsewhere));
    assert_eq!(refusal(made).0, Code::DestinationDenied);
}

#[test]
fn a_caller_adds_nothing_to_a_directory() {
    let changed = |change: &dyn Fn(&mut HttpInput)| {
        let mut input = get(URL);
        change(&mut input);
        refusal(directory(&input)).0
    };
    let body = |input: &mut HttpInput| input.body = Some(b"{\"keys\":[]}".to_vec().into());
    assert_eq!(changed(&body), Code::UnlistedMember);
    assert_eq!(
        changed(&|input| input.url.push_str("?a=1")),
        Code::UnlistedMember
    );
    let field = |input: &mut HttpInput| input.headers.push(("x-a".into(), "1".into()));
    assert_eq!(changed(&field), Code::UnlistedMember);
    let digest = |input: &mut HttpInput| {
        input
            .headers
            .push(("content-digest".into(), content_digest(&[0; 32])));
    };
    assert_eq!(changed(&digest), Code::InvalidRequest);
    assert_eq!(
        changed(&|input| input.method = "HEAD".into()),
        Code::MethodDenied
    );
    assert_eq!(
        changed(&|input| input.method = "PUT".into()),
        Code::MethodDenied
    );
}

#[test]
fn a_request_to_the_same_place_is_another_call_with_another_signature() {
    let request = HttpRoute {
        query: listed(&["a"]),
        ..place("agents.example.com", false)
    };
    let request = under(bot(), request, &get(URL)).unwrap();
    let own = directory(&get(URL)).unwrap();
    assert_ne!(request.canonical(), own.canonical());
    assert_eq!(own.canonical(), directory(&get(URL)).unwrap().canonical());
    let info = key(Kind::Http, Alg::Ed25519);
    let message = |call: &HttpCall| {
        let signed = call.to_sign(&info, &moment()).unwrap();
        String::from_utf8(signed.message().unwrap().to_vec()).unwrap()
    };
    assert!(message(&request).contains("\"@method\": GET") && !message(&request).contains(";req"));
    assert!(message(&request).ends_with("tag=\"web-bot-auth\""));
    assert!(!message(&own).contains("@method"));
}

#[test]
fn the_specs_example_is_what_is_made() {
    // RFC 8037 appendix A.1: a published key.
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let mut info = key(Kind::Http, Alg::Ed25519);
    info.public = pair.public_key().as_ref().to_vec();
    let call = directory(&get(URL)).unwrap();
    let signed = call.to_sign(&info, &moment()).unwrap();
    let message = signed.message().unwrap();
    let body = jwk::directory(Alg::Ed25519, &info.public).unwrap();
    let text = std::str::from_utf8(message).unwrap();
    let made = call.assemble(&moment(), &signed, pair.sign(message).as_ref());
    let Credential::Http { headers } = made.unwrap() else {
        panic!("another kind")
    };
    let lines: String = headers.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
    for part in [&body, text, lines.trim_end()] {
        assert!(SPEC.contains(&format!("```\n{part}\n```")), "{part}");
    }
}

//! Profile `web-bot-auth`: what it adds to `generic`, and the drafts' own samples.
//!
//! Data: `tests/vectors/web-bot-auth`; its sources and licences stand beside it.

use super::*;
use crate::fixture::{charge, get, key, moment, whole};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_shared::{
    crypto::{AwsLc, Scheme, Verifier},
    grant::{CredentialRule, profile},
};
use proptest::prelude::*;
use ring::signature::Ed25519KeyPair;
use serde_json::Value;

const VECTORS: &str = include_str!("../../../tests/vectors/web-bot-auth/vectors.json");
const SPEC: &str = include_str!("../../../docs/spec/credential-http.md");
const AGENT: &str = "https://agents.example.com";
const ORDER: &str = "https://api.example.com/v1/orders/7?expand=items";

fn rule(profile: Option<&str>, agent: Option<&str>) -> CredentialRule {
    CredentialRule {
        profile: profile.map(str::to_owned),
        signature_agent: agent.map(str::to_owned),
        ttl: None,
    }
}

fn under(rule: CredentialRule, input: &HttpInput) -> Result<HttpCall, Denial> {
    let (catalog, mut grant) = whole();
    grant.credentials.insert(Kind::Http, rule);
    HttpCall::parse(input, None, &catalog, &grant)
}

fn bot(input: &HttpInput) -> HttpCall {
    under(rule(Some(profile::WEB_BOT_AUTH), Some(AGENT)), input).unwrap()
}

fn message(call: &HttpCall) -> String {
    let bytes = call
        .to_sign(&key(Kind::Http, Alg::Ed25519), &moment())
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    String::from_utf8(bytes).unwrap()
}

fn fields(call: &HttpCall, signature: &[u8]) -> Vec<(String, String)> {
    let signed = message(call);
    let to_sign = ToSign::Message(signed.into_bytes());
    let made = call.assemble(&moment(), &to_sign, signature);
    let Credential::Http { headers } = made.unwrap() else {
        panic!("another kind")
    };
    headers
}

#[test]
fn the_drafts_own_samples_are_built_and_signed_to_the_byte() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let decode = |name: &str| URL_SAFE_NO_PAD.decode(text(&vectors["key"][name])).unwrap();
    let (seed, public) = (decode("d"), decode("x"));
    let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).unwrap();
    let thumbprint = claviger_shared::jwk::thumbprint(Alg::Ed25519, &public);
    assert_eq!(thumbprint.unwrap(), text(&vectors["keyid"]));
    for case in vectors["cases"].as_array().unwrap() {
        let components = case["components"].as_array().unwrap().iter();
        let components: Vec<_> = components
            .map(|one| match one[1].as_str() {
                Some(key) => Component::member(one[0].as_str().unwrap(), key, text(&one[2])),
                None => Component::new(one[0].as_str().unwrap(), text(&one[2])),
            })
            .collect();
        let integer = |name: &str| Parameter::Integer(case[name].as_u64().unwrap());
        let parameters = [
            ("created", integer("created")),
            ("keyid", Parameter::Text(text(&vectors["keyid"]).into())),
            ("alg", Parameter::Text("ed25519".into())),
            ("expires", integer("expires")),
            ("nonce", Parameter::Text(text(&case["nonce"]).into())),
            ("tag", Parameter::Text(WEB_BOT_AUTH_TAG.into())),
        ];
        let base = base::base(&components, &parameters).unwrap();
        assert_eq!(
            String::from_utf8(base.clone()).unwrap(),
            text(&case["base"])
        );
        let input = base::signature_input(&base).unwrap();
        assert_eq!(input, text(&case["signature_input"]));
        assert_eq!(STANDARD.encode(pair.sign(&base)), text(&case["signature"]));
        let published = STANDARD.decode(text(&case["signature"])).unwrap();
        AwsLc
            .verify(Scheme::Ed25519, &public, &base, &published)
            .unwrap();
    }
}

#[test]
fn it_covers_all_that_generic_does_and_the_agent_besides() {
    for input in [get(ORDER), charge(r#"{"amount":1250,"currency":"usd"}"#)] {
        let generic = under(rule(Some(profile::GENERIC), None), &input).unwrap();
        let (plain, signed) = (message(&generic), message(&bot(&input)));
        let (plain, _) = plain.rsplit_once('\n').unwrap();
        let (components, params) = signed.rsplit_once('\n').unwrap();
        assert_eq!(
            components,
            format!("{plain}\n\"signature-agent\";key=\"sig1\": \"{AGENT}\"")
        );
        assert!(
            params.contains(" \"signature-agent\";key=\"sig1\");created="),
            "{params}"
        );
        assert!(params.ends_with(";tag=\"web-bot-auth\""), "{params}");
        let headers = fields(&bot(&input), &[0; 64]);
        let agent = ("signature-agent".to_owned(), format!("sig1=\"{AGENT}\""));
        assert!(headers.contains(&agent), "{headers:?}");
        let names: Vec<_> = headers
            .iter()
            .rev()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            names[..3],
            ["signature", "signature-input", "signature-agent"]
        );
        assert!(!bot(&input).effects().first.identity_only);
        assert!(
            fields(&generic, &[0; 64])
                .iter()
                .all(|(name, _)| name != "signature-agent")
        );
    }
}

#[test]
fn what_is_sent_is_the_last_line_of_what_is_signed() {
    let call = bot(&get(ORDER));
    let headers = fields(&call, &[0; 64]);
    let (_, input) = headers
        .iter()
        .find(|(name, _)| name == "signature-input")
        .unwrap();
    let member = input.strip_prefix("sig1=").unwrap();
    let last = format!("\"@signature-params\": {member}");
    assert_eq!(message(&call).lines().last().unwrap(), last);
}

#[test]
fn a_profile_without_its_agent_or_an_agent_without_its_profile_is_unsupported() {
    for bad in [
        rule(Some(profile::WEB_BOT_AUTH), None),
        rule(Some(profile::GENERIC), Some(AGENT)),
        rule(None, Some(AGENT)),
        rule(Some("web-bot-auth-minimal"), Some(AGENT)),
        rule(Some(""), None),
        rule(Some(profile::WEB_BOT_AUTH), Some("https://a.example/x")),
        rule(Some(profile::WEB_BOT_AUTH), Some("https://\u{fc}.example")),
    ] {
        let denial = under(bad.clone(), &get(ORDER)).unwrap_err();
        assert_eq!(denial.code, Code::Unsupported, "{bad:?}");
    }
}

#[test]
fn a_caller_brings_no_agent_of_its_own() {
    let mut input = get(ORDER);
    input
        .headers
        .push(("signature-agent".into(), format!("sig1=\"{AGENT}\"")));
    let granted = rule(Some(profile::WEB_BOT_AUTH), Some(AGENT));
    let denial = under(granted, &input).unwrap_err();
    let place = denial.param.as_deref();
    assert_eq!(
        (denial.code, place),
        (Code::InvalidRequest, Some("/headers/signature-agent"))
    );
}

#[test]
fn the_same_request_under_another_profile_or_agent_is_another_input() {
    let of = |rule| under(rule, &get(ORDER)).unwrap().canonical();
    let (one, other) = (AGENT, "https://agents.example.net");
    let named = |agent| rule(Some(profile::WEB_BOT_AUTH), Some(agent));
    assert_eq!(of(named(one)), of(named(one)));
    assert_ne!(of(named(one)), of(named(other)));
    assert_ne!(of(named(one)), of(rule(None, None)));
    assert_eq!(of(rule(Some(profile::GENERIC), None)), of(rule(None, None)));
}

#[test]
fn the_specs_example_is_what_is_made() {
    // RFC 8037 appendix A.1: a published key.
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let call = bot(&get(ORDER));
    let message = message(&call);
    assert!(SPEC.contains(&format!("```\n{message}\n```")), "{message}");
    let signed = fields(&call, pair.sign(message.as_bytes()).as_ref());
    let lines: String = signed.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
    assert!(SPEC.contains(&format!("```\n{lines}```")), "{lines}");
}

/// Who verifies a bot holds only public keys (the draft forbids HMAC).
#[test]
fn a_bot_signs_with_no_shared_secret() {
    let call = bot(&get(ORDER));
    for alg in [Alg::Ed25519, Alg::P256, Alg::Ps512] {
        call.to_sign(&key(Kind::Http, alg), &moment()).unwrap();
    }
    let denial = call.to_sign(&key(Kind::Http, Alg::Hs256), &moment());
    assert_eq!(denial.unwrap_err().code, Code::KeyDenied);
    let generic = under(rule(Some(profile::GENERIC), None), &get(ORDER)).unwrap();
    generic
        .to_sign(&key(Kind::Http, Alg::Hs256), &moment())
        .unwrap();
}

proptest! {
    /// Whatever a grant could name as agent stands on one line, in its own quotes, or is refused.
    #[test]
    fn an_agent_never_breaks_the_message(agent in prop_oneof![any::<String>(), "https://[a-z0-9.:/\"\\\\-]{1,20}"]) {
        let named = rule(Some(profile::WEB_BOT_AUTH), Some(&agent));
        match under(named, &get(ORDER)) {
            Err(denial) => prop_assert_eq!(denial.code, Code::Unsupported),
            Ok(call) => {
                let expected = message(&bot(&get(ORDER))).replace(AGENT, &agent);
                prop_assert_eq!(message(&call), expected);
            }
        }
    }
}

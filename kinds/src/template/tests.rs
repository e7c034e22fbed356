//! What is accepted, what is refused and with which code, and what stands in a credential.

use super::{vectors::documented, *};
use crate::{
    any::AnyCall,
    fixture::{key, moment, whole},
};
use claviger_shared::{
    call::{Input, Sign},
    time::UnixMs,
};
use serde_json::{Value, json};

/// A grant that reaches everything of a catalog, and lets everything out.
pub(super) fn reader(catalog: &Catalog) -> Grant {
    let (_, mut grant) = whole();
    let names: Vec<_> = catalog.resources.keys().cloned().collect();
    grant.permissions.read = names.clone();
    grant.permissions.write = names.clone();
    grant.permissions.delete = names.clone();
    grant.allow_identity_only = names.clone();
    grant.allow_outliving = names;
    grant.only.clear();
    grant
}

/// A route of one name, `things`: everything signed, a time beside it.
pub(super) fn route() -> Value {
    json!({
        "kind": "template", "host": "api.example.com", "path": "/v1/{thing}", "methods": ["GET", "POST"],
        "query": ["a", "b"], "headers": ["x-a"], "body": ["n", "m"], "alg": "hs256",
        "sign": "{method}|{host}|{path}|{query}|{body}|{header:x-a}|{timestamp}|{header:content-type}", "signature": "hex",
        "add": {"headers": {"x-time": "{timestamp}", "x-key": "{key_id}", "x-sig": "v1={signature}"}}, "window_s": 30,
    })
}

pub(super) fn catalog(route: &Value) -> Catalog {
    let text = json!({"v": 1, "resources": {"things": [route]}}).to_string();
    Catalog::parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}: {text}"))
}

pub(super) fn post(url: &str, form: &str) -> HttpInput {
    let media = "application/x-www-form-urlencoded";
    HttpInput {
        method: "POST".into(),
        url: url.into(),
        headers: vec![
            ("content-type".into(), media.into()),
            ("x-a".into(), "1".into()),
        ],
        body: Some(form.as_bytes().to_vec().into()),
    }
}

const URL: &str = "https://api.example.com/v1/x?b=2&a=%20";

pub(super) fn parse(route: &Value, input: &HttpInput) -> Result<TemplateCall, Denial> {
    let catalog = catalog(route);
    TemplateCall::parse(input, None, &catalog, &reader(&catalog))
}

pub(super) fn signed(call: &TemplateCall, moment: &Moment) -> Signing {
    let to_sign = call.to_sign(&key(Kind::Template, call.route.alg), moment);
    let ToSign::Template(signing) = to_sign.unwrap() else {
        panic!("no template's")
    };
    signing
}

/// Thirty seconds from the fixture's moment.
pub(super) fn half() -> Moment {
    Moment {
        expires_at: UnixMs(1_795_424_430_000),
        ..moment()
    }
}

fn message(route: &Value, input: &HttpInput) -> String {
    let call = parse(route, input).unwrap();
    String::from_utf8(signed(&call, &half()).message).unwrap()
}

fn with(pointer: &str, value: Value) -> Value {
    let mut route = route();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    route.pointer_mut(parent).unwrap()[name] = value;
    route
}

#[test]
fn every_placeholder_is_what_it_says() {
    let sign = "{method} {host} {path} {query} {target} {body} {body_sha256_hex} {body_sha256_base64} {body_sha512_hex} \
                {body_sha512_base64} {timestamp} {timestamp_ms} {timestamp_iso} {expires} {nonce_ms} {nonce_us} {nonce_hex} \
                {key_id} {header:x-a} {idempotency_key}{newline}{header:content-type}";
    let mut route = with("/sign", json!(sign));
    route["add"]["headers"]["x-time"] = json!(
        "{timestamp} {timestamp_ms} {timestamp_iso} {expires} {nonce_ms} {nonce_us} {nonce_hex} {idempotency_key}"
    );
    route["add"]["headers"]["x-sig"] = json!("{signature}");
    route["port"] = json!(8443);
    let url = "https://api.example.com:8443/v1/x?b=2&a=%20";
    let said = message(&route, &post(url, "n=1&m="));
    let expected = [
        "POST api.example.com:8443 /v1/x b=2&a=%20 /v1/x?b=2&a=%20 n=1&m=",
        // sha256sum and sha512sum of `n=1&m=`.
        "0f628e6913abe9ab87d6639641648663d9dc4d6517f6c055fcee05262acb1175",
        "D2KOaROr6auH1mOWQWSGY9ncTWUX9sBV/O4FJirLEXU=",
        "6c73655374599217d6f089eb6e277acb0865a5d2e7db6050404990fa351fd5d16cdd6476f0527eca39eac67024b31923cfcfa9cc347df2675eff7946c17687ac",
        "bHNlU3RZkhfW8Inrbid6ywhlpdLn22BQQEmQ+jUf1dFs3WR28FJ+yjnqxnAksxkjz8+pzDR98mde/3lGwXaHrA==",
        "1795424400 1795424400250 2026-11-23T09:00:00.250Z 1795424430 1795424400250 1795424400250001",
        "000102030405060708090a0b0c0d0e0f kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k 1 AAECAwQFBgcICQoLDA0ODw\n\
         application/x-www-form-urlencoded",
    ]
    .join(" ");
    assert_eq!(said, expected);
}

#[test]
fn the_credential_holds_what_was_added_and_nothing_else() {
    let call = parse(&route(), &post(URL, "n=1")).unwrap();
    let info = key(Kind::Template, Alg::Hs256);
    let to_sign = call.to_sign(&info, &half()).unwrap();
    let credential = call.assemble(&half(), &to_sign, &[0xab; 32]).unwrap();
    let headers = [
        ("x-key", info.thumbprint),
        ("x-sig", format!("v1={}", "ab".repeat(32))),
        ("x-time", "1795424400".to_owned()),
    ];
    let expected = Credential::Template {
        headers: headers
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        url: None,
        body: None,
    };
    assert_eq!(credential, expected);
    assert_eq!(
        call.replay(&half()),
        Replay {
            single_use: false,
            window_s: 30
        }
    );
    let effect = &call.effects().first;
    assert_eq!((effect.max_lifetime, effect.fixed), (Millis(30_000), true));
    assert!(!effect.identity_only);
    for length in [0, 31, 33, 64] {
        let denial = call.assemble(&half(), &to_sign, &vec![1; length]);
        assert_eq!(denial.unwrap_err().code, Code::KeyDenied);
    }
    let denial = call.assemble(&half(), &ToSign::Message(vec![1]), &[1; 32]);
    assert_eq!(denial.unwrap_err().code, Code::InvalidRequest);
}

#[test]
fn what_the_enclave_writes_is_under_the_signature() {
    let mut route = with(
        "/insert",
        json!({
            "query": [{"name": "t", "value": "{timestamp_ms}", "first": true}, {"name": "w", "value": "5"}],
            "body": [{"name": "nonce", "value": "n-{nonce_us}"}],
        }),
    );
    route["add"]["query"] = json!({"key": "{key_id}", "sig": "{signature}"});
    route["add"]["headers"] = json!({"x-time": "{timestamp}"});
    route["signature"] = json!("base64");
    let call = parse(&route, &post(URL, "n=1")).unwrap();
    let (query, body) = (
        "t=1795424400250&b=2&a=%20&w=5",
        "n=1&nonce=n-1795424400250001",
    );
    let said = String::from_utf8(signed(&call, &half()).message).unwrap();
    assert!(said.contains(&format!("|{query}|{body}|")), "{said}");
    let to_sign = call
        .to_sign(&key(Kind::Template, Alg::Hs256), &half())
        .unwrap();
    let Credential::Template {
        url, body: sent, ..
    } = call.assemble(&half(), &to_sign, &[0xfb; 32]).unwrap()
    else {
        panic!("another kind")
    };
    // An object's members stand in the order that the catalog has them.
    let tail = "key=kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k&sig=%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fv7%2B%2Fs%3D";
    assert_eq!(
        url.unwrap(),
        format!("https://api.example.com/v1/x?{query}&{tail}")
    );
    assert_eq!(sent.unwrap().into_vec(), body.as_bytes());
    // Without members of the caller's, nothing stands between.
    let empty = parse(&route, &post("https://api.example.com/v1/x", "")).unwrap();
    let said = String::from_utf8(signed(&empty, &half()).message).unwrap();
    assert!(
        said.contains("|t=1795424400250&w=5|nonce=n-1795424400250001|"),
        "{said}"
    );
}

#[test]
fn what_a_caller_may_not_bring_is_refused() {
    let inserting = with(
        "/insert",
        json!({"query": [{"name": "t", "value": "{timestamp}"}]}),
    );
    let without = |name: &str| {
        let mut input = post(URL, "n=1");
        input.headers.retain(|(own, _)| own != name);
        input
    };
    let header = |name: &str| {
        let mut input = post(URL, "n=1");
        input.headers.push((name.into(), "1".into()));
        input
    };
    let method = |method: &str| HttpInput {
        method: method.into(),
        ..post(URL, "n=1")
    };
    for (route, input, code, place) in [
        (route(), method("PUT"), Code::MethodDenied, "/method"),
        (route(), method("post"), Code::InvalidRequest, "/method"),
        (
            route(),
            post("https://api.example.com/v2/x", "n=1"),
            Code::DestinationDenied,
            "/url",
        ),
        (
            route(),
            post("https://api.example.com/v1/%78", "n=1"),
            Code::NotNormalForm,
            "/url",
        ),
        (
            route(),
            post("https://api.example.com/v1/x?c=1", "n=1"),
            Code::UnlistedMember,
            "/url?c",
        ),
        (route(), post(URL, "x=1"), Code::UnlistedMember, "/body/x"),
        (route(), post(URL, "n"), Code::UnparsableContent, "/body"),
        (
            route(),
            without("x-a"),
            Code::UnparsableContent,
            "/headers/x-a",
        ),
        (
            route(),
            without("content-type"),
            Code::UnparsableContent,
            "/headers/content-type",
        ),
        (
            route(),
            header("x-sig"),
            Code::UnlistedMember,
            "/headers/x-sig",
        ),
        (
            route(),
            header("x-time"),
            Code::UnlistedMember,
            "/headers/x-time",
        ),
        (
            inserting,
            post("https://api.example.com/v1/x?t=1", "n=1"),
            Code::UnlistedMember,
            "/url?t",
        ),
    ] {
        let denial = parse(&route, &input).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(place)),
            "{input:?}"
        );
    }
}

#[test]
fn a_form_that_must_hold_a_nonce_is_never_left_out() {
    let mut route = with(
        "/insert",
        json!({"body": [{"name": "nonce", "value": "{nonce_ms}"}]}),
    );
    // A GET may lack a body by the rules of `http`.
    route["sign"] = json!("{method}|{host}|{path}|{query}|{body}|{header:x-a}|{timestamp}");
    route["uncovered"] = json!(["content-type"]);
    let mut input = post(URL, "");
    input.method = "GET".into();
    input.headers.retain(|(name, _)| name != "content-type");
    input.body = None;
    let denial = parse(&route, &input).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::UnparsableContent, Some("/body"))
    );
}

#[test]
fn only_a_key_of_the_routes_algorithm_signs() {
    for (alg, length) in [
        ("hs256", 32),
        ("hs512", 64),
        ("ed25519", 64),
        ("p256", 64),
        ("p521", 132),
        ("rs256", 512),
    ] {
        let call = parse(&with("/alg", json!(alg)), &post(URL, "n=1")).unwrap();
        let own = call.route.alg;
        let to_sign = call.to_sign(&key(Kind::Template, own), &half()).unwrap();
        call.assemble(&half(), &to_sign, &vec![1; length]).unwrap();
        call.assemble(&half(), &to_sign, &vec![1; length + 1])
            .unwrap_err();
        for other in [
            Alg::Hs256,
            Alg::Hs512,
            Alg::Ed25519,
            Alg::P256,
            Alg::P521,
            Alg::Rs256,
            Alg::Ps512,
            Alg::SigV4,
        ] {
            let made = call.to_sign(&key(Kind::Template, other), &half());
            assert_eq!(made.is_ok(), other == own, "{alg} {other:?}");
        }
        let elsewhere = call.to_sign(&key(Kind::Http, own), &half());
        assert_eq!(elsewhere.unwrap_err().code, Code::KeyDenied);
        let long = Moment {
            expires_at: half().expires_at.plus(Millis(1000)),
            ..half()
        };
        let long = call.to_sign(&key(Kind::Template, own), &long);
        assert_eq!(long.unwrap_err().code, Code::Outliving);
    }
}

#[test]
fn a_key_of_hmac_is_the_one_that_the_route_names() {
    let call = parse(&with("/key_id", json!("mine")), &post(URL, "n=1")).unwrap();
    let mut info = key(Kind::Template, Alg::Hs256);
    let denial = call.to_sign(&info, &half()).unwrap_err();
    assert_eq!(denial.code, Code::KeyDenied);
    info.thumbprint = "mine".into();
    call.to_sign(&info, &half()).unwrap();
    // Of another algorithm it is what the service calls the key, whichever that is.
    let mut route = with("/key_id", json!("theirs"));
    route["alg"] = json!("ed25519");
    let call = parse(&route, &post(URL, "n=1")).unwrap();
    assert_eq!(signed(&call, &half()).key_id, "theirs");
}

#[test]
fn what_has_no_time_needs_a_grant_that_says_so_and_what_has_no_path_tells() {
    let catalog = documented();
    let mut grant = reader(&catalog);
    grant.allow_outliving.clear();
    let input = HttpInput {
        method: "POST".into(),
        url: "https://api.truelayer.com/merchant_accounts/a/sweeping".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(br#"{"currency":"GBP","max_amount_in_minor":1}"#.to_vec().into()),
    };
    let denial = TemplateCall::parse(&input, None, &catalog, &grant).unwrap_err();
    assert_eq!(
        (denial.code, denial.param.as_deref()),
        (Code::Outliving, Some("truelayer-sweeping"))
    );
    let denial = TemplateCall::parse(&input, Some(""), &catalog, &reader(&catalog)).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/idempotency_key"));
    let order = HttpInput {
        method: "POST".into(),
        url: "https://api.binance.com/api/v3/order?symbol=LTCBTC".into(),
        headers: Vec::new(),
        body: None,
    };
    let call = TemplateCall::parse(&order, None, &catalog, &reader(&catalog)).unwrap();
    assert!(call.effects().first.identity_only);
}

#[test]
fn an_end_that_is_signed_may_be_nearer() {
    let mut route = with(
        "/sign",
        json!("{method}|{host}|{target}|{body}|{header:x-a}|{header:content-type}|{expires}"),
    );
    route["add"]["headers"]["x-time"] = json!("{expires}");
    let call = parse(&route, &post(URL, "n=1")).unwrap();
    assert!(!call.effects().first.fixed);
    let soon = Moment {
        expires_at: UnixMs(half().expires_at.0 - 20_000),
        ..half()
    };
    let said = String::from_utf8(signed(&call, &soon).message).unwrap();
    assert!(said.ends_with("|1795424410"), "{said}");
}

#[test]
fn it_is_a_kind_like_any_other() {
    let catalog = catalog(&route());
    let sign = |input| Sign {
        input,
        idempotency_key: None,
    };
    let input = post(URL, "n=1");
    let call = AnyCall::parse(
        &sign(Input::Template(input.clone())),
        &catalog,
        &reader(&catalog),
    );
    assert_eq!(call.unwrap().effects().first.kind, Kind::Template);
    // A request for one kind is never a route of another.
    let other = AnyCall::parse(&sign(Input::Http(input)), &catalog, &reader(&catalog));
    assert_eq!(other.unwrap_err().code, Code::DestinationDenied);
}

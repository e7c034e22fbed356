//! What is accepted, what is refused and with which code, and the layout of the credential.

use super::*;
use crate::{
    any::AnyCall,
    fixture::{
        catalog, charge, charges_route, get, grant, key, moment, post, read_as, route, token, whole,
    },
};
use claviger_shared::{
    call::{Input, Sign},
    catalog::{Media, Members, Route},
    effect::Verb,
    grant::CredentialRule,
    time::UnixMs,
};

pub(super) fn parse(input: &HttpInput) -> Result<HttpCall, Denial> {
    let (catalog, grant) = whole();
    HttpCall::parse(input, None, &catalog, &grant)
}

pub(super) fn with_header(mut input: HttpInput, name: &str, value: &str) -> HttpInput {
    input.headers.retain(|(given, _)| given != name);
    input.headers.push((name.into(), value.into()));
    input
}

pub(super) fn method(mut input: HttpInput, method: &str) -> HttpInput {
    input.method = method.into();
    input
}

/// Parses against one resource `a` with these routes, all allowed.
pub(super) fn by(routes: Vec<HttpRoute>, input: &HttpInput) -> Result<HttpCall, Denial> {
    let routes = routes.into_iter().map(Route::Http).collect();
    let grant = grant(&["a"], &["a"], &["a"]);
    HttpCall::parse(input, None, &catalog(vec![("a", routes)]), &grant)
}

pub(super) fn message(call: &HttpCall, moment: &Moment) -> String {
    let bytes = call
        .to_sign(&key(Kind::Http, Alg::Ed25519), moment)
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    String::from_utf8(bytes).unwrap()
}

const ORDER: &str = "https://api.example.com/v1/orders/ord_1";

#[test]
fn a_listed_request_says_its_whole_effect() {
    let url = format!("{ORDER}?expand=items");
    let call = parse(&with_header(get(&url), "x-tenant", "t 7")).unwrap();
    let effect = &call.effects().first;
    assert_eq!(effect.resource.as_str(), "orders");
    assert_eq!((effect.verb, effect.route), (Verb::Read, 0));
    assert_eq!(effect.destination, "api.example.com");
    assert_eq!(effect.path_template, "/v1/orders/{id}");
    assert_eq!(
        effect.parameters,
        [
            ("path.id".to_owned(), "ord_1".to_owned()),
            ("query.expand".to_owned(), "items".to_owned())
        ]
    );
    assert!(effect.charges.is_empty() && !effect.mints && !effect.identity_only);
    assert_eq!(effect.max_lifetime, Millis(300_000));
    assert_eq!(call.effects().iter().count(), 1);
}

#[test]
fn the_verb_is_the_methods_unless_the_route_says_another() {
    for (given, verb) in [
        ("GET", Verb::Read),
        ("HEAD", Verb::Read),
        ("OPTIONS", Verb::Read),
        ("DELETE", Verb::Delete),
        ("POST", Verb::Write),
        ("PUT", Verb::Write),
        ("PATCH", Verb::Write),
        ("PURGE", Verb::Write),
    ] {
        let plain = by(
            vec![route("/", &[given])],
            &method(get("https://api.example.com"), given),
        );
        assert_eq!(plain.unwrap().effects().first.verb, verb, "{given}");
        let other = read_as(Verb::Read, route("/", &[given]));
        let call = by(vec![other], &method(get("https://api.example.com/"), given)).unwrap();
        assert_eq!(call.effects().first.verb, Verb::Read, "{given}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row per rule")]
fn every_refusal_names_its_code_and_place() {
    let order = || get(ORDER);
    let form = |body: &str| {
        let url = "https://api.example.com/v1/payment_intents";
        post(url, "application/x-www-form-urlencoded", body.as_bytes())
    };
    let file = |media: &str| {
        let input = post("https://api.example.com/v1/files/a", media, b"\0\xff");
        method(input, "PUT")
    };
    let mut large = file("text/plain");
    large.body = Some(vec![0; MAX_BODY + 1].into());
    let mut bodiless = charge("{}");
    bodiless.body = None;
    let mut bare = bodiless.clone();
    bare.headers.clear();
    let paid = r#"{"amount":1,"currency":"usd"}"#;
    let rows: Vec<(HttpInput, Code, &str)> = vec![
        // the request itself
        (method(order(), "get"), Code::InvalidRequest, "/method"),
        (method(order(), "TRACE"), Code::InvalidRequest, "/method"),
        (get("http://api.example.com/"), Code::InvalidRequest, "/url"),
        (get(&format!("{ORDER}/..")), Code::NotNormalForm, "/url"),
        (
            get(&format!("{ORDER}?expand=a&expand=b")),
            Code::NotNormalForm,
            "/url",
        ),
        (
            with_header(order(), "host", "a"),
            Code::InvalidRequest,
            "/headers/host",
        ),
        (
            with_header(order(), "content-digest", "a"),
            Code::InvalidRequest,
            "/headers/content-digest",
        ),
        (large, Code::InvalidRequest, "/body"),
        // destination and method
        (
            get("https://api.example.org/v1/orders/ord_1"),
            Code::DestinationDenied,
            "/url",
        ),
        (
            get("https://api.example.com:8443/v1/orders/ord_1"),
            Code::DestinationDenied,
            "/url",
        ),
        (
            get("https://api.example.com/v1/orders"),
            Code::DestinationDenied,
            "/url",
        ),
        (
            get("https://api.example.com/v1/orders/a/b"),
            Code::DestinationDenied,
            "/url",
        ),
        (
            get("https://api.example.com/v1/Orders/a"),
            Code::DestinationDenied,
            "/url",
        ),
        (method(order(), "POST"), Code::MethodDenied, "/method"),
        // members
        (
            get(&format!("{ORDER}?expand=a&admin=1")),
            Code::UnlistedMember,
            "/url?admin",
        ),
        (
            with_header(order(), "x-y", "1"),
            Code::UnlistedMember,
            "/headers/x-y",
        ),
        (
            with_header(order(), "content-type", "text/plain"),
            Code::UnlistedMember,
            "/headers/content-type",
        ),
        (
            method(post(ORDER, "text/plain", b""), "GET"),
            Code::UnlistedMember,
            "/body",
        ),
        (
            charge(r#"{"amount":1,"currency":"usd","to":{"a/b~":1}}"#),
            Code::UnlistedMember,
            "/body/to/a~1b~0",
        ),
        (
            charge(r#"{"amount":1,"currency":"usd","Amount":2}"#),
            Code::UnlistedMember,
            "/body/Amount",
        ),
        (charge("[]"), Code::UnlistedMember, "/body"),
        (charge("7"), Code::UnlistedMember, "/body"),
        (
            form("amount=1&currency=usd&to=me"),
            Code::UnlistedMember,
            "/body/to",
        ),
        (
            with_header(charge(paid), "idempotency-key", "a"),
            Code::InvalidRequest,
            "/headers/idempotency-key",
        ),
        // content
        (
            with_header(charge(paid), "content-encoding", "gzip"),
            Code::UnparsableContent,
            "/headers/content-encoding",
        ),
        (
            with_header(
                charge(paid),
                "content-type",
                "application/json;charset=utf-8",
            ),
            Code::UnparsableContent,
            "/headers/content-type",
        ),
        (
            with_header(charge(paid), "content-type", "text/json"),
            Code::UnparsableContent,
            "/headers/content-type",
        ),
        (
            file("text/plain; charset=utf-8"),
            Code::UnparsableContent,
            "/headers/content-type",
        ),
        (
            file("text"),
            Code::UnparsableContent,
            "/headers/content-type",
        ),
        (bodiless, Code::UnlistedMember, "/headers/content-type"),
        (bare, Code::UnparsableContent, "/body"),
        (charge(""), Code::UnparsableContent, "/body"),
        (charge("{"), Code::UnparsableContent, "/body"),
        (
            charge(r#"{"amount":1,"amount":2,"currency":"usd"}"#),
            Code::UnparsableContent,
            "/body/amount",
        ),
        (
            form("amount=1&amount=2&currency=usd"),
            Code::UnparsableContent,
            "/body",
        ),
        (
            form("amount=1;currency=usd"),
            Code::UnparsableContent,
            "/body",
        ),
        // what charges read
        (
            charge(r#"{"amount":1}"#),
            Code::UnparsableContent,
            "/body/currency",
        ),
        (
            charge(r#"{"amount":1,"currency":null}"#),
            Code::UnparsableContent,
            "/body/currency",
        ),
        (
            charge(r#"{"amount":1,"currency":"USD"}"#),
            Code::PermissionDenied,
            "/body/currency",
        ),
        (
            charge(r#"{"currency":"usd"}"#),
            Code::UnparsableContent,
            "/body/amount",
        ),
        (
            form("amount=-1&currency=usd"),
            Code::UnparsableContent,
            "/body/amount",
        ),
        (
            form("amount=1&currency=eur"),
            Code::PermissionDenied,
            "/body/currency",
        ),
        (
            form("currency=usd"),
            Code::UnparsableContent,
            "/body/amount",
        ),
    ];
    for (input, code, param) in rows {
        let denial = parse(&input).unwrap_err();
        assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(param)),
            "{input:?}"
        );
    }
}

#[test]
fn a_profile_that_is_not_built_is_unsupported() {
    let (catalog, mut grant) = whole();
    let rule = |profile: &str| CredentialRule {
        profile: Some(profile.into()),
        signature_agent: None,
        ttl: None,
    };
    grant.credentials.insert(Kind::Http, rule("generic"));
    HttpCall::parse(&get(ORDER), None, &catalog, &grant).unwrap();
    grant.credentials.insert(Kind::Http, rule("web-bot-auth"));
    let denial = HttpCall::parse(&get(ORDER), None, &catalog, &grant).unwrap_err();
    assert_eq!(denial.code, Code::Unsupported);
}

#[test]
fn a_resource_that_the_grant_does_not_name_is_no_destination() {
    let (catalog, _) = whole();
    let denial =
        HttpCall::parse(&get(ORDER), None, &catalog, &grant(&["files"], &[], &[])).unwrap_err();
    assert_eq!(denial.code, Code::DestinationDenied);
}

#[test]
fn a_body_is_read_up_to_its_limit() {
    let mut input = post("https://api.example.com/v1/files/a", "text/plain", b"");
    input.method = "PUT".into();
    input.body = Some(vec![0; MAX_BODY].into());
    parse(&input).unwrap();
}

#[test]
fn of_two_routes_the_one_whose_verb_is_allowed_is_meant() {
    let two = || {
        vec![
            (
                "a",
                vec![Route::Http(read_as(
                    Verb::Read,
                    route("/v1/{x}", &["POST"]),
                ))],
            ),
            ("b", vec![Route::Http(route("/v1/s", &["POST"]))]),
        ]
    };
    let input = method(get("https://api.example.com/v1/s"), "POST");
    for (read, write, meant) in [
        (&["a", "b"][..], &[][..], "a"),
        (&["a"], &["b"], ""),
        (&[], &["a", "b"], "b"),
    ] {
        let found = HttpCall::parse(&input, None, &catalog(two()), &grant(read, write, &[]));
        match found {
            Ok(call) => assert_eq!(call.effects().first.resource.as_str(), meant),
            Err(denial) => {
                assert_eq!((denial.code, meant), (Code::DestinationDenied, ""));
                assert_eq!(denial.param.as_deref(), Some("/url"));
            }
        }
    }
    let neither = HttpCall::parse(&input, None, &catalog(two()), &grant(&["b"], &["a"], &[]));
    assert_eq!(neither.unwrap_err().code, Code::PermissionDenied);
}

#[test]
fn an_open_list_admits_any_member_but_no_encoding_and_no_other_type() {
    let open = || HttpRoute {
        query: Members::Any,
        headers: Members::Any,
        body: Some(claviger_shared::catalog::BodyRule {
            media: Media::Json,
            members: Members::Any,
        }),
        ..route("/p", &["POST"])
    };
    let input = post(
        "https://api.example.com/p?z=1",
        "application/json",
        b"[{\"q\":1.5}]",
    );
    let input = with_header(input, "idempotency-key", "mine");
    let call = by(vec![open()], &input).unwrap();
    assert!(message(&call, &moment()).contains("\n\"idempotency-key\": mine\n"));
    assert!(!call.replay(&moment()).single_use);
    for (name, value) in [
        ("content-encoding", "identity"),
        ("content-type", "application/json;a=b"),
    ] {
        let denial = by(vec![open()], &with_header(input.clone(), name, value)).unwrap_err();
        assert_eq!(denial.code, Code::UnparsableContent);
    }
}

#[test]
fn an_object_without_members_has_none_to_list() {
    let optional = HttpRoute {
        charge: Vec::new(),
        ..charges_route()
    };
    by(vec![optional.clone()], &charge("{}")).unwrap();
    let denial = by(vec![optional], &charge(r#"{"to":{}}"#)).unwrap_err();
    assert_eq!(denial.param.as_deref(), Some("/body/to"));
}

#[test]
fn a_moment_or_key_that_does_not_fit_is_refused() {
    let call = parse(&get(ORDER)).unwrap();
    let at = |now: u64, end: u64| Moment {
        now: UnixMs(now),
        expires_at: UnixMs(end),
        nonce: [0; 16],
    };
    let http = key(Kind::Http, Alg::Ed25519);
    for good in [
        at(0, 1000),
        at(1999, 2000),
        at(0, 300_000),
        at(999, 300_999),
    ] {
        let message = call
            .to_sign(&http, &good)
            .unwrap()
            .message()
            .unwrap()
            .to_vec();
        call.assemble(&good, &ToSign::Message(message), &[0; 64])
            .unwrap();
    }
    for bad in [
        at(0, 0),
        at(0, 999),
        at(2000, 1000),
        at(0, 301_000),
        at(u64::MAX - 9, u64::MAX),
    ] {
        assert_eq!(
            call.to_sign(&http, &bad).unwrap_err().code,
            Code::Outliving,
            "{bad:?}"
        );
    }
    let other = key(Kind::Jwt, Alg::Ed25519);
    assert_eq!(
        call.to_sign(&other, &moment()).unwrap_err().code,
        Code::KeyDenied
    );
    let message = call
        .to_sign(&http, &moment())
        .unwrap()
        .message()
        .unwrap()
        .to_vec();
    let message = ToSign::Message(message);
    for length in [63, 65] {
        let denial = call
            .assemble(&moment(), &message, &vec![0; length])
            .unwrap_err();
        assert_eq!(denial.code, Code::KeyDenied);
    }
    for other in [
        &b"eyJ0eXAiOiJKV1QifQ.e30"[..],
        b"",
        b"\"@method\": GET",
        &[0xff],
    ] {
        let other = ToSign::Message(other.to_vec());
        let denial = call.assemble(&moment(), &other, &[0; 64]).unwrap_err();
        assert_eq!(denial.code, Code::InvalidRequest, "not a signature base");
    }
}

#[test]
fn canonical_bytes_differ_for_different_requests_and_only_then() {
    let url = format!("{ORDER}?expand=a");
    let canonical = |input: &HttpInput| parse(input).unwrap().canonical();
    let one = with_header(get(&url), "x-tenant", "1");
    assert_eq!(canonical(&one), canonical(&one.clone()));
    let file = |name: &str, body: &[u8]| {
        let url = format!("https://api.example.com/v1/files/{name}");
        method(post(&url, "text/plain", body), "PUT")
    };
    let delete = method(get("https://api.example.com/v1/files/a"), "DELETE");
    let all = [
        one.clone(),
        get(&url),
        get(ORDER),
        method(get(ORDER), "HEAD"),
        get(&format!("{ORDER}?expand=b")),
        with_header(one, "x-tenant", "2"),
        file("a", b"1"),
        file("a", b"2"),
        file("b", b"1"),
        file("a", b""),
        method(file("a", b""), "DELETE"),
        with_header(file("a", b"1"), "content-type", "text/html"),
        delete,
    ];
    let mut seen: Vec<_> = all.iter().map(canonical).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all.len());
}

#[test]
fn both_kinds_are_dispatched_by_their_input() {
    let (catalog, grant) = whole();
    let sign = |input| Sign {
        input,
        idempotency_key: None,
    };
    let http = AnyCall::parse(&sign(Input::Http(get(ORDER))), &catalog, &grant).unwrap();
    assert_eq!(http.effects().first.kind, Kind::Http);
    let jwt = AnyCall::parse(&sign(Input::Jwt(token(None))), &catalog, &grant).unwrap();
    assert_eq!(jwt.effects().first.kind, Kind::Jwt);
    assert_ne!(http.canonical(), jwt.canonical());
}

#[test]
fn each_algorithm_stands_by_its_registered_name_and_takes_its_own_length_alone() {
    let call = parse(&get("https://api.example.com/v1/orders/7")).unwrap();
    for (alg, name, fine, bad) in [
        (Alg::Ed25519, "ed25519", 64..=64, [32, 63, 65, 256]),
        (Alg::P256, "ecdsa-p256-sha256", 64..=64, [32, 63, 65, 256]),
        (Alg::Hs256, "hmac-sha256", 32..=32, [0, 31, 33, 64]),
        (Alg::Ps512, "rsa-pss-sha512", 256..=512, [32, 64, 255, 513]),
    ] {
        let info = key(Kind::Http, alg);
        let signed = call.to_sign(&info, &moment()).unwrap();
        let text = String::from_utf8(signed.message().unwrap().to_vec()).unwrap();
        assert!(text.contains(&format!(";alg=\"{name}\";tag=")), "{text}");
        for length in [*fine.start(), *fine.end()] {
            call.assemble(&moment(), &signed, &vec![1; length]).unwrap();
        }
        for length in bad {
            let denial = call.assemble(&moment(), &signed, &vec![1; length]);
            assert_eq!(denial.unwrap_err().code, Code::KeyDenied, "{name} {length}");
        }
    }
    for alg in [Alg::Hs512, Alg::Rs256, Alg::SigV4, Alg::P521] {
        let denial = call.to_sign(&key(Kind::Http, alg), &moment());
        assert_eq!(denial.unwrap_err().code, Code::KeyDenied, "{alg:?}");
    }
}

#[test]
fn an_identifier_cannot_pretend_to_be_another_algorithm() {
    let call = parse(&get("https://api.example.com/v1/orders/7")).unwrap();
    let mut info = key(Kind::Http, Alg::Hs256);
    info.thumbprint = r#"x";alg="ed25519";tag="y\"#.into();
    let signed = call.to_sign(&info, &moment()).unwrap();
    call.assemble(&moment(), &signed, &[1; 64]).unwrap_err();
    call.assemble(&moment(), &signed, &[1; 32]).unwrap();
}

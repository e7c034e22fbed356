//! Every rule of a grant, on both sides, and that what is written reads back.

use super::*;
use crate::{
    amount::Amount,
    grant::{Budget, Rate, SourcePrefix, Window},
    id::{Unit, to_hex},
    sample::{self, grant as base, with},
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(document: &Value) -> Result<Grant, Error> {
    Grant::parse(&sample::bytes(document))
}

#[track_caller]
fn refused(pointer: &str, value: Value, at: &str, code: &str) {
    let error = parse(&with(base(), pointer, value)).unwrap_err();
    assert_eq!((error.pointer(), error.code()), (at, code), "{error}");
}

#[track_caller]
fn invalid(pointer: &str, value: Value) {
    refused(pointer, value, pointer, Error::INVALID);
}

#[test]
fn the_grant_of_the_design_is_read_in_full() {
    let grant = parse(&base()).unwrap();
    assert_eq!(grant.id.as_str(), "gr_1");
    assert_eq!(grant.agent_key, X25519Public([9; 32]));
    assert_eq!(grant.expires_at.to_string(), "2026-11-23T17:00:00Z");
    assert!(
        grant
            .permissions
            .allows(Verb::Write, &ResourceName::parse("invoices").unwrap())
    );
    assert_eq!(grant.budgets[0].window, Window::Rolling(crate::time::DAY));
    assert_eq!(grant.budgets[2].max, Amount(20_000));
    assert_eq!(
        grant.rate,
        [Rate {
            max: 30,
            per: Millis(60_000)
        }]
    );
    assert_eq!(grant.credentials[&Kind::Http].ttl, Some(Millis(60_000)));
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 20, 0, 0];
    assert_eq!(
        grant.reported_sources,
        [SourcePrefix {
            address: mapped,
            bits: 112
        }]
    );
    assert_eq!(grant.to_json(), base());
}

#[test]
fn what_is_needed_is_needed_and_what_is_unknown_is_refused() {
    for name in [
        "v",
        "id",
        "agent",
        "not_before",
        "expires_at",
        "keys",
        "permissions",
        "budgets",
    ] {
        let pointer = format!("/{name}");
        refused(&pointer, Value::Null, &pointer, Error::MALFORMED);
    }
    for name in [
        "renew_until",
        "only",
        "credentials",
        "rate",
        "reported_sources",
        "purpose",
        "env",
    ] {
        parse(&with(base(), &format!("/{name}"), Value::Null)).unwrap();
    }
    refused("/scope", json!([]), "/scope", Error::MALFORMED);
    refused("/agent/name", json!(""), "/agent/name", Error::MALFORMED);
    refused(
        "/permissions/admin",
        json!([]),
        "/permissions/admin",
        Error::MALFORMED,
    );
    refused("/rate/0/max", json!(1.5), "/rate/0/max", Error::MALFORMED);
}

#[test]
fn a_grant_is_limited_in_bytes_on_both_sides() {
    let mut bytes = sample::bytes(&base());
    bytes.resize(MAX_BYTES, b' ');
    Grant::parse(&bytes).unwrap();
    bytes.push(b' ');
    Grant::parse(&bytes).unwrap_err();
}

#[test]
fn a_life_has_a_beginning_an_end_and_renewals_after_it() {
    invalid("/expires_at", json!("2026-11-23T09:00:00Z"));
    invalid("/expires_at", json!("2026-11-23"));
    parse(&with(base(), "/expires_at", json!("2026-11-23T09:00:01Z"))).unwrap();
    invalid("/renew_until", json!("2026-11-23T16:59:59Z"));
    parse(&with(base(), "/renew_until", json!("2026-11-23T17:00:00Z"))).unwrap();
}

#[test]
fn a_call_budget_bounds_calls_over_time() {
    invalid("/budgets", json!([]));
    let budget = |unit: &str, window: &str| json!({"unit": unit, "max": "1", "window": window});
    invalid("/budgets", json!([budget("usd-cents", "grant")]));
    invalid("/budgets", json!([budget("call", "call")]));
    parse(&with(base(), "/budgets", json!([budget("call", "grant")]))).unwrap();
    let twice = json!([budget("call", "grant"), budget("call", "grant")]);
    refused("/budgets", twice, "/budgets/1", Error::INVALID);
}

#[test]
fn no_budget_is_zero_or_of_another_form() {
    for bad in ["0", "", "-1", "1.0", "01"] {
        invalid("/budgets/0/max", json!(bad));
    }
    refused(
        "/budgets/0/max",
        json!(5),
        "/budgets/0/max",
        Error::MALFORMED,
    );
    invalid("/budgets/0/unit", json!("usd cents"));
}

#[test]
fn windows_are_limited_on_both_sides() {
    for good in [
        "grant",
        "calendar:P1D",
        "calendar:P1M",
        "rolling:PT1S",
        "rolling:P366D",
    ] {
        parse(&with(base(), "/budgets/0/window", json!(good))).unwrap();
    }
    for bad in [
        "",
        "day",
        "calendar:P2D",
        "calendar:P1Y",
        "rolling:",
        "rolling:PT0S",
        "rolling:P366DT1S",
        "rolling:P1M",
        "Rolling:P1D",
    ] {
        invalid("/budgets/0/window", json!(bad));
    }
}

#[test]
fn rates_and_lifetimes_are_whole_seconds_above_zero() {
    invalid("/rate/0/max", json!(0));
    for pointer in ["/rate/0/per_s", "/credentials/http/ttl_s"] {
        invalid(pointer, json!(0));
        invalid(pointer, json!(31_622_401));
        invalid(pointer, json!(u64::MAX));
        parse(&with(base(), pointer, json!(1))).unwrap();
        parse(&with(base(), pointer, json!(31_622_400))).unwrap();
    }
}

#[test]
fn the_scope_has_a_name_and_each_once_per_list() {
    invalid("/permissions", json!({}));
    invalid(
        "/permissions",
        json!({"read": [], "write": [], "delete": []}),
    );
    refused(
        "/permissions/write",
        json!(["a", "a"]),
        "/permissions/write/1",
        Error::INVALID,
    );
    let both = json!({"read": ["order_history"], "delete": ["order_history"]});
    parse(&with(base(), "/permissions", both)).unwrap();
    refused(
        "/permissions/read",
        json!(["a b"]),
        "/permissions/read/0",
        Error::INVALID,
    );
}

#[test]
fn only_narrows_what_is_in_the_scope_to_something() {
    let only = |value: Value| with(base(), "/only", value);
    for (value, at) in [
        (json!({"charges": {"path.id": ["1"]}}), "/only/charges"),
        (json!({"a b": {"path.id": ["1"]}}), "/only/a b"),
        (json!({"invoices": {}}), "/only/invoices"),
        (
            json!({"invoices": {"path.id": []}}),
            "/only/invoices/path.id",
        ),
        (
            json!({"invoices": {"path.id": ["1", "1"]}}),
            "/only/invoices/path.id/1",
        ),
        (
            json!({"invoices": {"path.": ["1"]}}),
            "/only/invoices/path.",
        ),
        (json!({"invoices": {"id": ["1"]}}), "/only/invoices/id"),
    ] {
        let error = parse(&only(value)).unwrap_err();
        assert_eq!((error.pointer(), error.code()), (at, Error::INVALID));
    }
    parse(&only(json!({"invoices": {"query.expand": [""]}}))).unwrap();
}

#[test]
fn keys_are_named_once_and_at_least_one() {
    invalid("/keys", json!([]));
    refused("/keys", json!(["k_1", "k_1"]), "/keys/1", Error::INVALID);
    refused("/keys", json!(["1"]), "/keys/0", Error::INVALID);
    let many = |n: usize| json!((0..n).map(|i| format!("k_{i}")).collect::<Vec<_>>());
    parse(&with(base(), "/keys", many(MAX_KEYS))).unwrap();
    invalid("/keys", many(MAX_KEYS + 1));
}

#[test]
fn profiles_and_kinds_that_are_not_built_are_unsupported() {
    for bad in ["web-bot-auth-minimal", "assertion", ""] {
        let at = "/credentials/http/profile";
        refused(at, json!(bad), at, Error::UNSUPPORTED);
    }
    let rules = |rules: Value| with(base(), "/credentials", rules);
    parse(&rules(json!({"jwt": {"profile": "assertion"}, "http": {}}))).unwrap();
    let error = parse(&rules(json!({"teapot": {"ttl_s": 60}}))).unwrap_err();
    assert_eq!(
        (error.pointer(), error.code()),
        ("/credentials/teapot", Error::UNSUPPORTED)
    );
    let error = parse(&rules(json!({"jwt": {"profile": "generic"}}))).unwrap_err();
    assert_eq!(error.code(), Error::UNSUPPORTED);
}

#[test]
fn a_signature_agent_is_an_origin_and_stands_beside_its_profile_only() {
    let http = |rule: Value| parse(&with(base(), "/credentials/http", rule));
    let named = |agent: Value| json!({"profile": "web-bot-auth", "signature_agent": agent});
    for good in ["https://a.example", "https://a.example:8443"] {
        let grant = http(named(json!(good))).unwrap();
        let rule = &grant.credentials[&Kind::Http];
        assert_eq!(rule.signature_agent.as_deref(), Some(good));
        assert_eq!(parse(&grant.to_json()), Ok(grant), "it reads back");
    }
    let at = "/credentials/http/signature_agent";
    for bad in [
        json!("http://a.example"),
        json!("https://A.example"),
        json!("https://a.example/"),
        json!("https://a.example:443"),
        json!("https://a.example/keys"),
        json!("https://a.example?x=1"),
        json!("https://u@a.example"),
        json!("a.example"),
        json!(""),
    ] {
        let error = http(named(bad.clone())).unwrap_err();
        assert_eq!(
            (error.pointer(), error.code()),
            (at, Error::INVALID),
            "{bad}"
        );
    }
    let error = http(json!({"profile": "web-bot-auth"})).unwrap_err();
    assert_eq!(error.pointer(), at, "it is required");
    for rule in [
        json!({"signature_agent": "https://a.example"}),
        json!({"profile": "generic", "signature_agent": "https://a.example"}),
    ] {
        let error = http(rule).unwrap_err();
        assert_eq!((error.pointer(), error.code()), (at, Error::UNSUPPORTED));
    }
    let jwt = json!({"profile": "oidc", "signature_agent": "https://a.example"});
    let error = parse(&with(base(), "/credentials/jwt", jwt)).unwrap_err();
    assert_eq!(error.code(), Error::UNSUPPORTED);
    parse(&with(
        base(),
        "/credentials/jwt",
        json!({"profile": "oidc"}),
    ))
    .unwrap();
    let unknown = json!({"profile": "web-bot-auth", "signature_agent": "https://a.example", "form": "minimal"});
    let error = http(unknown).unwrap_err();
    assert_eq!(error.pointer(), "/credentials/http/form");
}

#[test]
fn an_agent_key_is_canonical_and_not_of_low_order() {
    let key = |bytes: &[u8; 32]| json!(format!("x25519:{}", to_hex(bytes)));
    for bad in LOW_ORDER {
        invalid("/agent/key", key(&bad));
        let mut high = bad;
        high[31] |= 0x80;
        invalid("/agent/key", key(&high));
    }
    // p, p + 1 and 2^255 - 1 are second spellings; p - 2 is a key.
    let near_p = |low: u8| {
        let mut bytes = [0xff; 32];
        bytes[0] = low;
        bytes[31] = 0x7f;
        bytes
    };
    for low in [0xed, 0xee, 0xff] {
        invalid("/agent/key", key(&near_p(low)));
    }
    parse(&with(base(), "/agent/key", key(&near_p(0xeb)))).unwrap();
    let mut high = [9; 32];
    high[31] |= 0x80;
    invalid("/agent/key", key(&high));
}

/// Against aws-lc, which refuses to agree with a point of low order (RFC 7748 §6.1).
#[test]
fn every_key_called_low_order_is_one_to_another_library() {
    use aws_lc_rs::{agreement, rand::SystemRandom};
    let agrees = |bytes: &[u8; 32]| {
        let private =
            agreement::EphemeralPrivateKey::generate(&agreement::X25519, &SystemRandom::new())
                .unwrap();
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, bytes);
        agreement::agree_ephemeral(private, peer, (), |_| Ok(())).is_ok()
    };
    for bad in LOW_ORDER {
        assert!(!agrees(&bad), "{bad:?}");
    }
    assert!(agrees(&[9; 32]));
}

#[test]
fn sources_are_addresses_or_prefixes_without_bits_after_them() {
    let read = |text: &str| parse(&with(base(), "/reported_sources", json!([text])));
    for good in [
        "0.0.0.0/0",
        "10.0.0.1",
        "10.0.0.1/32",
        "2001:db8::/32",
        "::/0",
        "::1",
        "::ffff:10.0.0.0/104",
    ] {
        read(good).unwrap();
    }
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0.1/31",
        "10.0.0.0/08",
        "10.0.0.0/",
        "10.0.0/8",
        "::/129",
        "2001:db8::1/32",
        "a.example",
        "10.0.0.0/+8",
        "010.0.0.1",
    ] {
        assert_eq!(
            read(bad).unwrap_err().pointer(),
            "/reported_sources/0",
            "{bad}"
        );
    }
    invalid("/reported_sources", json!([]));
}

#[test]
fn a_purpose_is_short_plain_text() {
    parse(&with(base(), "/purpose", json!("ü".repeat(MAX_PURPOSE)))).unwrap();
    invalid("/purpose", json!("ü".repeat(MAX_PURPOSE + 1)));
    invalid("/purpose", json!("a\nb"));
}

fn length() -> impl Strategy<Value = Millis> {
    (1_u64..=31_622_400).prop_map(Millis::from_secs)
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        Just(Window::Call),
        Just(Window::CalendarDay),
        Just(Window::CalendarMonth),
        length().prop_map(Window::Rolling),
    ]
}

fn resources() -> impl Strategy<Value = Vec<ResourceName>> {
    prop::collection::btree_set("[a-z][a-z0-9_.-]{0,8}", 0..4).prop_map(|names| {
        names
            .iter()
            .map(|name| ResourceName::parse(name).unwrap())
            .collect()
    })
}

fn budgets() -> impl Strategy<Value = Vec<Budget>> {
    let one = (
        prop::sample::select(vec!["call", "usd-cents", "usdc.base"]),
        window(),
    );
    prop::collection::btree_map(one, 1..=u128::MAX, 0..6).prop_map(|all| {
        let budget = |unit: &str, window, max| Budget {
            unit: Unit::parse(unit).unwrap(),
            max: Amount(max),
            window,
        };
        let others = all
            .into_iter()
            .map(|((unit, window), max)| budget(unit, window, max));
        others.chain([budget("call", Window::Grant, 7)]).collect()
    })
}

fn sources() -> impl Strategy<Value = Vec<SourcePrefix>> {
    let mapped = any::<u32>().prop_map(|bits| {
        std::net::Ipv4Addr::from_bits(bits)
            .to_ipv6_mapped()
            .to_bits()
    });
    let prefix = (prop_oneof![any::<u128>(), mapped], 0_u8..=128).prop_map(|(address, bits)| {
        let after = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
        ((address & !after).to_be_bytes(), bits)
    });
    prop::collection::btree_set(prefix, 0..4).prop_map(|all| {
        all.into_iter()
            .map(|(address, bits)| SourcePrefix { address, bits })
            .collect()
    })
}

fn grants() -> impl Strategy<Value = Grant> {
    let times = (
        0_u64..4_000_000_000,
        1_u64..4_000_000,
        prop::option::of(0_u64..4_000_000),
    );
    let lists = (
        resources(),
        resources(),
        resources(),
        resources(),
        resources(),
    );
    let rules = prop::option::of((any::<bool>(), prop::option::of(length())));
    let rates = prop::collection::vec((1_u64..1000, length()), 0..3);
    let texts = prop::option::of("[ -~ü]{0,40}");
    (times, lists, rules, budgets(), rates, sources(), texts).prop_map(
        |(
            (start, long, more),
            (read, write, minting, identity, outliving),
            rule,
            budgets,
            rates,
            sources,
            purpose,
        )| {
            let base = parse(&base()).unwrap();
            let mut read = read;
            let order = ResourceName::parse("order_history").unwrap();
            read.push(order);
            let scope = Scope {
                permissions: Permissions {
                    read,
                    write,
                    delete: Vec::new(),
                },
                credentials: rule
                    .map(|(named, ttl)| {
                        let profile = named.then(|| "assertion".to_owned());
                        let signature_agent = None;
                        (
                            Kind::Jwt,
                            CredentialRule {
                                profile,
                                signature_agent,
                                ttl,
                            },
                        )
                    })
                    .into_iter()
                    .collect(),
                budgets,
                rate: rates
                    .into_iter()
                    .map(|(max, per)| Rate { max, per })
                    .collect(),
                reported_sources: sources,
                allow_identity_only: identity,
                allow_minting: minting,
                allow_outliving: outliving,
                ..(*base.scope).clone()
            };
            Grant {
                not_before: UnixMs(start * 1000),
                expires_at: UnixMs((start + long) * 1000),
                renew_until: more.map(|more| UnixMs((start + long + more) * 1000)),
                purpose: purpose.map(Into::into),
                scope: Arc::new(scope),
                ..base
            }
        },
    )
}

proptest! {
    #[test]
    fn a_grant_reads_back_as_it_was_written(grant in grants()) {
        let text = grant.to_json().to_string();
        prop_assert_eq!(Grant::parse(text.as_bytes()), Ok(grant));
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Grant::parse(&bytes);
    }
}

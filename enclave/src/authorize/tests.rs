//! Each rule of a grant by itself, on both sides: what the mutants of these few lines must fail.

use super::*;
use claviger_shared::{
    effect::{Kind, Verb},
    id::ResourceName,
    time::Millis,
};

/// 2026-11-23T10:00:00Z.
const NOW: UnixMs = UnixMs(1_795_428_000_000);
/// When the grant ends: an hour later.
const END: UnixMs = UnixMs(1_795_431_600_000);

pub(super) fn grant(members: &str) -> Grant {
    let text = format!(
        r#"{{"v":1,"id":"gr_1","agent":{{"id":"bot","key":"x25519:{}"}},"not_before":"2026-11-23T09:00:00Z",
        "expires_at":"{END}","keys":["k_1"],"permissions":{{"read":["orders","tokens","practice","gone"]}},
        "budgets":[{{"unit":"call","max":"9","window":"grant"}}]{members}}}"#,
        "09".repeat(32)
    );
    Grant::parse(text.as_bytes()).unwrap()
}

fn catalog() -> Catalog {
    let route = r#"{"kind":"http","host":"api.example.com","path":"/orders/{id}"}"#;
    let text = format!(
        r#"{{"v":1,"resources":{{"orders":[{route}],"tokens":[{route}],"practice":{{"env":"sandbox","routes":[{route}]}}}}}}"#
    );
    Catalog::parse(text.as_bytes()).unwrap()
}

pub(super) fn effect(resource: &str) -> Effect {
    Effect {
        kind: Kind::Http,
        verb: Verb::Read,
        resource: ResourceName::parse(resource).unwrap(),
        route: 0,
        destination: "api.example.com".to_owned(),
        method: "GET".to_owned(),
        path_template: "/orders/{id}".to_owned(),
        parameters: vec![("path.id".to_owned(), "ord_1".to_owned())],
        mints: false,
        identity_only: false,
        charges: Vec::new(),
        max_lifetime: Millis(300_000),
        fixed: false,
        ends_at: None,
        signer: None,
        token: None,
        nonce: None,
    }
}

#[track_caller]
fn refused(grant: &Grant, effect: &Effect, code: Code, param: &str) {
    let denial = check_effect(grant, &catalog(), effect).unwrap_err();
    assert_eq!((denial.code, denial.param.as_deref()), (code, Some(param)));
}

#[test]
fn a_verb_and_a_name_must_both_be_in_the_scope() {
    let grant = grant("");
    check_effect(&grant, &catalog(), &effect("orders")).unwrap();
    let mut other = effect("orders");
    other.verb = Verb::Write;
    refused(&grant, &other, Code::PermissionDenied, "orders");
    refused(
        &grant,
        &effect("reports"),
        Code::PermissionDenied,
        "reports",
    );
    // In the scope, and not in the catalog.
    refused(&grant, &effect("gone"), Code::DestinationDenied, "gone");
}

#[test]
fn only_holds_each_parameter_that_it_names() {
    let grant = grant(r#","only":{"orders":{"path.id":["ord_1","ord_2"]}}"#);
    let with = |parameters: &[(&str, &str)]| {
        let mut effect = effect("orders");
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        effect.parameters = parameters.iter().map(own).collect();
        effect
    };
    for fine in [
        &[("path.id", "ord_1")][..],
        &[("path.id", "ord_2")],
        &[("query.x", "ord_9"), ("path.id", "ord_2")],
        &[("path.id", "ord_1"), ("path.id", "ord_2")],
    ] {
        check_effect(&grant, &catalog(), &with(fine)).unwrap();
    }
    for wrong in [
        &[("path.id", "ord_3")][..],
        &[],
        &[("query.x", "ord_1")],
        &[("path.id", "ord_3"), ("query.x", "ord_1")],
        // Of several values of one name each is held.
        &[("path.id", "ord_1"), ("path.id", "ord_3")],
        &[("path.id", "ord_3"), ("path.id", "ord_1")],
        &[("path.id", "ord_1"), ("path.id", "[]")],
    ] {
        refused(&grant, &with(wrong), Code::PermissionDenied, "path.id");
    }
    // What it says of one resource holds no other.
    let mut other = effect("tokens");
    other.parameters.clear();
    check_effect(&grant, &catalog(), &other).unwrap();
}

#[test]
fn live_and_sandbox_do_not_meet() {
    refused(
        &grant(""),
        &effect("practice"),
        Code::EnvMismatch,
        "practice",
    );
    let sandbox = grant(r#","env":"sandbox""#);
    check_effect(&sandbox, &catalog(), &effect("practice")).unwrap();
    refused(&sandbox, &effect("orders"), Code::EnvMismatch, "orders");
}

#[test]
fn what_mints_or_only_identifies_needs_the_grants_word_for_that_resource() {
    let (mut mints, mut identifies) = (effect("tokens"), effect("tokens"));
    mints.mints = true;
    identifies.identity_only = true;
    let (minting, identity) = (
        grant(r#","allow_minting":["tokens"]"#),
        grant(r#","allow_identity_only":["tokens"]"#),
    );
    for grant in [
        grant(""),
        grant(r#","allow_minting":["orders"]"#),
        identity.clone(),
    ] {
        refused(&grant, &mints, Code::Minting, "tokens");
    }
    for grant in [
        grant(""),
        grant(r#","allow_identity_only":["orders"]"#),
        minting.clone(),
    ] {
        refused(&grant, &identifies, Code::IdentityOnly, "tokens");
    }
    check_effect(&minting, &catalog(), &mints).unwrap();
    check_effect(&identity, &catalog(), &identifies).unwrap();
    // The word adds nothing for what does neither.
    check_effect(&grant(""), &catalog(), &effect("tokens")).unwrap();
}

/// An IPv4 address as it is mapped.
fn v4(last: [u8; 4]) -> [u8; 16] {
    let mut address = [0; 16];
    address[10..12].fill(0xff);
    address[12..].copy_from_slice(&last);
    address
}

#[test]
fn a_source_is_in_one_of_the_prefixes_to_the_bit() {
    let prefix = |address, bits| SourcePrefix { address, bits };
    let ten = prefix(v4([10, 20, 0, 0]), 112);
    assert!(covers(&ten, &v4([10, 20, 0, 0])) && covers(&ten, &v4([10, 20, 255, 1])));
    for outside in [[10, 21, 0, 0], [11, 20, 0, 0], [10, 4, 0, 0]] {
        assert!(!covers(&ten, &v4(outside)), "{outside:?}");
    }
    let one = prefix(v4([10, 20, 0, 1]), 128);
    assert!(covers(&one, &v4([10, 20, 0, 1])) && !covers(&one, &v4([10, 20, 0, 0])));
    let odd = prefix(v4([10, 20, 0, 2]), 127);
    assert!(covers(&odd, &v4([10, 20, 0, 3])) && !covers(&odd, &v4([10, 20, 0, 4])));
    let any = prefix([0; 16], 0);
    assert!(covers(&any, &[0xff; 16]) && covers(&any, &[0; 16]));
    assert!(!covers(&prefix([7; 16], 129), &[7; 16]), "no such prefix");

    check_source(&[], &[1; 16]).unwrap();
    check_source(&[one, ten], &v4([10, 20, 3, 3])).unwrap();
    let denial = check_source(&[one, odd], &v4([10, 20, 3, 3])).unwrap_err();
    assert_eq!(denial.code, Code::SourceDenied);
}

#[test]
fn the_shortest_of_all_lifetimes_holds() {
    let of = |members: &str, lifetimes: &[u64], now: UnixMs| {
        let mut effects = lifetimes.iter().map(|ms| {
            let mut effect = effect("orders");
            effect.max_lifetime = Millis(*ms);
            effect
        });
        let first = effects.next().unwrap();
        let rest = effects.collect();
        lifetime(&grant(members), &Effects { first, rest }, now)
    };
    let ttl = r#","credentials":{"http":{"profile":"generic","ttl_s":60}}"#;
    assert_eq!(of("", &[300_000], NOW), Ok(NOW.plus(Millis(300_000))));
    assert_eq!(
        of("", &[300_000, 90_000], NOW),
        Ok(NOW.plus(Millis(90_000)))
    );
    assert_eq!(of(ttl, &[300_000], NOW), Ok(NOW.plus(Millis(60_000))));
    assert_eq!(of(ttl, &[30_000], NOW), Ok(NOW.plus(Millis(30_000))));
    // To the whole second, and not within this one.
    assert_eq!(of("", &[1500], NOW), Ok(NOW.plus(Millis(1000))));
    let denial = of("", &[999], NOW).unwrap_err();
    assert_eq!(denial.code, Code::Outliving);
    // The grant's end, but where its word allows more, for every resource of the call.
    let late = UnixMs(END.0 - 10_000);
    assert_eq!(of("", &[300_000], late), Ok(END));
    let word = r#","allow_outliving":["orders"]"#;
    assert_eq!(of(word, &[300_000], late), Ok(late.plus(Millis(300_000))));
    let mut other = effect("tokens");
    other.max_lifetime = Millis(300_000);
    let both = Effects {
        first: effect("orders"),
        rest: vec![other],
    };
    assert_eq!(lifetime(&grant(word), &both, late), Ok(END));
}

#[test]
fn what_cannot_be_shortened_ends_with_the_grant_at_the_latest() {
    let of = |left: u64| {
        let fixed = Effect {
            fixed: true,
            ..effect("orders")
        };
        let now = UnixMs(END.0 - left);
        lifetime(&grant(""), &Effects::one(fixed), now).map_err(|denial| denial.code)
    };
    assert_eq!(of(301_000), Ok(UnixMs(END.0 - 1000)));
    assert_eq!(of(300_000), Ok(END));
    assert_eq!(of(299_000), Err(Code::Outliving));
}

#[test]
fn what_nothing_ends_is_let_out_by_name_alone_and_ends_never() {
    let endless = Effect {
        max_lifetime: Millis::ENDLESS,
        fixed: true,
        ..effect("orders")
    };
    let ends = |members: &str| lifetime(&grant(members), &Effects::one(endless.clone()), NOW);
    let denied = ends("").unwrap_err();
    assert_eq!(
        (denied.code, denied.param.as_deref()),
        (Code::Outliving, Some("orders"))
    );
    let other = ends(r#","allow_outliving":["tokens"]"#);
    assert_eq!(other.unwrap_err().code, Code::Outliving);
    assert_eq!(ends(r#","allow_outliving":["orders"]"#), Ok(UnixMs::NEVER));
    // A longest life is one that it has not.
    let longest = r#","allow_outliving":["orders"],"credentials":{"http":{"ttl_s":60}}"#;
    assert_eq!(ends(longest).unwrap_err().code, Code::Outliving);
}

#[test]
fn an_end_that_is_signed_has_not_come_and_is_no_later_than_it_may_be() {
    let ends = |members: &str, at: UnixMs| {
        let effect = Effect {
            max_lifetime: Millis(7_200_000),
            fixed: true,
            ends_at: Some(at),
            ..effect("orders")
        };
        lifetime(&grant(members), &Effects::one(effect), NOW).map_err(|denial| denial.code)
    };
    let (second, late) = (Millis(1000), Millis(7_200_000));
    for fine in [NOW.plus(second), END] {
        assert_eq!(ends("", fine), Ok(fine));
    }
    for bad in [UnixMs(0), NOW, END.plus(second), UnixMs::NEVER] {
        assert_eq!(ends("", bad), Err(Code::Outliving));
    }
    let outliving = r#","allow_outliving":["orders"]"#;
    assert_eq!(ends(outliving, NOW.plus(late)), Ok(NOW.plus(late)));
    assert_eq!(
        ends(outliving, NOW.plus(late).plus(second)),
        Err(Code::Outliving)
    );
    let ttl = r#","credentials":{"http":{"ttl_s":60}}"#;
    assert_eq!(
        ends(ttl, NOW.plus(Millis(60_000))),
        Ok(NOW.plus(Millis(60_000)))
    );
    assert_eq!(ends(ttl, NOW.plus(Millis(61_000))), Err(Code::Outliving));
}

/// A proof ends with the token that it goes with, and there is none before the token begins.
#[test]
fn a_proof_lives_no_longer_than_its_token() {
    let of = |from: UnixMs, ends_at: UnixMs| {
        let token = Bound {
            key: String::new(),
            from,
            ends_at,
            param: "/headers/token",
        };
        let effect = Effect {
            token: Some(token),
            ..effect("orders")
        };
        lifetime(&grant(""), &Effects::one(effect), NOW)
    };
    let (zero, longest) = (UnixMs(0), NOW.plus(Millis(300_000)));
    assert_eq!(of(zero, END), Ok(longest));
    assert_eq!(of(NOW, longest), Ok(longest));
    let sooner = NOW.plus(Millis(60_000));
    assert_eq!(of(zero, sooner), Ok(sooner));
    for (from, ends_at) in [(zero, NOW), (zero, zero), (NOW.plus(Millis(1)), END)] {
        let denial = of(from, ends_at).unwrap_err();
        let place = denial.param.as_deref();
        assert_eq!(
            (denial.code, place),
            (Code::InvalidRequest, Some("/headers/token"))
        );
    }
}

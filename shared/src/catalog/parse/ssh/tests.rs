//! Every rule of a route of SSH, on both sides.

use super::*;
use crate::{
    catalog::{Catalog, Route},
    codec::cbor,
    id::ResourceName,
    sample,
};
use serde_json::{Value, json};

fn parse(routes: &Value) -> Result<Catalog, Error> {
    let document = json!({"v": 1, "resources": {"r": routes}});
    Catalog::parse(&sample::bytes(&document))
}

fn with(mut route: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        route[name] = value.clone();
    }
    route
}

fn certificate(more: Value) -> Value {
    with(
        json!({"kind": "ssh", "form": "certificate", "principals": ["deploy"]}),
        &more,
    )
}

fn signature(more: Value) -> Value {
    with(
        json!({"kind": "ssh", "form": "signature", "namespace": "git", "objects": ["commit"]}),
        &more,
    )
}

#[track_caller]
fn read(route: Value) -> SshRoute {
    let catalog = parse(&json!([route])).unwrap_or_else(|error| panic!("{error}"));
    let bytes = cbor::encode(&catalog).unwrap();
    let again: Catalog = cbor::decode(&bytes, bytes.len()).unwrap();
    assert_eq!(again, catalog);
    let routes = &catalog.resources[&ResourceName::parse("r").unwrap()].routes;
    let [Route::Ssh(route)] = routes.as_slice() else {
        panic!("{routes:?}");
    };
    route.clone()
}

#[track_caller]
fn refused(route: Value, at: &str, code: &str) {
    let error = parse(&json!([route])).unwrap_err();
    let at = format!("/resources/r/0{at}");
    assert_eq!(
        (error.pointer(), error.code()),
        (at.as_str(), code),
        "{error}"
    );
}

#[test]
fn a_certificate_permits_nothing_that_is_not_named() {
    let SshRoute::Certificate(bare) = read(certificate(json!({}))) else {
        panic!("a signature");
    };
    assert_eq!(bare.principals, ["deploy"]);
    assert_eq!(bare.ttl, MAX_LIFETIME);
    assert!(bare.extensions.is_empty() && bare.source_address.is_empty());
    assert_eq!(bare.force_command, None);
    let SshRoute::Certificate(full) = read(certificate(json!({
        "principals": ["deploy", "backup"], "force_command": "/usr/bin/backup --all", "source_address": ["10.0.0.0/8", "::1"],
        "extensions": ["permit-user-rc", "permit-X11-forwarding"], "ttl_s": 1,
    }))) else {
        panic!("a signature");
    };
    assert_eq!(full.extensions, ["permit-X11-forwarding", "permit-user-rc"]);
    assert_eq!(full.ttl, Millis::from_secs(1));
    assert_eq!(full.source_address, ["10.0.0.0/8", "::1"]);
}

#[test]
fn every_member_of_a_certificate_has_its_limits() {
    let many: Vec<String> = (0..=MAX_NAMES).map(|n| format!("u{n}")).collect();
    read(certificate(json!({"principals": &many[..MAX_NAMES]})));
    read(certificate(json!({"ttl_s": 300})));
    for (more, at) in [
        (json!({"principals": []}), "/principals"),
        (json!({"principals": &many}), "/principals"),
        (json!({"principals": ["a", "a"]}), "/principals/1"),
        (json!({"principals": ["a,b"]}), "/principals/0"),
        (json!({"principals": ["*"]}), "/principals/0"),
        (json!({"force_command": ""}), "/force_command"),
        (json!({"force_command": "a\nb"}), "/force_command"),
        (json!({"source_address": []}), "/source_address"),
        (
            json!({"source_address": ["10.0.0.1/8"]}),
            "/source_address/0",
        ),
        (json!({"extensions": []}), "/extensions"),
        (
            json!({"extensions": ["no-touch-required"]}),
            "/extensions/0",
        ),
        (json!({"ttl_s": 0}), "/ttl_s"),
        (json!({"ttl_s": 301}), "/ttl_s"),
    ] {
        refused(certificate(more), at, Error::INVALID);
    }
    for (more, at) in [
        (json!({"type": "host"}), "/type"),
        (json!({"probe": true}), "/probe"),
        (json!({"verb": "read"}), "/verb"),
        (json!({"mints": true}), "/mints"),
        (json!({"namespace": "git"}), "/namespace"),
        (json!({"objects": ["commit"]}), "/objects"),
    ] {
        refused(certificate(more), at, Error::MALFORMED);
    }
}

#[test]
fn a_signature_is_gits_and_over_what_is_named() {
    let SshRoute::Signature(bare) = read(signature(json!({}))) else {
        panic!("a certificate");
    };
    assert_eq!(bare.objects, [ObjectType::Commit]);
    assert!(bare.authors.is_empty());
    read(signature(
        json!({"objects": ["tag", "commit"], "authors": ["Bot <bot@example.com>"]}),
    ));
    for (more, at) in [
        (json!({"namespace": "file"}), "/namespace"),
        (json!({"namespace": ""}), "/namespace"),
        (json!({"objects": ["tree"]}), "/objects/0"),
        (json!({"form": "host-certificate"}), "/form"),
    ] {
        refused(signature(more), at, Error::UNSUPPORTED);
    }
    for (more, at) in [
        (json!({"objects": []}), "/objects"),
        (json!({"objects": ["tag", "tag"]}), "/objects/1"),
        (json!({"authors": []}), "/authors"),
        (json!({"authors": ["bot@example.com"]}), "/authors/0"),
    ] {
        refused(signature(more), at, Error::INVALID);
    }
    refused(
        signature(json!({"principals": ["deploy"]})),
        "/principals",
        Error::MALFORMED,
    );
}

#[test]
fn two_routes_of_one_name_are_told_apart() {
    let both = |a: Value, b: Value| parse(&json!([a, b])).is_ok();
    let people = |names: &[&str]| signature(json!({ "authors": names }));
    assert!(both(certificate(json!({})), signature(json!({}))));
    assert!(both(
        certificate(json!({})),
        certificate(json!({"principals": ["backup"]}))
    ));
    assert!(!both(
        certificate(json!({})),
        certificate(json!({"principals": ["backup", "deploy"], "ttl_s": 9}))
    ));
    assert!(both(
        signature(json!({})),
        signature(json!({"objects": ["tag"]}))
    ));
    assert!(both(people(&["A <a>"]), people(&["B <b>"])));
    assert!(!both(people(&["A <a>"]), people(&["B <b>", "A <a>"])));
    assert!(!both(people(&["A <a>"]), signature(json!({}))));
}

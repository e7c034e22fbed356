//! Every rule of a route of AWS, on both sides.

use super::*;
use crate::{
    catalog::{Catalog, Route},
    id::ResourceName,
    sample,
};
use serde_json::{Value, json};

fn parse(routes: &Value) -> Result<Catalog, Error> {
    let document = json!({"v": 1, "resources": {"r": routes}});
    Catalog::parse(&sample::bytes(&document))
}

fn resource(service: &str, resource: Value, more: Value) -> Value {
    let mut route =
        json!({"kind": "aws", "service": service, "region": "eu-west-1", "resource": resource});
    for (name, value) in more.as_object().unwrap() {
        route[name] = value.clone();
    }
    route
}

fn s3(more: Value) -> Value {
    resource("s3", json!({"bucket": "reports", "prefix": "2026/"}), more)
}

fn place(more: Value) -> Value {
    let mut route = json!({"kind": "aws", "service": "execute-api", "region": "eu-west-1", "host": "a.example", "path": "/a"});
    for (name, value) in more.as_object().unwrap() {
        route[name] = value.clone();
    }
    route
}

#[track_caller]
fn read(route: Value) -> AwsRoute {
    let catalog = parse(&json!([route])).unwrap_or_else(|error| panic!("{error}"));
    match &catalog.resources[&ResourceName::parse("r").unwrap()].routes[0] {
        Route::Aws(route) => route.clone(),
        Route::Http(_)
        | Route::Jwt(_)
        | Route::X402(_)
        | Route::Ssh(_)
        | Route::Evm(_)
        | Route::Template(_)
        | Route::Solana(_) => {
            panic!("another kind")
        }
    }
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

fn actions(route: &AwsRoute) -> Vec<&str> {
    let AwsTarget::Resource(resource) = &route.to else {
        panic!("a place");
    };
    resource.actions.iter().map(String::as_str).collect()
}

#[test]
fn without_actions_what_is_ordinary_is_meant() {
    let route = read(s3(json!({})));
    assert_eq!(
        (route.template().as_str(), route.mints()),
        ("bucket/reports/prefix/2026/", false)
    );
    let names = actions(&route);
    assert!(
        names.contains(&"GetObject")
            && names.contains(&"DeleteObject")
            && names.contains(&"ListObjectsV2")
    );
    for further in [
        "CopyObject",
        "PutObjectAcl",
        "DeleteObjects",
        "GetObjectVersion",
        "HeadBucket",
    ] {
        assert!(!names.contains(&further), "{further}");
    }
    assert_eq!(
        actions(&read(s3(json!({"actions": ["CopyObject"]})))),
        ["CopyObject"]
    );
    let secret = read(resource(
        "secretsmanager",
        json!({"secret": "db"}),
        json!({}),
    ));
    assert_eq!(
        (actions(&secret), secret.mints()),
        (vec!["DescribeSecret", "GetSecretValue"], true)
    );
    assert_eq!(
        actions(&read(resource("sts", json!({}), json!({})))),
        ["GetCallerIdentity"]
    );
    let role = json!({"role": "arn:aws:iam::123456789012:role/a"});
    assert_eq!(
        actions(&read(resource(
            "sts",
            role,
            json!({"actions": ["AssumeRole"]})
        ))),
        ["AssumeRole"]
    );
}

#[test]
fn an_action_is_of_its_service_and_fits_its_resource() {
    for bad in [
        "GetItem",
        "getobject",
        "s3:GetObject",
        "*",
        "DeleteObjects",
        "HeadBucket",
        "PutBucketPolicy",
        "",
    ] {
        refused(
            s3(json!({"actions": [bad]})),
            "/actions/0",
            Error::UNSUPPORTED,
        );
    }
    read(resource(
        "s3",
        json!({"bucket": "reports"}),
        json!({"actions": ["DeleteObjects", "HeadBucket"]}),
    ));
    refused(
        resource("sts", json!({}), json!({"actions": ["AssumeRole"]})),
        "/actions/0",
        Error::UNSUPPORTED,
    );
    refused(s3(json!({"actions": []})), "/actions", Error::INVALID);
    refused(
        s3(json!({"actions": ["GetObject", "GetObject"]})),
        "/actions/1",
        Error::INVALID,
    );
}

#[test]
fn a_resource_is_named_by_its_services_selectors() {
    let of = |resource_: Value, at: &str, code| {
        refused(
            resource("s3", resource_, json!({})),
            &format!("/resource{at}"),
            code,
        )
    };
    of(json!({"prefix": "a"}), "/bucket", Error::MALFORMED);
    of(
        json!({"bucket": "reports", "key": "a"}),
        "/key",
        Error::MALFORMED,
    );
    for bad in [
        "",
        "ab",
        "a.b.c",
        "Reports",
        "-ab",
        "ab-",
        "a/b",
        &"a".repeat(64),
    ] {
        of(json!({"bucket": bad}), "/bucket", Error::INVALID);
    }
    of(
        json!({"bucket": "reports", "prefix": ""}),
        "/prefix",
        Error::INVALID,
    );
    of(
        json!({"bucket": "reports", "prefix": "a\u{7}"}),
        "/prefix",
        Error::INVALID,
    );
    let long = |length| {
        resource(
            "s3",
            json!({"bucket": "reports", "prefix": "a".repeat(length)}),
            json!({}),
        )
    };
    read(long(MAX_SELECTOR));
    refused(long(MAX_SELECTOR + 1), "/resource/prefix", Error::INVALID);
    let queue =
        |account: &str| resource("sqs", json!({"account": account, "queue": "q"}), json!({}));
    read(queue("123456789012"));
    refused(queue("1234"), "/resource/account", Error::INVALID);
    refused(
        resource("dynamodb", json!({}), json!({})),
        "/resource/table",
        Error::MALFORMED,
    );
}

#[test]
fn members_are_those_that_an_action_may_carry_where_they_are_listed() {
    read(s3(
        json!({"headers": ["x-amz-storage-class"], "query": ["response-content-type"]}),
    ));
    for bad in [
        "x-amz-acl",
        "x-amz-copy-source",
        "x-amz-date",
        "authorization",
        "x-amz-security-token",
        "host",
        "x-tenant",
    ] {
        refused(s3(json!({"headers": [bad]})), "/headers/0", Error::INVALID);
    }
    for bad in ["acl", "policy", "X-Amz-Expires", "versionId"] {
        refused(s3(json!({"query": [bad]})), "/query/0", Error::INVALID);
    }
    refused(s3(json!({"query": "any"})), "/query", Error::MALFORMED);
    for bad in ["host", "path", "methods", "verb", "mints", "probe"] {
        refused(
            s3(json!({ bad: "x" })),
            &format!("/{bad}"),
            Error::MALFORMED,
        );
    }
}

#[test]
fn what_charges_can_be_sent_again_and_says_so() {
    let charge = json!([{"unit": "bytes", "from": "len"}]);
    refused(
        s3(json!({"body": "opaque", "charge": charge})),
        "/charge",
        Error::INVALID,
    );
    read(s3(
        json!({"body": "opaque", "charge": charge, "replayable": true}),
    ));
    let price = json!([{"unit": "cents", "from": "const", "amount": "1"}]);
    refused(place(json!({"charge": price})), "/charge", Error::INVALID);
    read(place(json!({"charge": price, "replayable": true})));
}

#[test]
fn a_body_goes_unsigned_only_with_s3_and_where_nothing_reads_it() {
    read(s3(json!({"unsigned_payload": true})));
    read(s3(json!({"unsigned_payload": false, "body": "opaque"})));
    refused(
        s3(json!({"unsigned_payload": true, "body": "opaque"})),
        "/unsigned_payload",
        Error::INVALID,
    );
    let table = resource(
        "dynamodb",
        json!({"table": "t"}),
        json!({"unsigned_payload": true}),
    );
    refused(table, "/unsigned_payload", Error::INVALID);
    refused(
        place(json!({"unsigned_payload": true})),
        "/unsigned_payload",
        Error::MALFORMED,
    );
}

#[test]
fn services_and_regions_have_one_spelling_and_other_s3_is_none() {
    let changed = |name: &str, value: &str| {
        let mut route = s3(json!({}));
        route[name] = json!(value);
        route
    };
    refused(changed("service", "S3"), "/service", Error::INVALID);
    refused(changed("region", "eu-west"), "/region", Error::INVALID);
    refused(
        changed("region", "us-iso-east-1"),
        "/region",
        Error::INVALID,
    );
    for other in ["s3express", "s3-object-lambda", "s3-outposts"] {
        let mut route = place(json!({}));
        route["service"] = json!(other);
        refused(route, "/service", Error::UNSUPPORTED);
    }
}

#[test]
fn a_place_lists_everything_and_none_of_the_signatures_own() {
    let AwsTarget::Place(at) = read(place(
        json!({"query": ["q"], "headers": ["x-tenant"], "actions": ["Svc_1.Get"]}),
    ))
    .to
    else {
        panic!("a resource");
    };
    assert!(!at.http.mints);
    assert_eq!(at.actions, ["Svc_1.Get"]);
    for bad in [
        "x-amz-target",
        "x-amz-date",
        "x-amz-security-token",
        "authorization",
        "date",
    ] {
        refused(place(json!({"headers": [bad]})), "/host", Error::INVALID);
    }
    for (name, value) in [
        ("headers", json!("any")),
        ("query", json!("any")),
        ("query", json!(["X-Amz-Expires"])),
    ] {
        refused(place(json!({ name: value })), "/host", Error::INVALID);
    }
    refused(place(json!({"probe": true})), "/probe", Error::UNSUPPORTED);
    refused(
        place(json!({"actions": ["a b"]})),
        "/actions/0",
        Error::INVALID,
    );
    let long = |length| place(json!({"actions": ["a".repeat(length)]}));
    read(long(MAX_ACTION));
    refused(long(MAX_ACTION + 1), "/actions/0", Error::INVALID);
    let mut iam = place(json!({}));
    iam["service"] = json!("iam");
    assert!(read(iam).mints(), "whatever it answers");
}

#[test]
fn two_routes_of_one_call_are_one_too_many() {
    let refused = |a: Value, b: Value| {
        assert_eq!(
            parse(&json!([a, b])).unwrap_err().pointer(),
            "/resources/r/1"
        )
    };
    refused(s3(json!({})), s3(json!({"actions": ["GetObject"]})));
    refused(place(json!({})), place(json!({"actions": ["A"]})));
    refused(
        place(json!({"actions": ["A", "B"]})),
        place(json!({"actions": ["B"]})),
    );
    parse(&json!([
        s3(json!({"actions": ["PutObject"]})),
        s3(json!({"actions": ["GetObject"]}))
    ]))
    .unwrap();
    parse(&json!([
        place(json!({"actions": ["A"]})),
        place(json!({"actions": ["B"]}))
    ]))
    .unwrap();
}

#[test]
fn a_catalog_of_aws_routes_is_kept_as_it_was_read() {
    let catalog = parse(&json!([
        s3(json!({"headers": ["x-amz-storage-class"]})),
        place(json!({}))
    ]))
    .unwrap();
    let bytes = crate::codec::cbor::encode(&catalog).unwrap();
    let again: Catalog = crate::codec::cbor::decode(&bytes, bytes.len()).unwrap();
    assert_eq!(again, catalog);
}

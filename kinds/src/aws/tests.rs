//! Rules of the `aws` kind, each by its name.

use super::{suite::signature, *};
use crate::fixture::{self, moment};
use claviger_shared::{effect::Verb, owner::command::Alg, time::UnixMs};

pub(super) const CATALOG: &str = r#"{"v":1,"resources":{
 "reports":[{"kind":"aws","service":"s3","region":"eu-west-1","resource":{"bucket":"reports","prefix":"2026/"}}],
 "drop":[{"kind":"aws","service":"s3","region":"eu-west-1","resource":{"bucket":"drop-box"},"unsigned_payload":true}],
 "shared":[{"kind":"aws","service":"s3","region":"eu-west-1","resource":{"bucket":"shared"},"headers":["x-amz-storage-class"],
   "actions":["CopyObject","PutObject","PutObjectAcl","DeleteObjects"]}],
 "orders":[{"kind":"aws","service":"dynamodb","region":"eu-west-1","resource":{"table":"orders"}}],
 "jobs":[{"kind":"aws","service":"sqs","region":"eu-west-1","resource":{"account":"123456789012","queue":"jobs"}}],
 "alerts":[{"kind":"aws","service":"sns","region":"eu-west-1","resource":{"topic":"arn:aws:sns:eu-west-1:123456789012:alerts"}}],
 "resize":[{"kind":"aws","service":"lambda","region":"eu-west-1","resource":{"function":"resize"}}],
 "sealing":[{"kind":"aws","service":"kms","region":"eu-west-1","resource":{"key":"alias/sealing"}}],
 "password":[{"kind":"aws","service":"secretsmanager","region":"eu-west-1","resource":{"secret":"db"}}],
 "model":[{"kind":"aws","service":"bedrock-runtime","region":"eu-west-1","resource":{"model":"anthropic.claude-v2:1"},"body":["/messages","/inferenceConfig/maxTokens"],
   "charge":[{"unit":"tokens","from":"json","field":"/inferenceConfig/maxTokens"}],"replayable":true,"actions":["Converse"]}],
 "caller":[{"kind":"aws","service":"sts","region":"eu-west-1","resource":{}}],
 "auditor":[{"kind":"aws","service":"sts","region":"eu-west-1","resource":{"role":"arn:aws:iam::123456789012:role/auditor"},"actions":["AssumeRole"]}],
 "gateway":[{"kind":"aws","service":"execute-api","region":"eu-west-1","host":"abc.execute-api.eu-west-1.amazonaws.com","path":"/prod/things/{id}","methods":["GET","DELETE"]}],
 "streams":[{"kind":"aws","service":"kinesis","region":"eu-west-1","host":"kinesis.eu-west-1.amazonaws.com","path":"/","methods":["POST"],"body":["/StreamName","/Limit"],
   "actions":["Kinesis_20131202.DescribeStream"]}]
}}"#;

const ALL: [&str; 14] = [
    "reports", "drop", "shared", "orders", "jobs", "alerts", "resize", "sealing", "password",
    "model", "caller", "auditor", "gateway", "streams",
];

pub(super) fn catalog() -> Catalog {
    Catalog::parse(CATALOG.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
}

pub(super) fn input(service: &str, method: &str, url: &str) -> AwsInput {
    AwsInput {
        service: service.into(),
        region: "eu-west-1".into(),
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        presign: false,
        ttl_s: None,
    }
}

pub(super) fn with(mut input: AwsInput, headers: &[(&str, &str)], body: Option<&str>) -> AwsInput {
    let pairs = headers
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()));
    input.headers.extend(pairs);
    input.body = body.map(|body| body.as_bytes().to_vec().into());
    input
}

pub(super) fn parse(input: &AwsInput) -> Result<AwsCall, Denial> {
    AwsCall::parse(input, None, &catalog(), &fixture::grant(&ALL, &ALL, &ALL))
}

fn s3(method: &str, path: &str) -> AwsInput {
    input(
        "s3",
        method,
        &format!("https://reports.s3.eu-west-1.amazonaws.com{path}"),
    )
}

fn target(service: &str, target: &str, body: &str) -> AwsInput {
    let media = match service {
        "dynamodb" | "sqs" => "application/x-amz-json-1.0",
        _ => "application/x-amz-json-1.1",
    };
    let headers = [("x-amz-target", target), ("content-type", media)];
    with(
        input(
            service,
            "POST",
            &format!("https://{service}.eu-west-1.amazonaws.com/"),
        ),
        &headers,
        Some(body),
    )
}

fn form(service: &str, body: &str) -> AwsInput {
    let url = format!("https://{service}.eu-west-1.amazonaws.com/");
    with(
        input(service, "POST", &url),
        &[("content-type", "application/x-www-form-urlencoded")],
        Some(body),
    )
}

#[track_caller]
fn does(input: &AwsInput, method: &str, verb: Verb, resource: &str) -> AwsCall {
    let call = parse(input).unwrap_or_else(|denial| panic!("{method}: {denial:?}"));
    let effect = &call.effects.first;
    assert_eq!(
        (
            effect.method.as_str(),
            effect.verb,
            effect.resource.as_str()
        ),
        (method, verb, resource)
    );
    call
}

#[track_caller]
fn refused(input: &AwsInput, code: Code, param: &str) {
    match parse(input) {
        Ok(call) => panic!("{:?}", call.effects),
        Err(denial) => assert_eq!(
            (denial.code, denial.param.as_deref()),
            (code, Some(param)),
            "{input:?}"
        ),
    }
}

pub(super) fn key(token: Option<&str>) -> SigningKeyInfo {
    SigningKeyInfo {
        thumbprint: "AKIAIOSFODNN7EXAMPLE".into(),
        session_token: token.map(|token| crate::SessionToken(token.into())),
        ..fixture::key(Kind::Aws, Alg::SigV4)
    }
}

pub(super) fn lasting(call: &AwsCall) -> Moment {
    let now = moment().now;
    Moment {
        expires_at: UnixMs(now.secs().saturating_mul(1000)).plus(call.effects.first.max_lifetime),
        ..moment()
    }
}

fn signing(call: &AwsCall, token: Option<&str>) -> Signing {
    match call.to_sign(&key(token), &lasting(call)).unwrap() {
        ToSign::SigV4(signing) => signing,
        ToSign::Message(_) => panic!("a message"),
    }
}

#[test]
fn each_protocol_says_its_action() {
    does(
        &s3("GET", "/2026/a.csv"),
        "s3:GetObject",
        Verb::Read,
        "reports",
    );
    let path_style = input(
        "s3",
        "HEAD",
        "https://s3.eu-west-1.amazonaws.com/reports/2026/a%20b//c",
    );
    let call = does(&path_style, "s3:HeadObject", Verb::Read, "reports");
    assert!(
        call.effects
            .first
            .parameters
            .contains(&("path.key".into(), "2026/a b//c".into()))
    );
    does(
        &with(
            s3("PUT", "/2026/a"),
            &[("content-type", "text/csv")],
            Some("1,2"),
        ),
        "s3:PutObject",
        Verb::Write,
        "reports",
    );
    does(
        &s3("DELETE", "/2026/a"),
        "s3:DeleteObject",
        Verb::Delete,
        "reports",
    );
    does(
        &s3("GET", "/?list-type=2&prefix=2026%2Fq1"),
        "s3:ListObjectsV2",
        Verb::Read,
        "reports",
    );
    does(
        &target(
            "dynamodb",
            "DynamoDB_20120810.GetItem",
            r#"{"TableName":"orders","Key":{"id":{"S":"1"}}}"#,
        ),
        "dynamodb:GetItem",
        Verb::Read,
        "orders",
    );
    does(
        &target(
            "dynamodb",
            "DynamoDB_20120810.DeleteItem",
            r#"{"TableName":"orders","Key":{"id":{"S":"1"}}}"#,
        ),
        "dynamodb:DeleteItem",
        Verb::Delete,
        "orders",
    );
    let queue =
        r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/jobs","MessageBody":"x"}"#;
    does(
        &target("sqs", "AmazonSQS.SendMessage", queue),
        "sqs:SendMessage",
        Verb::Write,
        "jobs",
    );
    let publish = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&Message=hi";
    does(&form("sns", publish), "sns:Publish", Verb::Write, "alerts");
    let invoke = input(
        "lambda",
        "POST",
        "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions/resize/invocations",
    );
    does(
        &with(invoke, &[("x-amz-invocation-type", "Event")], Some("{}")),
        "lambda:Invoke",
        Verb::Write,
        "resize",
    );
    does(
        &target(
            "kms",
            "TrentService.Encrypt",
            r#"{"KeyId":"alias/sealing","Plaintext":"AA=="}"#,
        ),
        "kms:Encrypt",
        Verb::Write,
        "sealing",
    );
    let secret = does(
        &target(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            r#"{"SecretId":"db"}"#,
        ),
        "secretsmanager:GetSecretValue",
        Verb::Read,
        "password",
    );
    assert!(secret.effects.first.mints, "a secret is a credential");
    let caller = does(
        &form("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        "sts:GetCallerIdentity",
        Verb::Read,
        "caller",
    );
    assert!(caller.effects.first.mints);
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    does(
        &input("sts", "GET", url),
        "sts:GetCallerIdentity",
        Verb::Read,
        "caller",
    );
    let role = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fauditor&RoleSessionName=a";
    assert!(
        does(&form("sts", role), "sts:AssumeRole", Verb::Write, "auditor")
            .effects
            .first
            .mints
    );
    does(
        &input(
            "execute-api",
            "DELETE",
            "https://abc.execute-api.eu-west-1.amazonaws.com/prod/things/7",
        ),
        "execute-api:DELETE",
        Verb::Delete,
        "gateway",
    );
    does(
        &target(
            "kinesis",
            "Kinesis_20131202.DescribeStream",
            r#"{"StreamName":"a"}"#,
        ),
        "kinesis:Kinesis_20131202.DescribeStream",
        Verb::Read,
        "streams",
    );
}

#[test]
fn a_models_tokens_are_charged_and_signed_under_the_services_other_name() {
    let url =
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude-v2%3A1/converse";
    let ask = |body| {
        with(
            input("bedrock-runtime", "POST", url),
            &[("content-type", "application/json")],
            Some(body),
        )
    };
    let call = does(
        &ask(r#"{"messages":[{"role":"user"}],"inferenceConfig":{"maxTokens":300}}"#),
        "bedrock-runtime:Converse",
        Verb::Write,
        "model",
    );
    let charge = &call.effects.first.charges[0];
    assert_eq!((charge.unit.as_str(), charge.amount.0), ("tokens", 300));
    let signing = signing(&call, None);
    assert_eq!(signing.scope(), "20261123/eu-west-1/bedrock/aws4_request");
    let text = String::from_utf8(signing.canonical).unwrap();
    assert!(
        text.starts_with("POST\n/model/anthropic.claude-v2%253A1/converse\n\n"),
        "{text}"
    );
    refused(
        &ask(r#"{"messages":[]}"#),
        Code::UnparsableContent,
        "/body/inferenceConfig/maxTokens",
    );
    refused(
        &ask(r#"{"messages":[],"inferenceConfig":{"maxTokens":1},"system":[]}"#),
        Code::UnlistedMember,
        "/body/system",
    );
    let other = input("bedrock-runtime", "POST", &url.replace("v2", "v3"));
    refused(
        &with(other, &[("content-type", "application/json")], Some("{}")),
        Code::DestinationDenied,
        "/url",
    );
}

#[test]
fn what_reaches_further_is_an_effect_of_its_own() {
    let url = "https://shared.s3.eu-west-1.amazonaws.com/a";
    let put = |headers: &[(&str, &str)]| with(input("s3", "PUT", url), headers, None);
    let all = |input: &AwsInput| -> Vec<(String, String, Verb)> {
        let call = parse(input).unwrap_or_else(|denial| panic!("{denial:?}"));
        call.effects
            .iter()
            .map(|one| {
                (
                    one.method.clone(),
                    one.resource.as_str().to_owned(),
                    one.verb,
                )
            })
            .collect()
    };
    let says = |method: &str, name: &str, verb| (method.to_owned(), name.to_owned(), verb);
    assert_eq!(
        all(&put(&[("x-amz-copy-source", "/reports/2026/a")])),
        [
            says("s3:CopyObject", "shared", Verb::Write),
            says("s3:GetObject", "reports", Verb::Read)
        ]
    );
    assert_eq!(
        all(&put(&[
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-storage-class", "GLACIER")
        ])),
        [
            says("s3:PutObject", "shared", Verb::Write),
            says("s3:PutObjectAcl", "shared", Verb::Write)
        ]
    );
    assert_eq!(
        all(&with(
            input(
                "s3",
                "POST",
                "https://shared.s3.eu-west-1.amazonaws.com/?delete"
            ),
            &[],
            Some("<Delete/>")
        )),
        [says("s3:DeleteObjects", "shared", Verb::Delete)]
    );
    for (source, code) in [
        ("reports/2025/a", Code::DestinationDenied),
        ("elsewhere/2026/a", Code::DestinationDenied),
        ("reports/2026/a?versionId=1", Code::NotNormalForm),
        ("reports/2026/%2E%2E/a", Code::NotNormalForm),
        ("reports/2026/../a", Code::NotNormalForm),
        (
            "arn:aws:s3:eu-west-1:1:accesspoint/x/object/a",
            Code::DestinationDenied,
        ),
    ] {
        refused(
            &put(&[("x-amz-copy-source", source)]),
            code,
            "/headers/x-amz-copy-source",
        );
    }
    // None of these is implied by a bucket and a prefix.
    refused(
        &with(
            s3("PUT", "/2026/a"),
            &[("x-amz-copy-source", "/reports/2026/b")],
            None,
        ),
        Code::MethodDenied,
        "/method",
    );
    refused(
        &with(s3("PUT", "/2026/a"), &[("x-amz-acl", "public-read")], None),
        Code::UnlistedMember,
        "/headers/x-amz-acl",
    );
    refused(
        &with(s3("PUT", "/2026/a"), &[("x-amz-tagging", "a=b")], None),
        Code::UnlistedMember,
        "/headers/x-amz-tagging",
    );
    for path in ["/2026/a?acl", "/2026/a?tagging", "/2026/a?versionId=1"] {
        refused(&s3("GET", path), Code::MethodDenied, "/method");
    }
    refused(
        &put(&[("x-amz-tagging", "a=b")]),
        Code::UnlistedMember,
        "/headers/x-amz-tagging",
    );
    refused(
        &put(&[("x-amz-server-side-encryption", "aws:kms")]),
        Code::UnlistedMember,
        "/headers/x-amz-server-side-encryption",
    );
}

#[test]
fn unlisted_subresources_members_and_fields_are_refused() {
    for name in [
        "attributes",
        "torrent",
        "retention",
        "legal-hold",
        "policy",
        "X-Amz-Expires",
        "x-amz-acl",
        "response-content-type",
    ] {
        refused(
            &s3("GET", &format!("/2026/a?{name}=1")),
            Code::UnlistedMember,
            &format!("/url?{name}"),
        );
    }
    for name in [
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
        "x-amz-date",
        "authorization",
        "x-amz-security-token",
        "date",
    ] {
        refused(
            &with(s3("PUT", "/2026/a"), &[(name, "1")], None),
            Code::UnlistedMember,
            &format!("/headers/{name}"),
        );
    }
    refused(
        &with(s3("GET", "/2026/a"), &[], Some("x")),
        Code::UnlistedMember,
        "/body",
    );
    refused(
        &target(
            "kms",
            "TrentService.Encrypt",
            r#"{"KeyId":"alias/sealing","GrantTokens":[]}"#,
        ),
        Code::UnlistedMember,
        "/body/GrantTokens",
    );
    let more = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&PhoneNumber=1";
    refused(
        &form("sns", more),
        Code::UnlistedMember,
        "/body/PhoneNumber",
    );
}

#[test]
fn other_resources_hosts_regions_and_actions_are_refused() {
    refused(&s3("GET", "/2025/a"), Code::DestinationDenied, "/url");
    refused(&s3("GET", "/?list-type=2"), Code::DestinationDenied, "/url");
    refused(
        &s3("GET", "/?list-type=2&prefix=2025%2F"),
        Code::DestinationDenied,
        "/url",
    );
    refused(
        &input(
            "s3",
            "GET",
            "https://evil.s3.eu-west-1.amazonaws.com/2026/a",
        ),
        Code::DestinationDenied,
        "/url",
    );
    for host in [
        "reports.s3.amazonaws.com",
        "reports.s3.us-east-1.amazonaws.com",
        "a.reports.s3.eu-west-1.amazonaws.com",
        "reports.s3.eu-west-1.amazonaws.com.evil.example",
        "evil.example",
    ] {
        refused(
            &input("s3", "GET", &format!("https://{host}/2026/a")),
            Code::DestinationDenied,
            "/url",
        );
    }
    for path in [
        "/2026/../2025/a",
        "/2026/%2E%2E/a",
        "/2026/%2e/a",
        "/2026%2Fa",
        "/2026/a:b",
        "/2026/a+b",
        "/2026/a?prefix=a/b",
    ] {
        refused(&s3("GET", path), Code::NotNormalForm, "/url");
    }
    let mut elsewhere = s3("GET", "/2026/a");
    elsewhere.region = "us-east-1".into();
    refused(&elsewhere, Code::DestinationDenied, "/url");
    elsewhere.region = "eu-west-1.evil".into();
    refused(&elsewhere, Code::DestinationDenied, "/region");
    refused(
        &input("iam", "GET", "https://iam.amazonaws.com/"),
        Code::DestinationDenied,
        "/service",
    );
    refused(
        &target(
            "dynamodb",
            "DynamoDB_20120810.GetItem",
            r#"{"TableName":"secrets","Key":{}}"#,
        ),
        Code::DestinationDenied,
        "/body/TableName",
    );
    refused(
        &target("dynamodb", "DynamoDB_20120810.GetItem", r#"{"Key":{}}"#),
        Code::UnparsableContent,
        "/body/TableName",
    );
    refused(
        &target("dynamodb", "DynamoDB_20120810.GetItem", "{"),
        Code::UnparsableContent,
        "/body",
    );
    for name in [
        "DynamoDB_20120810.TransactWriteItems",
        "DynamoDB_20111205.GetItem",
        "GetItem",
        "DynamoDB_20120810.Scan",
        "",
    ] {
        refused(
            &target("dynamodb", name, r#"{"TableName":"orders"}"#),
            Code::MethodDenied,
            "/headers/x-amz-target",
        );
    }
    let queue =
        r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/999999999999/jobs","MessageBody":"x"}"#;
    refused(
        &target("sqs", "AmazonSQS.SendMessage", queue),
        Code::DestinationDenied,
        "/body/QueueUrl",
    );
    refused(
        &form("sts", "Action=GetFederationToken&Version=2011-06-15"),
        Code::MethodDenied,
        "/body/Action",
    );
    refused(
        &form("sts", "Action=GetCallerIdentity&Version=2010-01-01"),
        Code::MethodDenied,
        "/body/Version",
    );
    let both = input(
        "sts",
        "POST",
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
    );
    let media = [("content-type", "application/x-www-form-urlencoded")];
    refused(
        &with(both, &media, Some("Action=AssumeRole&Version=2011-06-15")),
        Code::DestinationDenied,
        "/url",
    );
    let role = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fadmin&RoleSessionName=a";
    refused(&form("sts", role), Code::DestinationDenied, "/body/RoleArn");
    let gateway = "https://abc.execute-api.eu-west-1.amazonaws.com/prod/things/7";
    refused(
        &input("execute-api", "POST", gateway),
        Code::MethodDenied,
        "/method",
    );
    refused(
        &with(
            input("execute-api", "GET", gateway),
            &[("x-amz-target", "A.B")],
            None,
        ),
        Code::MethodDenied,
        "/headers/x-amz-target",
    );
    refused(
        &target(
            "kinesis",
            "Kinesis_20131202.DeleteStream",
            r#"{"StreamName":"a"}"#,
        ),
        Code::MethodDenied,
        "/headers/x-amz-target",
    );
    refused(
        &with(
            input(
                "kinesis",
                "POST",
                "https://kinesis.eu-west-1.amazonaws.com/",
            ),
            &[("content-type", "application/json")],
            Some("{}"),
        ),
        Code::MethodDenied,
        "/method",
    );
}

#[test]
fn a_body_goes_unsigned_only_where_the_route_lets_it() {
    let url = "https://drop-box.s3.eu-west-1.amazonaws.com/a";
    let unsigned = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
    let call = parse(&with(input("s3", "PUT", url), &unsigned, None)).unwrap();
    assert!(
        signing(&call, None)
            .canonical
            .ends_with(b"\nUNSIGNED-PAYLOAD")
    );
    refused(
        &with(s3("PUT", "/2026/a"), &unsigned, None),
        Code::UnlistedMember,
        "/headers/x-amz-content-sha256",
    );
    refused(
        &with(input("s3", "PUT", url), &unsigned, Some("x")),
        Code::InvalidRequest,
        "/body",
    );
    for value in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        &"0".repeat(64),
        "",
    ] {
        refused(
            &with(
                input("s3", "PUT", url),
                &[("x-amz-content-sha256", value)],
                None,
            ),
            Code::InvalidRequest,
            "/headers/x-amz-content-sha256",
        );
    }
    let presigned = |mut input: AwsInput| {
        input.presign = true;
        input
    };
    refused(
        &presigned(s3("PUT", "/2026/a")),
        Code::UnlistedMember,
        "/presign",
    );
    parse(&presigned(s3("GET", "/2026/a"))).unwrap();
    parse(&presigned(input("s3", "PUT", url))).unwrap();
    refused(
        &presigned(with(input("s3", "PUT", url), &[], Some("x"))),
        Code::InvalidRequest,
        "/body",
    );
}

#[test]
fn lives_are_honest() {
    let mut url = s3("GET", "/2026/a");
    url.presign = true;
    url.ttl_s = Some(60);
    let call = parse(&url).unwrap();
    assert_eq!(
        (call.effects.first.max_lifetime, call.effects.first.fixed),
        (Millis(60_000), false)
    );
    assert_eq!(
        call.replay(&lasting(&call)),
        Replay {
            single_use: false,
            window_s: 60
        }
    );
    url.ttl_s = Some(901);
    refused(&url, Code::Outliving, "/ttl_s");
    url.ttl_s = Some(0);
    refused(&url, Code::InvalidRequest, "/ttl_s");
    let mut fields = s3("GET", "/2026/a");
    let call = parse(&fields).unwrap();
    assert_eq!(
        (call.effects.first.max_lifetime, call.effects.first.fixed),
        (Millis(900_000), true)
    );
    assert_eq!(
        call.replay(&lasting(&call)),
        Replay {
            single_use: false,
            window_s: 900
        }
    );
    fields.ttl_s = Some(60);
    refused(&fields, Code::Outliving, "/ttl_s");
    let mut sts = input(
        "sts",
        "GET",
        "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
    );
    sts.presign = true;
    assert!(
        parse(&sts).unwrap().effects.first.fixed,
        "only S3 keeps to what a URL says"
    );
}

#[test]
fn every_field_of_the_caller_and_of_temporary_credentials_is_signed() {
    let fields = [("content-type", "text/csv"), ("x-amz-meta-a", "b  c")];
    let call = parse(&with(s3("PUT", "/2026/a%20b"), &fields, Some("1,2"))).unwrap();
    let signing = signing(&call, Some("token/+="));
    let digest = to_hex(&sha256(&[b"1,2"]).0);
    assert_eq!(
        String::from_utf8(signing.canonical.clone()).unwrap(),
        format!(
            "PUT\n/2026/a%20b\n\ncontent-type:text/csv\nhost:reports.s3.eu-west-1.amazonaws.com\nx-amz-content-sha256:{digest}\n\
             x-amz-date:20261123T090000Z\nx-amz-meta-a:b c\nx-amz-security-token:token/+=\n\n\
             content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token\n{digest}"
        )
    );
    let to_sign = ToSign::SigV4(signing);
    let Credential::Aws { headers, url: None } =
        call.assemble(&moment(), &to_sign, &[7; 32]).unwrap()
    else {
        panic!("no header fields");
    };
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "authorization",
            CONTENT_SHA256,
            "x-amz-date",
            "x-amz-security-token"
        ]
    );
    assert_eq!(
        headers[0].1,
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261123/eu-west-1/s3/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-meta-a;x-amz-security-token, Signature={}",
            "07".repeat(32)
        )
    );
    assert_eq!(
        call.assemble(&moment(), &to_sign, &[7; 64])
            .unwrap_err()
            .code,
        Code::KeyDenied
    );
    call.assemble(&moment(), &ToSign::Message(Vec::new()), &[7; 32])
        .unwrap_err();
    let http = fixture::key(Kind::Http, Alg::Ed25519);
    assert_eq!(
        call.to_sign(&http, &lasting(&call)).unwrap_err().code,
        Code::KeyDenied
    );
}

/// S3 API Reference, "Authenticating Requests: Using Query Parameters": the same request at another time and Region, signed
/// by the derivation that the suite is signed by.
#[test]
fn a_url_holds_its_signature() {
    let mut input = s3("GET", "/2026/a?x-id=GetObject");
    input.presign = true;
    input.ttl_s = Some(60);
    let call = parse(&input).unwrap();
    let signing = signing(&call, Some("t="));
    let made = signature("secret", &signing);
    let Credential::Aws {
        headers,
        url: Some(url),
    } = call
        .assemble(
            &moment(),
            &ToSign::SigV4(signing),
            &hex::decode(&made).unwrap(),
        )
        .unwrap()
    else {
        panic!("no URL");
    };
    assert!(headers.is_empty());
    assert_eq!(
        url,
        format!(
            "https://reports.s3.eu-west-1.amazonaws.com/2026/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE\
             %2F20261123%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=20261123T090000Z&X-Amz-Expires=60&X-Amz-Security-Token=t%3D\
             &X-Amz-SignedHeaders=host&x-id=GetObject&X-Amz-Signature={made}"
        )
    );
}

#[test]
fn the_specs_tables_and_example_are_these() {
    let spec = include_str!("../../../docs/spec/credential-aws.md");
    for service in claviger_shared::call::aws::SERVICES {
        let row = spec
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` |", service.name)));
        let cells: Vec<_> = row
            .unwrap_or_else(|| panic!("{}", service.name))
            .split('|')
            .collect();
        for action in service.actions {
            let cell = if action.ordinary { cells[3] } else { cells[4] };
            let mark = if action.mints { " *m*" } else { "" };
            assert!(
                cell.contains(&format!("`{}`{mark}", action.name)),
                "{}",
                action.name
            );
        }
        let named = cells[3].matches('`').count() + cells[4].matches('`').count();
        let extra = if service.name == "sts" { 1 } else { 0 };
        assert_eq!(named / 2, service.actions.len() + extra, "{}", service.name);
        for selector in service.selectors {
            let mark = if selector.optional { "?" } else { "" };
            assert!(
                cells[2].contains(&format!("`{}`{mark}", selector.name)),
                "{}",
                selector.name
            );
        }
    }
    let mut input = s3("GET", "/2026/a.csv");
    (input.presign, input.ttl_s) = (true, Some(60));
    let call = parse(&input).unwrap();
    let signing = signing(&call, None);
    let made = signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &signing);
    let made = hex::decode(made).unwrap();
    let Credential::Aws { url: Some(url), .. } = call
        .assemble(&moment(), &ToSign::SigV4(signing), &made)
        .unwrap()
    else {
        panic!("no URL");
    };
    assert!(spec.contains(&format!("```\n{url}\n```")), "{url}");
}

#[test]
fn equal_inputs_alone_have_equal_canonical_bytes() {
    let base = with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "1")], Some("x"));
    let of = |input: &AwsInput| parse(input).unwrap().canonical();
    let others = [
        with(s3("PUT", "/2026/b"), &[("x-amz-meta-a", "1")], Some("x")),
        with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "2")], Some("x")),
        with(s3("PUT", "/2026/a"), &[("x-amz-meta-a", "1")], Some("y")),
        with(s3("PUT", "/2026/a"), &[], Some("x")),
        with(
            input(
                "s3",
                "PUT",
                "https://s3.eu-west-1.amazonaws.com/reports/2026/a",
            ),
            &[("x-amz-meta-a", "1")],
            Some("x"),
        ),
    ];
    assert_eq!(of(&base), of(&base.clone()));
    for other in &others {
        assert_ne!(of(&base), of(other), "{other:?}");
    }
}

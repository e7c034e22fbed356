//! Rules of the `aws` kind, each by its name.

mod actions;
mod prices;
mod refusals;
mod signing;

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
    let ToSign::SigV4(signing) = call.to_sign(&key(token), &lasting(call)).unwrap() else {
        panic!("no request to AWS")
    };
    signing
}

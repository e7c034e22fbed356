//! What a request does: the action of each protocol, what it reaches, and what it charges.

use super::*;

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

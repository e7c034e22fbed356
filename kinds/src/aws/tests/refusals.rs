//! Requests to AWS that reach no route: unlisted members, other places, bodies that go unsigned.

use super::*;

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

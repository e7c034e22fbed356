//! Seeds of requests to AWS, of each protocol.

use super::put;

pub(super) fn texts() {
    for (name, text) in [
        (
            "acl",
            "s3 PUT https://reports.s3.eu-west-1.amazonaws.com/a\nx-amz-acl: public-read",
        ),
        (
            "dots",
            "s3 GET https://reports.s3.eu-west-1.amazonaws.com/a/../b",
        ),
        (
            "dynamodb",
            "dynamodb POST https://dynamodb.eu-west-1.amazonaws.com/\nx-amz-target: DynamoDB_20120810.GetItem\ncontent-type: application/x-amz-json-1.0\n\n{\"TableName\":\"orders\",\"Key\":{\"id\":{\"S\":\"7\"}}}",
        ),
        (
            "gateway",
            "execute-api POST https://abc.execute-api.eu-west-1.amazonaws.com/prod/v1/7?q=a&page=2\nx-tenant: t\ncontent-type: text/plain\n\nbody",
        ),
        (
            "get",
            "s3 GET https://reports.s3.eu-west-1.amazonaws.com/2026/a%20b.csv\nrange: bytes=0-9",
        ),
        (
            "list",
            "s3 GET https://s3.eu-west-1.amazonaws.com/reports?list-type=2&prefix=2026%2F&delimiter=%2F",
        ),
        (
            "presign",
            "s3 GET https://reports.s3.eu-west-1.amazonaws.com/a presign",
        ),
        (
            "put",
            "s3 PUT https://reports.s3.eu-west-1.amazonaws.com/a//b\ncontent-type: text/csv\nx-amz-meta-a: b  c\n\n1,2",
        ),
        (
            "secret",
            "secretsmanager POST https://secretsmanager.eu-west-1.amazonaws.com/\nx-amz-target: secretsmanager.GetSecretValue\ncontent-type: application/x-amz-json-1.1\n\n{\"SecretId\":\"db\"}",
        ),
        (
            "sns",
            "sns POST https://sns.eu-west-1.amazonaws.com/\ncontent-type: application/x-www-form-urlencoded\n\nAction=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&Message=a",
        ),
        (
            "sts",
            "sts GET https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15 presign",
        ),
        (
            "unsigned",
            "s3 GET https://reports.s3.eu-west-1.amazonaws.com/a\nx-amz-content-sha256: UNSIGNED-PAYLOAD",
        ),
    ] {
        put("aws_call", name, text.as_bytes());
    }
}

//! What is signed, read again by a plain reader that knows the signed bytes alone, never exceeds what the grant says.
//!
//! The reader is written apart: it knows the canonical request's lines, the body whose digest stands in it, and the names of
//! the tests' catalog by what they mean, not by the catalog's parser or the tables.

use super::{
    tests::{catalog, input, key, lasting, with},
    *,
};
use crate::fixture;
use claviger_shared::effect::Verb;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use std::cell::Cell;

const CASES: u32 = 6000;

/// One thing that a request could do.
#[derive(Debug)]
struct Power {
    verb: Verb,
    /// `s3 bucket key`, `dynamodb orders`.
    on: String,
}

fn power(verb: Verb, on: impl Into<String>) -> Power {
    Power {
        verb,
        on: on.into(),
    }
}

/// The names of the catalog that a power belongs to.
fn names(power: &Power) -> Vec<&'static str> {
    let on = power.on.as_str();
    let all: [(&str, bool); 14] = [
        ("reports", on.starts_with("s3 reports 2026/")),
        (
            "drop",
            on.starts_with("s3 drop-box ") || on.starts_with("s3-unsigned drop-box "),
        ),
        (
            "shared",
            on.starts_with("s3-put shared ")
                || on == "s3-all shared"
                || on.starts_with("s3-acl shared "),
        ),
        ("orders", on == "dynamodb orders"),
        (
            "jobs",
            on == "sqs https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
        ),
        (
            "alerts",
            on == "sns arn:aws:sns:eu-west-1:123456789012:alerts",
        ),
        (
            "resize",
            on == "lambda /2015-03-31/functions/resize/invocations",
        ),
        ("sealing", on == "kms alias/sealing"),
        ("password", on == "secretsmanager db"),
        ("model", on == "bedrock anthropic.claude-v2:1"),
        ("caller", on == "sts GetCallerIdentity"),
        (
            "auditor",
            on == "sts arn:aws:iam::123456789012:role/auditor",
        ),
        (
            "gateway",
            on.starts_with("execute-api /prod/things/") && on.matches('/').count() == 3,
        ),
        ("streams", on == "kinesis Kinesis_20131202.DescribeStream"),
    ];
    all.into_iter()
        .filter(|(_, fits)| *fits)
        .map(|(name, _)| name)
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at(2);
            out.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = after;
        } else {
            out.push(*byte);
        }
    }
    String::from_utf8(out).unwrap()
}

/// The signed bytes, line by line.
struct Signed {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    payload: String,
}

impl Signed {
    fn read(canonical: &[u8]) -> Self {
        let text = std::str::from_utf8(canonical).unwrap();
        let (head, tail) = text.rsplit_once("\n\n").unwrap();
        let mut lines = head.split('\n');
        let (method, path, query) = (
            lines.next().unwrap(),
            lines.next().unwrap(),
            lines.next().unwrap(),
        );
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (list, payload) = tail.split_once('\n').unwrap();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(list, names.join(";"), "every line is a signed field");
        assert!(names.contains(&"host"));
        let members = query.split('&').filter(|member| !member.is_empty());
        let members = members.map(|member| member.split_once('=').unwrap());
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: members
                .map(|(name, value)| (unescaped(name), unescaped(value)))
                .collect(),
            headers,
            payload: payload.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Everything that the request could do; a panic is a reader who does not know.
    fn powers(&self, service: &str, body: Option<&[u8]>) -> Vec<Power> {
        if let Some(body) = body {
            assert_eq!(
                self.payload,
                to_hex(&sha256(&[body]).0),
                "the body is signed"
            );
        }
        match service {
            "s3" => self.of_s3(),
            "sns" | "sts" => self.of_form(service, body),
            "lambda" => vec![power(
                Verb::Write,
                format!("lambda {}", unescaped(&self.path)),
            )],
            "bedrock" => {
                let path = unescaped(&unescaped(&self.path));
                let model = path
                    .strip_prefix("/model/")
                    .unwrap()
                    .strip_suffix("/converse")
                    .unwrap();
                vec![power(Verb::Write, format!("bedrock {model}"))]
            }
            "execute-api" => vec![power(
                self.verb(),
                format!("execute-api {}", unescaped(&self.path)),
            )],
            "kinesis" => {
                let target = self.header("x-amz-target").unwrap();
                let (_, operation) = target.split_once('.').unwrap();
                vec![power(by_word(operation), format!("kinesis {target}"))]
            }
            json => {
                let (_, operation) = self
                    .header("x-amz-target")
                    .unwrap()
                    .split_once('.')
                    .unwrap();
                let body: serde_json::Value = serde_json::from_slice(body.unwrap()).unwrap();
                let member = match json {
                    "dynamodb" => "TableName",
                    "sqs" => "QueueUrl",
                    "kms" => "KeyId",
                    "secretsmanager" => "SecretId",
                    other => panic!("{other}"),
                };
                assert!(body.get("GrantTokens").is_none() && body.get("Statement").is_none());
                let on = body[member].as_str().unwrap();
                vec![power(by_word(operation), format!("{json} {on}"))]
            }
        }
    }

    fn verb(&self) -> Verb {
        match self.method.as_str() {
            "GET" | "HEAD" => Verb::Read,
            "DELETE" => Verb::Delete,
            _ => Verb::Write,
        }
    }

    fn of_form(&self, service: &str, body: Option<&[u8]>) -> Vec<Power> {
        let form: Vec<(String, String)> = match body {
            None => self.query.clone(),
            Some(body) => {
                assert!(self.query.is_empty());
                let text = std::str::from_utf8(body).unwrap().replace('+', " ");
                let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
                pairs
                    .map(|(name, value)| (unescaped(name), unescaped(value)))
                    .collect()
            }
        };
        let value = |wanted: &str| {
            form.iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.as_str())
        };
        assert!(value("PhoneNumber").is_none() && value("TargetArn").is_none());
        let action = value("Action").unwrap();
        let on = match action {
            "GetCallerIdentity" => action,
            "AssumeRole" => value("RoleArn").unwrap(),
            _ => value("TopicArn").unwrap(),
        };
        vec![power(by_word(action), format!("{service} {on}"))]
    }

    fn of_s3(&self) -> Vec<Power> {
        let host = self.header("host").unwrap();
        let path = unescaped(&self.path);
        let path = path.strip_prefix('/').unwrap();
        let (bucket, key) = match host.strip_suffix("s3.eu-west-1.amazonaws.com").unwrap() {
            "" => path.split_once('/').unwrap_or((path, "")),
            bucket => (bucket.strip_suffix('.').unwrap(), path),
        };
        assert!(!key.split('/').any(|part| part == ".." || part == "."));
        let signing = |name: &str| name.starts_with("X-Amz-");
        let known = [
            "x-id",
            "uploads",
            "uploadId",
            "partNumber",
            "list-type",
            "prefix",
            "delimiter",
            "acl",
            "delete",
            "location",
        ];
        for (name, _) in self.query.iter().filter(|(name, _)| !signing(name)) {
            assert!(known.contains(&name.as_str()), "{name}");
        }
        let mut all = Vec::new();
        let changes = matches!(self.method.as_str(), "PUT" | "POST");
        if self.member("list-type").is_some() {
            all.push(power(
                Verb::Read,
                format!("s3 {bucket} {}", self.member("prefix").unwrap_or_default()),
            ));
        } else if self.member("delete").is_some() {
            all.push(power(Verb::Delete, format!("s3-all {bucket}")));
        } else if self.member("acl").is_some() {
            all.push(power(self.verb(), format!("s3-acl {bucket} {key}")));
        } else if bucket == "shared" && changes {
            all.push(power(Verb::Write, format!("s3-put {bucket} {key}")));
        } else {
            let aborts = self.method == "DELETE" && self.member("uploadId").is_some();
            let verb = if aborts { Verb::Write } else { self.verb() };
            all.push(power(verb, format!("s3 {bucket} {key}")));
        }
        if self.payload == "UNSIGNED-PAYLOAD" && changes {
            all.push(power(Verb::Write, format!("s3-unsigned {bucket} {key}")));
        }
        for (name, value) in &self.headers {
            match name.as_str() {
                "x-amz-copy-source" => {
                    let source = unescaped(value);
                    let (bucket, key) = source.trim_start_matches('/').split_once('/').unwrap();
                    all.push(power(Verb::Read, format!("s3 {bucket} {key}")));
                }
                "x-amz-acl" | "x-amz-grant-read" => {
                    all.push(power(Verb::Write, format!("s3-acl {bucket} {key}")))
                }
                "x-amz-tagging" => all.push(power(Verb::Write, format!("s3-tag {bucket} {key}"))),
                "content-type"
                | "host"
                | "range"
                | "x-amz-content-sha256"
                | "x-amz-date"
                | "x-amz-security-token" => {}
                name => assert!(name.starts_with("x-amz-meta-"), "{name}"),
            }
        }
        all
    }
}

fn by_word(action: &str) -> Verb {
    let begins = |words: &[&str]| words.iter().any(|word| action.starts_with(word));
    if begins(&[
        "Get", "List", "Describe", "Query", "Scan", "Receive", "Verify",
    ]) {
        Verb::Read
    } else if begins(&["Delete", "Purge"]) {
        Verb::Delete
    } else {
        Verb::Write
    }
}

fn one(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(of)
}

fn some(
    of: &'static [(&'static str, &'static str)],
    longest: usize,
) -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::sample::subsequence(of, 0..=longest),
    ]
}

fn s3() -> impl Strategy<Value = AwsInput> {
    let host = one(&[
        "",
        "reports.",
        "drop-box.",
        "shared.",
        "other.",
        "reports.s3.",
    ]);
    let path = one(&[
        "/2026/a",
        "/2026/a%20b",
        "/2025/a",
        "/",
        "/reports/2026/a",
        "/shared/x",
        "/drop-box/",
        "/reports/",
        "/2026/%2E%2E/b",
    ]);
    let query = some(
        &[
            ("list-type", "2"),
            ("prefix", "2026%2Fb"),
            ("delete", ""),
            ("acl", ""),
            ("uploads", ""),
            ("uploadId", "u"),
            ("partNumber", "1"),
            ("tagging", ""),
            ("versionId", "v"),
            ("X-Amz-Expires", "9"),
            ("policy", ""),
            ("x-id", "A"),
        ],
        3,
    );
    let headers = some(
        &[
            ("x-amz-copy-source", "/reports/2026/b"),
            ("x-amz-copy-source", "shared/b"),
            ("x-amz-acl", "public-read"),
            ("x-amz-grant-read", "id=1"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-meta-a", "1"),
            ("content-type", "text/plain"),
            ("range", "bytes=0-1"),
            ("x-amz-date", "20200101T000000Z"),
        ],
        3,
    );
    let method = one(&["GET", "HEAD", "PUT", "POST", "DELETE"]);
    let body = prop_oneof![2 => Just(None), 1 => Just(Some("<x/>"))];
    (method, host, path, query, headers, body, any::<bool>()).prop_map(
        |(method, host, path, query, headers, body, presign)| {
            let query: Vec<_> = query
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mark = if query.is_empty() { "" } else { "?" };
            let url = format!(
                "https://{host}s3.eu-west-1.amazonaws.com{path}{mark}{}",
                query.join("&")
            );
            AwsInput {
                presign,
                ..with(input("s3", method, &url), &headers, body)
            }
        },
    )
}

fn json() -> impl Strategy<Value = AwsInput> {
    let of = prop::sample::select(
        &[
            ("dynamodb", "DynamoDB_20120810", "1.0"),
            ("sqs", "AmazonSQS", "1.0"),
            ("kms", "TrentService", "1.1"),
            ("secretsmanager", "secretsmanager", "1.1"),
            ("kinesis", "Kinesis_20131202", "1.1"),
        ][..],
    );
    let operation = one(&[
        "GetItem",
        "PutItem",
        "DeleteItem",
        "Scan",
        "BatchWriteItem",
        "ExecuteStatement",
        "SendMessage",
        "DeleteMessage",
        "PurgeQueue",
        "Encrypt",
        "Decrypt",
        "CreateGrant",
        "GetSecretValue",
        "DeleteSecret",
        "DescribeStream",
        "PutRecord",
    ]);
    let body = one(&[
        r#"{"TableName":"orders"}"#,
        r#"{"TableName":"other"}"#,
        r#"{"TableName":"orders","Statement":"x"}"#,
        r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/123456789012/jobs"}"#,
        r#"{"QueueUrl":"https://evil.example/1/jobs"}"#,
        r#"{"KeyId":"alias/sealing","Plaintext":"AA=="}"#,
        r#"{"KeyId":"alias/other"}"#,
        r#"{"KeyId":"alias/sealing","GrantTokens":["x"]}"#,
        r#"{"SecretId":"db"}"#,
        r#"{"SecretId":"root"}"#,
        r#"{"StreamName":"a"}"#,
        "{}",
        "[",
    ]);
    (of, operation, body).prop_map(|((service, prefix, version), operation, body)| {
        let (target, media) = (
            format!("{prefix}.{operation}"),
            format!("application/x-amz-json-{version}"),
        );
        let url = format!("https://{service}.eu-west-1.amazonaws.com/");
        with(
            input(service, "POST", &url),
            &[("x-amz-target", &target), ("content-type", &media)],
            Some(body),
        )
    })
}

fn others() -> impl Strategy<Value = AwsInput> {
    let form = (one(&["sns", "sts"]), any::<bool>(), one(&[
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&Message=a",
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aother&Message=a",
        "Action=Publish&Version=2010-03-31&PhoneNumber=1&Message=a",
        "Action=GetCallerIdentity&Version=2011-06-15",
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fauditor&RoleSessionName=a",
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fadmin&RoleSessionName=a",
        "Action=GetFederationToken&Version=2011-06-15",
    ]))
        .prop_map(|(service, in_body, form)| {
            let url = format!("https://{service}.eu-west-1.amazonaws.com/");
            if in_body {
                with(input(service, "POST", &url), &[("content-type", "application/x-www-form-urlencoded")], Some(form))
            } else {
                input(service, "GET", &format!("{url}?{form}"))
            }
        });
    let paths = (
        one(&["GET", "POST", "DELETE"]),
        prop::sample::select(
            &[
                (
                    "lambda",
                    "lambda",
                    "/2015-03-31/functions/resize/invocations",
                ),
                (
                    "lambda",
                    "lambda",
                    "/2015-03-31/functions/other/invocations",
                ),
                ("lambda", "lambda", "/2015-03-31/functions/resize"),
                (
                    "bedrock-runtime",
                    "bedrock-runtime",
                    "/model/anthropic.claude-v2%3A1/converse",
                ),
                (
                    "bedrock-runtime",
                    "bedrock-runtime",
                    "/model/other/converse",
                ),
                ("execute-api", "abc.execute-api", "/prod/things/7"),
                ("execute-api", "abc.execute-api", "/prod/admin"),
            ][..],
        ),
    )
        .prop_map(|(method, (service, host, path))| {
            let url = format!("https://{host}.eu-west-1.amazonaws.com{path}");
            let body = r#"{"messages":[],"inferenceConfig":{"maxTokens":9}}"#;
            let asked = input(service, method, &url);
            if method == "POST" {
                with(asked, &[("content-type", "application/json")], Some(body))
            } else {
                asked
            }
        });
    prop_oneof![form, paths]
}

const NAMES: [&str; 14] = [
    "reports", "drop", "shared", "orders", "jobs", "alerts", "resize", "sealing", "password",
    "model", "caller", "auditor", "gateway", "streams",
];

fn grants() -> impl Strategy<Value = Grant> {
    let list = || prop_oneof![1 => Just(NAMES.to_vec()), 1 => prop::sample::subsequence(&NAMES[..], 0..=14)];
    (list(), list(), list())
        .prop_map(|(read, write, delete)| fixture::grant(&read, &write, &delete))
}

#[test]
fn what_is_signed_never_exceeds_what_a_plain_reader_finds_granted() {
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let (signed, denied) = (Cell::new(0_u32), Cell::new(0_u32));
    let catalog = catalog();
    let requests = prop_oneof![3 => s3(), 2 => json(), 2 => others()];
    let ran = runner.run(&(grants(), requests), |(grant, input)| {
        let Ok(call) = AwsCall::parse(&input, None, &catalog, &grant) else {
            denied.set(denied.get() + 1);
            return Ok(());
        };
        // As the enclave authorizes it.
        let permitted = call
            .effects
            .iter()
            .all(|effect| grant.permissions.allows(effect.verb, &effect.resource));
        if !permitted {
            denied.set(denied.get() + 1);
            return Ok(());
        }
        signed.set(signed.get() + 1);
        let ToSign::SigV4(signing) = call.to_sign(&key(Some("token")), &lasting(&call)).unwrap()
        else {
            panic!("a message");
        };
        let read = Signed::read(&signing.canonical);
        let powers = read.powers(
            &signing.service,
            input.body.as_ref().map(|body| body.as_slice()),
        );
        prop_assert!(!powers.is_empty());
        for power in &powers {
            let granted = names(power)
                .into_iter()
                .any(|name| grant.permissions.allows(power.verb, &fixture::name(name)));
            prop_assert!(granted, "{power:?} by {input:?}");
        }
        let mints = call.effects.first.mints;
        let secret = powers.iter().any(|power| {
            power.on.starts_with("sts ")
                || power.on.starts_with("secretsmanager ") && power.verb == Verb::Read
        });
        prop_assert!(mints || !secret);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
    assert!(
        signed.get() > 300 && denied.get() > 1000,
        "{} {}",
        signed.get(),
        denied.get()
    );
}

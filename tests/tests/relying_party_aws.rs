//! What a whole deployment signs for AWS is what AWS's own library signs, and a stand-in for AWS with its authentication on
//! takes it: botocore and moto.
//!
//! Without Python the test says so and passes, except in continuous integration.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{call::AwsInput, credential::Credential};
use claviger_tests::{
    agent::Agent,
    aws::{self, REGION, call, form_call, input, json_call, object, serving, with},
    import::{ACCESS_KEY, AccessKey},
    python::{self, Script},
};
use serde_json::{Value, json};

/// Random requests of each run.
const RANDOM: u64 = 300;

/// A signed request as it is sent.
fn sent(agent: &Agent, call: &AwsInput, key: AccessKey<'_>) -> anyhow::Result<Value> {
    let issued = agent.sign(input(call.clone()));
    let issued = issued.map_err(|denial| anyhow::anyhow!("{denial:?} for {call:?}"))?;
    let Some(Credential::Aws { headers, url }) = issued.issued.credential else {
        anyhow::bail!("another kind");
    };
    let all: Vec<_> = call.headers.iter().chain(&headers).collect();
    let scope = match call.service.as_str() {
        "bedrock-runtime" => "bedrock",
        service => service,
    };
    Ok(json!({
        "service": scope, "region": REGION, "method": call.method, "url": url.as_ref().unwrap_or(&call.url), "headers": all,
        "body_b64": call.body.as_ref().map(|body| STANDARD.encode(body)),
        "access_key_id": key.id, "secret_access_key": key.secret, "session_token": Some(key.token).filter(|token| !token.is_empty()),
    }))
}

/// Numbers that are alike in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % below
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }

    /// A text of letters, signs and other scripts, escaped as a part of a URL.
    fn part(&mut self) -> String {
        let signs = [
            "a", "Z", "0", "-", "_", ".", "~", " ", "+", "!", "'", "(", ")", "*", ":", "@", "=",
            "&", "$", ",", "#", "?", "\"", "<", "ü", "日",
        ];
        let length = self.roll(8) + 1;
        let text: String = (0..length).map(|_| self.one(&signs)).collect();
        // Neither part of a path may be a dot segment.
        escaped(&format!("k{text}"))
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn random(dice: &mut Dice) -> AwsInput {
    let body: Vec<u8> = (0..dice.roll(50)).map(|_| dice.roll(256) as u8).collect();
    let word = dice.part();
    match dice.roll(9) {
        0 => object("GET", &format!("/{}/{}", dice.part(), dice.part())),
        1 => {
            let path = format!(
                "/{}//{}?list-type=2&prefix={}",
                dice.part(),
                dice.part(),
                dice.part()
            );
            let list = path.split_once('?').unwrap().1;
            object("GET", &format!("/?{list}&max-keys=7&delimiter=%2F"))
        }
        2 => {
            let meta = [
                ("content-type", "text/plain"),
                ("x-amz-meta-b", "two  words"),
                ("x-amz-meta-a", &word),
            ];
            with(
                object("PUT", &format!("/{}/", dice.part())),
                &meta,
                Some(&body),
            )
        }
        3 => {
            let url = format!("https://s3.eu-west-1.amazonaws.com/reports/{}", dice.part());
            AwsInput {
                presign: true,
                ttl_s: Some(dice.roll(900) + 1),
                ..call("s3", dice.one(&["GET", "HEAD", "DELETE"]), &url)
            }
        }
        4 => json_call(
            "dynamodb",
            "DynamoDB_20120810.PutItem",
            &json!({"TableName": "orders", "Item": {"id": {"S": word}}}),
        ),
        5 => form_call(
            "sns",
            &format!(
                "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&Message=a+{}",
                dice.roll(999)
            ),
        ),
        6 => {
            let url =
                "https://sts.eu-west-1.amazonaws.com/?Version=2011-06-15&Action=GetCallerIdentity";
            AwsInput {
                presign: dice.roll(2) == 0,
                ..call("sts", "GET", url)
            }
        }
        7 => {
            let place = "https://abc.execute-api.eu-west-1.amazonaws.com/prod";
            // A segment of a path that is no key may hold neither `%2F` nor what decodes to it, and the rest as it likes.
            let url = format!(
                "{place}/{}/{}?q={}&page={}",
                dice.part(),
                dice.part(),
                dice.part(),
                dice.part()
            );
            let fields = [
                ("x-tenant", "a b"),
                ("content-type", "application/octet-stream"),
            ];
            with(call("execute-api", "POST", &url), &fields, Some(&body))
        }
        _ => json_call(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            &json!({"SecretId": "db"}),
        ),
    }
}

#[test]
fn botocore_signs_the_same() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let temporary = AccessKey {
        token: "AQoDYXdzEJr//EXAMPLE+token==",
        ..ACCESS_KEY
    };
    for (seed, key) in [(1, ACCESS_KEY), (2, temporary)] {
        let (deployment, enclave, granted) = serving(key, |_| {});
        let agent = aws::agent(&deployment, &enclave, &granted);
        let mut botocore = Script::start("verify_aws.py")?;
        let mut dice = Dice(seed);
        for number in 0..RANDOM {
            // Another second, another signature.
            deployment.clock.advance_ms(1000);
            let line = sent(&agent, &random(&mut dice), key)?;
            let said = botocore.ask(&line)?;
            ensure!(said == "ok", "{said}: {line}");
            if number % 10 == 0 {
                for bad in changed(&line) {
                    let said = botocore.ask(&bad)?;
                    ensure!(said != "ok", "{bad}");
                }
            }
        }
        botocore.stop()?;
    }
    Ok(())
}

/// The line as a thief or a careless hop would change it.
fn changed(good: &Value) -> Vec<Value> {
    let with = |name: &str, value: Value| {
        let mut line = good.clone();
        line[name] = value;
        line
    };
    let url = good["url"].as_str().unwrap_or_default();
    let mut all = vec![
        with("method", json!("PATCH")),
        with(
            "url",
            json!(url.replacen("eu-west-1.amazonaws", "eu-west-2.amazonaws", 1)),
        ),
        with("secret_access_key", json!("another")),
        with("region", json!("eu-west-2")),
    ];
    if good["body_b64"].is_string() {
        all.push(with("body_b64", json!("eA==")));
    }
    for (at, field) in good["headers"].as_array().into_iter().flatten().enumerate() {
        let mut line = good.clone();
        line["headers"][at][1] = json!(format!("{}0", field[1].as_str().unwrap_or_default()));
        all.push(line);
    }
    all
}

#[test]
fn a_stand_in_for_aws_answers_what_is_signed_and_nothing_else() -> anyhow::Result<()> {
    if !python::is_there()? {
        return Ok(());
    }
    let mut moto = Script::start("moto_aws.py")?;
    let made: Value = serde_json::from_str(&moto.read()?)?;
    let (id, secret) = (
        made["id"].as_str().context("no id")?,
        made["secret"].as_str().context("no secret")?,
    );
    let key = AccessKey {
        id,
        secret,
        token: "",
    };
    let (deployment, enclave, granted) = serving(key, |_| {});
    let agent = aws::agent(&deployment, &enclave, &granted);
    let item = json!({"TableName": "orders", "Item": {"id": {"S": "7"}}});
    let publish = "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalerts&Message=hi";
    let calls = [
        object("GET", "/2026/a%20b.csv"),
        object("HEAD", "/2026/a%20b.csv"),
        with(
            object("PUT", "/2026/c.csv"),
            &[("content-type", "text/csv"), ("x-amz-meta-a", "1")],
            Some(b"3,4"),
        ),
        object("GET", "/2026/c.csv"),
        object("GET", "/?list-type=2&prefix=2026%2F"),
        object("DELETE", "/2026/c.csv"),
        json_call("dynamodb", "DynamoDB_20120810.PutItem", &item),
        json_call(
            "dynamodb",
            "DynamoDB_20120810.GetItem",
            &json!({"TableName": "orders", "Key": {"id": {"S": "7"}}}),
        ),
        json_call(
            "secretsmanager",
            "secretsmanager.GetSecretValue",
            &json!({"SecretId": "db"}),
        ),
        form_call("sts", "Action=GetCallerIdentity&Version=2011-06-15"),
        form_call("sns", publish),
    ];
    let mut refused = 0;
    for call in calls {
        let line = sent(&agent, &call, key)?;
        let said = moto.ask(&line)?;
        ensure!(matches!(said.as_str(), "200" | "204"), "{said}: {line}");
        // The same with another signature, and with another key's name.
        for (from, to) in [("Signature=", "Signature=0"), (id, "AKIAIOSFODNN7EXAMPLE")] {
            let mut bad = line.clone();
            for field in bad["headers"].as_array_mut().into_iter().flatten() {
                if field[0] == "authorization" {
                    field[1] = json!(field[1].as_str().unwrap_or_default().replacen(from, to, 1));
                }
            }
            let said = moto.ask(&bad)?;
            ensure!(said.starts_with("40"), "{said}: {bad}");
            refused += 1;
        }
    }
    ensure!(refused == 22, "{refused}");
    moto.stop()
}

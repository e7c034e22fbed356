//! The host's AWS credentials by the SDK's own chain, against loopback services: an instance's role by IMDSv2, a role that it
//! assumes, and one that a web identity gives. What KMS got was signed by the right key and came with its session token.
//!
//! The chain reads the environment, which a process has from its beginning: each test runs itself once more, as a child.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where something is wrong, and its child reads its environment"
)]

mod aws;

use aws::{Aws, ROLE};
use claviger_host::{config, kms::Kms};
use std::{path::Path, process::Command};

const CHILD: &str = "CLAVIGER_TESTS_KMS";
const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/a";

/// In the child: asks KMS as a boot does; what came of it.
fn child() -> Option<Result<Vec<u8>, String>> {
    let endpoint = std::env::var(CHILD).ok()?;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = config::Kms {
        region: "eu-west-1".to_owned(),
        endpoint: Some(endpoint),
    };
    Some(runtime.block_on(async {
        let kms = Kms::new(&config).await;
        let derived = kms.derive(ARN, b"ephemeral", b"document".to_vec()).await;
        derived.map_err(|error| error.detail().to_owned())
    }))
}

/// In the parent: whether the child, with this environment alone, got its answer.
fn derives(name: &str, aws: &Aws, home: &Path, environment: &[(&str, &str)]) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env("AWS_ENDPOINT_URL_STS", &aws.url)
        .env(CHILD, &aws.url)
        .envs(environment.iter().copied())
        .status();
    status.unwrap().success()
}

/// The only call of KMS: for the key's own Region, signed by this key with its session.
#[track_caller]
fn signed_by(aws: &Aws, id: &str) {
    let asked = aws.kms();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert_eq!(
        asked[0].signed_by(),
        (id, format!("session of {id}").as_str())
    );
    assert!(asked[0].headers["authorization"].contains("/eu-central-1/kms/aws4_request"));
    assert!(asked[0].body.contains(ARN) && asked[0].body.contains("AttestationDocument"));
}

#[test]
fn the_role_of_the_instance_comes_by_imdsv2() {
    if let Some(derived) = child() {
        assert_eq!(derived, Ok(vec![1, 2, 3]));
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url.as_str())];
    assert!(derives(
        "the_role_of_the_instance_comes_by_imdsv2",
        &aws,
        home.path(),
        &environment
    ));
    signed_by(&aws, "ASIAINSTANCE");
    let asked: Vec<_> = aws
        .asked()
        .iter()
        .map(|one| (one.method.clone(), one.path.clone()))
        .collect();
    assert_eq!(
        asked[0],
        ("PUT".to_owned(), "/latest/api/token".to_owned()),
        "{asked:?}"
    );
    let token = "x-aws-ec2-metadata-token";
    let read = aws
        .asked()
        .into_iter()
        .filter(|one| one.method == "GET")
        .collect::<Vec<_>>();
    assert!(
        read.len() >= 2 && read.iter().all(|one| one.headers.contains_key(token)),
        "{read:?}"
    );
}

#[test]
fn a_role_is_assumed_with_the_instances() {
    if let Some(derived) = child() {
        assert_eq!(derived, Ok(vec![1, 2, 3]));
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let profile = home.path().join("config");
    let text = format!(
        "[profile other-account]\nrole_arn = arn:aws:iam::444455556666:role/{ROLE}\ncredential_source = Ec2InstanceMetadata\n\
         role_session_name = boot\nregion = eu-west-1\n"
    );
    std::fs::write(&profile, text).unwrap();
    let environment = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url.as_str()),
        ("AWS_CONFIG_FILE", profile.to_str().unwrap()),
        ("AWS_PROFILE", "other-account"),
    ];
    assert!(derives(
        "a_role_is_assumed_with_the_instances",
        &aws,
        home.path(),
        &environment
    ));
    signed_by(&aws, "ASIAASSUMED");
    let asked = aws.asked();
    let sts = asked
        .iter()
        .find(|one| one.body.contains("Action=AssumeRole"))
        .unwrap();
    assert_eq!(sts.signed_by(), ("ASIAINSTANCE", "session of ASIAINSTANCE"));
    assert!(
        sts.body.contains("444455556666") && sts.body.contains("RoleSessionName=boot"),
        "{sts:?}"
    );
}

#[test]
fn a_web_identity_becomes_a_role() {
    if let Some(derived) = child() {
        assert_eq!(derived, Ok(vec![1, 2, 3]));
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let token = home.path().join("token");
    std::fs::write(&token, "the-web-identity").unwrap();
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        (
            "AWS_ROLE_ARN",
            "arn:aws:iam::444455556666:role/claviger-host",
        ),
    ];
    assert!(derives(
        "a_web_identity_becomes_a_role",
        &aws,
        home.path(),
        &environment
    ));
    signed_by(&aws, "ASIAWEB");
}

#[test]
fn without_credentials_nothing_is_sent_to_kms() {
    if let Some(derived) = child() {
        assert!(derived.unwrap_err().contains("credential"));
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let environment = [("AWS_EC2_METADATA_DISABLED", "true")];
    assert!(derives(
        "without_credentials_nothing_is_sent_to_kms",
        &aws,
        home.path(),
        &environment
    ));
    assert!(aws.kms().is_empty());
}

//! The command's AWS credentials by the SDK's own chain, against loopback services: an instance's role by IMDSv2, and a role
//! that a profile assumes, also where the profile stands in a file that was named.
//!
//! The chain reads the environment, which a process has from its beginning: each test runs itself once more, as a child.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops where something is wrong, and its child reads its environment"
)]

#[path = "../../host/tests/aws/mod.rs"]
mod aws;

use aws::{Aws, ROLE};
use claviger_cli::ceremony::kms::{Kms, Place};
use std::{path::Path, process::Command};

const CHILD: &str = "CLAVIGER_TESTS_KMS";
const FILE: &str = "CLAVIGER_TESTS_FILE";
const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/a";

/// In the child: reads a key's policy; true there.
fn child(profile: Option<&str>) -> bool {
    let Ok(endpoint) = std::env::var(CHILD) else {
        return false;
    };
    let place = Place {
        region: "eu-central-1".to_owned(),
        endpoint: Some(endpoint),
        profile: profile.map(str::to_owned),
        credentials_file: std::env::var_os(FILE).map(Into::into),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let read = runtime.block_on(async { Kms::connect(&place).await.policy(ARN).await });
    // That the service has no policy to show is its answer to a request that it took.
    assert!(read.unwrap_err().to_string().contains("no policy"));
    true
}

/// Who signed what KMS was asked.
fn signer(name: &str, home: &Path, aws: &Aws, environment: &[(&str, &str)]) -> (String, String) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env_clear()
        .env("HOME", home)
        .env("AWS_ENDPOINT_URL_STS", &aws.url)
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &aws.url)
        .env(CHILD, &aws.url)
        .envs(environment.iter().copied())
        .status();
    assert!(status.unwrap().success());
    let asked = aws.kms();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    let (id, session) = asked[0].signed_by();
    (id.to_owned(), session.to_owned())
}

fn session(id: &str) -> (String, String) {
    (id.to_owned(), format!("session of {id}"))
}

#[test]
fn the_role_of_the_instance_comes_by_imdsv2() {
    if child(None) {
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let name = "the_role_of_the_instance_comes_by_imdsv2";
    assert_eq!(
        signer(name, home.path(), &aws, &[]),
        session("ASIAINSTANCE")
    );
    let asked = aws.asked();
    assert_eq!(
        (asked[0].method.as_str(), asked[0].path.as_str()),
        ("PUT", "/latest/api/token")
    );
}

#[test]
fn a_named_profile_assumes_its_role() {
    if child(Some("owners")) {
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("config");
    let role = format!("role_arn = arn:aws:iam::444455556666:role/{ROLE}");
    std::fs::write(
        &file,
        format!("[profile owners]\n{role}\ncredential_source = Ec2InstanceMetadata\n"),
    )
    .unwrap();
    let environment = [("AWS_CONFIG_FILE", file.to_str().unwrap())];
    let name = "a_named_profile_assumes_its_role";
    assert_eq!(
        signer(name, home.path(), &aws, &environment),
        session("ASIAASSUMED")
    );
}

#[test]
fn a_profile_in_a_named_file_assumes_its_role() {
    if child(Some("owners")) {
        return;
    }
    let (aws, home) = (Aws::start(), tempfile::tempdir().unwrap());
    let file = home.path().join("credentials");
    let text = format!(
        "[owners]\nrole_arn = arn:aws:iam::444455556666:role/{ROLE}\nsource_profile = laptop\n\n\
         [laptop]\naws_access_key_id = AKIALAPTOP\naws_secret_access_key = secret of the laptop\n"
    );
    std::fs::write(&file, text).unwrap();
    let environment = [(FILE, file.to_str().unwrap())];
    let name = "a_profile_in_a_named_file_assumes_its_role";
    assert_eq!(
        signer(name, home.path(), &aws, &environment),
        session("ASIAASSUMED")
    );
    let sts = aws
        .asked()
        .into_iter()
        .find(|one| one.body.contains("Action=AssumeRole"));
    assert_eq!(sts.unwrap().signed_by(), ("AKIALAPTOP", ""));
}

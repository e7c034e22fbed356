//! `policy check` on live keys: every recipient in its own Region, its grants, and the replicas that are the same key under
//! another policy. The mock KMS has them for real.

use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    types::{GrantOperation, KeySpec, KeyUsageType},
};
use claviger_cli::ceremony::{
    kms::{Kms, Place, region_of},
    policy::{self, Parties, judge::Wanted, key},
};
use claviger_sim::{
    aws::Credential,
    kms::{KmsConfig, Running, serve},
    nsm::Pki,
};
use claviger_verify::attestation::Root;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const GLASS: &str = "arn:aws:iam::000000000000:role/glass";
const ADMIN: &str = "arn:aws:iam::000000000000:role/admin";
const HOST: &str = "arn:aws:iam::000000000000:role/host";
const EVERYTHING: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#;

struct Bench {
    runtime: Runtime,
    kms: Option<Running>,
    endpoint: String,
    dir: tempfile::TempDir,
    parties: Parties,
}

impl Bench {
    fn new() -> Self {
        let (runtime, dir) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        let pki = Pki::generate().unwrap();
        let caller = Credential::new("AKIAGLASS", "secret of glass", GLASS);
        let caller = caller.with_identity_policy(EVERYTHING);
        let root = Root::Pinned(pki.root_der().to_vec());
        let mut config = KmsConfig::new(dir.path().join("kms"), root, vec![caller]);
        config.other_regions = vec!["eu-west-1".to_owned()];
        let kms = runtime.block_on(serve(config)).unwrap();
        let text =
            "[glass]\naws_access_key_id = AKIAGLASS\naws_secret_access_key = secret of glass\n";
        std::fs::write(dir.path().join("aws"), text).unwrap();
        let named = |arn: &str| arn.to_owned();
        Self {
            endpoint: kms.endpoint(),
            kms: Some(kms),
            parties: Parties {
                host: named(HOST),
                administrator: named(ADMIN),
                break_glass: named(GLASS),
            },
            runtime,
            dir,
        }
    }

    fn client(&self, region: &'static str) -> Client {
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(region))
            .retry_config(RetryConfig::disabled())
            .credentials_provider(Credentials::new(
                "AKIAGLASS",
                "secret of glass",
                None,
                None,
                "test",
            ))
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        Client::from_conf(config.build())
    }

    /// A key under a policy, its ARN and public key.
    fn key(&self, multi_region: bool, policy: &Value) -> (String, Vec<u8>) {
        let client = self.client("us-east-1");
        let made = client
            .create_key()
            .key_spec(KeySpec::EccNistP256)
            .key_usage(KeyUsageType::KeyAgreement)
            .multi_region(multi_region)
            .policy(policy.to_string());
        let made = self.runtime.block_on(made.send()).unwrap();
        let arn = made.key_metadata.unwrap().arn.unwrap();
        let read = client.get_public_key().key_id(&arn);
        let public = self.runtime.block_on(read.send()).unwrap().public_key;
        (arn, public.unwrap().into_inner())
    }

    /// What is found, by code and place.
    fn found(&self, (arn, public): &(String, Vec<u8>)) -> Vec<(&'static str, String)> {
        let place = Place {
            region: region_of(arn).unwrap(),
            endpoint: Some(self.endpoint.clone()),
            profile: Some("glass".to_owned()),
            credentials_file: Some(self.dir.path().join("aws")),
        };
        let wanted = Wanted {
            key: Some(arn),
            parties: &self.parties,
            pins: None,
        };
        let found = self.runtime.block_on(async {
            let kms = Kms::connect(&place).await;
            key::live(&kms, arn, public, &wanted).await
        });
        found
            .unwrap()
            .into_iter()
            .map(|one| (one.code, one.at))
            .collect()
    }

    /// The policy before birth, without what denies grants and replicas.
    fn open(&self) -> Value {
        let mut policy = policy::unborn(&self.parties);
        let statements = policy["Statement"].as_array_mut().unwrap();
        statements.retain(|statement| statement["Sid"] != "NoOtherWayOut");
        statements.push(json!({
            "Sid": "Beside", "Effect": "Allow", "Principal": { "AWS": GLASS }, "Resource": "*",
            "Action": ["kms:CreateGrant", "kms:ReplicateKey", "kms:RevokeGrant"],
        }));
        policy
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Some(kms) = self.kms.take() {
            self.runtime.block_on(kms.stop());
        }
    }
}

fn codes(found: &[(&'static str, String)]) -> Vec<&'static str> {
    found.iter().map(|(code, _)| *code).collect()
}

#[test]
fn a_key_as_rendered_is_well_read_by_the_break_glass_role_alone() {
    let bench = Bench::new();
    let key = bench.key(false, &policy::unborn(&bench.parties));
    assert_eq!(bench.found(&key), []);
}

#[test]
fn a_replica_is_judged_by_its_own_policy_in_its_own_region() {
    let bench = Bench::new();
    let key = bench.key(true, &bench.open());
    assert!(!codes(&bench.found(&key)).contains(&"replica_exists"));
    let mut wide = bench.open();
    let anybody = json!({ "Sid": "Anybody", "Effect": "Allow", "Principal": "*", "Resource": "*", "Action": "kms:DeriveSharedSecret" });
    wide["Statement"].as_array_mut().unwrap().push(anybody);
    let replicate = bench.client("us-east-1").replicate_key();
    let replicate = replicate
        .key_id(&key.0)
        .replica_region("eu-west-1")
        .policy(wide.to_string());
    bench.runtime.block_on(replicate.send()).unwrap();
    let found = bench.found(&key);
    let replica = key.0.replace("us-east-1", "eu-west-1");
    for code in ["multi_region", "replica_exists"] {
        assert!(codes(&found).contains(&code), "{code}: {found:#?}");
    }
    let derive = found.iter().find(|(code, _)| *code == "derive_unborn");
    assert_eq!(derive.unwrap().1, format!("Anybody of {replica}"));
    // Seen from the replica, the primary is the other.
    let (arn, public) = (replica, key.1);
    assert!(codes(&bench.found(&(arn, public))).contains(&"replica_exists"));
}

#[test]
fn grants_are_found_page_after_page() {
    let bench = Bench::new();
    let key = bench.key(false, &bench.open());
    let client = bench.client("us-east-1");
    // More than KMS lists at once.
    for _ in 0..60 {
        let grant = client
            .create_grant()
            .key_id(&key.0)
            .grantee_principal(HOST)
            .operations(GrantOperation::DeriveSharedSecret);
        bench.runtime.block_on(grant.send()).unwrap();
    }
    let found = bench.found(&key);
    let grants = codes(&found)
        .into_iter()
        .filter(|code| *code == "grant_exists");
    assert_eq!(grants.count(), 60);
}

//! Keys and policies: made, described, put, kept.

use aws_sdk_kms::types::{KeyAgreementAlgorithmSpec, KeyState, OriginType};

use super::*;

#[tokio::test]
async fn a_key_agreement_key_describes_itself() {
    let bench = Bench::new().await;
    let arn = bench.key("").await;
    let id = arn.rsplit('/').next().unwrap();
    for key_id in [arn.as_str(), id] {
        let described = bench
            .host()
            .describe_key()
            .key_id(key_id)
            .send()
            .await
            .unwrap()
            .key_metadata
            .unwrap();
        assert_eq!(described.arn(), Some(arn.as_str()));
        assert_eq!(
            (described.key_id(), described.aws_account_id()),
            (id, Some("000000000000"))
        );
        assert_eq!(described.key_spec(), Some(&KeySpec::EccNistP256));
        assert_eq!(described.key_usage(), Some(&KeyUsageType::KeyAgreement));
        assert_eq!(described.origin(), Some(&OriginType::AwsKms));
        assert_eq!(described.key_state(), Some(&KeyState::Enabled));
        assert_eq!(described.multi_region(), Some(false));
        assert_eq!(
            described.key_agreement_algorithms(),
            [KeyAgreementAlgorithmSpec::Ecdh]
        );
        assert!(described.enabled() && described.creation_date().is_some());
    }
    assert!(
        arn.starts_with("arn:aws:kms:us-east-1:000000000000:key/") && id.len() == 36,
        "{arn}"
    );
    let public = bench
        .host()
        .get_public_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(public.public_key().unwrap().as_ref().len(), 91);
    assert_eq!(public.key_id(), Some(arn.as_str()));
    assert!(
        bench
            .root()
            .list_grants()
            .key_id(&arn)
            .send()
            .await
            .unwrap()
            .grants()
            .is_empty()
    );
}

#[tokio::test]
async fn a_symmetric_key_is_described_and_has_no_public_key() {
    let bench = Bench::new().await;
    let created = bench
        .root()
        .create_key()
        .description("for show")
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap();
    assert_eq!(created.key_spec(), Some(&KeySpec::SymmetricDefault));
    assert_eq!(created.key_usage(), Some(&KeyUsageType::EncryptDecrypt));
    assert_eq!(created.description(), Some("for show"));
    let id = created.key_id();
    assert_eq!(
        code(bench.root().get_public_key().key_id(id).send().await),
        "UnsupportedOperationException"
    );
    let derived = bench
        .root()
        .derive_shared_secret()
        .key_id(id)
        .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
        .public_key(Peer::new().spki())
        .send()
        .await;
    assert_eq!(code(derived), "InvalidKeyUsageException");
}

#[tokio::test]
async fn what_a_key_cannot_be_is_refused() {
    let bench = Bench::new().await;
    let create = || bench.root().create_key();
    assert_eq!(
        code(create().key_spec(KeySpec::EccNistP256).send().await),
        "ValidationException"
    );
    let signing = create()
        .key_spec(KeySpec::EccNistP256)
        .key_usage(KeyUsageType::SignVerify);
    assert_eq!(code(signing.send().await), "UnsupportedOperationException");
    assert_eq!(
        code(create().key_spec(KeySpec::Rsa2048).send().await),
        "ValidationException"
    );
    assert_eq!(
        code(
            create()
                .key_spec(KeySpec::Hmac256)
                .key_usage(KeyUsageType::GenerateVerifyMac)
                .send()
                .await
        ),
        "UnsupportedOperationException"
    );
    assert_eq!(
        code(create().origin(OriginType::External).send().await),
        "UnsupportedOperationException"
    );
    assert_eq!(
        code(create().policy("{}").send().await),
        "MalformedPolicyDocumentException"
    );
    assert_eq!(
        code(bench.host().create_key().send().await),
        "AccessDeniedException"
    );
    assert_eq!(
        code(
            bench
                .root()
                .get_key_rotation_status()
                .key_id("a")
                .send()
                .await
        ),
        "UnknownOperationException"
    );
}

#[tokio::test]
async fn an_unknown_key_is_not_found() {
    let bench = Bench::new().await;
    for key_id in [
        "00000000-0000-4000-8000-000000000000",
        "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-000000000000",
        "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000",
        "alias/claviger",
        "../lock",
    ] {
        assert_eq!(
            code(bench.root().describe_key().key_id(key_id).send().await),
            "NotFoundException",
            "{key_id}"
        );
    }
    assert_eq!(
        code(
            bench
                .root()
                .describe_key()
                .key_id("a".repeat(2049))
                .send()
                .await
        ),
        "ValidationException"
    );
}

#[tokio::test]
async fn a_policy_is_kept_as_it_was_put() {
    let bench = Bench::new().await;
    let arn = bench.key("").await;
    let policy = format!(
        r#"{{ "Statement" : {{"Effect":"Allow","Principal":{{"AWS":"{ROOT}"}},"Action":"kms:*","Resource":"*"}} }}"#
    );
    bench
        .root()
        .put_key_policy()
        .key_id(&arn)
        .policy_name("default")
        .policy(&policy)
        .send()
        .await
        .unwrap();
    let got = bench
        .root()
        .get_key_policy()
        .key_id(&arn)
        .policy_name("default")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (got.policy(), got.policy_name()),
        (Some(policy.as_str()), Some("default"))
    );
    assert_eq!(
        code(bench.host().describe_key().key_id(&arn).send().await),
        "AccessDeniedException"
    );
    assert_eq!(
        code(bench.host().get_key_policy().key_id(&arn).send().await),
        "AccessDeniedException"
    );
    let other = bench
        .root()
        .get_key_policy()
        .key_id(&arn)
        .policy_name("other")
        .send()
        .await;
    assert_eq!(code(other), "NotFoundException");
}

#[tokio::test]
async fn a_policy_is_refused_when_malformed_or_when_it_locks_its_author_out() {
    let bench = Bench::new().await;
    let arn = bench.key("").await;
    let before = bench
        .root()
        .get_key_policy()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .policy;
    let locking = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"AWS":"{HOST}"}},"Action":"kms:*","Resource":"*"}}}}"#
    );
    for policy in ["", "{}", "[]", locking.as_str()] {
        let put = bench
            .root()
            .put_key_policy()
            .key_id(&arn)
            .policy(policy)
            .send()
            .await;
        assert_eq!(code(put), "MalformedPolicyDocumentException", "{policy}");
    }
    assert_eq!(
        code(
            bench
                .host()
                .put_key_policy()
                .key_id(&arn)
                .policy("{}")
                .send()
                .await
        ),
        "AccessDeniedException"
    );
    assert_eq!(
        bench
            .root()
            .get_key_policy()
            .key_id(&arn)
            .send()
            .await
            .unwrap()
            .policy,
        before
    );

    let bypass = bench.root().put_key_policy().key_id(&arn).policy(&locking);
    bypass
        .bypass_policy_lockout_safety_check(true)
        .send()
        .await
        .unwrap();
    assert_eq!(
        code(bench.root().get_key_policy().key_id(&arn).send().await),
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn keys_and_policies_outlive_a_restart() {
    let bench = Bench::new().await;
    let statement = format!(
        r#",{{"Effect":"Allow","Principal":{{"AWS":"{HOST}"}},"Action":"kms:DeriveSharedSecret","Resource":"*"}}"#
    );
    let arn = bench.key(&statement).await;
    let before = bench
        .host()
        .get_public_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .public_key
        .unwrap();
    let policy = bench
        .root()
        .get_key_policy()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .policy;
    bench
        .root()
        .disable_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap();

    let bench = bench.restarted().await;
    assert_eq!(
        code(bench.host().get_public_key().key_id(&arn).send().await),
        "DisabledException"
    );
    bench.root().enable_key().key_id(&arn).send().await.unwrap();
    let after = bench
        .host()
        .get_public_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .public_key
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(
        bench
            .root()
            .get_key_policy()
            .key_id(&arn)
            .send()
            .await
            .unwrap()
            .policy,
        policy
    );
    let peer = Peer::new();
    let derived = bench
        .host()
        .derive_shared_secret()
        .key_id(&arn)
        .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
        .public_key(peer.spki())
        .send()
        .await
        .unwrap();
    assert_eq!(
        derived.shared_secret.unwrap().as_ref(),
        peer.agree(after.as_ref())
    );
}

#[tokio::test]
async fn a_stored_key_is_private_and_a_damaged_one_stops_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new().await;
    let arn = bench.key("").await;
    let dir = bench.dir.path().join("kms");
    let file = dir.join("keys").join(format!(
        "{}@us-east-1.json",
        arn.rsplit('/').next().unwrap()
    ));
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let second = KmsConfig::new(dir.clone(), Root::Aws, Vec::new());
    assert!(matches!(serve(second).await, Err(Error::InUse)));
    bench.kms.stop().await;
    std::fs::write(&file, b"{}").unwrap();
    assert!(matches!(
        serve(KmsConfig::new(dir, Root::Aws, Vec::new())).await,
        Err(Error::Stored(_))
    ));
}

#[tokio::test]
async fn a_key_pending_deletion_is_described_and_not_used() {
    let bench = Bench::new().await;
    let arn = bench.key("").await;
    let schedule = |days| {
        bench
            .root()
            .schedule_key_deletion()
            .key_id(&arn)
            .pending_window_in_days(days)
    };
    assert_eq!(code(schedule(6).send().await), "ValidationException");
    assert_eq!(code(schedule(31).send().await), "ValidationException");
    assert_eq!(
        code(
            bench
                .host()
                .schedule_key_deletion()
                .key_id(&arn)
                .send()
                .await
        ),
        "AccessDeniedException"
    );
    let scheduled = schedule(7).send().await.unwrap();
    assert_eq!(scheduled.key_state(), Some(&KeyState::PendingDeletion));
    let described = bench
        .host()
        .describe_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap();
    assert_eq!(described.key_state(), Some(&KeyState::PendingDeletion));
    assert_eq!(
        code(bench.host().get_public_key().key_id(&arn).send().await),
        "KMSInvalidStateException"
    );
    assert_eq!(
        code(bench.root().enable_key().key_id(&arn).send().await),
        "KMSInvalidStateException"
    );
}

#[tokio::test]
async fn a_key_is_destroyed_when_its_window_is_over_and_a_primary_after_its_replicas() {
    use super::super::service::Service;
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let dir = tempfile::tempdir().unwrap();
    let config = |days: u64| {
        let mut config = KmsConfig::new(dir.path().to_owned(), Root::Aws, vec![root()]);
        config.other_regions = vec!["eu-west-1".to_owned()];
        config.clock = Arc::new(move || SystemClock.now_ms() + days * DAY_MS);
        config
    };
    let kms = serve(config(0)).await.unwrap();
    let client = client(&kms.endpoint(), &root());
    let created = client.create_key().multi_region(true).send().await.unwrap();
    let id = created.key_metadata.unwrap().key_id;
    let replicate = client.replicate_key().key_id(&id);
    replicate.replica_region("eu-west-1").send().await.unwrap();
    let schedule = client.schedule_key_deletion().key_id(&id);
    let scheduled = schedule.pending_window_in_days(7).send().await.unwrap();
    assert_eq!(
        scheduled.key_state(),
        Some(&KeyState::PendingReplicaDeletion)
    );
    kms.stop().await;

    let found = |days: u64, region: &str| {
        let service = Service::open(config(days)).unwrap();
        service.find(region, &id).map(|key| key.state.name()).ok()
    };
    // A primary waits for as long as there is a replica, and its own window begins then.
    assert_eq!(found(100, "us-east-1"), Some("PendingReplicaDeletion"));
    assert_eq!(found(100, "eu-west-1"), Some("Enabled"));
    let replica = dir.path().join("keys").join(format!("{id}@eu-west-1.json"));
    std::fs::remove_file(replica).unwrap();
    assert_eq!(found(100, "us-east-1"), Some("PendingDeletion"));
    assert_eq!(found(106, "us-east-1"), Some("PendingDeletion"));
    assert_eq!(found(108, "us-east-1"), None);
    assert_eq!(
        std::fs::read_dir(dir.path().join("keys")).unwrap().count(),
        0
    );
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = KmsConfig::new(dir.path().to_owned(), Root::Aws, Vec::new());
    config.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(serve(config).await, Err(Error::NotLoopback)));
    let mut config = KmsConfig::new(dir.path().to_owned(), Root::Aws, Vec::new());
    config.account = "1".to_owned();
    assert!(matches!(serve(config).await, Err(Error::Account)));
    let twice = KmsConfig::new(dir.path().to_owned(), Root::Aws, vec![root(), root()]);
    assert!(matches!(
        serve(twice).await,
        Err(Error::Credential(CredentialError::Duplicate))
    ));
}

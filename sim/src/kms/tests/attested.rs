//! DeriveSharedSecret: what a document must be, and which policies let it.

use aws_sdk_kms::operation::derive_shared_secret::builders::DeriveSharedSecretFluentBuilder;
use aws_sdk_kms::types::KeyAgreementAlgorithmSpec;

use super::*;

/// Allow to the host, and one Deny a register, true when the register is absent.
fn pinned(registers: &[(u8, String)]) -> String {
    let mut statements = format!(
        r#",{{"Effect":"Allow","Principal":{{"AWS":"{HOST}"}},"Action":"kms:DeriveSharedSecret","Resource":"*"}}"#
    );
    for (register, value) in registers {
        statements.push_str(&format!(
            r#",{{"Sid":"pcr{register}","Effect":"Deny","Principal":"*","Action":"kms:DeriveSharedSecret","Resource":"*",
                "Condition":{{"StringNotEqualsIgnoreCase":{{"kms:RecipientAttestation:PCR{register}":"{value}"}}}}}}"#
        ));
    }
    statements
}

fn release() -> String {
    pinned(&[
        (0, "A0".repeat(48)),
        (1, "a1".repeat(48)),
        (2, "a2".repeat(48)),
    ])
}

fn derive(client: &Client, arn: &str, peer: &Peer) -> DeriveSharedSecretFluentBuilder {
    client
        .derive_shared_secret()
        .key_id(arn)
        .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
        .public_key(peer.spki())
}

#[tokio::test]
async fn an_attested_recipient_gets_the_secret_and_nobody_else_reads_it() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let public = bench
        .host()
        .get_public_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .public_key
        .unwrap();
    let attested = Attested::by(&bench.boot(&measurements()));
    let derived = derive(&bench.host(), &arn, &peer)
        .recipient(attested.recipient())
        .send()
        .await
        .unwrap();
    assert_eq!(derived.key_id(), Some(arn.as_str()));
    assert_eq!(derived.shared_secret(), None);
    let reply = derived.ciphertext_for_recipient.unwrap();
    assert_eq!(attested.open(reply.as_ref()), peer.agree(public.as_ref()));
}

#[tokio::test]
async fn the_chunk_size_cuts_the_ciphertext() {
    let bench = Bench::with(
        tempfile::tempdir().unwrap(),
        Arc::new(Pki::generate().unwrap()),
        Some(16),
    )
    .await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let attested = Attested::by(&bench.boot(&measurements()));
    let derived = derive(&bench.host(), &arn, &peer)
        .recipient(attested.recipient())
        .send()
        .await
        .unwrap();
    assert_eq!(
        derived.ciphertext_for_recipient.unwrap().as_ref().len(),
        493 + 4
    );
}

#[tokio::test]
async fn without_a_recipient_the_policy_denies() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    assert_eq!(
        code(derive(&bench.host(), &arn, &peer).send().await),
        "AccessDeniedException"
    );
    assert_eq!(
        code(derive(&bench.root(), &arn, &peer).send().await),
        "AccessDeniedException"
    );
}

#[tokio::test]
async fn without_a_recipient_an_open_policy_gives_the_secret_in_the_clear() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&pinned(&[])).await, Peer::new());
    let public = bench
        .host()
        .get_public_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap()
        .public_key
        .unwrap();
    let derived = derive(&bench.host(), &arn, &peer).send().await.unwrap();
    assert_eq!(
        derived.shared_secret.unwrap().as_ref(),
        peer.agree(public.as_ref())
    );
    assert_eq!(derived.ciphertext_for_recipient, None);
}

#[tokio::test]
async fn another_measurement_is_denied_whichever_it_is() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let good = measurements();
    let mut others = vec![good.debug()];
    for spoil in [
        |m: &mut Measurements| m.pcr0 = [1; 48],
        |m: &mut Measurements| m.pcr1 = [1; 48],
        |m: &mut Measurements| m.pcr2 = [1; 48],
    ] {
        let mut other = good.clone();
        spoil(&mut other);
        others.push(other);
    }
    for other in others {
        let attested = Attested::by(&bench.boot(&other));
        let derived = derive(&bench.host(), &arn, &peer)
            .recipient(attested.recipient())
            .send()
            .await;
        assert_eq!(code(derived), "AccessDeniedException");
    }
}

#[tokio::test]
async fn an_application_register_counts_once_it_is_locked() {
    let bench = Bench::new().await;
    let nsm = bench.boot(&measurements());
    nsm.process(Request::ExtendPCR {
        index: 16,
        data: b"deployment".to_vec(),
    });
    let Response::DescribePCR { data, .. } = nsm.process(Request::DescribePCR { index: 16 }) else {
        panic!()
    };
    let (arn, peer) = (
        bench.key(&pinned(&[(16, hex::encode(data))])).await,
        Peer::new(),
    );

    let attested = Attested::by(&nsm);
    let unlocked = derive(&bench.host(), &arn, &peer)
        .recipient(attested.recipient())
        .send()
        .await;
    assert_eq!(code(unlocked), "AccessDeniedException");
    nsm.process(Request::LockPCR { index: 16 });
    let attested = Attested::by(&nsm);
    derive(&bench.host(), &arn, &peer)
        .recipient(attested.recipient())
        .send()
        .await
        .unwrap();
    let other = Attested::by(&bench.boot(&measurements()));
    let denied = derive(&bench.host(), &arn, &peer)
        .recipient(other.recipient())
        .send()
        .await;
    assert_eq!(code(denied), "AccessDeniedException");
}

#[tokio::test]
async fn the_image_digest_is_register_0() {
    let bench = Bench::new().await;
    let allow = |value: &str| {
        format!(
            r#",{{"Effect":"Allow","Principal":{{"AWS":"{HOST}"}},"Action":"kms:DeriveSharedSecret","Resource":"*",
                "Condition":{{"StringEqualsIgnoreCase":{{"kms:RecipientAttestation:ImageSha384":"{value}"}},
                    "StringEquals":{{"kms:KeyAgreementAlgorithm":"ECDH"}}}}}}"#
        )
    };
    let peer = Peer::new();
    for (value, expected) in [("a0".repeat(48), true), ("a1".repeat(48), false)] {
        let arn = bench.key(&allow(&value)).await;
        let attested = Attested::by(&bench.boot(&measurements()));
        let derived = derive(&bench.host(), &arn, &peer)
            .recipient(attested.recipient())
            .send()
            .await;
        assert_eq!(derived.is_ok(), expected);
        assert_eq!(
            code(derive(&bench.host(), &arn, &peer).send().await),
            "AccessDeniedException"
        );
    }
}

#[tokio::test]
async fn a_document_is_fresh_and_of_the_own_root() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let attested = Attested::by(&bench.boot(&measurements()));
    let try_it = || {
        derive(&bench.host(), &arn, &peer)
            .recipient(attested.recipient())
            .send()
    };
    try_it().await.unwrap();
    // The SDK signs by this machine's clock, so the simulation's may be ahead by less than five minutes only.
    bench
        .ahead_ms
        .store(MAX_DOCUMENT_AGE_MS - 5_000, Ordering::Relaxed);
    try_it().await.unwrap();

    let stranger = Bench::new().await;
    let foreign = Attested::by(&stranger.boot(&measurements()));
    let refused = derive(&bench.host(), &arn, &peer)
        .recipient(foreign.recipient())
        .send()
        .await;
    assert_eq!(code(refused), "ValidationException");
}

#[tokio::test]
async fn an_old_document_is_refused() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let pki = Arc::clone(&bench.pki);
    let past = || SystemClock.now_ms() - MAX_DOCUMENT_AGE_MS - 1;
    let nsm = MockNsm::new(pki, &measurements(), "i-0-enc0", Arc::new(past)).unwrap();
    let attested = Attested::by(&nsm);
    let refused = derive(&bench.host(), &arn, &peer)
        .recipient(attested.recipient())
        .send()
        .await;
    assert_eq!(code(refused), "ValidationException");
}

#[tokio::test]
async fn a_recipient_needs_an_rsa_key_and_a_whole_document() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let nsm = bench.boot(&measurements());
    let mut flipped = Attested::by(&nsm).document;
    flipped[1000] ^= 1;
    for (what, document) in [
        ("no key", attest(&nsm, None)),
        ("not RSA", attest(&nsm, Some(peer.spki().as_ref()))),
        ("not a key", attest(&nsm, Some(b"key"))),
        ("flipped", flipped),
        ("not a document", vec![0; 100]),
    ] {
        let refused = derive(&bench.host(), &arn, &peer)
            .recipient(recipient(&document))
            .send()
            .await;
        assert_eq!(code(refused), "ValidationException", "{what}");
    }
    let wrong = RecipientInfo::builder()
        .key_encryption_algorithm(KeyEncryptionMechanism::from("RSAES_OAEP_SHA_1"))
        .attestation_document(Blob::new(Attested::by(&nsm).document))
        .build();
    assert_eq!(
        code(
            derive(&bench.host(), &arn, &peer)
                .recipient(wrong)
                .send()
                .await
        ),
        "ValidationException"
    );
}

#[tokio::test]
async fn a_public_key_is_a_point_of_p256() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&pinned(&[])).await, Peer::new());
    let good = peer.spki().into_inner();
    let mut off_curve = good.clone();
    off_curve[90] ^= 1;
    for (what, spki) in [
        ("off the curve", off_curve),
        ("cut", good[..90].to_vec()),
        ("longer", [&good[..], &[0]].concat()),
        ("a bare point", good[26..].to_vec()),
    ] {
        let refused = derive(&bench.host(), &arn, &peer)
            .public_key(Blob::new(spki))
            .send()
            .await;
        assert_eq!(code(refused), "ValidationException", "{what}");
    }
}

#[tokio::test]
async fn a_dry_run_says_whether_it_would_succeed() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&release()).await, Peer::new());
    let attested = Attested::by(&bench.boot(&measurements()));
    let dry = derive(&bench.host(), &arn, &peer).dry_run(true);
    assert_eq!(
        code(dry.clone().recipient(attested.recipient()).send().await),
        "DryRunOperationException"
    );
    assert_eq!(code(dry.send().await), "AccessDeniedException");
    let token = derive(&bench.host(), &arn, &peer)
        .grant_tokens("token")
        .send()
        .await;
    assert_eq!(code(token), "InvalidGrantTokenException");
}

#[tokio::test]
async fn a_disabled_key_derives_nothing() {
    let bench = Bench::new().await;
    let (arn, peer) = (bench.key(&pinned(&[])).await, Peer::new());
    bench
        .root()
        .disable_key()
        .key_id(&arn)
        .send()
        .await
        .unwrap();
    assert_eq!(
        code(derive(&bench.host(), &arn, &peer).send().await),
        "DisabledException"
    );
}

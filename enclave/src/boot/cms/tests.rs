//! The decoder against a real reply of KMS, what `openssl cms` makes, and every bit and length gone wrong.

use super::*;
use proptest::prelude::*;
use std::process::Command;

const REAL: &[u8] = include_bytes!("../data/kms-reply.ber");
const REAL_KEY: &[u8] = include_bytes!("../data/kms-reply-key.pkcs8.der");

fn real_key() -> RecipientKey {
    RecipientKey::of(PrivateDecryptingKey::from_pkcs8(REAL_KEY).unwrap()).unwrap()
}

#[test]
fn the_published_reply_of_kms_opens() {
    let envelope = parse(REAL, real_key().spki()).unwrap();
    assert_eq!(
        (envelope.wrapped.len(), envelope.ciphertext.len()),
        (256, 48)
    );
    // The text is what `openssl cms -decrypt` makes of it.
    let opened = real_key().open(REAL).unwrap();
    let text = "3be82c440f06cb4d44c4c2ec3bf30d472407d3a9125aa4c1842b98f6bdd26e41";
    assert_eq!(hex::encode(opened.expose()), text);
}

#[test]
fn a_reply_to_another_key_does_not_open() {
    RecipientKey::generate().unwrap().open(REAL).unwrap_err();
}

#[test]
fn a_reply_with_anything_behind_or_missing_is_refused() {
    let key = real_key();
    for end in 0..REAL.len() {
        assert!(parse(&REAL[..end], key.spki()).is_err(), "{end}");
    }
    let mut longer = REAL.to_vec();
    longer.push(0);
    parse(&longer, key.spki()).unwrap_err();
}

#[test]
fn another_algorithm_version_or_identifier_is_refused() {
    let key = real_key();
    // Everything before the wrapped key, and the algorithm of the content, is fixed but for lengths written otherwise.
    let wrapped_at = REAL
        .windows(4)
        .position(|four| four == [0x04, 0x82, 0x01, 0x00])
        .unwrap();
    let mut accepted = Vec::new();
    for at in 0..wrapped_at {
        let mut changed = REAL.to_vec();
        changed[at] ^= 0x01;
        if parse(&changed, key.spki()).is_ok() {
            accepted.push(at);
        }
    }
    assert_eq!(accepted, Vec::<usize>::new());
}

#[test]
fn what_openssl_cms_makes_opens() {
    let dir = tempfile::tempdir().unwrap();
    let key = RecipientKey::generate().unwrap();
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap();
        key.as_der().unwrap()
    };
    let ours = RecipientKey::of(PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).unwrap()).unwrap();
    assert_ne!(key.spki(), ours.spki());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("key.der"), pkcs8.as_ref()).unwrap();
    std::fs::write(path("secret"), [0x5a; 32]).unwrap();
    let ski = hex::encode(sha256(&[ours.spki()]).0);
    let run = |arguments: &[&str]| {
        let done = Command::new("openssl")
            .args(arguments)
            .output()
            .expect("openssl is needed by this test");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    };
    let extension = format!("subjectKeyIdentifier={ski}");
    run(&[
        "req",
        "-x509",
        "-key",
        &path("key.der"),
        "-keyform",
        "DER",
        "-subj",
        "/CN=enclave",
        "-addext",
        &extension,
        "-out",
        &path("cert.pem"),
    ]);
    for streamed in [true, false] {
        let mut arguments = vec![
            "cms",
            "-encrypt",
            "-binary",
            "-aes-256-cbc",
            "-keyid",
            "-outform",
            "DER",
        ];
        let (input, output, cert) = (path("secret"), path("reply"), path("cert.pem"));
        arguments.extend(["-in", &input, "-out", &output, "-recip", &cert]);
        arguments.extend([
            "-keyopt",
            "rsa_padding_mode:oaep",
            "-keyopt",
            "rsa_oaep_md:sha256",
            "-keyopt",
            "rsa_mgf1_md:sha256",
        ]);
        if streamed {
            arguments.insert(2, "-stream");
        }
        run(&arguments);
        let reply = std::fs::read(path("reply")).unwrap();
        let again =
            RecipientKey::of(PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).unwrap()).unwrap();
        assert_eq!(
            again.open(&reply).unwrap().expose(),
            &[0x5a; 32],
            "streamed: {streamed}"
        );
    }
}

#[test]
fn a_reply_over_the_limit_is_refused() {
    // AWS KMS API reference, CiphertextForRecipient: at most 6144 bytes. Padding inside an octet string keeps it BER.
    let long = vec![0x30; MAX_CIPHERTEXT_FOR_RECIPIENT.saturating_add(1)];
    parse(&long, real_key().spki()).unwrap_err();
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
        parse(&bytes, b"spki").unwrap_err();
    }

    #[test]
    fn a_real_reply_with_one_byte_changed_never_panics(at in 0..REAL.len(), to in any::<u8>()) {
        let mut bytes = REAL.to_vec();
        bytes[at] = to;
        let _ = parse(&bytes, &[0; 8]);
    }
}

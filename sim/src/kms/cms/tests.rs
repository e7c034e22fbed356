//! The form of a `CiphertextForRecipient`, and that OpenSSL opens it.

use std::process::Command;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};

use super::*;

struct Recipient {
    spki: Vec<u8>,
    pkcs8: Vec<u8>,
}

fn recipient(size: KeySize) -> Recipient {
    let key = PrivateDecryptingKey::generate(size).unwrap();
    let spki = key.public_key().as_der().unwrap().as_ref().to_vec();
    let pkcs8 = key.as_der().unwrap().as_ref().to_vec();
    Recipient { spki, pkcs8 }
}

fn encrypt(recipient: &Recipient, plaintext: &[u8], chunk: Option<usize>) -> Vec<u8> {
    let chunk = chunk.and_then(NonZeroUsize::new);
    RecipientKey::parse(&recipient.spki)
        .unwrap()
        .encrypt(plaintext, chunk)
        .unwrap()
}

#[test]
fn a_reply_for_32_bytes_has_the_bytes_of_a_real_one_around_its_random_parts() {
    let recipient = recipient(KeySize::Rsa2048);
    let reply = encrypt(&recipient, &[7; 32], None);
    // A real reply for 32 bytes to an RSA-2048 key is 493 bytes long.
    assert_eq!(reply.len(), 493);
    let expect = |from: usize, bytes: &str| {
        let bytes = ::hex::decode(bytes.replace(' ', "")).unwrap();
        assert_eq!(
            ::hex::encode(&reply[from..from + bytes.len()]),
            ::hex::encode(&bytes),
            "at {from}"
        );
    };
    expect(
        0,
        "3080 06092a864886f70d010703 a080 3080 020102 3182016b 30820167 020102 8020",
    );
    assert_eq!(reply[33..65], *digest(&SHA256, &recipient.spki).as_ref());
    expect(
        65,
        "303c 06092a864886f70d010107 302f a00f300d06096086480165030402010500",
    );
    expect(127, "04820100");
    expect(
        387,
        "3080 06092a864886f70d010701 301d 060960864801650304012a 0410",
    );
    expect(431, "a080 0430");
    expect(483, "0000 0000 0000 0000 0000");
}

#[test]
fn a_ciphertext_may_come_in_many_octet_strings() {
    let recipient = recipient(KeySize::Rsa2048);
    for (chunk, pieces) in [(48, 1), (47, 2), (16, 3), (1, 48)] {
        let whole = encrypt(&recipient, &[7; 32], None).len();
        let cut = encrypt(&recipient, &[7; 32], Some(chunk)).len();
        assert_eq!(cut, whole + 2 * (pieces - 1), "{chunk}");
    }
}

#[test]
fn only_an_rsa_key_of_at_least_2048_bits_is_a_recipient() {
    assert!(RecipientKey::parse(&recipient(KeySize::Rsa3072).spki).is_some());
    let p256 =
        aws_lc_rs::agreement::PrivateKey::generate(&aws_lc_rs::agreement::ECDH_P256).unwrap();
    let p256: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
        p256.compute_public_key().unwrap().as_der().unwrap();
    assert!(RecipientKey::parse(p256.as_ref()).is_none());
    let spki = recipient(KeySize::Rsa2048).spki;
    assert!(
        RecipientKey::parse(&spki[..spki.len() - 1]).is_none()
            && RecipientKey::parse(&[]).is_none()
    );
}

#[test]
fn openssl_opens_a_reply() {
    if Command::new("openssl").arg("version").output().is_err() {
        println!("skipped: there is no openssl on this machine");
        return;
    }
    let recipient = recipient(KeySize::Rsa2048);
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key.der");
    std::fs::write(&key, &recipient.pkcs8).unwrap();
    for (plaintext, chunk) in [
        (&[7u8; 32][..], None),
        (&[8; 32], Some(16)),
        (&[9; 100], Some(7)),
        (&[], None),
    ] {
        let reply = dir.path().join("reply.ber");
        std::fs::write(&reply, encrypt(&recipient, plaintext, chunk)).unwrap();
        let opened = Command::new("openssl")
            .args([
                "cms", "-decrypt", "-inform", "DER", "-keyform", "DER", "-inkey",
            ])
            .arg(&key)
            .arg("-in")
            .arg(&reply)
            .output()
            .unwrap();
        assert!(
            opened.status.success(),
            "{}",
            String::from_utf8_lossy(&opened.stderr)
        );
        assert_eq!(opened.stdout, plaintext);
    }
}

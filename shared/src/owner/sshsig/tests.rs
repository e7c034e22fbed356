//! Signatures of stock OpenSSH, published ones, our own; and every way they can be wrong.

use super::*;
use crate::crypto::AwsLc;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const MESSAGE: &[u8] = include_bytes!("../../../../tests/vectors/sshsig/signed-data");
const NAMESPACE: &str = include_str!("../../../../tests/vectors/sshsig/namespace");
const VECTORS: [(&str, &str); 3] = [
    (
        include_str!("../../../../tests/vectors/sshsig/ed25519.pub"),
        include_str!("../../../../tests/vectors/sshsig/ed25519.sig"),
    ),
    (
        include_str!("../../../../tests/vectors/sshsig/ed25519_sk.pub"),
        include_str!("../../../../tests/vectors/sshsig/ed25519_sk.sig"),
    ),
    (
        include_str!("../../../../tests/vectors/sshsig/ecdsa.pub"),
        include_str!("../../../../tests/vectors/sshsig/ecdsa.sig"),
    ),
];
const REFUSED: [&str; 4] = [
    include_str!("../../../../tests/vectors/sshsig/rsa.sig"),
    include_str!("../../../../tests/vectors/sshsig/mldsa44-ed25519.sig"),
    include_str!("../../../../tests/vectors/sshsig/ecdsa_sk.sig"),
    include_str!("../../../../tests/vectors/sshsig/ecdsa_sk_webauthn.sig"),
];

/// A directory for a test with `ssh-keygen`; an error where there is no `ssh-keygen`.
pub(in crate::owner) fn keygen_dir(name: &str) -> io::Result<PathBuf> {
    Command::new("ssh-keygen").arg("-?").output()?;
    let dir = std::env::temp_dir().join(format!("claviger-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// `ssh-keygen` reads no private key that others could read.
pub(in crate::owner) fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn pair() -> (Ed25519KeyPair, PublicKey) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let public = PublicKey::ed25519(pair.public_key().as_ref().try_into().unwrap());
    (pair, public)
}

fn sign(namespace: &str, message: &[u8]) -> String {
    let (pair, public) = pair();
    let signature = pair.sign(&signed_data(namespace, message));
    armor(&public, namespace, signature.as_ref().try_into().unwrap())
}

fn refused(armored: &str, namespace: &str, message: &[u8]) {
    let error = verify(armored, namespace, message, &AwsLc).unwrap_err();
    assert_eq!(error.code(), Error::SIGNATURE);
}

#[test]
fn software_keys_have_blobs_and_signatures_and_others_have_none() {
    let point = [&[4][..], &[7; 64]].concat();
    let p256 = PublicKey::of(Alg::P256, &point).unwrap();
    assert_eq!(p256.point(), Some(point.as_slice()));
    let ed25519 = PublicKey::of(Alg::Ed25519, &[7; 32]).unwrap();
    let names = [&p256, &ed25519].map(|key| key.software());
    assert_eq!(names, [Some(P256), Some(ED25519)]);
    for (alg, public) in [
        (Alg::Ed25519, vec![7; 31]),
        (Alg::P256, vec![4; 64]),
        (Alg::P256, [&[2][..], &[7; 64]].concat()),
        (Alg::Rs256, vec![7; 32]),
        (Alg::SigV4, vec![7; 32]),
    ] {
        assert_eq!(PublicKey::of(alg, &public), None);
    }
    let hardware = VECTORS.iter().find(|(line, _)| line.starts_with("sk-"));
    let hardware = PublicKey::parse_line(hardware.unwrap().0.trim_end()).unwrap();
    assert_eq!(
        (hardware.software(), hardware.signature(&[7; 64])),
        (None, None)
    );
}

#[test]
fn signed_data_reads_back_and_a_signature_comes_out_of_its_own_armour_alone() {
    let data = signed_data("git", b"message");
    let digest = sha512(&[b"message"]);
    assert_eq!(data, signed_digest("git", &digest));
    let read = read_signed_data(&data).unwrap();
    assert_eq!(read, (&b"git"[..], &b"sha512"[..], &digest[..]));
    assert_eq!(read_signed_data(&[&data[..], &[0]].concat()), None);
    for length in 0..data.len() {
        assert_eq!(read_signed_data(&data[..length]), None, "{length}");
    }
    // Something in the place that is reserved.
    let mut reserved = MAGIC.to_vec();
    for part in ["git", "x", "sha512", "d"] {
        put_string(&mut reserved, part.as_bytes());
    }
    assert_eq!(read_signed_data(&reserved), None);

    let ((pair, public), armored) = (pair(), sign("git", b"message"));
    let inner = inner_signature(&armored, &public, "git").unwrap();
    let raw = pair.sign(&data);
    assert_eq!(
        Some(inner),
        public.signature(raw.as_ref().try_into().unwrap())
    );
    let other = PublicKey::ed25519(&[1; 32]);
    assert_eq!(inner_signature(&armored, &other, "git"), None);
    assert_eq!(inner_signature(&armored, &public, "file"), None);
    assert_eq!(inner_signature("", &public, "git"), None);
}

#[test]
fn published_signatures_of_all_three_types_verify() {
    for (line, armored) in VECTORS {
        let key = verify(armored, NAMESPACE, MESSAGE, &AwsLc).unwrap();
        assert_eq!(key, PublicKey::parse_line(line.trim_end()).unwrap());
        assert!(line.starts_with(&key.to_string()));
    }
}

#[test]
fn other_types_of_key_are_refused() {
    for armored in REFUSED {
        refused(armored, NAMESPACE, MESSAGE);
    }
}

#[test]
fn another_message_or_namespace_is_refused() {
    for (_, armored) in VECTORS {
        refused(armored, NAMESPACE, b"This is another test");
        refused(armored, "unittes", MESSAGE);
        refused(armored, "unittest\0", MESSAGE);
        refused(armored, "", MESSAGE);
    }
}

#[test]
fn no_bit_of_a_signature_is_free_but_those_of_the_shown_forms() {
    for (_, armored) in VECTORS {
        let bytes = dearmor(armored, BEGIN, END).unwrap();
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            refused(&wrap(&other, BEGIN, END), NAMESPACE, MESSAGE);
            refused(&wrap(&bytes[..at], BEGIN, END), NAMESPACE, MESSAGE);
        }
        refused(
            &wrap(&[&bytes[..], &[0]].concat(), BEGIN, END),
            NAMESPACE,
            MESSAGE,
        );
    }
}

/// A hardware key's signature made in software, with the flags and the tail a test wants.
fn sk_signature(flags: u8, tail: &[u8]) -> String {
    let (pair, software) = pair();
    let mut blob = Vec::new();
    put_string(&mut blob, SK_ED25519.as_bytes());
    put_string(&mut blob, software.point().unwrap());
    put_string(&mut blob, b"ssh:");
    let signed = signed_data(NAMESPACE, MESSAGE);
    let state = [&[flags][..], &7_u32.to_be_bytes()].concat();
    let signature = pair.sign(&[&sha256(&[b"ssh:"]).0[..], &state, &sha256(&[&signed]).0].concat());
    let mut value = Vec::new();
    put_string(&mut value, SK_ED25519.as_bytes());
    put_string(&mut value, signature.as_ref());
    value.extend_from_slice(&state);
    value.extend_from_slice(tail);
    let mut out = [MAGIC, &VERSION.to_be_bytes()].concat();
    for part in [&blob[..], NAMESPACE.as_bytes(), b"", b"sha512", &value] {
        put_string(&mut out, part);
    }
    wrap(&out, BEGIN, END)
}

#[test]
fn a_hardware_key_must_have_been_touched() {
    verify(&sk_signature(1, b""), NAMESPACE, MESSAGE, &AwsLc).unwrap();
    verify(&sk_signature(5, b""), NAMESPACE, MESSAGE, &AwsLc).unwrap();
    refused(&sk_signature(0, b""), NAMESPACE, MESSAGE);
    refused(&sk_signature(4, b""), NAMESPACE, MESSAGE);
    refused(&sk_signature(1, b"x"), NAMESPACE, MESSAGE);
}

#[test]
fn our_own_signature_verifies_and_its_length_is_limited_on_both_sides() {
    assert_eq!(
        verify(
            &sign("command@claviger", b"x"),
            "command@claviger",
            b"x",
            &AwsLc
        ),
        Ok(pair().1)
    );
    let namespace = |n: usize| "n".repeat(n);
    let fits = (1..MAX_ARMORED)
        .rev()
        .find(|n| sign(&namespace(*n), b"x").len() <= MAX_ARMORED)
        .unwrap();
    verify(
        &sign(&namespace(fits), b"x"),
        &namespace(fits),
        b"x",
        &AwsLc,
    )
    .unwrap();
    refused(
        &sign(&namespace(fits + 1), b"x"),
        &namespace(fits + 1),
        b"x",
    );
}

#[test]
fn one_key_under_two_types_has_one_point() {
    let sk = verify(&sk_signature(1, b""), NAMESPACE, MESSAGE, &AwsLc).unwrap();
    assert_eq!(sk.point(), pair().1.point());
    assert_ne!(sk.fingerprint(), pair().1.fingerprint());
}

#[test]
fn a_key_line_is_type_base64_and_perhaps_a_comment() {
    let line = pair().1.to_string();
    assert_eq!(PublicKey::parse_line(&line), Ok(pair().1));
    assert_eq!(
        PublicKey::parse_line(&format!("{line} ana at work")),
        Ok(pair().1)
    );
    let comment = |n: usize| format!("{line} {}", "c".repeat(n - line.len() - 1));
    PublicKey::parse_line(&comment(MAX_KEY_LINE)).unwrap();
    PublicKey::parse_line(&comment(MAX_KEY_LINE + 1)).unwrap_err();
    let blob = line.strip_prefix("ssh-ed25519 ").unwrap();
    let wrong = [
        String::new(),
        blob.to_owned(),
        format!("{SK_ED25519} {blob}"),
        format!(" {line}"),
        format!("{line}\n"),
        format!("ssh-ed25519  {blob}"),
        format!("ssh-ed25519 {}AA==", blob.trim_end_matches('=')),
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==".to_owned(),
    ];
    for bad in wrong {
        PublicKey::parse_line(&bad).unwrap_err();
    }
}

#[test]
fn what_stock_ssh_keygen_signs_verifies_and_what_we_sign_it_verifies() {
    let Ok(dir) = keygen_dir("sshsig") else {
        return;
    };
    for kind in ["ed25519", "ecdsa"] {
        for hash in ["sha256", "sha512"] {
            stock_signature(&dir, kind, hash);
        }
    }
    fs::write(dir.join("ours.sig"), sign("command@claviger", b"message")).unwrap();
    fs::write(dir.join("allowed"), format!("ana {}\n", pair().1)).unwrap();
    fs::write(dir.join("message"), b"message").unwrap();
    let mut check = Command::new("ssh-keygen");
    check
        .args(["-Y", "verify", "-n", "command@claviger", "-I", "ana", "-f"])
        .arg(dir.join("allowed"));
    check
        .arg("-s")
        .arg(dir.join("ours.sig"))
        .stdin(fs::File::open(dir.join("message")).unwrap());
    assert!(check.output().unwrap().status.success());
    fs::remove_dir_all(dir).unwrap();
}

fn stock_signature(dir: &Path, kind: &str, hash: &str) {
    let key = dir.join(format!("{kind}-{hash}"));
    let message = dir.join(format!("{kind}-{hash}.txt"));
    fs::write(&message, b"message").unwrap();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let mut sign = Command::new("ssh-keygen");
    sign.args([
        "-Y",
        "sign",
        "-n",
        "command@claviger",
        "-O",
        &format!("hashalg={hash}"),
        "-f",
    ])
    .arg(&key);
    assert!(sign.arg(&message).output().unwrap().status.success());
    let armored = fs::read_to_string(message.with_extension("txt.sig")).unwrap();
    let line = fs::read_to_string(key.with_extension("pub")).unwrap();
    let signer = verify(&armored, "command@claviger", b"message", &AwsLc).unwrap();
    assert_eq!(signer, PublicKey::parse_line(line.trim_end()).unwrap());
    refused(&armored, "manifest@claviger", b"message");
}

//! What is built, read and verified by a library that is not ours (`ssh-key`).

use super::{
    git::tests::{COMMIT, TAG},
    tests::{certificate, certifies, object, texts},
    *,
};
use crate::fixture::{self, catalog, grant, moment};
use claviger_shared::{
    call::{SshCertificateInput, ssh::ObjectType},
    catalog::{Route, SshCertificate, SshRoute, SshSignature},
    owner::{command::Alg, sshsig},
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use ssh_key::{Certificate, HashAlg, PublicKey as TheirKey, SshSig, certificate::CertType};

pub(super) enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Pair {
    pub(super) fn both() -> [Self; 2] {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let p256 = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        [Self::Ed25519(ed25519), Self::P256(p256)]
    }

    pub(super) fn info(&self) -> SigningKeyInfo {
        let (alg, public) = match self {
            Self::Ed25519(pair) => (Alg::Ed25519, pair.public_key().as_ref().to_vec()),
            Self::P256(pair) => (Alg::P256, pair.public_key().as_ref().to_vec()),
        };
        SigningKeyInfo {
            public,
            ..fixture::key(Kind::Ssh, alg)
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::P256(pair) => {
                let signed = pair.sign(&SystemRandom::new(), message).unwrap();
                signed.as_ref().to_vec()
            }
        }
    }

    fn theirs(&self) -> TheirKey {
        let info = self.info();
        let line = PublicKey::of(info.alg, &info.public).unwrap().to_string();
        TheirKey::from_openssh(&line).unwrap()
    }
}

fn made(call: &SshCall, pair: &Pair, moment: &Moment) -> SshMade {
    let signed = call.to_sign(&pair.info(), moment).unwrap();
    let ToSign::Ssh(signing) = &signed else {
        panic!("another kind");
    };
    let signature = pair.sign(&signing.message);
    let credential = call.assemble(moment, &signed, &signature).unwrap();
    let Credential::Ssh { made } = credential else {
        panic!("{credential:?}");
    };
    made
}

#[test]
fn another_reader_finds_in_a_certificate_what_its_route_says_and_verifies_it() {
    let bare = SshCertificate {
        force_command: None,
        source_address: Vec::new(),
        extensions: Vec::new(),
        ..certifies(&["bare"])
    };
    let routes = [certifies(&["deploy", "backup"]), bare].map(SshRoute::Certificate);
    let catalog = catalog(vec![("hosts", routes.map(Route::Ssh).to_vec())]);
    let grant = grant(&[], &["hosts"], &[]);
    for ca in Pair::both() {
        for subject in Pair::both().iter().map(Pair::theirs) {
            // Two Ed25519 keys of one seed would be one key.
            if subject.key_data() == ca.theirs().key_data() {
                continue;
            }
            for (users, full) in [(&["backup", "deploy"][..], true), (&["bare"], false)] {
                let input = SshCertificateInput {
                    public_key: subject.to_openssh().unwrap(),
                    ..certificate(users)
                };
                let call = SshCall::parse(&SshInput::Certificate(input), None, &catalog, &grant);
                let SshMade::Certificate(line) = made(&call.unwrap(), &ca, &moment()) else {
                    panic!("a signature");
                };
                let read = Certificate::from_openssh(&line).unwrap();
                let trusted = ca.theirs().fingerprint(HashAlg::Sha256);
                read.validate_at(moment().now.secs(), [&trusted]).unwrap();
                let early = moment().now.secs() - 31;
                read.validate_at(early, [&trusted]).unwrap_err();
                let end = moment().expires_at.secs();
                read.validate_at(end, [&trusted]).unwrap_err();
                assert_eq!(read.cert_type(), CertType::User);
                assert_eq!(read.public_key(), subject.key_data());
                assert_eq!(read.valid_principals(), texts(users));
                assert_eq!(read.key_id(), "acme-prod/claviger:billing-bot:gr_1");
                let options: Vec<_> = read.critical_options().iter().collect();
                let extensions: Vec<_> = read.extensions().iter().collect();
                if full {
                    assert_eq!(options.len(), 2);
                    assert_eq!(extensions.len(), 2);
                    assert_eq!(read.extensions()["permit-pty"], "");
                    assert_eq!(
                        read.critical_options()["force-command"],
                        "/usr/bin/backup --all"
                    );
                    assert_eq!(
                        read.critical_options()["source-address"],
                        "10.0.0.0/8,2001:db8::/32"
                    );
                } else {
                    assert!(options.is_empty() && extensions.is_empty());
                }
            }
        }
    }
}

#[test]
fn another_verifier_takes_signatures_over_objects_and_over_nothing_else() {
    let route = Route::Ssh(SshRoute::Signature(SshSignature {
        objects: ObjectType::ALL.to_vec(),
        authors: Vec::new(),
    }));
    let catalog = catalog(vec![("repo", vec![route])]);
    let grant = grant(&[], &["repo"], &[]);
    for pair in Pair::both() {
        for text in [COMMIT, TAG] {
            let call = SshCall::parse(&object(text), None, &catalog, &grant).unwrap();
            let SshMade::Signature(armored) = made(&call, &pair, &moment()) else {
                panic!("a certificate");
            };
            let signature = SshSig::from_pem(&armored).unwrap();
            assert_eq!(signature.namespace(), "git");
            assert_eq!(signature.hash_alg(), HashAlg::Sha512);
            let key = pair.theirs();
            key.verify("git", text.as_bytes(), &signature).unwrap();
            let other = format!("{text}x");
            key.verify("git", other.as_bytes(), &signature).unwrap_err();
            key.verify("file", text.as_bytes(), &signature).unwrap_err();
            let info = pair.info();
            let own = PublicKey::of(info.alg, &info.public).unwrap();
            assert!(sshsig::inner_signature(&armored, &own, "git").is_some());
            assert!(sshsig::inner_signature(&armored, &own, "file").is_none());
        }
    }
}

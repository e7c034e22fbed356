//! What owners and operators write and sign: keys, signatures, manifests, catalogs, grants, commands.

use super::context::context;
use claviger_shared::{
    catalog::Catalog,
    codec::cbor,
    crypto::AwsLc,
    grant::Grant,
    label::NAMESPACE_COMMAND,
    owner::{
        Error,
        command::{Chain as CommandChain, Command, parse::verify_signers},
        manifest::{Manifest, chain::Chain},
        sshkey::PrivateKey,
        sshsig::{self, PublicKey},
    },
    wire::control::MAX_COMMAND,
};
use claviger_verify::ring_verifier::RingVerifier;

/// What the sample signatures are over.
pub const MESSAGE: &[u8] = b"a message that somebody signed";

const CODES: [&str; 6] = [
    Error::MALFORMED,
    Error::INVALID,
    Error::UNSUPPORTED,
    Error::SIGNATURE,
    Error::THRESHOLD,
    Error::SUCCESSION,
];

/// A refusal has a known code, says what is expected, and names a place that is there or whose parent is.
fn told(error: &Error, data: &[u8]) {
    assert!(CODES.contains(&error.code()), "{error}");
    assert!(!error.expected().is_empty());
    let pointer = error.pointer();
    assert!(pointer.is_empty() || pointer.starts_with('/'), "{error}");
    assert!(pointer.len() < 1024, "{error}");
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(data) else {
        assert_eq!(error.code(), Error::MALFORMED, "{error}");
        return;
    };
    if error.code() == Error::MALFORMED
        || pointer.len() >= claviger_shared::codec::json::MAX_SHOWN_POINTER
    {
        return;
    }
    let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
    assert!(document.pointer(parent).is_some(), "{error} leads nowhere");
}

/// A manifest by itself.
pub fn manifest(data: &[u8]) {
    match Manifest::parse(data) {
        Ok(manifest) => {
            let again = Manifest::parse(data).unwrap();
            assert_eq!(format!("{manifest:?}"), format!("{again:?}"));
            assert!(manifest.threshold > 0 && !manifest.owners.is_empty());
        }
        Err(error) => told(&error, data),
    }
}

/// A chain file: written back as it was read, and verified only as far as the owners signed it.
pub fn chain(data: &[u8]) {
    let links = match Chain::parse_file(data) {
        Ok(links) => links,
        Err(error) => return told(&error, data),
    };
    assert_eq!(
        Chain::parse_file(Chain::to_file(&links).as_bytes()).unwrap(),
        links
    );
    let (ours, theirs) = (
        Chain::verify(&links, &AwsLc),
        Chain::verify(&links, &RingVerifier),
    );
    assert_eq!(ours.is_ok(), theirs.is_ok(), "two libraries differ");
    match ours {
        Ok(chain) => {
            let honest = &context().links;
            // Another g0 is another deployment: only its own owners' signatures are asked for.
            if chain.fingerprint() == context().chain.fingerprint() {
                for (link, honest) in links.iter().zip(honest) {
                    assert_eq!(
                        link.body, honest.body,
                        "a manifest was taken that nobody signed"
                    );
                }
                assert!(links.len() <= honest.len());
            }
        }
        Err(error) => assert!(
            CODES.contains(&error.code()) && error.pointer().starts_with("/manifests"),
            "{error}"
        ),
    }
}

/// A catalog: what is accepted survives the codec that keeps it.
pub fn catalog(data: &[u8]) {
    match Catalog::parse(data) {
        Ok(catalog) => {
            let bytes = cbor::encode(&catalog).unwrap();
            assert_eq!(
                cbor::decode_many::<Catalog>(&bytes, 8 << 20, u64::MAX).unwrap(),
                catalog
            );
            for resource in catalog.resources.values() {
                assert!(!resource.routes.is_empty());
            }
        }
        Err(error) => told(&error, data),
    }
}

/// A grant: what is accepted is written and read back as the same grant, and has an end and a budget of calls.
pub fn grant(data: &[u8]) {
    match Grant::parse(data) {
        Ok(grant) => {
            let text = grant.to_json().to_string();
            assert_eq!(Grant::parse(text.as_bytes()).unwrap(), grant, "{text}");
            let bytes = cbor::encode(&grant).unwrap();
            assert_eq!(
                cbor::decode_many::<Grant>(&bytes, 1 << 20, u64::MAX).unwrap(),
                grant
            );
            assert!(grant.not_before < grant.expires_at);
            assert!(grant.budgets.iter().all(|budget| budget.max.0 > 0));
            assert!(
                grant
                    .budgets
                    .iter()
                    .any(|budget| budget.unit.as_str() == "call")
            );
        }
        Err(error) => told(&error, data),
    }
}

/// A command: a stop is never a permission, and nobody's signature makes it anybody's.
pub fn command(data: &[u8]) {
    match Command::parse(data) {
        Ok(command) => {
            assert!(
                data.len() <= MAX_COMMAND
                    && command.seq > 0
                    && command.issued_at < command.not_after
            );
            let manifest = context().chain.newest();
            let forged = verify_signers(
                command.chain,
                data,
                &["x".to_owned()],
                manifest,
                &RingVerifier,
            );
            assert_eq!(forged.unwrap_err().code(), Error::SIGNATURE);
            assert!(verify_signers(command.chain, data, &[], manifest, &RingVerifier).is_err());
            assert!(command.chain == CommandChain::Widen || command.lifts.is_empty());
        }
        Err(error) => told(&error, data),
    }
}

/// Public key lines and private key files: one form.
pub fn ssh_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match PublicKey::parse_line(text) {
        Ok(key) => {
            let line = key.to_string();
            assert!(text.starts_with(&line), "another line than {line}");
            assert_eq!(PublicKey::parse_line(&line).unwrap(), key);
            assert!(key.point().is_some());
        }
        Err(error) => assert_eq!(error.code(), Error::MALFORMED),
    }
    match PrivateKey::parse(text) {
        Ok(key) => {
            let again = PrivateKey::parse(&key.format("x")).unwrap();
            assert_eq!(
                (again.point, again.seed.expose()),
                (key.point, key.seed.expose())
            );
            assert_eq!(format!("{:?}", key.seed), "Seed");
        }
        Err(error) => assert_eq!(error.code(), Error::MALFORMED),
    }
}

/// An armoured signature: two libraries agree, and no key signs that did not.
pub fn sshsig(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let ours = sshsig::verify(text, NAMESPACE_COMMAND, MESSAGE, &AwsLc);
    let theirs = sshsig::verify(text, NAMESPACE_COMMAND, MESSAGE, &RingVerifier);
    assert_eq!(ours, theirs, "two libraries differ");
    if let Ok(key) = ours {
        let line = std::fs::read_to_string(super::folder().join("context/signer.pub")).unwrap();
        assert_eq!(
            key,
            PublicKey::parse_line(line.trim()).unwrap(),
            "a key signed that never did"
        );
        assert!(sshsig::verify(text, "another", MESSAGE, &AwsLc).is_err());
        assert!(sshsig::verify(text, NAMESPACE_COMMAND, b"another", &AwsLc).is_err());
    }
}

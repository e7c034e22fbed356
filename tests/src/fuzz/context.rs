//! One deployment's papers, made once by [`super::samples`] and kept in `tests/fuzz/context`: what honest parties signed.
//!
//! With them a target can say more than that nothing stops: whatever is accepted under these keys was signed with them.

use claviger_shared::{
    codec::cbor,
    log::{checkpoint::LogKey, record::Record},
    owner::manifest::chain::Chain,
    wire::{control::Signed, storage::Entries},
};
use claviger_verify::{
    attestation::{self, At, Document, Root},
    ring_verifier::RingVerifier,
};
use std::sync::{Arc, LazyLock};

/// What the deployment's honest parties made.
#[derive(Debug)]
pub struct Context {
    /// The signed manifests.
    pub links: Vec<Signed>,
    /// Their chain.
    pub chain: Arc<Chain>,
    /// The log's key.
    pub log_key: LogKey,
    /// The whole log.
    pub entries: Entries,
    /// Its records, by their bytes.
    pub records: Vec<(Vec<u8>, Record)>,
    /// The attestation root.
    pub root: Root,
    /// The documents that were made.
    pub documents: Vec<Document>,
    /// The public key that the sample of a KMS reply is for.
    pub recipient: Vec<u8>,
}

static CONTEXT: LazyLock<Context> = LazyLock::new(load);

/// The context.
#[must_use]
pub fn context() -> &'static Context {
    &CONTEXT
}

fn file(name: &str) -> Vec<u8> {
    let path = super::folder().join("context").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn load() -> Context {
    let links = Chain::parse_file(&file("manifests.json")).unwrap();
    let chain = Chain::verify(&links, &RingVerifier).unwrap();
    let vkey = String::from_utf8(file("log.vkey")).unwrap();
    let entries: Entries = cbor::decode(&file("entries.cbor"), 1 << 20).unwrap();
    let each = entries.entries.iter().flat_map(|entry| &entry.records);
    let records = each
        .map(|bytes| (bytes.to_vec(), Record::decode(bytes).unwrap()))
        .collect();
    let root = Root::Pinned(file("attestation-root.der"));
    let documents = ["document-kms.cbor", "document-channel.cbor"];
    let documents = documents.map(|name| {
        attestation::verify_at(&file(name), &root, At::Own)
            .unwrap()
            .into_document()
    });
    let recipient = documents[0].public_key().unwrap().to_vec();
    Context {
        links,
        chain: Arc::new(chain),
        log_key: LogKey::parse(vkey.trim()).unwrap(),
        entries,
        records,
        root,
        documents: documents.to_vec(),
        recipient,
    }
}

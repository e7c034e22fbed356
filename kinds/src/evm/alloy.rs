//! What is signed, read by another client library (alloy): the same members, hash and sender, and bytes that it writes alike.
//!
//! Nothing of ours is used but the bytes; transactions come from the property tests, which ask this of every one signed.

use alloy_consensus::{Transaction, TxEnvelope, TxType, transaction::SignerRecoverable};
use alloy_dyn_abi::TypedData;
use alloy_eips::{Decodable2718, Encodable2718};

/// A signed transaction's members.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) typed: bool,
    pub(super) chain: u64,
    pub(super) nonce: u64,
    pub(super) price: u128,
    pub(super) priority: Option<u128>,
    pub(super) gas: u64,
    pub(super) to: [u8; 20],
    pub(super) value: [u8; 32],
    pub(super) data: Vec<u8>,
    pub(super) hash: String,
    pub(super) sender: [u8; 20],
}

/// Reads a transaction; nothing for what it does not take, would write otherwise, or has as another type.
pub(super) fn read(raw: &[u8]) -> Option<Read> {
    let mut rest = raw;
    let read = TxEnvelope::decode_2718(&mut rest).ok()?;
    if !rest.is_empty() || read.encoded_2718() != raw {
        return None;
    }
    let typed = match read.tx_type() {
        TxType::Legacy => false,
        TxType::Eip1559 => true,
        TxType::Eip2930 | TxType::Eip4844 | TxType::Eip7702 => return None,
    };
    assert!(read.access_list().is_none_or(|list| list.0.is_empty()));
    assert!(read.authorization_list().is_none() && read.blob_versioned_hashes().is_none());
    Some(Read {
        typed,
        chain: read.chain_id()?,
        nonce: read.nonce(),
        price: read.max_fee_per_gas(),
        priority: read.max_priority_fee_per_gas(),
        gas: read.gas_limit(),
        to: read.to()?.into(),
        value: read.value().to_be_bytes(),
        data: read.input().to_vec(),
        hash: format!("{:?}", read.tx_hash()),
        // Not the unchecked one: `s` is in the lower half (EIP-2).
        sender: read.recover_signer().ok()?.into(),
    })
}

/// The hash of typed data that is signed, from its JSON alone.
pub(super) fn typed_hash(text: &str) -> [u8; 32] {
    let read: TypedData =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let hash = read.eip712_signing_hash();
    hash.unwrap_or_else(|error| panic!("{error}: {text}"))
        .into()
}

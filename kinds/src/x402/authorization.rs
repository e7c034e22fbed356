//! A signed transfer of a token (EIP-3009), as typed data (EIP-712): the very bytes that a token's contract checks.
//!
//! Everything of it is a number, an address or a word: no text of a server's is in it. It knows no grant and no route.

use claviger_shared::{catalog::DomainName, chain::Address, crypto::keccak::keccak256, id::to_hex};
use serde_json::{Value, json};

/// Keccak-256 of `EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)`.
pub const DOMAIN_TYPE: [u8; 32] = [
    0x8b, 0x73, 0xc3, 0xc6, 0x9b, 0xb8, 0xfe, 0x3d, 0x51, 0x2e, 0xcc, 0x4c, 0xf7, 0x59, 0xcc, 0x79,
    0x23, 0x9f, 0x7b, 0x17, 0x9b, 0x0f, 0xfa, 0xca, 0xa9, 0xa7, 0x5d, 0x52, 0x2b, 0x39, 0x40, 0x0f,
];
/// Keccak-256 of `TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)`
/// (EIP-3009).
pub const TRANSFER_TYPE: [u8; 32] = [
    0x7c, 0x7c, 0x6c, 0xdb, 0x67, 0xa1, 0x87, 0x43, 0xf4, 0x9e, 0xc6, 0xfa, 0x9b, 0x35, 0xf5, 0x0d,
    0x52, 0xed, 0x05, 0xcb, 0xed, 0x4c, 0xc5, 0x92, 0xe1, 0x3b, 0x44, 0x50, 0x1c, 0x1a, 0x22, 0x67,
];
/// What typed data begins with (EIP-712, EIP-191 version 1).
const PREFIX: [u8; 2] = [0x19, 0x01];

/// One transfer, for one time, from one account to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who pays: the account of the key that signs.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, in the token's smallest part.
    pub value: u128,
    /// Seconds since the epoch after which a block takes it.
    pub valid_after: u64,
    /// Seconds since the epoch before which a block takes it.
    pub valid_before: u64,
    /// Taken once by the contract, for this payer.
    pub nonce: [u8; 32],
    /// Which contract on which chain: the separator of its domain.
    pub domain: [u8; 32],
}

impl Authorization {
    /// The bytes whose Keccak-256 is signed.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        let hash = keccak256(&[
            &TRANSFER_TYPE,
            &self.from.word(),
            &self.to.word(),
            &word(&self.value.to_be_bytes()),
            &word(&self.valid_after.to_be_bytes()),
            &word(&self.valid_before.to_be_bytes()),
            &self.nonce,
        ]);
        [PREFIX.as_slice(), &self.domain, &hash].concat()
    }

    /// As the payload of a payment has it, all of it text.
    #[must_use]
    pub fn shown(&self) -> Value {
        json!({
            "from": self.from,
            "to": self.to,
            "value": self.value.to_string(),
            "validAfter": self.valid_after.to_string(),
            "validBefore": self.valid_before.to_string(),
            "nonce": format!("0x{}", to_hex(&self.nonce)),
        })
    }
}

/// The separator of a token contract's domain.
#[must_use]
pub fn domain(name: &DomainName, chain: u64, contract: &Address) -> [u8; 32] {
    keccak256(&[
        &DOMAIN_TYPE,
        &keccak256(&[name.name.as_bytes()]),
        &keccak256(&[name.version.as_bytes()]),
        &word(&chain.to_be_bytes()),
        &contract.word(),
    ])
}

/// A number as a word, from its big-endian bytes.
fn word(number: &[u8]) -> [u8; 32] {
    let mut word = [0; 32];
    for (to, from) in word.iter_mut().rev().zip(number.iter().rev()) {
        *to = *from;
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::crypto::secp256k1::recover;

    #[test]
    fn the_types_hashes_are_those_of_their_texts() {
        let domain =
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        assert_eq!(keccak256(&[domain.as_bytes()]), DOMAIN_TYPE);
        let transfer = "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";
        assert_eq!(keccak256(&[transfer.as_bytes()]), TRANSFER_TYPE);
    }

    #[test]
    fn the_payer_of_the_specifications_example_is_recovered() {
        // x402, specs/schemes/exact/scheme_exact_evm.md (Apache-2.0), whose domain is USDC's on Base Sepolia.
        let address = |text| Address::parse(text).unwrap();
        let name = DomainName {
            name: "USDC".into(),
            version: "2".into(),
        };
        let contract = address("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
        let payer = address("0x857b06519E91e3A54538791bDbb0E22373e36b66");
        let nonce = "f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480";
        let signature = "2d6a7588d6acca505cbf0d9a4a227e0c52c6c34008c8e8986a1283259764173608a2ce6496642e377d6da8dbbf5836e9bd15092f9ecab05ded3d6293af148b57";
        let authorization = Authorization {
            from: payer,
            to: address("0x209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: 10_000,
            valid_after: 1_740_672_089,
            valid_before: 1_740_672_154,
            nonce: hex::decode(nonce).unwrap().try_into().unwrap(),
            domain: domain(&name, 84_532, &contract),
        };
        let mut signed = hex::decode(signature).unwrap();
        signed.push(0x1c - 27);
        let signed: [u8; 65] = signed.try_into().unwrap();
        let who = |authorization: &Authorization| {
            let public = recover(&keccak256(&[&authorization.message()]), &signed)?;
            Address::of_public_key(&public)
        };
        assert_eq!(who(&authorization), Some(payer));
        let more = Authorization {
            value: 10_001,
            ..authorization
        };
        assert_ne!(who(&more), Some(payer));
    }
}

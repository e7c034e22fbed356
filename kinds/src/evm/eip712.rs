//! Hashes of typed structured data (EIP-712): types, structures, lists, domains.
//!
//! Each structure is its type's hash and one word for each member. What the members mean, and whether they may be signed,
//! is not decided here.

use claviger_shared::{
    chain::{Address, Word},
    crypto::keccak::keccak256,
};

/// What stands before the two hashes that are signed (EIP-191, version 1).
const PREFIX: [u8; 2] = [0x19, 0x01];

/// A domain's members, in the standard's order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Domain<'a> {
    /// `name`.
    pub name: Option<&'a str>,
    /// `version`.
    pub version: Option<&'a str>,
    /// `chainId`.
    pub chain: Option<u64>,
    /// `verifyingContract`.
    pub contract: Option<Address>,
    /// `salt`.
    pub salt: Option<Word>,
}

/// The hash of a structure, from that of its type and its members' words.
#[must_use]
pub fn hash_struct(kind: &Word, members: &[Word]) -> Word {
    let mut parts: Vec<&[u8]> = vec![&kind.0];
    parts.extend(members.iter().map(|word| word.0.as_slice()));
    Word(keccak256(&parts))
}

/// The word of a text or of bytes, and of a type from its text.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> Word {
    Word(keccak256(&[bytes]))
}

/// The word of a list, from those of its elements.
#[must_use]
pub fn hash_list(elements: &[Word]) -> Word {
    let parts: Vec<_> = elements.iter().map(|word| word.0.as_slice()).collect();
    Word(keccak256(&parts))
}

impl Domain<'_> {
    /// Its type, of the members that are there.
    #[must_use]
    pub fn encoded_type(&self) -> String {
        let all = [
            (self.name.is_some(), "string name"),
            (self.version.is_some(), "string version"),
            (self.chain.is_some(), "uint256 chainId"),
            (self.contract.is_some(), "address verifyingContract"),
            (self.salt.is_some(), "bytes32 salt"),
        ];
        let there: Vec<_> = all
            .into_iter()
            .filter_map(|(there, text)| there.then_some(text))
            .collect();
        format!("EIP712Domain({})", there.join(","))
    }

    /// The domain separator.
    #[must_use]
    pub fn separator(&self) -> Word {
        let text = |text: Option<&str>| text.map(|text| hash_bytes(text.as_bytes()));
        let words = [
            text(self.name),
            text(self.version),
            self.chain.map(|chain| Word::from(u128::from(chain))),
            self.contract.map(|contract| Word(contract.word())),
            self.salt,
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        hash_struct(&hash_bytes(self.encoded_type().as_bytes()), &words)
    }
}

/// What is hashed and signed.
#[must_use]
pub fn message(separator: &Word, message: &Word) -> Vec<u8> {
    [PREFIX.as_slice(), &separator.0, &message.0].concat()
}

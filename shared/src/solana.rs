//! Solana: accounts by their address, which cluster is meant, and where the tokens of an owner are kept.
//!
//! A [`Pubkey`] says nothing about what is kept there, nor whether anybody has its key; what a mint is, the catalog's assets say.

use crate::{
    codec::base58,
    crypto::{edwards, sha256},
    id::parsed,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// An account: 32 bytes, a public key or what a program derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pubkey(pub [u8; 32]);

/// A text that is not an account's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address: 32 bytes in base58")]
pub struct BadPubkey;

/// The System program, whose address also stands for nobody.
pub const SYSTEM: Pubkey = Pubkey([0; 32]);
/// The Token program, `TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA`.
pub const TOKEN: Pubkey = Pubkey([
    0x06, 0xdd, 0xf6, 0xe1, 0xd7, 0x65, 0xa1, 0x93, 0xd9, 0xcb, 0xe1, 0x46, 0xce, 0xeb, 0x79, 0xac,
    0x1c, 0xb4, 0x85, 0xed, 0x5f, 0x5b, 0x37, 0x91, 0x3a, 0x8c, 0xf5, 0x85, 0x7e, 0xff, 0x00, 0xa9,
]);
/// The Token-2022 program, `TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb`.
pub const TOKEN_2022: Pubkey = Pubkey([
    0x06, 0xdd, 0xf6, 0xe1, 0xee, 0x75, 0x8f, 0xde, 0x18, 0x42, 0x5d, 0xbc, 0xe4, 0x6c, 0xcd, 0xda,
    0xb6, 0x1a, 0xfc, 0x4d, 0x83, 0xb9, 0x0d, 0x27, 0xfe, 0xbd, 0xf9, 0x28, 0xd8, 0xa1, 0x8b, 0xfc,
]);
/// The Associated Token Account program, `ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL`.
pub const ASSOCIATED_TOKEN: Pubkey = Pubkey([
    0x8c, 0x97, 0x25, 0x8f, 0x4e, 0x24, 0x89, 0xf1, 0xbb, 0x3d, 0x10, 0x29, 0x14, 0x8e, 0x0d, 0x83,
    0x0b, 0x5a, 0x13, 0x99, 0xda, 0xff, 0x10, 0x84, 0x04, 0x8e, 0x7b, 0xd8, 0xdb, 0xe9, 0xf8, 0x59,
]);
/// The Compute Budget program, `ComputeBudget111111111111111111111111111111`.
pub const COMPUTE_BUDGET: Pubkey = Pubkey([
    0x03, 0x06, 0x46, 0x6f, 0xe5, 0x21, 0x17, 0x32, 0xff, 0xec, 0xad, 0xba, 0x72, 0xc3, 0x9b, 0xe7,
    0xbc, 0x8c, 0xe5, 0xbb, 0xc5, 0xf7, 0x12, 0x6b, 0x2c, 0x43, 0x9b, 0x3a, 0x40, 0x00, 0x00, 0x00,
]);
/// The Memo program, version 2, `MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr`.
pub const MEMO: Pubkey = Pubkey([
    0x05, 0x4a, 0x53, 0x5a, 0x99, 0x29, 0x21, 0x06, 0x4d, 0x24, 0xe8, 0x71, 0x60, 0xda, 0x38, 0x7c,
    0x7c, 0x35, 0xb5, 0xdd, 0xbc, 0x92, 0xbb, 0x81, 0xe4, 0x1f, 0xa8, 0x40, 0x41, 0x05, 0x44, 0x8d,
]);
/// What the hash of a program's account ends with (Solana documentation, "Program Derived Address").
const DERIVED: &[u8] = b"ProgramDerivedAddress";

impl Pubkey {
    /// Reads base58.
    ///
    /// # Errors
    ///
    /// [`BadPubkey`].
    pub fn parse(text: &str) -> Result<Self, BadPubkey> {
        let bytes = base58::decode(text).ok_or(BadPubkey)?;
        Ok(Self(bytes.try_into().map_err(|_| BadPubkey)?))
    }

    /// Of a raw Ed25519 public key; nothing for another length.
    #[must_use]
    pub fn of_public_key(public: &[u8]) -> Option<Self> {
        Some(Self(public.try_into().ok()?))
    }

    /// Where an owner's tokens of a mint are kept by convention: the account that the Associated Token Account program derives for
    /// the three. Nothing where no bump gives one, which has never been seen.
    #[must_use]
    pub fn associated(owner: &Self, mint: &Self, program: TokenProgram) -> Option<Self> {
        // The first hash from 255 downwards that is no point: nobody can have its key.
        (0..=u8::MAX).rev().find_map(|bump| {
            let hash = sha256(&[
                &owner.0,
                &program.address().0,
                &mint.0,
                &[bump],
                &ASSOCIATED_TOKEN.0,
                DERIVED,
            ]);
            (!edwards::is_point(&hash.0)).then_some(Self(hash.0))
        })
    }
}

impl fmt::Display for Pubkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base58::encode(&self.0))
    }
}

impl Serialize for Pubkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pubkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

/// The program that keeps a mint's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenProgram {
    /// The first.
    #[serde(rename = "token")]
    Token,
    /// The one with extensions.
    #[serde(rename = "token-2022")]
    Token2022,
}

impl TokenProgram {
    /// The word of catalogs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Token2022 => "token-2022",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Token, Self::Token2022];
        all.into_iter().find(|one| one.as_str() == text)
    }

    /// Its address.
    #[must_use]
    pub const fn address(self) -> Pubkey {
        match self {
            Self::Token => TOKEN,
            Self::Token2022 => TOKEN_2022,
        }
    }

    /// The least rent of an account that holds its tokens, in lamports: 6960 for each of its bytes and of 128 more (165 bytes, and with
    /// the one extension that every associated account of Token-2022 has, 170).
    #[must_use]
    pub const fn least_rent(self) -> u64 {
        match self {
            Self::Token => 2_039_280,
            Self::Token2022 => 2_074_080,
        }
    }
}

/// Which network, by the beginning of its genesis hash (CAIP-2, namespace `solana`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// Where lamports are worth something.
    Mainnet,
    /// For programs that are written.
    Devnet,
    /// For validators that are tried.
    Testnet,
}

/// A text that names no cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cluster: `solana:` and the beginning of a genesis hash (CAIP-2)")]
pub struct BadCluster;

impl Cluster {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Mainnet, Self::Devnet, Self::Testnet];

    /// Its name (CAIP-2).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
            Self::Devnet => "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
            Self::Testnet => "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z",
        }
    }

    /// Reads the name.
    ///
    /// # Errors
    ///
    /// [`BadCluster`].
    pub fn parse(text: &str) -> Result<Self, BadCluster> {
        let mut all = Self::ALL.into_iter();
        all.find(|one| one.as_str() == text).ok_or(BadCluster)
    }

    /// An account there, for people and records (CAIP-10).
    #[must_use]
    pub fn account(self, of: &Pubkey) -> String {
        format!("{}:{of}", self.as_str())
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Cluster {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Cluster {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_the_addresses_they_are_known_by() {
        for (program, text) in [
            (SYSTEM, "11111111111111111111111111111111"),
            (TOKEN, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"),
            (TOKEN_2022, "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"),
            (
                ASSOCIATED_TOKEN,
                "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",
            ),
            (
                COMPUTE_BUDGET,
                "ComputeBudget111111111111111111111111111111",
            ),
            (MEMO, "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
        ] {
            assert_eq!(program.to_string(), text);
            assert_eq!(Pubkey::parse(text), Ok(program));
        }
    }

    #[test]
    fn only_thirty_two_bytes_are_an_address() {
        for text in ["", "1", "111111111111111111111111111111111", "0x00"] {
            assert_eq!(Pubkey::parse(text), Err(BadPubkey), "{text}");
        }
    }

    #[test]
    fn a_cluster_has_one_name() {
        for cluster in Cluster::ALL {
            assert_eq!(Cluster::parse(cluster.as_str()), Ok(cluster));
        }
        for text in [
            "solana:mainnet",
            "solana",
            "mainnet",
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
        ] {
            assert_eq!(Cluster::parse(text), Err(BadCluster), "{text}");
        }
    }

    /// tests/vectors/solana: accounts that another implementation derived.
    #[test]
    fn tokens_are_kept_where_others_look_for_them() {
        let text = include_str!("../../tests/vectors/solana/associated.json");
        let table: serde_json::Value = serde_json::from_str(text).unwrap();
        let rows = table["accounts"].as_array().unwrap();
        assert!(rows.len() >= 64);
        for row in rows {
            let key = |name: &str| Pubkey::parse(row[name].as_str().unwrap()).unwrap();
            let program = TokenProgram::parse(row["program"].as_str().unwrap()).unwrap();
            let found = Pubkey::associated(&key("owner"), &key("mint"), program);
            assert_eq!(found, Some(key("account")), "{row}");
        }
    }
}

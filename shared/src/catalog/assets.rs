//! Assets: what a unit of account is on a chain, as owners say it once and for ever.
//!
//! A destination's word on what it wants to be paid in is never taken: domain, contract and decimals stand here.

use crate::{
    amount::Amount,
    chain::Address,
    effect::Env,
    solana::{Cluster, Pubkey, TokenProgram},
};
use serde::{Deserialize, Serialize};

/// A coin or token on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Live or sandbox, for ever; routes of the other environment do not name it.
    pub env: Env,
    /// The chain's id (EIP-155), from 1; zero for what is on a cluster of Solana, which `form` names.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub chain: u64,
    /// Digits behind the point of one whole; for people alone.
    pub decimals: u8,
    /// What it is there.
    pub form: AssetForm,
}

/// The chain's own coin, or a contract's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetForm {
    /// The coin that gas is paid in.
    Native {
        /// On chains that take a fee for data besides gas: the most that one transaction may be charged for it. Charged in
        /// full with every transaction; nothing signed bounds it.
        extra_fee_max: Option<Amount>,
    },
    /// A token.
    Token {
        /// Its contract.
        contract: Address,
        /// The name and version of its typed data (EIP-712), where it takes signed transfers (EIP-3009).
        eip712: Option<DomainName>,
    },
    /// What is on a cluster of Solana.
    Solana {
        /// The cluster.
        cluster: Cluster,
        /// The token; nothing for lamports.
        mint: Option<Mint>,
    },
    /// Tokens of which no two are alike, or of many sorts under one contract.
    Collection {
        /// Its contract.
        contract: Address,
        /// By which standard.
        standard: CollectionStandard,
    },
}

/// Standards of tokens of which no two are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectionStandard {
    /// Each token is one: one is charged for each.
    Erc721,
    /// So many of each id: so many are charged, whatever the id.
    Erc1155,
}

/// A token of Solana.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mint {
    /// The account that makes it.
    pub address: Pubkey,
    /// The program that keeps it.
    pub program: TokenProgram,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a contract names itself in typed data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainName {
    /// `name` of the domain.
    pub name: String,
    /// `version` of the domain.
    pub version: String,
}

impl Asset {
    /// Whether both are the same thing; the fee for data is a cap that owners may move.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same_form = match (&self.form, &other.form) {
            (AssetForm::Native { .. }, AssetForm::Native { .. }) => true,
            (a, b) => a == b,
        };
        same_form
            && (self.env, self.chain, self.decimals) == (other.env, other.chain, other.decimals)
    }

    /// Whether both names would stand for one thing.
    #[must_use]
    pub fn is_twin(&self, other: &Self) -> bool {
        match (&self.form, &other.form) {
            (
                AssetForm::Solana { cluster, mint },
                AssetForm::Solana {
                    cluster: on,
                    mint: of,
                },
            ) => {
                let address = |mint: &Option<Mint>| mint.map(|mint| mint.address);
                cluster == on && address(mint) == address(of)
            }
            (AssetForm::Solana { .. }, _) | (_, AssetForm::Solana { .. }) => false,
            (
                AssetForm::Native { .. } | AssetForm::Token { .. } | AssetForm::Collection { .. },
                _,
            ) => (self.chain, self.contract()) == (other.chain, other.contract()),
        }
    }

    /// The token's contract; nothing for a coin, nor for what is on Solana.
    #[must_use]
    pub const fn contract(&self) -> Option<Address> {
        match self.form {
            AssetForm::Native { .. } | AssetForm::Solana { .. } => None,
            AssetForm::Token { contract, .. } | AssetForm::Collection { contract, .. } => {
                Some(contract)
            }
        }
    }
}

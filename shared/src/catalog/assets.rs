//! Assets: what a unit of account is on a chain, as owners say it once and for ever.
//!
//! A destination's word on what it wants to be paid in is never taken: domain, contract and decimals stand here.

use crate::{amount::Amount, chain::Address, effect::Env};
use serde::{Deserialize, Serialize};

/// A coin or token on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Live or sandbox, for ever; routes of the other environment do not name it.
    pub env: Env,
    /// The chain's id (EIP-155).
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

    /// The token's contract; nothing for a coin.
    #[must_use]
    pub const fn contract(&self) -> Option<Address> {
        match self.form {
            AssetForm::Native { .. } => None,
            AssetForm::Token { contract, .. } | AssetForm::Collection { contract, .. } => {
                Some(contract)
            }
        }
    }
}

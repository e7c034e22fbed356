//! Routes of chains of the Ethereum family: what may be signed for a chain, and for whom.
//!
//! Having a route means that every account it pays is named, every unit it charges is an asset of its chain and
//! environment, and every argument or member has one rule. A rule that is missing is none that allows.

mod typed;

use super::Members;
use crate::{
    amount::Amount,
    chain::{AbiType, Address, Word},
    effect::Verb,
    id::Unit,
};
use serde::{Deserialize, Serialize};
pub(crate) use typed::MAX_DEPTH;
pub use typed::{EACH, ListType, MemberRule, MemberType, TypedData, TypedDomain, TypedMember};

/// What stands for a method where the chain's coin is sent.
pub const SEND: &str = "send";
/// What stands for a method where an account proves who it is.
pub const SIGN_IN: &str = "sign-in";

/// What may be signed for one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmRoute {
    /// The chain's id (EIP-155).
    pub chain: u64,
    /// What is signed.
    pub signs: EvmSigns,
}

/// What a route signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvmSigns {
    /// A transaction that sends the chain's coin and nothing else.
    Coin(CoinTransfer),
    /// A transaction that calls a function of a token's standard.
    Token(TokenCall),
    /// A transaction that calls a function whose arguments the owner gave rules.
    Call(ContractCall),
    /// Typed data (EIP-712) of one form.
    TypedData(TypedData),
    /// A text that proves who the account is (EIP-4361).
    SignIn(SignIn),
}

/// The chain's coin, to accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoinTransfer {
    /// The coin's asset: what is sent and what gas is paid in.
    pub coin: Unit,
    /// To these alone.
    pub to: Vec<Address>,
}

/// A call of a standard's function on a token that is an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenCall {
    /// The coin's asset: what gas is paid in.
    pub coin: Unit,
    /// The token's asset: what is charged.
    pub unit: Unit,
    /// The token's contract.
    pub contract: Address,
    /// Which function.
    pub function: TokenFunction,
    /// Of functions that move what an account holds: these accounts alone; of others none.
    pub from: Vec<Address>,
    /// Who gets it, or gets to spend it: these alone.
    pub to: Vec<Address>,
    /// Of tokens of which no two are alike: which; in decimal digits. None of others.
    pub token_id: Option<Members>,
}

/// Functions of the standards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFunction {
    /// ERC-20: `transfer(address,uint256)`.
    Transfer,
    /// ERC-20: `transferFrom(address,address,uint256)`.
    TransferFrom,
    /// ERC-20: `approve(address,uint256)`.
    Approve,
    /// Of many ERC-20 contracts: `increaseAllowance(address,uint256)`.
    IncreaseAllowance,
    /// ERC-721: `transferFrom(address,address,uint256)`.
    TransferOneFrom,
    /// ERC-721: `safeTransferFrom(address,address,uint256)`.
    SafeTransferOneFrom,
    /// ERC-1155: `safeTransferFrom(address,address,uint256,uint256,bytes)`, the bytes none.
    SafeTransferSomeFrom,
}

impl TokenFunction {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Transfer,
        Self::TransferFrom,
        Self::Approve,
        Self::IncreaseAllowance,
        Self::TransferOneFrom,
        Self::SafeTransferOneFrom,
        Self::SafeTransferSomeFrom,
    ];

    /// Name and types of arguments, as they are hashed for the selector (Solidity ABI).
    #[must_use]
    pub const fn signature(self) -> &'static str {
        match self {
            Self::Transfer => "transfer(address,uint256)",
            Self::TransferFrom | Self::TransferOneFrom => "transferFrom(address,address,uint256)",
            Self::Approve => "approve(address,uint256)",
            Self::IncreaseAllowance => "increaseAllowance(address,uint256)",
            Self::SafeTransferOneFrom => "safeTransferFrom(address,address,uint256)",
            Self::SafeTransferSomeFrom => "safeTransferFrom(address,address,uint256,uint256,bytes)",
        }
    }

    /// The first four bytes of the signature's Keccak-256.
    #[must_use]
    pub const fn selector(self) -> [u8; 4] {
        match self {
            Self::Transfer => [0xa9, 0x05, 0x9c, 0xbb],
            Self::TransferFrom | Self::TransferOneFrom => [0x23, 0xb8, 0x72, 0xdd],
            Self::Approve => [0x09, 0x5e, 0xa7, 0xb3],
            Self::IncreaseAllowance => [0x39, 0x50, 0x93, 0x51],
            Self::SafeTransferOneFrom => [0x42, 0x84, 0x2e, 0x0e],
            Self::SafeTransferSomeFrom => [0xf2, 0x42, 0x43, 0x2a],
        }
    }

    /// The name alone.
    #[must_use]
    pub fn name(self) -> &'static str {
        let signature = self.signature();
        signature.split('(').next().unwrap_or(signature)
    }

    /// Whether it moves what a named account holds.
    #[must_use]
    pub const fn has_from(self) -> bool {
        match self {
            Self::Transfer | Self::Approve | Self::IncreaseAllowance => false,
            Self::TransferFrom
            | Self::TransferOneFrom
            | Self::SafeTransferOneFrom
            | Self::SafeTransferSomeFrom => true,
        }
    }

    /// Whether it lets somebody else spend later.
    #[must_use]
    pub const fn is_allowance(self) -> bool {
        matches!(self, Self::Approve | Self::IncreaseAllowance)
    }
}

/// A call of a function that is of no standard built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractCall {
    /// The coin's asset: what gas, and value that is sent along, are paid in.
    pub coin: Unit,
    /// The contract.
    pub contract: Address,
    /// The function's name.
    pub function: String,
    /// Its arguments, in order; in place of a tuple the parts of it, and of them.
    pub arguments: Vec<Argument>,
    /// Where there is a tuple among them: the types of its arguments. Else they are those of `arguments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<AbiType>>,
    /// Whether coin may be sent along.
    pub payable: bool,
    /// What it does, in the words of `permissions`.
    pub verb: Verb,
}

impl ContractCall {
    /// Name and types of arguments, as they are hashed for the selector (Solidity ABI).
    #[must_use]
    pub fn signature(&self) -> String {
        let types: Vec<_> = self.types().map(ToString::to_string).collect();
        format!("{}({})", self.function, types.join(","))
    }

    /// The types of its arguments.
    pub fn types(&self) -> impl Iterator<Item = &AbiType> + Clone {
        let whole = self.types.iter().flatten();
        let own = self.arguments.iter().map(|one| &one.of);
        whole.chain(own.filter(|_| self.types.is_none()))
    }
}

/// One argument of a call, or a part of a tuple: no tuple is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argument {
    /// Its name as a parameter, for `only`; nothing for none.
    pub name: Option<String>,
    /// Its type.
    #[serde(rename = "atom")]
    pub of: AbiType,
    /// What it may be; of a list, what each element may be.
    pub rule: ValueRule,
}

/// What one value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueRule {
    /// Anything of its type.
    Any,
    /// One of these.
    Listed(Vec<Word>),
    /// A number up to this one.
    Most(Word),
    /// An amount that is charged.
    Charge {
        /// In this unit.
        unit: Unit,
        /// And up to this much at once; of a list, of all its elements together.
        most: Option<Amount>,
    },
    /// Of texts and bytes: one of these; bytes as `0x` and hexadecimal digits in lower case.
    Texts(Vec<String>),
}

/// Texts that prove who an account is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The authority that asks: host, and port where it is not the usual one.
    pub domain: String,
    /// What is signed in to, exactly.
    pub uri: String,
    /// Statements that may stand in it; none means that none may.
    pub statements: Vec<String>,
    /// Resources that may stand in it.
    pub resources: Vec<String>,
    /// What it does, in the words of `permissions`.
    pub verb: Verb,
}

impl EvmRoute {
    /// The coin's asset, where a transaction is signed.
    #[must_use]
    pub const fn coin(&self) -> Option<&Unit> {
        match &self.signs {
            EvmSigns::Coin(CoinTransfer { coin, .. })
            | EvmSigns::Token(TokenCall { coin, .. })
            | EvmSigns::Call(ContractCall { coin, .. }) => Some(coin),
            EvmSigns::TypedData(_) | EvmSigns::SignIn(_) => None,
        }
    }

    /// The contract that is called, or that reads the typed data.
    #[must_use]
    pub const fn contract(&self) -> Option<&Address> {
        match &self.signs {
            EvmSigns::Coin(_) | EvmSigns::SignIn(_) => None,
            EvmSigns::Token(TokenCall { contract, .. })
            | EvmSigns::Call(ContractCall { contract, .. }) => Some(contract),
            EvmSigns::TypedData(typed) => Some(&typed.domain.contract),
        }
    }

    /// What is called, or stands for it: `transfer`, `deposit(uint256)`.
    #[must_use]
    pub fn method(&self) -> &str {
        match &self.signs {
            EvmSigns::Coin(_) => SEND,
            EvmSigns::Token(token) => token.function.name(),
            EvmSigns::Call(call) => &call.function,
            EvmSigns::TypedData(typed) => &typed.primary_type,
            EvmSigns::SignIn(_) => SIGN_IN,
        }
    }

    /// Units that are charged, coin first; each once.
    #[must_use]
    pub fn units(&self) -> Vec<&Unit> {
        let mut units: Vec<_> = self.coin().into_iter().collect();
        match &self.signs {
            EvmSigns::Coin(_) | EvmSigns::SignIn(_) => {}
            EvmSigns::TypedData(typed) => {
                units.extend(typed.members.values().filter_map(MemberRule::unit));
            }
            EvmSigns::Token(token) => units.push(&token.unit),
            EvmSigns::Call(call) => {
                units.extend(call.arguments.iter().filter_map(|one| one.rule.unit()));
            }
        }
        let mut once = Vec::new();
        for unit in units {
            if !once.contains(&unit) {
                once.push(unit);
            }
        }
        once
    }

    /// Verbs that something it signs can have.
    #[must_use]
    pub fn verbs(&self) -> Vec<Verb> {
        match &self.signs {
            EvmSigns::Coin(_) => vec![Verb::Write],
            EvmSigns::Token(token) if token.function == TokenFunction::Approve => {
                vec![Verb::Write, Verb::Delete]
            }
            EvmSigns::Token(_) => vec![Verb::Write],
            EvmSigns::Call(call) => vec![call.verb],
            EvmSigns::TypedData(typed) => vec![typed.verb],
            EvmSigns::SignIn(sign_in) => vec![sign_in.verb],
        }
    }
}

impl EvmRoute {
    /// Whether what it signs gives somebody a session: a sign-in's answer is one.
    #[must_use]
    pub const fn mints(&self) -> bool {
        matches!(self.signs, EvmSigns::SignIn(_))
    }

    /// Whether nothing ends what it signs but that something else takes its place.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        match &self.signs {
            EvmSigns::Coin(_) | EvmSigns::Token(_) | EvmSigns::Call(_) => true,
            EvmSigns::TypedData(typed) => !typed.has_deadline(),
            EvmSigns::SignIn(_) => false,
        }
    }
}

impl ValueRule {
    /// The unit that is charged, where one is.
    #[must_use]
    pub const fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Charge { unit, .. } => Some(unit),
            Self::Any | Self::Listed(_) | Self::Most(_) | Self::Texts(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::keccak::keccak256;

    #[test]
    fn selectors_are_those_of_their_signatures() {
        for function in TokenFunction::ALL {
            let hash = keccak256(&[function.signature().as_bytes()]);
            assert_eq!(hash[..4], function.selector(), "{function:?}");
        }
    }
}

//! Routes of chains of the Ethereum family: what may be signed for a chain, and for whom.
//!
//! Having a route means that every account it pays is named, every unit it charges is an asset of its chain and
//! environment, and every argument or member has one rule. A rule that is missing is none that allows.

use super::Members;
use crate::{
    amount::Amount,
    chain::{AbiType, Address, Atom, Word, abi},
    effect::Verb,
    id::{Unit, parsed},
    time::Millis,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// What stands for a method where the chain's coin is sent.
pub const SEND: &str = "send";
/// What stands for a method where an account proves who it is.
pub const SIGN_IN: &str = "sign-in";

/// What stands for the number of a list's element in the pointer of a rule: no member's name.
pub const EACH: &str = "*";

/// Structures and lists of typed data in one another at most.
pub(crate) const MAX_DEPTH: usize = 8;

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

/// The form of typed data, and what each of its members may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedData {
    /// Who reads it.
    pub domain: TypedDomain,
    /// The type of the whole.
    pub primary_type: String,
    /// Every structure, by name; each is part of the whole.
    pub types: BTreeMap<String, Vec<TypedMember>>,
    /// One rule for each value, by its JSON pointer in the message; elements of a list have `*` for their number.
    pub members: BTreeMap<String, MemberRule>,
    /// How far ahead a deadline may be.
    pub longest: Millis,
    /// Whether charges may be made though nothing makes it single use.
    pub replayable: bool,
    /// What it does, in the words of `permissions`.
    pub verb: Verb,
}

/// Who reads typed data; its chain is the route's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedDomain {
    /// `name`, where the contract has one.
    pub name: Option<String>,
    /// `version`, where the contract has one.
    pub version: Option<String>,
    /// `verifyingContract`.
    pub contract: Address,
    /// `salt`, where the contract has one.
    pub salt: Option<Word>,
}

/// A member of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedMember {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: MemberType,
}

/// Types of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberType {
    /// One word.
    Atom(Atom),
    /// `bytes`.
    Bytes,
    /// `string`.
    String,
    /// A structure.
    Struct(String),
    /// `T[]`, or `T[k]`.
    List(ListType),
}

/// A list of typed data. It is kept as its name, which nests no deeper however its lists do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListType {
    /// What each of its elements is.
    pub of: Box<MemberType>,
    /// How many, where the type says so.
    pub count: Option<u16>,
}

/// What a member's value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRule {
    /// Any text or bytes.
    AnyText,
    /// The number of seconds since the epoch when the reader no longer takes it.
    Deadline,
    /// Whatever makes it single use for its reader.
    Nonce,
    /// One of these texts; bytes as `0x` and hexadecimal digits in lower case.
    Texts(Vec<String>),
    /// Of a value of one word.
    Value(ValueRule),
}

impl TypedData {
    /// A structure's type as it is hashed (EIP-712, `encodeType`): itself, then what it is made of by name.
    #[must_use]
    pub fn encode_type(&self, name: &str) -> String {
        let mut names = BTreeSet::new();
        self.collect(name, &mut names);
        names.remove(name);
        let all = std::iter::once(name).chain(names);
        all.map(|name| self.own_type(name)).collect()
    }

    fn own_type(&self, name: &str) -> String {
        let members = self.types.get(name).into_iter().flatten();
        let members = members.map(|one| format!("{} {}", one.of, one.name));
        let members: Vec<_> = members.collect();
        format!("{name}({})", members.join(","))
    }

    /// A structure and all that it is made of.
    pub(crate) fn collect<'a>(&'a self, name: &'a str, into: &mut BTreeSet<&'a str>) {
        if !into.insert(name) {
            return;
        }
        for member in self.types.get(name).into_iter().flatten() {
            if let MemberType::Struct(name) = member.of.element() {
                self.collect(name, into);
            }
        }
    }

    /// The type of what a rule's pointer stands for: a member, an element of a list, or one in these.
    #[must_use]
    pub fn type_at(&self, pointer: &str) -> Option<&MemberType> {
        let member = |name: &str, part: &str| {
            let mut members = self.types.get(name)?.iter();
            members.find(|one| one.name == part).map(|one| &one.of)
        };
        let mut parts = pointer.strip_prefix('/')?.split('/');
        let first = member(&self.primary_type, parts.next()?)?;
        parts.try_fold(first, |of, part| match of {
            MemberType::Struct(name) => member(name, part),
            MemberType::List(list) if part == EACH => Some(&*list.of),
            MemberType::List(_) | MemberType::Atom(_) | MemberType::Bytes | MemberType::String => {
                None
            }
        })
    }

    /// Whether its reader takes it once.
    #[must_use]
    pub fn is_single_use(&self) -> bool {
        self.members.values().any(|rule| *rule == MemberRule::Nonce)
    }

    /// Whether a deadline ends it.
    #[must_use]
    pub fn has_deadline(&self) -> bool {
        self.members
            .values()
            .any(|rule| *rule == MemberRule::Deadline)
    }
}

impl MemberType {
    /// Reads a type's name, at most so many lists in one another; what is none of EIP-712's own types is a structure's.
    pub(crate) fn parse(text: &str, depth: usize) -> Option<Self> {
        if let Some((of, count)) = abi::list_of(text) {
            let of = Box::new(Self::parse(of, depth.checked_sub(1)?)?);
            return Some(Self::List(ListType { of, count }));
        }
        Some(match (text, Atom::parse(text)) {
            (_, Ok(atom)) => Self::Atom(atom),
            ("string", _) => Self::String,
            ("bytes", _) => Self::Bytes,
            (name, _) => Self::Struct(name.to_owned()),
        })
    }

    /// The type of one word that it is; nothing for others.
    #[must_use]
    pub const fn atom(&self) -> Option<Atom> {
        match self {
            Self::Atom(atom) => Some(*atom),
            Self::Bytes | Self::String | Self::Struct(_) | Self::List(_) => None,
        }
    }

    /// What its elements are, and theirs in turn; itself, where it is no list.
    #[must_use]
    pub fn element(&self) -> &Self {
        match self {
            Self::List(list) => list.of.element(),
            Self::Atom(_) | Self::Bytes | Self::String | Self::Struct(_) => self,
        }
    }
}

impl fmt::Display for ListType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        abi::write_list(f, &self.of, self.count)
    }
}

impl Serialize for ListType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ListType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = |text: &str| match MemberType::parse(text, MAX_DEPTH) {
            Some(MemberType::List(list)) => Ok(list),
            Some(_) | None => Err(abi::BadType),
        };
        parsed(deserializer, list)
    }
}

/// The type's name, as it is hashed.
impl fmt::Display for MemberType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atom(atom) => atom.fmt(f),
            Self::Bytes => f.write_str("bytes"),
            Self::String => f.write_str("string"),
            Self::Struct(name) => f.write_str(name),
            Self::List(list) => list.fmt(f),
        }
    }
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

impl MemberRule {
    /// The unit that is charged, where one is.
    #[must_use]
    pub const fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Value(rule) => rule.unit(),
            Self::AnyText | Self::Deadline | Self::Nonce | Self::Texts(_) => None,
        }
    }

    /// Whether it takes whatever is of the type.
    #[must_use]
    pub fn is_any(&self) -> bool {
        matches!(self, Self::AnyText | Self::Value(ValueRule::Any))
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

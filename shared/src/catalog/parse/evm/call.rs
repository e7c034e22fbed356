//! Routes that call contracts: functions of standards on assets, and others by the types of their arguments.

use super::{On, accounts, value};
use crate::{
    catalog::{
        Argument, Asset, AssetForm, ContractCall, EvmSigns, Members, TokenCall, TokenFunction,
        ValueRule,
    },
    chain::{AbiType, Address, Word},
    codec::json::{Object, Place, Value},
    crypto::keccak::keccak256,
    effect::Verb,
    grant::parse::{self as grant, limits},
    id::Unit,
    owner::{Error, read},
};

/// Arguments of one function at most; for a tuple, the parts of it count.
const MAX_ARGUMENTS: usize = 32;
/// Longest name of a function or argument in bytes.
const MAX_NAME: usize = 64;
/// Ids of one list at most.
const MAX_IDS: usize = 256;
/// Functions that hand over more than any amount says, or that carry out what somebody else signed.
/// Last, what moves many tokens of which no two need be alike (ERC-1155), whose amounts count nothing in common.
const NEVER: [&str; 4] = [
    "setApprovalForAll",
    "permit",
    "increaseApproval",
    "safeBatchTransferFrom",
];
/// The selectors of `setApprovalForAll(address,bool)`, of `permit` as EIP-2612 and as DAI have it, and of ERC-1155's batches.
pub(super) const NEVER_SELECTORS: [[u8; 4]; 4] = [
    [0xa2, 0x2c, 0xb4, 0x65],
    [0xd5, 0x05, 0xac, 0xcf],
    [0x8f, 0xcb, 0xaf, 0x0c],
    [0x2e, 0xb2, 0xc2, 0xd6],
];
/// What an address of a contract stands for.
const CONTRACT: &str = "an asset's name, or a contract's address";

pub(super) fn call(
    contract: &Place<'_>,
    chain: &Place<'_>,
    object: &mut Object<'_>,
    on: &On<'_>,
) -> Result<EvmSigns, Error> {
    let (address, token) = contract_of(contract, on)?;
    let call = object.required("call")?;
    let text = call.str()?;
    if let Some((unit, asset)) = token {
        on.fits(&asset, contract)?;
        if let Some(function) = function(&asset, text) {
            let token = TokenCall {
                coin: on.coin(chain)?,
                unit,
                contract: address,
                function,
                from: if function.has_from() {
                    accounts(&object.required("from")?)?
                } else {
                    Vec::new()
                },
                to: recipients(object, address)?,
                token_id: ids(&asset, object)?,
            };
            return Ok(EvmSigns::Token(token));
        }
    }
    let (name, types) = signature(&call)?;
    Ok(EvmSigns::Call(ContractCall {
        coin: on.coin(chain)?,
        contract: address,
        function: name,
        arguments: arguments(object, &types, on)?,
        types: types.iter().any(AbiType::has_tuple).then_some(types),
        payable: read::flag(object, "payable")?,
        verb: grant::verb(object)?.unwrap_or(Verb::Write),
    }))
}

fn contract_of(place: &Place<'_>, on: &On<'_>) -> Result<(Address, Option<(Unit, Asset)>), Error> {
    let text = place.str()?;
    let owned = |(unit, asset): (&Unit, &Asset)| (unit.clone(), asset.clone());
    if text.starts_with("0x") {
        let address = super::address(place)?;
        return Ok((address, on.token(address).map(owned)));
    }
    let unit = Unit::parse(text).map_err(|_| Error::invalid(place, CONTRACT))?;
    let asset = on.around.assets.get(&unit);
    let asset = asset.ok_or_else(|| Error::invalid(place, CONTRACT))?;
    on.fits(asset, place)?;
    let address = asset.contract().ok_or_else(|| {
        Error::invalid(
            place,
            "a token: the coin is sent by a route without contract",
        )
    })?;
    Ok((address, Some((unit, asset.clone()))))
}

/// The standard's function that a name or signature means on an asset.
fn function(asset: &Asset, text: &str) -> Option<TokenFunction> {
    use TokenFunction as F;
    let of: &[F] = match asset.form {
        AssetForm::Native { .. } | AssetForm::Solana { .. } => &[],
        AssetForm::Token { .. } => &[
            F::Transfer,
            F::TransferFrom,
            F::Approve,
            F::IncreaseAllowance,
        ],
        AssetForm::Collection {
            standard: crate::catalog::CollectionStandard::Erc721,
            ..
        } => &[F::TransferOneFrom, F::SafeTransferOneFrom],
        AssetForm::Collection {
            standard: crate::catalog::CollectionStandard::Erc1155,
            ..
        } => &[F::SafeTransferSomeFrom],
    };
    let mut of = of.iter();
    of.find(|one| one.name() == text || one.signature() == text)
        .copied()
}

/// Who gets the token, or gets to spend it: never its own contract, where it would be lost.
fn recipients(object: &mut Object<'_>, contract: Address) -> Result<Vec<Address>, Error> {
    let place = object.required("to")?;
    let list = accounts(&place)?;
    if list.contains(&contract) {
        let expected = "accounts: not the token's own contract, where it would be lost";
        return Err(Error::invalid(&place, expected));
    }
    Ok(list)
}

/// Which tokens, of which no two are alike; said for each of them.
fn ids(asset: &Asset, object: &mut Object<'_>) -> Result<Option<Members>, Error> {
    if !matches!(asset.form, AssetForm::Collection { .. }) {
        return Ok(None);
    }
    let place = object.required("token_id")?;
    if matches!(place.value(), Value::String(_)) {
        read::text(&place, "a list of ids, or \"any\"", |text| text == "any")?;
        return Ok(Some(Members::Any));
    }
    let expected = "an id: a string of decimal digits";
    let ids = read::each_once(&place, MAX_IDS, |place| {
        let id = read::parsed(place, expected, Word::parse)?;
        Ok(id.to_string())
    })?;
    Ok(Some(Members::Listed(read::some(&place, ids)?)))
}

/// A function's name and the types of its arguments: `deposit(uint256,address)`.
fn signature(place: &Place<'_>) -> Result<(String, Vec<AbiType>), Error> {
    let expected = "a function of the asset's standard, or name(type,…)";
    let refuse = || Error::invalid(place, expected);
    let text = place.str()?;
    let (name, rest) = text.split_once('(').ok_or_else(refuse)?;
    let types = rest.strip_suffix(')').ok_or_else(refuse)?;
    if !is_name(name) {
        return Err(refuse());
    }
    // A name can be made whose selector is another function's.
    let hash = keccak256(&[text.as_bytes()]);
    let selector = hash.first_chunk().copied().unwrap_or_default();
    let standard = |one: &TokenFunction| one.name() == name || one.selector() == selector;
    let never = NEVER.contains(&name) || NEVER_SELECTORS.contains(&selector);
    if never || TokenFunction::ALL.iter().any(standard) {
        let expected = "another function: those of standards are called on assets alone, and none that allows without an amount";
        return Err(Error::unsupported(place, expected));
    }
    let types =
        AbiType::parse_all(types).map_err(|error| Error::unsupported(place, error.to_string()))?;
    if types.iter().flat_map(AbiType::pieces).count() > MAX_ARGUMENTS {
        let expected = format!("at most {MAX_ARGUMENTS} arguments, parts of tuples among them");
        return Err(Error::invalid(place, expected));
    }
    Ok((name.to_owned(), types))
}

/// Solidity's identifiers, without `$`.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let first = text.bytes().next().is_some_and(|b| !b.is_ascii_digit());
    first && text.len() <= MAX_NAME && text.bytes().all(fine)
}

fn arguments(
    object: &mut Object<'_>,
    types: &[AbiType],
    on: &On<'_>,
) -> Result<Vec<Argument>, Error> {
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let pieces: Vec<_> = types.iter().flat_map(AbiType::pieces).collect();
    let place = object.required("arguments")?;
    let places = place.array()?;
    if places.len() != pieces.len() {
        let expected = "one rule for each argument, and in place of a tuple for each of its parts";
        return Err(Error::invalid(&place, expected));
    }
    let mut arguments: Vec<Argument> = Vec::new();
    for (place, of) in places.iter().zip(pieces) {
        let mut object = place.object()?;
        let name = object.optional("name");
        let known = |text: &str| {
            arguments
                .iter()
                .any(|one| one.name.as_deref() == Some(text))
        };
        let fine = |text: &str| is_name(text) && !known(text);
        let expected = "a name of letters, digits and _, that no other argument has";
        let name = name.map(|place| read::text(&place, expected, fine));
        let argument = Argument {
            name: name.transpose()?,
            of: of.clone(),
            rule: rule(&mut object, of, on)?,
        };
        object.finish()?;
        arguments.push(argument);
    }
    Ok(arguments)
}

/// What a value of a type may be; of a list, what each of its elements may be.
fn rule(object: &mut Object<'_>, of: &AbiType, on: &On<'_>) -> Result<ValueRule, Error> {
    match of.element() {
        AbiType::Atom(atom) => value::rule(object, *atom, on),
        AbiType::String => match object.optional("any_of") {
            Some(place) => Ok(ValueRule::Texts(value::texts(&place, false)?)),
            None => value::any(object).map(|()| ValueRule::Any),
        },
        // Bytes that may be anything may be another call. Of tuples and lists nothing is left here.
        AbiType::Bytes | AbiType::List { .. } | AbiType::Tuple(_) => {
            let place = object.required("any_of")?;
            Ok(ValueRule::Texts(value::texts(&place, true)?))
        }
    }
}

impl On<'_> {
    /// A unit that values are charged in; an asset only of the chain and environment.
    pub(super) fn unit(&self, place: &Place<'_>) -> Result<Unit, Error> {
        let unit = limits::unit(place)?;
        if unit.is_call() {
            let expected = "another unit than call, which every call costs";
            return Err(Error::invalid(place, expected));
        }
        if let Some(asset) = self.around.assets.get(&unit) {
            self.fits(asset, place)?;
        }
        Ok(unit)
    }
}

/// Whether two routes take an id in common.
pub(super) fn common_ids(a: &TokenCall, b: &TokenCall) -> bool {
    match (&a.token_id, &b.token_id) {
        (Some(Members::Listed(a)), Some(Members::Listed(b))) => a.iter().any(|id| b.contains(id)),
        _ => true,
    }
}

/// Whether no argument tells two routes apart. A list that keeps a rule of these has an element.
pub(super) fn overlap(a: &ContractCall, b: &ContractCall) -> bool {
    let apart = |(a, b): (&Argument, &Argument)| match (&a.rule, &b.rule) {
        (ValueRule::Listed(a), ValueRule::Listed(b)) => !a.iter().any(|one| b.contains(one)),
        (ValueRule::Texts(a), ValueRule::Texts(b)) => !a.iter().any(|one| b.contains(one)),
        _ => false,
    };
    !a.arguments.iter().zip(&b.arguments).any(apart)
}

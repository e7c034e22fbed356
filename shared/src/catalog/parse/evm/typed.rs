//! Routes of typed data (EIP-712): the whole form, and a rule for every value in it.
//!
//! Forms that hand a token over to somebody else's calls are not written here, whatever rules an owner gives them: permits
//! of EIP-2612 and of DAI, and everything for Permit2. Transfers by authorisation (EIP-3009) are another kind's.

use super::{On, call::is_name, value};
use crate::{
    catalog::{
        EACH, MAX_TYPED_DEPTH as MAX_DEPTH, MemberRule, MemberType, TypedData, TypedDomain,
        TypedMember,
    },
    chain::{Address, Atom},
    codec::json::{Object, Place},
    crypto::keccak::keccak256,
    effect::Verb,
    owner::{Error, read},
    time::{DAY, Millis},
};
use std::collections::{BTreeMap, BTreeSet};

/// Structures of one form at most.
const MAX_TYPES: usize = 32;
/// Members of one structure at most.
const MAX_MEMBERS: usize = 64;
/// Values of one form at most.
const MAX_LEAVES: usize = 128;
/// A year: the furthest deadline.
const MAX_LONGEST: Millis = Millis(DAY.0.saturating_mul(366));
/// The one contract of Permit2, the same on every chain.
const PERMIT2: Address = Address([
    0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0xd4, 0x73, 0x03, 0x0f, 0x11, 0x6d, 0xde, 0xe9, 0xf6, 0xb4,
    0x3a, 0xc7, 0x8b, 0xa3,
]);
/// How structures that give allowances begin, or are called.
const NEVER: [&str; 5] = [
    "Permit",
    "TokenPermissions",
    "TransferWithAuthorization",
    "ReceiveWithAuthorization",
    "CancelAuthorization",
];
/// Hashes of the types of EIP-2612's and DAI's permits.
pub(super) const NEVER_HASHES: [[u8; 32]; 2] = [
    [
        0x6e, 0x71, 0xed, 0xae, 0x12, 0xb1, 0xb9, 0x7f, 0x4d, 0x1f, 0x60, 0x37, 0x0f, 0xef, 0x10,
        0x10, 0x5f, 0xa2, 0xfa, 0xae, 0x01, 0x26, 0x11, 0x4a, 0x16, 0x9c, 0x64, 0x84, 0x5d, 0x61,
        0x26, 0xc9,
    ],
    [
        0xea, 0x2a, 0xa0, 0xa1, 0xbe, 0x11, 0xa0, 0x7e, 0xd8, 0x6d, 0x75, 0x5c, 0x93, 0x46, 0x7f,
        0x4f, 0x82, 0x36, 0x2b, 0x45, 0x23, 0x71, 0xd1, 0xba, 0x94, 0xd1, 0x71, 0x51, 0x23, 0x51,
        0x1a, 0xcb,
    ],
];

pub(super) fn typed(
    place: &Place<'_>,
    verb: Option<Verb>,
    on: &On<'_>,
) -> Result<TypedData, Error> {
    let mut object = place.object()?;
    let domain = domain(&object.required("domain")?)?;
    let primary = object.required("primary_type")?;
    let types = types(&object.required("types")?)?;
    let at = object.required("members")?;
    let longest = match object.optional("max_lifetime_s") {
        Some(place) => longest(&place)?,
        None => DAY,
    };
    let replayable = read::flag(&mut object, "replayable")?;
    object.finish()?;
    let mut typed = TypedData {
        domain,
        primary_type: read::text(&primary, "the name of one of types", |name| {
            types.contains_key(name)
        })?,
        types,
        members: BTreeMap::new(),
        longest,
        replayable,
        verb: verb.unwrap_or(Verb::Write),
    };
    refuse_allowances(&typed, &primary)?;
    let leaves = leaves(&typed, &primary)?;
    typed.members = members(&at, &leaves, on)?;
    single_use(&typed, &at)?;
    Ok(typed)
}

fn domain(place: &Place<'_>) -> Result<TypedDomain, Error> {
    let mut object = place.object()?;
    let contract = object.required("contract")?;
    let address = super::address(&contract)?;
    if address == PERMIT2 {
        let expected =
            "another contract: Permit2 spends what a signature says until nothing is left";
        return Err(Error::unsupported(&contract, expected));
    }
    let salt = object.optional("salt");
    let salt = salt.map(|place| {
        let word = Atom::Bytes(32).read(place.value());
        word.ok_or_else(|| Error::invalid(&place, "0x and 64 hexadecimal digits"))
    });
    let domain = TypedDomain {
        name: text(&mut object, "name")?,
        version: text(&mut object, "version")?,
        contract: address,
        salt: salt.transpose()?,
    };
    object.finish()?;
    Ok(domain)
}

fn text(object: &mut Object<'_>, name: &str) -> Result<Option<String>, Error> {
    let place = object.optional(name);
    place
        .map(|place| read::text(&place, value::TEXT, value::is_text))
        .transpose()
}

fn types(place: &Place<'_>) -> Result<BTreeMap<String, Vec<TypedMember>>, Error> {
    let entries = place.object()?.entries();
    if entries.is_empty() || entries.len() > MAX_TYPES {
        return Err(Error::invalid(place, format!("1 to {MAX_TYPES} types")));
    }
    let names: BTreeSet<&str> = entries.iter().map(|(name, _)| *name).collect();
    let mut types = BTreeMap::new();
    for (name, place) in entries {
        // EIP712Domain follows from the domain's members.
        if !is_name(name) || name == "EIP712Domain" || Atom::parse(name).is_ok() {
            return Err(Error::invalid(&place, "a structure's name"));
        }
        let mut seen: Vec<TypedMember> = Vec::new();
        read::each(&place, MAX_MEMBERS, |place| {
            let member = member(place, &names)?;
            if seen.iter().any(|other| other.name == member.name) {
                return Err(Error::invalid(place, "each member once"));
            }
            seen.push(member);
            Ok(())
        })?;
        types.insert(name.to_owned(), read::some(&place, seen)?);
    }
    Ok(types)
}

fn member(place: &Place<'_>, names: &BTreeSet<&str>) -> Result<TypedMember, Error> {
    let mut object = place.object()?;
    let expected = "a name of letters, digits and _";
    let name = read::text(&object.required("name")?, expected, is_name)?;
    let of = object.required("type")?;
    let expected = "address, bool, bytesN, intN, uintN, string, bytes, one of types, or a list of these: [] or [1] to [64]";
    let refuse = || Error::unsupported(&of, expected);
    let read = MemberType::parse(of.str()?, MAX_DEPTH).ok_or_else(refuse)?;
    if let MemberType::Struct(name) = read.element()
        && !names.contains(name.as_str())
    {
        return Err(refuse());
    }
    object.finish()?;
    Ok(TypedMember { name, of: read })
}

/// Refuses forms by the names and by the hashes of their types.
fn refuse_allowances(typed: &TypedData, place: &Place<'_>) -> Result<(), Error> {
    let named = |name: &String| NEVER.iter().any(|never| name.starts_with(never));
    let hashed = |name: &String| {
        let hash = keccak256(&[typed.encode_type(name).as_bytes()]);
        NEVER_HASHES.contains(&hash)
    };
    if typed.types.keys().any(|name| named(name) || hashed(name)) {
        let expected =
            "another form: permits are not signed, and transfers by authorisation are of kind x402";
        return Err(Error::unsupported(place, expected));
    }
    Ok(())
}

/// Every value of the message: its pointer and type.
fn leaves(typed: &TypedData, place: &Place<'_>) -> Result<BTreeMap<String, MemberType>, Error> {
    let mut used = BTreeSet::new();
    typed.collect(&typed.primary_type, &mut used);
    if used.len() != typed.types.len() {
        return Err(Error::invalid(place, "a type that all others are part of"));
    }
    let mut leaves = BTreeMap::new();
    let whole = MemberType::Struct(typed.primary_type.clone());
    if !walk(typed, &whole, String::new(), MAX_DEPTH, &mut leaves) {
        let expected = "a form of at most 128 values, no structure in itself, none deeper than 8";
        return Err(Error::invalid(place, expected));
    }
    Ok(leaves)
}

fn walk(
    typed: &TypedData,
    of: &MemberType,
    pointer: String,
    depth: usize,
    into: &mut BTreeMap<String, MemberType>,
) -> bool {
    let deeper = depth.checked_sub(1);
    match of {
        MemberType::Struct(name) => {
            let (Some(depth), Some(members)) = (deeper, typed.types.get(name)) else {
                return false;
            };
            members.iter().all(|member| {
                let pointer = format!("{pointer}/{}", member.name);
                walk(typed, &member.of, pointer, depth, into)
            })
        }
        MemberType::List(list) => deeper.is_some_and(|depth| {
            let pointer = format!("{pointer}/{EACH}");
            walk(typed, &list.of, pointer, depth, into)
        }),
        MemberType::Atom(_) | MemberType::Bytes | MemberType::String => {
            into.insert(pointer, of.clone());
            into.len() <= MAX_LEAVES
        }
    }
}

fn members(
    place: &Place<'_>,
    leaves: &BTreeMap<String, MemberType>,
    on: &On<'_>,
) -> Result<BTreeMap<String, MemberRule>, Error> {
    let mut rules = BTreeMap::new();
    for (pointer, place) in place.object()?.entries() {
        let of = leaves
            .get(pointer)
            .ok_or_else(|| Error::invalid(&place, "the JSON pointer of a value in the message"))?;
        let rule = rule(&place, of, on)?;
        let whole = matches!(rule, MemberRule::Deadline | MemberRule::Nonce);
        if whole && pointer.split('/').any(|part| part == EACH) {
            let expected = "a deadline or nonce of the whole, not one of a list's elements";
            return Err(Error::invalid(&place, expected));
        }
        rules.insert(pointer.to_owned(), rule);
    }
    let missing = leaves.keys().find(|pointer| !rules.contains_key(*pointer));
    if let Some(pointer) = missing {
        let expected = format!("a rule for every value; `{pointer}` has none");
        return Err(Error::invalid(place, expected));
    }
    let deadlines = rules.values().filter(|rule| **rule == MemberRule::Deadline);
    if deadlines.count() > 1 {
        return Err(Error::invalid(place, "one deadline at most"));
    }
    Ok(rules)
}

fn rule(place: &Place<'_>, of: &MemberType, on: &On<'_>) -> Result<MemberRule, Error> {
    let mut object = place.object()?;
    let rule = match of {
        MemberType::Atom(atom) => {
            let number = matches!(atom, Atom::Uint(_));
            let deadline = read::flag(&mut object, "deadline")?;
            let nonce = read::flag(&mut object, "nonce")?;
            match (deadline, nonce) {
                (true, false) if number => MemberRule::Deadline,
                (false, true) => MemberRule::Nonce,
                (false, false) => MemberRule::Value(value::rule(&mut object, *atom, on)?),
                _ => return Err(Error::invalid(place, "a deadline of uintN, or a nonce")),
            }
        }
        MemberType::Bytes | MemberType::String => match object.optional("any_of") {
            Some(place) => MemberRule::Texts(value::texts(&place, *of == MemberType::Bytes)?),
            None => value::any(&mut object).map(|()| MemberRule::AnyText)?,
        },
        MemberType::Struct(_) | MemberType::List(_) => {
            return Err(Error::invalid(place, "a value's pointer"));
        }
    };
    object.finish()?;
    Ok(rule)
}

/// What charges is single use for its reader, or says that it is not.
fn single_use(typed: &TypedData, place: &Place<'_>) -> Result<(), Error> {
    let mut units = typed.members.values().filter_map(MemberRule::unit);
    let bound = typed.is_single_use() || typed.replayable;
    if units.next().is_some() && !bound {
        let expected = "a member with \"nonce\": true, which its reader takes once, or \"replayable\": true beside";
        return Err(Error::invalid(place, expected));
    }
    Ok(())
}

fn longest(place: &Place<'_>) -> Result<Millis, Error> {
    let longest = Millis::from_secs(place.u64()?);
    if longest == Millis(0) || longest > MAX_LONGEST {
        return Err(Error::invalid(place, "seconds, from 1 to a year's"));
    }
    Ok(longest)
}

//! Typed data: whether a JSON message is of a form that an owner registered, within its rules, and what it does.
//!
//! Types, domain and message are the caller's words; the route's are what is hashed. Both must be the same, member by
//! member, and every value of the one type and spelling that the form has.

use super::{
    eip712::{self, Domain, hash_bytes, hash_list, hash_struct},
    matching::{Far, Not},
    rules::{EMPTY, Kept},
};
use crate::routes::{Candidate, named, only_one};
use claviger_shared::{
    catalog::{
        Catalog, EACH, EvmRoute, EvmSigns, ListType, MemberRule, MemberType, Route, TypedData,
        TypedMember,
    },
    chain::{Address, Atom, Word, abi::MAX_ITEMS, account, bytes},
    codec::json::{self, Object, Place, Value},
    denial::{Code, Denial},
    effect::{Charge, Effect, Kind},
    grant::Grant,
    time::{Millis, UnixMs},
};
use std::collections::BTreeMap;

/// Where it stands in the caller's input.
pub(super) const TYPED: &str = "/typed_data";
const EIP712_DOMAIN: &str = "EIP712Domain";
/// Elements of all lists of one message at most.
pub(super) const MAX_ELEMENTS: usize = 256;

/// What is signed, and what it does.
pub(super) struct Matched {
    pub(super) message: Vec<u8>,
    pub(super) effect: Effect,
    pub(super) single_use: bool,
}

/// The caller's words.
struct Said<'a> {
    types: Place<'a>,
    primary: &'a str,
    domain: Place<'a>,
    message: Place<'a>,
    chain: u64,
    contract: Address,
}

/// Reads typed data and matches it against the routes of the resources that the grant names.
pub(super) fn matched(text: &[u8], catalog: &Catalog, grant: &Grant) -> Result<Matched, Denial> {
    let value = json::parse(text)
        .map_err(|error| Denial::at(Code::InvalidRequest, format!("{TYPED}{}", error.pointer)))?;
    let said = said(&value)?;
    let nowhere = Denial::at(Code::DestinationDenied, format!("{TYPED}/domain"));
    let mut furthest = (Far::Nowhere, nowhere);
    let (mut matching, mut found) = (Vec::new(), Vec::new());
    for (resource, number, route) in named(catalog, grant) {
        let Route::Evm(route) = route else { continue };
        let EvmSigns::TypedData(typed) = &route.signs else {
            continue;
        };
        match does(&said, route.chain, typed) {
            Ok(done) => {
                matching.push(Candidate {
                    resource,
                    number,
                    verb: typed.verb,
                    route,
                });
                found.push(((resource, number), done, typed));
            }
            Err(not) if not.0 > furthest.0 => furthest = not,
            Err(_) => {}
        }
    }
    let one = only_one(matching, grant, furthest.1, TYPED)?;
    let mut found = found.into_iter();
    let done = found.find(|(place, ..)| *place == (one.resource, one.number));
    let (_, done, typed) = done.ok_or(Code::DestinationDenied)?;
    Ok(Matched {
        message: eip712::message(&separator(one.route.chain, typed), &done.hash),
        effect: effect(&one, typed, done),
        single_use: typed.is_single_use(),
    })
}

fn effect(one: &Candidate<'_, EvmRoute>, typed: &TypedData, done: Done) -> Effect {
    let at = account(one.route.chain, &typed.domain.contract);
    Effect {
        kind: Kind::Evm,
        verb: typed.verb,
        resource: one.resource.clone(),
        route: one.number,
        destination: at.clone(),
        method: typed.primary_type.clone(),
        path_template: at,
        parameters: done.parameters,
        mints: false,
        identity_only: false,
        charges: done.charges,
        max_lifetime: if done.ends_at.is_some() {
            typed.longest
        } else {
            Millis::ENDLESS
        },
        fixed: true,
        ends_at: done.ends_at,
        signer: None,
        token: None,
        nonce: None,
    }
}

fn said(value: &Value) -> Result<Said<'_>, Denial> {
    let denied = |error: json::Error| Denial::at(Code::InvalidRequest, error.pointer);
    let mut object = Object::new(value, TYPED).map_err(denied)?;
    let types = object.required("types").map_err(denied)?;
    let primary = object.required("primaryType").map_err(denied)?;
    let domain = object.required("domain").map_err(denied)?;
    let message = object.required("message").map_err(denied)?;
    object
        .finish()
        .map_err(|error| Denial::at(Code::UnlistedMember, error.pointer))?;
    let mut members = domain.object().map_err(denied)?;
    let chain = members.required("chainId").map_err(denied)?;
    let contract = members.required("verifyingContract").map_err(denied)?;
    let wrong = |place: &Place<'_>| Denial::at(Code::InvalidRequest, place.pointer());
    let address = Address::parse(contract.str().map_err(denied)?).map_err(|_| wrong(&contract))?;
    let number = NUMBER.read(chain.value()).and_then(|word| word.as_u64());
    Ok(Said {
        primary: primary.str().map_err(denied)?,
        chain: number.ok_or_else(|| wrong(&chain))?,
        contract: address,
        types,
        domain,
        message,
    })
}

const NUMBER: Atom = Atom::Uint(256);

/// What a message does by a form.
struct Done {
    hash: Word,
    parameters: Vec<(String, String)>,
    charges: Vec<Charge>,
    ends_at: Option<UnixMs>,
}

fn does(said: &Said<'_>, chain: u64, typed: &TypedData) -> Result<Done, Not> {
    let at = |far, code, place: &str| (far, Denial::at(code, format!("{TYPED}{place}")));
    if (said.chain, said.contract) != (chain, typed.domain.contract) {
        return Err(at(Far::Nowhere, Code::DestinationDenied, "/domain"));
    }
    domain(said, typed).map_err(|denial| (Far::Chain, denial))?;
    if said.primary != typed.primary_type {
        return Err(at(Far::Contract, Code::MethodDenied, "/primaryType"));
    }
    // The one form of its name: what is wrong with it is told, rather than another's name.
    types(said, chain, typed).map_err(|denial| (Far::Function, denial))?;
    let mut walk = Walk {
        typed,
        kept: Kept::default(),
        elements: MAX_ELEMENTS,
        kinds: BTreeMap::new(),
        ends_at: None,
    };
    let hash = walk.structure(&said.message, &typed.primary_type, "");
    let hash = hash.map_err(|denial| (Far::Function, denial))?;
    let (parameters, charges) = walk.kept.done();
    Ok(Done {
        hash,
        parameters,
        charges,
        ends_at: walk.ends_at,
    })
}

fn the_domain(chain: u64, typed: &TypedData) -> Domain<'_> {
    Domain {
        name: typed.domain.name.as_deref(),
        version: typed.domain.version.as_deref(),
        chain: Some(chain),
        contract: Some(typed.domain.contract),
        salt: typed.domain.salt,
    }
}

fn separator(chain: u64, typed: &TypedData) -> Word {
    the_domain(chain, typed).separator()
}

/// The caller's domain has the route's members, and no others.
fn domain(said: &Said<'_>, typed: &TypedData) -> Result<(), Denial> {
    let denied = |error: json::Error| Denial::at(Code::InvalidRequest, error.pointer);
    let mut members = said.domain.object().map_err(denied)?;
    for name in ["chainId", "verifyingContract"] {
        members.required(name).map_err(denied)?;
    }
    let salt = typed.domain.salt.map(|salt| salt.to_hex());
    let wanted = [
        ("name", &typed.domain.name),
        ("version", &typed.domain.version),
        ("salt", &salt),
    ];
    for (name, wanted) in wanted {
        if let Some(wanted) = wanted {
            let place = members.required(name).map_err(denied)?;
            if place.str().map_err(denied)? != wanted {
                return Err(Denial::at(Code::DestinationDenied, place.pointer()));
            }
        }
    }
    members
        .finish()
        .map_err(|error| Denial::at(Code::UnlistedMember, error.pointer))
}

/// The caller's types are the route's, in the same order of members, and no others.
fn types(said: &Said<'_>, chain: u64, typed: &TypedData) -> Result<(), Denial> {
    let denied = |error: json::Error| Denial::at(Code::InvalidRequest, error.pointer);
    let mut object = said.types.object().map_err(denied)?;
    if let Some(place) = object.optional(EIP712_DOMAIN) {
        let own = the_domain(chain, typed).encoded_type();
        if encoded(EIP712_DOMAIN, &place)? != own {
            return Err(Denial::at(Code::UnlistedMember, place.pointer()));
        }
    }
    for (name, members) in &typed.types {
        let place = object.required(name).map_err(denied)?;
        let own = |member: &TypedMember| format!("{} {}", member.of, member.name);
        let own: Vec<_> = members.iter().map(own).collect();
        if encoded(name, &place)? != format!("{name}({})", own.join(",")) {
            return Err(Denial::at(Code::UnlistedMember, place.pointer()));
        }
    }
    object
        .finish()
        .map_err(|error| Denial::at(Code::UnlistedMember, error.pointer))
}

/// A structure's type as the caller writes it.
fn encoded(name: &str, place: &Place<'_>) -> Result<String, Denial> {
    let denied = |error: json::Error| Denial::at(Code::InvalidRequest, error.pointer);
    let mut members = Vec::new();
    for place in place.array().map_err(denied)? {
        let mut object = place.object().map_err(denied)?;
        let (name, of) = (object.required("name"), object.required("type"));
        let (name, of) = (name.map_err(denied)?, of.map_err(denied)?);
        object.finish().map_err(denied)?;
        let (name, of) = (name.str().map_err(denied)?, of.str().map_err(denied)?);
        members.push(format!("{of} {name}"));
    }
    Ok(format!("{name}({})", members.join(",")))
}

/// One way through a message.
struct Walk<'a> {
    typed: &'a TypedData,
    kept: Kept,
    /// Of lists; so many more may come.
    elements: usize,
    /// Hashes of types, each made once however many elements are of it.
    kinds: BTreeMap<String, Word>,
    ends_at: Option<UnixMs>,
}

impl Walk<'_> {
    fn structure(&mut self, place: &Place<'_>, name: &str, prefix: &str) -> Result<Word, Denial> {
        let denied = |error: json::Error| Denial::at(Code::InvalidRequest, error.pointer);
        let mut object = place.object().map_err(denied)?;
        let typed = self.typed;
        let mut words = Vec::new();
        for member in typed.types.get(name).into_iter().flatten() {
            let place = object.required(&member.name).map_err(denied)?;
            let pointer = format!("{prefix}/{}", member.name);
            words.push(self.member(&place, &member.of, &pointer)?);
        }
        object
            .finish()
            .map_err(|error| Denial::at(Code::UnlistedMember, error.pointer))?;
        Ok(hash_struct(&self.kind(name), &words))
    }

    fn kind(&mut self, name: &str) -> Word {
        if let Some(kind) = self.kinds.get(name) {
            return *kind;
        }
        let kind = hash_bytes(self.typed.encode_type(name).as_bytes());
        self.kinds.insert(name.to_owned(), kind);
        kind
    }

    fn member(
        &mut self,
        place: &Place<'_>,
        of: &MemberType,
        pointer: &str,
    ) -> Result<Word, Denial> {
        match of {
            MemberType::Struct(name) => self.structure(place, name, pointer),
            MemberType::Atom(atom) => self.atom(place, *atom, pointer),
            MemberType::Bytes | MemberType::String => self.text(place, of, pointer),
            MemberType::List(list) => self.list(place, list, pointer),
        }
    }

    fn list(&mut self, place: &Place<'_>, list: &ListType, pointer: &str) -> Result<Word, Denial> {
        let refuse = |code| Denial::at(code, place.pointer());
        let places = place.array().map_err(|_| refuse(Code::InvalidRequest))?;
        let fits = match list.count {
            Some(count) => places.len() == usize::from(count),
            None => places.len() <= usize::from(MAX_ITEMS),
        };
        let left = self.elements.checked_sub(places.len());
        self.elements = left
            .filter(|_| fits)
            .ok_or_else(|| refuse(Code::InvalidRequest))?;
        let pointer = format!("{pointer}/{EACH}");
        if places.is_empty() {
            self.empty(&pointer).map_err(refuse)?;
        }
        let words = places
            .iter()
            .map(|place| self.member(place, &list.of, &pointer));
        Ok(hash_list(&words.collect::<Result<Vec<_>, _>>()?))
    }

    /// A list without elements: all that these are made of may be anything, else it keeps no rule.
    fn empty(&mut self, pointer: &str) -> Result<(), Code> {
        let under = |at: &str| {
            let rest = at.strip_prefix(pointer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let typed = self.typed;
        for (at, rule) in typed.members.iter().filter(|(at, _)| under(at)) {
            if !rule.is_any() {
                return Err(Code::UnlistedMember);
            }
            self.parameter(at, EMPTY.to_owned());
        }
        Ok(())
    }

    fn atom(&mut self, place: &Place<'_>, atom: Atom, pointer: &str) -> Result<Word, Denial> {
        let refuse = |code| Denial::at(code, place.pointer());
        let word = atom.read(place.value());
        let word = word.ok_or_else(|| refuse(Code::InvalidRequest))?;
        match self.typed.members.get(pointer) {
            Some(MemberRule::Value(one)) => {
                self.kept.word(one, &word, pointer).map_err(refuse)?;
            }
            Some(MemberRule::Deadline) => {
                // What no clock reaches is later than any rule allows.
                let seconds = word.as_u64().unwrap_or(u64::MAX);
                self.ends_at = Some(UnixMs(seconds.saturating_mul(1000)));
            }
            Some(MemberRule::Nonce) => {}
            Some(MemberRule::AnyText | MemberRule::Texts(_)) | None => {
                return Err(refuse(Code::UnlistedMember));
            }
        }
        self.parameter(pointer, atom.show(&word));
        Ok(word)
    }

    fn text(&mut self, place: &Place<'_>, of: &MemberType, pointer: &str) -> Result<Word, Denial> {
        let refuse = |code| Denial::at(code, place.pointer());
        let text = place.str().map_err(|_| refuse(Code::InvalidRequest))?;
        let hashed = if *of == MemberType::Bytes {
            bytes(text).ok_or_else(|| refuse(Code::InvalidRequest))?
        } else {
            text.as_bytes().to_vec()
        };
        match self.typed.members.get(pointer) {
            Some(MemberRule::AnyText) => {}
            Some(MemberRule::Texts(list)) if list.iter().any(|one| one == text) => {}
            _ => return Err(refuse(Code::UnlistedMember)),
        }
        self.parameter(pointer, text.to_owned());
        Ok(hash_bytes(&hashed))
    }

    /// A value by its place, for `only`; elements of a list by that of the list.
    fn parameter(&mut self, pointer: &str, value: String) {
        let parts = pointer.split('/');
        let parts = parts.filter(|part| !part.is_empty() && *part != EACH);
        let name: Vec<_> = parts.collect();
        self.kept.parameter(Some(&name.join(".")), || value);
    }
}

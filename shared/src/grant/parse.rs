//! Reading a grant from an owner's strict JSON, and writing it back.
//!
//! What has no limit, no end or no meaning is refused here: a budget of zero, a list that narrows to nothing, an agent key
//! that everybody knows the secret of. Whether names exist is the ledger's to say.

pub(crate) mod limits;
mod source;
mod write;

use super::{CredentialRule, Grant, MAX_BYTES, Permissions, Scope, profile};
use crate::{
    call::http::Url,
    codec::json::{Object, Place},
    effect::{Env, Kind, Verb},
    id::{AgentId, GrantId, KeyId, ResourceName, X25519Public},
    owner::{Error, read},
    time::{Millis, UnixMs},
};
use std::{collections::BTreeMap, sync::Arc};

/// Signing keys of one grant at most.
pub const MAX_KEYS: usize = 64;
/// Names in one list of a grant, and values of one parameter, at most.
pub const MAX_NAMES: usize = 4096;
/// Longest purpose in characters.
pub const MAX_PURPOSE: usize = 256;
/// Longest lifetime a credential rule may state, and longest window: a leap year.
pub const MAX_LENGTH: Millis = Millis(366 * 86_400_000);

impl Grant {
    /// Reads a grant's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = read::document(bytes, MAX_BYTES)?;
        Self::from_place(&Place::new(&value, ""))
    }

    /// Reads a grant that stands in another document.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn from_place(place: &Place<'_>) -> Result<Self, Error> {
        let mut object = place.object()?;
        read::version(&mut object)?;
        let id = object.required("id")?;
        let id = read::parsed(&id, "a grant id, gr_…", GrantId::parse)?;
        let (agent, key) = agent(&object.required("agent")?)?;
        let env = env(&mut object)?;
        let life = life(&mut object)?;
        let keys = keys(&object.required("keys")?)?;
        let permissions = permissions(&object.required("permissions")?)?;
        let only = match object.optional("only") {
            Some(place) => only(&place, &permissions)?,
            None => BTreeMap::new(),
        };
        let credentials = match object.optional("credentials") {
            Some(place) => credentials(&place)?,
            None => BTreeMap::new(),
        };
        let budgets = limits::budgets(&object.required("budgets")?)?;
        let rate = limits::rates(&mut object)?;
        let scope = Scope {
            env,
            permissions,
            only,
            credentials,
            budgets,
            rate,
            reported_sources: source::prefixes(&mut object)?,
            allow_identity_only: names(&mut object, "allow_identity_only")?,
            allow_minting: names(&mut object, "allow_minting")?,
            allow_outliving: names(&mut object, "allow_outliving")?,
        };
        let grant = Self {
            id,
            agent,
            agent_key: key,
            not_before: life.0,
            expires_at: life.1,
            renew_until: life.2,
            keys,
            purpose: purpose(&mut object)?,
            scope: Arc::new(scope),
        };
        object.finish()?;
        Ok(grant)
    }

    /// The grant as an owner would write it: [`Grant::parse`] reads it back as the same grant.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        write::grant(self)
    }
}

fn agent(place: &Place<'_>) -> Result<(AgentId, X25519Public), Error> {
    let mut object = place.object()?;
    let id = agent_id(&object.required("id")?)?;
    let key = agent_key(&object.required("key")?)?;
    object.finish()?;
    Ok((id, key))
}

/// An agent's name.
pub(crate) fn agent_id(place: &Place<'_>) -> Result<AgentId, Error> {
    let expected = "a name of at most 64 letters, digits, `_`, `-` or `.`";
    read::parsed(place, expected, AgentId::parse)
}

/// An agent's channel key: canonical, and no point of low order, whose shared secret everybody knows.
pub(crate) fn agent_key(place: &Place<'_>) -> Result<X25519Public, Error> {
    let key = read::parsed(
        place,
        "x25519: and 64 hexadecimal digits",
        X25519Public::parse,
    )?;
    if is_canonical(&key.0) && !LOW_ORDER.contains(&key.0) {
        Ok(key)
    } else {
        Err(Error::invalid(
            place,
            "a canonical X25519 key, not of low order",
        ))
    }
}

/// Below 2^255 - 19, little-endian (RFC 7748 §5 lets decoders reduce; a second spelling of one key is refused here).
fn is_canonical(key: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = key;
    let at_least_p = *low >= 0xed && *high == 0x7f && middle.iter().all(|byte| *byte == 0xff);
    *high < 0x80 && !at_least_p
}

/// Canonical u-coordinates of the points of order 1, 2, 4 and 8 on Curve25519 and its twist
/// (<https://cr.yp.to/ecdh.html#validate>).
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// `env`, live where absent.
pub(crate) fn env(object: &mut Object<'_>) -> Result<Env, Error> {
    let Some(place) = object.optional("env") else {
        return Ok(Env::Live);
    };
    match place.str()? {
        "live" => Ok(Env::Live),
        "sandbox" => Ok(Env::Sandbox),
        _ => Err(Error::invalid(&place, "\"live\" or \"sandbox\"")),
    }
}

/// A kind of credential that is built.
pub(crate) fn kind(place: &Place<'_>) -> Result<Kind, Error> {
    Kind::parse(place.str()?).ok_or_else(|| {
        Error::unsupported(
            place,
            "\"http\", \"jwt\", \"aws\", \"evm\", \"x402\", \"ssh\" or \"solana\"",
        )
    })
}

/// A resource's name.
pub(crate) fn resource(place: &Place<'_>) -> Result<ResourceName, Error> {
    read::parsed(place, RESOURCE, ResourceName::parse)
}

/// What a resource's name looks like.
pub(crate) const RESOURCE: &str = "a resource's name: at most 64 letters, digits, `_`, `-` or `.`";

/// A verb that stands instead of the derived one.
pub(crate) fn verb(object: &mut Object<'_>) -> Result<Option<Verb>, Error> {
    let Some(place) = object.optional("verb") else {
        return Ok(None);
    };
    match place.str()? {
        "delete" => Ok(Some(Verb::Delete)),
        "read" => Ok(Some(Verb::Read)),
        "write" => Ok(Some(Verb::Write)),
        _ => Err(Error::invalid(&place, "\"read\", \"write\" or \"delete\"")),
    }
}

type Life = (UnixMs, UnixMs, Option<UnixMs>);

fn life(object: &mut Object<'_>) -> Result<Life, Error> {
    let not_before = read::time(&object.required("not_before")?)?;
    let place = object.required("expires_at")?;
    let expires_at = read::time(&place)?;
    if expires_at <= not_before {
        return Err(Error::invalid(&place, "a time after not_before"));
    }
    let Some(place) = object.optional("renew_until") else {
        return Ok((not_before, expires_at, None));
    };
    let renew_until = read::time(&place)?;
    if renew_until < expires_at {
        return Err(Error::invalid(&place, "a time not before expires_at"));
    }
    Ok((not_before, expires_at, Some(renew_until)))
}

fn keys(place: &Place<'_>) -> Result<Vec<KeyId>, Error> {
    let keys = read::each_once(place, MAX_KEYS, |place| {
        read::parsed(place, "a key id, k_…", KeyId::parse)
    })?;
    read::some(place, keys)
}

fn names(object: &mut Object<'_>, name: &str) -> Result<Vec<ResourceName>, Error> {
    match object.optional(name) {
        Some(place) => read::each_once(&place, MAX_NAMES, resource),
        None => Ok(Vec::new()),
    }
}

fn permissions(place: &Place<'_>) -> Result<Permissions, Error> {
    let mut object = place.object()?;
    let permissions = Permissions {
        read: names(&mut object, "read")?,
        write: names(&mut object, "write")?,
        delete: names(&mut object, "delete")?,
    };
    object.finish()?;
    if permissions.names().next().is_none() {
        Err(Error::invalid(
            place,
            "at least one name in read, write or delete",
        ))
    } else {
        Ok(permissions)
    }
}

type Only = BTreeMap<ResourceName, BTreeMap<String, Vec<String>>>;

fn only(place: &Place<'_>, permissions: &Permissions) -> Result<Only, Error> {
    let mut all = BTreeMap::new();
    for (name, place) in place.object()?.entries() {
        let name = ResourceName::parse(name).map_err(|_| Error::invalid(&place, RESOURCE))?;
        if !permissions.names().any(|known| *known == name) {
            return Err(Error::invalid(&place, "a resource named in permissions"));
        }
        let mut parameters = BTreeMap::new();
        for (parameter, place) in place.object()?.entries() {
            if !is_parameter(parameter) {
                let expected =
                    "a parameter such as path.id, query.expand, git.author or ssh.principal";
                return Err(Error::invalid(&place, expected));
            }
            let values = read::each_once(&place, MAX_NAMES, |value| Ok(value.str()?.to_owned()))?;
            parameters.insert(parameter.to_owned(), read::some(&place, values)?);
        }
        if parameters.is_empty() {
            return Err(Error::invalid(&place, "at least one parameter"));
        }
        all.insert(name, parameters);
    }
    Ok(all)
}

fn is_parameter(text: &str) -> bool {
    ["path.", "query.", "payment.", "git.", "ssh."]
        .iter()
        .any(|place| {
            text.strip_prefix(place)
                .is_some_and(|name| !name.is_empty())
        })
}

fn credentials(place: &Place<'_>) -> Result<BTreeMap<Kind, CredentialRule>, Error> {
    let mut rules = BTreeMap::new();
    for (word, place) in place.object()?.entries() {
        let kind = Kind::parse(word)
            .ok_or_else(|| Error::unsupported(&place, "the rule of a kind that is built"))?;
        rules.insert(kind, credential_rule(kind, &place)?);
    }
    Ok(rules)
}

/// The profiles of a kind, and how they are named where another stands.
const fn profiles(kind: Kind) -> (&'static [&'static str], &'static str) {
    match kind {
        Kind::Http => (
            &profile::OF_HTTP,
            "\"generic\", \"web-bot-auth\" or \"wimse\"",
        ),
        Kind::Jwt => (
            &profile::OF_JWT,
            "\"assertion\", \"oidc\", \"github-app\", \"gcp\", \"dpop\" or \"wpt\"",
        ),
        Kind::Aws | Kind::Evm | Kind::X402 | Kind::Ssh | Kind::Template | Kind::Solana => {
            (&[], "no such member: this kind has no profiles")
        }
    }
}

fn credential_rule(kind: Kind, place: &Place<'_>) -> Result<CredentialRule, Error> {
    let mut object = place.object()?;
    let profile = match object.optional("profile") {
        Some(place) => {
            let (known, expected) = profiles(kind);
            let word = place.str()?;
            if !known.contains(&word) {
                return Err(Error::unsupported(&place, expected));
            }
            Some(word.to_owned())
        }
        None => None,
    };
    let signature_agent = if profile.as_deref() == Some(profile::WEB_BOT_AUTH) {
        Some(signature_agent(&object.required("signature_agent")?)?)
    } else if let Some(place) = object.optional("signature_agent") {
        let expected = "no such member, except beside the profile \"web-bot-auth\"";
        return Err(Error::unsupported(&place, expected));
    } else {
        None
    };
    let ttl = match object.optional("ttl_s") {
        Some(place) => Some(limits::seconds(&place)?),
        None => None,
    };
    object.finish()?;
    Ok(CredentialRule {
        profile,
        signature_agent,
        ttl,
    })
}

fn signature_agent(place: &Place<'_>) -> Result<String, Error> {
    let expected = "an https origin in lower case, without path, as https://agents.example.com";
    read::text(place, expected, is_origin)
}

/// Whether a text is an https origin in its one spelling.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| format!("https://{}", url.authority()) == text)
}

fn purpose(object: &mut Object<'_>) -> Result<Option<Box<str>>, Error> {
    let Some(place) = object.optional("purpose") else {
        return Ok(None);
    };
    read::text(&place, "at most 256 characters without controls", |text| {
        text.chars().count() <= MAX_PURPOSE && !text.chars().any(char::is_control)
    })
    .map(|text| Some(text.into()))
}

#[cfg(test)]
mod tests;

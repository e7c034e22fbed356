//! Reading a command from strict JSON, and whose signatures a command needs.
//!
//! Chain and action must agree, so that no stop can be dressed as a permission or the other way round.

use super::{Action, Alg, Chain, Command, KeyCreate, KeyImport, MAX_LIFE_MS};
use crate::{
    catalog::Catalog,
    codec::json::{Object, Place},
    crypto::{Verifier, sha256},
    effect::Kind,
    grant::{Grant, parse as grant},
    id::{Digest, GrantId, KeyId},
    label::NAMESPACE_COMMAND,
    owner::{Error, manifest::Manifest, read, threshold},
    time::UnixMs,
    wire::control::{MAX_COMMAND, MAX_MANIFEST},
};

/// Narrow commands that one command may lift, and grants that one catalog may touch.
pub const MAX_NAMED: usize = 4096;
/// Longest public key.
const MAX_PUBLIC: usize = 1024;

impl Command {
    /// Reads a command's exact bytes.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the place at fault.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let value = read::document(bytes, MAX_COMMAND)?;
        let mut object = Object::new(&value, "")?;
        read::version(&mut object)?;
        let origin = object.required("origin")?.str()?.to_owned();
        let (issued_at, not_after) = life(&mut object)?;
        let action = action(&object.required("action")?)?;
        let chain = chain(&object.required("chain")?, &action)?;
        let seq = object.required("seq")?;
        if seq.u64()? == 0 {
            return Err(Error::invalid(&seq, "a number from 1 on"));
        }
        let command = Self {
            digest: sha256(&[bytes]),
            origin,
            chain,
            seq: seq.u64()?,
            prev: read::digest(&object.required("prev")?)?,
            issued_at,
            not_after,
            lifts: lifts(&mut object, &action)?,
            action,
        };
        object.finish()?;
        Ok(command)
    }
}

fn life(object: &mut Object<'_>) -> Result<(UnixMs, UnixMs), Error> {
    let issued_at = read::time(&object.required("issued_at")?)?;
    let place = object.required("not_after")?;
    let not_after = read::time(&place)?;
    let life = not_after.since(issued_at).0;
    if life == 0 || life > MAX_LIFE_MS {
        let expected = "a time after issued_at, at most 24 hours later";
        return Err(Error::invalid(&place, expected));
    }
    Ok((issued_at, not_after))
}

fn chain(place: &Place<'_>, action: &Action) -> Result<Chain, Error> {
    let (chain, word) = match action {
        Action::Freeze | Action::GrantRevoke(_) | Action::GrantSuspend(_) => {
            (Chain::Narrow, "narrow")
        }
        Action::CatalogSet { .. }
        | Action::GrantAmend(_)
        | Action::GrantCreate(_)
        | Action::GrantReissue { .. }
        | Action::GrantResume(_)
        | Action::KeyCreate(_)
        | Action::KeyImport(_)
        | Action::KeyRetire(_)
        | Action::ManifestSet { .. }
        | Action::Thaw => (Chain::Widen, "widen"),
    };
    if place.str()? == word {
        Ok(chain)
    } else {
        let expected = format!("\"{word}\", the chain of this action");
        Err(Error::invalid(place, expected))
    }
}

fn lifts(object: &mut Object<'_>, action: &Action) -> Result<Vec<Digest>, Error> {
    let Some(place) = object.optional("lifts") else {
        return Ok(Vec::new());
    };
    let lifting = matches!(
        action,
        Action::GrantAmend(_) | Action::GrantReissue { .. } | Action::GrantResume(_) | Action::Thaw
    );
    if lifting {
        read::each_once(&place, MAX_NAMED, read::digest)
    } else {
        Err(Error::invalid(&place, "nothing: this action lifts no stop"))
    }
}

fn action(place: &Place<'_>) -> Result<Action, Error> {
    let mut object = place.object()?;
    let word = object.required("type")?;
    let action = match word.str()? {
        "catalog.set" => catalog_set(&mut object)?,
        "freeze" => Action::Freeze,
        "grant.amend" => Action::GrantAmend(whole_grant(&mut object)?),
        "grant.create" => Action::GrantCreate(whole_grant(&mut object)?),
        "grant.reissue" => reissue(&mut object)?,
        "grant.resume" => Action::GrantResume(grant_id(&object.required("grant")?)?),
        "grant.revoke" => Action::GrantRevoke(grant_id(&object.required("grant")?)?),
        "grant.suspend" => Action::GrantSuspend(grant_id(&object.required("grant")?)?),
        "key.create" => Action::KeyCreate(key_create(&object.required("key")?)?),
        "key.import" => Action::KeyImport(Box::new(key_import(&mut object)?)),
        "key.retire" => Action::KeyRetire(key_id(&object.required("key")?)?),
        "manifest.set" => Action::ManifestSet {
            body: read::bytes(&object.required("body")?, MAX_MANIFEST)?,
            signatures: read::signatures(&object.required("signatures")?)?,
        },
        "thaw" => Action::Thaw,
        _ => return Err(Error::invalid(&word, "an action such as grant.create")),
    };
    object.finish()?;
    Ok(action)
}

fn catalog_set(object: &mut Object<'_>) -> Result<Action, Error> {
    let catalog = Box::new(Catalog::from_place(&object.required("catalog")?)?);
    let touches = match object.optional("touches") {
        Some(place) => read::each_once(&place, MAX_NAMED, grant_id)?,
        None => Vec::new(),
    };
    Ok(Action::CatalogSet { catalog, touches })
}

fn whole_grant(object: &mut Object<'_>) -> Result<Box<Grant>, Error> {
    Grant::from_place(&object.required("grant")?).map(Box::new)
}

fn reissue(object: &mut Object<'_>) -> Result<Action, Error> {
    let old = grant_id(&object.required("old")?)?;
    let place = object.required("new")?;
    let new = grant_id(&place)?;
    if new == old {
        return Err(Error::invalid(&place, "another id than the old grant's"));
    }
    Ok(Action::GrantReissue {
        old,
        new,
        agent_key: grant::agent_key(&object.required("agent_key")?)?,
        expires_at: read::time(&object.required("expires_at")?)?,
    })
}

fn key_create(place: &Place<'_>) -> Result<KeyCreate, Error> {
    let mut object = place.object()?;
    let key = key_facts(&mut object)?;
    object.finish()?;
    match key.alg {
        Alg::SigV4 => {
            let expected = "an import: access keys are made by AWS";
            Err(Error::unsupported(place, expected))
        }
        Alg::Hs256 | Alg::Hs512 => {
            let expected = "an import: who verifies must hold the same secret, and one born inside never leaves";
            Err(Error::unsupported(place, expected))
        }
        Alg::Ed25519 | Alg::P256 | Alg::Rs256 | Alg::Ps512 | Alg::P521 | Alg::Secp256k1 => Ok(key),
    }
}

fn key_facts(object: &mut Object<'_>) -> Result<KeyCreate, Error> {
    let kind = grant::kind(&object.required("kind")?)?;
    Ok(KeyCreate {
        id: key_id(&object.required("id")?)?,
        kind,
        alg: alg(kind, &object.required("alg")?)?,
        env: grant::env(object)?,
        agent: match object.optional("agent") {
            Some(place) => Some(grant::agent_id(&place)?),
            None => None,
        },
    })
}

fn key_import(object: &mut Object<'_>) -> Result<KeyImport, Error> {
    let mut facts = object.required("key")?.object()?;
    let key = key_facts(&mut facts)?;
    let place = facts.required("public")?;
    let public = read::bytes(&place, MAX_PUBLIC)?;
    if !key.alg.is_public(&public) {
        let expected = "the public key of this algorithm: 32 bytes for ed25519, 65 uncompressed for p256 and secp256k1, PKCS#1 with \
                        exponent 65537 for rs256 and ps512, an access key id for sigv4, 1 to 128 printable characters for hs256 \
                        and hs512, 133 uncompressed for p521";
        return Err(Error::invalid(&place, expected));
    }
    facts.finish()?;
    Ok(KeyImport {
        key,
        public,
        boot: read::digest(&object.required("boot")?)?,
        channel_key: grant::agent_key(&object.required("channel_key")?)?,
        sealed: read::digest(&object.required("sealed")?)?,
    })
}

fn alg(kind: Kind, place: &Place<'_>) -> Result<Alg, Error> {
    match (kind, place.str()?) {
        (Kind::Http | Kind::Jwt | Kind::Ssh | Kind::Solana, "ed25519") => Ok(Alg::Ed25519),
        (Kind::Http | Kind::Jwt | Kind::Ssh, "p256") => Ok(Alg::P256),
        (Kind::Jwt, "rs256") => Ok(Alg::Rs256),
        (Kind::Aws, "sigv4") => Ok(Alg::SigV4),
        (Kind::Http, "ps512") => Ok(Alg::Ps512),
        (Kind::Http, "hs256") => Ok(Alg::Hs256),
        (Kind::Http, _) => Err(Error::unsupported(
            place,
            "\"ed25519\", \"p256\", \"ps512\" or \"hs256\"",
        )),
        (Kind::Evm, "secp256k1") => Ok(Alg::Secp256k1),
        (Kind::Ssh, _) => Err(Error::unsupported(place, "\"ed25519\" or \"p256\"")),
        (Kind::Jwt, _) => Err(Error::unsupported(
            place,
            "\"ed25519\", \"p256\" or \"rs256\"",
        )),
        (Kind::Template, "ed25519") => Ok(Alg::Ed25519),
        (Kind::Template, "p256") => Ok(Alg::P256),
        (Kind::Template, "p521") => Ok(Alg::P521),
        (Kind::Template, "rs256") => Ok(Alg::Rs256),
        (Kind::Template, "hs256") => Ok(Alg::Hs256),
        (Kind::Template, "hs512") => Ok(Alg::Hs512),
        (Kind::Template, _) => Err(Error::unsupported(
            place,
            "\"hs256\", \"hs512\", \"ed25519\", \"p256\", \"p521\" or \"rs256\"",
        )),
        (Kind::Aws, _) => Err(Error::unsupported(place, "\"sigv4\"")),
        (Kind::Evm, _) => Err(Error::unsupported(place, "\"secp256k1\"")),
        (Kind::Solana, _) => Err(Error::unsupported(place, "\"ed25519\"")),
        (Kind::X402, _) => Err(Error::unsupported(
            place,
            "a key of kind \"evm\": it signs payments too",
        )),
    }
}

fn grant_id(place: &Place<'_>) -> Result<GrantId, Error> {
    read::parsed(place, "a grant id, gr_…", GrantId::parse)
}

fn key_id(place: &Place<'_>) -> Result<KeyId, Error> {
    read::parsed(place, "a key id, k_…", KeyId::parse)
}

/// Checks that those who must sign a command of a chain have: the owners' threshold of distinct people to widen, exactly
/// one owner or operator to narrow. For a narrow command the answer is the fingerprint of the signing key.
///
/// # Errors
///
/// [`Error::SIGNATURE`] or [`Error::THRESHOLD`].
pub fn verify_signers(
    chain: Chain,
    body: &[u8],
    signatures: &[String],
    manifest: &Manifest,
    verifier: &dyn Verifier,
) -> Result<Option<Digest>, Error> {
    let Manifest {
        owners, operators, ..
    } = manifest;
    if chain == Chain::Narrow && signatures.len() != 1 {
        let expected = "exactly one signature";
        return Err(Error::new(Error::THRESHOLD, "/signatures", expected));
    }
    let keys = threshold::keys(NAMESPACE_COMMAND, body, signatures, verifier)?;
    match chain {
        Chain::Narrow => {
            let people = owners.iter().chain(operators);
            threshold::known(&keys, people, "an owner's or operator's key")?;
            Ok(keys.first().map(|key| key.fingerprint()))
        }
        Chain::Widen => {
            threshold::known(&keys, owners.iter(), "an owner's key")?;
            threshold::require(&keys, owners, manifest.threshold, "the owners").map(|()| None)
        }
    }
}

#[cfg(test)]
mod tests;

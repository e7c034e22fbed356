//! What a generation may change, and what it must be an anchor for.
//!
//! A host that keeps an old manifest can serve under it until PCR17 says otherwise; so whatever takes a power away is an
//! anchor. Signatures are not looked at here.

use crate::{
    id::to_hex,
    log::checkpoint::LogKey,
    owner::{
        Error,
        manifest::{Durability, Manifest, Person, Running},
        sshsig::PublicKey,
    },
};

/// Bytes of g0's digest that the log's name carries (DESIGN §7: 16 hexadecimal digits).
const LOG_NAME_BYTES: usize = 8;

/// Checks that `next` may follow `before` in the deployment of `g0`.
pub(super) fn check(g0: &Manifest, before: &Manifest, next: &Manifest) -> Result<(), Error> {
    if Some(next.generation) != before.generation.checked_add(1) {
        return refuse("/generation", "one more than the generation before");
    }
    if next.supersedes != Some(before.digest) {
        return refuse("/supersedes", "the digest of the manifest before");
    }
    if next.origin != g0.origin {
        return refuse("/origin", "the origin of g0");
    }
    if next.recipients != g0.recipients {
        return refuse(
            "/recipients",
            "the recipients of g0, to which the bundle is sealed",
        );
    }
    let Some(running) = &next.running else {
        return refuse("/bundle", "what genesis made");
    };
    match &before.running {
        None => check_log_name(g0, running)?,
        Some(earlier) => check_kept(earlier, running)?,
    }
    if !next.anchor && takes_away(before, next) {
        return refuse("/anchor", "true, because this takes a power away");
    }
    Ok(())
}

fn refuse(pointer: &str, expected: &str) -> Result<(), Error> {
    Err(Error::new(Error::SUCCESSION, pointer, expected))
}

fn check_log_name(g0: &Manifest, running: &Running) -> Result<(), Error> {
    let head: Vec<u8> = g0.digest.0.iter().copied().take(LOG_NAME_BYTES).collect();
    let name = format!("{}/{}", g0.origin, to_hex(&head));
    if LogKey::parse(&running.log_vkey).is_ok_and(|key| key.name == name) {
        Ok(())
    } else {
        let expected = "a log named by origin, slash and the first 16 digits of g0's digest";
        refuse("/log/vkey", expected)
    }
}

fn check_kept(earlier: &Running, running: &Running) -> Result<(), Error> {
    if running.bundle != earlier.bundle {
        return refuse("/bundle", "the bundle of the generation before");
    }
    if running.log_vkey != earlier.log_vkey {
        return refuse("/log/vkey", "the log key of the generation before");
    }
    if running.first_root != earlier.first_root {
        return refuse("/log/first_root", "the first root of the generation before");
    }
    Ok(())
}

/// Whether somebody or something that could act under `before` no longer can under `next`. A person's key that goes is a
/// power that goes; an operator who becomes an owner loses none. Fewer signers are a power, and so are answers that do not
/// wait for storage.
fn takes_away(before: &Manifest, next: &Manifest) -> bool {
    let owners: Vec<&PublicKey> = keys(&next.owners).collect();
    let stoppers: Vec<&PublicKey> = keys(&next.operators).chain(keys(&next.owners)).collect();
    next.threshold > before.threshold
        || keys(&before.owners).any(|key| !owners.contains(&key))
        || keys(&before.operators).any(|key| !stoppers.contains(&key))
        || match (&before.running, &next.running) {
            (Some(before), Some(next)) => runs_less(before, next),
            (None, _) | (_, None) => false,
        }
}

fn keys(people: &[Person]) -> impl Iterator<Item = &PublicKey> {
    people.iter().flat_map(|person| &person.keys)
}

fn runs_less(before: &Running, next: &Running) -> bool {
    let mut releases = before.releases.iter();
    releases.any(|release| !next.releases.contains(release))
        || (before.rollback_accepted && !next.rollback_accepted)
        || next.min_version > before.min_version
        || (before.durability == Durability::Volatile && next.durability == Durability::Durable)
}

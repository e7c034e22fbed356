//! The next manifest, written from the newest: what changes, whether it must be an anchor, and who must sign it.
//!
//! What makes an anchor is the chain's own rule (docs/spec/manifest.md): the proposal is put to it, not judged here.

use crate::{
    Error,
    ceremony::plan::{Build, Named},
};
use claviger_shared::{
    owner::{
        self,
        manifest::{Manifest, Person, Version, chain::Chain},
    },
    wire::control::Signed,
};
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::{Map, Value, json};

/// What is to change.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// New owners, or new keys of owners.
    pub add_owners: Vec<Named>,
    /// Owners who go.
    pub remove_owners: Vec<String>,
    /// How many must sign.
    pub threshold: Option<usize>,
    /// New operators, or new keys of operators.
    pub add_operators: Vec<Named>,
    /// Operators who go.
    pub remove_operators: Vec<String>,
    /// New builds.
    pub add_releases: Vec<Build>,
    /// Versions of builds that go.
    pub remove_releases: Vec<String>,
    /// Lowest version that may run.
    pub min_version: Option<String>,
    /// `durable` or `volatile`.
    pub durability: Option<&'static str>,
    /// An anchor even where none is demanded.
    pub anchor: bool,
}

/// A manifest that nobody signed yet.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The exact bytes.
    pub body: Vec<u8>,
    /// The same, read.
    pub manifest: Manifest,
    /// What it changes, in words.
    pub words: Vec<String>,
    /// Whether the rules demand an anchor.
    pub must_anchor: bool,
}

fn usage(text: impl Into<String>) -> Error {
    Error::Usage(text.into())
}

/// Writes the manifest that follows a chain's newest.
///
/// # Errors
///
/// [`Error::Usage`] for what cannot be changed, or where nothing would change.
pub fn next(chain: &Chain, changes: &Changes) -> Result<Proposal, Error> {
    let newest = chain.newest();
    if newest.running.is_none() {
        return Err(usage(
            "the deployment is not born yet: g1 is written by `claviger init birth`",
        ));
    }
    let bytes = chain.bytes(newest.generation).unwrap_or_default();
    let (mut value, words) = draft(newest, bytes, changes)?;
    let plain = written(&value)?;
    let must_anchor = demands_anchor(chain, &plain)?;
    if must_anchor || changes.anchor {
        put(&mut value, "anchor", json!(true));
    }
    let body = written(&value)?;
    if demands_anchor(chain, &body)? {
        return Err(usage("this manifest cannot follow the newest"));
    }
    Ok(Proposal {
        manifest: Manifest::parse(&body)?,
        body,
        words,
        must_anchor,
    })
}

/// Writes the anchor that is to follow a proposal which nobody signed yet: what it takes away, it takes away for ever.
///
/// # Errors
///
/// As [`next`].
pub fn anchor_after(before: &Proposal, changes: &Changes) -> Result<Proposal, Error> {
    let (mut value, words) = draft(&before.manifest, &before.body, changes)?;
    put(&mut value, "anchor", json!(true));
    let body = written(&value)?;
    Ok(Proposal {
        manifest: Manifest::parse(&body)?,
        body,
        words,
        must_anchor: true,
    })
}

/// A manifest with its changes and its place in the chain, no anchor yet.
fn draft(
    before: &Manifest,
    bytes: &[u8],
    changes: &Changes,
) -> Result<(Value, Vec<String>), Error> {
    let mut value: Value =
        serde_json::from_slice(bytes).map_err(|error| usage(error.to_string()))?;
    let members = value
        .as_object_mut()
        .ok_or_else(|| usage("not a manifest"))?;
    let words = change(members, changes)?;
    if words.is_empty() && !changes.anchor {
        return Err(usage(
            "nothing changes: see `claviger manifest propose --help`",
        ));
    }
    members.insert(
        "generation".to_owned(),
        json!(before.generation.saturating_add(1)),
    );
    members.insert("supersedes".to_owned(), json!(before.digest));
    members.remove("anchor");
    Ok((value, words))
}

fn put(value: &mut Value, name: &str, member: Value) {
    if let Some(members) = value.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
}

fn written(value: &Value) -> Result<Vec<u8>, Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| usage(error.to_string()))?;
    Manifest::parse(&bytes)?;
    Ok(bytes)
}

/// Whether the chain takes these bytes only as an anchor. Signatures are still missing: anything else but that is a fault.
fn demands_anchor(chain: &Chain, body: &[u8]) -> Result<bool, Error> {
    let unsigned = Signed {
        body: body.to_vec(),
        signatures: Vec::new(),
    };
    match chain.extended(&unsigned, &RingVerifier) {
        Err(error) if error.code() == owner::Error::THRESHOLD => Ok(false),
        Err(error) if error.pointer() == "/body/anchor" => Ok(true),
        Err(error) => Err(error.into()),
        Ok(_) => Err(usage("a manifest without signatures was taken")),
    }
}

fn change(members: &mut Map<String, Value>, changes: &Changes) -> Result<Vec<String>, Error> {
    let mut words = Vec::new();
    for (role, list, add, remove) in [
        (
            "owner",
            "owners",
            &changes.add_owners,
            &changes.remove_owners,
        ),
        (
            "operator",
            "operators",
            &changes.add_operators,
            &changes.remove_operators,
        ),
    ] {
        let people = members.entry(list).or_insert_with(|| json!([]));
        let people = people
            .as_array_mut()
            .ok_or_else(|| usage(format!("{list} is no list")))?;
        for name in remove {
            remove_named(people, "name", name, role)?;
            words.push(format!("{role} {name} goes"));
        }
        for person in add {
            words.push(add_person(people, person, role));
        }
    }
    if let Some(threshold) = changes.threshold {
        let before = members.insert("threshold".to_owned(), json!(threshold));
        let before = before.unwrap_or_default();
        if before != json!(threshold) {
            words.push(format!("{threshold} owners must sign, not {before}"));
        }
    }
    builds(members, changes, &mut words)?;
    if let Some(durability) = changes.durability {
        members.insert("durability".to_owned(), json!(durability));
        words.push(format!("answers are {durability}"));
    }
    Ok(words)
}

fn add_person(people: &mut Vec<Value>, person: &Named, role: &str) -> String {
    let Named { name, keys } = person;
    let same = |held: &&mut Value| held.get("name").and_then(Value::as_str) == Some(name);
    let held = people.iter_mut().find(same);
    match held
        .and_then(|held| held.get_mut("keys"))
        .and_then(Value::as_array_mut)
    {
        Some(held) => {
            let new: Vec<_> = keys
                .iter()
                .map(|key| json!(key))
                .filter(|key| !held.contains(key))
                .collect();
            let count = new.len();
            held.extend(new);
            format!("{role} {name} has {count} more keys")
        }
        None => {
            people.push(json!({ "name": name, "keys": keys }));
            format!("{role} {name} comes")
        }
    }
}

fn builds(
    members: &mut Map<String, Value>,
    changes: &Changes,
    words: &mut Vec<String>,
) -> Result<(), Error> {
    let releases = members.entry("releases").or_insert_with(|| json!([]));
    let releases = releases
        .as_array_mut()
        .ok_or_else(|| usage("releases is no list"))?;
    for version in &changes.remove_releases {
        remove_named(releases, "version", version, "release")?;
        words.push(format!("release {version} goes"));
    }
    for build in &changes.add_releases {
        build.release()?;
        releases.push(json!(build));
        words.push(format!("release {} comes", build.version));
    }
    if let Some(version) = &changes.min_version {
        if Version::parse(version).is_none() {
            return Err(usage(format!("`{version}` is not a version such as 0.1.0")));
        }
        members.insert("min_version".to_owned(), json!(version));
        words.push(format!("nothing below {version} may run"));
    }
    Ok(())
}

fn remove_named(list: &mut Vec<Value>, member: &str, name: &str, what: &str) -> Result<(), Error> {
    let before = list.len();
    list.retain(|one| one.get(member).and_then(Value::as_str) != Some(name));
    if list.len() == before {
        Err(usage(format!("the newest manifest has no {what} `{name}`")))
    } else {
        Ok(())
    }
}

/// Who must sign a proposal, in words.
#[must_use]
pub fn signers(before: &Manifest, next: &Manifest) -> String {
    let names = |people: &[Person]| {
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        names.join(", ")
    };
    let own = format!("{} of {}", next.threshold, names(&next.owners));
    let old = format!("{} of {}", before.threshold, names(&before.owners));
    if own == old {
        own
    } else {
        format!("{old} (the owners before), and {own} (its own)")
    }
}

#[cfg(test)]
mod tests;

//! What CloudTrail saw of a deployment's keys, held against the log: every derived secret is a boot that the log knows.
//!
//! Whoever can derive has the root secret, so a derivation that no boot explains is the worst news there is. A boot names its
//! build and its time and no key, so one is matched with one: same build, not before the derivation, soon after it. A
//! derivation that never came to a boot entry (an enclave that died while it read its log) is unexplained too, and somebody
//! must look. CloudTrail is AWS's word: what it leaves out is not seen here.

use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::Pcr,
    time::{Millis, UnixMs},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How far CloudTrail's clock may be behind the NSM's.
const SKEW: Millis = Millis(120_000);
/// Largest number of events that are read at once.
const MAX_EVENTS: usize = 100_000;

/// A boot that the log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Its entry.
    pub index: u64,
    /// The NSM's time.
    pub time: UnixMs,
    /// PCR 0, 1 and 2.
    pub pcrs: [Pcr; 3],
}

/// One call of DeriveSharedSecret, as CloudTrail tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derive {
    /// CloudTrail's own id of it.
    pub id: String,
    /// When.
    pub time: UnixMs,
    /// Who.
    pub caller: String,
    /// The key's ARN.
    pub key: String,
    /// Why KMS refused; nothing where it did not.
    pub refused: Option<String>,
    /// Whether an attestation document came with it.
    pub attested: bool,
    /// Registers 0, 1 and 2 as far as they are told.
    pub pcrs: [Option<Pcr>; 3],
    /// The enclave, by its parent.
    pub module: Option<String>,
}

fn usage(text: impl Into<String>) -> Error {
    Error::Usage(text.into())
}

/// Reads calls of DeriveSharedSecret from what CloudTrail writes to S3 (`Records`), what `aws cloudtrail lookup-events`
/// prints (`Events`), or one event a line.
///
/// # Errors
///
/// [`Error::Usage`] for what is none of these, or an event without id, time or key: what is not understood is not passed over.
pub fn read(text: &str) -> Result<Vec<Derive>, Error> {
    let values = match serde_json::from_str::<Value>(text) {
        Ok(value) => vec![value],
        Err(_) => text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).map_err(|error| usage(error.to_string())))
            .collect::<Result<Vec<_>, _>>()?,
    };
    let mut derives = Vec::new();
    for value in values {
        for event in events(value)? {
            let of = |name: &str| event.get(name).and_then(Value::as_str);
            if of("eventSource") == Some("kms.amazonaws.com")
                && of("eventName") == Some("DeriveSharedSecret")
            {
                derives.push(derive(&event)?);
            }
            if derives.len() > MAX_EVENTS {
                return Err(usage(format!(
                    "more than {MAX_EVENTS} events: give fewer at once"
                )));
            }
        }
    }
    Ok(derives)
}

fn events(mut value: Value) -> Result<Vec<Value>, Error> {
    if let Value::Array(list) = value {
        return Ok(list);
    }
    let mut list = |name: &str| match value.get_mut(name).map(Value::take) {
        Some(Value::Array(list)) => Some(list),
        Some(_) | None => None,
    };
    if let Some(records) = list("Records") {
        return Ok(records);
    }
    if let Some(list) = list("Events") {
        let inner = |one: &Value| {
            let text = one.get("CloudTrailEvent").and_then(Value::as_str);
            let text = text.ok_or_else(|| usage("an event without CloudTrailEvent"))?;
            serde_json::from_str(text).map_err(|error| usage(format!("CloudTrailEvent: {error}")))
        };
        return list.iter().map(inner).collect();
    }
    if value.get("eventName").is_some_and(Value::is_string) {
        return Ok(vec![value]);
    }
    Err(usage(
        "no CloudTrail events: expected Records, Events, or one event a line",
    ))
}

fn derive(event: &Value) -> Result<Derive, Error> {
    let text = |at: &str| event.pointer(at).and_then(Value::as_str);
    let word = |found: Option<&str>, what: &str| {
        let found = found.filter(|text| !text.is_empty());
        found
            .map(str::to_owned)
            .ok_or_else(|| usage(format!("an event has no {what}")))
    };
    let recipient = "/additionalEventData/recipient";
    let register = |name: &str| {
        let told = text(&format!("{recipient}/{name}"));
        let fault = || usage(format!("{name} is no register"));
        told.map(|told| register(told).ok_or_else(fault))
            .transpose()
    };
    let time = word(text("/eventTime"), "eventTime")?;
    let key = text("/resources/0/ARN").or_else(|| text("/requestParameters/keyId"));
    Ok(Derive {
        id: word(text("/eventID"), "eventID")?,
        time: UnixMs::parse_rfc3339(&time)
            .map_err(|_| usage(format!("`{time}` is no time of an event")))?,
        caller: text("/userIdentity/arn").unwrap_or("unknown").to_owned(),
        key: word(key, "key")?,
        refused: text("/errorCode").map(str::to_owned),
        attested: event.pointer(recipient).is_some_and(Value::is_object),
        pcrs: [
            register("attestationDocumentEnclaveImageDigest")?,
            register("attestationDocumentEnclavePCR1")?,
            register("attestationDocumentEnclavePCR2")?,
        ],
        module: text(&format!("{recipient}/attestationDocumentModuleId")).map(str::to_owned),
    })
}

/// A register as an event tells it: in base64 by what trails hold, in hexadecimal by what policies do.
fn register(told: &str) -> Option<Pcr> {
    if let Ok(pcr) = Pcr::parse(&told.to_ascii_lowercase()) {
        return Some(pcr);
    }
    let bytes = STANDARD.decode(told).ok()?;
    Some(Pcr(bytes.try_into().ok()?))
}

/// What came of holding one against the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Derivations with the entries of their boots.
    pub known: Vec<(Derive, u64)>,
    /// Derivations that no boot explains.
    pub unknown: Vec<Derive>,
    /// Derivations so young that their boot may still come.
    pub pending: Vec<Derive>,
    /// Calls that KMS refused.
    pub refused: Vec<Derive>,
    /// Entries of boots since the first event for which no derivation was told.
    pub untold: Vec<u64>,
}

/// Holds derivations of a deployment's keys against its boots.
///
/// `within` is how long an enclave may take from KMS's answer to its boot entry.
#[must_use]
pub fn compare(
    derives: Vec<Derive>,
    boots: &[Boot],
    keys: &[String],
    within: Millis,
    now: UnixMs,
) -> Comparison {
    let mut derives = derives;
    derives.retain(|derive| keys.contains(&derive.key));
    derives.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
    derives.dedup_by(|one, other| one.id == other.id);
    let first = derives.first().map(|derive| derive.time);
    let mut found = Comparison::default();
    let mut used = BTreeSet::new();
    for derive in derives {
        if derive.refused.is_some() {
            found.refused.push(derive);
            continue;
        }
        let fits = |boot: &&Boot| {
            !used.contains(&boot.index)
                && boot.time.plus(SKEW) >= derive.time
                && boot.time <= derive.time.plus(within)
                && is_build(&derive, boot)
        };
        match boots.iter().find(fits).map(|boot| boot.index) {
            Some(index) => {
                used.insert(index);
                found.known.push((derive, index));
            }
            None if derive.attested && now < derive.time.plus(within) => {
                found.pending.push(derive);
            }
            None => found.unknown.push(derive),
        }
    }
    let later = |boot: &&Boot| first.is_some_and(|first| boot.time > first.plus(SKEW));
    let untold = boots.iter().filter(later).map(|boot| boot.index);
    found.untold = untold.filter(|index| !used.contains(index)).collect();
    found
}

/// Whether what an event tells of its document is this boot's build; the image's digest must be told.
fn is_build(derive: &Derive, boot: &Boot) -> bool {
    let mut pairs = derive.pcrs.iter().zip(&boot.pcrs);
    derive.attested
        && derive.pcrs.first().is_some_and(Option::is_some)
        && pairs.all(|(told, own)| told.is_none_or(|told| told == *own))
}

impl Comparison {
    /// Whether every derivation is explained.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.unknown.is_empty()
    }

    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self {
            known,
            unknown,
            pending,
            refused,
            untold,
        } = self;
        let list = |derives: &[Derive]| derives.iter().map(Derive::to_json).collect::<Vec<_>>();
        let known: Vec<_> = known
            .iter()
            .map(|(derive, index)| json!({ "event": derive.id, "time": derive.time.to_string(), "entry": index }))
            .collect();
        json!({
            "ok": self.is_well(), "known": known, "unknown": list(unknown), "pending": list(pending),
            "refused": list(refused), "boots_without_event": untold,
        })
    }
}

impl Derive {
    fn to_json(&self) -> Value {
        let Self {
            id,
            time,
            caller,
            key,
            refused,
            attested,
            pcrs,
            module,
        } = self;
        let [image, ..] = pcrs;
        json!({
            "event": id, "time": time.to_string(), "caller": caller, "key": key, "refused": refused, "attested": attested,
            "image": image, "module": module,
        })
    }
}

#[cfg(test)]
mod tests;

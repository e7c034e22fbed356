//! Reading the log's records for operators: which, from where, and how much of the log one answer looks at.
//!
//! Every answer is bounded twice: by records shown and by bytes read. What it did not reach stands behind `next`. Nothing is
//! verified here; `claviger audit` does that.

use super::record;
use crate::store::{Error, Store};
use claviger_shared::{
    codec::cbor,
    id::GrantId,
    log::{
        entry::Leaf,
        record::{Body, Record},
        show,
    },
    time::UnixMs,
    wire::storage::{MAX_LEAF, MAX_RECORDS, StoredEntry},
};
use serde_json::{Value, json};

/// Records of one page at most.
pub const MAX_PAGE: usize = 1000;
/// Bytes of entries that one page looks at, beside the read that passes it.
pub const MAX_SCAN: u64 = 8 * 1024 * 1024;
/// Bytes of entries of one read.
const STEP: u64 = 512 * 1024;

/// A record's place in the log: its entry, and its number there. The text is its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Index of the entry.
    pub index: u64,
    /// Number of the record, from 0.
    pub number: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.index, self.number)
    }
}

impl Place {
    /// Reads `index.number`, decimal without leading zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (index, number) = text.split_once('.')?;
        let place = Self {
            index: index.parse().ok()?,
            number: number.parse().ok()?,
        };
        let fine = place.number < MAX_RECORDS as u64 && place.to_string() == text;
        fine.then_some(place)
    }

    /// The place after it in its entry.
    #[must_use]
    pub const fn after(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }
}

/// Which records are wanted; every member that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this grant.
    pub grant: Option<String>,
    /// About one of these grants: those of an agent.
    pub grants: Option<Vec<GrantId>>,
    /// One of [`record::KINDS`].
    pub kind: Option<String>,
    /// One of [`record::DECISIONS`].
    pub decision: Option<String>,
    /// A denial's code.
    pub code: Option<String>,
    /// In an entry of this time or later.
    pub since: Option<UnixMs>,
}

impl Filter {
    fn takes(&self, body: &Body, kind: &str) -> bool {
        let is = |wanted: &Option<String>, word: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| word == Some(wanted))
        };
        let code = if let Body::Denied(denied) = body {
            Some(denied.code.as_str())
        } else {
            None
        };
        if !is(&self.kind, Some(kind))
            || !is(&self.code, code)
            || !is(&self.decision, record::decision(body))
        {
            return false;
        }
        if self.grant.is_none() && self.grants.is_none() {
            return true;
        }
        let grant = record::grant(body);
        let of_agent = self.grants.as_ref().is_none_or(|grants| {
            grants
                .iter()
                .any(|own| grant.as_deref() == Some(own.as_str()))
        });
        is(&self.grant, grant.as_deref()) && of_agent
    }
}

/// Some records, and where to go on.
#[derive(Debug, Default)]
pub struct Page {
    /// Their places and what they hold, in the log's order.
    pub records: Vec<(Place, Value)>,
    /// After the last record that was looked at.
    pub next: Place,
    /// Whether that is the end of the log.
    pub end: bool,
}

/// Records from a place on; blocking.
///
/// # Errors
///
/// [`Error`] when the store cannot be read.
pub fn page(store: &dyn Store, filter: &Filter, from: Place, limit: usize) -> Result<Page, Error> {
    let mut page = Page {
        next: from,
        ..Page::default()
    };
    if let Some(since) = filter.since {
        let first = first_since(store, since)?;
        page.next = page.next.max(Place {
            index: first,
            number: 0,
        });
    }
    let mut scanned = 0_u64;
    while scanned < MAX_SCAN {
        let read = store.read(page.next.index, STEP)?;
        for entry in &read.entries {
            scanned = scanned.saturating_add(size(entry));
            if !take(entry, filter, limit, &mut page) {
                return Ok(page);
            }
        }
        if read.end || read.entries.is_empty() {
            page.end = true;
            return Ok(page);
        }
    }
    Ok(page)
}

fn size(entry: &StoredEntry) -> u64 {
    let records = entry.records.iter().map(|bytes| bytes.len() as u64);
    records.sum::<u64>() + entry.leaf.len() as u64
}

/// Takes what is wanted of an entry; whether the page has room for more.
fn take(entry: &StoredEntry, filter: &Filter, limit: usize, page: &mut Page) -> bool {
    let time = cbor::decode::<Leaf>(&entry.leaf, MAX_LEAF).map_or(UnixMs(0), |leaf| leaf.time);
    let first = if page.next.index == entry.index {
        page.next.number
    } else {
        0
    };
    for (number, bytes) in (0_u64..).zip(&entry.records).skip(first as usize) {
        if page.records.len() >= limit {
            return false;
        }
        let place = Place {
            index: entry.index,
            number,
        };
        page.next = place.after();
        if let Ok(Record { body, .. }) = Record::decode(bytes) {
            let (kind, members) = show::members(&body);
            if filter.takes(&body, kind) {
                page.records.push((place, show(place, time, kind, members)));
            }
        }
    }
    page.next = Place {
        index: entry.index.saturating_add(1),
        number: 0,
    };
    true
}

fn show(place: Place, time: UnixMs, kind: &str, members: Value) -> Value {
    let mut value = json!({
        "id": place.to_string(), "index": place.index, "place": place.number, "time": time.to_string(), "kind": kind,
    });
    if let (Some(all), Value::Object(members)) = (value.as_object_mut(), members) {
        all.extend(members);
    }
    value
}

/// Index of the first entry of this time or later; the log's size where there is none.
fn first_since(store: &dyn Store, since: UnixMs) -> Result<u64, Error> {
    let (mut low, mut high) = (0, store.tail().size);
    while low < high {
        let middle = low + (high - low) / 2;
        let read = store.read(middle, 0)?;
        let leaf = read.entries.first().map(|entry| &entry.leaf);
        let leaf = leaf.and_then(|leaf| cbor::decode::<Leaf>(leaf, MAX_LEAF).ok());
        // Times do not go back along the log.
        if leaf.is_some_and(|leaf| leaf.time >= since) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;

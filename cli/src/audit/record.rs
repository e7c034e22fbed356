//! The records of a checked entry as people and programs read them: one JSON object each, its kind in a member.

use claviger_shared::log::{entry::Entry, show::members};
use serde_json::{Value, json};

/// Every record of a checked entry.
pub fn of_entry(entry: &Entry) -> impl Iterator<Item = Value> + '_ {
    let numbered = entry.records.iter().enumerate();
    numbered.map(|(place, record)| {
        let (kind, members) = members(&record.body);
        let mut value = json!({
            "index": entry.leaf.index, "place": place, "time": entry.leaf.time.to_string(), "kind": kind,
        });
        if let (Some(all), Value::Object(members)) = (value.as_object_mut(), members) {
            all.extend(members);
        }
        value
    })
}

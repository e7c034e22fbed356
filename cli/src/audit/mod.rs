//! The offline audit of a stored log: entries from files, folded by the ledger's own code, held against what others saw.
//!
//! A log that verifies is whole and keeps every promise; that nothing was cut from its end shows only against a checkpoint
//! or receipts from elsewhere. The host is not asked.

pub mod derives;
pub mod export;
pub mod record;
pub mod segment;

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::Digest,
    log::{checkpoint, merkle, receipt::Receipt, record::Body},
    owner::manifest::chain::Chain,
    wire::storage::StoredEntry,
};
use claviger_verify::{
    audit::{self, Auditor, Report},
    ring_verifier::RingVerifier,
};
use segment::{Damage, Stored};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

/// Why a log is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refuted {
    /// The files are damaged.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// An entry or record breaks a promise.
    #[error(transparent)]
    Log(#[from] audit::Error),
    /// The log is not the one that a checkpoint was signed for.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A receipt does not fit the log.
    #[error("receipt in line {line}: {what}")]
    Receipt {
        /// From 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl Refuted {
    /// What machines read.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut value = json!({ "ok": false, "reason": self.to_string() });
        let place = match self {
            Self::Log(audit::Error::Entry { index, .. }) => json!({ "entry": index }),
            Self::Log(audit::Error::Violation { index, place, .. }) => {
                json!({ "entry": index, "record": place })
            }
            Self::Log(audit::Error::FirstRoot) => json!({ "entry": 0 }),
            Self::Damage(Damage::Segment { entry, .. }) => json!({ "entry": entry }),
            Self::Receipt { line, .. } => json!({ "line": line }),
            Self::Log(audit::Error::Empty | audit::Error::NoLog)
            | Self::Damage(Damage::Io(..))
            | Self::Checkpoint(_) => json!({}),
        };
        if let (Some(members), Value::Object(place)) = (value.as_object_mut(), place) {
            members.extend(place);
        }
        value
    }
}

/// A log that verifies, and the tree heads it went through.
#[derive(Debug)]
pub struct Audit {
    auditor: Auditor,
    roots: Vec<Digest>,
    leaves: Vec<Digest>,
    boots: Vec<derives::Boot>,
    torn_bytes: usize,
}

impl Audit {
    /// Reads and audits a store's directory.
    ///
    /// # Errors
    ///
    /// [`Refuted`], at the first thing that does not check out.
    pub fn of_store(dir: &Path, chain: Arc<Chain>) -> Result<Self, Refuted> {
        let mut stored = Stored::open(dir)?;
        let mut audit = Self::new(chain)?;
        for entry in &mut stored {
            audit.entry(&entry?)?;
        }
        audit.torn_bytes = stored.torn_bytes();
        Ok(audit)
    }

    fn new(chain: Arc<Chain>) -> Result<Self, Refuted> {
        Ok(Self {
            auditor: Auditor::new(chain)?,
            roots: Vec::new(),
            leaves: Vec::new(),
            boots: Vec::new(),
            torn_bytes: 0,
        })
    }

    fn entry(&mut self, stored: &StoredEntry) -> Result<(), Refuted> {
        let entry = self.auditor.entry(stored)?;
        self.roots.push(entry.checkpoint.root);
        self.leaves.push(merkle::leaf_hash(&stored.leaf));
        for record in &entry.records {
            if let Body::Boot(boot) = &record.body {
                self.boots.push(derives::Boot {
                    index: stored.index,
                    time: boot.time,
                    pcrs: boot.pcrs,
                });
            }
        }
        Ok(())
    }

    /// The boots that the log knows, in order.
    #[must_use]
    pub fn boots(&self) -> &[derives::Boot] {
        &self.boots
    }

    /// Holds the log against a tree head that its own key signed.
    ///
    /// # Errors
    ///
    /// [`Refuted::Checkpoint`]: the note is none, or the log was cut or is another.
    pub fn covers(&self, note: &str) -> Result<(), Refuted> {
        let head = checkpoint::verify(note, self.auditor.log_key(), &RingVerifier);
        let head = head.map_err(|error| Refuted::Checkpoint(error.to_string()))?;
        self.covers_head(head.size, &head.root)
            .map_err(Refuted::Checkpoint)
    }

    fn covers_head(&self, size: u64, root: &Digest) -> Result<(), String> {
        let own = self.auditor.size();
        if size > own {
            return Err(format!("log was cut: it has {own} entries of {size}"));
        }
        match at(&self.roots, size.checked_sub(1)) {
            Some(found) if found == root => Ok(()),
            None if size == 0 => Ok(()),
            Some(_) | None => Err(format!("log is another: its root at size {size} differs")),
        }
    }

    /// Checks receipts, one a line; how many there were. Empty lines are passed over.
    ///
    /// # Errors
    ///
    /// [`Refuted::Receipt`] for the first that does not verify or is not of this log.
    pub fn holds_receipts(&self, lines: &str) -> Result<usize, Refuted> {
        let mut count = 0;
        for (number, line) in lines.lines().enumerate() {
            let line_number = number + 1;
            if line.trim().is_empty() {
                continue;
            }
            self.holds(line.trim()).map_err(|what| Refuted::Receipt {
                line: line_number,
                what,
            })?;
            count += 1;
        }
        Ok(count)
    }

    fn holds(&self, line: &str) -> Result<(), String> {
        let encoded = encoded(line).ok_or("neither base64 nor JSON with `encoded`")?;
        let bytes = STANDARD.decode(encoded).map_err(|_| "not base64")?;
        let receipt = Receipt::decode(&bytes).map_err(|error| error.to_string())?;
        let proved = receipt.verify(self.auditor.log_key(), &RingVerifier);
        let proved = proved.map_err(|error| error.to_string())?;
        let index = proved.leaf.index;
        match at(&self.leaves, Some(index)) {
            None => {
                let own = self.auditor.size();
                return Err(format!(
                    "log was cut: it has {own} entries, the receipt is for entry {index}"
                ));
            }
            Some(leaf) if *leaf != merkle::leaf_hash(&receipt.leaf) => {
                return Err(format!("log is another: its entry {index} differs"));
            }
            Some(_) => {}
        }
        self.covers_head(proved.checkpoint.size, &proved.checkpoint.root)
    }

    /// Size and root.
    ///
    /// # Errors
    ///
    /// [`Refuted::Log`] for an empty log.
    pub fn report(&self) -> Result<Report, Refuted> {
        Ok(self.auditor.report()?)
    }

    /// Bytes of an incomplete last write, which is not part of the log.
    #[must_use]
    pub const fn torn_bytes(&self) -> usize {
        self.torn_bytes
    }
}

fn at(list: &[Digest], index: Option<u64>) -> Option<&Digest> {
    list.get(usize::try_from(index?).ok()?)
}

/// The base64 text in a line: bare, a JSON text, a receipt's JSON, or an answer that holds one.
fn encoded(line: &str) -> Option<String> {
    if !line.starts_with(['{', '"']) {
        return Some(line.to_owned());
    }
    let value: Value = serde_json::from_str(line).ok()?;
    let text = value
        .as_str()
        .or_else(|| value.get("encoded")?.as_str())
        .or_else(|| value.get("receipt")?.as_str())
        .or_else(|| value.get("receipt")?.get("encoded")?.as_str());
    text.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_found_in_each_form_of_a_line() {
        for line in [
            "QUJD",
            "\"QUJD\"",
            r#"{"encoded":"QUJD"}"#,
            r#"{"receipt":"QUJD"}"#,
            r#"{"receipt":{"encoded":"QUJD"}}"#,
        ] {
            assert_eq!(encoded(line).as_deref(), Some("QUJD"), "{line}");
        }
        assert_eq!(encoded("{}"), None);
        assert_eq!(encoded("{"), None);
    }
}

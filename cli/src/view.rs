//! What an owner is shown: the log, fetched from the host and audited entry by entry.
//!
//! Everything read here stands under checkpoints of the manifest's log key and was folded by the ledger's own code. A host
//! can hide the newest entries; it cannot change one.

use crate::{Error, operator::Operator};
use claviger_shared::{
    ledger::State,
    log::{
        checkpoint::LogKey,
        entry::Entry,
        record::{Body, Record},
    },
    owner::manifest::chain::Chain,
};
use claviger_verify::audit::{self, Auditor, Report};
use serde_json::Value;
use std::sync::Arc;

/// An audited log, up to where it was read.
#[derive(Debug)]
pub struct View {
    auditor: Auditor,
    catalog: Option<Value>,
}

fn distrust(error: &audit::Error) -> Error {
    Error::Distrust(format!("log: {error}"))
}

/// The catalog that a record sets.
fn catalog_set(record: &Record) -> Option<Value> {
    let Body::Command(command) = &record.body else {
        return None;
    };
    let mut command: Value = serde_json::from_slice(&command.body).ok()?;
    command.pointer_mut("/action/catalog").map(Value::take)
}

impl View {
    /// A view of nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] when the chain names no log.
    pub fn new(chain: Arc<Chain>) -> Result<Self, Error> {
        let auditor = Auditor::new(chain).map_err(|error| distrust(&error))?;
        Ok(Self {
            auditor,
            catalog: None,
        })
    }

    /// Reads on to the end of the log, showing each entry.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for an entry that breaks the log; [`Error::Unavailable`].
    pub async fn read_on(
        &mut self,
        operator: &Operator,
        mut see: impl FnMut(&Entry),
    ) -> Result<(), Error> {
        loop {
            let entries = operator.entries(self.auditor.size()).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for stored in &entries {
                let entry = self.auditor.entry(stored);
                let entry = entry.map_err(|error| distrust(&error))?;
                if let Some(catalog) = entry.records.iter().rev().find_map(catalog_set) {
                    self.catalog = Some(catalog);
                }
                see(&entry);
            }
        }
    }

    /// What the log says.
    #[must_use]
    pub const fn state(&self) -> &State {
        self.auditor.state()
    }

    /// The catalog in force, as its owners wrote it; nothing before the first.
    #[must_use]
    pub const fn catalog(&self) -> Option<&Value> {
        self.catalog.as_ref()
    }

    /// The log's key.
    #[must_use]
    pub const fn log_key(&self) -> &LogKey {
        self.auditor.log_key()
    }

    /// Size and root.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for an empty log.
    pub fn report(&self) -> Result<Report, Error> {
        self.auditor.report().map_err(|error| distrust(&error))
    }
}

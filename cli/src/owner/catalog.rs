//! The catalog as owners set it: whole, and naming every live grant that a change touches.

use super::Desk;
use crate::Error;
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    catalog::Catalog,
    id::{GrantId, ResourceName},
    ledger::Status,
    time::UnixMs,
};
use serde_json::{Value, json};

impl Desk {
    /// Live grants that name a resource which a new catalog changes or drops.
    #[must_use]
    pub fn touched_by(&self, new: &Catalog) -> Vec<GrantId> {
        let state = self.view().state();
        let now = UnixMs(wall_clock_ms()).max(state.time());
        let changed = |name: &ResourceName| !state.catalog().means_the_same(new, name);
        let touched = state.grants().filter(|(_, grant)| {
            let live = grant.status != Status::Revoked && grant.grant.expires_at > now;
            live && grant.grant.permissions.names().any(changed)
        });
        touched.map(|(id, _)| id.clone()).collect()
    }

    /// The action that sets a catalog.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault.
    pub fn catalog_action(text: &[u8], touches: &[GrantId]) -> Result<Value, Error> {
        Catalog::parse(text)?;
        let catalog: Value =
            serde_json::from_slice(text).map_err(|error| Error::Usage(error.to_string()))?;
        Ok(json!({ "type": "catalog.set", "catalog": catalog, "touches": touches }))
    }

    /// The action that sets a catalog, once every live grant that it touches was named.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault, or with the grants that are touched and not named.
    pub fn checked_catalog_action(&self, text: &[u8], touches: &[GrantId]) -> Result<Value, Error> {
        let catalog = Catalog::parse(text)?;
        let touched = self.touched_by(&catalog);
        let unnamed: Vec<_> = touched.iter().filter(|id| !touches.contains(id)).collect();
        if unnamed.is_empty() {
            return Self::catalog_action(text, touches);
        }
        let list = unnamed
            .iter()
            .map(|id| format!("--touches {id}"))
            .collect::<Vec<_>>()
            .join(" ");
        Err(Error::Usage(format!(
            "this changes what live grants mean: if that is wanted, add {list}"
        )))
    }

    /// Sets the catalog; every live grant it touches must have been named.
    ///
    /// # Errors
    ///
    /// As [`Self::checked_catalog_action`] and [`Self::widen_now`].
    pub async fn set_catalog(&mut self, text: &[u8], touches: &[GrantId]) -> Result<Value, Error> {
        let action = self.checked_catalog_action(text, touches)?;
        self.widen_now(&action, &[]).await?;
        let resources = self.view().state().catalog().resources.len();
        Ok(json!({ "resources": resources, "touches": touches }))
    }
}

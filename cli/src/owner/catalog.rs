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
        let old = &state.catalog().resources;
        let changed = |name: &ResourceName| old.get(name) != new.resources.get(name);
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

    /// Sets the catalog; every live grant it touches must have been named.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] with the place at fault, or with the grants that are touched and not named.
    pub async fn set_catalog(&mut self, text: &[u8], touches: &[GrantId]) -> Result<Value, Error> {
        let catalog = Catalog::parse(text)?;
        let unnamed: Vec<_> = self
            .touched_by(&catalog)
            .into_iter()
            .filter(|id| !touches.contains(id))
            .collect();
        if !unnamed.is_empty() {
            let list = unnamed
                .iter()
                .map(GrantId::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Error::Usage(format!(
                "this changes what live grants mean: name them with --touches: {list}"
            )));
        }
        self.widen_now(&Self::catalog_action(text, touches)?, &[])
            .await?;
        Ok(json!({ "resources": catalog.resources.len(), "touches": touches }))
    }
}

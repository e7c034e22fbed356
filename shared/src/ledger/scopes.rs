//! What is equal in many grants is held once: scopes, and the names of agents, keys, resources and units.
//!
//! Sharing changes no value, so it is not part of what a state says or a snapshot holds.

use super::state::{Data, KeyState};
use crate::{
    catalog::Catalog,
    grant::{Grant, Permissions, Scope},
    id::{KeyId, Unit},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// Scopes held when those that nothing uses any more are first looked for.
const FIRST_SWEEP: usize = 1024;

/// Every scope of a grant, once, and every unit.
#[derive(Debug, Clone, Default)]
pub(super) struct Scopes {
    known: HashSet<Arc<Scope>>,
    units: HashSet<Unit>,
    sweep_at: usize,
}

impl Scopes {
    /// The scopes of all grants that a snapshot held; equal ones become one.
    pub(super) fn share(data: &mut Data) -> Self {
        let mut scopes = Self::default();
        let (keys, catalog) = (&data.keys, &data.catalog);
        for state in data.grants.iter_mut() {
            scopes.of_grant(Arc::make_mut(&mut state.grant), keys, catalog);
        }
        scopes
    }

    /// Lets a grant hold what others hold already.
    pub(super) fn of_grant(
        &mut self,
        grant: &mut Grant,
        keys: &BTreeMap<KeyId, KeyState>,
        catalog: &Catalog,
    ) {
        for id in &mut grant.keys {
            let Some((known, key)) = keys.get_key_value(id) else {
                continue;
            };
            *id = known.clone();
            if let Some(agent) = key.agent.as_ref().filter(|agent| **agent == grant.agent) {
                grant.agent = agent.clone();
            }
        }
        grant.keys.shrink_to_fit();
        if let Some(known) = self.known.get(&grant.scope) {
            grant.scope = Arc::clone(known);
            return;
        }
        self.sweep();
        self.tighten(grant, catalog);
        self.known.insert(Arc::clone(&grant.scope));
    }

    /// Lets a new scope take no more room than it needs, with names that are the catalog's.
    fn tighten(&mut self, scope: &mut Scope, catalog: &Catalog) {
        let Permissions {
            read,
            write,
            delete,
        } = &mut scope.permissions;
        let lists = [read, write, delete].into_iter();
        for list in lists.chain([
            &mut scope.allow_identity_only,
            &mut scope.allow_minting,
            &mut scope.allow_outliving,
        ]) {
            list.shrink_to_fit();
            for name in list {
                if let Some((known, _)) = catalog.resources.get_key_value(name) {
                    *name = known.clone();
                }
            }
        }
        for budget in &mut scope.budgets {
            match self.units.get(&budget.unit) {
                Some(known) => budget.unit = known.clone(),
                None => drop(self.units.insert(budget.unit.clone())),
            }
        }
        scope.budgets.shrink_to_fit();
        scope.rate.shrink_to_fit();
        scope.reported_sources.shrink_to_fit();
    }

    /// Forgets what no grant has any more, each time there are twice as many as were left.
    fn sweep(&mut self) {
        if self.known.len() < self.sweep_at.max(FIRST_SWEEP) {
            return;
        }
        self.known.retain(|scope| Arc::strong_count(scope) > 1);
        self.sweep_at = self.known.len().saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        effect::{Env, Kind},
        id::{AgentId, Digest},
        owner::command::Alg,
        sample,
    };

    fn grant(max: u32) -> Grant {
        let max = serde_json::json!(max.to_string());
        let document = sample::with(sample::grant(), "/budgets/0/max", max);
        Grant::parse(&sample::bytes(&document)).unwrap()
    }

    #[test]
    fn equal_scopes_are_one_and_others_stay_what_they_are() {
        let mut scopes = Scopes::default();
        let mut all = [grant(5), grant(5), grant(6)];
        for grant in &mut all {
            let before = grant.clone();
            scopes.of_grant(grant, &BTreeMap::new(), &Catalog::default());
            assert_eq!(*grant, before);
        }
        let [one, same, other] = &mut all;
        assert!(Arc::ptr_eq(&one.scope, &same.scope));
        assert!(!Arc::ptr_eq(&one.scope, &other.scope));
        same.budgets.clear();
        assert_eq!(*one, grant(5), "a changed scope is one grant's own");
    }

    #[test]
    fn scopes_that_nothing_uses_are_forgotten() {
        let mut scopes = Scopes::default();
        let mut add = |grant: &mut Grant| {
            scopes.of_grant(grant, &BTreeMap::new(), &Catalog::default());
            scopes.known.len()
        };
        let mut held = grant(1);
        let first = u32::try_from(FIRST_SWEEP).unwrap();
        assert_eq!(add(&mut held), 1);
        for max in 2..=first {
            assert_eq!(add(&mut grant(max)), max as usize, "not looked for yet");
        }
        assert_eq!(add(&mut grant(first + 1)), 2, "what is held, and the new");
        let mut same = grant(1);
        assert_eq!(add(&mut same), 2);
        assert!(Arc::ptr_eq(&held.scope, &same.scope));
    }

    #[test]
    fn names_are_held_once_and_stay_what_they_are() {
        let mut scopes = Scopes::default();
        let catalog = Catalog::parse(&sample::bytes(&sample::catalog())).unwrap();
        let key = |agent: &str| KeyState {
            kind: Kind::Http,
            alg: Alg::Ed25519,
            env: Env::Live,
            public: vec![1; 32],
            agent: Some(AgentId::parse(agent).unwrap()),
            blob: Digest([5; 32]),
            imported: false,
            retired: false,
        };
        let name = KeyId::parse("k_http").unwrap();
        let mut share = |agent: &str, max: u32| {
            let keys = BTreeMap::from([(name.clone(), key(agent))]);
            let (before, mut shared) = (grant(max), grant(max));
            scopes.of_grant(&mut shared, &keys, &catalog);
            assert_eq!(shared, before);
            let known = keys[&name].agent.clone().unwrap();
            let same = std::ptr::eq(known.as_str(), shared.agent.as_str());
            (shared, same)
        };
        let ((one, own), (two, others)) = (share("billing-bot", 5), share("another-bot", 6));
        assert!(own && !others);
        assert!(std::ptr::eq(
            one.budgets[0].unit.as_str(),
            two.budgets[0].unit.as_str()
        ));
        let written = &one.permissions.write[0];
        let (known, _) = catalog.resources.get_key_value(written).unwrap();
        assert!(std::ptr::eq(known.as_str(), written.as_str()));
    }
}

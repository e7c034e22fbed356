//! What a new catalog changes: name by name, and for each live grant what it then means.
//!
//! A way to a resource is one sentence; what differs is shown as a sentence that goes and one that comes.

use super::{
    Desk,
    words::{env_word, evm, route},
};
use claviger_client::session::wall_clock_ms;
use claviger_shared::{
    catalog::{Catalog, Resource, Route},
    effect::Verb,
    grant::Grant,
    id::{AgentId, GrantId, ResourceName},
    ledger::Status,
    time::UnixMs,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Sentences that go and sentences that come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lines {
    /// No longer so.
    pub gone: Vec<String>,
    /// So from now on.
    pub new: Vec<String>,
}

/// A name whose meaning changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    /// The name.
    pub name: ResourceName,
    /// How.
    pub lines: Lines,
}

/// A live grant whose meaning changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantChange {
    /// The grant.
    pub id: GrantId,
    /// Whose.
    pub agent: AgentId,
    /// How.
    pub lines: Lines,
}

/// What a new catalog changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogDiff {
    /// Of the assets.
    pub assets: Lines,
    /// By name.
    pub names: Vec<NameChange>,
    /// By live grant; each of them must be named when the catalog is set.
    pub grants: Vec<GrantChange>,
}

impl Lines {
    fn between(before: Vec<String>, after: Vec<String>) -> Self {
        let old: BTreeSet<_> = before.iter().cloned().collect();
        let new: BTreeSet<_> = after.iter().cloned().collect();
        Self {
            gone: before.into_iter().filter(|l| !new.contains(l)).collect(),
            new: after.into_iter().filter(|l| !old.contains(l)).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }

    /// In which direction, in a word or two.
    #[must_use]
    pub fn direction(&self) -> &'static str {
        match (self.gone.is_empty(), self.new.is_empty()) {
            (true, true) => "no call changes",
            (true, false) => "can do more",
            (false, true) => "can do less",
            (false, false) => "can do other things",
        }
    }

    fn words(&self) -> impl Iterator<Item = String> {
        let gone = self.gone.iter().map(|line| format!("  - {line}"));
        gone.chain(self.new.iter().map(|line| format!("  + {line}")))
    }
}

impl CatalogDiff {
    /// The difference between two catalogs, for these live grants.
    #[must_use]
    pub fn between<'a>(
        old: &Catalog,
        new: &Catalog,
        live: impl Iterator<Item = &'a Grant>,
    ) -> Self {
        let names: BTreeSet<_> = old.resources.keys().chain(new.resources.keys()).collect();
        let changed: BTreeSet<_> = names
            .into_iter()
            .filter(|name| !old.means_the_same(new, name))
            .collect();
        let name_change = |name: &&ResourceName| NameChange {
            name: (*name).clone(),
            lines: Lines::between(meaning(old, name), meaning(new, name)),
        };
        let touched = live.filter(|grant| {
            let mut names = grant.permissions.names();
            names.any(|name| changed.contains(name))
        });
        let grant_change = |grant: &'a Grant| GrantChange {
            id: grant.id.clone(),
            agent: grant.agent.clone(),
            lines: Lines::between(allowed(grant, old), allowed(grant, new)),
        };
        Self {
            assets: Lines::between(route::assets(old), route::assets(new)),
            names: changed.iter().map(name_change).collect(),
            grants: touched.map(grant_change).collect(),
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.assets.is_empty()
    }

    /// The options that name every grant.
    #[must_use]
    pub fn touches(&self) -> String {
        let one = |change: &GrantChange| format!("--touches {}", change.id);
        self.grants.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// As people read it.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        if self.is_empty() {
            return vec!["the catalog in force says the same".to_owned()];
        }
        let mut lines = Vec::new();
        if !self.assets.is_empty() {
            lines.push("assets:".to_owned());
            lines.extend(self.assets.words());
        }
        for NameChange { name, lines: how } in &self.names {
            lines.push(format!("{name}:"));
            if how.is_empty() {
                lines.push("  the order or a probe of its ways".to_owned());
            }
            lines.extend(how.words());
        }
        if self.grants.is_empty() {
            lines.push("no live grant uses these names".to_owned());
        }
        for GrantChange {
            id,
            agent,
            lines: how,
        } in &self.grants
        {
            lines.push(format!("grant {id} of {agent} {}:", how.direction()));
            lines.extend(how.words());
        }
        lines
    }

    /// As machines read it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let names = self.names.iter().map(|change| {
            let Lines { gone, new } = &change.lines;
            json!({ "name": change.name, "gone": gone, "new": new })
        });
        let grants = self.grants.iter().map(|change| {
            let Lines { gone, new } = &change.lines;
            json!({
                "grant": change.id, "agent": change.agent, "direction": change.lines.direction(), "gone": gone, "new": new,
            })
        });
        let Lines { gone, new } = &self.assets;
        json!({
            "assets": { "gone": gone, "new": new },
            "names": names.collect::<Vec<_>>(), "grants": grants.collect::<Vec<_>>(),
            "touches": self.grants.iter().map(|change| &change.id).collect::<Vec<_>>(),
        })
    }
}

fn sentence(way: &Route, line: &str) -> String {
    let facts = route::facts(way);
    if facts.is_empty() {
        line.to_owned()
    } else {
        format!("{line} ({})", facts.join("; "))
    }
}

fn meaning(catalog: &Catalog, name: &ResourceName) -> Vec<String> {
    let Some(resource) = catalog.resources.get(name) else {
        return Vec::new();
    };
    let mut lines = ways(resource);
    lines.extend(evm::fees(catalog, resource));
    lines
}

fn ways(resource: &Resource) -> Vec<String> {
    let env = env_word(resource.env);
    let one = |way: &Route| {
        let to = match way {
            Route::Http(http) => format!("{} {}", http.methods.join(", "), route::address(http)),
            Route::Jwt(_) | Route::Ssh(_) | Route::Evm(_) => route::destination(way),
            Route::Template(template) => {
                let http = &template.http;
                format!("{} {}", http.methods.join(", "), route::address(http))
            }
            Route::Aws(aws) => route::aws_line(&route::aws_names(aws), aws),
            Route::X402(_) | Route::Solana(_) => route::destination(way),
        };
        format!("{env}: {}", sentence(way, &to))
    };
    resource.routes.iter().map(one).collect()
}

fn allowed(grant: &Grant, catalog: &Catalog) -> Vec<String> {
    let mut lines = Vec::new();
    for (verb, names) in [
        (Verb::Read, &grant.permissions.read),
        (Verb::Write, &grant.permissions.write),
        (Verb::Delete, &grant.permissions.delete),
    ] {
        for name in names {
            let resource = catalog.resources.get(name);
            for way in resource.into_iter().flat_map(|resource| &resource.routes) {
                if let Some(line) = route::line(way, verb) {
                    let verb = route::verb_word(verb);
                    lines.push(format!("{verb} {name}: {}", sentence(way, &line)));
                }
            }
            let fees = resource.map(|resource| evm::fees(catalog, resource));
            let fees = fees.into_iter().flatten();
            lines.extend(fees.map(|fee| format!("{} {name}: {fee}", route::verb_word(verb))));
        }
    }
    lines
}

impl Desk {
    /// What a new catalog changes against the one in force.
    #[must_use]
    pub fn catalog_diff(&self, new: &Catalog) -> CatalogDiff {
        let state = self.view().state();
        let now = UnixMs(wall_clock_ms()).max(state.time());
        let live = state
            .grants()
            .filter(|(_, grant)| grant.status != Status::Revoked && grant.grant.expires_at > now);
        CatalogDiff::between(state.catalog(), new, live.map(|(_, grant)| &*grant.grant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(text: &str) -> Catalog {
        Catalog::parse(text.as_bytes()).unwrap()
    }

    fn one(way: &str) -> Catalog {
        catalog(&format!(
            r#"{{"v":1,"resources":{{"orders":{{"env":"live","routes":[{way}]}}}}}}"#
        ))
    }

    fn reader() -> Grant {
        let text = json!({
            "v": 1, "id": "gr_1", "agent": { "id": "bot", "key": format!("x25519:{}", "09".to_owned() + &"00".repeat(31)) },
            "not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z", "keys": ["k_1"],
            "permissions": { "read": ["orders"], "write": [], "delete": [] },
            "budgets": [{ "unit": "call", "max": "5", "window": "grant" }],
        });
        Grant::parse(text.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn each_live_grant_is_told_what_it_then_means() {
        let narrow = one(r#"{"kind":"http","host":"a.example","path":"/v1/orders/{id}"}"#);
        let wide = one(
            r#"{"kind":"http","host":"a.example","path":"/v1/orders/{id}","query":["expand"]}"#,
        );
        let grant = reader();
        let diff = CatalogDiff::between(&narrow, &wide, std::iter::once(&grant));
        assert_eq!(diff.touches(), "--touches gr_1");
        let lines = &diff.grants[0].lines;
        assert_eq!(lines.direction(), "can do other things");
        assert_eq!(
            lines.new,
            ["read orders: GET, HEAD https://a.example/v1/orders/{id} (query: expand)"]
        );
        let gone = CatalogDiff::between(
            &wide,
            &catalog(r#"{"v":1,"resources":{}}"#),
            std::iter::once(&grant),
        );
        assert_eq!(gone.grants[0].lines.direction(), "can do less");
    }

    #[test]
    fn a_write_way_that_comes_changes_nothing_for_a_reader() {
        let reads = r#"{"kind":"http","host":"a.example","path":"/v1/orders"}"#;
        let posts = r#"{"kind":"http","host":"a.example","path":"/v1/new","methods":["POST"],"body":["/x"]}"#;
        let posts = posts.replace("[\"/x\"]", "[\"/x\"],\"media\":\"json\"");
        let Ok(both) = Catalog::parse(
            format!(
                r#"{{"v":1,"resources":{{"orders":{{"env":"live","routes":[{reads},{posts}]}}}}}}"#
            )
            .as_bytes(),
        ) else {
            panic!("the catalog of this test does not parse");
        };
        let grant = reader();
        let diff = CatalogDiff::between(&one(reads), &both, std::iter::once(&grant));
        assert_eq!(diff.names.len(), 1);
        assert_eq!(diff.grants[0].lines.direction(), "no call changes");
        assert!(CatalogDiff::between(&both, &both, std::iter::once(&grant)).is_empty());
    }

    #[test]
    fn a_cap_that_moves_is_told_though_no_way_changes() {
        let chain = |cap: &str| {
            catalog(&format!(
                r#"{{"v":1,"assets":{{"eth":{{"chain":1,"native":true,"decimals":18,"extra_fee_max":"{cap}"}}}},
                "resources":{{"orders":[{{"kind":"evm","chain":1,"to":["0x1111111111111111111111111111111111111111"]}}]}}}}"#
            ))
        };
        let mut writer = reader();
        writer.permissions.write = std::mem::take(&mut writer.permissions.read);
        let diff = CatalogDiff::between(&chain("5"), &chain("6"), std::iter::once(&writer));
        assert_eq!(diff.touches(), "--touches gr_1");
        let told = |cap: u8| {
            format!("each transaction on chain 1 is charged {cap} eth for its data besides gas")
        };
        assert_eq!(diff.names[0].lines.gone, [told(5)]);
        assert_eq!(
            diff.grants[0].lines.new,
            [format!("write orders: {}", told(6))]
        );
    }

    #[test]
    fn a_price_that_changes_is_told_with_its_version() {
        let priced = |price: &str, version: &str| {
            one(&format!(
                r#"{{"kind":"http","host":"a.example","path":"/v1/search","query":["q","depth"],
                "charge":[{{"unit":"u","from":"const","amount":"1","prices":{{"field":"depth","table":{{"deep":"{price}"}},"version":"{version}"}}}}]}}"#
            ))
        };
        let grant = reader();
        let (old, new) = (priced("2", "2026-10-01"), priced("3", "2026-11-01"));
        let diff = CatalogDiff::between(&old, &new, std::iter::once(&grant));
        let Lines { gone, new } = &diff.grants[0].lines;
        let says = |lines: &[String], text: &str| lines.len() == 1 && lines[0].contains(text);
        assert!(says(gone, "by prices 2026-10-01: `deep` 2,"), "{gone:?}");
        assert!(says(new, "by prices 2026-11-01: `deep` 3,"), "{new:?}");
        // A new version of the same prices is a change too.
        let again = priced("3", "2026-12-01");
        let diff = CatalogDiff::between(&priced("3", "2026-11-01"), &again, std::iter::empty());
        assert!(says(&diff.names[0].lines.new, "2026-12-01"));
    }
}

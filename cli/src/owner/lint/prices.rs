//! Prices of a route that do not fit each other. Whether a price is right it does not know.

use super::finding;
use crate::finding::Finding;
use claviger_shared::catalog::{Extractor, Prices};
use std::collections::BTreeSet;

/// Everything that is to be said about the tables of one route.
pub(super) fn check(charge: &[Extractor], at: &str) -> Vec<Finding> {
    let tables: Vec<_> = charge.iter().filter_map(Extractor::prices).collect();
    let mut found: Vec<_> = uneven(&tables, at).collect();
    let versions: BTreeSet<_> = tables
        .iter()
        .map(|prices| prices.version.as_str())
        .collect();
    if versions.len() > 1 {
        let versions: Vec<_> = versions.into_iter().collect();
        found.push(finding(
            "mixed_versions",
            format!("{at}/charge"),
            format!("its prices are of versions {}", versions.join(" and ")),
            "one of its tables may have been forgotten when prices changed",
            "bring every table of a route to one version",
        ));
    }
    found
}

/// Texts that one table prices, and another of the same field does not.
fn uneven(tables: &[&Prices], at: &str) -> impl Iterator<Item = Finding> {
    let mut missing = BTreeSet::new();
    for one in tables {
        for other in tables.iter().filter(|other| other.field == one.field) {
            let texts = one.table.keys();
            missing.extend(texts.filter(|text| !other.table.contains_key(*text)));
        }
    }
    missing.into_iter().map(move |text| {
        finding(
            "uneven_prices",
            format!("{at}/charge"),
            format!("one table has a price of `{text}`, and another has none"),
            "every call that names it is denied as `permission_denied`",
            "give it a price in each table of the route, or in none",
        )
    })
}

#[cfg(test)]
mod tests {
    use crate::owner::lint::catalog::check;
    use claviger_shared::catalog::Catalog;
    use serde_json::{Value, json};

    fn tables(first: Value, second: Value, version: &str) -> Vec<(&'static str, String)> {
        let prices = |field: &str, table: Value, version: &str| json!({"field": field, "table": table, "version": version});
        let charge = json!([
            {"unit": "u", "from": "len", "per": "4", "prices": prices("/m", first, "2026-11-01")},
            {"unit": "u", "from": "json", "field": "/n", "prices": prices("/m", second, version)},
            {"unit": "u", "from": "const", "amount": "1", "prices": prices("/t", json!({"x": "1"}), "2026-11-01")},
        ]);
        let body = json!(["/m", "/n", "/t"]);
        let http = json!({"kind": "http", "host": "a.example", "path": "/p", "body": body, "charge": charge});
        let aws = json!({"kind": "aws", "service": "bedrock-runtime", "region": "eu-west-1", "resource": {"model": "m"}, "actions": ["InvokeModel"],
            "body": body, "charge": charge, "replayable": true});
        let place = json!({"kind": "aws", "service": "text", "region": "eu-west-1", "host": "text.eu-west-1.amazonaws.com", "path": "/",
            "methods": ["POST"], "body": body, "charge": charge, "replayable": true});
        let found = [http, aws, place].map(|route| {
            let catalog = json!({"v": 1, "resources": {"r": [route]}}).to_string();
            let found = check(&Catalog::parse(catalog.as_bytes()).unwrap());
            let found = found
                .into_iter()
                .map(|finding| (finding.code, finding.what));
            found.collect::<Vec<_>>()
        });
        assert_eq!(found[0], found[1]);
        assert_eq!(found[0], found[2]);
        let [found, ..] = found;
        found
    }

    #[test]
    fn tables_of_one_field_have_the_same_texts_and_one_version() {
        let both = json!({"a": "1", "b": "2"});
        assert_eq!(
            tables(both.clone(), json!({"a": "7", "b": "9"}), "2026-11-01"),
            []
        );
        let uneven = tables(both.clone(), json!({"b": "9", "c": "1"}), "2026-11-01");
        let codes: Vec<_> = uneven.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, ["uneven_prices", "uneven_prices"]);
        assert!(uneven[0].1.contains("`a`") && uneven[1].1.contains("`c`"));
        let mixed = tables(both.clone(), both, "2026-10-01");
        let [(code, what)] = &mixed[..] else {
            panic!("{mixed:?}")
        };
        assert_eq!(*code, "mixed_versions");
        assert!(
            what.ends_with("versions 2026-10-01 and 2026-11-01"),
            "{what}"
        );
    }
}

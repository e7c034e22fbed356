//! What a grant is said to allow.

use super::*;
use serde_json::json;

pub(crate) const CATALOG: &str = r#"{"v":1,"resources":{
  "orders":{"env":"live","routes":[{"kind":"http","host":"api.example.com","path":"/v1/orders/{id}","query":["expand"],"methods":["GET","DELETE"]}]},
  "charges":{"env":"live","routes":[{"kind":"http","host":"pay.example.com","port":8443,"path":"/v1/charges","methods":["POST"],"body":["/amount","/currency"],
    "charge":[{"unit":"usd-cents","from":"json","field":"/amount","require":{"/currency":"usd"}}]}]},
  "search":{"env":"live","routes":[{"kind":"http","host":"api.example.com","path":"/v1/search","query":"any"}]},
  "tokens":{"env":"live","routes":[{"kind":"jwt","profile":"assertion","audience":"https://idp.example.com/token","issuer":"client-7","subject":"client-7","mints":true}]}}}"#;

pub(crate) fn a_grant(change: impl FnOnce(&mut serde_json::Value)) -> Grant {
    let mut document = json!({
        "v": 1, "id": "gr_1", "agent": { "id": "bot", "key": format!("x25519:09{}", "00".repeat(31)) },
        "not_before": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T08:00:00Z", "keys": ["k_1"],
        "permissions": { "read": ["orders"], "write": ["charges", "tokens"], "delete": ["search"] },
        "only": { "orders": { "path.id": ["ord_1", "ord_2"] } },
        "allow_minting": ["tokens"], "rate": [{ "max": 30, "per_s": 60 }],
        "credentials": { "http": { "profile": "generic", "ttl_s": 60 } }, "reported_sources": ["10.20.0.0/16"],
        "budgets": [{ "unit": "call", "max": "500", "window": "grant" }, { "unit": "usd-cents", "max": "5000", "window": "call" },
            { "unit": "usd-cents", "max": "20000", "window": "rolling:P1D" }],
        "purpose": "invoices, OPS-1",
    });
    change(&mut document);
    Grant::parse(document.to_string().as_bytes()).unwrap()
}

pub(crate) fn around(catalog: &Catalog) -> Around<'_> {
    Around {
        catalog,
        keys: BTreeMap::new(),
        live: Vec::new(),
        now: UnixMs(0),
    }
}

#[test]
fn everything_that_a_grant_allows_is_said() {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let text = grant(&a_grant(|_| {}), &around(&catalog)).join("\n");
    for line in [
        "grant gr_1 for agent bot (live)",
        "  from 2026-01-01T00:00:00Z until 2026-01-01T08:00:00Z, 8 hours",
        "  it cannot be renewed",
        "  purpose: invoices, OPS-1",
        "may read orders:\n  GET https://api.example.com/v1/orders/{id}\n    query: expand",
        "  only where path.id is ord_1 or ord_2",
        "may write charges:\n  POST https://pay.example.com:8443/v1/charges\n    a JSON body with /amount, /currency\n    \
         charges usd-cents: the number at `/amount` of the JSON body, where /currency = usd",
        "may write tokens:\n  a assertion token for https://idp.example.com/token\n    issued by client-7 for client-7\n    \
         what it answers is itself a credential",
        "may delete search:\n  nothing: no way to it counts as this verb",
        "  500 calls in the grant's whole life",
        "  5000 usd-cents in any one call",
        "  20000 usd-cents in any 1 day",
        "at most 30 calls in any 1 minute",
        "from 10.20.0.0/16 by the host's word",
        "  k_1: no such key",
        "  http credentials of profile generic live at most 1 minute",
        "which no budget here counts: tokens",
    ] {
        let line = line.replace("a assertion", "an assertion");
        assert!(text.contains(&line), "{line}\n---\n{text}");
    }
}

#[test]
fn a_method_that_another_verb_owns_is_not_said_to_be_allowed() {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let reader = a_grant(|document| {
        document["permissions"] = json!({ "read": ["orders"], "write": [], "delete": [] });
        document["allow_minting"] = json!([]);
    });
    let text = grant(&reader, &around(&catalog)).join("\n");
    assert!(text.contains("GET https") && !text.contains("DELETE"));
}

#[test]
fn what_goes_between_workloads_is_said() {
    let text = r#"{"v":1,"resources":{
      "orders":[{"kind":"http","profile":"wimse","subject":"wimse://example.com/billing","host":"api.example.com","path":"/v1/orders"}],
      "entries":[{"kind":"http","profile":"wimse","subject":"wimse://example.com/billing","audience":"wimse://example.com/ledger",
        "sign_response":true,"host":"ledger.example.com","path":"/entries","methods":["POST"]}],
      "ledger":[{"kind":"jwt","profile":"wpt","subject":"wimse://example.com/billing","audience":"https://ledger.example.com/entries"}]}}"#;
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    let workload = a_grant(|document| {
        let write = ["entries", "ledger"];
        document["permissions"] = json!({ "read": ["orders"], "write": write, "delete": [] });
        document["only"] = json!({});
        document["allow_minting"] = json!([]);
    });
    let text = grant(&workload, &around(&catalog)).join("\n");
    for line in [
        "    from the workload wimse://example.com/billing by its token, whose issuer is not checked here\n    \
         to the audience its own URL without the query",
        "    to the audience wimse://example.com/ledger, whatever its host\n    asks for a signed answer",
        "a token of profile wpt for https://ledger.example.com/entries\n    \
         for the workload wimse://example.com/billing by its token, whose issuer is not checked here\n    \
         it says who and to whom, not what: with the token it goes with any request there",
    ] {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
}

#[test]
fn a_budget_of_an_asset_is_said_in_whole_ones_too() {
    let assets = r#"{"v":1,"assets":{"sol":{"cluster":"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp","native":true,"decimals":9}},"#;
    let catalog = Catalog::parse(CATALOG.replacen(r#"{"v":1,"#, assets, 1).as_bytes()).unwrap();
    let paying = a_grant(|document| {
        document["budgets"][1] = json!({ "unit": "sol", "max": "100000", "window": "grant" });
    });
    let text = grant(&paying, &around(&catalog)).join("\n");
    let line = "  100000 sol (of the smallest unit: 0.0001 whole ones) in the grant's whole life";
    assert!(text.contains(line), "{text}");
    assert!(
        text.contains("  20000 usd-cents in any 1 day"),
        "no asset: {text}"
    );
}

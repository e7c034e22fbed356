//! Each breadth is found, and the narrower grant is narrower.

use super::*;
use crate::owner::words::{
    route,
    tests::{CATALOG, a_grant, around},
};
use claviger_shared::{catalog::Catalog, effect::Verb};
use serde_json::{Value, json};

fn codes(change: impl FnOnce(&mut Value)) -> Vec<&'static str> {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let found = grant(&a_grant(change), &around(&catalog));
    found.iter().map(|finding| finding.code).collect()
}

/// A grant with nothing broad about it but that this test has no keys.
fn narrow(document: &mut Value) {
    document["permissions"] = json!({ "read": ["orders"], "write": ["charges"], "delete": [] });
    document["allow_minting"] = json!([]);
}

#[test]
fn a_narrow_grant_is_left_alone() {
    assert_eq!(codes(narrow), ["no_key", "no_key", "unknown_key"]);
}

#[test]
fn each_breadth_has_its_word() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 14] = [
        ("unknown_name", |d| {
            d["permissions"]["read"] = json!(["orders", "nowhere"])
        }),
        ("dead_permission", |d| {
            d["permissions"]["delete"] = json!(["search"])
        }),
        ("minting_denied", |d| {
            d["permissions"]["write"] = json!(["tokens"])
        }),
        ("any_opening", |d| {
            d["permissions"]["read"] = json!(["orders", "search"])
        }),
        ("no_unit_budget", |d| {
            d["budgets"] = json!([{"unit":"call","max":"5","window":"grant"}])
        }),
        ("no_call_limit", |d| {
            d["budgets"] = json!([{"unit":"call","max":"5","window":"grant"},{"unit":"usd-cents","max":"5","window":"grant"}]);
        }),
        ("unpriced_write", |d| {
            d["permissions"]["delete"] = json!(["orders"]);
        }),
        ("open_parameter", |d| {
            d["permissions"]["delete"] = json!(["orders"]);
            d["only"] = json!({});
        }),
        ("needless_allowance", |d| {
            d["allow_minting"] = json!(["orders"])
        }),
        ("outliving", |d| d["allow_outliving"] = json!(["orders"])),
        ("long_life", |d| {
            d["expires_at"] = json!("2026-02-01T08:00:00Z")
        }),
        ("long_renewal", |d| {
            d["renew_until"] = json!("2026-12-01T08:00:00Z")
        }),
        ("no_rate", |d| d["rate"] = json!([])),
        ("many_calls", |d| {
            d["budgets"][0]["max"] = json!("1000000");
        }),
    ];
    for (code, change) in table {
        let found = codes(|document| {
            narrow(document);
            change(document);
        });
        assert!(found.contains(&code), "{code}: {found:?}");
        assert!(!codes(narrow).contains(&code), "{code}");
    }
    assert!(
        codes(|d| {
            narrow(d);
            d.as_object_mut().unwrap().remove("purpose");
        })
        .contains(&"no_purpose")
    );
}

#[test]
fn a_key_that_another_live_grant_uses_is_shared() {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let other = a_grant(|document| document["id"] = json!("gr_2"));
    let id = claviger_shared::id::KeyId::parse("k_1").unwrap();
    let key = claviger_shared::ledger::KeyState {
        kind: claviger_shared::effect::Kind::Http,
        alg: claviger_shared::owner::command::Alg::Ed25519,
        env: claviger_shared::effect::Env::Live,
        public: vec![0; 32],
        agent: None,
        blob: claviger_shared::id::Digest([0; 32]),
        imported: false,
        retired: true,
    };
    let mut around = around(&catalog);
    around.keys.insert(&id, &key);
    around.live.push(&other);
    let found = grant(&a_grant(narrow), &around);
    let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["retired_key", "shared_key"]);
    // Several shared keys are one finding.
    let second = claviger_shared::id::KeyId::parse("k_2").unwrap();
    around.keys.insert(&second, &key);
    let both = |document: &mut Value| {
        narrow(document);
        document["keys"] = json!(["k_1", "k_2"]);
    };
    let another = a_grant(|document| {
        both(document);
        document["id"] = json!("gr_3");
    });
    around.live.push(&another);
    let found = grant(&a_grant(both), &around);
    let shared: Vec<_> = found
        .iter()
        .filter(|found| found.code == "shared_key")
        .collect();
    assert_eq!(shared.len(), 1);
    assert_eq!(
        shared[0].what,
        "key `k_1` also signs for gr_2, gr_3; key `k_2` also signs for gr_3"
    );
}

#[test]
fn what_is_found_through_several_members_is_told_once() {
    // Two names charge the one unit, which no budget bounds in one call.
    let start = CATALOG.find(r#""charges":"#).unwrap();
    let end = CATALOG.find(r#""search":"#).unwrap();
    let refunds = CATALOG
        .get(start..end)
        .unwrap()
        .replace("charges", "refunds");
    let text = CATALOG.replacen(r#""search":"#, &format!(r#"{refunds}"search":"#), 1);
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    let broad = a_grant(|document| {
        narrow(document);
        document["permissions"]["write"] = json!(["charges", "refunds"]);
        document["budgets"] = json!([{"unit":"call","max":"5","window":"grant"},
            {"unit":"usd-cents","max":"5","window":"grant"}]);
    });
    let found = grant(&broad, &around(&catalog));
    let times = |code: &str| found.iter().filter(|found| found.code == code).count();
    assert_eq!(times("no_call_limit"), 1, "{found:?}");
    assert_eq!(times("unknown_name"), 0, "{found:?}");
}

#[test]
fn the_rate_that_is_advised_is_the_rate_that_is_proposed() {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let around = around(&catalog);
    let without = a_grant(|document| document["rate"] = json!([]));
    let found = grant(&without, &around);
    let advice = found.iter().find(|found| found.code == "no_rate").unwrap();
    let proposed = narrower::grant(&without, &around).unwrap().to_json();
    let (max, per_s) = (&proposed["rate"][0]["max"], &proposed["rate"][0]["per_s"]);
    let words = format!("[{{\"max\": {max}, \"per_s\": {per_s}}}]");
    assert!(advice.mend.contains(&words), "{}: {words}", advice.mend);
}

#[test]
fn the_narrower_grant_only_takes_away_and_lints_better() {
    let catalog = Catalog::parse(CATALOG.as_bytes()).unwrap();
    let around = around(&catalog);
    let broad = a_grant(|document| {
        document["permissions"]["delete"] = json!(["search", "orders"]);
        document["allow_outliving"] = json!(["search"]);
        document["expires_at"] = json!("2026-06-01T08:00:00Z");
        document["rate"] = json!([]);
    });
    let narrower = narrower::grant(&broad, &around).unwrap();
    assert!(grant(&narrower, &around).len() < grant(&broad, &around).len());
    assert_eq!(narrower.permissions.delete.len(), 1);
    assert!(narrower.expires_at < broad.expires_at && !narrower.rate.is_empty());
    assert_eq!(
        narrower
            .renew_until
            .map(|until| until.to_string())
            .as_deref(),
        Some("2026-01-31T00:00:00Z")
    );
    // What an owner is given reads back as a grant, and there is nothing more to take.
    let again = Grant::parse(narrower.to_json().to_string().as_bytes()).unwrap();
    assert_eq!(narrower::grant(&again, &around), None);
}

fn catalog_codes(routes: &str) -> Vec<&'static str> {
    let text = format!(r#"{{"v":1,"resources":{routes}}}"#);
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    catalog::check(&catalog)
        .iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn a_catalog_is_told_what_is_open_unpriced_untried_or_confusable() {
    let one = |way: &str| format!(r#"{{"a":{{"env":"live","routes":[{{"kind":"http",{way}}}]}}}}"#);
    let clean = r#""host":"api.example.com","path":"/v1/a","probe":true"#;
    assert!(catalog_codes(&one(clean)).is_empty());
    for (code, way) in [
        ("no_probe", r#""host":"api.example.com","path":"/v1/a""#),
        (
            "any_opening",
            r#""host":"api.example.com","path":"/v1/a","probe":true,"query":"any""#,
        ),
        (
            "unpriced_value",
            r#""host":"api.example.com","path":"/v1/a","probe":true,"methods":["POST"],"media":"json","body":["/order/amount"]"#,
        ),
        (
            "softened_verb",
            r#""host":"api.example.com","path":"/v1/a","probe":true,"methods":["DELETE"],"verb":"read""#,
        ),
        (
            "open_path",
            r#""host":"api.example.com","path":"/{x}/a","probe":true"#,
        ),
        (
            "encoded_host",
            r#""host":"xn--exmple-cua.com","path":"/v1/a","probe":true"#,
        ),
    ] {
        let found = catalog_codes(&one(way));
        assert_eq!(found, [code], "{way}");
    }
}

#[test]
fn hosts_that_look_alike_and_ways_that_overlap_are_found() {
    let two = |one: &str, other: &str| {
        let way = |at: &str| {
            let (host, path) = at.split_once('/').unwrap();
            format!(
                r#"{{"env":"live","routes":[{{"kind":"http","host":"{host}","path":"/{path}","probe":true}}]}}"#
            )
        };
        catalog_codes(&format!(r#"{{"a":{},"b":{}}}"#, way(one), way(other)))
    };
    for (one, other) in [
        ("api.example.com/x", "api.exarnple.com/x"),
        ("api.example.com/x", "api.examp1e.com/x"),
        ("api.example.com/x", "api.exmaple.com/x"),
        ("api.example.com/x", "api.exampl.com/x"),
        ("api.example.co/x", "api.example.com/x"),
        ("pay-pal.com/x", "paypal.com/x"),
    ] {
        assert_eq!(two(one, other), ["confusable_hosts"], "{one} {other}");
    }
    for (one, other) in [
        ("eu1.example.com/x", "eu2.example.com/x"),
        ("api.example.com/x", "pay.example.com/x"),
        ("api.example.com/x", "api.example.com/y"),
    ] {
        assert!(two(one, other).is_empty(), "{one} {other}");
    }
    assert_eq!(
        two("api.example.com/o/{id}", "api.example.com/o/all"),
        ["overlap"]
    );
}

#[test]
fn a_token_that_says_who_and_not_where_is_told() {
    let app = r#"{"v":1,"resources":{"app":[{"kind":"jwt","profile":"github-app","audience":"https://api.github.com","issuer":"1","probe":true}],
        "proved":[{"kind":"jwt","profile":"dpop","host":"api.example.com","path":"/v1/a"}]}}"#;
    let catalog = Catalog::parse(app.as_bytes()).unwrap();
    assert!(catalog::check(&catalog).is_empty(), "no probe of a proof");
    let told = |change: fn(&mut Value)| {
        let grant = a_grant(|document| {
            document["permissions"] = json!({"read": [], "write": ["app"], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!(["app"]);
            document["allow_identity_only"] = json!(["app"]);
            document["credentials"] = json!({"jwt": {"profile": "github-app"}});
            change(document);
        });
        let found = super::grant(&grant, &around(&catalog));
        let codes = found.iter().map(|finding| finding.code);
        let own = ["minting_denied", "identity_only_denied", "other_profile"];
        codes.filter(|code| own.contains(code)).collect::<Vec<_>>()
    };
    assert!(told(|_| {}).is_empty());
    assert_eq!(told(|d| d["allow_minting"] = json!([])), ["minting_denied"]);
    assert_eq!(
        told(|d| d["allow_identity_only"] = json!([])),
        ["identity_only_denied"]
    );
    assert_eq!(
        told(|d| d["credentials"] = json!({"jwt": {"profile": "oidc"}})),
        ["other_profile"]
    );
}

#[test]
fn what_goes_between_workloads_is_of_its_profiles() {
    let text = r#"{"v":1,"resources":{
        "orders":[{"kind":"http","profile":"wimse","subject":"wimse://example.com/a","host":"api.example.com","path":"/v1/a"}],
        "pages":[{"kind":"http","host":"www.example.com","path":"/v1/b","probe":true}],
        "ledger":[{"kind":"jwt","profile":"wpt","subject":"wimse://example.com/a","audience":"https://ledger.example.com/"}]}}"#;
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    assert!(catalog::check(&catalog).is_empty(), "no probe of a token");
    let told = |read: &str, http: &str, jwt: &str| {
        let grant = a_grant(|document| {
            document["permissions"] = json!({"read": [read], "write": ["ledger"], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!([]);
            document["allow_identity_only"] = json!(["ledger"]);
            document["credentials"] = json!({"http": {"profile": http}, "jwt": {"profile": jwt}});
        });
        let found = super::grant(&grant, &around(&catalog));
        let codes = found.iter().map(|finding| finding.code);
        codes.filter(|code| *code == "other_profile").count()
    };
    assert_eq!(told("orders", "wimse", "wpt"), 0);
    assert_eq!(told("pages", "generic", "wpt"), 0);
    assert_eq!(told("orders", "generic", "wpt"), 1);
    assert_eq!(told("pages", "wimse", "wpt"), 1);
    assert_eq!(told("orders", "wimse", "dpop"), 1);
}

const CHAIN: &str = r#"{"v":1,"assets":{"eth":{"chain":8453,"native":true,"decimals":18,"extra_fee_max":"1000"},
  "usd":{"chain":8453,"contract":"0x7777777777777777777777777777777777777777","decimals":6}},
  "resources":{"payouts":[{"kind":"evm","chain":8453,"contract":"usd","call":"approve","to":["0x1111111111111111111111111111111111111111"]}],
  "login":[{"kind":"evm","chain":8453,"sign_in":{"domain":"app.example","uri":"https://app.example/"}}]}}"#;

#[test]
fn ways_to_a_chain_need_what_lets_them_out_and_pays_them() {
    let catalog = Catalog::parse(CHAIN.as_bytes()).unwrap();
    let codes = |change: fn(&mut Value)| {
        let document = a_grant(|document| {
            document["permissions"] =
                json!({"read": [], "write": ["payouts", "login"], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!(["login"]);
            document["allow_outliving"] = json!(["payouts"]);
            let budget =
                |unit: &str, window: &str| json!({"unit": unit, "max": "5", "window": window});
            document["budgets"] = json!([
                budget("call", "grant"),
                budget("call", "rolling:PT1H"),
                budget("eth", "call"),
                budget("usd", "call"),
            ]);
            change(document);
        });
        let found = grant(&document, &around(&catalog));
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let plain = codes(|_| {});
    for absent in [
        "outliving_denied",
        "minting_denied",
        "no_unit_budget",
        "dead_permission",
        "no_call_limit",
    ] {
        assert!(!plain.contains(&absent), "{plain:?}");
    }
    assert!(plain.contains(&"no_key"));
    assert!(codes(|d| d["allow_outliving"] = json!([])).contains(&"outliving_denied"));
    assert!(codes(|d| d["allow_minting"] = json!([])).contains(&"minting_denied"));
    assert!(
        codes(|d| drop(d["budgets"].as_array_mut().unwrap().pop())).contains(&"no_unit_budget")
    );
    assert!(codes(|d| d["permissions"]["delete"] = json!(["login"])).contains(&"dead_permission"));
    // An allowance that is taken back costs gas alone.
    let revokes = codes(|d| {
        d["permissions"] = json!({"read": [], "write": [], "delete": ["payouts"]});
        d["allow_minting"] = json!([]);
        d["budgets"].as_array_mut().unwrap().pop();
    });
    assert!(!revokes.contains(&"no_unit_budget"), "{revokes:?}");
}

#[test]
fn a_catalog_of_chains_is_told_what_is_open_and_unpriced() {
    let found = |route: &str| {
        let text = CHAIN.replace(r#""contract":"usd","call":"approve","to":["0x1111111111111111111111111111111111111111"]"#, route);
        let found = catalog::check(&Catalog::parse(text.as_bytes()).unwrap());
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let pool =
        r#""contract":"0x3333333333333333333333333333333333333333","call":"f(uint256)","arguments"#;
    assert!(found(r#""to":["0x1111111111111111111111111111111111111111"]"#).is_empty());
    assert!(found(&format!("{pool}\":[{{\"charge\":\"usd\"}}]")).is_empty());
    assert_eq!(
        found(&format!("{pool}\":[{{\"any\":true}}]")),
        ["any_opening", "unpriced_value"]
    );
    assert_eq!(
        found(&format!("{pool}\":[{{\"max\":\"5\"}}]")),
        ["unpriced_value"]
    );
}

const SOLANA: &str = r#"{"v": 1, "resources": {"pay": [
    {"kind": "solana", "network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "asset": "usdc",
     "to": ["ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz"], "rent": "2039280", "memo": true}]},
    "assets": {"sol": {"cluster": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "native": true, "decimals": 9},
               "usdc": {"cluster": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
                        "mint": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "decimals": 6}}}"#;

#[test]
fn a_public_text_is_told_and_a_route_of_solana_is_in_words() {
    let catalog = Catalog::parse(SOLANA.as_bytes()).unwrap();
    let found = catalog::check(&catalog);
    let codes: Vec<_> = found.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["public_memo"]);
    let quiet = SOLANA.replace("\"memo\": true", "\"memo\": false");
    let quiet = Catalog::parse(quiet.as_bytes()).unwrap();
    assert!(catalog::check(&quiet).is_empty());
    let way = &catalog.resources.values().next().unwrap().routes[0];
    let line = route::line(way, Verb::Write).unwrap();
    let to = "ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz";
    assert_eq!(
        line,
        format!("usdc on solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp to {to}")
    );
    assert_eq!(route::line(way, Verb::Read), None);
    assert_eq!(
        route::facts(way),
        [
            "fees are paid in sol",
            "payees' accounts may be made, for 2039280 sol each",
            "with a public text of the agent's"
        ]
    );
    let assets = route::assets(&catalog).join("\n");
    assert!(assets.contains("lamports on solana:"), "{assets}");
    assert!(assets.contains("(token) on solana:"), "{assets}");
}

#[test]
fn what_ssh_lets_out_is_told() {
    let certificate = r#"{"kind":"ssh","form":"certificate","principals":["deploy"]}"#;
    let signature = r#"{"kind":"ssh","form":"signature","namespace":"git","objects":["commit"]}"#;
    let codes = |route: &str| catalog_codes(&format!(r#"{{"a":[{route}]}}"#));
    assert_eq!(codes(certificate), ["any_command"]);
    assert_eq!(codes(signature), ["any_author"]);
    let forced = certificate.replace('}', r#","force_command":"/bin/true"}"#);
    let named = signature.replace('}', r#","authors":["A <a@b>"]}"#);
    assert!(codes(&forced).is_empty() && codes(&named).is_empty());

    let text = format!(r#"{{"v":1,"resources":{{"hosts":[{forced}],"repo":[{named}]}}}}"#);
    let catalog = Catalog::parse(text.as_bytes()).unwrap();
    let told = |more: Value| {
        let document = a_grant(|document| {
            document["permissions"] = json!({"read": [], "write": ["hosts", "repo"], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!([]);
            document["credentials"] = json!({});
            for (name, value) in more.as_object().unwrap() {
                document[name] = value.clone();
            }
        });
        let found = grant(&document, &around(&catalog));
        let codes = found.iter().map(|finding| finding.code);
        let ours = ["identity_only_denied", "outliving_denied"];
        codes.filter(|code| ours.contains(code)).collect::<Vec<_>>()
    };
    assert_eq!(
        told(json!({})),
        ["identity_only_denied", "outliving_denied"]
    );
    let allowed = json!({"allow_identity_only": ["hosts"], "allow_outliving": ["repo"]});
    assert!(told(allowed.clone()).is_empty());
    let mut short = allowed;
    short["credentials"] = json!({"ssh": {"ttl_s": 60}});
    assert_eq!(told(short), ["outliving_denied"]);
}

/// Templates: what they leave open is in words and findings, and only a key of the route's algorithm and name counts.
#[test]
fn a_template_tells_what_it_leaves_open() {
    const PAGE: &str = include_str!("../../../../docs/templates.md");
    let of = |name: &str| {
        let mut blocks = PAGE.split("```json\n").skip(1);
        let block = blocks
            .find(|block| block.contains(&format!("\"{name}\"")))
            .unwrap();
        Catalog::parse(block.split_once("```").unwrap().0.as_bytes()).unwrap()
    };
    let key = claviger_shared::ledger::KeyState {
        kind: claviger_shared::effect::Kind::Template,
        alg: claviger_shared::owner::command::Alg::Hs256,
        env: claviger_shared::effect::Env::Live,
        public: b"name".to_vec(),
        agent: None,
        blob: claviger_shared::id::Digest([0; 32]),
        imported: true,
        retired: false,
    };
    let id = claviger_shared::id::KeyId::parse("k_1").unwrap();
    let found = |name: &str, out: bool| {
        let catalog = of(name);
        let granted = a_grant(|document| {
            document["permissions"] = json!({"read": [], "write": [name], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!([]);
            if out {
                document["allow_identity_only"] = json!([name]);
                document["allow_outliving"] = json!([name]);
            }
        });
        let mut around = around(&catalog);
        around.keys.insert(&id, &key);
        let found = grant(&granted, &around);
        found.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    let has = |name, out, code| found(name, out).contains(&code);
    assert!(has("binance-orders", false, "identity_only_denied"));
    assert!(!has("binance-orders", true, "identity_only_denied"));
    assert!(!has("binance-orders", true, "no_key"));
    assert!(has("truelayer-sweeping", false, "outliving_denied"));
    assert!(!has("truelayer-sweeping", true, "outliving_denied"));
    assert!(
        has("truelayer-sweeping", true, "no_key"),
        "it is signed with ES512"
    );
    let told: Vec<_> = catalog::check(&of("truelayer-sweeping"))
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert!(told.contains(&"undated"), "{told:?}");
    let binance = of("binance-orders");
    let way = &binance.resources.values().next().unwrap().routes[0];
    let words = route::facts(way).join("; ");
    for part in [
        "signed with hs256, written as hex: {query}",
        "the enclave writes timestamp={timestamp_ms} into the query, at the end",
        "header field x-mbx-apikey: {key_id}",
        "query member signature: {signature}",
        "not signed, as the route fixes it: host, method, path, body",
        "taken for 5 seconds",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

/// A price that nothing bounds for one call can take a whole window at once.
#[test]
fn a_priced_route_wants_a_limit_for_one_call() {
    let catalog = json!({"v": 1, "resources": {"chat": [{"kind": "http", "host": "llm.example.com", "path": "/v1/chat",
        "body": ["/messages", "/model", "/max_tokens"],
        "charge": [{"unit": "usd-micros", "from": "json", "field": "/max_tokens",
            "prices": {"field": "/model", "table": {"large": "15"}, "version": "2026-11-01"}}]}]}});
    let catalog = Catalog::parse(catalog.to_string().as_bytes()).unwrap();
    let codes = |windows: &[&str]| {
        let document = a_grant(|document| {
            document["permissions"] = json!({"read": [], "write": ["chat"], "delete": []});
            document["only"] = json!({});
            document["allow_minting"] = json!([]);
            let budgets = document["budgets"].as_array_mut().unwrap();
            budgets.retain(|budget| budget["unit"] == "call");
            for window in windows {
                budgets.push(json!({"unit": "usd-micros", "max": "5", "window": window}));
            }
        });
        let found = grant(&document, &around(&catalog));
        found.into_iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert!(codes(&[]).contains(&"no_unit_budget"));
    assert!(codes(&["grant"]).contains(&"no_call_limit"));
    let bounded = codes(&["grant", "call"]);
    assert!(!bounded.contains(&"no_call_limit") && !bounded.contains(&"no_unit_budget"));
}

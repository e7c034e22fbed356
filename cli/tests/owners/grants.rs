//! Grants and catalogs as an owner works with them: completed, said in words, linted, compared, set.

use crate::stage::Stage;
use serde_json::{Value, json};
use std::fs;

const CATALOG: &str = r#"{"v":1,"resources":{
  "orders":{"env":"live","routes":[{"kind":"http","host":"api.example.com","path":"/v1/orders/{id}","probe":true}]},
  "charges":{"env":"live","routes":[{"kind":"http","host":"pay.example.com","path":"/v1/charges","methods":["POST"],"body":["/amount"],
    "charge":[{"unit":"usd-cents","from":"json","field":"/amount"}]}]}}}"#;

#[test]
fn a_grant_is_completed_read_linted_and_follows_the_catalog() {
    let Some(stage) = Stage::start(&["ana"], 1) else {
        return;
    };
    stage.be_born(&["ana"]);
    let run = |verb: &[&str]| {
        let profile = ["--profile", "ceremony/profile.json"];
        stage.run(&[&profile[..], verb, &["--json"]].concat())
    };
    fs::write(stage.path("catalog.json"), CATALOG).unwrap();
    let (exit, set) = run(&["catalog", "set", "catalog.json"]);
    assert_eq!((exit, &set["resources"]), (0, &json!(2)), "{set}");
    assert_eq!(set["warnings"], json!([]));
    run(&[
        "key", "create", "--kind", "http", "--alg", "ed25519", "--agent", "bot", "--name", "k_bot",
    ]);

    let id = created(&stage, &run);
    // A catalog that changes what a live grant means is refused until the grant is named, and the options are said.
    let wider = CATALOG.replace(
        r#""path":"/v1/orders/{id}""#,
        r#""path":"/v1/orders/{id}","query":"any""#,
    );
    fs::write(stage.path("wider.json"), &wider).unwrap();
    let (exit, diff) = run(&["catalog", "diff", "wider.json"]);
    assert_eq!((exit, &diff["touches"]), (0, &json!([id])), "{diff}");
    assert!(
        diff["grants"][0]["new"][0]
            .as_str()
            .unwrap()
            .contains("query: any member"),
        "{diff}"
    );
    let (exit, lint) = run(&["catalog", "lint", "wider.json"]);
    assert_eq!(
        (exit, &lint["findings"][0]["code"]),
        (1, &json!("any_opening"))
    );
    let (exit, refused) = run(&["catalog", "set", "wider.json"]);
    assert_eq!(exit, 2);
    let detail = refused["error"]["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("--touches {id}")), "{detail}");
    let (exit, set) = run(&["catalog", "set", "wider.json", "--touches", &id]);
    assert_eq!(
        (exit, &set["warnings"][0]["code"]),
        (0, &json!("any_opening")),
        "{set}"
    );
    let (_, shown) = run(&["grant", "show", &id, "--words"]);
    assert!(
        shown["words"].to_string().contains("query: any member"),
        "{shown}"
    );
}

/// A catalog of 477 KiB: its command is a record that a receipt has to carry back to the owner.
#[test]
fn a_catalog_near_the_limit_is_set_and_proved() {
    let Some(stage) = Stage::start(&["ana"], 1) else {
        return;
    };
    stage.be_born(&["ana"]);
    let mut catalog: Value = serde_json::from_str(CATALOG).unwrap();
    for number in 0..8 {
        let members: Vec<_> = (0..250).map(|member| format!("/{member:0>240}")).collect();
        catalog["resources"][format!("large_{number}")] = json!({"env": "live", "routes": [
            {"kind": "http", "host": "api.example.com", "path": format!("/v1/large/{number}"), "methods": ["POST"], "body": members}]});
    }
    let text = catalog.to_string();
    assert!(text.len() > 470 * 1024, "{}", text.len());
    fs::write(stage.path("large.json"), text).unwrap();
    let profile = ["--profile", "ceremony/profile.json", "--json"];
    let run = |verb: &[&str]| stage.run(&[&profile[..], verb].concat());
    let (exit, set) = run(&["catalog", "set", "large.json"]);
    assert_eq!((exit, &set["resources"]), (0, &json!(10)), "{set}");
    let (exit, shown) = run(&["catalog", "show"]);
    assert_eq!(exit, 0);
    assert!(
        shown.to_string().contains("large_7"),
        "the log does not hold it"
    );
}

/// Creates the grant of this test; its id.
fn created(stage: &Stage, run: &impl Fn(&[&str]) -> (i32, Value)) -> String {
    let text = r#"{"permissions":{"read":["orders"],"write":["charges"],"delete":[]}}"#;
    fs::write(stage.path("grant.json"), text).unwrap();
    let options = [
        "--agent",
        "bot",
        "--ttl",
        "8h",
        "--max-calls",
        "500",
        "--keys",
        "k_bot",
    ];
    let (exit, lint) = run(&[&["grant", "lint", "grant.json"][..], &options].concat());
    assert_eq!(exit, 1);
    let codes = |value: &Value| {
        let list = value.as_array().unwrap().iter();
        list.map(|one| one["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        codes(&lint["findings"]),
        ["no_unit_budget", "no_rate", "no_purpose"]
    );
    assert_eq!(
        lint["narrower"]["rate"],
        json!([{ "max": 30, "per_s": 60 }])
    );

    let create = [
        &[
            "grant",
            "create",
            "grant.json",
            "--agent-key-out",
            "bot.key",
        ][..],
        &options,
    ]
    .concat();
    let (exit, made) = run(&create);
    assert_eq!(exit, 0, "{made}");
    assert_eq!(
        codes(&made["warnings"]),
        ["no_unit_budget", "no_rate", "no_purpose"]
    );
    let words = made["words"].to_string();
    for part in [
        "GET, HEAD https://api.example.com/v1/orders/{id}",
        "500 calls in the grant's whole life",
        "8 hours",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    // Without --json the words go to standard output and the warnings beside it.
    let (exit, text) = stage.run(&[
        "--profile",
        "ceremony/profile.json",
        "grant",
        "show",
        made["grant"].as_str().unwrap(),
        "--words",
    ]);
    assert_eq!(exit, 0);
    assert!(
        text["text"]
            .as_str()
            .unwrap()
            .contains("may read orders:\n  GET, HEAD https"),
        "{text}"
    );
    // An option that contradicts the file is refused before anything is written.
    let other =
        r#"{"agent":{"id":"other"},"permissions":{"read":["orders"],"write":[],"delete":[]}}"#;
    fs::write(stage.path("other.json"), other).unwrap();
    let (exit, refused) = run(&[
        "grant",
        "create",
        "other.json",
        "--agent",
        "bot",
        "--ttl",
        "1h",
        "--max-calls",
        "5",
        "--agent-key-out",
        "x.key",
    ]);
    assert_eq!(exit, 2, "{refused}");
    assert!(!stage.path("x.key").exists());
    made["grant"].as_str().unwrap().to_owned()
}

//! The drill of disaster recovery: two KMS keys in two Regions, agents at work, then the host's directory and the first key are
//! gone. The copy of the log comes back by the second key, is verified offline, and calls go on within the same budgets.
//!
//! `make dr-drill` runs the long form and prints how long each part took.

use crate::stage::{ACCOUNT, Stage};
use aws_sdk_kms::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use claviger_cli::{
    ceremony::{
        kms::{Kms, Place},
        policy::{self, Parties},
    },
    profile::Profile,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

const PROFILE: &str = "ceremony/profile.json";
const CATALOG: &str = include_str!("../../../sim/src/up/catalog.json");
const URL: &str = "https://api.example.com/v1/orders/ord_1?expand=items";
/// Calls that are left to the grant for after the disaster.
const LEFT: usize = 3;

fn run(stage: &Stage, verb: &[&str]) -> Value {
    let (exit, value) = stage.run(&[&["--profile", PROFILE][..], verb, &["--json"]].concat());
    assert_eq!(exit, 0, "{verb:?}: {value}");
    value
}

fn sign(stage: &Stage) -> (i32, Value) {
    stage.run(&[
        "sign",
        "http",
        "GET",
        URL,
        "--key-file",
        "bot.key",
        "--json",
    ])
}

/// What is left of the grant's calls.
fn left(stage: &Stage) -> String {
    let (exit, who) = stage.run(&["whoami", "--key-file", "bot.key", "--json"]);
    assert_eq!(exit, 0, "{who}");
    let budgets = who["remaining"].as_array().unwrap();
    let call = budgets.iter().find(|one| one["unit"] == "call").unwrap();
    call["amount"].as_str().unwrap().to_owned()
}

/// A key in each of two Regions, made under a policy that lets nobody derive; their ARNs.
fn two_keys(stage: &Stage) -> Vec<String> {
    let plan: Value =
        serde_json::from_slice(&fs::read(stage.path("ceremony/plan.json")).unwrap()).unwrap();
    let role = |name: &str| format!("{ACCOUNT}/{name}");
    let parties = Parties {
        host: role("claviger-host"),
        administrator: role("kms-admin"),
        break_glass: role("kms-break-glass"),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let one = |region: &str| {
        let place = Place {
            region: region.to_owned(),
            endpoint: plan["kms"].as_str().map(str::to_owned),
            profile: Some("kms-break-glass".to_owned()),
            credentials_file: Some(stage.path("aws")),
        };
        runtime.block_on(async {
            let kms = Kms::connect(&place).await;
            kms.create_key(&policy::unborn(&parties)).await.unwrap().arn
        })
    };
    ["us-east-1", "eu-west-1"].map(one).into()
}

/// The break-glass role schedules a key's deletion: from then on it derives nothing.
fn destroy(stage: &Stage, arn: &str) {
    let plan: Value =
        serde_json::from_slice(&fs::read(stage.path("ceremony/plan.json")).unwrap()).unwrap();
    let name = "kms-break-glass";
    let credentials = Credentials::new(
        format!("AKIA{:0>16}", name.len()),
        format!("secret-of-{name}"),
        None,
        None,
        "test",
    );
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(arn.split(':').nth(3).unwrap().to_owned()))
        .endpoint_url(plan["kms"].as_str().unwrap())
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let deletion = Client::from_conf(config.build())
        .schedule_key_deletion()
        .key_id(arn)
        .pending_window_in_days(7);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(deletion.send()).unwrap();
}

fn script(stage: &Stage, name: &str, arguments: &[&str]) {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/bin");
    let arguments = arguments.iter().map(|one| stage.file(one));
    let ran = Command::new(bin.join(name))
        .args(arguments)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name}: {said}");
}

/// The policy of one recipient is behind: `policy check` says which, and `render --put` mends each in its own Region.
fn every_recipient_is_judged(stage: &Stage, second: &str) {
    let profile = Profile::read(&stage.path(PROFILE)).unwrap();
    let place = profile.kms_of(second).unwrap();
    assert_eq!(place.region, "eu-west-1");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let policy = policy::unborn(profile.parties.as_ref().unwrap());
        let kms = Kms::connect(&place).await;
        kms.put_policy(second, &policy).await.unwrap();
    });
    let check = ["--profile", PROFILE, "policy", "check", "--json"];
    let (exit, checked) = stage.run(&check);
    let found = checked["findings"].as_array().unwrap();
    let at = |one: &Value| one["at"].as_str().unwrap().contains(second);
    assert!(exit == 1 && found.iter().all(at), "{checked:#}");
    assert!(found.iter().any(|one| one["code"] == "release_shut_out"));
    run(stage, &["policy", "render", "--put"]);
    assert_eq!(stage.run(&check).0, 0);
}

fn work(stage: &Stage, calls: usize) -> Vec<Value> {
    let call = |_| {
        let (exit, answer) = sign(stage);
        assert_eq!(exit, 0, "{answer}");
        answer
    };
    (0..calls).map(call).collect()
}

/// A deployment of two recipients with a grant of so many calls.
fn deployment(calls: usize) -> Option<(Stage, Vec<String>)> {
    let stage = Stage::start(&["ana"], 1)?;
    let keys = two_keys(&stage);
    let found = stage.init(&["key", "--adopt", &keys[0], "--adopt", &keys[1]]);
    assert_eq!(found["recipients"], json!(keys), "{found}");
    stage.be_born(&["ana"]);
    fs::write(stage.path("catalog.json"), CATALOG).unwrap();
    run(
        &stage,
        &[
            "key", "create", "--kind", "http", "--alg", "ed25519", "--agent", "bot",
        ],
    );
    run(&stage, &["catalog", "set", "catalog.json"]);
    let permissions =
        json!({ "permissions": { "read": ["order_history"], "write": [], "delete": [] } });
    fs::write(stage.path("grant.json"), permissions.to_string()).unwrap();
    let budget = calls.to_string();
    let create = [
        "grant",
        "create",
        "grant.json",
        "--agent",
        "bot",
        "--ttl",
        "8h",
        "--max-calls",
        &budget,
        "--agent-key-out",
        "bot.key",
    ];
    run(&stage, &create);
    Some((stage, keys))
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a drill measures by this machine's clock"
)]
fn a_drill_brings_a_deployment_back_from_its_copy_by_the_second_key() {
    let calls = std::env::var("CLAVIGER_DRILL_CALLS");
    let calls = calls.map_or(5, |text| text.parse().unwrap());
    let Some((stage, keys)) = deployment(calls + LEFT) else {
        return;
    };
    every_recipient_is_judged(&stage, &keys[1]);
    script(&stage, "claviger-copy", &["sim/host", "copy", "copied"]);
    let answers = work(&stage, calls);
    let before = left(&stage);
    assert_eq!(before, LEFT.to_string());
    let lines: Vec<String> = answers.iter().map(Value::to_string).collect();
    fs::write(stage.path("receipts"), lines.join("\n")).unwrap();
    // The first copy has none of these calls: going back to it would give budget back, and their receipts say so.
    let chain = stage.file("ceremony/chain.json");
    let verify = |log: &str| {
        let receipts = ["--receipts", "receipts", "--json"];
        stage.run(
            &[
                &["audit", "verify", log, "--manifest", &chain][..],
                &receipts,
            ]
            .concat(),
        )
    };
    script(&stage, "claviger-restore", &["copy", "stale"]);
    let (exit, cut) = verify("stale/log");
    assert_eq!(exit, 1, "{cut}");
    assert!(
        cut["reason"].as_str().unwrap().contains("log was cut"),
        "{cut}"
    );
    // The second copy holds what is new since the first.
    script(&stage, "claviger-copy", &["sim/host", "copy", "copied"]);

    stage.end("host");
    fs::remove_dir_all(stage.path("sim/host")).unwrap();
    destroy(&stage, &keys[0]);
    stage.restart_enclave();

    let start = Instant::now();
    script(&stage, "claviger-restore", &["copy", "sim/host"]);
    let restored = start.elapsed();
    let (exit, verified) = verify("sim/host/log");
    assert_eq!(
        (exit, &verified["receipts"]),
        (0, &json!(calls)),
        "{verified}"
    );
    let audited = start.elapsed();
    stage.start_host();
    stage.wait_for(|| {
        let (exit, status) = stage.run(&["--profile", PROFILE, "status", "--json"]);
        exit == 0 && status["phase"] == "serving"
    });
    work(&stage, 1);
    let back = start.elapsed();

    // What was spent stays spent, to the last call.
    work(&stage, LEFT - 1);
    let (exit, denied) = sign(&stage);
    assert_eq!(
        (exit, &denied["code"]),
        (4, &json!("budget_exceeded")),
        "{denied}"
    );
    let (exit, verified) = verify("sim/host/log");
    assert_eq!(exit, 0, "{verified}");
    let (exit, report) = stage.run(&["--profile", PROFILE, "doctor", "--json"]);
    let state = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["code"] == "key_state");
    assert!(
        exit == 1 && state.is_some(),
        "the lost key is a fault: {report:#}"
    );
    println!(
        "{calls} calls; copy restored after {} ms, verified after {} ms, the first call answered after {} ms; {} entries",
        restored.as_millis(),
        audited.as_millis(),
        back.as_millis(),
        verified["size"],
    );
}

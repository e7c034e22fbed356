//! `doctor` on a deployment that is broken in one way after another: the fault is named, and so is what mends it.

use crate::{proxy, stage::Stage};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::{ceremony::kms::Kms, profile::Profile};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const PROFILE: &str = "ceremony/profile.json";

fn doctor(stage: &Stage, profile: &str) -> (i32, Value) {
    stage.run(&["--profile", profile, "doctor", "--json"])
}

/// Faults by code, with what mends them.
fn faults(report: &Value) -> Vec<(String, String)> {
    let checks = report["checks"].as_array().unwrap().iter();
    let faults = checks.filter(|check| check["verdict"] == "fault");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    faults
        .map(|fault| (text(&fault["code"]), text(&fault["mend"])))
        .collect()
}

#[track_caller]
fn well(stage: &Stage) {
    let (exit, report) = doctor(stage, PROFILE);
    assert_eq!((exit, faults(&report)), (0, Vec::new()), "{report:#}");
}

/// Exactly one sort of fault, and its mend.
#[track_caller]
fn one_fault(stage: &Stage, profile: &str, code: &str, mend: &str) {
    let (exit, report) = doctor(stage, profile);
    let found = faults(&report);
    assert_eq!(exit, 1, "{report:#}");
    assert!(
        !found.is_empty() && found.iter().all(|(found, _)| found == code),
        "{code}: {report:#}"
    );
    assert!(found[0].1.contains(mend), "{mend}: {found:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The profile with a member changed, under another name.
fn other_profile(stage: &Stage, name: &str, member: &str, value: Value) -> String {
    let text = fs::read(stage.path(PROFILE)).unwrap();
    let mut profile: Value = serde_json::from_slice(&text).unwrap();
    profile[member] = value;
    fs::write(stage.path(name), profile.to_string()).unwrap();
    name.to_owned()
}

fn run(stage: &Stage, verb: &[&str]) -> Value {
    let (exit, value) = stage.run(&[&["--profile", PROFILE][..], verb, &["--json"]].concat());
    assert_eq!(exit, 0, "{verb:?}: {value}");
    value
}

fn serving(stage: &Stage) {
    stage.wait_for(|| {
        let (exit, status) = stage.run(&["--profile", PROFILE, "status", "--json"]);
        exit == 0 && status["phase"] == "serving"
    });
}

#[test]
fn each_fault_and_its_mend_are_named() {
    let Some(stage) = Stage::start(&["ana"], 1) else {
        return;
    };
    stage.be_born(&["ana"]);
    fs::set_permissions(stage.path("aws"), fs::Permissions::from_mode(0o600)).unwrap();
    well(&stage);

    file_mode(&stage);
    wrong_profiles(&stage);
    freeze(&stage);
    key_policy(&stage);
    chains(&stage);
    lying_hosts(&stage);
    token(&stage);
    rollback(&stage);
    host_down(&stage);
}

fn file_mode(stage: &Stage) {
    let mode =
        |mode| fs::set_permissions(stage.path("ana"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    one_fault(stage, PROFILE, "file_mode", "chmod 600");
    mode(0o600);
    well(stage);
}

fn wrong_profiles(stage: &Stage) {
    one_fault(stage, "nowhere.json", "profile", "--profile");
    let absent = other_profile(stage, "absent.json", "owner_key", json!("nobody"));
    one_fault(stage, &absent, "file_missing", "owner_key");
    // Another deployment's g0, of the same owner.
    let g0 = fs::read_to_string(stage.path("ceremony/g0.json")).unwrap();
    fs::write(
        stage.path("other.json"),
        g0.replace("acme-test", "acme-else"),
    )
    .unwrap();
    let signed = stage.sign("manifest@claviger", &stage.file("other.json"), &["ana"]);
    let chain = json!({ "manifests": [{
        "body": STANDARD.encode(fs::read(stage.path("other.json")).unwrap()),
        "signatures": [fs::read_to_string(&signed[0]).unwrap()],
    }] });
    fs::write(stage.path("other-chain.json"), chain.to_string()).unwrap();
    let other = other_profile(
        stage,
        "wrong.json",
        "manifest",
        json!(stage.file("other-chain.json")),
    );
    let (exit, report) = doctor(stage, &other);
    let found = faults(&report);
    assert_eq!(exit, 1);
    let (_, mend) = found
        .iter()
        .find(|(code, _)| code == "other_deployment")
        .unwrap();
    assert!(mend.contains("its g0 is"), "{report:#}");
}

fn freeze(stage: &Stage) {
    run(stage, &["freeze"]);
    one_fault(stage, PROFILE, "frozen", "claviger thaw");
    run(stage, &["thaw"]);
    well(stage);
}

fn key_policy(stage: &Stage) {
    let profile = Profile::read(&stage.path(PROFILE)).unwrap();
    let chain = profile.chain().unwrap();
    let arn = chain.newest().recipients[0].arn.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kms = runtime.block_on(Kms::connect(&profile.kms_of(&arn).unwrap()));
    let text = runtime.block_on(kms.policy(&arn)).unwrap();
    let mut weak: Value = serde_json::from_str(&text).unwrap();
    let statements = weak["Statement"].as_array_mut().unwrap();
    statements.retain(|statement| statement["Sid"] != "OnlyPcr1");
    runtime.block_on(kms.put_policy(&arn, &weak)).unwrap();
    one_fault(
        stage,
        PROFILE,
        "missing_deny",
        "kms:RecipientAttestation:PCR1",
    );
    let (exit, checked) = stage.run(&["--profile", PROFILE, "policy", "check", "--json"]);
    assert_eq!((exit, &checked["ok"]), (1, &json!(false)));
    run(stage, &["policy", "render", "--put"]);
    well(stage);
}

fn chains(stage: &Stage) {
    let before = stage.path("chain-before.json");
    fs::copy(stage.path("ceremony/chain.json"), &before).unwrap();
    stage.person("night");
    let proposed = run(
        stage,
        &[
            "manifest",
            "propose",
            "--add-operator",
            "night=night.pub",
            "--out",
            "g2.json",
        ],
    );
    assert_eq!(proposed["anchor"], "no");
    let signed = stage.sign("manifest@claviger", &stage.file("g2.json"), &["ana"]);
    run(stage, &["manifest", "set", "g2.json", &signed[0]]);
    // Until it restarts, the enclave attests the manifest it booted under.
    one_fault(stage, PROFILE, "attestation", "restart the enclave");
    stage.restart_enclave();
    stage.wait_for(|| doctor(stage, PROFILE).0 == 0);

    let old = other_profile(stage, "old.json", "manifest", json!(before));
    let (exit, report) = doctor(stage, &old);
    let found = faults(&report);
    assert_eq!(exit, 1);
    let (_, mend) = found
        .iter()
        .find(|(code, _)| code == "profile_chain_old")
        .unwrap();
    assert!(mend.contains("claviger manifest fetch"), "{report:#}");
    let (exit, fetched) = stage.run(&["--profile", &old, "manifest", "fetch", "--json"]);
    assert_eq!((exit, &fetched["changed"]), (0, &json!(true)), "{fetched}");
    assert_eq!(doctor(stage, &old).0, 0);

    // A power that goes makes an anchor: the policy must follow, and then the enclave restarts.
    let proposed = run(
        stage,
        &[
            "manifest",
            "propose",
            "--remove-operator",
            "night",
            "--out",
            "g3.json",
        ],
    );
    assert!(
        proposed["anchor"]
            .as_str()
            .unwrap()
            .starts_with("yes, because"),
        "{proposed}"
    );
    let signed = stage.sign("manifest@claviger", &stage.file("g3.json"), &["ana"]);
    run(stage, &["manifest", "set", "g3.json", &signed[0]]);
    let (_, report) = doctor(stage, PROFILE);
    let codes: Vec<String> = faults(&report).into_iter().map(|(code, _)| code).collect();
    assert!(
        codes.iter().any(|code| code == "release_shut_out"),
        "{report:#}"
    );
    run(stage, &["policy", "render", "--put"]);
    stage.restart_enclave();
    stage.wait_for(|| doctor(stage, PROFILE).0 == 0);
    let shown = run(stage, &["manifest", "show"]);
    assert_eq!(
        (
            &shown["newest"],
            shown["manifests"].as_array().unwrap().len()
        ),
        (&json!(3), 4)
    );
    let attested = run(stage, &["attest", "--document", "document.cbor"]);
    assert_eq!(attested["anchor"], "generation 3, by PCR17", "{attested}");
    assert!(attested["release"].as_str().unwrap().starts_with("0.1.0"));
    assert!(fs::metadata(stage.path("document.cbor")).unwrap().len() > 1000);
    // What a fetch would take back is refused.
    let (exit, back) = {
        let profile = other_profile(
            stage,
            "ahead.json",
            "manifest",
            json!(stage.file("ahead-chain.json")),
        );
        let text = fs::read(stage.path("ceremony/chain.json")).unwrap();
        let mut chain: Value = serde_json::from_slice(&text).unwrap();
        let proposed = run(
            stage,
            &["manifest", "propose", "--anchor", "--out", "g4.json"],
        );
        assert_eq!(proposed["anchor"], "yes, as asked");
        let signed = stage.sign("manifest@claviger", &stage.file("g4.json"), &["ana"]);
        chain["manifests"].as_array_mut().unwrap().push(json!({
            "body": STANDARD.encode(fs::read(stage.path("g4.json")).unwrap()),
            "signatures": [fs::read_to_string(&signed[0]).unwrap()],
        }));
        fs::write(stage.path("ahead-chain.json"), chain.to_string()).unwrap();
        let (_, report) = doctor(stage, &profile);
        assert!(
            faults(&report)
                .iter()
                .any(|(code, _)| code == "host_chain_old"),
            "{report:#}"
        );
        stage.run(&["--profile", &profile, "manifest", "fetch", "--json"])
    };
    assert_eq!(
        (exit, &back["error"]["code"]),
        (1, &json!("distrust")),
        "{back}"
    );
}

/// A host that shows another time than this machine's, and keys that nobody logged.
fn lying_hosts(stage: &Stage) {
    let text = fs::read(stage.path(PROFILE)).unwrap();
    let profile: Value = serde_json::from_slice(&text).unwrap();
    let face = |member: &str| profile[member].as_str().unwrap().to_owned();
    // On both sides of what is borne, 30 s, and either way.
    type Change = fn(&mut Value);
    let moved: [(Change, bool); 4] = [
        (|status| shift(status, 25_000), true),
        (|status| shift(status, -25_000), true),
        (|status| shift(status, 45_000), false),
        (|status| shift(status, -45_000), false),
    ];
    for (number, (change, fine)) in moved.into_iter().enumerate() {
        let at = proxy::start(&face("operator_api"), "/v1/status", change);
        let name = format!("late-{number}.json");
        let late = other_profile(stage, &name, "operator_api", json!(at));
        if fine {
            assert_eq!(doctor(stage, &late).0, 0);
        } else {
            one_fault(stage, &late, "clock_skew", "chrony");
        }
    }
    let at = proxy::start(&face("api"), "/.well-known/jwks.json", |keys| {
        let mut strange =
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "strange"});
        strange["x"] = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        keys["keys"].as_array_mut().unwrap().push(strange);
    });
    let strange = other_profile(stage, "strange.json", "api", json!(at));
    one_fault(stage, &strange, "well_known_differs", "claviger key export");
}

fn shift(status: &mut Value, ms: i64) {
    let now = status["now_ms"].as_i64().unwrap();
    status["now_ms"] = json!(now.saturating_add(ms));
}

/// A host that wants a token which the profile does not have.
fn token(stage: &Stage) {
    let config = fs::read(stage.path("host.json")).unwrap();
    let mut guarded: Value = serde_json::from_slice(&config).unwrap();
    fs::write(stage.path("token"), "correct-horse\n").unwrap();
    fs::set_permissions(stage.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    guarded["operator_token_file"] = json!(stage.file("token"));
    fs::write(stage.path("host.json"), guarded.to_string()).unwrap();
    stage.end("host");
    stage.start_host();
    let has = |code: &str, mend: &str| {
        let found = faults(&doctor(stage, PROFILE).1);
        found
            .iter()
            .any(|(own, with)| own == code && with.contains(mend))
    };
    stage.wait_for(|| has("token", "operator_token_file"));
    let with = other_profile(
        stage,
        "with-token.json",
        "operator_token_file",
        json!(stage.file("token")),
    );
    stage.wait_for(|| doctor(stage, &with).0 == 0);
    fs::write(stage.path("host.json"), config).unwrap();
    stage.end("host");
    stage.start_host();
    serving(stage);
}

fn rollback(stage: &Stage) {
    copy(&stage.path("sim/host"), &stage.path("kept"));
    run(
        stage,
        &["key", "create", "--kind", "http", "--alg", "ed25519"],
    );
    well(stage);
    stage.end("host");
    fs::remove_dir_all(stage.path("sim/host")).unwrap();
    copy(&stage.path("kept"), &stage.path("sim/host"));
    stage.restart_enclave();
    stage.start_host();
    serving(stage);
    // The boot adds an entry where the key's was: the log is no shorter and another.
    let (exit, report) = doctor(stage, PROFILE);
    let found = faults(&report);
    assert_eq!(exit, 1, "{report:#}");
    assert!(
        found.iter().any(
            |(code, mend)| (code == "log_forked" || code == "log_behind")
                && mend.contains("freeze")
        ),
        "{report:#}"
    );
}

fn host_down(stage: &Stage) {
    stage.end("host");
    one_fault(stage, PROFILE, "host_unreachable", "start the host");
}

//! P11: the simulation runs the production enclave; nothing of it is linked into the production binary.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

fn metadata() -> Value {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names of everything that a package links, without dev-dependencies and build scripts, on any platform.
fn linked(metadata: &Value, package: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .map(|package| {
            (
                package["id"].as_str().unwrap(),
                package["name"].as_str().unwrap(),
            )
        })
        .collect();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let start = *names.iter().find(|(_, name)| **name == package).unwrap().0;
    let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let deps = nodes[id]["deps"].as_array().unwrap().iter();
            let normal = deps.filter(|dep| {
                let kinds = dep["dep_kinds"].as_array().unwrap();
                kinds.iter().any(|kind| kind["kind"].is_null())
            });
            open.extend(normal.map(|dep| dep["pkg"].as_str().unwrap()));
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn p11_the_production_binary_links_no_mock_and_no_courier() {
    let metadata = metadata();
    let linked = linked(&metadata, "claviger-enclave");
    for forbidden in [
        "aws-config",
        "aws-sdk-kms",
        "axum",
        "claviger",
        "claviger-client",
        "claviger-host",
        "claviger-sim",
        "claviger-tests",
        "claviger-verify",
        "hyper",
        "proptest",
        "rcgen",
        "reqwest",
        "ring",
        "rustls",
        "tempfile",
        "tokio",
    ] {
        assert!(!linked.contains(forbidden), "{forbidden} is linked");
    }
    for needed in ["aws-lc-rs", "claviger-kinds", "claviger-shared", "snow"] {
        assert!(linked.contains(needed), "the walk finds what is there");
    }
}

#[test]
fn p11_nothing_but_the_simulation_and_the_tests_links_the_enclave() {
    let metadata = metadata();
    for package in [
        "claviger",
        "claviger-client",
        "claviger-host",
        "claviger-kinds",
        "claviger-shared",
        "claviger-verify",
    ] {
        assert!(
            !linked(&metadata, package).contains("claviger-enclave"),
            "{package}"
        );
    }
    assert!(linked(&metadata, "claviger-sim").contains("claviger-enclave"));
}

#[test]
fn p11_no_package_of_the_trusted_part_has_a_feature() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if ["claviger-enclave", "claviger-kinds", "claviger-shared"].contains(&name) {
            assert_eq!(package["features"], serde_json::json!({}), "{name}");
        }
    }
}

/// The same function serves in both binaries.
#[test]
fn p11_both_binaries_run_the_same_code() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let read = |path: &str| std::fs::read_to_string(format!("{root}/{path}")).unwrap();
    let (production, simulation) = (
        read("enclave/src/nitro/mod.rs"),
        read("sim/src/process/enclave.rs"),
    );
    assert!(read("enclave/src/main.rs").contains("nitro::live("));
    for source in [&production, &simulation] {
        assert!(source.contains("run::run("), "serve::run::run");
    }
    assert!(!production.contains("Mock"));
}

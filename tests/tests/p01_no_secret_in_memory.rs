//! P1 by looking: a real deployment in processes of its own, at work; then the memory of each and every file below it is searched.
//!
//! What is searched for: keys that were imported, a key that was born inside, the root and what follows from it, the agent's key.
//! Each search has a place where it must find, the process that rightly holds the secret, so that it cannot pass by being blind.
//! Retired keys are wiped from the enclave's process. Needs to be root, because none of the processes is dumpable.

#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

#[path = "../demo/command.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod command;

#[path = "p01/own.rs"]
mod own;

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_client::AgentKey;
use claviger_enclave::{
    boot::bundle,
    secret::{RootKeys, Secret, derive},
};
use claviger_shared::{bundle::Bundle, crypto::MacKey, label, owner::manifest::chain::Chain};
use claviger_tests::memory::{Wanted, before};
use claviger_verify::ring_verifier::RingVerifier;
use command::{bare, done, text};
use own::{ORDER, Own};
use serde_json::Value;
use stage::{Stage, is_alive, signal};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Whether other processes may be read at all; in continuous integration they must be.
fn may_look() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "needs to be root");
        println!("skipped: needs to be root to read processes that are not dumpable");
    }
    root
}

/// A sidecar with the deployment's agent key, as an agent's program has it; killed when dropped.
struct Beside(tokio::process::Child);

impl Beside {
    async fn start(stage: &Stage, outside: &Path) -> Self {
        let [token, ready] = ["token", "sidecar.json"].map(|name| outside.join(name));
        let [token, ready] = [&token, &ready].map(|path| path.to_str().unwrap());
        let mut command = bare(&["sidecar", "--token-file", token, "--ready-file", ready]).unwrap();
        command.env("CLAVIGER_PROFILE", stage.dir.join("ready.json"));
        command.stdout(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        while !Path::new(ready).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told: Value = serde_json::from_slice(&fs::read(ready).unwrap()).unwrap();
        let token = fs::read_to_string(token).unwrap();
        for _ in 0..3 {
            let mut sign = bare(&["sign", "http", "GET", ORDER, "--json"]).unwrap();
            sign.env("CLAVIGER_URL", text(&told, "url"))
                .env("CLAVIGER_TOKEN", token.trim());
            let output = sign.output().await.unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id().unwrap()
    }
}

/// The root, found as KMS would: by its own private key, from its own file.
fn root_of(stage: &Stage) -> (Secret, [u8; 32], Chain) {
    let host = stage.dir.join("host");
    let links = Chain::parse_file(&fs::read(host.join("manifests.json")).unwrap()).unwrap();
    let chain = Chain::verify(&links, &RingVerifier).unwrap();
    let bundle = Bundle::parse(&fs::read(host.join("bundle")).unwrap()).unwrap();
    let arn = bundle.head.recipients[0].arn.clone();
    let id = arn.rsplit('/').next().unwrap();
    let files: Vec<PathBuf> = fs::read_dir(stage.dir.join("kms/keys"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let is_it = |path: &&PathBuf| path.to_string_lossy().contains(id);
    let stored = fs::read(files.iter().find(is_it).unwrap()).unwrap();
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let der = STANDARD.decode(text(&stored, "secret")).unwrap();
    let key = PrivateKey::from_private_key_der(&ECDH_P256, &der).unwrap();
    let ephemeral = bundle.head.ephemeral.clone();
    let peer = UnparsedPublicKey::new(&ECDH_P256, &ephemeral[ephemeral.len() - 65..]);
    let shared: [u8; 32] = agree(&key, peer, (), |shared| Ok(shared.try_into().unwrap())).unwrap();
    let fingerprint = chain.fingerprint();
    let root = bundle::open(
        &bundle,
        &arn,
        &Secret::take(&mut shared.clone()),
        &fingerprint,
    )
    .unwrap();
    (root, shared, chain)
}

/// The seed of the Ed25519 key that the deployment made for its first agent, taken out of the enclave's memory.
async fn born_inside(stage: &Stage, enclave: u32) -> [u8; 32] {
    let shown = done(stage, &["key", "show", "k_http_first"]).await.unwrap();
    let public = URL_SAFE_NO_PAD.decode(shown.text("/jwk/x")).unwrap();
    let public: [u8; 32] = public.try_into().unwrap();
    let seeds = before(enclave, &public).unwrap();
    let is_it = |seed: &&[u8; 32]| {
        Ed25519KeyPair::from_seed_unchecked(&seed[..])
            .unwrap()
            .public_key()
            .as_ref()
            == public
    };
    *seeds
        .iter()
        .find(is_it)
        .expect("the key that was born inside is in the enclave's memory")
}

/// Names alone, once each.
fn names<T>(found: &[(String, T)]) -> Vec<&str> {
    let mut names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[tokio::test]
async fn p1_no_secret_is_in_the_memory_or_a_file_of_anybody_else() {
    if !may_look() {
        return;
    }
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stage = Stage::start(dir.path()).await.unwrap();
    let (ed25519, p256) = (Own::random("k_own_ed25519"), Own::random("k_own_p256"));
    ed25519.import(&stage, outside.path(), false).await;
    p256.import(&stage, outside.path(), true).await;
    let beside = Beside::start(&stage, outside.path()).await;
    let [enclave, host, kms] = ["enclave", "host", "kms"].map(|name| stage.pid(name).unwrap());

    let born = born_inside(&stage, enclave).await;
    let (root, shared, chain) = root_of(&stage);
    let g0 = chain.fingerprint();
    let running = chain.newest().running.clone().unwrap();
    let log_name = running.log_vkey.split('+').next().unwrap();
    let keys = RootKeys::derive(&root, &g0, log_name).unwrap();
    assert_eq!(keys.log_key().vkey(), running.log_vkey, "it is the root");
    let derived = |info| derive(root.expose(), &g0.0, info).unwrap();
    let agent = AgentKey::parse(
        fs::read_to_string(stage.dir.join("agent.key"))
            .unwrap()
            .trim(),
    )
    .unwrap();

    let held = Wanted::default()
        .and(ed25519.name, &ed25519.secret)
        .and(p256.name, &p256.secret)
        .and("born inside", &born)
        .and("log key", derived(label::ROOT_LOG_KEY).expose())
        .and("wrap key", derived(label::ROOT_WRAP_KEY).expose());
    let found = held.in_process(enclave).unwrap();
    let all = [
        "born inside",
        "k_own_ed25519",
        "k_own_p256",
        "log key",
        "wrap key",
    ];
    assert_eq!(names(&found), all, "what the enclave holds is found in it");

    let agents = Wanted::default().and("agent key", agent.secret.expose());
    assert_eq!(
        names(&agents.in_process(beside.pid()).unwrap()),
        ["agent key"]
    );

    // What HKDF makes of the root first (RFC 5869 §2.2), from which all the rest follows.
    let extracted = MacKey::new(&g0.0).mac(&[root.expose()]);
    let passed = Wanted::default()
        .and("extracted key", &extracted.0)
        .and("root", root.expose())
        .and("what KMS derived", &shared)
        .and("input key", derived(label::ROOT_INPUT_KEY).expose())
        .and("snapshot key", derived(label::ROOT_SNAPSHOT_KEY).expose());
    let gone = passed.in_process(enclave).unwrap();
    assert!(
        gone.is_empty(),
        "wiped when the boot was done with it: {gone:?}"
    );

    for (who, pid) in [("host", host), ("kms", kms), ("sidecar", beside.pid())] {
        let found = held.in_process(pid).unwrap();
        assert!(found.is_empty(), "{who}: {found:?}");
    }
    for (who, pid) in [("host", host), ("sidecar", beside.pid())] {
        let found = passed.in_process(pid).unwrap();
        assert!(found.is_empty(), "{who}: {found:?}");
    }
    for (who, pid) in [("host", host), ("kms", kms), ("enclave", enclave)] {
        let found = agents.in_process(pid).unwrap();
        assert!(found.is_empty(), "{who}: {found:?}");
    }

    for wanted in [&held, &passed] {
        let found = wanted.in_files(dir.path()).unwrap();
        assert!(found.is_empty(), "{found:?}");
    }
    // The agent's own file is where its key is meant to be, and shows that files are searched.
    let files = agents.in_files(dir.path()).unwrap();
    let only = files
        .iter()
        .map(|(_, path)| path.file_name().unwrap().to_str().unwrap());
    assert_eq!(only.collect::<Vec<_>>(), ["agent.key"]);
    let logs = fs::read_dir(dir.path().join("logs")).unwrap().count();
    assert_eq!(
        logs, 3,
        "their logs are below the directory that was searched"
    );
    drop(beside);
    stage.stop().await.unwrap();
}

#[tokio::test]
async fn p1_a_retired_key_is_wiped_from_the_enclaves_memory() {
    if !may_look() {
        return;
    }
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::start(dir.path()).await.unwrap();
    // Both ways into the vault: imported in this life, and loaded from its blob in the next.
    for restarted in [false, true] {
        let names = if restarted {
            ["k_three", "k_four"]
        } else {
            ["k_one", "k_two"]
        };
        let [ed25519, p256] = names.map(Own::random);
        ed25519.import(&stage, outside.path(), false).await;
        p256.import(&stage, outside.path(), true).await;
        if restarted {
            stage.kill("enclave").await.unwrap();
        }
        let enclave = stage.pid("enclave").unwrap();
        let wanted = Wanted::default()
            .and(ed25519.name, &ed25519.secret)
            .and(p256.name, &p256.secret);
        let mut before = wanted.in_process(enclave).unwrap();
        before.dedup_by(|a, b| a.0 == b.0);
        assert_eq!(before.len(), 2, "both are held before: {before:?}");
        ed25519.retire(&stage).await;
        p256.retire(&stage).await;
        let wanted = ed25519.wanted(p256.wanted(Wanted::default(), true), false);
        let after = wanted.in_process(enclave).unwrap();
        assert!(after.is_empty(), "restarted {restarted}: {after:?}");
        assert_eq!(enclave, stage.pid("enclave").unwrap(), "the same process");
    }
    stage.stop().await.unwrap();
}

/// Of a secret of HMAC the enclave keeps only what the hash made of it, not even padded as HMAC pads it (RFC 2104 §2).
#[tokio::test]
async fn p1_a_shared_secret_is_in_no_memory_once_it_is_taken_in() {
    if !may_look() {
        return;
    }
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut stage = Stage::start(dir.path()).await.unwrap();
    let (control, shared) = (Own::random("k_control"), Own::random("k_shared"));
    control.import(&stage, outside.path(), false).await;
    shared.import_shared(&stage, outside.path()).await;
    let padded = |pad: u8| shared.secret.map(|byte| byte ^ pad);
    let wanted = Wanted::default()
        .and(control.name, &control.secret)
        .and(shared.name, &shared.secret)
        .and("inner pad", &padded(0x36))
        .and("outer pad", &padded(0x5c));
    for restarted in [false, true] {
        if restarted {
            stage.kill("enclave").await.unwrap();
        }
        for who in ["enclave", "host", "kms"] {
            let found = wanted.in_process(stage.pid(who).unwrap()).unwrap();
            let held: &[&str] = if who == "enclave" {
                &["k_control"]
            } else {
                &[]
            };
            assert_eq!(names(&found), held, "{who}, restarted {restarted}");
        }
    }
    let found = wanted.in_files(dir.path()).unwrap();
    assert!(found.is_empty(), "{found:?}");
    stage.stop().await.unwrap();
}

/// No process of a deployment leaves a core file, wherever the system would put it.
#[tokio::test]
async fn p1_no_process_of_a_deployment_dumps_core() {
    if !may_look() {
        return;
    }
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stage = Stage::start(dir.path()).await.unwrap();
    let mut beside = Beside::start(&stage, outside.path()).await;
    let mut pids = stage.pids().unwrap();
    pids.push(beside.pid());
    for pid in &pids {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let words: Vec<_> = line.unwrap().split_whitespace().collect();
        assert_eq!(words[4..6], ["0", "0"], "{pid}");
    }
    // Killed by what dumps core wherever it may be dumped: the kernel says itself that it was not.
    // Not SIGQUIT, which a shell has what it runs in the background ignore.
    signal(beside.pid(), rustix::process::Signal::ABORT).unwrap();
    let status = beside.0.wait().await.unwrap();
    let dumped = std::os::unix::process::ExitStatusExt::core_dumped(&status);
    assert!(!dumped && !status.success(), "{status:?}");
    assert!(pids.iter().take(4).all(|pid| is_alive(*pid)));
    stage.stop().await.unwrap();
}

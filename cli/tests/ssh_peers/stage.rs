//! A deployment with an SSH key, and what its owner and its agents do.

use super::deployment::Deployment;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Whom `repo` lets sign.
const BOT: &str = "Bot <bot@example.com>";

/// Whether a program is there; in continuous integration it must be.
pub(crate) fn has(program: &str) -> bool {
    let there = Path::new(program).exists()
        || std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    assert!(there || std::env::var_os("CI").is_none(), "no {program}");
    if !there {
        println!("skipped: no {program}");
    }
    there
}

/// A deployment with an SSH key, and what its owner and its agents do.
pub(crate) struct Stage {
    deployment: Deployment,
    /// The key's line.
    pub(crate) ca: String,
    pub(crate) alg: &'static str,
}

pub(crate) fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[track_caller]
pub(crate) fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

impl Stage {
    pub(crate) fn set(alg: &'static str, user: &str) -> Option<Self> {
        if !has("ssh-keygen") {
            return None;
        }
        let deployment = Deployment::start()?;
        let mut stage = Self {
            deployment,
            ca: String::new(),
            alg,
        };
        let made = stage.owner(&[
            "key", "create", "--kind", "ssh", "--alg", alg, "--agent", "ssh-bot", "--name", "k_ssh",
        ]);
        made["ssh"].as_str().unwrap().clone_into(&mut stage.ca);
        assert!(stage.ca.ends_with(" k_ssh"), "{}", stage.ca);
        let mut catalog = stage.owner(&["catalog", "show"])["catalog"].clone();
        let certificate = |users: &[&str], command: Option<&str>| {
            let mut route = json!([{"kind": "ssh", "form": "certificate", "principals": users, "extensions": ["permit-pty"], "ttl_s": 120}]);
            if let Some(command) = command {
                route[0]["force_command"] = json!(command);
                route[0]["source_address"] = json!(["127.0.0.0/8"]);
            }
            route
        };
        let resources = &mut catalog["resources"];
        resources["hosts"] = certificate(&[user], None);
        resources["others"] = certificate(&["somebody-else"], None);
        resources["forced"] = certificate(&[user], Some("echo forced"));
        resources["elsewhere"] = certificate(&[user], None);
        resources["elsewhere"][0]["source_address"] = json!(["192.0.2.0/24"]);
        resources["repo"] = json!([{"kind": "ssh", "form": "signature", "namespace": "git", "objects": ["commit", "tag"], "authors": [BOT]}]);
        let path = stage.write("catalog.json", &catalog.to_string());
        stage.owner(&["catalog", "set", path.to_str().unwrap()]);
        Some(stage)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.deployment.file(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn claviger(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
        command
            .args(arguments)
            .env("CLAVIGER_PROFILE", self.file("ready.json"))
            .env_remove("SSH_AUTH_SOCK")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub(crate) fn owner(&self, arguments: &[&str]) -> Value {
        let output = self.claviger(arguments).arg("--json").output().unwrap();
        serde_json::from_str(&good(output)).unwrap()
    }

    /// An agent key of a grant over these names.
    pub(crate) fn grant(&self, names: &[&str]) -> PathBuf {
        let key = self.file(&format!("{}.key", names[0]));
        let (signs, certifies): (Vec<&str>, Vec<&str>) =
            names.iter().partition(|name| **name == "repo");
        let grant = json!({
            "permissions": {"read": [], "write": names, "delete": []}, "allow_outliving": signs, "allow_identity_only": certifies,
        });
        let path = self.write("grant.json", &grant.to_string());
        let path = path.to_str().unwrap();
        let out = key.to_str().unwrap();
        let create = [
            "grant",
            "create",
            path,
            "--agent",
            "ssh-bot",
            "--ttl",
            "1h",
            "--max-calls",
            "100",
            "--agent-key-out",
            out,
        ];
        self.owner(&create);
        key
    }

    /// A command beside an agent of such a grant.
    pub(crate) fn exec(&self, key: &Path, command: &[&str]) -> Output {
        let key = key.to_str().unwrap();
        let exec = ["exec", "--weak", "--ssh", "--key-file", key, "--"];
        self.claviger(&[&exec[..], command].concat())
            .output()
            .unwrap()
    }

    pub(crate) fn sign(&self, key: &Path, arguments: &[&str]) -> Output {
        let key = key.to_str().unwrap();
        let tail = ["--key-file", key, "--json"];
        self.claviger(&[&["sign"], arguments, &tail].concat())
            .output()
            .unwrap()
    }
}

//! `claviger curl` and `claviger test` against a destination with TLS: what is sent is what was signed, once, and nowhere else;
//! as a holder of the agent key, and as a command beside a sidecar.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops where its script breaks, and says what it skips"
)]

mod deployment;

use deployment::Deployment;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

const HOST: &str = "orders.test";

/// A destination: its process, port and root certificate.
struct Destination {
    process: Child,
    port: u16,
    root: PathBuf,
}

impl Destination {
    fn start(dir: &Path) -> Self {
        let (root, key) = (dir.join("root.pem"), dir.join("root.key"));
        let name = format!("subjectAltName=DNS:{HOST}");
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args([
                "-subj",
                "/CN=test",
                "-addext",
                &name,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&root)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/destination.py");
        let mut process = Command::new("python3")
            .arg(script)
            .args([&root, &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        Self {
            process,
            port: line.trim().parse().unwrap(),
            root,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }

    /// What `curl` and `test` are told of it.
    fn place(&self) -> [String; 4] {
        let resolve = format!("{HOST}:{}:127.0.0.1", self.port);
        let root = self.root.to_str().unwrap().to_owned();
        ["--cacert".to_owned(), root, "--resolve".to_owned(), resolve]
    }
}

impl Drop for Destination {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// An agent with a grant over a catalog that names the destination.
struct Stage {
    _deployment: Deployment,
    destination: Destination,
    dir: tempfile::TempDir,
    key: PathBuf,
}

impl Stage {
    fn set() -> Option<Self> {
        let deployment = Deployment::start()?;
        let dir = tempfile::tempdir().unwrap();
        let destination = Destination::start(dir.path());
        let route = |path: &str, probe: bool| json!({"kind": "http", "host": HOST, "port": destination.port, "path": path, "query": ["q"], "headers": ["x-tenant"], "probe": probe});
        let write = json!({"kind": "http", "host": HOST, "port": destination.port, "path": "/v1/notes", "methods": ["POST"], "body": ["/text"]});
        let catalog = json!({"v": 1, "resources": {
            "orders": [route("/v1/orders/{id}", true)], "things": [route("/v1/missing", false), route("/v1/moved", false)],
            "status": [route("/v1/status", true)], "notes": [write],
        }});
        let catalog_file = dir.path().join("catalog.json");
        fs::write(&catalog_file, catalog.to_string()).unwrap();
        let grant = json!({"v": 1, "agent": {"id": "first-agent"}, "env": "live",
            "not_before": "2026-01-01T00:00:00Z", "expires_at": "2036-01-01T00:00:00Z", "keys": ["k_http_first"],
            "permissions": {"read": ["orders", "things", "status"], "write": ["notes"]}, "only": {"orders": {"path.id": ["o-7"]}},
            "budgets": [{"unit": "call", "max": "50", "window": "grant"}]});
        let grant_file = dir.path().join("grant.json");
        fs::write(&grant_file, grant.to_string()).unwrap();
        let key = dir.path().join("agent.key");
        let profile = deployment.file("ready.json");
        let first: Value = serde_json::from_slice(&fs::read(&profile).unwrap()).unwrap();
        let owner = |arguments: &[&str]| {
            let mut command = claviger();
            command
                .args(arguments)
                .arg("--json")
                .arg("--profile")
                .arg(&profile);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        };
        let touches = first["grant"].as_str().unwrap();
        owner(&[
            "catalog",
            "set",
            catalog_file.to_str().unwrap(),
            "--touches",
            touches,
        ]);
        owner(&[
            "grant",
            "create",
            grant_file.to_str().unwrap(),
            "--agent-key-out",
            key.to_str().unwrap(),
        ]);
        Some(Self {
            _deployment: deployment,
            destination,
            dir,
            key,
        })
    }

    /// Runs a verb as the agent, with what `curl` must know of the destination.
    fn run(&self, verb: &str, arguments: &[&str]) -> Output {
        let mut command = claviger();
        command.arg(verb).arg("--key-file").arg(&self.key);
        command.args(self.destination.place()).args(arguments);
        command.current_dir(self.dir.path()).output().unwrap()
    }

    fn left(&self) -> String {
        let output = claviger()
            .args(["whoami", "--json", "--key-file"])
            .arg(&self.key)
            .output()
            .unwrap();
        json_of(&output)["remaining"][0]["amount"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn claviger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command
        .env_remove("AGENT_API_KEY")
        .env_remove("CLAVIGER_PROFILE")
        .env_remove("CLAVIGER_URL")
        .stdin(Stdio::null());
    command
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn a_call_is_made_once_where_it_was_signed_for() {
    let Some(stage) = Stage::set() else { return };
    let at = |path: &str| stage.destination.url(path);
    let got = stage.run(
        "curl",
        &[
            "-H",
            "x-tenant: t1",
            "--unsigned-header",
            "x-trace: 9",
            &at("/v1/orders/o-7?q=1"),
        ],
    );
    let told = json_of(&got);
    assert_eq!(
        (&told["method"], &told["path"]),
        (&json!("GET"), &json!("/v1/orders/o-7?q=1"))
    );
    let input = told["headers"]["signature-input"].as_str().unwrap();
    assert!(
        input.contains("x-tenant") && !input.contains("x-trace"),
        "{input}"
    );
    assert_eq!(told["headers"]["x-trace"], "9");
    let body = [
        "-H",
        "content-type: application/json",
        "-d",
        r#"{"text":"hi"}"#,
    ];
    let posted = json_of(&stage.run("curl", &[&body[..], &[&at("/v1/notes")]].concat()));
    assert_eq!(
        (&posted["method"], &posted["body"]),
        (&json!("POST"), &json!(r#"{"text":"hi"}"#))
    );
    assert!(posted["headers"]["content-digest"].is_string());
    // What is denied is not sent, and costs nothing; what the destination refuses was charged.
    assert_eq!(stage.left(), "48");
    let denied = stage.run("curl", &[&at("/v1/orders/o-8"), "--json"]);
    assert_eq!(
        (denied.status.code(), json_of(&denied)["code"].as_str()),
        (Some(1), Some("permission_denied")),
        "{denied:?}"
    );
    assert_eq!(stage.left(), "48");
    let missing = stage.run("curl", &["-f", "-i", &at("/v1/missing")]);
    assert_eq!(missing.status.code(), Some(22));
    assert!(missing.stdout.starts_with(b"HTTP 404\r\n"), "{missing:?}");
    // A redirect is shown; elsewhere.example has no address, so following it would fail.
    let moved = json_of(&stage.run("curl", &["--json", &at("/v1/moved")]));
    assert_eq!(
        (&moved["status"], &moved["headers"]["location"]),
        (&json!(302), &json!("https://elsewhere.example/"))
    );
    assert!(moved.get("credential").is_none() && moved["receipt"].is_object());
    assert_eq!(stage.left(), "46");
    // What can be seen to be wrong before is not charged.
    for wrong in [
        &["--unsigned-header", "x y: 1"][..],
        &["--unsigned-header", "x: a\nb"],
        &["--max-time", "0"],
        &["-o", "agent.key"],
    ] {
        let status = at("/v1/status");
        let refused = stage.run("curl", &[wrong, &[&status]].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}: {refused:?}");
    }
    assert_eq!(stage.left(), "46");
    // Without the root certificate nothing is sent.
    let mut output = claviger();
    output.args(["curl", "--key-file"]).arg(&stage.key);
    let distrusting = output
        .args(&stage.destination.place()[2..])
        .arg(at("/v1/status"))
        .output()
        .unwrap();
    assert_eq!(distrusting.status.code(), Some(5), "{distrusting:?}");
    assert!(String::from_utf8_lossy(&distrusting.stderr).contains("charged all the same"));
}

#[test]
fn a_probe_goes_the_whole_way_and_says_what_it_lacks() {
    let Some(stage) = Stage::set() else { return };
    let told = stage.run("test", &["--json"]);
    let value = json_of(&told);
    assert_eq!(told.status.code(), Some(0), "{value}");
    let calls: Vec<_> = value["probes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|probe| {
            (
                probe["resource"].as_str().unwrap(),
                probe["status"].as_u64(),
            )
        })
        .collect();
    assert_eq!(calls, [("orders", Some(200)), ("status", Some(200))]);
    let other = stage.run("test", &["--json", "--set", "id=o-8"]);
    let value = json_of(&other);
    assert_eq!(
        (other.status.code(), &value["ok"]),
        (Some(1), &json!(false))
    );
    assert_eq!(value["probes"][0]["denied"]["code"], "permission_denied");
    assert_eq!(value["probes"][1]["ok"], true);
}

/// Beside a sidecar the same verbs work without the agent key.
#[test]
fn a_command_of_exec_has_the_verbs_and_not_the_key() {
    let Some(stage) = Stage::set() else { return };
    let program = env!("CARGO_BIN_EXE_claviger");
    let place = stage.destination.place().join(" ");
    let url = stage.destination.url("/v1/orders/o-7");
    let exec = |script: &str| {
        let mut command = claviger();
        command
            .args(["exec", "--weak", "--key-file"])
            .arg(&stage.key);
        command.args(["--", "sh", "-c", script]).output().unwrap()
    };
    let got = exec(&format!("{program} curl {place} {url}"));
    assert_eq!(json_of(&got)["path"], "/v1/orders/o-7", "{got:?}");
    let got = exec(&format!("{program} whoami --json"));
    assert_eq!(json_of(&got)["state"], "active");
    let got = exec(&format!(
        "{program} sign http GET https://evil.example/ --json"
    ));
    assert_eq!(
        (got.status.code(), json_of(&got)["code"].as_str()),
        (Some(1), Some("destination_denied"))
    );
    let got = exec(&format!("{program} renew --json"));
    assert_eq!(got.status.code(), Some(2), "{got:?}");
}

//! SSH by others' word: stock `ssh-keygen` reads what is certified and verifies what is signed, a real `sshd` lets in whom a
//! certificate names and nobody else, and git signs and verifies through the agent's socket.
//!
//! Without these programs the test says so and passes, except in continuous integration.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where its script breaks, and says what it skips"
)]

mod deployment;

use deployment::{Deployment, terminate, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Seconds after which a server ends by itself, whatever becomes of its test.
const SERVER_S: &str = "240";
const BOT: &str = "Bot <bot@example.com>";

/// Whether a program is there; in continuous integration it must be.
fn has(program: &str) -> bool {
    let there = Path::new(program).exists()
        || std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    assert!(there || std::env::var_os("CI").is_none(), "no {program}");
    if !there {
        println!("skipped: no {program}");
    }
    there
}

const SSHD: &str = "/usr/sbin/sshd";

/// A deployment with an SSH key, and what its owner and its agents do.
struct Stage {
    deployment: Deployment,
    /// The key's line.
    ca: String,
    alg: &'static str,
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[track_caller]
fn good(output: Output) -> String {
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

impl Stage {
    fn set(alg: &'static str, user: &str) -> Option<Self> {
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

    fn file(&self, name: &str) -> PathBuf {
        self.deployment.file(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn claviger(&self, arguments: &[&str]) -> Command {
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
    fn owner(&self, arguments: &[&str]) -> Value {
        let output = self.claviger(arguments).arg("--json").output().unwrap();
        serde_json::from_str(&good(output)).unwrap()
    }

    /// An agent key of a grant over these names.
    fn grant(&self, names: &[&str]) -> PathBuf {
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
    fn exec(&self, key: &Path, command: &[&str]) -> Output {
        let key = key.to_str().unwrap();
        let exec = ["exec", "--weak", "--ssh", "--key-file", key, "--"];
        self.claviger(&[&exec[..], command].concat())
            .output()
            .unwrap()
    }

    fn sign(&self, key: &Path, arguments: &[&str]) -> Output {
        let key = key.to_str().unwrap();
        let tail = ["--key-file", key, "--json"];
        self.claviger(&[&["sign"], arguments, &tail].concat())
            .output()
            .unwrap()
    }
}

/// A server that trusts a key, and takes nothing else.
struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    fn start(stage: &Stage) -> Self {
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let host_key = stage.file("sshd-host");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&host_key)
            .status();
        assert!(made.unwrap().success());
        let trusted = stage.write("ca.pub", &format!("{}\n", stage.ca));
        let log = stage.file("sshd.log");
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nTrustedUserCAKeys {}\nAuthorizedKeysFile none\nUsePAM no\nPidFile none\n\
             StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nLogLevel VERBOSE\n",
            host_key.display(),
            trusted.display(),
        );
        let config = stage.write("sshd_config", &config);
        let child = Command::new("timeout")
            .args([SERVER_S, SSHD, "-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        wait_for(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// `ssh` as anybody calls it, but for this server and nobody's own files.
    fn ssh(&self, user: &str) -> Vec<String> {
        let port = self.port.to_string();
        let to = format!("{user}@127.0.0.1");
        [
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentityFile=/nonexistent",
            "-o",
            "LogLevel=ERROR",
            "-p",
            &port,
            &to,
            "echo",
            "asked",
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        terminate(&self.child);
        let _ = self.child.wait();
    }
}

fn user() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    good(id).trim().to_owned()
}

#[test]
fn a_real_sshd_lets_in_whom_a_certificate_names() {
    let user = user();
    if !has(SSHD) || !has("ssh") || !has("timeout") {
        return;
    }
    for alg in ["ed25519", "p256"] {
        let Some(stage) = Stage::set(alg, &user) else {
            return;
        };
        let server = Server::start(&stage);
        let ssh = server.ssh(&user);
        let ssh: Vec<&str> = ssh.iter().map(String::as_str).collect();
        let log_in = |names: &[&str]| stage.exec(&stage.grant(names), &ssh);
        assert_eq!(good(log_in(&["hosts"])), "asked\n");
        let log = server.log();
        assert!(
            log.contains("Accepted certificate ID") && log.contains(":ssh-bot:gr_"),
            "{log}"
        );
        // Two routes of one grant are two certificates, of which the server takes the one that fits.
        assert_eq!(good(log_in(&["forced", "others"])), "forced\n");
        let stranger = log_in(&["others"]);
        assert_eq!(stranger.status.code(), Some(255), "{}", text(&stranger));
        let elsewhere = log_in(&["elsewhere"]);
        assert_eq!(elsewhere.status.code(), Some(255), "{}", text(&elsewhere));
        let none = log_in(&["repo"]);
        assert_eq!(none.status.code(), Some(255), "{}", text(&none));
        assert!(
            server.log().contains("name is not a listed principal"),
            "{}",
            server.log()
        );
    }
}

/// The command of `exec` may be another user's: it has the agent, and nobody else has.
#[test]
fn another_users_command_has_the_agent() {
    if !rustix::process::geteuid().is_root() || !has("ssh-add") {
        println!("skipped: needs root");
        return;
    }
    let Some(stage) = Stage::set("ed25519", "deploy") else {
        return;
    };
    let key = stage.grant(&["hosts", "repo"]);
    let key = key.to_str().unwrap();
    let script = "ssh-add -L && stat -c %a:%u \"$SSH_AUTH_SOCK\" \"${SSH_AUTH_SOCK%/*}\" && echo $SSH_AUTH_SOCK";
    let exec = [
        "exec",
        "--ssh",
        "--as-user",
        "nobody",
        "--key-file",
        key,
        "--",
        "sh",
        "-c",
        script,
    ];
    let told = good(stage.claviger(&exec).output().unwrap());
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with("ssh-ed25519-cert-v01@openssh.com "),
        "{told}"
    );
    assert!(lines[0].ends_with("claviger: deploy"), "{told}");
    assert!(lines[1].starts_with("ssh-ed25519 "), "{told}");
    assert_eq!(lines[2..4], ["600:65534", "700:65534"], "{told}");
    assert!(!Path::new(lines[4]).exists(), "it goes with the command");
    // Without `--ssh` there is none.
    let bare = [
        "exec",
        "--weak",
        "--key-file",
        key,
        "--",
        "sh",
        "-c",
        "echo [$SSH_AUTH_SOCK]",
    ];
    assert_eq!(good(stage.claviger(&bare).output().unwrap()), "[]\n");
    // A verb of the command beside it is the sidecar's word.
    let object = stage.write("object", "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor Bot <bot@example.com> 1 +0000\ncommitter Bot <bot@example.com> 1 +0000\n\nm\n");
    let program = env!("CARGO_BIN_EXE_claviger");
    let verb = [
        "exec",
        "--weak",
        "--key-file",
        key,
        "--",
        program,
        "simulate",
        "ssh-sig",
        object.to_str().unwrap(),
        "--json",
    ];
    let told = stage.claviger(&verb).output().unwrap();
    let told: Value = serde_json::from_str(&good(told)).unwrap();
    assert_eq!(
        (&told["credential"], &told["effects"][0]["method"]),
        (&Value::Null, &json!("git:commit"))
    );
}

/// What stock `ssh-keygen -L` says of a certificate.
#[test]
fn stock_ssh_keygen_reads_a_certificate() {
    for alg in ["ed25519", "p256"] {
        let Some(stage) = Stage::set(alg, "deploy") else {
            return;
        };
        let key = stage.grant(&["forced"]);
        for kind in ["ed25519", "ecdsa"] {
            let own = stage.file(kind);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-C", "mine", "-f"])
                .arg(&own)
                .status();
            assert!(made.unwrap().success());
            let public = own.with_extension("pub");
            let public = public.to_str().unwrap();
            let call = [
                "ssh-cert",
                "--public-key",
                public,
                "--principal",
                "deploy",
                "--ttl",
                "60",
            ];
            let signed: Value = serde_json::from_str(&good(stage.sign(&key, &call))).unwrap();
            assert_eq!(signed["credential"]["kind"], "ssh");
            assert_eq!(signed["effects"][0]["identity_only"], true);
            let line = signed["credential"]["certificate"].as_str().unwrap();
            let file = stage.write(&format!("{kind}-cert.pub"), &format!("{line}\n"));
            let shown = Command::new("ssh-keygen").arg("-Lf").arg(file).output();
            let shown = good(shown.unwrap());
            let ca = if stage.alg == "p256" {
                "ECDSA"
            } else {
                "ED25519"
            };
            for part in [
                "user certificate",
                &format!("Signing CA: {ca} SHA256:"),
                ":ssh-bot:gr_",
                "        Principals: \n                deploy\n        Critical Options: \n                force-command echo forced\n                source-address 127.0.0.0/8\n        Extensions: \n                permit-pty",
                "Valid: from ",
            ] {
                assert!(shown.contains(part), "{part} in {shown}");
            }
        }
        // Another kind of key, and another user, are refused with the enclave's word.
        let rsa = stage.file("rsa");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
            .arg(&rsa)
            .status();
        assert!(made.unwrap().success());
        let refused = |name: &str, user: &str| {
            let public = stage.file(name).with_extension("pub");
            let public = public.to_str().unwrap();
            let call = ["ssh-cert", "--public-key", public, "--principal", user];
            let output = stage.sign(&key, &call);
            let problem: Value = serde_json::from_slice(&output.stdout).unwrap();
            (problem["code"].clone(), problem["param"].clone())
        };
        assert_eq!(
            refused("rsa", "deploy"),
            (json!("unsupported"), json!("/public_key"))
        );
        assert_eq!(
            refused("ed25519", "root"),
            (json!("destination_denied"), json!("/principals"))
        );
    }
}

/// A sidecar with a socket, and a repository.
struct Repository {
    sidecar: Child,
    socket: PathBuf,
    at: PathBuf,
    signers: PathBuf,
    ca: String,
}

impl Repository {
    fn start(stage: &Stage) -> Self {
        let key = stage.grant(&["repo"]);
        let socket = stage.file("agent/socket");
        let (ready, token) = (stage.file("sidecar.json"), stage.file("token"));
        let log = fs::File::create(stage.file("sidecar.log")).unwrap();
        let sidecar = stage
            .claviger(&["sidecar", "--key-file", key.to_str().unwrap()])
            .args(["--ready-file", ready.to_str().unwrap()])
            .args(["--token-file", token.to_str().unwrap()])
            .args(["--ssh", socket.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for(|| ready.exists());
        let told: Value = serde_json::from_slice(&fs::read(&ready).unwrap()).unwrap();
        assert_eq!(told["ssh_auth_sock"], socket.to_str().unwrap());
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&socket), mode(socket.parent().unwrap())),
            (0o600, 0o700)
        );
        let at = stage.file("repository");
        fs::create_dir(&at).unwrap();
        let signers = stage.write("signers", &format!("bot@example.com {}\n", stage.ca));
        let ca: Vec<&str> = stage.ca.split(' ').take(2).collect();
        let repository = Self {
            sidecar,
            socket,
            at,
            signers,
            ca: ca.join(" "),
        };
        good(repository.git(&["init", "-q"]));
        repository
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.at)
            .env("SSH_AUTH_SOCK", &self.socket)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", &self.at)
            .stdin(Stdio::null());
        command
    }

    fn git(&self, arguments: &[&str]) -> Output {
        let signers = format!("gpg.ssh.allowedSignersFile={}", self.signers.display());
        let key = format!("user.signingkey=key::{}", self.ca);
        let mut git = self.command("git");
        for setting in [
            "gpg.format=ssh",
            &key,
            &signers,
            "user.name=Bot",
            "user.email=bot@example.com",
        ] {
            git.args(["-c", setting]);
        }
        git.args(arguments).output().unwrap()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        terminate(&self.sidecar);
        let _ = self.sidecar.wait();
    }
}

#[test]
fn git_signs_and_verifies_through_the_socket() {
    if !has("git") {
        return;
    }
    for alg in ["ed25519", "p256"] {
        let Some(stage) = Stage::set(alg, "deploy") else {
            return;
        };
        let repository = Repository::start(&stage);
        let git = |arguments: &[&str]| repository.git(arguments);
        fs::write(repository.at.join("a"), "a").unwrap();
        good(git(&["add", "a"]));
        good(git(&["commit", "-q", "-S", "-m", "first\n\nbody"]));
        good(git(&[
            "commit",
            "-q",
            "-S",
            "--allow-empty",
            "-m",
            "second",
        ]));
        good(git(&["tag", "-s", "v1.0", "-m", "notes"]));
        for verify in [
            ["verify-commit", "HEAD"],
            ["verify-commit", "HEAD~1"],
            ["verify-tag", "v1.0"],
        ] {
            let told = text(&git(&verify));
            assert!(
                told.contains("Good \"git\" signature for bot@example.com"),
                "{told}"
            );
        }
        // In another's name nothing is signed, and nothing is committed.
        let head = good(git(&["rev-parse", "HEAD"]));
        let eve = git(&[
            "commit",
            "-q",
            "-S",
            "--allow-empty",
            "-m",
            "x",
            "--author",
            "Eve <eve@example.com>",
        ]);
        assert!(!eve.status.success());
        assert_eq!(good(git(&["rev-parse", "HEAD"])), head);
        let log = || fs::read_to_string(stage.file("sidecar.log")).unwrap();
        assert!(
            log().contains("unlisted_member /object/author"),
            "{}",
            log()
        );

        // The agent lists the key and signs nothing else with it: neither another namespace, nor a text that it cannot find.
        let listed = good(repository.command("ssh-add").arg("-L").output().unwrap());
        assert!(listed.starts_with(&repository.ca), "{listed}");
        let public = stage.write("ca-line.pub", &format!("{}\n", repository.ca));
        let object = good(git(&["cat-file", "commit", "HEAD"]));
        let (head, rest) = object.split_once("gpgsig ").unwrap();
        let (_, rest) = rest.split_once("END SSH SIGNATURE-----\n").unwrap();
        let unsigned = format!("{head}{rest}");
        let file = stage.write("object", &unsigned);
        let keygen = |namespace: &str, by_file: bool| {
            let mut command = repository.command("ssh-keygen");
            command
                .args(["-Y", "sign", "-n", namespace, "-f"])
                .arg(&public);
            let _ = fs::remove_file(file.with_extension("sig"));
            if by_file {
                command.arg(&file);
            } else {
                command.stdin(fs::File::open(&file).unwrap());
            }
            command.output().unwrap()
        };
        good(keygen("git", true));
        assert!(!keygen("file", true).status.success());
        assert!(!keygen("git", false).status.success());
        assert!(log().contains("claviger sign ssh-sig FILE"), "{}", log());
        let add = repository.command("ssh-add").arg("-D").output().unwrap();
        assert!(!add.status.success());

        // The same by hand: what `claviger sign ssh-sig` gives, `ssh-keygen -Y verify` takes.
        let key = stage.file("repo.key");
        let call = ["ssh-sig", file.to_str().unwrap()];
        let signed: Value = serde_json::from_str(&good(stage.sign(&key, &call))).unwrap();
        assert_eq!(
            (&signed["effects"][0]["method"], &signed["expires_at"]),
            (&json!("git:commit"), &json!("never"))
        );
        let signature = signed["credential"]["signature"].as_str().unwrap();
        let signature = stage.write("object.sig", signature);
        let verify = |namespace: &str, text: &str| {
            let mut command = Command::new("ssh-keygen");
            command
                .args([
                    "-Y",
                    "verify",
                    "-I",
                    "bot@example.com",
                    "-n",
                    namespace,
                    "-f",
                ])
                .arg(&repository.signers)
                .arg("-s")
                .arg(&signature)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            child.wait().unwrap().success()
        };
        assert!(verify("git", &unsigned));
        assert!(!verify("git", &object) && !verify("file", &unsigned));
        // Revoked, what was signed is told as still alive: it has no end.
        let grants = stage.owner(&["grant", "list"]);
        assert!(grants.to_string().contains("ssh-bot"), "{grants}");
    }
}

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

#[path = "../deployment/mod.rs"]
mod deployment;
mod repository;
mod server;
mod stage;

use repository::Repository;
use serde_json::{Value, json};
use server::{SSHD, Server};
use stage::{Stage, good, has, text};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

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

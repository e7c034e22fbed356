//! The command as it is run: exit codes, where its words go, what it writes; and OpenSSH as the other implementation.
#![expect(clippy::unwrap_used, reason = "a test stops where its script breaks")]

use claviger_cli::ssh::{self, Signer};
use claviger_shared::owner::sshsig;
use claviger_verify::ring_verifier::RingVerifier;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

fn claviger(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_claviger"))
        .args(arguments)
        .current_dir(dir)
        .env_remove("AGENT_API_KEY")
        .env_remove("CLAVIGER_PROFILE")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_wrong_command_line_exits_2_and_says_so_in_the_mode_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["no-such-verb"][..],
        &["sign", "jwt"],
        &["policy", "check"],
        &["key", "create", "--kind", "none", "--alg", "ed25519"],
        &["key", "list"],
        &["grant", "reissue", "gr_1", "--ttl", "8h"],
        &["grant", "reissue", "gr_1", "--agent-key-out", "k"],
        &["manifest", "set", "g2"],
        &["whoami"],
        &["--profile", "absent.json", "status"],
        &["status", "--profile", "absent.json"],
    ] {
        let text = claviger(dir.path(), arguments);
        assert_eq!(text.status.code(), Some(2), "{arguments:?}");
        assert!(
            text.stdout.is_empty() && !text.stderr.is_empty(),
            "{arguments:?}"
        );
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let machine = claviger(dir.path(), &with_json);
        assert_eq!(machine.status.code(), Some(2), "{arguments:?}");
        assert!(machine.stderr.is_empty(), "{arguments:?}");
        let error = &json(&machine)["error"];
        assert!(
            error["code"].is_string() && error["detail"].is_string(),
            "{arguments:?}"
        );
    }
}

#[test]
fn help_and_version_exit_0() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["--version"], &["sign", "jwt", "--help"]] {
        assert_eq!(claviger(dir.path(), arguments).status.code(), Some(0));
    }
}

#[test]
fn a_malformed_agent_key_is_refused_without_a_word_of_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("agent.key"), "clv1_c2VjcmV0c2VjcmV0").unwrap();
    let output = claviger(dir.path(), &["whoami", "--key-file", "agent.key", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("c2VjcmV0"));
}

#[test]
fn a_new_secret_is_readable_by_its_owner_alone_and_never_overwritten_or_printed() {
    let dir = tempfile::tempdir().unwrap();
    let made = claviger(dir.path(), &["keygen", "--out", "a.secret", "--json"]);
    assert_eq!(made.status.code(), Some(0));
    let value = json(&made);
    assert!(value["public"].as_str().unwrap().starts_with("x25519:"));
    let path = dir.path().join("a.secret");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let secret = fs::read_to_string(&path).unwrap();
    assert!(!String::from_utf8_lossy(&made.stdout).contains(secret.trim()));
    let again = claviger(dir.path(), &["keygen", "--out", "a.secret"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&path).unwrap(), secret);
}

#[test]
fn a_host_that_does_not_answer_exits_5() {
    use claviger_client::{AgentKey, agent_key::AgentSecret};
    use claviger_shared::id::{Digest, GrantId};
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let key = AgentKey {
        api: format!("http://{address}"),
        fingerprint: Digest([1; 32]),
        grant: GrantId::parse("gr_1").unwrap(),
        secret: AgentSecret::new([7; 32]),
        generation: 1,
        size: 1,
        root: Digest([2; 32]),
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.key"), key.expose().unwrap().as_bytes()).unwrap();
    let output = claviger(dir.path(), &["whoami", "--key-file", "a.key", "--json"]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(json(&output)["error"]["code"], "unavailable");
}

/// Runs `ssh-keygen`; nothing where this machine has none.
fn ssh_keygen(dir: &Path, arguments: &[&str], input: &[u8]) -> Option<Output> {
    use std::io::Write;
    let started = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.ok()?;
    child.stdin.take().unwrap().write_all(input).unwrap();
    Some(child.wait_with_output().unwrap())
}

#[test]
fn openssh_and_this_command_read_each_others_keys_and_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = ssh::generate("ana").unwrap();
    let id = dir.path().join("id");
    fs::write(&id, private.as_bytes()).unwrap();
    fs::set_permissions(&id, fs::Permissions::from_mode(0o600)).unwrap();
    let body = b"the exact bytes";
    fs::write(dir.path().join("command"), body).unwrap();
    let sign = [
        "-Y",
        "sign",
        "-n",
        "command@claviger",
        "-f",
        "id",
        "command",
    ];
    let Some(signed) = ssh_keygen(dir.path(), &sign, b"") else {
        return;
    };
    assert!(
        signed.status.success(),
        "{}",
        String::from_utf8_lossy(&signed.stderr)
    );
    let theirs = fs::read_to_string(dir.path().join("command.sig")).unwrap();
    let signer = Signer::read(&id).unwrap();
    let key = sshsig::verify(&theirs, "command@claviger", body, &RingVerifier).unwrap();
    assert_eq!(&key, signer.public());

    let ours = signer.sign("command@claviger", body).unwrap();
    fs::write(dir.path().join("ours.sig"), ours).unwrap();
    fs::write(dir.path().join("allowed"), format!("ana {public}\n")).unwrap();
    let verify = [
        "-Y",
        "verify",
        "-f",
        "allowed",
        "-I",
        "ana",
        "-n",
        "command@claviger",
        "-s",
        "ours.sig",
    ];
    assert!(
        ssh_keygen(dir.path(), &verify, body)
            .unwrap()
            .status
            .success()
    );
    assert!(
        !ssh_keygen(dir.path(), &verify, b"other bytes")
            .unwrap()
            .status
            .success()
    );
}

//! What else a user would pick to sign for an agent, on this machine in the same run: an ssh-agent, and OpenBao's transit
//! engine with a token that a policy limits. Neither checks a budget. Where one is not there, the run says so and goes on.

use crate::{
    cell::Plan,
    child::Kept,
    http::{Http, request},
    load,
    run::Run,
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
};

const CALLERS: [usize; 3] = [1, 8, 64];
/// Where `make` puts OpenBao.
const OPENBAO: &str = "target/openbao/.bao";
/// Tells the agent's process id, then waits.
const HOLD: &str = "echo $SSH_AGENT_PID >$0; exec \"$1\" under sleep infinity";
const ROOT: &str = "root-of-this-run";

/// Both peers, as far as they are there.
pub fn measure(run: &mut Run) {
    if let Err(reason) = ssh_agent(run) {
        println!("ssh-agent: skipped: {reason:#}");
    }
    if let Err(reason) = openbao(run) {
        println!("OpenBao: skipped: {reason:#}");
    }
}

fn ssh_agent(run: &mut Run) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = |name: &str| dir.path().join(name);
    let (socket, key, pid) = (path("agent"), path("key"), path("pid"));
    // It runs as long as the command that it is given: it is of another group, and could not be told that this one ended.
    let mut command = Kept::command("ssh-agent")?;
    command
        .arg("-a")
        .arg(&socket)
        .args(["sh", "-c", HOLD])
        .arg(&pid);
    command.arg(std::env::current_exe()?).stdout(Stdio::null());
    let mut holder = Kept::start(&mut command)?;
    let read = || std::fs::read_to_string(&pid).ok()?.trim().parse().ok();
    holder.wait_until("ssh-agent", || socket.exists() && read().is_some())?;
    let agent: u32 = read().context("no pid")?;
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()?;
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(&key)
        .env("SSH_AUTH_SOCK", &socket)
        .status()?;
    ensure!(made.success() && added.success(), "no key in the agent");
    for callers in CALLERS {
        let lanes = (0..callers).map(|_| load::sshagent::connect(&socket));
        let plan = Plan {
            name: "ssh-agent Ed25519".to_owned(),
            depth: 1,
            length: run.length,
            pids: vec![("peer", agent)],
            log: None,
        };
        run.keep(plan.run(lanes.collect::<anyhow::Result<_>>()?)?);
    }
    let agent = Pid::from_raw(agent.try_into()?).context("no pid")?;
    rustix::process::kill_process(agent, Signal::TERM)?;
    Ok(())
}

fn openbao(run: &mut Run) -> anyhow::Result<()> {
    let program = std::fs::read_to_string(OPENBAO).context("not installed: `make openbao`")?;
    let program = PathBuf::from(program.trim());
    let home = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = Kept::command(program)?;
    command
        .args(["server", "-dev", "-dev-no-store-token", "-log-level=error"])
        .arg(format!("-dev-root-token-id={ROOT}"))
        .arg(format!("-dev-listen-address={address}"))
        .env("HOME", home.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Kept::start(&mut command)?;
    let base = format!("http://{address}");
    server.wait_until("answer", || healthy(&base))?;
    let token = set_up(&base)?;
    let body = json!({ "input": STANDARD.encode([0x42; 256]) }).to_string();
    let headers = format!("X-Vault-Token: {token}\r\nContent-Type: application/json\r\n");
    let request = request(
        "PUT /v1/transit/sign/k",
        &address,
        &headers,
        body.as_bytes(),
    );
    for callers in CALLERS {
        let lanes = (0..callers).map(|_| {
            let good = b"vault:v1:";
            load::http::connect(&address, request.clone(), good)
        });
        let plan = Plan {
            name: "OpenBao transit ed25519".to_owned(),
            depth: 1,
            length: run.length,
            pids: vec![("peer", server.pid())],
            log: None,
        };
        run.keep(plan.run(lanes.collect::<anyhow::Result<_>>()?)?);
    }
    Ok(())
}

fn healthy(base: &str) -> bool {
    let asked = Http::connect(base).and_then(|mut http| http.ask("GET /v1/sys/health", "", b""));
    asked.is_ok_and(|(status, _)| status == 200)
}

/// A key, a policy that allows signing with it, and a token of a user under that policy.
fn set_up(base: &str) -> anyhow::Result<String> {
    let mut http = Http::connect(base)?;
    let mut put = |path: &str, body: &Value| {
        let headers = format!("X-Vault-Token: {ROOT}\r\n");
        let body = body.to_string();
        let (status, answer) = http.ask(&format!("PUT {path}"), &headers, body.as_bytes())?;
        ensure!((200..300).contains(&status), "{path}: {status}");
        anyhow::Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    };
    let policy = r#"path "transit/sign/k" { capabilities = ["create", "update"] }"#;
    put("/v1/sys/mounts/transit", &json!({ "type": "transit" }))?;
    put("/v1/transit/keys/k", &json!({ "type": "ed25519" }))?;
    put("/v1/sys/policies/acl/p", &json!({ "policy": policy }))?;
    put("/v1/sys/auth/userpass", &json!({ "type": "userpass" }))?;
    let user = json!({ "password": "of-this-run", "token_policies": "p" });
    put("/v1/auth/userpass/users/u", &user)?;
    let login: Value = put(
        "/v1/auth/userpass/login/u",
        &json!({ "password": "of-this-run" }),
    )?;
    let token = login.pointer("/auth/client_token").and_then(Value::as_str);
    token.map(str::to_owned).context("no token")
}

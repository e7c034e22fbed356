//! The production courier in one process with the enclave, from the ceremony to agents' calls and a restart of each.
//!
//! The courier takes its AWS credentials from the environment, which a process sets before it begins: each test runs itself
//! once more, as a child with those of the simulation.

use claviger_cli::operator::Operator;
use claviger_client::{AgentKey, agent_key::AgentSecret, session::Agent};
use claviger_host::Config;
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
    id::Digest,
    ledger::State,
    owner::manifest::chain::Chain,
    wire::control::Born,
};
use claviger_tests::{
    agent::{charge, issued, sign},
    deployment::{Deployment, NONCE},
    owner,
};
use claviger_verify::audit::Auditor;
use serde_json::{Value, json};
use std::{net::TcpListener, path::PathBuf, process::Command, time::Duration};
use tokio::{sync::oneshot, task::JoinHandle};

const CHILD: &str = "CLAVIGER_TESTS_CHILD";

/// Runs the named test in a child that has the host's credentials; whether this is that child.
#[track_caller]
fn in_child(name: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("aws-credentials");
    let text = "[host]\naws_access_key_id = ASIAHOST\naws_secret_access_key = secret of the host\n";
    std::fs::write(&file, text).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("AWS_SHARED_CREDENTIALS_FILE", &file)
        .env("AWS_PROFILE", "host")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its child");
    false
}

struct Host {
    operator: Operator,
    api: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), claviger_host::Error>>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn start(deployment: &Deployment, socket: &PathBuf) -> Host {
    let (agents, operators) = (free_port(), free_port());
    let dir = deployment.path("host");
    std::fs::create_dir_all(&dir).unwrap();
    let config = json!({
        "enclave": {"unix": socket}, "agents": format!("127.0.0.1:{agents}"),
        "operators": format!("127.0.0.1:{operators}"), "dir": dir,
        "kms": {"region": "us-east-1", "endpoint": deployment.kms_endpoint()},
    });
    let config = Config::parse(config.to_string().as_bytes()).unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = claviger_host::run(config, async move {
        let _ = stopped.await;
    });
    Host {
        operator: Operator::new(&format!("http://127.0.0.1:{operators}"), None).unwrap(),
        api: format!("http://127.0.0.1:{agents}"),
        stop,
        task: tokio::spawn(running),
    }
}

impl Host {
    async fn wait_for(&self, phase: &str) {
        for _ in 0..600 {
            let status = self.operator.status().await;
            if status.is_ok_and(|status| status["phase"] == json!(phase)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("never {phase}: {:?}", self.operator.status().await);
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap().unwrap();
    }

    /// What the host's log says, audited.
    async fn audited(&self, chain: &std::sync::Arc<Chain>) -> (State, u64, Digest) {
        let mut auditor = Auditor::new(std::sync::Arc::clone(chain)).unwrap();
        loop {
            let entries = self.operator.entries(auditor.size()).await.unwrap();
            if entries.is_empty() {
                let report = auditor.report().unwrap();
                return (auditor.state().clone(), report.size, report.root);
            }
            for entry in &entries {
                auditor.entry(entry).unwrap();
            }
        }
    }

    async fn widen(&self, deployment: &Deployment, action: Value) {
        let (state, _, _) = self.audited(&deployment.chain()).await;
        let head = state.widen_head();
        let now = deployment.clock.now();
        let command = json!({
            "v": 1, "origin": "acme-test/claviger", "chain": "widen", "seq": head.seq + 1, "prev": head.digest,
            "issued_at": now.to_string(), "not_after": now.plus(claviger_shared::time::Millis(60_000)).to_string(),
            "action": action,
        });
        let signed = owner::sign(&deployment.owner, command.to_string().into_bytes());
        self.operator.command(&signed, None).await.unwrap();
    }
}

#[test]
fn p7_the_production_courier_carries_a_deployment_through_restarts() {
    if !in_child("p7_the_production_courier_carries_a_deployment_through_restarts") {
        return;
    }
    let mut deployment = Deployment::unborn();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let socket = deployment.path("enclave.sock");
    deployment.run_at(&socket);
    let host = runtime.block_on(async { start(&deployment, &socket) });
    let born = runtime.block_on(async {
        let g0 = Chain::to_file(&deployment.links);
        host.operator_is_up().await;
        host.operator.put_manifests(&g0).await.unwrap();
        host.wait_for("measured").await;
        let born = host.operator.genesis(&NONCE).await.unwrap();
        // An enclave in a thread cannot end as a process does, with its connections: the courier lets go of it.
        host.stop().await;
        born
    });
    let born = Born {
        bundle: born.bundle,
        origin: born.origin,
        vkey: born.vkey,
        first_root: born.first_root,
        document: born.document,
    };
    let g1 = deployment.next_manifest(&born);
    deployment.links.push(g1);
    deployment.put_policy(&deployment.pins());
    deployment.run_at(&socket);
    runtime.block_on(async {
        let host = start(&deployment, &socket);
        host.operator_is_up().await;
        let file = Chain::to_file(&deployment.links);
        host.operator.put_manifests(&file).await.unwrap();
        host.wait_for("serving").await;
        let catalog = json!({"type": "catalog.set", "catalog": owner::catalog()});
        host.widen(&deployment, catalog).await;
        let key = json!({"id": "k_http", "kind": "http", "alg": "ed25519"});
        host.widen(&deployment, json!({"type": "key.create", "key": key})).await;
        let secret = AgentSecret::new([33; 32]);
        let now = deployment.clock.now();
        let grant = json!({
            "v": 1, "id": "gr_1", "agent": {"id": "bot", "key": secret.public().unwrap()},
            "not_before": now.to_string(), "expires_at": now.plus(claviger_shared::time::Millis(600_000)).to_string(),
            "keys": ["k_http"], "permissions": {"write": ["charges"]},
            "budgets": [{"unit": "call", "max": "100", "window": "grant"},
                        {"unit": "usd-cents", "max": "100", "window": "grant"}],
        });
        host.widen(&deployment, json!({"type": "grant.create", "grant": grant})).await;
        let (_, size, root) = host.audited(&deployment.chain()).await;
        let key = |api: &str| AgentKey {
            api: api.to_owned(),
            fingerprint: deployment.chain().fingerprint(),
            grant: claviger_shared::id::GrantId::parse("gr_1").unwrap(),
            secret: AgentSecret::new([33; 32]),
            generation: 1,
            size,
            root,
        };
        let agent = Agent::connect(key(&host.api)).await.unwrap();
        issued(agent.ask(sign(charge(40))).await.unwrap()).unwrap();

        // The courier restarts: the enclave keeps serving, the log goes on.
        let api = host.api.clone();
        host.stop().await;
        let host = start(&deployment, &socket);
        host.operator_is_up().await;
        host.wait_for("serving").await;
        assert_ne!(api, host.api);
        let agent = Agent::connect(key(&host.api)).await.unwrap();
        issued(agent.ask(sign(charge(40))).await.unwrap()).unwrap();

        // The log says what was answered, and the budget is what it says.
        let over = issued(agent.ask(sign(charge(40))).await.unwrap()).unwrap_err();
        assert_eq!(over.code, Code::BudgetExceeded);
        let (state, _, _) = host.audited(&deployment.chain()).await;
        let slot = state.slot(&key("").grant).unwrap();
        let left = state.grant(slot).unwrap().remaining(deployment.clock.now());
        assert_eq!(left[1].amount.0, 20);
        let Reply::Grant(whoami) = agent.ask(Ask::Whoami).await.unwrap() else {
            panic!("no grant")
        };
        assert_eq!(whoami.remaining, left);
        host.stop().await;
    });
}

impl Host {
    async fn operator_is_up(&self) {
        for _ in 0..400 {
            if self.operator.status().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the operators' face never came up");
    }
}

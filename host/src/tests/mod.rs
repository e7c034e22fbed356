//! The courier as a whole, between a scripted enclave and plain sockets.

mod boot;
mod faces;
mod fake;
mod http;
mod looks;
mod relay;
mod storage;

use crate::{
    Config, Error,
    config::{self, EnclaveAddress},
    kms::Kms,
};
use aws_sdk_kms::config::Credentials;
use base64::{Engine, engine::general_purpose::STANDARD};
use fake::Fake;
use std::{net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// A running courier.
struct Courier {
    agents: SocketAddr,
    operators: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), Error>>,
}

impl Courier {
    async fn start(fake: &Fake, dir: &Path) -> Self {
        Self::with(fake, dir, |_| {}).await
    }

    async fn with(fake: &Fake, dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            enclave: EnclaveAddress::Unix(fake.path.clone()),
            agents: free(),
            operators: free(),
            operator_token_file: None,
            dir: dir.to_owned(),
            kms: config::Kms {
                region: "eu-west-1".to_owned(),
                endpoint: Some("http://127.0.0.1:1".to_owned()),
            },
            call_connections: 1,
        };
        change(&mut config);
        let credentials = Credentials::new("AKID", "secret", None, None, "test");
        let kms = Kms::with_credentials(&config.kms, credentials).await;
        let (agents, operators) = (config.agents, config.operators);
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(crate::run_with(config, kms, async move {
            let _ = stopped.await;
        }));
        Self {
            agents,
            operators,
            stop,
            ended,
        }
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.ended.await.unwrap().unwrap();
    }

    /// Waits until agents' calls get through.
    async fn ready(&self) {
        for _ in 0..500 {
            if http::get(self.agents, "/readyz").await.status == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never ready");
    }
}

/// An address nobody listens on.
fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true");
}

fn chain(bodies: &[&str]) -> String {
    let link =
        |body: &&str| serde_json::json!({"body": STANDARD.encode(body), "signatures": ["s"]});
    let links: Vec<_> = bodies.iter().map(link).collect();
    serde_json::json!({ "manifests": links }).to_string()
}

fn dir_with(chain: &str, bundle: Option<&[u8]>) -> TempDir {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("manifests.json"), chain).unwrap();
    if let Some(bundle) = bundle {
        std::fs::write(dir.path().join("bundle"), bundle).unwrap();
    }
    dir
}

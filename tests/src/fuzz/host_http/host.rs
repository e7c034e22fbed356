//! A host with the kept sample log, on the caller's own thread.

use super::{
    answer::{End, end},
    enclave,
};
use crate::fuzz::{context::context, folder, seeds};
use aws_sdk_kms::config::Credentials;
use claviger_host::{
    Config,
    config::{self, EnclaveAddress},
    kms::Kms,
    run_with,
    store::{Entry, Store, local::Local},
};
use claviger_shared::{id::InstanceId, log::record::Body};
use std::{future::pending, net::SocketAddr, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
    runtime::{Builder, Runtime},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The host, and the thread's runtime that it lives in.
#[derive(Debug)]
pub(super) struct Host {
    runtime: Runtime,
    agents: SocketAddr,
    operators: SocketAddr,
    _dir: TempDir,
}

/// An address nobody listens on.
fn free() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Who wrote the newest Boot record of the sample log.
fn instance() -> InstanceId {
    let boots = context().records.iter().rev();
    let mut boots = boots.filter_map(|(_, record)| match &record.body {
        Body::Boot(boot) => Some(boot.instance),
        _ => None,
    });
    boots.next().unwrap()
}

/// The files of a host that has run.
fn furnish(dir: &Path) {
    let manifests = folder().join("context/manifests.json");
    std::fs::copy(manifests, dir.join("manifests.json")).unwrap();
    std::fs::write(dir.join("bundle"), &seeds("bundle")[0]).unwrap();
    let store = Local::open(&dir.join("log"), Default::default()).unwrap();
    for entry in &context().entries.entries {
        store.append(&Entry::new(entry.clone()).unwrap());
    }
}

impl Host {
    pub(super) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        furnish(dir.path());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (agents, operators) = (free(), free());
        let config = Config {
            enclave: EnclaveAddress::Unix(dir.path().join("enclave")),
            agents,
            operators,
            operator_token_file: None,
            dir: dir.path().to_owned(),
            kms: config::Kms {
                region: "eu-west-1".to_owned(),
                endpoint: Some("http://127.0.0.1:1".to_owned()),
            },
            call_connections: 1,
        };
        runtime.block_on(async {
            let listener = UnixListener::bind(dir.path().join("enclave")).unwrap();
            tokio::spawn(enclave::serve(listener, instance()));
            let credentials = Credentials::new("AKID", "secret", None, None, "test");
            let kms = Kms::with_credentials(&config.kms, credentials).await;
            tokio::spawn(async { run_with(config, kms, pending()).await.unwrap() });
        });
        let host = Self {
            runtime,
            agents,
            operators,
            _dir: dir,
        };
        host.wait();
        host
    }

    /// Waits until calls get through and the log is known.
    fn wait(&self) {
        for ask in ["GET /readyz", "GET /.well-known/jwks.json"] {
            let request = format!("{ask} HTTP/1.1\r\nhost: a\r\n\r\n");
            let ready = (0..500).any(|_| {
                self.runtime
                    .block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
                let connected = std::net::TcpStream::connect(self.agents).is_ok();
                connected
                    && self
                        .ask(false, request.as_bytes())
                        .starts_with(b"HTTP/1.1 200")
            });
            assert!(ready, "{ask}");
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) fn ask(&self, operators: bool, request: &[u8]) -> Vec<u8> {
        let face = if operators {
            self.operators
        } else {
            self.agents
        };
        let answer = exchange(face, request);
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, answer).await });
        answer.expect("no answer in time")
    }
}

async fn exchange(face: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(face).await.unwrap();
    // Nothing of it stays behind, in neither process nor kernel.
    stream.set_zero_linger().unwrap();
    let (mut reader, mut writer) = stream.split();
    let mut answer = Vec::new();
    let to_head = request.starts_with(b"HEAD ");
    // What is refused early is not read to its end.
    let send = async { drop(writer.write_all(request).await) };
    let receive = async {
        while end(&answer, to_head) == End::Later {
            match reader.read_buf(&mut answer).await {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return,
            }
        }
    };
    tokio::pin!(send, receive);
    tokio::select! {
        () = &mut receive => {}
        () = &mut send => receive.await,
    }
    answer
}

//! The sidecar as its callers see it: over a socket, before a scripted enclave and before a real deployment.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops where its script breaks, and says what it skips"
)]

mod deployment;
#[path = "sidecar/pipelined.rs"]
mod pipelined;

use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::sidecar::{Asks, MAX_CALLS, MAX_CONNECTIONS, MAX_REQUEST, Sidecar, Token, serve};
use claviger_client::{Error, session::Answered};
use claviger_shared::{
    amount::Amount,
    call::{Ask, Input, Reply},
    credential::Remaining,
    denial::{Code, Denial},
    id::Unit,
};
use deployment::{Deployment, terminate, wait_for};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Denies everything, once it may; remembers how many asked, and who waits.
struct Scripted {
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    urls: Urls,
}

/// How many calls of each URL are under way.
type Urls = Arc<Mutex<BTreeMap<String, Arc<AtomicUsize>>>>;

impl Asks for Scripted {
    async fn ask(&self, ask: Ask) -> Result<Answered, Error> {
        let url = if let Ask::Sign(sign) = ask
            && let Input::Http(input) = sign.input
        {
            input.url
        } else {
            String::new()
        };
        let under_way = Arc::clone(self.urls.lock().unwrap().entry(url.clone()).or_default());
        under_way.fetch_add(1, Ordering::SeqCst);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        under_way.fetch_sub(1, Ordering::SeqCst);
        if url == "host" {
            return Err(Error::Host("10.0.0.1 says no".to_owned()));
        }
        let mut denial = Denial::at(Code::BudgetExceeded, "/url");
        denial.remaining = Some(Remaining {
            unit: Unit::call(),
            window: "grant".to_owned(),
            amount: Amount(2),
            resets_at: None,
        });
        Ok(Reply::Denied(denial).into())
    }

    async fn is_simulation(&self) -> bool {
        false
    }
}

/// A sidecar before a scripted enclave that lets `open` calls through.
struct Stage {
    address: SocketAddr,
    token: String,
    gate: Arc<Semaphore>,
    asked: Arc<AtomicUsize>,
    urls: Urls,
}

impl Stage {
    async fn set(open: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (gate, asked) = (Arc::new(Semaphore::new(open)), Arc::default());
        let urls = Urls::default();
        let agent = Scripted {
            gate: Arc::clone(&gate),
            asked: Arc::clone(&asked),
            urls: Arc::clone(&urls),
        };
        let sidecar = Sidecar::new(agent, Token::random().unwrap(), address);
        let token = sidecar.token().expose().to_owned();
        tokio::spawn(serve(listener, Arc::new(sidecar)));
        Self {
            address,
            token,
            gate,
            asked,
            urls,
        }
    }

    /// Sends lines of a head, and a body, as they are.
    async fn raw(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let head = format!(
            "{head}Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        // The answer may come before the body is through.
        let _ = socket.write_all(body).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        (answer.get(9..12).unwrap().parse().unwrap(), answer)
    }

    async fn send(&self, line: &str, more: &str, body: &[u8]) -> (u16, String) {
        let Self { address, token, .. } = self;
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{more}"
        );
        self.raw(&head, body).await
    }
}

fn document(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

const HTTP: &[u8] = br#"{"method":"GET","url":"https://a.example/"}"#;
const SIGN: &str = "POST /v1/credentials/http";

#[tokio::test]
async fn everything_but_health_needs_the_token() {
    let stage = Stage::set(9).await;
    let address = stage.address;
    for (line, status) in [
        ("GET /healthz", 200),
        ("GET /v1/grants/self", 401),
        ("POST /v1/credentials/http", 401),
        ("POST /v1/simulate/jwt", 401),
        ("GET /nowhere", 401),
    ] {
        for more in ["", "Authorization: Bearer x\r\n"] {
            let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{more}");
            assert_eq!(stage.raw(&head, HTTP).await.0, status, "{line}");
        }
    }
    assert_eq!(stage.asked.load(Ordering::SeqCst), 0);
    assert_eq!(stage.send(SIGN, "", HTTP).await.0, 403, "the enclave's own");
    assert_eq!(stage.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_web_page_reaches_nothing_under_any_name() {
    let stage = Stage::set(9).await;
    let Stage { address, token, .. } = &stage;
    let port = address.port();
    let (status, answer) = stage.send(SIGN, "Origin: null\r\n", HTTP).await;
    assert_eq!(
        (status, &document(&answer)["code"]),
        (403, &json!("cross_origin"))
    );
    for host in [
        "Host: evil.example\r\n".to_owned(),
        format!("Host: evil.example:{port}\r\n"),
        format!("Host: localhost:{port}\r\n"),
        "Host: 127.0.0.1\r\n".to_owned(),
        format!("Host: {address}\r\nHost: {address}\r\n"),
        String::new(),
    ] {
        for line in [SIGN, "GET /healthz"] {
            let head = format!("{line} HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\n");
            let (status, answer) = stage.raw(&head, HTTP).await;
            assert_eq!(status, 403, "{host}");
            assert_eq!(document(&answer)["code"], "wrong_host", "{host}");
        }
    }
    let target = "POST http://evil.example/v1/credentials/http";
    assert_eq!(stage.send(target, "", HTTP).await.0, 403);
    assert_eq!(stage.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn addresses_methods_and_members_that_are_not_there_are_refused() {
    let stage = Stage::set(9).await;
    for (line, body, status) in [
        ("GET /v1/credentials/http", HTTP, 405),
        ("POST /v1/grants/self", HTTP, 405),
        ("POST /v1/credentials/aws", HTTP, 400),
        ("POST /v1/credentials/evm", HTTP, 400),
        ("POST /v1/credentials/solana", HTTP, 400),
        ("POST /v1/credentials/teapot", HTTP, 404),
        ("POST /v1/credentials/", HTTP, 404),
        ("POST /v1/credentials/http/", HTTP, 404),
        ("GET /", b"", 404),
        ("POST /v1/credentials/jwt", HTTP, 400),
        ("POST /v1/credentials/http", b"", 400),
        ("POST /v1/credentials/http", b"{\"digest\":\"x\"}", 400),
    ] {
        let (got, answer) = stage.send(line, "", body).await;
        assert_eq!(got, status, "{line}");
        assert!(answer.contains("content-type: application/problem+json"));
        let problem = document(&answer);
        assert_eq!(problem["status"], status);
        assert!(problem["next"].is_string() && problem["code"].is_string());
    }
    assert_eq!(stage.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_denial_says_code_next_and_what_is_left_and_a_hosts_words_stay_here() {
    let stage = Stage::set(9).await;
    let (status, answer) = stage.send(SIGN, "", HTTP).await;
    let problem = document(&answer);
    assert_eq!((status, &problem["code"]), (403, &json!("budget_exceeded")));
    assert_eq!(problem["remaining"][0]["amount"], "2");
    assert!(problem["next"].is_string());
    assert!(answer.contains("cache-control: no-store"));
    let body = br#"{"method":"GET","url":"host"}"#;
    let (status, answer) = stage.send(SIGN, "", body).await;
    assert_eq!(status, 503);
    assert!(!answer.contains("10.0.0.1") && answer.contains("retry-after: 1\r\n"));
}

#[tokio::test]
async fn a_request_of_1_mib_is_read_and_one_byte_more_is_not() {
    let stage = Stage::set(9).await;
    let mut body = HTTP.to_vec();
    body.resize(MAX_REQUEST, b' ');
    assert_eq!(
        stage.send(SIGN, "", &body).await.0,
        403,
        "the enclave's own"
    );
    body.push(b' ');
    assert_eq!(stage.send(SIGN, "", &body).await.0, 413);
}

#[tokio::test]
async fn calls_run_beside_each_other_up_to_the_limit_and_the_next_is_busy() {
    let stage = Arc::new(Stage::set(0).await);
    let mut calls = Vec::new();
    for _ in 0..MAX_CALLS {
        let stage = Arc::clone(&stage);
        calls.push(tokio::spawn(
            async move { stage.send(SIGN, "", HTTP).await.0 },
        ));
    }
    while stage.asked.load(Ordering::SeqCst) < MAX_CALLS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, answer) = stage.send(SIGN, "", HTTP).await;
    assert_eq!((status, &document(&answer)["code"]), (503, &json!("busy")));
    stage.gate.add_permits(MAX_CALLS + 1);
    for call in calls {
        assert_eq!(call.await.unwrap(), 403, "the enclave's own");
    }
    assert_eq!(stage.send(SIGN, "", HTTP).await.0, 403, "room again");
}

#[tokio::test]
async fn a_connection_over_the_limit_waits_until_another_ends() {
    let stage = Stage::set(9).await;
    let mut held = Vec::new();
    for _ in 1..MAX_CONNECTIONS {
        held.push(TcpStream::connect(stage.address).await.unwrap());
    }
    // Lets the sidecar accept them all.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(stage.send("GET /healthz", "", b"").await.0, 200, "the last");
    held.push(TcpStream::connect(stage.address).await.unwrap());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = stage.send("GET /healthz", "", b"");
    tokio::pin!(late);
    let waited = tokio::time::timeout(Duration::from_millis(500), &mut late).await;
    assert!(waited.is_err(), "one too many");
    held.pop();
    assert_eq!(late.await.0, 200);
}

impl Stage {
    /// Sends bytes on a connection of its own, which stays open.
    async fn start(&self, bytes: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket
    }

    /// A request that keeps its connection.
    fn kept(&self, line: &str, more: &str, body: &str) -> String {
        let Self { address, token, .. } = self;
        let length = body.len();
        format!(
            "{line} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    async fn asked(&self, number: usize) {
        while self.asked.load(Ordering::SeqCst) < number {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(self.asked.load(Ordering::SeqCst), number);
    }
}

/// The next answer of a connection: its status, its head without the date, its body.
async fn next(socket: &mut TcpStream) -> (u16, String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let lines = head.lines().filter(|line| !line.starts_with("date: "));
    let mut lines: Vec<_> = lines.filter(|line| *line != "connection: close").collect();
    lines.sort_unstable();
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    let status = head.get(9..12).unwrap().parse().unwrap();
    (status, lines.join("\n"), String::from_utf8(body).unwrap())
}

const HOST: &str = r#"{"method":"GET","url":"host"}"#;
const OTHER: &str = r#"{"method":"GET","url":"https://a.example/"}"#;

#[tokio::test]
async fn calls_end_with_their_connection() {
    let stage = Stage::set(0).await;
    let deep = stage.kept(SIGN, "", OTHER).repeat(16);
    for round in 1..=5 {
        drop(stage.start(deep.as_bytes()).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asked = stage.asked.load(Ordering::SeqCst);
        assert!(asked <= round * 16);
    }
    stage.gate.add_permits(1);
    assert_eq!(stage.send(SIGN, "", HTTP).await.0, 403, "there is room");
}

#[tokio::test]
async fn a_request_is_answered_alike_whoever_reads_it() {
    let stage = Stage::set(1000).await;
    let none = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n", stage.address);
    let requests = [
        stage.kept(SIGN, "", OTHER),
        stage.kept(SIGN, "", HOST),
        stage.kept(SIGN, "", "{"),
        stage.kept(SIGN, "Origin: null\r\n", OTHER),
        stage.kept(SIGN, "Host: a\r\n", OTHER),
        stage.kept(SIGN, "Authorization: Bearer x\r\n", OTHER),
        stage.kept("GET /v1/grants/self", "", ""),
        stage.kept("GET /healthz", "", ""),
        stage.kept("GET /nowhere?x", "", ""),
        stage.kept("GET /v1/credentials/http", "", ""),
        format!("{none}\r\n"),
        format!("{none}A: b\r\n\r\n"),
    ];
    let mut plain = stage.start(requests.concat().as_bytes()).await;
    for request in requests {
        let closed = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let mut socket = stage.start(closed.as_bytes()).await;
        assert_eq!(next(&mut plain).await, next(&mut socket).await, "{request}");
    }
}

#[tokio::test]
async fn what_is_not_plain_comes_after_what_was_before_it() {
    let stage = Stage::set(1000).await;
    let Stage { address, token, .. } = &stage;
    let mut bytes = stage.kept(SIGN, "", HOST);
    let head = format!("{SIGN} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    bytes.push_str(&format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{OTHER}\r\n0\r\n\r\n",
        OTHER.len()
    ));
    bytes.push_str(&stage.kept("GET /healthz", "", ""));
    bytes.push_str("what is this\r\n\r\n");
    bytes.push_str(&stage.kept(SIGN, "", OTHER));
    let mut socket = stage.start(bytes.as_bytes()).await;
    for status in [503, 403, 200, 400] {
        assert_eq!(next(&mut socket).await.0, status);
    }
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert_eq!(rest, b"", "nothing behind what cannot be read");
    assert_eq!(stage.asked.load(Ordering::SeqCst), 2);
}

fn claviger(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    command
        .args(arguments)
        .current_dir(dir)
        .env_remove("AGENT_API_KEY")
        .env_remove("CLAVIGER_PROFILE")
        .stdin(Stdio::null());
    command
}

#[test]
fn only_a_loopback_address_is_listened_at() {
    let dir = tempfile::tempdir().unwrap();
    let key = claviger_client::AgentKey {
        api: "http://127.0.0.1:1".into(),
        fingerprint: claviger_shared::id::Digest([1; 32]),
        grant: claviger_shared::id::GrantId::parse("gr_01JD").unwrap(),
        secret: claviger_client::agent_key::AgentSecret::new([3; 32]),
        generation: 1,
        size: 7,
        root: claviger_shared::id::Digest([2; 32]),
    };
    fs::write(dir.path().join("agent.key"), &*key.expose().unwrap()).unwrap();
    for (address, exit) in [
        ("0.0.0.0:0", 2),
        ("[::]:0", 2),
        ("192.0.2.1:0", 2),
        // The host is not there, but the address was taken.
        ("127.0.0.1:0", 5),
    ] {
        let arguments = ["sidecar", "--key-file", "agent.key", "--listen", address];
        let output = claviger(dir.path(), &arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{address}");
    }
    assert!(!dir.path().join("sidecar.token").exists());
}

/// A process that does not outlive its test.
struct Running<'a>(&'a mut Child);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks with another HTTP client.
fn curl(url: &str, token: &str, body: Option<&Value>) -> Value {
    let mut command = Command::new("curl");
    let bearer = format!("Authorization: Bearer {token}");
    command.args(["--silent", "--header", &bearer, url]);
    if let Some(body) = body {
        command.args(["--data", &body.to_string()]);
    }
    let Output { stdout, .. } = command.output().unwrap();
    serde_json::from_slice(&stdout).unwrap()
}

#[test]
fn a_sidecar_answers_for_a_real_enclave_as_the_command_does() {
    let Some(deployment) = Deployment::start() else {
        return;
    };
    let held = tempfile::tempdir().unwrap();
    let dir = held.path();
    let key = deployment.file("agent.key");
    let key = key.to_str().unwrap();
    let arguments = [
        "sidecar",
        "--key-file",
        key,
        "--ready-file",
        "ready",
        "--json",
    ];
    let log = fs::File::create(dir.join("sidecar.log")).unwrap();
    let mut command = claviger(dir, &arguments);
    let mut running = command
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let running = Running(&mut running);
    wait_for(|| dir.join("ready").exists());
    let ready: Value = serde_json::from_slice(&fs::read(dir.join("ready")).unwrap()).unwrap();
    let token_file = dir.join("sidecar.token");
    let mode = fs::metadata(&token_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let token = fs::read_to_string(&token_file).unwrap().trim().to_owned();
    let url = ready["url"].as_str().unwrap();

    let input = json!({ "method": "GET", "url": "https://api.example.com/v1/orders/17" });
    let signed = curl(&format!("{url}/v1/credentials/http"), &token, Some(&input));
    assert!(
        signed["credential"]["headers"]["signature"].is_string(),
        "{signed}"
    );
    let line = [
        "sign",
        "http",
        "GET",
        "https://api.example.com/v1/orders/17",
    ];
    let output = claviger(dir, &line)
        .args(["--key-file", key, "--json"])
        .output()
        .unwrap();
    let by_command: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&signed), names(&by_command));
    assert_eq!(signed["effects"], by_command["effects"]);

    let body = STANDARD.encode(r#"{"amount":9000,"currency":"usd"}"#);
    let pay = json!({ "method": "POST", "url": "https://pay.example.com/v1/charges", "headers": [["content-type", "application/json"]], "body": body });
    let denied = curl(&format!("{url}/v1/credentials/http"), &token, Some(&pay));
    assert_eq!(denied["code"], "per_call_exceeded");
    assert_eq!(denied["remaining"][0]["amount"], "5000");

    let token_wanted = json!({ "audience": "https://idp.example.com/token", "ttl_s": 30 });
    let simulated = curl(
        &format!("{url}/v1/simulate/jwt"),
        &token,
        Some(&token_wanted),
    );
    assert!(simulated["credential"].is_null() && simulated["expires_at"].is_string());
    let issued = curl(
        &format!("{url}/v1/credentials/jwt"),
        &token,
        Some(&token_wanted),
    );
    assert!(issued["credential"]["jwt"].is_string(), "{issued}");
    let own = curl(&format!("{url}/v1/grants/self"), &token, None);
    assert_eq!(own["state"], "active");

    terminate(running.0);
    assert!(running.0.wait().unwrap().success());
    assert!(!token_file.exists() && !dir.join("ready").exists());
    let said = fs::read_to_string(dir.join("sidecar.log")).unwrap();
    assert!(said.contains(url) && !said.contains(&token));
}

//! The courier as a process under a service manager: it says when it is ready, and beats.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::{net::TcpListener, os::unix::net::UnixDatagram, process::Command, time::Duration};

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn the_courier_is_ready_and_beats() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let config = serde_json::json!({
        "enclave": { "unix": dir.path().join("nobody") }, "agents": format!("127.0.0.1:{}", free_port()),
        "operators": format!("127.0.0.1:{}", free_port()), "dir": dir.path().join("host"),
        "kms": { "region": "eu-west-1", "endpoint": "http://127.0.0.1:1" },
    });
    std::fs::create_dir(dir.path().join("host")).unwrap();
    std::fs::write(dir.path().join("host.json"), config.to_string()).unwrap();
    let mut courier = Command::new(env!("CARGO_BIN_EXE_claviger-host"))
        .arg("--config")
        .arg(dir.path().join("host.json"))
        .env("NOTIFY_SOCKET", dir.path().join("notify"))
        .env("WATCHDOG_USEC", "600000")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("RUST_LOG", "error")
        .spawn()
        .unwrap();
    let heard = || {
        let mut word = [0; 64];
        let length = manager.recv(&mut word).unwrap_or(0);
        word.get(..length).map(<[u8]>::to_vec).unwrap()
    };
    let words = [heard(), heard(), heard()];
    courier.kill().unwrap();
    courier.wait().unwrap();
    assert_eq!(words, [&b"READY=1"[..], b"WATCHDOG=1", b"WATCHDOG=1"]);
}

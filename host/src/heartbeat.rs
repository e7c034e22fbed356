//! Heartbeats for a service manager (sd_notify(3)): ready once the operators' face answers, alive for as long as it does.
//!
//! Each beat is a request of its own over the face's socket, so a courier whose threads all hang is started again. The operators'
//! face is asked, not the agents': a flood of agents must not look like a hang. Whether the enclave serves is not its business.

use std::{
    ffi::OsStr,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr as UnixAddress, UnixDatagram},
        },
    },
    path::Path,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// How long the face may take to answer one beat.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks whether the face answers yet.
const PAUSE: Duration = Duration::from_millis(50);
/// The one request.
const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
/// How its answer begins.
const WELL: &[u8] = b"HTTP/1.1 200 ";

/// Where a service manager listens, and what it listens to.
#[derive(Debug)]
pub struct Heartbeat {
    manager: UnixDatagram,
    face: SocketAddr,
    every: Option<Duration>,
}

impl Heartbeat {
    /// Connects to a manager's socket, `NOTIFY_SOCKET`: a path, or an abstract name behind `@`. `watchdog` is how long the manager waits
    /// for a beat, `WATCHDOG_USEC`; without it there is only the word that the courier is ready.
    ///
    /// # Errors
    ///
    /// Any failure of the socket.
    pub fn connect(
        socket: &OsStr,
        watchdog: Option<Duration>,
        operators: SocketAddr,
    ) -> io::Result<Self> {
        let manager = UnixDatagram::unbound()?;
        match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => manager.connect_addr(&UnixAddress::from_abstract_name(name)?)?,
            None => manager.connect(Path::new(socket))?,
        }
        manager.set_nonblocking(true)?;
        Ok(Self {
            manager,
            face: reachable(operators),
            // Thrice in what it waits, so that one lost beat is none.
            every: watchdog.and_then(|watchdog| watchdog.checked_div(3)),
        })
    }

    /// Beats until the runtime ends.
    pub async fn run(self) {
        while !self.answers().await {
            tokio::time::sleep(PAUSE).await;
        }
        self.tell(b"READY=1");
        let Some(every) = self.every else { return };
        loop {
            if self.answers().await {
                self.tell(b"WATCHDOG=1");
            }
            tokio::time::sleep(every).await;
        }
    }

    /// A manager that is away misses a beat; it will act on that itself.
    fn tell(&self, word: &[u8]) {
        if let Err(error) = self.manager.send(word) {
            tracing::warn!(%error, "the service manager does not take a heartbeat");
        }
    }

    async fn answers(&self) -> bool {
        timeout(PATIENCE, ask(self.face))
            .await
            .is_ok_and(|asked| asked.is_ok_and(|answer| answer == WELL))
    }
}

/// How the face's answer begins.
async fn ask(face: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(face).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = vec![0; WELL.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Where a face that listens on every address is reached from here.
const fn reachable(face: SocketAddr) -> SocketAddr {
    let ip = match face.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) | IpAddr::V6(_) => face.ip(),
    };
    SocketAddr::new(ip, face.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };
    use tokio::net::TcpListener;

    /// A face that answers while it is well, and holds its tongue while it is not.
    async fn face(well: Arc<AtomicBool>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let status = if well.load(Ordering::SeqCst) {
                    200
                } else {
                    503
                };
                let mut asked = vec![0; REQUEST.len()];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(asked, REQUEST);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut word = [0; 64];
        let length = manager.recv(&mut word).unwrap_or(0);
        String::from_utf8(word[..length].to_vec()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_ready_once_the_face_answers_and_silent_when_it_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_millis(400)))
            .unwrap();
        let well = Arc::new(AtomicBool::new(false));
        let face = face(Arc::clone(&well)).await;
        let watchdog = Some(Duration::from_millis(300));
        let heart = Heartbeat::connect(path.as_os_str(), watchdog, face).unwrap();
        let task = tokio::spawn(heart.run());
        assert_eq!(heard(&manager), "", "the face is not well yet");
        well.store(true, Ordering::SeqCst);
        assert_eq!(heard(&manager), "READY=1");
        for _ in 0..3 {
            assert_eq!(heard(&manager), "WATCHDOG=1");
        }
        well.store(false, Ordering::SeqCst);
        // What was on its way when it fell ill.
        let _ = heard(&manager);
        assert_eq!(heard(&manager), "");
        task.abort();
    }

    #[tokio::test]
    async fn an_abstract_name_is_a_socket_too() {
        let name = format!("claviger-{}", std::process::id());
        let address = UnixAddress::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let face = face(Arc::new(AtomicBool::new(true))).await;
        let socket = format!("@{name}");
        let heart = Heartbeat::connect(OsStr::new(&socket), None, face).unwrap();
        heart.run().await;
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn a_face_on_every_address_is_asked_on_loopback() {
        for (face, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("10.0.0.7:1", "10.0.0.7:1"),
        ] {
            assert_eq!(reachable(face.parse().unwrap()), asked.parse().unwrap());
        }
    }
}

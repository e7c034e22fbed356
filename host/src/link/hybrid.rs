//! A guest's vsock port behind a virtual machine monitor's Unix socket.
//!
//! The dialling end writes `CONNECT <port>` and a newline; the monitor answers one line that begins with `OK `, or closes the
//! connection where nobody listens. From then on the bytes are the guest's. This module does not know what they mean.

use super::GREETING;
use crate::config::HybridAddress;
use std::{
    io::{self, Read, Write},
    os::unix::net::{SocketAddr, UnixStream},
};

/// Longest answer of a monitor: `OK ` and a port of 32 bits.
const MAX_LINE: usize = 16;

/// Connects to the guest's port.
///
/// # Errors
///
/// Any failure of the platform; `UnexpectedEof` where no guest listens, `InvalidData` for a peer that does not speak this.
pub fn connect(at: &HybridAddress) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect_addr(&SocketAddr::from_pathname(&at.path)?)?;
    stream.set_read_timeout(Some(GREETING))?;
    stream.set_write_timeout(Some(GREETING))?;
    stream.write_all(format!("CONNECT {}\n", at.port).as_bytes())?;
    accepted(&mut stream)?;
    Ok(stream)
}

/// Reads the monitor's line, and not a byte of the guest's behind it.
fn accepted(stream: &mut impl Read) -> io::Result<()> {
    let mut line = Vec::with_capacity(MAX_LINE);
    let mut byte = [0_u8];
    loop {
        stream.read_exact(&mut byte)?;
        let [byte] = byte;
        if byte == b'\n' {
            break;
        }
        if line.len() == MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.push(byte);
    }
    if line.starts_with(b"OK ") {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixListener, thread};

    /// A monitor that reads a line and answers with these bytes; what it read, and what came of it.
    fn dialled(answer: &'static [u8]) -> (Vec<u8>, io::Result<UnixStream>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vm.vsock");
        let listener = UnixListener::bind(&path).unwrap();
        let monitor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut said = vec![0; b"CONNECT 5000\n".len()];
            stream.read_exact(&mut said).unwrap();
            stream.write_all(answer).unwrap();
            said
        });
        let stream = connect(&HybridAddress { path, port: 5000 });
        (monitor.join().unwrap(), stream)
    }

    #[test]
    fn the_guests_first_bytes_are_left_to_whoever_reads_next() {
        let (said, stream) = dialled(b"OK 1073741824\nguest");
        assert_eq!(said, b"CONNECT 5000\n");
        let mut rest = Vec::new();
        stream.unwrap().read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"guest");
    }

    #[test]
    fn anything_but_ok_is_an_error() {
        for (answer, kind) in [
            (&b""[..], io::ErrorKind::UnexpectedEof),
            (b"OK 1", io::ErrorKind::UnexpectedEof),
            (b"\n", io::ErrorKind::InvalidData),
            (b"NO 1\n", io::ErrorKind::InvalidData),
            (b"OK 12345678901234\n", io::ErrorKind::InvalidData),
        ] {
            let (_, stream) = dialled(answer);
            assert_eq!(stream.unwrap_err().kind(), kind, "{answer:?}");
        }
    }

    #[test]
    fn a_monitor_that_is_not_there_is_an_error() {
        let path = "/nonexistent/vm.vsock".into();
        connect(&HybridAddress { path, port: 1 }).unwrap_err();
    }
}

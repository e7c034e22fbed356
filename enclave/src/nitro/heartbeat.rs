//! The sign of life that the parent waits for: a byte to its port 9000, and the same byte back.
//!
//! AWS's own tools end an enclave that does not send it in time (AWS Nitro Enclaves CLI, "run-enclave"). It says nothing but that
//! this enclave listens; whoever answers is not believed in anything.

use super::confine::Confined;
use crate::boot::Error;
use std::{
    io::{Read, Write},
    time::Duration,
};
use vsock::VsockStream;

/// Where the parent listens.
const PORT: u32 = 9000;
/// The byte.
const BEAT: u8 = 0xB7;
/// How long the parent may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The parent knows that this enclave is up.
#[derive(Debug)]
#[must_use]
pub(super) struct Beaten(());

impl Confined {
    /// Tells the parent that this enclave is up.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`] when nobody answers as expected.
    pub(super) fn beat(self, parent: u32) -> Result<Beaten, Error> {
        beat(parent).map(Beaten)
    }
}

fn beat(parent: u32) -> Result<(), Error> {
    let mut stream = VsockStream::connect_with_cid_port(parent, PORT)
        .map_err(|_| Error::Platform("no heartbeat: the parent does not listen on port 9000"))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .map_err(|_| Error::Platform("vsock"))?;
    exchange(&mut stream)
}

fn exchange(stream: &mut (impl Read + Write)) -> Result<(), Error> {
    let mut answer = [0];
    stream
        .write_all(&[BEAT])
        .and_then(|()| stream.read_exact(&mut answer))
        .map_err(|_| Error::Platform("no heartbeat: the parent did not answer"))?;
    if answer == [BEAT] {
        Ok(())
    } else {
        Err(Error::Platform(
            "no heartbeat: the parent answered something else",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixStream, thread};

    fn with_parent(answer: &'static [u8]) -> (Result<(), Error>, Vec<u8>) {
        let (mut own, mut parent) = UnixStream::pair().unwrap();
        let parent = thread::spawn(move || {
            let mut heard = [0; 1];
            parent.read_exact(&mut heard).unwrap();
            parent.write_all(answer).unwrap();
            heard.to_vec()
        });
        let end = exchange(&mut own);
        (end, parent.join().unwrap())
    }

    #[test]
    fn the_parent_gets_the_byte_and_must_give_it_back() {
        assert_eq!(with_parent(&[0xB7]), (Ok(()), vec![0xB7]));
        with_parent(&[0xB6]).0.unwrap_err();
        with_parent(&[]).0.unwrap_err();
    }
}

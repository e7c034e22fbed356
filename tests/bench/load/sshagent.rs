//! Signatures from an ssh-agent, by its own protocol (draft-ietf-sshm-ssh-agent, §3): one request at a time on a connection.

use super::{Caller, Outcome, Socket};
use crate::floor::frame;
use anyhow::{Context, ensure};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// What is signed: as long as the messages of the other cells.
const MESSAGE: [u8; 256] = [0x42; 256];

/// A connection and its one request.
pub struct SshAgent {
    request: Vec<u8>,
    asked: usize,
    answered: usize,
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Connects; signs with the first key that the agent names.
pub fn connect(socket: &Path) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&[0, 0, 0, 1, REQUEST_IDENTITIES])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    ensure!(answer.first() == Some(&IDENTITIES_ANSWER), "no identities");
    let mut rest = answer.get(5..).context("no keys")?;
    let key = frame(&mut rest).context("no key")?;
    let mut body = vec![SIGN_REQUEST];
    string(&mut body, key);
    string(&mut body, &MESSAGE);
    body.extend_from_slice(&0_u32.to_be_bytes());
    let mut request = Vec::new();
    string(&mut request, &body);
    let agent = SshAgent {
        request,
        asked: 0,
        answered: 0,
    };
    Ok((Socket::Unix(stream), Box::new(agent)))
}

impl Caller for SshAgent {
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize> {
        out.extend_from_slice(&self.request);
        self.asked += 1;
        Ok(self.asked - 1)
    }

    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>> {
        let Some(body) = frame(bytes) else {
            return Ok(None);
        };
        ensure!(body.first() == Some(&SIGN_RESPONSE), "ssh-agent refused");
        self.answered += 1;
        Ok(Some((self.answered - 1, Outcome::Issued)))
    }
}

//! Requests to the floor server.

use super::{Caller, Outcome, Socket};
use crate::floor::{AGENTS, frame, request};
use std::{os::unix::net::UnixStream, path::Path};

/// One agent's connection: a few requests made beforehand, answered in order.
pub struct Floor {
    requests: Vec<Vec<u8>>,
    asked: usize,
    answered: usize,
}

/// Connects as an agent.
pub fn connect(socket: &Path, agent: usize) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let requests = (0..16).map(|number| request(agent % AGENTS, number));
    let floor = Floor {
        requests: requests.collect(),
        asked: 0,
        answered: 0,
    };
    let socket = UnixStream::connect(socket)?;
    Ok((Socket::Unix(socket), Box::new(floor)))
}

/// Connects as one whose requests are all refused: their MAC is another.
pub fn refused(socket: &Path) -> anyhow::Result<(Socket, Box<dyn Caller>)> {
    let mut request = request(0, 0);
    if let Some(last) = request.last_mut() {
        *last ^= 1;
    }
    let floor = Floor {
        requests: vec![request],
        asked: 0,
        answered: 0,
    };
    let socket = UnixStream::connect(socket)?;
    Ok((Socket::Unix(socket), Box::new(floor)))
}

impl Caller for Floor {
    fn ask(&mut self, out: &mut Vec<u8>) -> anyhow::Result<usize> {
        out.extend_from_slice(&self.requests[self.asked % self.requests.len()]);
        self.asked += 1;
        Ok(self.asked - 1)
    }

    fn answer(&mut self, bytes: &mut &[u8]) -> anyhow::Result<Option<(usize, Outcome)>> {
        let Some(body) = frame(bytes) else {
            return Ok(None);
        };
        self.answered += 1;
        let outcome = if body.first() == Some(&0) && body.len() > 300 {
            Outcome::Issued
        } else {
            Outcome::Denied
        };
        Ok(Some((self.answered - 1, outcome)))
    }
}

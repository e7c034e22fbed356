//! An agent's channel under load: one prepared request sealed again and again, answers opened and read as little as possible.
//!
//! Every answer must open, and say that it is a credential, a denial or neither. One of [`EVERY`] is read whole and proved.

use super::{Outcome, sample::Expected};
use anyhow::{Context, bail};
use claviger_shared::{
    call::{Answer, Ask, Echo, Reply, Request},
    codec::cbor,
    crypto::handshake::Session,
    id::ChannelId,
    wire::call::MAX_SEALED_ANSWER,
};

/// Credentials of which one is proved.
const EVERY: usize = 1000;

/// A channel and the one request that is made on it.
pub struct Channel {
    /// Its name.
    pub id: ChannelId,
    session: Session,
    next: u64,
    ask: Ask,
    /// Whether requests say what was seen of the log, as those of a durable deployment do.
    echoes: bool,
    text: Vec<u8>,
    scratch: Vec<u8>,
    expected: Expected,
    issued: usize,
}

impl Channel {
    /// A channel after its handshake.
    pub fn new(
        id: ChannelId,
        session: Session,
        ask: Ask,
        echoes: bool,
        expected: Expected,
    ) -> anyhow::Result<Self> {
        let text = cbor::encode(&Request {
            echo: None,
            ask: ask.clone(),
        })?;
        Ok(Self {
            id,
            session,
            next: 0,
            ask,
            echoes,
            text,
            scratch: Vec::new(),
            expected,
            issued: 0,
        })
    }

    /// Seals the request under the next number: the number and the sealed bytes.
    pub fn seal(&mut self) -> anyhow::Result<(u64, &[u8])> {
        let number = self.next;
        self.next += 1;
        self.scratch.clear();
        self.scratch.extend_from_slice(&self.text);
        self.session.sealing.seal(number, &mut self.scratch)?;
        Ok((number, &self.scratch))
    }

    /// Opens an answer and judges it.
    pub fn judge(&mut self, number: u64, sealed: &[u8]) -> anyhow::Result<Outcome> {
        let text = self.session.opening.open(number, sealed)?;
        let outcome = outcome(&text).context("an answer that says nothing")?;
        if outcome == Outcome::Issued {
            if self.issued.is_multiple_of(EVERY) {
                self.prove(&text)?;
            }
            self.issued += 1;
        }
        Ok(outcome)
    }

    fn prove(&mut self, text: &[u8]) -> anyhow::Result<()> {
        let answer: Answer = cbor::decode(text, MAX_SEALED_ANSWER)?;
        let Reply::Issued(issued) = &answer.reply else {
            bail!("not a credential")
        };
        self.expected.check(&self.ask, issued)?;
        if self.echoes {
            self.text = with_echo(answer.echo, &self.ask)?;
        }
        Ok(())
    }
}

fn with_echo(echo: Echo, ask: &Ask) -> anyhow::Result<Vec<u8>> {
    Ok(cbor::encode(&Request {
        echo: Some(echo),
        ask: ask.clone(),
    })?)
}

/// What an answer is, by the name of its reply: `{"echo": {"size": N, "root": 32 bytes}, "reply": {NAME: …}}`.
fn outcome(text: &[u8]) -> Option<Outcome> {
    // Behind the head, whose length varies with the size, and the root.
    let near = text.get(..96).unwrap_or(text);
    let at = near
        .windows(7)
        .position(|seven| seven == b"\x65reply\xa1")?;
    let name = text.get(at + 8..)?;
    if name.starts_with(b"issued") {
        Some(Outcome::Issued)
    } else if name.starts_with(b"denied") {
        Some(Outcome::Denied)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::{
        denial::{Code, Denial},
        id::Digest,
    };

    #[test]
    fn an_answer_is_known_by_its_name() {
        for size in [0, 300, u64::MAX] {
            let echo = Echo {
                size,
                root: Digest([0xa1; 32]),
            };
            let of = |reply| outcome(&cbor::encode(&Answer { echo, reply }).unwrap());
            let denied = Reply::Denied(Denial::new(Code::Busy));
            assert_eq!(of(denied), Some(Outcome::Denied));
            assert_eq!(of(Reply::Known), None);
            assert_eq!(of(Reply::Revoked), None);
        }
    }
}

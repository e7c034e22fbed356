//! Channels over plain POSTs: for clients that cannot keep a stream.
//!
//! One POST's requests are answered together, in the order the enclave answered them. A request whose answer does not
//! come in time fails the whole POST; the client retries what carries an idempotency key.

use super::{Relay, Sink, Touched};
use crate::sync::lock;
use claviger_shared::{
    id::ChannelId,
    wire::{
        call::SourceAddress,
        stream::{AnswerItem, BadFrame, Item, MAX_ITEMS, Refusal, Reply, Request, split},
    },
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// How long a POST waits for the enclave.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a POST has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// The body is not 1 to 256 items.
    Malformed,
    /// Not in time.
    Late,
    /// The one request was refused.
    Refused(Refusal),
}

#[derive(Default)]
struct Collected {
    body: Vec<u8>,
    missing: usize,
    refused: Option<Refusal>,
}

struct Collector {
    asker: u64,
    collected: Mutex<Collected>,
    whole: Notify,
}

impl Collector {
    fn new(asker: u64, missing: usize) -> Arc<Self> {
        let collected = Collected {
            missing,
            ..Collected::default()
        };
        Arc::new(Self {
            asker,
            collected: Mutex::new(collected),
            whole: Notify::new(),
        })
    }

    async fn wait(&self) -> Result<Collected, Failed> {
        tokio::time::timeout(PATIENCE, self.whole.notified())
            .await
            .map_err(|_| Failed::Late)?;
        Ok(std::mem::take(&mut *lock(&self.collected)))
    }
}

impl Sink for Collector {
    fn asker(&self) -> u64 {
        self.asker
    }

    fn put(&self, reply: &Reply<'_>) -> bool {
        let mut collected = lock(&self.collected);
        let mut item = |seq, outcome| AnswerItem { seq, outcome }.put(&mut collected.body);
        match *reply {
            Reply::Answer { seq, sealed, .. } => item(seq, Ok(sealed)),
            Reply::CallRefused { seq, refusal, .. } => item(seq, Err(refusal)),
            Reply::OpenRefused { refusal, .. } => collected.refused = Some(refusal),
            Reply::Opened { channel, noise, .. } => {
                collected.body.extend_from_slice(&channel.0);
                collected.body.extend_from_slice(noise);
            }
        }
        collected.missing = collected.missing.saturating_sub(1);
        collected.missing == 0
    }

    fn flush(&self) {
        if lock(&self.collected).missing == 0 {
            self.whole.notify_one();
        }
    }
}

/// Opens a channel: the initiator's message there; `channel[16] ‖ responder's message` back.
///
/// # Errors
///
/// [`Failed`].
pub async fn open(
    relay: &Relay,
    asker: u64,
    source: &SourceAddress,
    noise: &[u8],
) -> Result<Vec<u8>, Failed> {
    let collector = Collector::new(asker, 1);
    let request = Request::Open { cid: 0, noise };
    submit(relay, &collector, source, [request]);
    let collected = collector.wait().await?;
    match collected.refused {
        Some(refusal) => Err(Failed::Refused(refusal)),
        None => Ok(collected.body),
    }
}

/// Relays the items of one POST; answer items back.
///
/// # Errors
///
/// [`Failed::Malformed`] before anything is sent, or [`Failed::Late`].
pub async fn calls(
    relay: &Relay,
    asker: u64,
    source: &SourceAddress,
    channel: ChannelId,
    body: &[u8],
) -> Result<Vec<u8>, Failed> {
    let items = items(body).map_err(|_| Failed::Malformed)?;
    let collector = Collector::new(asker, items.len());
    let requests = items.into_iter().map(|item| Request::Call {
        channel,
        seq: item.seq,
        sealed: item.sealed,
    });
    submit(relay, &collector, source, requests);
    Ok(collector.wait().await?.body)
}

fn submit<'a>(
    relay: &Relay,
    collector: &Arc<Collector>,
    source: &SourceAddress,
    requests: impl IntoIterator<Item = Request<'a>>,
) {
    let sink: Arc<dyn Sink> = Arc::<Collector>::clone(collector);
    let mut touched = Touched::default();
    for request in requests {
        relay.submit(&sink, source, &request, &mut touched);
    }
    touched.flush();
    sink.flush();
}

/// 1 to 256 whole items and nothing else.
fn items(body: &[u8]) -> Result<Vec<Item<'_>>, BadFrame> {
    let (mut rest, mut items) = (body, Vec::new());
    while let Some(content) = split(&mut rest)? {
        if items.len() == MAX_ITEMS {
            return Err(BadFrame);
        }
        items.push(Item::parse(content)?);
    }
    if items.is_empty() || !rest.is_empty() {
        return Err(BadFrame);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_carries_1_to_256_whole_items() {
        let body = |count: usize| {
            let mut body = Vec::new();
            for seq in 0..count as u64 {
                Item { seq, sealed: b"s" }.put(&mut body);
            }
            body
        };
        items(&body(0)).unwrap_err();
        assert_eq!(items(&body(1)).unwrap().len(), 1);
        assert_eq!(items(&body(MAX_ITEMS)).unwrap().len(), MAX_ITEMS);
        items(&body(MAX_ITEMS + 1)).unwrap_err();
        let cut = body(2);
        items(&cut[..cut.len() - 1]).unwrap_err();
    }
}

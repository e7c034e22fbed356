//! Between client and host: the frames of the stream face and the items of `POST /v1/channel/{id}`.
//!
//! ```text
//! frame         = len u32be ‖ op u8 ‖ rest; len counts op and rest
//! client → host   01 open          cid u32be ‖ noise
//!                 02 call          channel[16] ‖ seq u64be ‖ sealed
//! host → client   81 opened        cid u32be ‖ channel[16] ‖ noise
//!                 82 answer        channel[16] ‖ seq u64be ‖ sealed
//!                 C1 open refused  cid u32be ‖ code u8 ‖ retry_after_ms u32be
//!                 C2 call refused  channel[16] ‖ seq u64be ‖ code u8 ‖ retry_after_ms u32be
//!
//! item, asked     = len u32be ‖ seq u64be ‖ sealed
//! item, answered  = len u32be ‖ 0 ‖ seq u64be ‖ sealed
//!                 | len u32be ‖ 1 ‖ seq u64be ‖ code u8 ‖ retry_after_ms u32be
//! ```
//! `cid` is the client's own name for an opening under way. Answers come in any order. A refusal is the host's or the
//! enclave's advisory word: the client retries and never concludes. This module does not know what is sealed.

use super::{
    RefusedCode,
    call::{MAX_NOISE, MAX_SEALED_ANSWER, MAX_SEALED_CALL},
};
use crate::id::ChannelId;

/// Token of the HTTP/1.1 upgrade.
pub const UPGRADE: &str = "claviger-frames";
/// Largest value of a frame's or item's length field: a call with the largest sealed part.
pub const MAX_LEN: usize = 1 + 16 + 8 + MAX_SEALED_CALL;
/// Items that one POST may carry.
pub const MAX_ITEMS: usize = 256;
/// Largest body of one POST.
pub const MAX_POST: usize = 2 * 1024 * 1024;

/// A frame or item that is not laid out as above; the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stream frame malformed")]
pub struct BadFrame;

/// Why a request was not served, and when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: RefusedCode,
    /// In milliseconds; 0 when trying again makes no sense.
    pub retry_after_ms: u32,
}

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// One sealed frame of a channel.
    Call {
        /// The channel.
        channel: ChannelId,
        /// The frame's number.
        seq: u64,
        /// Ciphertext and tag.
        sealed: &'a [u8],
    },
    /// A new channel.
    Open {
        /// The client's name for it.
        cid: u32,
        /// The initiator's Noise message.
        noise: &'a [u8],
    },
}

/// What a host sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// To a call.
    Answer {
        /// The channel.
        channel: ChannelId,
        /// The frame this answers.
        seq: u64,
        /// Ciphertext and tag.
        sealed: &'a [u8],
    },
    /// A call is refused.
    CallRefused {
        /// The channel.
        channel: ChannelId,
        /// The frame that is refused.
        seq: u64,
        /// Why.
        refusal: Refusal,
    },
    /// An opening is refused.
    OpenRefused {
        /// The client's name for it.
        cid: u32,
        /// Why.
        refusal: Refusal,
    },
    /// To an opening.
    Opened {
        /// The client's name for it.
        cid: u32,
        /// The enclave's name for it.
        channel: ChannelId,
        /// The responder's Noise message.
        noise: &'a [u8],
    },
}

/// Splits the next frame's or item's content off the front: `None` while it is incomplete.
///
/// # Errors
///
/// [`BadFrame`] when its length is 0 or above [`MAX_LEN`].
pub fn split<'a>(bytes: &mut &'a [u8]) -> Result<Option<&'a [u8]>, BadFrame> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let len = usize::try_from(u32::from_be_bytes(*head)).map_err(|_| BadFrame)?;
    if len == 0 || len > MAX_LEN {
        return Err(BadFrame);
    }
    let Some((content, rest)) = rest.split_at_checked(len) else {
        return Ok(None);
    };
    *bytes = rest;
    Ok(Some(content))
}

impl<'a> Request<'a> {
    /// Reads a frame's content.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] for an unknown op, or a part that is missing, empty or over its limit.
    pub fn parse(content: &'a [u8]) -> Result<Self, BadFrame> {
        match content.split_first() {
            Some((0x01, rest)) => {
                let (cid, noise) = rest.split_first_chunk().ok_or(BadFrame)?;
                Ok(Self::Open {
                    cid: u32::from_be_bytes(*cid),
                    noise: limited(noise, MAX_NOISE)?,
                })
            }
            Some((0x02, rest)) => {
                let (channel, seq, sealed) = addressed(rest)?;
                Ok(Self::Call {
                    channel,
                    seq,
                    sealed: limited(sealed, MAX_SEALED_CALL)?,
                })
            }
            Some(_) | None => Err(BadFrame),
        }
    }

    /// Appends the whole frame to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Open { cid, noise } => put(out, &[&[0x01], &cid.to_be_bytes(), noise]),
            Self::Call {
                channel,
                seq,
                sealed,
            } => put(out, &[&[0x02], &channel.0, &seq.to_be_bytes(), sealed]),
        }
    }
}

impl<'a> Reply<'a> {
    /// Reads a frame's content.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] for an unknown op or code, or a part that is missing, empty or over its limit.
    pub fn parse(content: &'a [u8]) -> Result<Self, BadFrame> {
        let (op, rest) = content.split_first().ok_or(BadFrame)?;
        match op {
            0x81 => {
                let (cid, rest) = rest.split_first_chunk().ok_or(BadFrame)?;
                let (channel, noise) = rest.split_first_chunk().ok_or(BadFrame)?;
                Ok(Self::Opened {
                    cid: u32::from_be_bytes(*cid),
                    channel: ChannelId(*channel),
                    noise: limited(noise, MAX_NOISE)?,
                })
            }
            0x82 => {
                let (channel, seq, sealed) = addressed(rest)?;
                Ok(Self::Answer {
                    channel,
                    seq,
                    sealed: limited(sealed, MAX_SEALED_ANSWER)?,
                })
            }
            0xC1 => {
                let (cid, rest) = rest.split_first_chunk().ok_or(BadFrame)?;
                Ok(Self::OpenRefused {
                    cid: u32::from_be_bytes(*cid),
                    refusal: Refusal::parse(rest)?,
                })
            }
            0xC2 => {
                let (channel, seq, rest) = addressed(rest)?;
                Ok(Self::CallRefused {
                    channel,
                    seq,
                    refusal: Refusal::parse(rest)?,
                })
            }
            _ => Err(BadFrame),
        }
    }

    /// Appends the whole frame to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Answer {
                channel,
                seq,
                sealed,
            } => put(out, &[&[0x82], &channel.0, &seq.to_be_bytes(), sealed]),
            Self::CallRefused {
                channel,
                seq,
                refusal,
            } => put(
                out,
                &[&[0xC2], &channel.0, &seq.to_be_bytes(), &refusal.bytes()],
            ),
            Self::OpenRefused { cid, refusal } => {
                put(out, &[&[0xC1], &cid.to_be_bytes(), &refusal.bytes()]);
            }
            Self::Opened {
                cid,
                channel,
                noise,
            } => put(out, &[&[0x81], &cid.to_be_bytes(), &channel.0, noise]),
        }
    }
}

/// One call in the body of a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// The frame's number.
    pub seq: u64,
    /// Ciphertext and tag.
    pub sealed: &'a [u8],
}

impl<'a> Item<'a> {
    /// Reads an item's content.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] when it is too short or its sealed part is empty or over its limit.
    pub fn parse(content: &'a [u8]) -> Result<Self, BadFrame> {
        let (seq, sealed) = content.split_first_chunk().ok_or(BadFrame)?;
        Ok(Self {
            seq: u64::from_be_bytes(*seq),
            sealed: limited(sealed, MAX_SEALED_CALL)?,
        })
    }

    /// Appends the whole item to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        put(out, &[&self.seq.to_be_bytes(), self.sealed]);
    }
}

/// One answer in the body of a POST's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerItem<'a> {
    /// The frame this answers.
    pub seq: u64,
    /// Ciphertext and tag, or why there is none.
    pub outcome: Result<&'a [u8], Refusal>,
}

impl<'a> AnswerItem<'a> {
    /// Reads an item's content.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] for an unknown status or code, or a part that is missing, empty or over its limit.
    pub fn parse(content: &'a [u8]) -> Result<Self, BadFrame> {
        let (status, rest) = content.split_first().ok_or(BadFrame)?;
        let (seq, rest) = rest.split_first_chunk().ok_or(BadFrame)?;
        let outcome = match status {
            0 => Ok(limited(rest, MAX_SEALED_ANSWER)?),
            1 => Err(Refusal::parse(rest)?),
            _ => return Err(BadFrame),
        };
        Ok(Self {
            seq: u64::from_be_bytes(*seq),
            outcome,
        })
    }

    /// Appends the whole item to `out`.
    pub fn put(&self, out: &mut Vec<u8>) {
        let seq = self.seq.to_be_bytes();
        match self.outcome {
            Ok(sealed) => put(out, &[&[0], &seq, sealed]),
            Err(refusal) => put(out, &[&[1], &seq, &refusal.bytes()]),
        }
    }
}

impl Refusal {
    fn parse(bytes: &[u8]) -> Result<Self, BadFrame> {
        let (code, retry) = bytes.split_first().ok_or(BadFrame)?;
        let retry: [u8; 4] = retry.try_into().map_err(|_| BadFrame)?;
        Ok(Self {
            code: code_of(*code).ok_or(BadFrame)?,
            retry_after_ms: u32::from_be_bytes(retry),
        })
    }

    fn bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.retry_after_ms.to_be_bytes();
        [byte_of(self.code), a, b, c, d]
    }
}

const fn byte_of(code: RefusedCode) -> u8 {
    match code {
        RefusedCode::Busy => 1,
        RefusedCode::Invalid => 2,
        RefusedCode::NotServing => 3,
        RefusedCode::NotSupported => 4,
        RefusedCode::Replayed => 5,
        RefusedCode::TooLarge => 6,
        RefusedCode::Unavailable => 7,
        RefusedCode::UnknownChannel => 8,
    }
}

const fn code_of(byte: u8) -> Option<RefusedCode> {
    Some(match byte {
        1 => RefusedCode::Busy,
        2 => RefusedCode::Invalid,
        3 => RefusedCode::NotServing,
        4 => RefusedCode::NotSupported,
        5 => RefusedCode::Replayed,
        6 => RefusedCode::TooLarge,
        7 => RefusedCode::Unavailable,
        8 => RefusedCode::UnknownChannel,
        _ => return None,
    })
}

/// `channel[16] ‖ seq u64be ‖ rest`.
fn addressed(bytes: &[u8]) -> Result<(ChannelId, u64, &[u8]), BadFrame> {
    let (channel, rest) = bytes.split_first_chunk().ok_or(BadFrame)?;
    let (seq, rest) = rest.split_first_chunk().ok_or(BadFrame)?;
    Ok((ChannelId(*channel), u64::from_be_bytes(*seq), rest))
}

const fn limited(bytes: &[u8], max: usize) -> Result<&[u8], BadFrame> {
    if bytes.is_empty() || bytes.len() > max {
        return Err(BadFrame);
    }
    Ok(bytes)
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let len = parts.iter().fold(0_usize, |n, p| n.saturating_add(p.len()));
    out.reserve(len.saturating_add(4));
    // A part over its limit makes a length that the other side refuses.
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId([9; 16]);

    fn content(out: &[u8]) -> &[u8] {
        let mut rest = out;
        let content = split(&mut rest).unwrap().unwrap();
        assert!(rest.is_empty());
        content
    }

    fn refusals() -> impl Iterator<Item = Refusal> {
        (1..=8).map(|code| Refusal {
            code: code_of(code).unwrap(),
            retry_after_ms: 250,
        })
    }

    #[test]
    fn requests_read_back() {
        let open = Request::Open {
            cid: 7,
            noise: b"n",
        };
        let call = Request::Call {
            channel: CHANNEL,
            seq: 258,
            sealed: b"s",
        };
        for request in [open, call] {
            let mut out = Vec::new();
            request.put(&mut out);
            assert_eq!(Request::parse(content(&out)), Ok(request));
        }
    }

    #[test]
    fn replies_read_back() {
        let opened = Reply::Opened {
            cid: 7,
            channel: CHANNEL,
            noise: b"n",
        };
        let answer = Reply::Answer {
            channel: CHANNEL,
            seq: 3,
            sealed: b"s",
        };
        let refused = refusals().flat_map(|refusal| {
            let call = Reply::CallRefused {
                channel: CHANNEL,
                seq: 3,
                refusal,
            };
            [Reply::OpenRefused { cid: 7, refusal }, call]
        });
        for reply in [opened, answer].into_iter().chain(refused) {
            let mut out = Vec::new();
            reply.put(&mut out);
            assert_eq!(Reply::parse(content(&out)), Ok(reply));
        }
    }

    #[test]
    fn items_read_back() {
        let item = Item {
            seq: 1,
            sealed: b"s",
        };
        let mut out = Vec::new();
        item.put(&mut out);
        assert_eq!(Item::parse(content(&out)), Ok(item));
        let outcomes = refusals().map(Err).chain([Ok(&b"s"[..])]);
        for outcome in outcomes {
            let mut out = Vec::new();
            AnswerItem { seq: 5, outcome }.put(&mut out);
            let read = AnswerItem::parse(content(&out));
            assert_eq!(read, Ok(AnswerItem { seq: 5, outcome }));
        }
    }

    #[test]
    fn an_incomplete_frame_waits_and_a_bad_length_is_refused() {
        let mut out = Vec::new();
        put(&mut out, &[b"abc"]);
        for n in 0..out.len() {
            assert_eq!(split(&mut &out[..n]), Ok(None));
        }
        let length = |n: usize| [&(n as u32).to_be_bytes()[..], &vec![0; n]].concat();
        assert_eq!(split(&mut &length(0)[..]), Err(BadFrame));
        assert!(split(&mut &length(MAX_LEN)[..]).unwrap().is_some());
        assert_eq!(split(&mut &length(MAX_LEN + 1)[..]), Err(BadFrame));
    }

    #[test]
    fn parts_are_limited_on_both_sides() {
        let call = |n: usize| [vec![2; 25], vec![0; n]].concat();
        assert_eq!(Request::parse(&call(0)), Err(BadFrame));
        assert!(Request::parse(&call(1)).is_ok());
        assert!(Request::parse(&call(MAX_SEALED_CALL)).is_ok());
        assert_eq!(Request::parse(&call(MAX_SEALED_CALL + 1)), Err(BadFrame));
        let open = |n: usize| [vec![1; 5], vec![0; n]].concat();
        assert_eq!(Request::parse(&open(0)), Err(BadFrame));
        assert!(Request::parse(&open(MAX_NOISE)).is_ok());
        assert_eq!(Request::parse(&open(MAX_NOISE + 1)), Err(BadFrame));
        let answer = |n: usize| [vec![0x82; 25], vec![0; n]].concat();
        assert!(Reply::parse(&answer(MAX_SEALED_ANSWER)).is_ok());
        assert_eq!(Reply::parse(&answer(MAX_SEALED_ANSWER + 1)), Err(BadFrame));
    }

    #[test]
    fn unknown_ops_and_codes_are_refused() {
        for op in [0, 3, 0x81, 0xFF] {
            assert_eq!(Request::parse(&[op; 40]), Err(BadFrame));
        }
        for code in [0, 9, 255] {
            let bytes = [&[0xC1][..], &[0; 4], &[code], &[0; 4]].concat();
            assert_eq!(Reply::parse(&bytes), Err(BadFrame));
        }
        assert_eq!(Request::parse(&[]), Err(BadFrame));
        assert_eq!(Reply::parse(&[]), Err(BadFrame));
        assert_eq!(AnswerItem::parse(&[2; 20]), Err(BadFrame));
    }
}

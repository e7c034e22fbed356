//! The agent channel's handshake and frames: Noise IK once, then one AEAD frame per request and answer.
//!
//! `Noise_IK_25519_ChaChaPoly_SHA256` with empty payloads. Its two split keys seal frames directly, because a Noise message
//! ends at 65,535 bytes: nonce = 4 zero bytes ‖ frame number u64le, no associated data. Frame n is answered under number n
//! of the other direction. Callers never seal two texts under one number.

use super::noise::{Resolver, SUITE};
use crate::{
    id::{Digest, X25519Public},
    label,
    wire::call::MAX_NOISE,
};
use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, MAX_TAG_LEN, Nonce, UnboundKey};
use zeroize::Zeroize;

/// A handshake or frame that does not check out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("channel does not check out")]
pub struct BadChannel;

/// What both sides must agree on before the first byte: deployment, boot and manifest.
#[must_use]
pub fn prologue(origin: &str, boot: &Digest, manifest: &Digest) -> Vec<u8> {
    let mut out = label::CHANNEL_PROLOGUE.to_vec();
    out.extend_from_slice(
        &u64::try_from(origin.len())
            .unwrap_or(u64::MAX)
            .to_be_bytes(),
    );
    out.extend_from_slice(origin.as_bytes());
    out.extend_from_slice(&boot.0);
    out.extend_from_slice(&manifest.0);
    out
}

/// The hash that names a boot: of its Boot record's exact bytes.
#[must_use]
pub fn boot_hash(record: &[u8]) -> Digest {
    super::sha256(&[label::BOOT_HASH, record])
}

/// Seals or opens the frames of one direction.
pub struct FrameKey(LessSafeKey);

impl std::fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameKey")
    }
}

/// Bytes a sealed frame is longer than its text.
pub const TAG: usize = MAX_TAG_LEN;

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0_u8; 12];
    for (to, from) in bytes.iter_mut().skip(4).zip(number.to_le_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

impl FrameKey {
    /// Takes the key's bytes.
    ///
    /// # Errors
    ///
    /// [`BadChannel`] when the provider refuses.
    pub fn new(mut key: [u8; 32]) -> Result<Self, BadChannel> {
        let made = UnboundKey::new(&CHACHA20_POLY1305, &key).map(LessSafeKey::new);
        key.zeroize();
        made.map(Self).map_err(|_| BadChannel)
    }

    /// Seals a text under a number that was never used with this key.
    ///
    /// # Errors
    ///
    /// [`BadChannel`] when the provider refuses; the text must then not be sent.
    pub fn seal(&self, number: u64, text: &mut Vec<u8>) -> Result<(), BadChannel> {
        self.0
            .seal_in_place_append_tag(nonce(number), Aad::empty(), text)
            .map_err(|_| BadChannel)
    }

    /// Opens a sealed frame.
    ///
    /// # Errors
    ///
    /// [`BadChannel`] when the tag does not fit.
    pub fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, BadChannel> {
        self.open_in_place(number, sealed.to_vec())
    }

    /// [`Self::open`] of bytes that the text may take the place of.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub fn open_in_place(&self, number: u64, mut buffer: Vec<u8>) -> Result<Vec<u8>, BadChannel> {
        let length = self
            .0
            .open_in_place(nonce(number), Aad::empty(), &mut buffer)
            .map_err(|_| BadChannel)?
            .len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// A finished handshake.
#[derive(Debug)]
pub struct Session {
    /// The other side's static key.
    pub peer: X25519Public,
    /// Opens what the other side seals.
    pub opening: FrameKey,
    /// Seals what the other side opens.
    pub sealing: FrameKey,
}

/// The enclave's side: reads the first message, writes the second.
///
/// # Errors
///
/// [`BadChannel`]: the message was not made for this boot, or not by a holder of its static key.
pub fn respond(
    private: &[u8; 32],
    prologue: &[u8],
    message: &[u8],
) -> Result<(Session, Vec<u8>), BadChannel> {
    let mut state = builder()?
        .local_private_key(private)
        .and_then(|builder| builder.prologue(prologue))
        .and_then(snow::Builder::build_responder)
        .map_err(|_| BadChannel)?;
    let mut empty = [0_u8; MAX_NOISE];
    if state.read_message(message, &mut empty) != Ok(0) {
        return Err(BadChannel);
    }
    let mut reply = vec![0_u8; MAX_NOISE];
    let length = state
        .write_message(&[], &mut reply)
        .map_err(|_| BadChannel)?;
    reply.truncate(length);
    let session = finish(state, false)?;
    Ok((session, reply))
}

/// The agent's side, waiting for the second message.
#[derive(Debug)]
pub struct Initiator(snow::HandshakeState);

impl Initiator {
    /// Writes the first message to an enclave whose channel key was attested.
    ///
    /// # Errors
    ///
    /// [`BadChannel`] when a key is refused.
    pub fn start(
        private: &[u8; 32],
        enclave: &X25519Public,
        prologue: &[u8],
    ) -> Result<(Self, Vec<u8>), BadChannel> {
        let mut state = builder()?
            .local_private_key(private)
            .and_then(|builder| builder.remote_public_key(&enclave.0))
            .and_then(|builder| builder.prologue(prologue))
            .and_then(snow::Builder::build_initiator)
            .map_err(|_| BadChannel)?;
        let mut message = vec![0_u8; MAX_NOISE];
        let length = state
            .write_message(&[], &mut message)
            .map_err(|_| BadChannel)?;
        message.truncate(length);
        Ok((Self(state), message))
    }

    /// Reads the second message.
    ///
    /// # Errors
    ///
    /// [`BadChannel`]: it was not made by the attested key.
    pub fn finish(mut self, reply: &[u8]) -> Result<Session, BadChannel> {
        let mut empty = [0_u8; MAX_NOISE];
        if self.0.read_message(reply, &mut empty) != Ok(0) {
            return Err(BadChannel);
        }
        finish(self.0, true)
    }
}

fn builder<'a>() -> Result<snow::Builder<'a>, BadChannel> {
    let parameters = SUITE.parse().map_err(|_| BadChannel)?;
    Ok(snow::Builder::with_resolver(parameters, Box::new(Resolver)))
}

fn finish(mut state: snow::HandshakeState, initiator: bool) -> Result<Session, BadChannel> {
    if !state.is_handshake_finished() {
        return Err(BadChannel);
    }
    let peer = state
        .get_remote_static()
        .and_then(|key| key.try_into().ok())
        .map(X25519Public)
        .ok_or(BadChannel)?;
    let (out, back) = state.dangerously_get_raw_split();
    let (seal, open) = if initiator { (out, back) } else { (back, out) };
    Ok(Session {
        peer,
        opening: FrameKey::new(open)?,
        sealing: FrameKey::new(seal)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::noise::public_key;

    #[test]
    fn two_sides_meet_and_know_each_other() {
        let (agent, enclave) = ([7_u8; 32], [9_u8; 32]);
        let enclave_public = X25519Public(public_key(&enclave).unwrap());
        let (initiator, first) = Initiator::start(&agent, &enclave_public, b"same").unwrap();
        let (there, second) = respond(&enclave, b"same", &first).unwrap();
        let here = initiator.finish(&second).unwrap();
        assert_eq!(there.peer.0, public_key(&agent).unwrap());
        let mut text = b"hello".to_vec();
        here.sealing.seal(5, &mut text).unwrap();
        assert_eq!(there.opening.open(5, &text).unwrap(), b"hello");
        assert_eq!(
            there.opening.open(6, &text),
            Err(BadChannel),
            "another number"
        );
        assert_eq!(
            there.sealing.open(5, &text),
            Err(BadChannel),
            "another direction"
        );
    }

    #[test]
    fn another_prologue_or_key_does_not_meet() {
        let (agent, enclave) = ([7_u8; 32], [9_u8; 32]);
        let enclave_public = X25519Public(public_key(&enclave).unwrap());
        let (_, first) = Initiator::start(&agent, &enclave_public, b"one boot").unwrap();
        respond(&enclave, b"another boot", &first).unwrap_err();
        respond(&[8; 32], b"one boot", &first).unwrap_err();
        Initiator::start(&agent, &X25519Public([0; 32]), b"low order").unwrap_err();
    }
}

//! Unencrypted OpenSSH private key files with one P-256 key (OpenSSH `PROTOCOL.key`); those with an Ed25519 key `shared` reads.

use claviger_shared::owner::sshwire::{BadWire, Reader, dearmor};
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";
const NONE: &[u8] = b"none";
const P256: &[u8] = b"ecdsa-sha2-nistp256";
const CURVE: &[u8] = b"nistp256";
/// Without a cipher, padding fills blocks of eight bytes.
const BLOCK: usize = 8;

/// What such a file holds.
pub(super) struct Key {
    pub(super) scalar: Zeroizing<[u8; 32]>,
    pub(super) point: Vec<u8>,
}

/// Nothing for another file.
pub(super) fn p256(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(dearmor(text, BEGIN, END).ok()?);
    file(&bytes).ok()
}

fn file(bytes: &[u8]) -> Result<Key, BadWire> {
    let mut reader = Reader::new(bytes);
    let plain = reader.take(MAGIC.len())? == MAGIC
        && reader.string()? == NONE
        && reader.string()? == NONE
        && reader.string()?.is_empty()
        && reader.u32()? == 1;
    if !plain {
        return Err(BadWire);
    }
    let (public, secret) = (reader.string()?, reader.string()?);
    reader.finish()?;
    let key = private(secret)?;
    let mut stated = Reader::new(public);
    let same =
        stated.string()? == P256 && stated.string()? == CURVE && stated.string()? == key.point;
    stated.finish()?;
    if same { Ok(key) } else { Err(BadWire) }
}

fn private(bytes: &[u8]) -> Result<Key, BadWire> {
    let mut reader = Reader::new(bytes);
    if reader.u32()? != reader.u32()? || reader.string()? != P256 || reader.string()? != CURVE {
        return Err(BadWire);
    }
    let point = reader.string()?.to_vec();
    let scalar = Zeroizing::new(reader.mpint::<32>()?);
    reader.string()?;
    let padding = reader.rest();
    let mut counted = padding.iter().zip(1_u8..);
    let padded = padding.len() < BLOCK
        && bytes.len().is_multiple_of(BLOCK)
        && counted.all(|(byte, expected)| *byte == expected);
    if padded {
        Ok(Key { scalar, point })
    } else {
        Err(BadWire)
    }
}

//! Encodes and signs attestation documents byte for byte as a module does.
//!
//! An untagged COSE_Sign1 over a map of nine members in the module's order, absent ones as explicit nulls. This encoder
//! shares nothing with the verifier's decoder: each is held against a real document on its own.

use aws_lc_rs::rand::SystemRandom;

use super::pcr::Value;
use super::pki::Signer;

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const NULL: u8 = 0xf6;

/// `{1: -35}`: ES384.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// What a document says.
pub(super) struct Statement<'a> {
    pub(super) module_id: &'a str,
    pub(super) timestamp_ms: u64,
    pub(super) pcrs: Vec<(u16, Value)>,
    pub(super) public_key: Option<&'a [u8]>,
    pub(super) user_data: Option<&'a [u8]>,
    pub(super) nonce: Option<&'a [u8]>,
}

/// The signature could not be made.
#[derive(Debug)]
pub(super) struct Unsigned;

/// The signed document.
pub(super) fn sign(statement: &Statement<'_>, signer: &Signer) -> Result<Vec<u8>, Unsigned> {
    let payload = payload(statement, signer);
    let mut signed = Cbor::default();
    signed.head(ARRAY, 4);
    signed.text("Signature1");
    signed.bytes(PROTECTED);
    signed.bytes(&[]);
    signed.bytes(&payload);
    let signature = signer
        .key
        .sign(&SystemRandom::new(), &signed.0)
        .map_err(|_| Unsigned)?;

    let mut out = Cbor::default();
    out.head(ARRAY, 4);
    out.bytes(PROTECTED);
    out.head(MAP, 0);
    out.bytes(&payload);
    out.bytes(signature.as_ref());
    Ok(out.0)
}

fn payload(statement: &Statement<'_>, signer: &Signer) -> Vec<u8> {
    let Statement {
        module_id,
        timestamp_ms,
        pcrs,
        public_key,
        user_data,
        nonce,
    } = statement;
    let mut out = Cbor::default();
    out.head(MAP, 9);
    out.text("module_id");
    out.text(module_id);
    out.text("digest");
    out.text("SHA384");
    out.text("timestamp");
    out.head(UINT, *timestamp_ms);
    out.text("pcrs");
    out.head(MAP, count(pcrs.len()));
    for (index, value) in pcrs {
        out.head(UINT, u64::from(*index));
        out.bytes(value);
    }
    out.text("certificate");
    out.bytes(&signer.leaf);
    out.text("cabundle");
    out.head(ARRAY, count(signer.cabundle.len()));
    for certificate in &signer.cabundle {
        out.bytes(certificate);
    }
    for (name, value) in [
        ("public_key", public_key),
        ("user_data", user_data),
        ("nonce", nonce),
    ] {
        out.text(name);
        match value {
            Some(value) => out.bytes(value),
            None => out.0.push(NULL),
        }
    }
    out.0
}

#[derive(Default)]
struct Cbor(Vec<u8>);

impl Cbor {
    fn head(&mut self, major: u8, argument: u64) {
        let major = major << 5;
        let [b0, b1, b2, b3, b4, b5, b6, b7] = argument.to_be_bytes();
        match argument {
            0..=23 => self.0.push(major | b7),
            24..=0xff => self.0.extend([major | 24, b7]),
            0x100..=0xffff => self.0.extend([major | 25, b6, b7]),
            0x1_0000..=0xffff_ffff => self.0.extend([major | 26, b4, b5, b6, b7]),
            _ => self.0.extend([major | 27, b0, b1, b2, b3, b4, b5, b6, b7]),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, count(bytes.len()));
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, count(text.len()));
        self.0.extend_from_slice(text.as_bytes());
    }
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

//! The members of an attestation document and the rule of each.
//!
//! Every rule of AWS's `attestation_process.md` §3.2.2.2 is here with its limit. A member that is missing, unknown or
//! there twice refuses the document. It does not know who signed.

use std::collections::BTreeMap;

use super::PCR_LEN;
use super::cbor::Reader;
use super::error::Error;

/// PCR indexes are below this, and there are 1 to this many.
// attestation_process.md §3.2.2.2: index in [0, 32), 1 to 32 PCRs.
pub(super) const PCR_COUNT: u8 = 32;

/// Largest certificate, DER.
// attestation_process.md §3.1: cert = bytes .size (1..1024).
pub(super) const MAX_CERTIFICATE: usize = 1024;

/// Largest public key.
// attestation_process.md §3.2.2.2: public_key 1..1024.
pub(super) const MAX_PUBLIC_KEY: usize = 1024;

/// Largest user data and largest nonce.
// attestation_process.md §3.2.2.2: 0..512 (the CDDL of §3.1 says 1024; the narrower one holds).
pub(super) const MAX_USER_DATA: usize = 512;

/// The members of a document, each within its limits, not yet attributed to a signer.
pub(super) struct Payload {
    pub(super) module_id: String,
    pub(super) timestamp_ms: u64,
    pub(super) pcrs: BTreeMap<u8, [u8; PCR_LEN]>,
    pub(super) certificate: Vec<u8>,
    pub(super) cabundle: Vec<Vec<u8>>,
    pub(super) public_key: Option<Vec<u8>>,
    pub(super) user_data: Option<Vec<u8>>,
    pub(super) nonce: Option<Vec<u8>>,
}

/// Members as they come; the outer `Option` says whether one was there.
#[derive(Default)]
struct Members<'a> {
    module_id: Option<&'a str>,
    digest: Option<&'a str>,
    timestamp: Option<u64>,
    pcrs: Option<BTreeMap<u8, [u8; PCR_LEN]>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

/// Reads the payload of an envelope.
pub(super) fn parse(bytes: &[u8]) -> Result<Payload, Error> {
    let mut reader = Reader::new(bytes);
    let mut members = Members::default();
    let mut remaining = reader.map()?;
    while reader.more(&mut remaining) {
        let name = reader.text()?;
        members.read(name, &mut reader)?;
    }
    reader.finish()?;
    members.check()
}

impl<'a> Members<'a> {
    fn read(&mut self, name: &str, reader: &mut Reader<'a>) -> Result<(), Error> {
        match name {
            "module_id" => once(&mut self.module_id, "module_id", reader.text()?),
            "digest" => once(&mut self.digest, "digest", reader.text()?),
            "timestamp" => once(&mut self.timestamp, "timestamp", reader.uint()?),
            "pcrs" => once(&mut self.pcrs, "pcrs", pcrs(reader)?),
            "certificate" => once(&mut self.certificate, "certificate", reader.bytes()?),
            "cabundle" => once(&mut self.cabundle, "cabundle", cabundle(reader)?),
            "public_key" => once(&mut self.public_key, "public_key", reader.bytes_or_null()?),
            "user_data" => once(&mut self.user_data, "user_data", reader.bytes_or_null()?),
            "nonce" => once(&mut self.nonce, "nonce", reader.bytes_or_null()?),
            _ => Err(Error::Malformed("an unknown member")),
        }
    }

    fn check(self) -> Result<Payload, Error> {
        let Self {
            module_id,
            digest,
            timestamp,
            pcrs,
            certificate,
            cabundle,
            public_key,
            user_data,
            nonce,
        } = self;
        let module_id = required(module_id, "module_id")?;
        if module_id.is_empty() {
            return Err(rule("module_id", "is empty"));
        }
        if required(digest, "digest")? != "SHA384" {
            return Err(rule("digest", "is not SHA384"));
        }
        let timestamp_ms = required(timestamp, "timestamp")?;
        if timestamp_ms == 0 {
            return Err(rule("timestamp", "is zero"));
        }
        let cabundle = required(cabundle, "cabundle")?;
        if cabundle.is_empty() {
            return Err(rule("cabundle", "is empty"));
        }
        Ok(Payload {
            module_id: module_id.to_owned(),
            timestamp_ms,
            pcrs: required(pcrs, "pcrs")?,
            certificate: sized(
                required(certificate, "certificate")?,
                "certificate",
                1,
                MAX_CERTIFICATE,
            )?,
            cabundle: cabundle
                .into_iter()
                .map(|certificate| sized(certificate, "cabundle", 1, MAX_CERTIFICATE))
                .collect::<Result<_, _>>()?,
            public_key: optional(public_key, "public_key", 1, MAX_PUBLIC_KEY)?,
            user_data: optional(user_data, "user_data", 0, MAX_USER_DATA)?,
            nonce: optional(nonce, "nonce", 0, MAX_USER_DATA)?,
        })
    }
}

fn pcrs(reader: &mut Reader<'_>) -> Result<BTreeMap<u8, [u8; PCR_LEN]>, Error> {
    let mut pcrs = BTreeMap::new();
    let mut remaining = reader.map()?;
    while reader.more(&mut remaining) {
        let index = u8::try_from(reader.uint()?)
            .ok()
            .filter(|index| *index < PCR_COUNT);
        let index = index.ok_or_else(|| rule("pcrs", "an index is not below 32"))?;
        let value = <[u8; PCR_LEN]>::try_from(reader.bytes()?);
        let value = value.map_err(|_| rule("pcrs", "a value is not 48 bytes"))?;
        if pcrs.insert(index, value).is_some() {
            return Err(rule("pcrs", "an index is there twice"));
        }
    }
    if pcrs.is_empty() {
        return Err(rule("pcrs", "is empty"));
    }
    Ok(pcrs)
}

fn cabundle<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Error> {
    let mut certificates = Vec::new();
    let mut remaining = reader.array()?;
    while reader.more(&mut remaining) {
        certificates.push(reader.bytes()?);
    }
    Ok(certificates)
}

const fn rule(name: &'static str, rule: &'static str) -> Error {
    Error::Member { name, rule }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(rule(name, "is there twice")),
    }
}

fn required<T>(slot: Option<T>, name: &'static str) -> Result<T, Error> {
    slot.ok_or_else(|| rule(name, "is missing"))
}

fn sized(bytes: &[u8], name: &'static str, least: usize, most: usize) -> Result<Vec<u8>, Error> {
    if bytes.len() < least {
        return Err(rule(name, "is empty"));
    }
    if bytes.len() > most {
        return Err(rule(name, "is too long"));
    }
    Ok(bytes.to_vec())
}

/// An optional member: left out and explicitly null are the same.
fn optional(
    slot: Option<Option<&[u8]>>,
    name: &'static str,
    least: usize,
    most: usize,
) -> Result<Option<Vec<u8>>, Error> {
    slot.flatten()
        .map(|bytes| sized(bytes, name, least, most))
        .transpose()
}

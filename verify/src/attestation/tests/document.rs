//! Documents for the tests: members in any order, number and encoding, signed by a test PKI.

use super::pki::{NOW_MS, Pki};

pub(crate) fn head(major: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    match value {
        0..=23 => vec![(major << 5) | bytes[7]],
        24..=0xff => vec![(major << 5) | 24, bytes[7]],
        0x100..=0xffff => [&[(major << 5) | 25][..], &bytes[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[(major << 5) | 26][..], &bytes[4..]].concat(),
        _ => [&[(major << 5) | 27][..], &bytes].concat(),
    }
}

pub(crate) fn uint(value: u64) -> Vec<u8> {
    head(0, value)
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    [head(2, u64::try_from(value.len()).unwrap()), value.to_vec()].concat()
}

pub(crate) fn text(value: &str) -> Vec<u8> {
    [
        head(3, u64::try_from(value.len()).unwrap()),
        value.as_bytes().to_vec(),
    ]
    .concat()
}

pub(crate) const NULL: &[u8] = &[0xf6];

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, u64::try_from(items.len()).unwrap()), items.concat()].concat()
}

pub(crate) fn map(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| [&key[..], value].concat())
        .collect();
    [
        head(5, u64::try_from(entries.len()).unwrap()),
        entries.concat(),
    ]
    .concat()
}

/// PCRs 0 to `count - 1`, PCR n full of n + 1.
pub(crate) fn pcrs(count: u8) -> Vec<u8> {
    map(&(0..count)
        .map(|index| (uint(index.into()), bytes(&[index + 1; 48])))
        .collect::<Vec<_>>())
}

/// The members of a document, encoded, in the order they are written.
pub(crate) struct Members(pub(crate) Vec<(String, Vec<u8>)>);

impl Members {
    /// What a module writes for this PKI.
    pub(crate) fn of(pki: &Pki) -> Self {
        let cabundle: Vec<_> = pki.cas.iter().map(|der| bytes(der)).collect();
        let members = [
            ("module_id", text("i-0123456789abcdef0-enc0123456789abcdef")),
            ("digest", text("SHA384")),
            ("timestamp", uint(NOW_MS)),
            ("pcrs", pcrs(16)),
            ("certificate", bytes(&pki.leaf)),
            ("cabundle", array(&cabundle)),
            ("public_key", bytes(b"key")),
            ("user_data", bytes(b"data")),
            ("nonce", NULL.to_vec()),
        ];
        Self(
            members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    pub(crate) fn set(mut self, name: &str, value: Vec<u8>) -> Self {
        self.0
            .iter_mut()
            .find(|(member, _)| member == name)
            .unwrap()
            .1 = value;
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(member, _)| member != name);
        self
    }

    pub(crate) fn and(mut self, name: &str, value: Vec<u8>) -> Self {
        self.0.push((name.to_owned(), value));
        self
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        map(&self
            .0
            .iter()
            .map(|(name, value)| (text(name), value.clone()))
            .collect::<Vec<_>>())
    }

    pub(crate) fn sign(&self, pki: &Pki) -> Vec<u8> {
        sign(&self.encode(), pki)
    }
}

pub(crate) const ES384: &[u8] = &[0xa1, 0x01, 0x38, 0x22];

/// The envelope a module makes of a payload.
pub(crate) fn sign(payload: &[u8], pki: &Pki) -> Vec<u8> {
    envelope(ES384, &[0xa0], payload, pki)
}

pub(crate) fn envelope(protected: &[u8], unprotected: &[u8], payload: &[u8], pki: &Pki) -> Vec<u8> {
    let signed = array(&[
        text("Signature1"),
        bytes(protected),
        bytes(&[]),
        bytes(payload),
    ]);
    array(&[
        bytes(protected),
        unprotected.to_vec(),
        bytes(payload),
        bytes(&pki.sign(&signed)),
    ])
}

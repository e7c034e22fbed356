//! Private keys as wallets of Solana keep them: the 64 numbers of `solana-keygen`, the same bytes in base58, or the 32 bytes of the
//! seed in hexadecimal digits.
//!
//! Such a text does not say that it is a key: it is read only where a key of the kind is asked for.

use super::{Bad, PrivateKey};
use crate::Error;
use claviger_shared::{codec::base58, owner::command::Alg};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of a seed.
const SEED: usize = 32;
/// Bytes of seed and public key.
const PAIR: usize = 64;
/// Longest file looked at.
const MAX_FILE: u64 = 16 * 1024;

impl PrivateKey {
    /// Reads a key for kind `solana`: one of these forms, or any that [`Self::read`] takes.
    ///
    /// # Errors
    ///
    /// Those of [`Self::read`].
    pub fn read_solana(path: &Path) -> Result<Self, Error> {
        let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= MAX_FILE);
        if !small {
            return Self::read(path, None);
        }
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(Error::io("cannot read the private key", path))?;
        match parse(&text) {
            None => Self::read(path, None),
            Some(read) => read.map_err(|_| {
                let path = path.display();
                Error::Usage(format!(
                    "`{path}` is no key of Solana: its public half is not that of its private half"
                ))
            }),
        }
    }
}

/// Nothing for a text of another form.
pub(super) fn parse(text: &str) -> Option<Result<PrivateKey, Bad>> {
    let text = text.trim();
    let bytes = numbers(text)
        .or_else(|| digits(text))
        .or_else(|| letters(text))?;
    let (seed, stated) = bytes.split_at_checked(SEED)?;
    let stated = Some(stated).filter(|stated| !stated.is_empty());
    let key = PrivateKey::new(Alg::Ed25519, seed);
    Some(key.and_then(|key| key.stating(stated)))
}

fn numbers(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes: Vec<u8> = serde_json::from_str(text).ok()?;
    let bytes = Zeroizing::new(bytes);
    (bytes.len() == PAIR).then_some(bytes)
}

fn digits(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digit = |letter: u8| char::from(letter).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != SEED || !rest.is_empty() {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SEED));
    for [high, low] in pairs {
        let byte = digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?;
        bytes.push(u8::try_from(byte).ok()?);
    }
    Some(bytes)
}

fn letters(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = base58::decode(text).map(Zeroizing::new)?;
    (bytes.len() == PAIR).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032 §7.1, test 1.
    const SEED_HEX: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC_HEX: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn pair() -> Vec<u8> {
        let both = format!("{SEED_HEX}{PUBLIC_HEX}");
        let pairs = both.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(byte).collect()
    }

    #[test]
    fn each_form_is_the_same_key() {
        let pair = pair();
        let array = serde_json::to_string(&pair).unwrap();
        for text in [
            format!("{array}\n"),
            SEED_HEX.to_owned(),
            format!("0x{}", SEED_HEX.to_uppercase()),
            base58::encode(&pair),
        ] {
            let Some(Ok(key)) = parse(&text) else {
                panic!("{text}")
            };
            assert_eq!(key.alg, Alg::Ed25519);
            assert_eq!(
                (key.public.as_slice(), key.expose()),
                (&pair[32..], &pair[..32])
            );
        }
    }

    #[test]
    fn another_length_is_no_form_and_another_public_half_no_key() {
        let pair = pair();
        for text in [
            String::new(),
            "[1,2]".to_owned(),
            "[1,256]".to_owned(),
            SEED_HEX.replacen('9', "", 1),
            base58::encode(&pair[..32]),
            format!("{SEED_HEX}00"),
        ] {
            assert!(parse(&text).is_none(), "{text}");
        }
        let mut other = pair;
        other[63] ^= 1;
        let text = serde_json::to_string(&other).unwrap();
        assert!(matches!(parse(&text), Some(Err(Bad::Form))));
    }
}

//! Sealing a signing key to one boot's channel key: `Noise_N_25519_ChaChaPoly_SHA256`, one message.
//!
//! The prologue binds deployment, boot and every fact of the key, so that what was sealed under one name opens under no
//! other. Whoever seals needs no key of their own: who may import is the command's business. The owner's machine seals,
//! the enclave opens.

use super::{handshake::BadChannel, noise::Resolver, secp256k1};
use crate::{
    codec::cbor,
    id::X25519Public,
    label,
    owner::command::{Alg, KeyCreate, KeyImport},
    wire::control::MAX_SEALED_KEY,
};
use aws_lc_rs::{
    agreement::{ECDH_P256, ECDH_P521, PrivateKey},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::Serialize;
use zeroize::Zeroizing;

/// The one suite of sealed keys.
pub const SUITE: &str = "Noise_N_25519_ChaChaPoly_SHA256";

/// What a sealed key is bound to; its canonical CBOR follows the label.
#[derive(Serialize)]
struct Facts<'a> {
    origin: &'a str,
    #[serde(with = "serde_bytes")]
    boot: &'a [u8],
    id: &'a str,
    kind: crate::effect::Kind,
    alg: Alg,
    env: crate::effect::Env,
    agent: Option<&'a str>,
    #[serde(with = "serde_bytes")]
    public: &'a [u8],
}

/// What both sides agree on: the deployment, and all that the command says of the key but the sealed bytes' digest.
///
/// # Errors
///
/// [`BadChannel`]; no command of this crate's making causes one.
pub fn prologue(origin: &str, import: &KeyImport) -> Result<Vec<u8>, BadChannel> {
    let KeyImport {
        key:
            KeyCreate {
                id,
                kind,
                alg,
                env,
                agent,
            },
        public,
        boot,
        channel_key: _,
        sealed: _,
    } = import;
    let facts = Facts {
        origin,
        boot: &boot.0,
        id: id.as_str(),
        kind: *kind,
        alg: *alg,
        env: *env,
        agent: agent.as_ref().map(crate::id::AgentId::as_str),
        public,
    };
    let facts = cbor::encode(&facts).map_err(|_| BadChannel)?;
    let mut prologue = label::IMPORT_PROLOGUE.to_vec();
    prologue.extend_from_slice(&facts);
    Ok(prologue)
}

/// Seals a private key to an attested channel key.
///
/// # Errors
///
/// [`BadChannel`] when the channel key is refused or the key is too long.
pub fn seal(to: &X25519Public, prologue: &[u8], key: &[u8]) -> Result<Vec<u8>, BadChannel> {
    let mut state = builder()?
        .remote_public_key(&to.0)
        .and_then(|builder| builder.prologue(prologue))
        .and_then(snow::Builder::build_initiator)
        .map_err(|_| BadChannel)?;
    let mut message = vec![0_u8; MAX_SEALED_KEY];
    let length = state
        .write_message(key, &mut message)
        .map_err(|_| BadChannel)?;
    message.truncate(length);
    Ok(message)
}

/// Opens what [`seal`] sealed.
///
/// # Errors
///
/// [`BadChannel`] when it was sealed to another key, for another prologue, or is not whole.
pub fn open(
    private: &[u8; 32],
    prologue: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BadChannel> {
    if sealed.len() > MAX_SEALED_KEY {
        return Err(BadChannel);
    }
    let mut state = builder()?
        .local_private_key(private)
        .and_then(|builder| builder.prologue(prologue))
        .and_then(snow::Builder::build_responder)
        .map_err(|_| BadChannel)?;
    // Room for all of it at once, so that no copy is left behind by growing.
    let mut key = Zeroizing::new(vec![0_u8; MAX_SEALED_KEY]);
    let length = state
        .read_message(sealed, &mut key)
        .map_err(|_| BadChannel)?;
    key.truncate(length);
    Ok(key)
}

/// The public key of a private one: Ed25519 32 bytes, P-256 and secp256k1 65 and P-521 133 bytes uncompressed; nothing for bytes that are no key, nor
/// for RSA ([`super::rsa`]) or a symmetric algorithm.
#[must_use]
pub fn public_of(alg: Alg, private: &[u8]) -> Option<Vec<u8>> {
    let scalar = |curve| {
        let scalar = PrivateKey::from_private_key(curve, private).ok()?;
        Some(scalar.compute_public_key().ok()?.as_ref().to_vec())
    };
    match alg {
        Alg::Ed25519 => {
            let pair = Ed25519KeyPair::from_seed_unchecked(private).ok()?;
            Some(pair.public_key().as_ref().to_vec())
        }
        Alg::P256 => scalar(&ECDH_P256),
        Alg::P521 => scalar(&ECDH_P521),
        Alg::Secp256k1 => secp256k1::public_of(private.try_into().ok()?).map(Vec::from),
        Alg::Rs256 | Alg::Ps512 | Alg::SigV4 | Alg::Hs256 | Alg::Hs512 => None,
    }
}

/// Bytes of an HMAC secret. Shorter ones than these could be found by trying; RFC 2104 §3 asks for as many as the hash has,
/// which is what services give out.
pub const HMAC_SECRET: std::ops::RangeInclusive<usize> = 16..=512;

/// Longest secret access key.
pub const MAX_ACCESS_KEY: usize = 128;
/// Longest session token; STS says that its size may change, and how large it is today is far less.
pub const MAX_SESSION_TOKEN: usize = 2048;

/// A secret access key and its session token, as they are sealed: the key's length in one byte, the key, the token.
///
/// Nothing for what is too long, or not printable ASCII without spaces.
#[must_use]
pub fn access_key(secret: &[u8], token: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let length = u8::try_from(secret.len()).ok()?;
    let mut out = Zeroizing::new(Vec::with_capacity(
        MAX_ACCESS_KEY.saturating_add(MAX_SESSION_TOKEN),
    ));
    out.push(length);
    out.extend_from_slice(secret);
    out.extend_from_slice(token);
    access_key_parts(&out)?;
    Some(out)
}

/// The secret access key and the session token (empty for none) of what [`access_key`] wrote.
#[must_use]
pub fn access_key_parts(bytes: &[u8]) -> Option<(&[u8], &str)> {
    let (length, rest) = bytes.split_first()?;
    let (secret, token) = rest.split_at_checked(usize::from(*length))?;
    let graphic = |text: &[u8]| text.iter().all(u8::is_ascii_graphic);
    let fine = !secret.is_empty() && secret.len() <= MAX_ACCESS_KEY && graphic(secret);
    let fine = fine && token.len() <= MAX_SESSION_TOKEN && graphic(token);
    fine.then_some((secret, std::str::from_utf8(token).ok()?))
}

fn builder<'a>() -> Result<snow::Builder<'a>, BadChannel> {
    let parameters = SUITE.parse().map_err(|_| BadChannel)?;
    Ok(snow::Builder::with_resolver(parameters, Box::new(Resolver)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::noise::public_key,
        effect::{Env, Kind},
        id::{AgentId, Digest, KeyId},
    };

    fn import() -> KeyImport {
        KeyImport {
            key: KeyCreate {
                id: KeyId::parse("k_1").unwrap(),
                kind: Kind::Http,
                alg: Alg::Ed25519,
                env: Env::Live,
                agent: None,
            },
            public: vec![7; 32],
            boot: Digest([1; 32]),
            channel_key: X25519Public(public_key(&[9; 32]).unwrap()),
            sealed: Digest([0; 32]),
        }
    }

    #[test]
    fn a_key_opens_for_the_boot_and_facts_it_was_sealed_for_alone() {
        let honest = import();
        let bound = prologue("o", &honest).unwrap();
        let sealed = seal(&honest.channel_key, &bound, b"a private key").unwrap();
        let opened = open(&[9; 32], &bound, &sealed).unwrap();
        assert_eq!(&**opened, b"a private key");
        open(&[8; 32], &bound, &sealed).unwrap_err();
        let changes: [fn(&mut KeyImport); 7] = [
            |import| import.key.id = KeyId::parse("k_2").unwrap(),
            |import| import.key.kind = Kind::Jwt,
            |import| import.key.alg = Alg::P256,
            |import| import.key.env = Env::Sandbox,
            |import| import.key.agent = AgentId::parse("bot").ok(),
            |import| import.public = vec![8; 32],
            |import| import.boot = Digest([2; 32]),
        ];
        for (place, change) in changes.iter().enumerate() {
            let mut other = import();
            change(&mut other);
            let other = prologue("o", &other).unwrap();
            assert!(open(&[9; 32], &other, &sealed).is_err(), "change {place}");
        }
        open(&[9; 32], &prologue("p", &honest).unwrap(), &sealed).unwrap_err();
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(open(&[9; 32], &bound, &bad).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(open(&[9; 32], &bound, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn an_access_key_is_read_as_it_was_written() {
        for (secret, token) in [
            ("s", ""),
            ("a+/b", "t=="),
            (&"s".repeat(128), &"t".repeat(2048)),
        ] {
            let bytes = access_key(secret.as_bytes(), token.as_bytes()).unwrap();
            assert_eq!(access_key_parts(&bytes), Some((secret.as_bytes(), token)));
            assert!(bytes.len() + 48 <= MAX_SEALED_KEY);
        }
        for (secret, token) in [
            ("", ""),
            ("a b", ""),
            ("s", "t t"),
            (&"s".repeat(129), ""),
            ("s", &"t".repeat(2049)),
        ] {
            assert_eq!(access_key(secret.as_bytes(), token.as_bytes()), None);
        }
        assert_eq!(access_key_parts(&[]), None);
        assert_eq!(access_key_parts(&[5, b'a']), None);
    }

    #[test]
    fn nothing_is_sealed_to_a_key_of_low_order() {
        let bound = prologue("o", &import()).unwrap();
        seal(&X25519Public([0; 32]), &bound, b"x").unwrap_err();
    }

    #[test]
    fn the_longest_key_fits_and_the_next_does_not() {
        let bound = prologue("o", &import()).unwrap();
        let to = import().channel_key;
        let longest = MAX_SEALED_KEY - 48;
        let sealed = seal(&to, &bound, &vec![1; longest]).unwrap();
        assert_eq!(sealed.len(), MAX_SEALED_KEY);
        open(&[9; 32], &bound, &sealed).unwrap();
        seal(&to, &bound, &vec![1; longest + 1]).unwrap_err();
        open(&[9; 32], &bound, &vec![1; MAX_SEALED_KEY + 1]).unwrap_err();
    }
}

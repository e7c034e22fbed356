//! Public keys as others read them: JWK (RFC 7517, RFC 8037), its thumbprint (RFC 7638), PEM, and the line of OpenSSH.
//!
//! Keys here are raw: Ed25519 32 bytes, P-256 65 and P-521 133 bytes uncompressed, RSA as PKCS#1. No private key is ever written, and a
//! symmetric key has no such form.

use crate::{
    crypto::{rsa, sha256},
    effect::Kind,
    id::KeyId,
    owner::{command::Alg, sshsig::PublicKey},
    solana::Pubkey,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};

/// DER before the 32 bytes of an Ed25519 key (RFC 8410 §4).
const ED25519_SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// DER before the 65 bytes of an uncompressed P-256 point (RFC 5480 §2).
pub(crate) const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// DER before the 65 bytes of an uncompressed secp256k1 point (RFC 5480 §2, SEC 2 §2.4.1).
const SECP256K1_SPKI_PREFIX: [u8; 23] = [
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
];
/// DER before the 133 bytes of an uncompressed P-521 point (RFC 5480 §2).
const P521_SPKI_PREFIX: [u8; 25] = [
    0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
    0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
];
/// Characters of one line of PEM (RFC 7468 §2).
const PEM_LINE: usize = 64;

/// The JWK as JSON, with `kid` = [`thumbprint`] and `alg`.
#[must_use]
pub fn jwk(alg: Alg, public: &[u8]) -> Option<Value> {
    let mut members = required(alg, public)?;
    let name = match alg {
        Alg::Ed25519 => "EdDSA",
        Alg::P256 => "ES256",
        Alg::Rs256 => "RS256",
        // RFC 8812 §3.1 hashes with SHA-256: the key is the curve's, the algorithm not this one.
        Alg::Secp256k1 => return Some(Value::Object(members)),
        Alg::Ps512 => "PS512",
        Alg::P521 => "ES512",
        Alg::SigV4 | Alg::Hs256 | Alg::Hs512 => return None,
    };
    members.insert("kid".to_owned(), thumbprint(alg, public)?.into());
    members.insert("alg".to_owned(), name.into());
    members.insert("use".to_owned(), "sig".into());
    Some(Value::Object(members))
}

/// RFC 7638 thumbprint with SHA-256, base64url without padding; nothing for bytes that are no key of the algorithm.
#[must_use]
pub fn thumbprint(alg: Alg, public: &[u8]) -> Option<String> {
    // RFC 7638 §3: the required members in the order of their names, without white space.
    let mut members: Vec<_> = public_members(alg, public)?;
    members.sort_unstable();
    Some(URL_SAFE_NO_PAD.encode(sha256(&[object(&members).as_bytes()]).0))
}

/// SubjectPublicKeyInfo in PEM.
#[must_use]
pub fn pem(alg: Alg, public: &[u8]) -> Option<String> {
    public_members(alg, public)?;
    let der = match alg {
        Alg::Ed25519 => [&ED25519_SPKI_PREFIX, public].concat(),
        Alg::P256 => [&P256_SPKI_PREFIX, public].concat(),
        Alg::P521 => [&P521_SPKI_PREFIX, public].concat(),
        Alg::Secp256k1 => [&SECP256K1_SPKI_PREFIX, public].concat(),
        Alg::Rs256 | Alg::Ps512 => rsa::spki(public)?,
        Alg::SigV4 | Alg::Hs256 | Alg::Hs512 => return None,
    };
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN PUBLIC KEY-----\n");
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(PEM_LINE) {
            out.push('\n');
        }
        out.push(digit);
    }
    out.push_str("\n-----END PUBLIC KEY-----\n");
    Some(out)
}

/// What of a public key is shown, by name: `jwk` and `pem`, of a chain's key `address`, or, of a symmetric key, `access_key_id` or `key_id`; of kind `ssh` also the
/// line that OpenSSH takes, as in `authorized_keys`, with the key's id as its comment.
#[must_use]
pub fn shown(id: &KeyId, kind: Kind, alg: Alg, public: &[u8]) -> Vec<(String, Value)> {
    let access_key = alg.access_key_id(public).map(Value::from);
    let address = alg.address(public).map(|one| one.to_string());
    let account = Pubkey::of_public_key(public).filter(|_| kind == Kind::Solana);
    let address = address.or_else(|| account.map(|one| one.to_string()));
    let line = PublicKey::of(alg, public).filter(|_| kind == Kind::Ssh);
    let all = [
        ("access_key_id", access_key),
        ("address", address.map(Value::from)),
        ("key_id", alg.key_id(public).map(Value::from)),
        ("jwk", jwk(alg, public)),
        ("pem", pem(alg, public).map(Value::from)),
        ("ssh", line.map(|key| format!("{key} {id}").into())),
    ];
    let all = all.into_iter();
    all.filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The key directory of one key, to the byte (draft-ietf-webbotauth-httpsig-protocol §8.2): a JWK set with `kid` = [`thumbprint`] and
/// `use`, members in the order of the draft's sample (`kty`, `crv`, `kid`, `x`, `y`, `use`), without white space. Nothing for bytes that are no key of the algorithm, nor
/// for an algorithm that signs no HTTP message.
#[must_use]
pub fn directory(alg: Alg, public: &[u8]) -> Option<String> {
    matches!(alg, Alg::Ed25519 | Alg::P256).then_some(())?;
    let kid = thumbprint(alg, public)?;
    let mut members = public_members(alg, public)?;
    let coordinates = members.split_off(2);
    members.push(("kid", kid));
    members.extend(coordinates);
    members.push(("use", "sig".to_owned()));
    Some(format!(r#"{{"keys":[{}]}}"#, object(&members)))
}

/// Members in their order, without white space; no name or value of a key needs an escape.
fn object(members: &[(&str, String)]) -> String {
    let members = members.iter();
    let members: Vec<_> = members
        .map(|(name, value)| format!(r#""{name}":"{value}""#))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// The public members alone, as a proof of possession carries its key (RFC 9449 §4.2): no `kid`, no `use`.
#[must_use]
pub fn bare(alg: Alg, public: &[u8]) -> Option<Value> {
    required(alg, public).map(Value::Object)
}

fn required(alg: Alg, public: &[u8]) -> Option<Map<String, Value>> {
    let members = public_members(alg, public)?.into_iter();
    let members = members.map(|(name, value)| (name.to_owned(), Value::from(value)));
    Some(members.collect())
}

/// The members that make a key, numbers in base64url; nothing for another length, a compressed point or an RSA key that is
/// not in its one spelling.
fn public_members(alg: Alg, public: &[u8]) -> Option<Vec<(&'static str, String)>> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let named = |kty: &str| ("kty", kty.to_owned());
    match (alg, public) {
        (Alg::Ed25519, key) if key.len() == 32 => Some(vec![
            named("OKP"),
            ("crv", "Ed25519".to_owned()),
            ("x", encode(key)),
        ]),
        // SEC 1 §2.3.3: 4 says uncompressed.
        (Alg::P256 | Alg::Secp256k1, [4, point @ ..]) if point.len() == 64 => {
            let (x, y) = point.split_at_checked(32)?;
            // RFC 8812 §3.1.
            let name = if alg == Alg::P256 {
                "P-256"
            } else {
                "secp256k1"
            };
            let curve = ("crv", name.to_owned());
            Some(vec![named("EC"), curve, ("x", encode(x)), ("y", encode(y))])
        }
        (Alg::P521, [4, point @ ..]) if point.len() == 132 => {
            let (x, y) = point.split_at_checked(66)?;
            let curve = ("crv", "P-521".to_owned());
            Some(vec![named("EC"), curve, ("x", encode(x)), ("y", encode(y))])
        }
        (Alg::Rs256 | Alg::Ps512, key) => {
            let n = encode(rsa::modulus(key)?);
            Some(vec![named("RSA"), ("e", encode(&rsa::EXPONENT)), ("n", n)])
        }
        (
            Alg::Ed25519
            | Alg::P256
            | Alg::P521
            | Alg::SigV4
            | Alg::Secp256k1
            | Alg::Hs256
            | Alg::Hs512,
            _,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };

    // RFC 8037 appendix A.2: the key; A.3: its thumbprint.
    const RFC_8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn rfc_8037() -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(RFC_8037_X).unwrap()
    }

    #[test]
    fn a_key_of_kind_ssh_is_shown_as_openssh_takes_it() {
        let id = KeyId::parse("k_ca").unwrap();
        let shown = |kind| {
            let all = shown(&id, kind, Alg::Ed25519, &rfc_8037());
            let names: Vec<_> = all
                .iter()
                .map(|(name, _)| name.as_str().to_owned())
                .collect();
            let line = all.into_iter().find(|(name, _)| name == "ssh");
            (names.join(" "), line.map(|(_, line)| line))
        };
        let (names, line) = shown(Kind::Ssh);
        assert_eq!(names, "jwk pem ssh");
        let line = line.unwrap();
        let line = line.as_str().unwrap();
        assert!(line.ends_with(" k_ca"), "{line}");
        let key = PublicKey::parse_line(line).unwrap();
        assert_eq!(key.point(), Some(rfc_8037().as_slice()));
        assert_eq!(shown(Kind::Http), ("jwk pem".to_owned(), None));
    }

    #[test]
    fn an_ed25519_key_is_the_one_of_rfc_8037() {
        let jwk = jwk(Alg::Ed25519, &rfc_8037()).unwrap();
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let expected = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "x": RFC_8037_X, "kid": kid, "alg": "EdDSA", "use": "sig"
        });
        assert_eq!(jwk, expected);
        assert_eq!(thumbprint(Alg::Ed25519, &rfc_8037()).unwrap(), kid);
    }

    #[test]
    fn a_directory_is_one_key_and_its_bytes_are_fixed() {
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let expected = format!(
            r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{RFC_8037_X}","use":"sig"}}]}}"#
        );
        assert_eq!(directory(Alg::Ed25519, &rfc_8037()).unwrap(), expected);
        let read: Value = serde_json::from_str(&expected).unwrap();
        let mut whole = jwk(Alg::Ed25519, &rfc_8037()).unwrap();
        // JOSE's names of algorithms are none of HTTP's.
        whole.as_object_mut().unwrap().remove("alg");
        assert_eq!(read["keys"][0], whole);
        assert!(directory(Alg::Ed25519, &[0; 31]).is_none());
        assert!(directory(Alg::Rs256, &[0x30; 270]).is_none());
        assert!(directory(Alg::SigV4, b"AKIA").is_none());
    }

    #[test]
    fn a_p256_key_has_both_coordinates() {
        // RFC 7517 appendix A.1: the first key.
        let x = "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4";
        let y = "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM";
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = [vec![4], decode(x), decode(y)].concat();
        let jwk = jwk(Alg::P256, &public).unwrap();
        for (name, value) in [
            ("kty", "EC"),
            ("crv", "P-256"),
            ("x", x),
            ("y", y),
            ("alg", "ES256"),
            ("use", "sig"),
        ] {
            assert_eq!(jwk[name], value, "{name}");
        }
        let hashed = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(sha256(&[hashed.as_bytes()]).0);
        assert_eq!(jwk["kid"], kid.as_str());
    }

    #[test]
    fn an_ed25519_pem_is_the_one_of_rfc_8410() {
        // RFC 8410 §10.1.
        let text = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let der = STANDARD.decode(text).unwrap();
        let pem = pem(Alg::Ed25519, &der[12..]).unwrap();
        assert_eq!(
            pem,
            format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
        );
    }

    #[test]
    fn a_p256_pem_is_the_der_another_library_writes() {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let pem = pem(Alg::P256, pair.public_key().as_ref()).unwrap();
        let lines: Vec<&str> = pem.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= 64));
        let inner = lines[1..lines.len() - 1].concat();
        assert_eq!(STANDARD.decode(inner).unwrap(), der.as_ref());
    }

    #[test]
    fn an_rsa_key_has_the_thumbprint_of_rfc_7638() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst\
                 n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO\
                 pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let head = [0x30, 0x82, 1, 10, 2, 0x82, 1, 1, 0];
        let modulus = URL_SAFE_NO_PAD.decode(n).unwrap();
        let public = [&head[..], &modulus, &[2, 3, 1, 0, 1]].concat();
        let jwk = jwk(Alg::Rs256, &public).unwrap();
        assert_eq!(jwk["kid"], "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        for (name, value) in [("kty", "RSA"), ("e", "AQAB"), ("n", n), ("alg", "RS256")] {
            assert_eq!(jwk[name], value, "{name}");
        }
        assert_eq!(
            bare(Alg::Rs256, &public)
                .unwrap()
                .as_object()
                .unwrap()
                .len(),
            3
        );
    }

    #[test]
    fn bytes_that_are_no_key_have_no_form() {
        for (alg, public) in [
            (Alg::Ed25519, vec![1; 31]),
            (Alg::Ed25519, vec![1; 33]),
            (Alg::P256, vec![4; 64]),
            (Alg::P256, vec![4; 66]),
            (Alg::P256, vec![2; 65]),
            (Alg::P256, vec![]),
            (Alg::Rs256, vec![0x30; 270]),
            (Alg::Rs256, vec![]),
        ] {
            assert!(jwk(alg, &public).is_none());
            assert!(thumbprint(alg, &public).is_none());
            assert!(pem(alg, &public).is_none());
        }
    }
}

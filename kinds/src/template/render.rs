//! Templates rendered: placeholders replaced by the bytes of one request, one moment and one key.
//!
//! It decides nothing: what may stand where was decided by the catalog's parser.

use crate::{Moment, moment};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_shared::{
    call::http::Headers,
    catalog::template::{Encoding, Hash, Insert, Part, Piece, Slot, Spelling, Text},
    crypto::{sha256, sha512},
    id::to_hex,
    owner::command::Alg,
};
use std::borrow::Cow;

/// Query and body as they go out.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) query: Option<String>,
    pub(super) body: Option<Vec<u8>>,
}

/// All that a placeholder can stand for.
pub(super) struct Context<'a> {
    pub(super) method: &'a str,
    pub(super) authority: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a Headers,
    pub(super) sent: &'a Sent,
    pub(super) moment: &'a Moment,
    pub(super) key_id: &'a str,
    pub(super) idempotency_key: String,
    pub(super) signature: &'a str,
}

impl Context<'_> {
    /// One part of what is signed.
    pub(super) fn put_part(&self, out: &mut Vec<u8>, part: &Part) {
        match part {
            Part::Text(text) => self.put(out, text),
            Part::Hash(hash, spelling, text) => {
                let mut inner = Vec::new();
                self.put(&mut inner, text);
                put_hash(out, *hash, *spelling, &inner);
            }
        }
    }

    /// A text of a header field or a query, which holds no raw bytes.
    pub(super) fn text(&self, text: &Text) -> String {
        let mut out = Vec::new();
        self.put(&mut out, text);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn put(&self, out: &mut Vec<u8>, text: &Text) {
        for piece in text.pieces() {
            match piece {
                Piece::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
                Piece::Slot(slot) => self.put_slot(out, slot),
            }
        }
    }

    fn put_slot(&self, out: &mut Vec<u8>, slot: &Slot) {
        let query = self.sent.query.as_deref();
        let body = self.sent.body.as_deref().unwrap_or_default();
        let text: Cow<'_, str> = match slot {
            Slot::Method => self.method.into(),
            Slot::Host => self.authority.into(),
            Slot::Path => self.path.into(),
            Slot::Query => query.unwrap_or_default().into(),
            Slot::Target => {
                let mark = if query.is_some() { "?" } else { "" };
                format!("{}{mark}{}", self.path, query.unwrap_or_default()).into()
            }
            Slot::Body => {
                out.extend_from_slice(body);
                return;
            }
            Slot::BodyHash(hash, spelling) => {
                put_hash(out, *hash, *spelling, body);
                return;
            }
            Slot::KeyId => self.key_id.into(),
            Slot::Header(name) => self.headers.value(name).unwrap_or_default().into(),
            Slot::IdempotencyKey => self.idempotency_key.as_str().into(),
            Slot::Signature => self.signature.into(),
            Slot::Seconds
            | Slot::Milliseconds
            | Slot::Iso
            | Slot::Expires
            | Slot::NonceMs
            | Slot::NonceUs
            | Slot::NonceHex => made(slot, self.moment).into(),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// What the enclave makes of a moment; nothing for another placeholder.
fn made(slot: &Slot, moment: &Moment) -> String {
    let now = moment.now;
    let part = now.0 % 1000;
    match slot {
        Slot::Seconds => now.secs().to_string(),
        Slot::Milliseconds | Slot::NonceMs => now.0.to_string(),
        Slot::Iso => {
            let seconds = now.to_string();
            format!("{}.{part:03}Z", seconds.trim_end_matches('Z'))
        }
        Slot::Expires => moment.expires_at.secs().to_string(),
        Slot::NonceUs => {
            let [high, low, ..] = moment.nonce;
            format!("{}{:03}", now.0, u16::from_be_bytes([high, low]) % 1000)
        }
        Slot::NonceHex => to_hex(&moment.nonce),
        Slot::IdempotencyKey => moment::nonce(moment),
        Slot::Method
        | Slot::Host
        | Slot::Path
        | Slot::Query
        | Slot::Target
        | Slot::Body
        | Slot::BodyHash(..)
        | Slot::KeyId
        | Slot::Header(_)
        | Slot::Signature => String::new(),
    }
}

/// Members before and after the caller's, joined.
pub(super) struct Inserted {
    before: Vec<String>,
    after: Vec<String>,
}

/// The members that the enclave writes.
pub(super) fn inserted(inserts: &[Insert], moment: &Moment) -> Inserted {
    let member = |insert: &Insert| {
        let pieces = insert.value.pieces().iter();
        let value = pieces.map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Slot(slot) => made(slot, moment),
        });
        format!("{}={}", insert.name, value.collect::<String>())
    };
    let of = |first: bool| {
        let of = inserts.iter().filter(|insert| insert.first == first);
        of.map(member).collect()
    };
    Inserted {
        before: of(true),
        after: of(false),
    }
}

impl Inserted {
    /// The caller's members with these around them; nothing where there are none at all.
    pub(super) fn around(&self, own: Option<&[u8]>) -> Option<Vec<u8>> {
        if self.before.is_empty() && self.after.is_empty() {
            return own.map(<[u8]>::to_vec);
        }
        let own = own.filter(|own| !own.is_empty());
        let all = self.before.iter().map(String::as_bytes).chain(own);
        let all: Vec<_> = all.chain(self.after.iter().map(String::as_bytes)).collect();
        Some(all.join(&b'&'))
    }
}

fn put_hash(out: &mut Vec<u8>, hash: Hash, spelling: Spelling, bytes: &[u8]) {
    let (short, long);
    let digest: &[u8] = match hash {
        Hash::Sha256 => {
            short = sha256(&[bytes]).0;
            &short
        }
        Hash::Sha512 => {
            long = sha512(&[bytes]);
            &long
        }
    };
    match spelling {
        Spelling::Raw => out.extend_from_slice(digest),
        Spelling::Hex => out.extend_from_slice(to_hex(digest).as_bytes()),
        Spelling::Base64 => out.extend_from_slice(STANDARD.encode(digest).as_bytes()),
    }
}

/// The protected header of a JWS: `alg`, then the route's members.
pub(super) fn jose_header(context: &Context<'_>, alg: Alg, members: &[(String, Text)]) -> String {
    let alg = match alg {
        Alg::Ed25519 => "EdDSA",
        Alg::P256 => "ES256",
        Alg::P521 => "ES512",
        Alg::Rs256 => "RS256",
        Alg::Hs256 => "HS256",
        Alg::Hs512 => "HS512",
        Alg::Ps512 => "PS512",
        Alg::SigV4 | Alg::Secp256k1 => "none",
    };
    let mut out = format!("{{\"alg\":\"{alg}\"");
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    for (name, text) in members {
        out.push(',');
        out.push_str(&quoted(name));
        out.push(':');
        out.push_str(&quoted(&context.text(text)));
    }
    out.push('}');
    out
}

/// A signature as it is sent; nothing for a JWS whose signing input is none.
pub(super) fn encode(encoding: Encoding, signature: &[u8], message: &[u8]) -> Option<String> {
    Some(match encoding {
        Encoding::Hex => to_hex(signature),
        Encoding::Base64 => STANDARD.encode(signature),
        Encoding::Base64url => URL_SAFE_NO_PAD.encode(signature),
        Encoding::Jws => {
            let (header, _) = std::str::from_utf8(message).ok()?.split_once('.')?;
            format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature))
        }
    })
}

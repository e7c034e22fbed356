//! Requests as callers write them: JSON with a kind's own members, and nothing else.
//!
//! Only the form is checked. What a method, a URL or a header may be is the enclave's to say.

use super::Problem;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    call::{
        AwsInput, EvmInput, HttpInput, Input, JwtInput, Sign, SshCertificateInput, SshInput,
        SshSignatureInput, solana::SolanaInput,
    },
    chain,
    grant::profile,
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// The kinds a path may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `http`.
    Http,
    /// `jwt`.
    Jwt,
    /// `aws`.
    Aws,
    /// `evm`.
    Evm,
    /// `x402`.
    X402,
    /// `ssh`.
    Ssh,
    /// `template`.
    Template,
    /// `solana`.
    Solana,
}

impl Kind {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "jwt" => Some(Self::Jwt),
            "aws" => Some(Self::Aws),
            "evm" => Some(Self::Evm),
            "x402" => Some(Self::X402),
            "ssh" => Some(Self::Ssh),
            "template" => Some(Self::Template),
            "solana" => Some(Self::Solana),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    method: String,
    url: String,
    #[serde(default)]
    headers: Headers,
    body: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwt {
    #[serde(default = "assertion")]
    profile: String,
    audience: Option<String>,
    nonce: Option<String>,
    ttl_s: Option<u64>,
    method: Option<String>,
    url: Option<String>,
    ath: Option<String>,
    wit: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Aws {
    service: String,
    region: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: Headers,
    body: Option<String>,
    #[serde(default)]
    presign: bool,
    ttl_s: Option<u64>,
    idempotency_key: Option<String>,
}

/// What is to be signed for a chain, one of these; JSON goes on as it came.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evm<'a> {
    #[serde(borrow)]
    tx: Option<&'a RawValue>,
    raw_tx: Option<String>,
    #[serde(borrow)]
    typed_data: Option<&'a RawValue>,
    sign_in: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct X402 {
    payment_required: Value,
    accept: Option<usize>,
    ttl_s: Option<u64>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Solana {
    message: String,
    idempotency_key: Option<String>,
}

/// By `form`, which says what else stands there.
#[derive(Deserialize)]
#[serde(tag = "form", rename_all = "lowercase", deny_unknown_fields)]
enum Ssh {
    Certificate {
        public_key: String,
        principals: Vec<String>,
        ttl_s: Option<u64>,
        idempotency_key: Option<String>,
    },
    Signature {
        namespace: String,
        object: String,
    },
}

fn assertion() -> String {
    "assertion".to_owned()
}

/// Header fields in their order: an object's members, or a list of pairs.
#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of texts, or a list of pairs of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Headers, M::Error> {
        let mut list = Vec::new();
        while let Some(pair) = map.next_entry()? {
            list.push(pair);
        }
        Ok(Headers(list))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Headers, S::Error> {
        let mut list = Vec::new();
        while let Some(pair) = seq.next_element()? {
            list.push(pair);
        }
        Ok(Headers(list))
    }
}

/// Reads a request.
///
/// # Errors
///
/// A [`Problem`] that says where and what was expected.
pub fn parse(kind: Kind, bytes: &[u8]) -> Result<Sign, Problem> {
    match kind {
        Kind::Http => http(read(bytes)?, Input::Http),
        Kind::Jwt => jwt(read(bytes)?),
        Kind::Aws => aws(read(bytes)?),
        Kind::Evm => evm(read(bytes)?),
        Kind::X402 => x402(read(bytes)?),
        Kind::Ssh => ssh(read(bytes)?),
        Kind::Template => http(read(bytes)?, Input::Template),
        Kind::Solana => solana(read(bytes)?),
    }
}

/// The error says where and what was expected, and quotes at most what the caller itself wrote.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::malformed(&error.to_string()))
}

fn http(request: Http, of: fn(HttpInput) -> Input) -> Result<Sign, Problem> {
    let Http {
        method,
        url,
        headers: Headers(headers),
        body,
        idempotency_key,
    } = request;
    Ok(Sign {
        input: of(HttpInput {
            method,
            url,
            headers: lower(headers),
            body: decoded(body)?.map(Into::into),
        }),
        idempotency_key,
    })
}

fn decoded(body: Option<String>) -> Result<Option<Vec<u8>>, Problem> {
    let decoded = body.map(|body| STANDARD.decode(body)).transpose();
    decoded.map_err(|_| Problem::malformed("`body` is not padded base64"))
}

fn lower(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
    headers.into_iter().map(lower).collect()
}

fn aws(request: Aws) -> Result<Sign, Problem> {
    let Aws {
        service,
        region,
        method,
        url,
        headers: Headers(headers),
        body,
        presign,
        ttl_s,
        idempotency_key,
    } = request;
    Ok(Sign {
        input: Input::Aws(AwsInput {
            service,
            region,
            method,
            url,
            headers: lower(headers),
            body: decoded(body)?.map(Into::into),
            presign,
            ttl_s,
        }),
        idempotency_key,
    })
}

fn evm(request: Evm<'_>) -> Result<Sign, Problem> {
    let Evm {
        tx,
        raw_tx,
        typed_data,
        sign_in,
        idempotency_key,
    } = request;
    let text = |raw: &RawValue| raw.get().as_bytes().to_vec().into();
    let input = match (tx, raw_tx, typed_data, sign_in) {
        (Some(tx), None, None, None) => EvmInput::Tx(text(tx)),
        (None, Some(raw_tx), None, None) => {
            let wanted = || Problem::malformed("`raw_tx` is not 0x and hexadecimal digits");
            EvmInput::RawTx(chain::bytes(&raw_tx).ok_or_else(wanted)?.into())
        }
        (None, None, Some(typed), None) => EvmInput::TypedData(text(typed)),
        (None, None, None, Some(sign_in)) => EvmInput::SignIn(sign_in),
        _ => {
            let wanted = "expected one of `tx`, `raw_tx`, `typed_data` and `sign_in`";
            return Err(Problem::malformed(wanted));
        }
    };
    Ok(Sign {
        input: Input::Evm(input),
        idempotency_key,
    })
}

/// The header field as it came, or the JSON that it holds.
fn x402(request: X402) -> Result<Sign, Problem> {
    let X402 {
        payment_required,
        accept,
        ttl_s,
        idempotency_key,
    } = request;
    let text = match payment_required {
        Value::String(text) => text,
        value @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_)) => value.to_string(),
    };
    let input = claviger_client::x402::input(&text, accept, ttl_s);
    let input =
        input.map_err(|error| Problem::malformed(&format!("`payment_required`: {error}")))?;
    Ok(Sign {
        input: Input::X402(input),
        idempotency_key,
    })
}

fn solana(request: Solana) -> Result<Sign, Problem> {
    let Solana {
        message,
        idempotency_key,
    } = request;
    let message = STANDARD.decode(message);
    let message = message.map_err(|_| Problem::malformed("`message` is not padded base64"))?;
    Ok(Sign {
        input: Input::Solana(SolanaInput {
            message: message.into(),
        }),
        idempotency_key,
    })
}

fn ssh(request: Ssh) -> Result<Sign, Problem> {
    let (input, idempotency_key) = match request {
        Ssh::Certificate {
            public_key,
            principals,
            ttl_s,
            idempotency_key,
        } => {
            let input = SshCertificateInput {
                public_key,
                principals,
                ttl_s,
            };
            (SshInput::Certificate(input), idempotency_key)
        }
        Ssh::Signature { namespace, object } => {
            let object = STANDARD.decode(object);
            let object = object.map_err(|_| Problem::malformed("`object` is not padded base64"))?;
            let input = SshSignatureInput {
                namespace,
                object: object.into(),
            };
            (SshInput::Signature(input), None)
        }
    };
    Ok(Sign {
        input: Input::Ssh(input),
        idempotency_key,
    })
}

fn jwt(request: Jwt) -> Result<Sign, Problem> {
    let Jwt {
        profile,
        audience,
        nonce,
        ttl_s,
        method,
        url,
        ath,
        wit,
        idempotency_key,
    } = request;
    if audience.is_none() && profile != profile::DPOP {
        return Err(Problem::malformed("missing field `audience`"));
    }
    Ok(Sign {
        input: Input::Jwt(JwtInput {
            profile,
            audience: audience.unwrap_or_default(),
            nonce,
            ttl_s,
            method,
            url,
            ath,
            wit,
        }),
        idempotency_key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_input(text: &str) -> HttpInput {
        let Input::Http(input) = parse(Kind::Http, text.as_bytes()).unwrap().input else {
            panic!("not http");
        };
        input
    }

    #[test]
    fn headers_keep_their_order_and_repetitions_in_either_form() {
        let wanted = [("b", "1"), ("a", "2"), ("b", "3")].map(|(n, v)| (n.into(), v.into()));
        let map = r#"{"method":"GET","url":"u","headers":{"B":"1","a":"2","b":"3"}}"#;
        let list = r#"{"method":"GET","url":"u","headers":[["B","1"],["a","2"],["b","3"]]}"#;
        assert_eq!(http_input(map).headers, wanted);
        assert_eq!(http_input(list).headers, wanted);
    }

    #[test]
    fn a_body_is_base64_and_absent_is_not_empty() {
        let body = |text: &str| http_input(text).body.map(serde_bytes_vec);
        assert_eq!(body(r#"{"method":"GET","url":"u"}"#), None);
        let empty = r#"{"method":"GET","url":"u","body":""}"#;
        assert_eq!(body(empty), Some(Vec::new()));
        let some = r#"{"method":"GET","url":"u","body":"e30="}"#;
        assert_eq!(body(some), Some(b"{}".to_vec()));
        for wrong in ["e30", "{}", "e30=\\n"] {
            let text = format!(r#"{{"method":"GET","url":"u","body":"{wrong}"}}"#);
            assert!(parse(Kind::Http, text.as_bytes()).is_err(), "{wrong}");
        }
    }

    fn serde_bytes_vec(bytes: impl AsRef<[u8]>) -> Vec<u8> {
        bytes.as_ref().to_vec()
    }

    #[test]
    fn unknown_repeated_missing_and_foreign_members_are_refused() {
        for (kind, text) in [
            (Kind::Http, r#"{"method":"GET"}"#),
            (Kind::Http, r#"{"method":"GET","url":"u","digest":"x"}"#),
            (Kind::Http, r#"{"method":"GET","method":"GET","url":"u"}"#),
            (Kind::Http, r#"{"method":"GET","url":"u","audience":"a"}"#),
            (
                Kind::Http,
                r#"{"method":"GET","url":"u","headers":[["a"]]}"#,
            ),
            (Kind::Http, r#"{"method":"GET","url":"u","headers":"a: b"}"#),
            (Kind::Jwt, r#"{"profile":"assertion"}"#),
            (Kind::Jwt, r#"{"profile":"gcp","url":"u"}"#),
            (Kind::Jwt, r#"{"audience":"a","token":"t"}"#),
            (Kind::Jwt, r#"{"audience":"a","ttl_s":-1}"#),
            (Kind::Jwt, r#"{"audience":"a"} x"#),
            (Kind::Aws, r#"{"method":"GET","url":"u"}"#),
            (
                Kind::Aws,
                r#"{"service":"s","region":"r","method":"GET","url":"u","digest":"x"}"#,
            ),
            (Kind::Evm, r"{}"),
            (Kind::Evm, r#"{"tx":{},"sign_in":"t"}"#),
            (Kind::Evm, r#"{"raw_tx":"0xa"}"#),
            (Kind::Evm, r#"{"raw_tx":"c0"}"#),
            (Kind::Evm, r#"{"tx":{},"digest":"0x00"}"#),
            (Kind::Solana, r#"{}"#),
            (Kind::Solana, r#"{"message":"AQ"}"#),
            (Kind::Solana, r#"{"message":"AQ==","transaction":"AQ=="}"#),
            (Kind::Ssh, r#"{"public_key":"k","principals":["a"]}"#),
            (
                Kind::Ssh,
                r#"{"form":"host","public_key":"k","principals":["a"]}"#,
            ),
            (Kind::Ssh, r#"{"form":"certificate","public_key":"k"}"#),
            (
                Kind::Ssh,
                r#"{"form":"certificate","public_key":"k","principals":["a"],"extensions":[]}"#,
            ),
            (
                Kind::Ssh,
                r#"{"form":"certificate","public_key":"k","principals":["a"],"object":""}"#,
            ),
            (
                Kind::Ssh,
                r#"{"form":"signature","form":"signature","namespace":"git","object":""}"#,
            ),
            (
                Kind::Ssh,
                r#"{"form":"signature","namespace":"git","namespace":"git","object":""}"#,
            ),
            (Kind::Ssh, r#"{"form":"signature","namespace":"git"}"#),
            (
                Kind::Ssh,
                r#"{"form":"signature","namespace":"git","object":"","idempotency_key":"k"}"#,
            ),
            (
                Kind::Ssh,
                r#"{"form":"signature","namespace":"git","object":"","digest":""}"#,
            ),
            (
                Kind::Ssh,
                r#"{"form":"signature","namespace":"git","object":"e30"}"#,
            ),
        ] {
            assert!(parse(kind, text.as_bytes()).is_err(), "{text}");
        }
        let sign = parse(Kind::Jwt, br#"{"audience":"a","idempotency_key":"k"}"#).unwrap();
        assert_eq!(sign.idempotency_key.as_deref(), Some("k"));
    }
}

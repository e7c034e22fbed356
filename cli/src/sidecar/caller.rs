//! The other side of the sidecar's face: agents' verbs run by `claviger exec`'s command, which holds no agent key.
//!
//! What is answered is the sidecar's word, which has checked it; it is passed on as it came.

use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_client::web;
use claviger_shared::{
    call::{
        Ask, AwsInput, EvmInput, HttpInput, Input, JwtInput, Sign, SshCertificateInput, SshInput,
        SshSignatureInput, solana::SolanaInput, x402::X402Input,
    },
    denial::Code,
    id::to_hex,
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use std::{fmt, time::Duration};
use zeroize::Zeroizing;

/// Longest answer read.
const MAX_ANSWER: usize = 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A sidecar, as its token's holder calls it.
pub struct Caller {
    http: reqwest::Client,
    url: String,
    token: Zeroizing<String>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What a sidecar answered.
#[derive(Debug)]
pub struct Answer {
    /// A credential, a grant, or a problem document.
    pub value: Value,
    /// The exit code that goes with it.
    pub exit: u8,
}

impl Caller {
    /// The sidecar that this process was started beside, by its environment.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when no HTTP client can be made.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads what `exec` gave its command"
    )]
    pub fn from_environment() -> Result<Option<Self>, Error> {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        let (Some(url), Some(token)) = (variable("CLAVIGER_URL"), variable("CLAVIGER_TOKEN"))
        else {
            return Ok(None);
        };
        let http = web::builder(false, &[])?
            .timeout(TIMEOUT)
            .no_proxy()
            .build();
        let http = http.map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Some(Self {
            http,
            url: url.trim_end_matches('/').to_owned(),
            token: Zeroizing::new(token),
        }))
    }

    /// Asks for what a sidecar gives: a credential, a simulation, the own grant.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for what only a holder of the agent key may ask; [`Error::Unavailable`].
    pub async fn ask(&self, ask: &Ask) -> Result<Answer, Error> {
        let request = match ask {
            Ask::Whoami => self.http.get(format!("{}/v1/grants/self", self.url)),
            Ask::Sign(sign) => self.call("credentials", sign)?,
            Ask::Simulate(sign) => self.call("simulate", sign)?,
            Ask::Checkpoint(_) | Ask::Renew | Ask::RevokeSelf { .. } => {
                let why =
                    "this needs the agent key: the sidecar renews by itself and does not revoke";
                return Err(Error::Usage(why.to_owned()));
            }
        };
        let request = request.bearer_auth(self.token.as_str());
        let fault = |error: reqwest::Error| {
            let why = if error.is_connect() {
                "cannot be connected to"
            } else {
                "did not answer"
            };
            Error::Unavailable(format!("the sidecar at {} {why}", self.url))
        };
        let mut answer = request.send().await.map_err(fault)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(fault)? {
            if body.len().saturating_add(part.len()) > MAX_ANSWER {
                return Err(Error::Unavailable(
                    "the sidecar's answer is too long".to_owned(),
                ));
            }
            body.extend_from_slice(&part);
        }
        let value: Value = serde_json::from_slice(&body)
            .map_err(|_| Error::Unavailable("the sidecar's answer is no JSON".to_owned()))?;
        let exit = if status.is_success() { 0 } else { exit(&value) };
        Ok(Answer { value, exit })
    }

    fn call(&self, what: &str, sign: &Sign) -> Result<reqwest::RequestBuilder, Error> {
        let (kind, body) = written(sign)?;
        let url = format!("{}/v1/{what}/{kind}", self.url);
        let request = self.http.post(url).body(body);
        Ok(request.header("content-type", "application/json"))
    }
}

/// A call in the form of docs/spec/sidecar.md.
fn written(sign: &Sign) -> Result<(&'static str, String), Error> {
    let (kind, mut value) = match &sign.input {
        Input::Http(input) => ("http", request(input)),
        Input::Template(input) => ("template", request(input)),
        Input::Jwt(JwtInput {
            profile,
            audience,
            ttl_s,
            nonce,
            method,
            url,
            ath,
            wit,
        }) => {
            let audience = Some(audience).filter(|audience| !audience.is_empty());
            let value = json!({
                "profile": profile, "audience": audience, "ttl_s": ttl_s, "nonce": nonce, "method": method, "url": url,
                "ath": ath, "wit": wit,
            });
            ("jwt", value)
        }
        Input::Aws(AwsInput {
            service,
            region,
            method,
            url,
            headers,
            body,
            presign,
            ttl_s,
        }) => {
            let body = body.as_ref().map(|body| STANDARD.encode(body));
            let value = json!({
                "service": service, "region": region, "method": method, "url": url, "headers": headers, "body": body,
                "presign": presign, "ttl_s": ttl_s,
            });
            ("aws", value)
        }
        Input::Evm(input) => {
            let key = sign.idempotency_key.as_deref();
            return Ok(("evm", evm(input, key)?));
        }
        Input::X402(X402Input {
            version,
            requirements,
            resource,
            extensions,
            ttl_s,
        }) => {
            let read = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_default();
            let mut demand = json!({ "x402Version": version, "accepts": [read(requirements)] });
            for (name, text) in [("resource", resource), ("extensions", extensions)] {
                if let (Some(text), Some(members)) = (text, demand.as_object_mut()) {
                    members.insert(name.to_owned(), read(text));
                }
            }
            let value = json!({ "payment_required": demand, "accept": 0, "ttl_s": ttl_s });
            ("x402", value)
        }
        Input::Solana(SolanaInput { message }) => {
            let value = json!({ "message": STANDARD.encode(message) });
            ("solana", value)
        }
        Input::Ssh(SshInput::Certificate(SshCertificateInput {
            public_key,
            principals,
            ttl_s,
        })) => {
            let value = json!({
                "form": "certificate", "public_key": public_key, "principals": principals, "ttl_s": ttl_s,
            });
            ("ssh", value)
        }
        Input::Ssh(SshInput::Signature(SshSignatureInput { namespace, object })) => {
            let object = STANDARD.encode(object);
            let value = json!({ "form": "signature", "namespace": namespace, "object": object });
            ("ssh", value)
        }
    };
    if let (Some(key), Some(members)) = (&sign.idempotency_key, value.as_object_mut()) {
        members.insert("idempotency_key".to_owned(), json!(key));
    }
    Ok((kind, value.to_string()))
}

/// What a chain's JSON is goes on as it was written, its repetitions too: the enclave says what it is.
fn evm(input: &EvmInput, idempotency_key: Option<&str>) -> Result<String, Error> {
    #[derive(Default, Serialize)]
    struct Evm<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        tx: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        raw_tx: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        typed_data: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sign_in: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<&'a str>,
    }
    let no_json = |_| Error::Usage("expected a file of JSON".to_owned());
    let raw = |text: &'_ [u8]| -> Result<Box<RawValue>, Error> {
        serde_json::from_slice::<&RawValue>(text)
            .map(ToOwned::to_owned)
            .map_err(no_json)
    };
    let (tx, typed_data) = match input {
        EvmInput::Tx(text) => (Some(raw(text)?), None),
        EvmInput::TypedData(text) => (None, Some(raw(text)?)),
        EvmInput::RawTx(_) | EvmInput::SignIn(_) => (None, None),
    };
    let mut written = Evm {
        tx: tx.as_deref(),
        typed_data: typed_data.as_deref(),
        idempotency_key,
        ..Evm::default()
    };
    match input {
        EvmInput::RawTx(bytes) => written.raw_tx = Some(format!("0x{}", to_hex(bytes))),
        EvmInput::SignIn(text) => written.sign_in = Some(text),
        EvmInput::Tx(_) | EvmInput::TypedData(_) => {}
    }
    serde_json::to_string(&written).map_err(no_json)
}

fn request(input: &HttpInput) -> Value {
    let HttpInput {
        method,
        url,
        headers,
        body,
    } = input;
    let body = body.as_ref().map(|body| STANDARD.encode(body));
    json!({ "method": method, "url": url, "headers": headers, "body": body })
}

/// The exit code of a problem: its denial's, else that of something that does not work just now.
fn exit(problem: &Value) -> u8 {
    let code = problem.get("code").and_then(Value::as_str);
    let known = Code::ALL.iter().find(|known| Some(known.as_str()) == code);
    known.map_or(5, |code| code.exit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::request::{self, Kind};

    /// What is written here is read there as the same call.
    #[test]
    fn a_call_is_read_as_it_was_meant() {
        let http = Sign {
            input: Input::Http(HttpInput {
                method: "POST".to_owned(),
                url: "https://a.example/".to_owned(),
                headers: vec![
                    ("x-a".to_owned(), "1".to_owned()),
                    ("x-a".to_owned(), "2".to_owned()),
                ],
                body: Some(b"\x00\xff".to_vec().into()),
            }),
            idempotency_key: Some("once".to_owned()),
        };
        let jwt = Sign {
            input: Input::Jwt(JwtInput {
                profile: "assertion".to_owned(),
                audience: "https://b.example/".to_owned(),
                ttl_s: Some(5),
                nonce: Some("n".to_owned()),
                method: None,
                url: None,
                ath: None,
                wit: None,
            }),
            idempotency_key: None,
        };
        let proof = Sign {
            input: Input::Jwt(JwtInput {
                profile: "dpop".to_owned(),
                audience: String::new(),
                ttl_s: None,
                nonce: None,
                method: Some("GET".to_owned()),
                url: Some("https://b.example/".to_owned()),
                ath: Some("h".to_owned()),
                wit: Some("a.b.c".to_owned()),
            }),
            idempotency_key: None,
        };
        let aws = Sign {
            input: Input::Aws(AwsInput {
                service: "s3".to_owned(),
                region: "eu-west-1".to_owned(),
                method: "PUT".to_owned(),
                url: "https://b.s3.eu-west-1.amazonaws.com/k".to_owned(),
                headers: vec![("x-amz-meta-a".to_owned(), "1".to_owned())],
                body: Some(b"x".to_vec().into()),
                presign: true,
                ttl_s: Some(60),
            }),
            idempotency_key: None,
        };
        let evm = |input| Sign {
            input: Input::Evm(input),
            idempotency_key: Some("once".to_owned()),
        };
        let text = br#"{"a": 1, "a": 1.0}"#.to_vec();
        let tx = evm(EvmInput::Tx(text.clone().into()));
        let raw = evm(EvmInput::RawTx(vec![2, 0xc0].into()));
        let typed = evm(EvmInput::TypedData(text.into()));
        let sign_in = evm(EvmInput::SignIn("a\n\"b".to_owned()));
        let certificate = Sign {
            input: Input::Ssh(SshInput::Certificate(SshCertificateInput {
                public_key: "ssh-ed25519 AAAA x".to_owned(),
                principals: vec!["deploy".to_owned()],
                ttl_s: Some(60),
            })),
            idempotency_key: Some("k".to_owned()),
        };
        let signature = Sign {
            input: Input::Ssh(SshInput::Signature(SshSignatureInput {
                namespace: "git".to_owned(),
                object: b"tree ".to_vec().into(),
            })),
            idempotency_key: None,
        };
        let Input::Http(request) = &http.input else {
            panic!("not http")
        };
        let template = Sign {
            input: Input::Template(request.clone()),
            idempotency_key: None,
        };
        let transaction = Sign {
            input: Input::Solana(SolanaInput {
                message: vec![1, 0, 1].into(),
            }),
            idempotency_key: Some("k".to_owned()),
        };
        for sign in [
            http,
            jwt,
            proof,
            aws,
            tx,
            raw,
            typed,
            sign_in,
            certificate,
            signature,
            template,
            transaction,
        ] {
            let (kind, text) = written(&sign).unwrap();
            let read = request::parse(Kind::parse(kind).unwrap(), text.as_bytes());
            assert_eq!(read.ok(), Some(sign));
        }
    }

    #[test]
    fn a_problem_has_the_exit_code_of_its_denial() {
        for code in Code::ALL {
            assert_eq!(exit(&json!({ "code": code.as_str() })), code.exit());
        }
        assert_eq!(exit(&json!({ "code": "unauthorized" })), 5);
        assert_eq!(exit(&json!(null)), 5);
    }

    #[test]
    fn debug_shows_no_token() {
        let caller = Caller {
            http: web::builder(false, &[]).unwrap().build().unwrap(),
            url: "u".to_owned(),
            token: Zeroizing::new("secret".to_owned()),
        };
        assert!(!format!("{caller:?}").contains("secret"));
    }
}

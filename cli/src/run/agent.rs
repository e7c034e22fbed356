//! Agents' verbs: one sealed request each, over a channel that was attested first.

use super::{Named, name, read};
use crate::{
    args::agent::{
        AwsCall, Call, CallKind, EvmCall, HttpCall, JwtCall, KeyFile, Keygen, SolanaCall,
        SshCertCall, SshSigCall, X402Call,
    },
    output::Outcome,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use claviger_cli::{
    Error,
    owner::{
        Desk,
        grant::{new_secret, write_secret},
    },
    sidecar::{Answer, Caller},
};
use claviger_client::{Agent, AgentKey, agent_key::AgentSecret, render};
use claviger_shared::{
    call::{
        Ask, AwsInput, EvmInput, HttpInput, Input, JwtInput, MAX_BODY, Reply, Sign,
        SshCertificateInput, SshInput, SshSignatureInput, solana::SolanaInput,
    },
    chain,
    crypto::sha256,
    grant::profile,
    id::GrantId,
};
use serde_json::{Value, json};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// How a secret's file begins.
const SECRET_PREFIX: &str = "clvs1_";

/// The agent key: its own file, the named profile's, the environment's, the environment's profile's.
pub(super) fn agent_key(named: &Named, file: &KeyFile) -> Result<AgentKey, Error> {
    if let Some(path) = &file.key_file {
        return from_file(path);
    }
    if let (Some(text), None) = (from_environment(), &named.argument) {
        return AgentKey::parse(&text)
            .map_err(|error| Error::Usage(format!("AGENT_API_KEY: {error}")));
    }
    let path = named
        .optional()?
        .and_then(|profile| profile.agent_api_key_file);
    let path = path.ok_or_else(|| {
        let how =
            "set AGENT_API_KEY, or give --key-file F, or a --profile that names agent_api_key_file";
        Error::Usage(format!("no agent key: {how}"))
    })?;
    from_file(&path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the agent key's variable"
)]
pub(super) fn from_environment() -> Option<Zeroizing<String>> {
    let text = std::env::var("AGENT_API_KEY").map(Zeroizing::new).ok();
    text.filter(|text| !text.is_empty())
}

fn from_file(path: &Path) -> Result<AgentKey, Error> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(Error::io("cannot read the agent key", path))?;
    AgentKey::parse(&text).map_err(|error| Error::Usage(format!("`{}`: {error}", path.display())))
}

/// The sidecar beside this process, where it was given one and no agent key.
pub(super) fn sidecar(named: &Named, file: &KeyFile) -> Result<Option<Caller>, Error> {
    let has_key = file.key_file.is_some() || from_environment().is_some();
    if has_key || named.argument.is_some() {
        return Ok(None);
    }
    Caller::from_environment()
}

/// Asks once and says what came of it.
async fn ask(named: &Named, file: &KeyFile, ask: Ask) -> Result<Outcome, Error> {
    if let Some(caller) = sidecar(named, file)? {
        return Ok(passed_on(caller.ask(&ask).await?));
    }
    let agent = Agent::connect(agent_key(named, file)?).await?;
    let simulation = agent.is_simulation().await;
    let reply = agent.ask(ask).await?;
    told(&reply, &agent.key().grant, simulation)
}

/// What a sidecar answered, as it came.
pub(super) fn passed_on(answer: Answer) -> Outcome {
    Outcome {
        document: answer.exit != 0,
        value: answer.value,
        exit: answer.exit,
    }
}

pub(super) fn told(reply: &Reply, grant: &GrantId, simulation: bool) -> Result<Outcome, Error> {
    let mut value = match reply {
        Reply::Denied(denial) => {
            return Ok(Outcome {
                value: render::problem(denial, simulation),
                exit: denial.code.exit(),
                document: true,
            });
        }
        Reply::Grant(own) => render::whoami(own, simulation),
        Reply::Issued(issued) => render::issued(issued, simulation)?,
        Reply::Known => json!({ "log": "known" }),
        Reply::Renewed(until) => json!({ "grant": grant, "expires_at": until.to_string() }),
        Reply::Revoked => json!({ "grant": grant, "state": "revoked" }),
    };
    render::mark(&mut value, simulation);
    Ok(value.into())
}

pub(super) async fn whoami(named: &Named, file: &KeyFile) -> Result<Outcome, Error> {
    ask(named, file, Ask::Whoami).await
}

pub(super) async fn renew(named: &Named, file: &KeyFile) -> Result<Outcome, Error> {
    ask(named, file, Ask::Renew).await
}

pub(super) async fn revoke(named: &Named, file: &KeyFile, leaked: bool) -> Result<Outcome, Error> {
    ask(named, file, Ask::RevokeSelf { leaked }).await
}

pub(super) async fn call(
    call: Call,
    named: impl Fn(Option<PathBuf>) -> Named,
    simulate: bool,
) -> Result<Outcome, Error> {
    let Call { profile, key, kind } = call;
    let (sign, profile) = match kind {
        CallKind::Http(call) => {
            let behind = call.profile.clone();
            (http(call, Input::Http)?, behind.or(profile))
        }
        CallKind::Template(call) => {
            let behind = call.profile.clone();
            (http(call, Input::Template)?, behind.or(profile))
        }
        CallKind::Jwt(call) => (jwt(call)?, profile),
        CallKind::Aws(call) => {
            let behind = call.profile.clone();
            (aws(call)?, behind.or(profile))
        }
        CallKind::Evm(call) => {
            let behind = call.profile.clone();
            (evm(call)?, behind.or(profile))
        }
        CallKind::X402(call) => (x402(call)?, profile),
        CallKind::Solana(call) => (solana(call)?, profile),
        CallKind::SshCert(call) => {
            let behind = call.profile.clone();
            (ssh_certificate(call)?, behind.or(profile))
        }
        CallKind::SshSig(call) => {
            let behind = call.profile.clone();
            (ssh_signature(call)?, behind.or(profile))
        }
    };
    let wanted = if simulate {
        Ask::Simulate(sign)
    } else {
        Ask::Sign(sign)
    };
    ask(&named(profile), &key, wanted).await
}

fn http(call: HttpCall, of: fn(HttpInput) -> Input) -> Result<Sign, Error> {
    let HttpCall {
        profile: _,
        method,
        url,
        headers,
        data,
        idempotency_key,
    } = call;
    let headers = headers.iter().map(|line| header(line));
    let body = data.map(|data| body(&data)).transpose()?;
    Ok(Sign {
        input: of(HttpInput {
            method,
            url,
            headers: headers.collect::<Result<_, _>>()?,
            body: body.map(Into::into),
        }),
        idempotency_key,
    })
}

fn aws(call: AwsCall) -> Result<Sign, Error> {
    let AwsCall {
        profile: _,
        method,
        url,
        service,
        region,
        headers,
        data,
        presign,
        ttl,
        idempotency_key,
    } = call;
    let headers = headers.iter().map(|line| header(line));
    let body = data.map(|data| body(&data)).transpose()?;
    Ok(Sign {
        input: Input::Aws(AwsInput {
            service,
            region,
            method,
            url,
            headers: headers.collect::<Result<_, _>>()?,
            body: body.map(Into::into),
            presign,
            ttl_s: ttl,
        }),
        idempotency_key,
    })
}

fn evm(call: EvmCall) -> Result<Sign, Error> {
    let EvmCall {
        profile: _,
        tx,
        raw_tx,
        typed_data,
        sign_in,
        idempotency_key,
    } = call;
    let file = |path: PathBuf| body(&format!("@{}", path.display()));
    let input = match (tx, raw_tx, typed_data, sign_in) {
        (Some(path), None, None, None) => EvmInput::Tx(file(path)?.into()),
        (None, Some(text), None, None) => {
            let bytes = chain::bytes(&text);
            let wanted = || Error::Usage("--raw-tx is not 0x and hexadecimal digits".to_owned());
            EvmInput::RawTx(bytes.ok_or_else(wanted)?.into())
        }
        (None, None, Some(path), None) => EvmInput::TypedData(file(path)?.into()),
        (None, None, None, Some(path)) => {
            let text = String::from_utf8(file(path)?);
            let text = text.map_err(|_| Error::Usage("--sign-in is no text".to_owned()))?;
            // Editors end a file with a line's end, which the text has not.
            EvmInput::SignIn(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        }
        _ => {
            let wanted = "expected one of --tx, --raw-tx, --typed-data and --sign-in";
            return Err(Error::Usage(wanted.to_owned()));
        }
    };
    Ok(Sign {
        input: Input::Evm(input),
        idempotency_key,
    })
}

fn x402(call: X402Call) -> Result<Sign, Error> {
    let X402Call {
        requirements,
        accept,
        ttl,
        idempotency_key,
    } = call;
    let text = if requirements == Path::new("-") {
        body("@-")?
    } else {
        read("cannot read what the server asks for", &requirements)?
    };
    let text = String::from_utf8(text).map_err(|_| {
        let file = requirements.display();
        Error::Usage(format!("`{file}` is no text"))
    })?;
    let input = claviger_client::x402::input(&text, accept, ttl);
    let input = input.map_err(|error| {
        let file = requirements.display();
        Error::Usage(format!("`{file}`: {error}"))
    })?;
    Ok(Sign {
        input: Input::X402(input),
        idempotency_key,
    })
}

fn solana(call: SolanaCall) -> Result<Sign, Error> {
    let SolanaCall {
        message,
        idempotency_key,
    } = call;
    let text = if message == Path::new("-") {
        body("@-")?
    } else {
        read("cannot read the message", &message)?
    };
    let bytes = STANDARD.decode(text.trim_ascii()).map_err(|_| {
        let file = message.display();
        Error::Usage(format!("`{file}` is not padded base64"))
    })?;
    Ok(Sign {
        input: Input::Solana(SolanaInput {
            message: bytes.into(),
        }),
        idempotency_key,
    })
}

fn ssh_certificate(call: SshCertCall) -> Result<Sign, Error> {
    let SshCertCall {
        profile: _,
        public_key,
        principals,
        ttl,
        idempotency_key,
    } = call;
    let bytes = read("cannot read the public key", &public_key)?;
    let line = String::from_utf8(bytes)
        .map_err(|_| Error::Usage(format!("`{}` is no public key", public_key.display())))?;
    Ok(Sign {
        input: Input::Ssh(SshInput::Certificate(SshCertificateInput {
            public_key: line.trim_end().to_owned(),
            principals,
            ttl_s: ttl,
        })),
        idempotency_key,
    })
}

fn ssh_signature(call: SshSigCall) -> Result<Sign, Error> {
    let SshSigCall {
        profile: _,
        object,
        namespace,
    } = call;
    let object = body(&format!("@{object}"))?;
    Ok(Sign {
        input: Input::Ssh(SshInput::Signature(SshSignatureInput {
            namespace,
            object: object.into(),
        })),
        idempotency_key: None,
    })
}

/// `Name: value`, the name in lower case as the enclave reads it.
pub(super) fn header(line: &str) -> Result<(String, String), Error> {
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| Error::Usage(format!("header `{line}` is not of the form `name: value`")))?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

pub(super) fn body(data: &str) -> Result<Vec<u8>, Error> {
    let bytes = match data.strip_prefix('@') {
        None => data.as_bytes().to_vec(),
        Some("-") => {
            let mut bytes = Vec::new();
            let limit = u64::try_from(MAX_BODY).unwrap_or(u64::MAX);
            let mut input = std::io::stdin().lock().take(limit.saturating_add(1));
            let read = input.read_to_end(&mut bytes);
            read.map_err(Error::io("cannot read", Path::new("standard input")))?;
            bytes
        }
        Some(path) => read("cannot read the body", Path::new(path))?,
    };
    if bytes.len() > MAX_BODY {
        return Err(Error::Usage(format!(
            "body is longer than {MAX_BODY} bytes"
        )));
    }
    Ok(bytes)
}

fn jwt(call: JwtCall) -> Result<Sign, Error> {
    let JwtCall {
        profile,
        audience,
        nonce,
        ttl,
        method,
        url,
        ath,
        access_token,
        wit,
        idempotency_key,
    } = call;
    if audience.is_none() && profile != profile::DPOP {
        let what = "--audience is missing: whom the token is for, exactly as the catalog names it";
        return Err(Error::Usage(what.to_owned()));
    }
    let hashed = access_token.map(|path| hash(&path)).transpose()?;
    let wit = wit.map(|path| shown(&path)).transpose()?;
    Ok(Sign {
        input: Input::Jwt(JwtInput {
            profile,
            audience: audience.unwrap_or_default(),
            nonce,
            ttl_s: ttl,
            method,
            url,
            ath: ath.or(hashed),
            wit,
        }),
        idempotency_key,
    })
}

/// A token that is shown as it is: it is no bearer's.
fn shown(path: &Path) -> Result<String, Error> {
    let token = std::fs::read_to_string(path).map_err(Error::io("cannot read the token", path))?;
    Ok(token.trim().to_owned())
}

/// RFC 9449 §4.2: `ath` of the access token in a file; the token itself goes no further.
fn hash(path: &Path) -> Result<String, Error> {
    let token = std::fs::read_to_string(path).map(Zeroizing::new);
    let token = token.map_err(Error::io("cannot read the access token", path))?;
    Ok(URL_SAFE_NO_PAD.encode(sha256(&[token.trim().as_bytes()]).0))
}

pub(super) async fn keygen(
    keygen: Keygen,
    named: impl Fn(Option<PathBuf>) -> Named,
) -> Result<Outcome, Error> {
    let Keygen {
        at,
        out,
        agent_key: _,
        secret,
        grant,
    } = keygen;
    if let (Some(secret), Some(grant)) = (secret, grant) {
        let grant = name(&grant, "a grant's name, gr_…", GrantId::parse)?;
        let secret = read_secret(&secret)?;
        let desk = Desk::open(named(at.profile).required()?).await?;
        desk.complete_agent_key(&grant, secret, &out)?;
        return Ok(json!({ "grant": grant, "agent_api_key_file": out }).into());
    }
    let secret = new_secret()?;
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.expose()));
    let text = Zeroizing::new(format!("{SECRET_PREFIX}{}", *encoded));
    write_secret(&out, text.as_bytes())?;
    let value: Value = json!({ "public": secret.public()?, "secret_file": out });
    Ok(value.into())
}

fn read_secret(path: &Path) -> Result<AgentSecret, Error> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(Error::io("cannot read the secret", path))?;
    let decoded = text
        .trim()
        .strip_prefix(SECRET_PREFIX)
        .and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok())
        .map(Zeroizing::new);
    let bytes = decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
    bytes.map(AgentSecret::new).ok_or_else(|| {
        let path = path.display();
        Error::Usage(format!(
            "`{path}` is not a secret that `claviger keygen` wrote"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_split_at_its_first_colon() {
        let (name, value) = header("X-At: 10:20").unwrap();
        assert_eq!((name.as_str(), value.as_str()), ("x-at", "10:20"));
        header("no colon").unwrap_err();
    }

    #[test]
    fn a_body_over_the_limit_is_refused_here() {
        body(&"x".repeat(MAX_BODY)).unwrap();
        body(&"x".repeat(MAX_BODY + 1)).unwrap_err();
    }
}

//! `curl` and `test`: a credential, and the call that it is for.

use super::{Named, agent};
use crate::{
    args::agent::{CurlArgs, CurlKind, Destination, KeyFile, TestArgs},
    output::Outcome,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_cli::{
    Error,
    probe::{self, Probe},
    send::{Answer, Place, Sender},
};
use claviger_client::{Agent, render};
use claviger_shared::{
    call::{Ask, HttpInput, Input, IssuedWithReceipt, Reply, Sign},
    credential::Credential,
};
use serde_json::{Map, Value, json};
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest answer shown as JSON.
const MAX_SHOWN: usize = 8 * 1024 * 1024;
/// `--fail`: the exit code that curl has for it.
const FAILED: u8 = 22;

fn sender(to: &Destination) -> Result<Sender, Error> {
    Sender::new(&Place {
        cacert: to.cacert.as_deref(),
        resolve: &to.resolve,
        patience: Duration::from_secs(to.max_time),
    })
}

/// One call: its credential, then the answer.
pub(super) async fn curl(
    named: impl Fn(Option<PathBuf>) -> Named,
    args: CurlArgs,
    json: bool,
) -> Result<Outcome, Error> {
    let sign = sign(&args)?;
    let unsigned = args.unsigned_headers.iter().map(|line| agent::header(line));
    let unsigned: Vec<_> = unsigned.collect::<Result<_, _>>()?;
    Sender::check(&unsigned)?;
    if let Some(path) = args.output.as_deref().filter(|path| path.exists()) {
        let path = path.display();
        return Err(Error::Usage(format!(
            "-o: `{path}` exists; name a new file"
        )));
    }
    let sender = sender(&args.to)?;
    let named = named(args.agent.at.profile.clone());
    let credential = match credential(&named, &args.agent.key, &sign).await? {
        Ok(credential) => credential,
        Err(denied) => return Ok(denied),
    };
    let headers = fields(&credential)?;
    let request = sent(http(&sign)?, &credential)?;
    let answer = sender.send(&request, &headers, &unsigned).await?;
    let exit = if args.fail && answer.status() >= 400 {
        FAILED
    } else {
        0
    };
    let value = if json {
        shown(answer, credential).await?
    } else {
        pass_on(answer, &args).await?;
        Value::Null
    };
    Ok(Outcome {
        value,
        exit,
        document: false,
    })
}

fn sign(args: &CurlArgs) -> Result<Sign, Error> {
    let headers = args.headers.iter().map(|line| agent::header(line));
    let headers = headers.collect::<Result<_, _>>()?;
    let body = args.data.as_deref().map(agent::body).transpose()?;
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = args.method.clone().unwrap_or_else(|| usual.to_owned());
    let of = match args.kind {
        CurlKind::Http => Input::Http,
        CurlKind::Template => Input::Template,
    };
    Ok(Sign {
        input: of(HttpInput {
            method,
            url: args.url.clone(),
            headers,
            body: body.map(Into::into),
        }),
        idempotency_key: args.idempotency_key.clone(),
    })
}

fn http(sign: &Sign) -> Result<&HttpInput, Error> {
    match &sign.input {
        Input::Http(input) | Input::Template(input) => Ok(input),
        Input::Jwt(_)
        | Input::Aws(_)
        | Input::X402(_)
        | Input::Ssh(_)
        | Input::Evm(_)
        | Input::Solana(_) => Err(Error::Usage("not an HTTP call".to_owned())),
    }
}

/// The request as it goes out: with the URL and body of the credential, where it has its own.
fn sent(asked: &HttpInput, credential: &Value) -> Result<HttpInput, Error> {
    let mut request = asked.clone();
    let member = |name: &str| credential.pointer(&format!("/credential/{name}"));
    if let Some(url) = member("url").and_then(Value::as_str) {
        url.clone_into(&mut request.url);
    }
    if let Some(body) = member("body").and_then(Value::as_str) {
        let body = STANDARD.decode(body);
        let none = |_| Error::Distrust("the answer's body is no base64".to_owned());
        request.body = Some(body.map_err(none)?.into());
    }
    Ok(request)
}

/// The header fields of an issued credential.
fn headers(issued: &IssuedWithReceipt) -> Result<&[(String, String)], Error> {
    match &issued.issued.credential {
        Some(Credential::Http { headers } | Credential::Template { headers, .. }) => Ok(headers),
        Some(
            Credential::Jwt { .. }
            | Credential::Aws { .. }
            | Credential::X402 { .. }
            | Credential::Ssh { .. }
            | Credential::Evm { .. }
            | Credential::EvmSignature { .. }
            | Credential::Solana { .. },
        )
        | None => Err(Error::Distrust(
            "the answer holds no HTTP credential".to_owned(),
        )),
    }
}

/// A credential as it is shown, from the sidecar beside this process or from the enclave; or the denial.
async fn credential(
    named: &Named,
    key: &KeyFile,
    sign: &Sign,
) -> Result<Result<Value, Outcome>, Error> {
    let ask = Ask::Sign(sign.clone());
    if let Some(caller) = agent::sidecar(named, key)? {
        let answer = caller.ask(&ask).await?;
        return Ok(if answer.exit == 0 {
            Ok(answer.value)
        } else {
            Err(agent::passed_on(answer))
        });
    }
    let agent = Agent::connect(agent::agent_key(named, key)?).await?;
    let simulation = agent.is_simulation().await;
    Ok(match agent.ask(ask).await? {
        Reply::Issued(issued) => Ok(render::issued(&issued, simulation)?),
        reply @ (Reply::Denied(_)
        | Reply::Grant(_)
        | Reply::Known
        | Reply::Renewed(_)
        | Reply::Revoked) => Err(agent::told(&reply, &agent.key().grant, simulation)?),
    })
}

/// The header fields of a credential as it is shown.
fn fields(credential: &Value) -> Result<Vec<(String, String)>, Error> {
    let none = || Error::Distrust("the answer holds no HTTP credential".to_owned());
    let fields = credential.pointer("/credential/headers");
    let fields = fields.and_then(Value::as_object).ok_or_else(none)?;
    fields
        .iter()
        .map(|(name, value)| Ok((name.clone(), value.as_str().ok_or_else(none)?.to_owned())))
        .collect()
}

/// The answer and what it cost, without the credential: it was used, and whoever reads this has no second use of it.
async fn shown(mut answer: Answer, mut value: Value) -> Result<Value, Error> {
    let (status, headers) = (answer.status(), answer.headers());
    let mut body = Vec::new();
    while let Some(part) = answer.part().await? {
        if body.len().saturating_add(part.len()) > MAX_SHOWN {
            let why = "the answer is longer than 8 MiB: leave out --json";
            return Err(Error::Unavailable(why.to_owned()));
        }
        body.extend_from_slice(&part);
    }
    if let Some(members) = value.as_object_mut() {
        members.remove("credential");
        let fields: Map<String, Value> = headers
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        members.insert("status".to_owned(), json!(status));
        members.insert("headers".to_owned(), Value::Object(fields));
        members.insert("body".to_owned(), json!(STANDARD.encode(&body)));
    }
    Ok(value)
}

/// Writes the answer as it comes, byte for byte.
async fn pass_on(mut answer: Answer, args: &CurlArgs) -> Result<(), Error> {
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(new_file(path)?),
        None => Box::new(std::io::stdout().lock()),
    };
    let name = args
        .output
        .as_deref()
        .unwrap_or_else(|| Path::new("standard output"));
    let mut head = String::new();
    if args.include {
        head = format!("HTTP {}\r\n", answer.status());
        for (name, value) in answer.headers() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
    }
    let written = out.write_all(head.as_bytes());
    written.map_err(Error::io("cannot write", name))?;
    while let Some(part) = answer.part().await? {
        let written = out.write_all(&part);
        written.map_err(Error::io("cannot write", name))?;
    }
    out.flush().map_err(Error::io("cannot write", name))
}

fn new_file(path: &Path) -> Result<std::fs::File, Error> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    opened.map_err(Error::io("cannot make the file", path))
}

/// Makes each harmless call that the grant reaches: the whole way, from grant to answer.
pub(super) async fn test(
    named: impl Fn(Option<PathBuf>) -> Named,
    args: TestArgs,
) -> Result<Outcome, Error> {
    let values = args.set.iter().map(|text| probe::value(text));
    let values: Vec<_> = values.collect::<Result<_, _>>()?;
    let sender = sender(&args.to)?;
    let key = agent::agent_key(&named(args.agent.at.profile.clone()), &args.agent.key)?;
    let agent = Agent::connect(key).await?;
    let simulation = agent.is_simulation().await;
    let reply = agent.ask(Ask::Whoami).await?;
    let Reply::Grant(own) = reply else {
        return agent::told(&reply, &agent.key().grant, simulation);
    };
    let probes = probe::of(&own, &values);
    let (mut told, mut worst) = (Vec::new(), 0);
    for probe in &probes {
        let (value, exit) = run(&agent, &sender, probe, simulation).await?;
        told.push(value);
        // The exit code says of the worst what it would say of one.
        worst = worst.max(exit);
    }
    if probes.is_empty() {
        let why = "no route of this grant is a harmless call: an owner marks one with \"probe\" in the catalog";
        return Err(Error::Usage(why.to_owned()));
    }
    let mut value = json!({ "grant": own.grant.id, "ok": worst == 0, "probes": told });
    render::mark(&mut value, simulation);
    Ok(Outcome {
        value,
        exit: worst,
        document: false,
    })
}

async fn run(
    agent: &Agent,
    sender: &Sender,
    probe: &Probe,
    simulation: bool,
) -> Result<(Value, u8), Error> {
    let mut told = json!({ "resource": probe.resource, "kind": probe.kind, "call": probe.call });
    let mut put = |more: Value| {
        if let (Some(members), Value::Object(more)) = (told.as_object_mut(), more) {
            members.extend(more);
        }
    };
    let sign = match &probe.sign {
        Ok(sign) => sign,
        Err(missing) => {
            put(json!({ "ok": false, "skipped": missing }));
            return Ok((told, 2));
        }
    };
    let exit = match agent.ask(Ask::Sign(sign.clone())).await? {
        Reply::Issued(issued) => {
            put(json!({ "charged": render::charges(&issued.issued.charged) }));
            match &sign.input {
                // The token is made and thrown away: what its audience does with it is not tried here.
                Input::Jwt(_)
                | Input::Aws(_)
                | Input::X402(_)
                | Input::Ssh(_)
                | Input::Evm(_)
                | Input::Solana(_) => {
                    put(json!({ "ok": true }));
                    0
                }
                Input::Http(input) | Input::Template(input) => match sender
                    .send(
                        &sent(input, &render::issued(&issued, simulation)?)?,
                        headers(&issued)?,
                        &[],
                    )
                    .await
                {
                    Ok(answer) => {
                        let ok = answer.status() < 400;
                        put(json!({ "ok": ok, "status": answer.status() }));
                        u8::from(!ok)
                    }
                    Err(error) => {
                        put(json!({ "ok": false, "error": error.to_string() }));
                        error.exit()
                    }
                },
            }
        }
        Reply::Denied(denial) => {
            put(json!({ "ok": false, "denied": render::problem(&denial, simulation) }));
            denial.code.exit()
        }
        Reply::Grant(_) | Reply::Known | Reply::Renewed(_) | Reply::Revoked => {
            return Err(Error::Distrust("answer to another request".to_owned()));
        }
    };
    Ok((told, exit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the enclave wrote into URL or body, these go out, and else what was asked for.
    #[test]
    fn what_goes_out_is_the_credentials_own_url_and_body() {
        let asked = HttpInput {
            method: "POST".to_owned(),
            url: "https://a.example/x?a=1".to_owned(),
            headers: vec![("x-a".to_owned(), "1".to_owned())],
            body: Some(b"n=1".to_vec().into()),
        };
        let of = |credential: Value| sent(&asked, &json!({ "credential": credential }));
        assert_eq!(of(json!({ "headers": {} })).unwrap(), asked);
        let own =
            of(json!({ "url": "https://a.example/x?a=1&t=2", "body": "bj0xJnQ9Mg==" })).unwrap();
        assert_eq!(own.url, "https://a.example/x?a=1&t=2");
        assert_eq!(own.body.unwrap().into_vec(), b"n=1&t=2");
        assert_eq!(
            (own.method, own.headers),
            (asked.method.clone(), asked.headers.clone())
        );
        of(json!({ "body": "no base64" })).unwrap_err();
    }
}

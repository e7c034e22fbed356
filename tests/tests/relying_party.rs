//! What a whole deployment signs verifies with libraries that are not ours: PyJWT and http-message-signatures.
//!
//! Both algorithms, both kinds; requests with RSA-PSS and HMAC as well. Without Python the test says so and passes, except in continuous integration.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use claviger_cli::owner::{import::file::PrivateKey, key::NewKey};
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, HttpInput, Input, JwtInput, Reply, Sign},
    credential::Credential,
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use python::{ask, is_ready};
use serde_json::{Value, json};
use stage::{Stage, get, grant};
use std::path::Path;

async fn credential(agent: &Agent, sign: Sign) -> anyhow::Result<Credential> {
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => issued.issued.credential.context("no credential"),
        other => bail!("not issued: {other:?}"),
    }
}

fn charge() -> HttpInput {
    HttpInput {
        method: "POST".to_owned(),
        url: "https://pay.example.com/v1/charges".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(br#"{"amount":1200,"currency":"usd"}"#.to_vec().into()),
    }
}

/// A request as a relying party receives it.
fn line(input: &HttpInput, signed: &[(String, String)], jwk: &Value) -> Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let headers: Vec<_> = input.headers.iter().chain(signed).collect();
    json!({
        "method": input.method, "url": input.url, "headers": headers, "jwk": jwk,
        "body_b64": input.body.as_ref().map(|body| STANDARD.encode(body)),
    })
}

async fn requests(agent: &Agent, jwk: &Value, other: &Value) -> anyhow::Result<()> {
    let Input::Http(order) = get("https://api.example.com/v1/orders/ord_7?expand=items").input
    else {
        bail!("not a request")
    };
    for input in [order, charge()] {
        let sign = Sign {
            input: Input::Http(input.clone()),
            idempotency_key: None,
        };
        let Credential::Http { headers } = credential(agent, sign).await? else {
            bail!("not a signature")
        };
        let mut elsewhere = input.clone();
        elsewhere.url = elsewhere.url.replace("example.com", "example.net");
        let mut otherwise = input.clone();
        match &mut otherwise.body {
            Some(body) => body.push(b' '),
            None => otherwise.method = "HEAD".to_owned(),
        }
        let said = ask(
            "verify_http.py",
            &[
                line(&input, &headers, jwk),
                line(&elsewhere, &headers, jwk),
                line(&otherwise, &headers, jwk),
                line(&input, &headers, other),
                line(&input, &[], jwk),
            ],
        )?;
        ensure!(said[0] == "ok", "{said:?}");
        ensure!(said[1..].iter().all(|word| word != "ok"), "{said:?}");
    }
    Ok(())
}

async fn tokens(agent: &Agent, jwk: &Value, other: &Value) -> anyhow::Result<()> {
    let audience = "https://idp.example.com/token";
    let input = JwtInput {
        profile: "assertion".to_owned(),
        nonce: None,
        audience: audience.to_owned(),
        ttl_s: None,
        method: None,
        url: None,
        ath: None,
        wit: None,
    };
    let sign = Sign {
        input: Input::Jwt(input),
        idempotency_key: None,
    };
    let Credential::Jwt { jwt } = credential(agent, sign).await? else {
        bail!("not a token")
    };
    let line = |audience: &str, jwk: &Value| json!({ "jwt": jwt, "jwk": jwk, "audience": audience, "issuer": "client-7" });
    let said = ask(
        "verify_jwt.py",
        &[
            line("https://idp.example.net/token", jwk),
            line(audience, other),
            line(audience, jwk),
            line(audience, jwk),
        ],
    )?;
    ensure!(said[0] != "ok" && said[1] != "ok", "{said:?}");
    ensure!(said[2] == "ok", "{said:?}");
    ensure!(said[3] != "ok", "a jti was taken twice: {said:?}");
    Ok(())
}

/// Makes a pair of keys of one algorithm and an agent that uses them; the agent and the public keys.
async fn pair(stage: &Stage, alg: Alg, name: &str) -> anyhow::Result<(Agent, Value, Value)> {
    let mut desk = stage.desk().await?;
    let mut made = Vec::new();
    for kind in [Kind::Http, Kind::Jwt] {
        let id = format!("k_{}_{name}", kind.as_str());
        let key = NewKey {
            name: KeyId::parse(&id).ok(),
            kind,
            alg,
            env: Env::Live,
            agent: AgentId::parse("first-agent").ok(),
        };
        let shown = desk.create_key(&key).await?;
        made.push((id, shown.get("jwk").context("no key")?.clone()));
    }
    let [(http, http_jwk), (jwt, jwt_jwk)] = made.try_into().ok().context("two keys")?;
    let mut grant = grant(100, 5000, 20_000);
    grant["keys"] = json!([http, jwt]);
    Ok((stage.agent(name, &grant).await?, http_jwk, jwt_jwk))
}

/// An agent whose requests are signed with RSA-PSS by a key born inside, and its public half.
async fn pss(stage: &Stage) -> anyhow::Result<(Agent, Value)> {
    let mut desk = stage.desk().await?;
    let key = NewKey {
        name: KeyId::parse("k_http_pss").ok(),
        kind: Kind::Http,
        alg: Alg::Ps512,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    let shown = desk.create_key(&key).await?;
    let mut grant = grant(100, 5000, 20_000);
    grant["keys"] = json!(["k_http_pss"]);
    let jwk = shown.get("jwk").context("no key")?.clone();
    Ok((stage.agent("pss", &grant).await?, jwk))
}

/// An agent whose requests are signed with a shared secret brought in a file, and the secret.
async fn shared(stage: &Stage, dir: &Path) -> anyhow::Result<(Agent, Value)> {
    let secret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let file = dir.join("secret.json");
    let text = json!({ "key_id": "partner-7", "secret": secret, "encoding": "base64" });
    std::fs::write(&file, text.to_string())?;
    let private = PrivateKey::read(&file, None)?.for_kind(Kind::Http, None)?;
    let mut desk = stage.desk().await?;
    let key = NewKey {
        name: KeyId::parse("k_http_shared").ok(),
        kind: Kind::Http,
        alg: private.alg,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    let sealed = desk.seal_key(&key, &private).await?;
    desk.import_now(&sealed).await?;
    let shown = desk.show_key(&sealed.id)?;
    ensure!(
        shown["key_id"] == "partner-7" && shown["jwk"].is_null(),
        "{shown}"
    );
    let mut grant = grant(100, 5000, 20_000);
    grant["keys"] = json!(["k_http_shared"]);
    let k = secret.trim_end_matches('=');
    let jwk = json!({ "kty": "oct", "k": k, "kid": "partner-7" });
    Ok((stage.agent("shared", &grant).await?, jwk))
}

#[tokio::test(flavor = "multi_thread")]
async fn other_libraries_accept_what_is_signed_and_nothing_else() -> anyhow::Result<()> {
    if !is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    let (ed, ed_http, ed_jwt) = pair(&stage, Alg::Ed25519, "edwards").await?;
    let (p256, p256_http, p256_jwt) = pair(&stage, Alg::P256, "nist").await?;
    requests(&ed, &ed_http, &p256_http).await?;
    requests(&p256, &p256_http, &ed_http).await?;
    let (pss, pss_http) = pss(&stage).await?;
    let (shared, secret) = shared(&stage, dir.path()).await?;
    requests(&pss, &pss_http, &ed_http).await?;
    let mut other = secret.clone();
    other["k"] = json!("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWc");
    requests(&shared, &secret, &other).await?;
    tokens(&ed, &ed_jwt, &p256_jwt).await?;
    tokens(&p256, &p256_jwt, &ed_jwt).await?;
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}

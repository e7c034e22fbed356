//! Tokens for GitHub and Google Cloud, and proofs of possession, as parties with others' libraries take them: PyJWT and joserfc,
//! against a whole deployment and the keys that its host publishes.
//!
//! GitHub and Google themselves are not asked: their rules are in `verify_cloud.py`, from what they publish.

#[path = "../relying_party/python.rs"]
mod python;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use claviger_cli::owner::key::NewKey;
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Input, JwtInput, Reply, Sign},
    credential::Credential,
    crypto::sha256,
    effect::{Env, Kind},
    id::{AgentId, KeyId},
    owner::command::Alg,
};
use serde_json::{Value, json};
use stage::{Stage, grant};

const GITHUB: &str = "https://api.github.com";
const STORAGE: &str = "https://storage.googleapis.com/";
const TOKEN: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";
const ACCOUNT: &str = "bot@acme.iam.gserviceaccount.com";
const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";

async fn set_catalog(stage: &Stage) -> anyhow::Result<()> {
    let text = include_str!("../../sim/src/up/catalog.json");
    let mut catalog: Value = serde_json::from_str(text)?;
    let account = |audience: &str| json!({"kind": "jwt", "profile": "gcp", "audience": audience, "issuer": ACCOUNT, "key_id": "1f2e3d"});
    let mut google = account(TOKEN);
    google["token_endpoint"] = json!(true);
    google["scope"] = json!(SCOPE);
    let resources = &mut catalog["resources"];
    resources["github"] = json!([{"kind": "jwt", "profile": "github-app", "audience": GITHUB, "issuer": "Iv23liAbCdEf"}]);
    resources["storage"] = json!([account(STORAGE)]);
    resources["google"] = json!([google]);
    resources["proved"] = json!([{"kind": "jwt", "profile": "dpop", "host": "api.example.com", "path": "/v2/orders/{id}"}]);
    resources["exchange"] = json!([{
        "kind": "jwt", "profile": "dpop", "token_endpoint": true, "host": "idp.example.com", "path": "/token", "methods": ["POST"],
    }]);
    let mut desk = stage.desk().await?;
    desk.set_catalog(catalog.to_string().as_bytes(), &[])
        .await?;
    Ok(())
}

/// A key of one algorithm, made inside.
async fn key(stage: &Stage, alg: Alg, id: &str) -> anyhow::Result<()> {
    let key = NewKey {
        name: KeyId::parse(id).ok(),
        kind: Kind::Jwt,
        alg,
        env: Env::Live,
        agent: AgentId::parse("first-agent").ok(),
    };
    stage.desk().await?.create_key(&key).await?;
    Ok(())
}

async fn agent(stage: &Stage, profile: &str, key: &str) -> anyhow::Result<Agent> {
    let mut grant = grant(100, 5000, 20_000);
    grant["keys"] = json!([key]);
    grant["permissions"] =
        json!({"read": ["proved"], "write": ["github", "storage", "google", "exchange"]});
    grant["allow_minting"] = json!(["github", "google", "exchange"]);
    grant["allow_identity_only"] = json!(["github", "storage", "google"]);
    grant["credentials"] = json!({"jwt": {"profile": profile, "ttl_s": 3600}});
    stage.agent(&format!("{profile}-{key}"), &grant).await
}

fn token(profile: &str, audience: &str) -> JwtInput {
    JwtInput {
        profile: profile.to_owned(),
        audience: audience.to_owned(),
        nonce: None,
        ttl_s: Some(300),
        method: None,
        url: None,
        ath: None,
        wit: None,
    }
}

async fn signed(agent: &Agent, input: JwtInput) -> anyhow::Result<String> {
    let sign = Sign {
        input: Input::Jwt(input),
        idempotency_key: None,
    };
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => match issued.issued.credential {
            Some(Credential::Jwt { jwt }) => Ok(jwt),
            other => bail!("not a token: {other:?}"),
        },
        other => bail!("not issued: {other:?}"),
    }
}

/// No line with one member changed is taken by either library, and then the honest one is.
fn taken(good: &Value, changes: &[(&str, Value)]) -> anyhow::Result<()> {
    let changed = changes.iter().map(|(name, value)| {
        let mut line = good.clone();
        line[*name] = value.clone();
        line
    });
    let mut lines: Vec<_> = changed.chain([good.clone()]).collect();
    // A proof is taken once, any other token as often as it lives.
    let once = good["profile"] == "dpop";
    lines.push(good.clone());
    for script in ["verify_cloud.py", "verify_cloud_joserfc.py"] {
        let said = python::ask(script, &lines)?;
        let (bad, honest) = said.split_at(changes.len());
        ensure!(bad.iter().all(|word| word != "ok"), "{script}: {said:?}");
        ensure!(honest[0] == "ok", "{script}: {said:?} {good}");
        ensure!((honest[1] == "ok") != once, "{script}: {said:?}");
    }
    Ok(())
}

fn now() -> u64 {
    claviger_client::session::wall_clock_ms() / 1000
}

/// The parties that know the key beforehand.
async fn clouds(stage: &Stage, jwk: &Value, other: &Value) -> anyhow::Result<()> {
    let app = agent(stage, "github-app", "k_rsa").await?;
    let jwt = signed(&app, token("github-app", GITHUB)).await?;
    let good = json!({"profile": "github-app", "jwt": jwt, "jwk": jwk, "issuer": "Iv23liAbCdEf", "now": now()});
    let changes = [
        ("issuer", json!("1")),
        ("jwk", other.clone()),
        ("now", json!(now() + 301)),
        ("now", json!(now() - 400)),
        ("jwt", json!(jwt.replacen(".eyJ", ".eyI", 1))),
    ];
    taken(&good, &changes)?;
    let account = agent(stage, "gcp", "k_rsa").await?;
    for (audience, subject, scope) in [(STORAGE, Some(ACCOUNT), None), (TOKEN, None, Some(SCOPE))] {
        let jwt = signed(&account, token("gcp", audience)).await?;
        let good = json!({
            "profile": "gcp", "jwt": jwt, "jwk": jwk, "issuer": ACCOUNT, "now": now(), "audience": audience,
            "subject": subject, "scope": scope, "key_id": "1f2e3d",
        });
        let changes = [
            ("issuer", json!("other@acme.iam.gserviceaccount.com")),
            ("jwk", other.clone()),
            ("key_id", json!("k")),
            ("audience", json!("https://pubsub.googleapis.com/")),
            (
                "scope",
                json!("https://www.googleapis.com/auth/cloud-platform"),
            ),
            ("subject", json!("ann@acme.example")),
            ("now", json!(now() + 301)),
        ];
        taken(&good, &changes)?;
    }
    Ok(())
}

/// A server that takes proofs.
async fn proofs(agent: &Agent, jwk: &Value) -> anyhow::Result<()> {
    let url = "https://api.example.com/v2/orders/ord_1";
    let ath = URL_SAFE_NO_PAD.encode(sha256(&[ACCESS_TOKEN.as_bytes()]).0);
    let resource = JwtInput {
        method: Some("GET".to_owned()),
        url: Some(url.to_owned()),
        ath: Some(ath),
        wit: None,
        ttl_s: None,
        ..token("dpop", "")
    };
    let endpoint = JwtInput {
        method: Some("POST".to_owned()),
        url: Some("https://idp.example.com/token".to_owned()),
        ath: None,
        wit: None,
        nonce: Some("server-1".to_owned()),
        ..resource.clone()
    };
    for (input, sent, access) in [
        (
            resource,
            "https://api.example.com/v2/orders/ord_1?expand=items",
            Some(ACCESS_TOKEN),
        ),
        (endpoint, "https://idp.example.com/token", None),
    ] {
        let good = json!({
            "profile": "dpop", "jwt": signed(agent, input.clone()).await?, "now": now(), "method": input.method, "url": sent,
            "access_token": access, "nonce": input.nonce, "thumbprint": jwk["kid"],
        });
        let changes = [
            ("method", json!("DELETE")),
            ("url", json!("https://api.example.com/v2/orders/ord_2")),
            ("access_token", json!("another")),
            ("nonce", json!("server-2")),
            (
                "thumbprint",
                json!("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
            ),
            ("now", json!(now() + 400)),
        ];
        taken(&good, &changes)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clouds_and_servers_that_take_proofs_accept_what_is_signed() -> anyhow::Result<()> {
    if !python::is_ready()? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let stage = Stage::start(dir.path()).await?;
    set_catalog(&stage).await?;
    for (alg, id) in [
        (Alg::Rs256, "k_rsa"),
        (Alg::Rs256, "k_other"),
        (Alg::P256, "k_p256"),
        (Alg::Ed25519, "k_ed"),
    ] {
        key(&stage, alg, id).await?;
    }
    // No wait: who was told of a key finds it.
    let host = stage.profile()?.api;
    let http = claviger_client::web::builder(false, &[])?.build()?;
    let published = http.get(format!("{host}/.well-known/jwks.json"));
    let published: Value = published.send().await?.json().await?;
    let published = published["keys"].as_array().context("no keys")?;
    let shown = stage.desk().await?;
    let of = |id: &str| -> anyhow::Result<Value> {
        let key = shown.show_key(&KeyId::parse(id).ok().context("no name")?)?;
        ensure!(published.contains(&key["jwk"]), "the host shows it: {key}");
        Ok(key["jwk"].clone())
    };
    clouds(&stage, &of("k_rsa")?, &of("k_other")?).await?;
    for id in ["k_p256", "k_ed"] {
        let agent = agent(&stage, "dpop", id).await?;
        proofs(&agent, &of(id)?).await?;
    }
    Ok(())
}

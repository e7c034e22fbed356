//! An agent at work: its credentials, taken to a relying party that has never heard of Claviger.

use crate::{
    audit::keep,
    relying::{Api, verify_jwt},
    report::Report,
    stage::{Stage, get},
};
use anyhow::{Context, bail};
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, HttpInput, Input, IssuedWithReceipt, JwtInput, Reply, Sign},
    credential::Credential,
    id::KeyId,
};
use serde_json::json;

/// A charge of so many cents.
pub fn charge(cents: u64) -> Sign {
    let input = HttpInput {
        method: "POST".to_owned(),
        url: "https://pay.example.com/v1/charges".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(
            json!({ "amount": cents, "currency": "usd" })
                .to_string()
                .into_bytes()
                .into(),
        ),
    };
    Sign {
        input: Input::Http(input),
        idempotency_key: None,
    }
}

/// A token for an audience.
pub fn token(audience: &str) -> Sign {
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
    Sign {
        input: Input::Jwt(input),
        idempotency_key: None,
    }
}

/// A credential, or what came instead.
pub async fn issued(agent: &Agent, sign: Sign) -> anyhow::Result<IssuedWithReceipt> {
    match agent.ask(Ask::Sign(sign)).await? {
        Reply::Issued(issued) => Ok(*issued),
        other => bail!("no credential: {other:?}"),
    }
}

/// An HTTP request and the header fields signed for it.
async fn signed(
    agent: &Agent,
    sign: Sign,
) -> anyhow::Result<(HttpInput, Vec<(String, String)>, IssuedWithReceipt)> {
    let Input::Http(input) = sign.input.clone() else {
        bail!("not a request")
    };
    let answer = issued(agent, sign).await?;
    match answer.issued.credential.clone() {
        Some(Credential::Http { headers }) => Ok((input, headers, answer)),
        _ => bail!("not a signature"),
    }
}

/// GET, charge, tampered body, second use, token.
pub async fn work(report: &mut Report, stage: &Stage, agent: Agent) -> anyhow::Result<Agent> {
    report.part("An agent at work: an API in Python verifies, with its own libraries and the owner's public key");
    let desk = stage.desk().await?;
    let key = |name: &str| -> anyhow::Result<serde_json::Value> {
        let shown = desk.show_key(&KeyId::parse(name).ok().context("bad name")?)?;
        Ok(shown.get("jwk").context("no key")?.clone())
    };
    let api = Api::start(&stage.dir, &key("k_http_first")?).await?;
    requests(report, &agent, &api).await?;
    let answer = issued(&agent, token("https://idp.example.com/token")).await?;
    keep(&stage.dir, &answer.receipt)?;
    let Some(Credential::Jwt { jwt }) = answer.issued.credential else {
        bail!("no token")
    };
    let said = verify_jwt(&json!({
        "jwt": jwt, "jwk": key("k_jwt_first")?,
        "audience": "https://idp.example.com/token", "issuer": "client-7",
    }))
    .await?;
    report.check(
        "a client assertion (ES256) for idp.example.com, to PyJWT",
        said == "ok",
        said,
    );
    Ok(agent)
}

async fn requests(report: &mut Report, agent: &Agent, api: &Api) -> anyhow::Result<()> {
    let order = get("https://api.example.com/v1/orders/ord_7?expand=items");
    let (input, headers, _) = signed(agent, order).await?;
    let (status, body) = api.send(&input, &headers).await?;
    report.check(
        "GET api.example.com/v1/orders/ord_7, signed",
        status == 200,
        format!("{status} {body}"),
    );
    let (status, body) = api.send(&input, &[]).await?;
    report.check(
        "the same without a credential",
        status == 401,
        format!("{status} {body}"),
    );

    let (input, headers, answer) = signed(agent, charge(1200)).await?;
    let mut dearer = input.clone();
    dearer.body = Some(br#"{"amount":9900,"currency":"usd"}"#.to_vec().into());
    let (status, body) = api.send(&dearer, &headers).await?;
    report.check(
        "a charge of 1,200 usd-cents, its body changed to 9,900 on the way",
        status == 401,
        format!("{status} {body}"),
    );
    let (status, body) = api.send(&input, &headers).await?;
    report.check(
        "the charge as it was signed",
        status == 200,
        format!("{status} {body}"),
    );
    let (status, body) = api.send(&input, &headers).await?;
    report.check(
        "the same charge sent once more",
        status == 409,
        format!("{status} {body}"),
    );
    let left = answer
        .issued
        .remaining
        .iter()
        .find(|left| left.window.starts_with("rolling"));
    let left = left.map_or(0, |left| u64::try_from(left.amount.0).unwrap_or(0));
    report.check(
        "what is left of 20,000 usd-cents a day",
        left == 18_800,
        left,
    );
    Ok(())
}

//! A hijacked agent: it has the agent key and says whatever it likes.

use crate::{
    agent::{charge, issued, token},
    report::Report,
    stage::{Stage, get, grant},
};
use anyhow::Context;
use claviger_client::{
    Agent, AgentKey, Error,
    face::Face,
    session::wall_clock_ms,
    stream::Stream,
    trust::{self, Floor},
};
use claviger_shared::{
    call::{Ask, HttpInput, Input, Reply, Request, Sign},
    codec::cbor,
    crypto::handshake::Initiator,
    denial::Code,
    wire::RefusedCode,
};
use std::{collections::BTreeMap, sync::Arc};

/// What came back, in a few words.
pub fn word(answer: &Result<Reply, Error>) -> String {
    match answer {
        Ok(Reply::Denied(denial)) => {
            let at = denial.param.as_deref().map(|at| format!(" ({at})"));
            format!("{}{}", denial.code.as_str(), at.unwrap_or_default())
        }
        Ok(Reply::Issued(_)) => "a credential".to_owned(),
        Ok(Reply::Grant(_)) => "its grant".to_owned(),
        Ok(Reply::Known) => "known".to_owned(),
        Ok(Reply::Renewed(_)) => "renewed".to_owned(),
        Ok(Reply::Revoked) => "revoked".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Whether an answer is a denial of this code.
pub fn is_denied(answer: &Result<Reply, Error>, code: Code) -> bool {
    matches!(answer, Ok(Reply::Denied(denial)) if denial.code == code)
}

async fn try_it(report: &mut Report, agent: &Agent, what: &str, sign: Sign, code: Code) {
    let answer = agent.ask(Ask::Sign(sign)).await;
    report.check(what, is_denied(&answer, code), word(&answer));
}

/// Everything it tries; the agent whose grant is revoked at the end.
pub async fn attack(report: &mut Report, stage: &Stage) -> anyhow::Result<Agent> {
    report.part("A hijacked agent: it asks for what its grant does not say");
    let agent = stage.agent("hijacked", &grant(1000, 5000, 20_000)).await?;
    outside(report, &agent).await;
    replay(report, stage).await?;
    edge(report, stage).await?;
    revoked(report, stage, &agent).await?;
    Ok(agent)
}

async fn outside(report: &mut Report, agent: &Agent) {
    let orders = "https://api.example.com/v1/orders";
    let elsewhere = get("https://evil.example.net/v1/orders/ord_7");
    try_it(
        report,
        agent,
        "another host",
        elsewhere,
        Code::DestinationDenied,
    )
    .await;
    let mut delete = get(&format!("{orders}/ord_7"));
    if let Input::Http(HttpInput { method, .. }) = &mut delete.input {
        *method = "DELETE".to_owned();
    }
    try_it(
        report,
        agent,
        "DELETE where the route takes GET",
        delete,
        Code::MethodDenied,
    )
    .await;
    let query = get(&format!("{orders}/ord_7?expand=items&admin=1"));
    try_it(
        report,
        agent,
        "a query parameter that the route does not list",
        query,
        Code::UnlistedMember,
    )
    .await;
    let dots = get(&format!("{orders}/../../v1/orders/ord_7"));
    try_it(
        report,
        agent,
        "a path with dot segments",
        dots,
        Code::NotNormalForm,
    )
    .await;
    let mut member = charge(1200);
    if let Input::Http(HttpInput { body, .. }) = &mut member.input {
        *body = Some(br#"{"amount":1200,"currency":"usd","to":"me"}"#.to_vec().into());
    }
    try_it(
        report,
        agent,
        "a body member that the route does not list",
        member,
        Code::UnlistedMember,
    )
    .await;
    try_it(
        report,
        agent,
        "a charge of 5,001 where one call may take 5,000",
        charge(5001),
        Code::PerCallExceeded,
    )
    .await;
    let other = token("https://idp.example.net/token");
    try_it(
        report,
        agent,
        "a token for another audience",
        other,
        Code::DestinationDenied,
    )
    .await;
}

/// The bytes of one sealed frame, sent twice; then a frame with one bit changed, and a key of no grant.
async fn replay(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    let key = stage.agent_key("hijacked")?;
    let floor = Floor {
        fingerprint: key.fingerprint,
        generation: key.generation,
    };
    let trusted = trust::establish(&Face::new(&key.api)?, &floor, wall_clock_ms()).await?;
    let stream = Stream::connect(&key.api).await?;
    let start = |secret: &[u8; 32]| {
        Initiator::start(secret, &trusted.channel_key, &trusted.prologue)
            .ok()
            .context("no handshake")
    };
    let (initiator, noise) = start(key.secret.expose())?;
    let (channel, reply) = stream.open(&noise).await?;
    let session = initiator.finish(&reply).ok().context("no session")?;
    let ask = Ask::Sign(get("https://api.example.com/v1/orders/ord_7"));
    let mut sealed = cbor::encode(&Request { echo: None, ask })
        .ok()
        .context("no request")?;
    session
        .sealing
        .seal(0, &mut sealed)
        .ok()
        .context("no frame")?;
    let first = stream.call(channel, 0, &sealed).await;
    let again = stream.call(channel, 0, &sealed).await;
    let refused = matches!(again, Err(Error::Refused(RefusedCode::Replayed)));
    report.check(
        "a recorded frame, sent again byte for byte",
        first.is_ok() && refused,
        told(&again),
    );
    let moved = stream.call(channel, 1, &sealed).await;
    report.check(
        "the same frame under the next number",
        matches!(moved, Err(Error::Refused(_))),
        told(&moved),
    );
    let (_, noise) = start(&[7; 32])?;
    let stranger = stream.open(&noise).await.map(|(_, noise)| noise);
    report.check(
        "a channel for a key that no grant names",
        matches!(stranger, Err(Error::Refused(_))),
        told(&stranger),
    );
    Ok(())
}

fn told(answer: &Result<Vec<u8>, Error>) -> String {
    match answer {
        Ok(_) => "an answer".to_owned(),
        Err(Error::Refused(code)) => format!("refused: {code:?}").to_lowercase(),
        Err(error) => error.to_string(),
    }
}

/// 50 calls at once where 20 are left.
async fn edge(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    let agent = Arc::new(stage.agent("edge", &grant(20, 5000, 20_000)).await?);
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let agent = Arc::clone(&agent);
            let url = format!("https://api.example.com/v1/orders/ord_{number}");
            tokio::spawn(async move { agent.ask(Ask::Sign(get(&url))).await })
        })
        .collect();
    let mut came = BTreeMap::new();
    for call in calls {
        *came.entry(word(&call.await?)).or_insert(0_u32) += 1;
    }
    let holds = came.get("a credential") == Some(&20)
        && came
            .iter()
            .filter(|(word, _)| word.starts_with("budget_exceeded"))
            .map(|(_, count)| count)
            .sum::<u32>()
            == 30;
    let said: Vec<_> = came
        .iter()
        .map(|(word, count)| format!("{count} x {word}"))
        .collect();
    report.check("50 calls at once where 20 are left", holds, said.join(", "));
    Ok(())
}

async fn revoked(report: &mut Report, stage: &Stage, agent: &Agent) -> anyhow::Result<()> {
    let sign = || get("https://api.example.com/v1/orders/ord_8");
    issued(agent, sign()).await?;
    let AgentKey { grant, .. } = agent.key();
    let mut desk = stage.desk().await?;
    let done = desk.revoke_grant(grant).await?;
    let alive = done
        .get("outstanding")
        .and_then(serde_json::Value::as_array)
        .map_or(0, Vec::len);
    report.say(
        "an operator, alone, revokes its grant; by the log still alive",
        format!("{alive} destinations, for up to 60 s"),
    );
    let answer = agent.ask(Ask::Sign(sign())).await;
    report.check(
        "a call after the revocation",
        is_denied(&answer, Code::GrantRevoked),
        word(&answer),
    );
    Ok(())
}

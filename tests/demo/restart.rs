//! A restart: it gives nothing back.

use crate::{
    hijack::{is_denied, word},
    report::Report,
    stage::{Stage, answered, get},
};
use anyhow::bail;
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
};

/// What is left of every budget, by the enclave's word, in one line.
async fn left(agent: &Agent) -> anyhow::Result<String> {
    let answer = answered(agent, Ask::Whoami).await;
    let Ok(Reply::Grant(grant)) = answer else {
        bail!("no grant: {}", word(&answer))
    };
    let left: Vec<_> = grant
        .remaining
        .iter()
        .filter(|left| left.window != "call")
        .map(|left| format!("{} {}", left.amount, left.unit))
        .collect();
    Ok(left.join(", "))
}

/// Kills the enclave and looks at what came back.
pub async fn check(
    report: &mut Report,
    stage: &mut Stage,
    agent: &Agent,
    revoked: &Agent,
) -> anyhow::Result<()> {
    report.part(
        "A restart: the enclave is killed without a warning and boots again from KMS and the log",
    );
    let before = left(agent).await?;
    let old = stage.pid("enclave")?;
    stage.kill("enclave").await?;
    report.say(
        "kill -9 of the enclave",
        format!("process {old}, now {}", stage.pid("enclave")?),
    );
    let after = left(agent).await;
    let after = after.unwrap_or_else(|error| error.to_string());
    let same = before == after;
    report.check(
        "the agent attests the new boot by itself; what is left",
        same,
        if same {
            format!("{after}, as before")
        } else {
            format!("{after}; before: {before}")
        },
    );
    let sign = get("https://api.example.com/v1/orders/ord_9");
    let answer = answered(revoked, Ask::Sign(sign)).await;
    report.check(
        "the revoked grant",
        is_denied(&answer, Code::GrantRevoked),
        word(&answer),
    );
    Ok(())
}

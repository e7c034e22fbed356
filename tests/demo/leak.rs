//! An agent key that leaked is ended by whoever found it; a budget that runs low is on record before it is empty.

use crate::{
    agent::issued,
    command::{bare, records, text},
    hijack::{is_denied, word},
    hostile::copy_key,
    report::Report,
    stage::{Stage, answered, get, grant},
};
use claviger_client::Agent;
use claviger_shared::{call::Ask, denial::Code};
use serde_json::Value;
use std::time::Duration;

/// How long a record may take to be in the log.
const LOOKS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

/// Both.
pub async fn check(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    leaked(report, stage).await?;
    warned(report, stage).await
}

/// The first record of a grant that this looks like; denials and warnings take a moment.
async fn record(stage: &Stage, agent: &Agent, kind: &str) -> anyhow::Result<Option<Value>> {
    for _ in 0..LOOKS {
        let found = records(stage).await?.into_iter().find(|record| {
            text(record, "kind") == kind && text(record, "grant") == agent.key().grant.to_string()
        });
        if found.is_some() {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
}

async fn leaked(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A leaked agent key: whoever finds it can end it, and needs nothing else");
    let sign = || get("https://api.example.com/v1/orders/ord_3");
    let agent = stage.agent("careless", &grant(100, 5000, 20_000)).await?;
    issued(&agent, sign()).await?;
    let found = stage.dir.join("found-on-the-web.key");
    copy_key(stage, "careless", &found)?;
    let mut finder = bare(&["revoke", "--leaked", "--json", "--key-file"])?;
    let output = finder.arg(&found).output().await?;
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    report.check(
        "its finder: claviger revoke --leaked --key-file FILE",
        output.status.success() && text(&said, "state") == "revoked",
        text(&said, "state"),
    );
    let answer = answered(&agent, Ask::Sign(sign())).await;
    report.check(
        "the agent's next call",
        is_denied(&answer, Code::GrantRevoked),
        word(&answer),
    );
    let found = record(stage, &agent, "revoked_self").await?;
    let leaked = found.as_ref().and_then(|record| record.get("leaked"));
    report.check(
        "the log",
        leaked == Some(&Value::Bool(true)),
        found.as_ref().map_or("nothing".to_owned(), |record| {
            format!(
                "{}, leaked: {}",
                text(record, "kind"),
                leaked.unwrap_or(&Value::Null)
            )
        }),
    );
    Ok(())
}

async fn warned(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A warning: at 80 % of a budget, in the log, where nobody can take it back");
    let agent = stage.agent("eager", &grant(10, 5000, 20_000)).await?;
    let sign = |number: u32| get(&format!("https://api.example.com/v1/orders/ord_{number}"));
    for number in 0..7 {
        issued(&agent, sign(number)).await?;
    }
    let early = records(stage).await?.iter().any(|record| {
        text(record, "kind") == "warned" && text(record, "grant") == agent.key().grant.to_string()
    });
    issued(&agent, sign(8)).await?;
    let found = record(stage, &agent, "warned").await?;
    let said = found.as_ref().map(|record| {
        let part = |name| text(record, name);
        (part("unit"), part("spent"), part("max"))
    });
    report.check(
        "7 calls of 10, then one more",
        !early && said == Some(("call", "8", "10")),
        match said {
            Some((unit, spent, max)) => format!("none, then warned: {spent} of {max} {unit}"),
            None => "no warning".to_owned(),
        },
    );
    Ok(())
}

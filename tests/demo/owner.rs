//! Owners at work: a sandbox that reaches nothing live, a budget that a reissue does not refill, a freeze that only they lift.

use crate::{
    agent::{charge, issued},
    command::{done, run, with},
    hijack::{is_denied, word},
    report::Report,
    stage::{Stage, answered, get, grant},
};
use anyhow::{Context, bail};
use claviger_client::Agent;
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

/// Who calls while the deployment is frozen.
const CALLERS: usize = 24;

/// Who practises, and how long.
const TERMS: [&str; 6] = [
    "--agent",
    "practice-bot",
    "--ttl",
    "1h",
    "--max-calls",
    "20",
];

/// All three.
pub async fn work(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    catalog(stage).await?;
    sandbox(report, stage).await?;
    reissue(report, stage).await?;
    freeze(report, stage).await
}

/// Adds what the scenes need to the catalog; names that live grants use stay as they are.
async fn catalog(stage: &Stage) -> anyhow::Result<()> {
    let file = stage.dir.join("catalog.json");
    let mut catalog: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let resources = catalog.get_mut("resources").context("no resources")?;
    resources["practice"] = json!({ "env": "sandbox", "routes": [
        { "kind": "http", "host": "sandbox.example.com", "path": "/v1/orders/{id}", "probe": true } ] });
    resources["identity"] = json!({ "env": "live", "routes": [
        { "kind": "jwt", "profile": "oidc", "audience": "sts.example.com", "issuer": "https://id.example.com", "nonce": true } ] });
    let file = stage.dir.join("catalog-more.json");
    fs::write(&file, catalog.to_string())?;
    done(stage, &["catalog", "set", text(&file)?]).await?;
    Ok(())
}

/// A path as an argument.
pub fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path that is no text")
}

/// Issued answers and simulated ones alike.
fn says_sandbox(answer: &Result<Reply, claviger_client::Error>) -> bool {
    matches!(answer, Ok(Reply::Issued(answer)) if answer.issued.sandbox)
}

async fn sandbox(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A sandbox grant: an agent that practises, and cannot touch anything live");
    let name = ["--name", "k_practice", "--agent", "practice-bot"];
    let key = ["key", "create", "--kind", "http", "--alg", "ed25519"];
    done(stage, &[&key[..], &["--env", "sandbox"], &name].concat()).await?;
    let key_file = stage.dir.join("practice.key");
    let file = stage.dir.join("practice.json");
    for (what, keys, resource) in [
        (
            "sandbox, over the live orders",
            "k_practice",
            "order_history",
        ),
        (
            "sandbox, signing with a live key",
            "k_http_first",
            "practice",
        ),
    ] {
        let scope = json!({ "env": "sandbox", "permissions": { "read": [resource], "write": [], "delete": [] } });
        fs::write(&file, scope.to_string())?;
        let args = ["grant", "create", text(&file)?, "--keys", keys];
        let more = ["--agent-key-out", text(&key_file)?];
        let came = run(stage, &[&args[..], &more, &TERMS].concat()).await?;
        report.check(
            &format!("owners ask for a grant: {what}"),
            came.exit != 0 && !key_file.exists(),
            came.word(),
        );
    }
    practise(report, stage, &file, &key_file).await
}

/// The grant that they do get, and what it reaches.
async fn practise(
    report: &mut Report,
    stage: &Stage,
    file: &Path,
    key_file: &Path,
) -> anyhow::Result<()> {
    let scope = json!({ "env": "sandbox", "permissions": { "read": ["practice"], "write": [], "delete": [] } });
    fs::write(file, scope.to_string())?;
    let args = [
        "grant",
        "create",
        text(file)?,
        "--agent-key-out",
        text(key_file)?,
    ];
    done(stage, &[&args[..], &TERMS].concat()).await?;
    let agent = stage.connect("practice").await?;
    let own = get("https://sandbox.example.com/v1/orders/ord_1");
    let answer = answered(&agent, Ask::Sign(own.clone())).await;
    let said = says_sandbox(&answer);
    report.check(
        "its own orders",
        said,
        format!("{}, sandbox: {said}", word(&answer)),
    );
    let answer = answered(&agent, Ask::Simulate(own)).await;
    let said = says_sandbox(&answer);
    report.check("the same, simulated", said, format!("sandbox: {said}"));
    let live = get("https://api.example.com/v1/orders/ord_1");
    let answer = answered(&agent, Ask::Sign(live.clone())).await;
    let refused = is_denied(&answer, Code::DestinationDenied);
    report.check("the live orders", refused, word(&answer));
    let other = stage.agent("live-beside", &grant(10, 5000, 20_000)).await?;
    let answer = answered(&other, Ask::Sign(live)).await;
    let live = matches!(&answer, Ok(Reply::Issued(answer)) if !answer.issued.sandbox);
    report.check(
        "a live grant beside it",
        live,
        "a credential, sandbox: false",
    );
    Ok(())
}

/// What is left of the day's cents, by the enclave's word.
async fn cents(agent: &Agent) -> anyhow::Result<String> {
    let answer = answered(agent, Ask::Whoami).await;
    let Ok(Reply::Grant(own)) = &answer else {
        bail!("no grant: {}", word(&answer))
    };
    let left = own
        .remaining
        .iter()
        .find(|left| left.window.starts_with("rolling"));
    Ok(left.context("no such budget")?.amount.to_string())
}

async fn reissue(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A reissue: another id, another agent key, the same budget as far as it was spent");
    let old = stage.agent("spender", &grant(100, 5000, 20_000)).await?;
    for _ in 0..3 {
        issued(&old, charge(5000)).await?;
    }
    let before = cents(&old).await?;
    report.check(
        "3 x 5,000 of 20,000 usd-cents a day are spent; left",
        before == "5000",
        &before,
    );
    let id = old.key().grant.to_string();
    let file = stage.dir.join("spender-next.key");
    let args = [
        "grant",
        "reissue",
        &id,
        "--ttl",
        "30m",
        "--agent-key-out",
        text(&file)?,
    ];
    let came = done(stage, &args).await?;
    report.say(
        "owners reissue it",
        format!("{id} -> {}", came.text("/grant")),
    );
    let next = stage.connect("spender-next").await?;
    let after = cents(&next).await?;
    report.check(
        "left under the new grant",
        after == before,
        format!("{after}, as before"),
    );
    let last = answered(&next, Ask::Sign(charge(5000))).await;
    let spent = matches!(last, Ok(Reply::Issued(_)));
    let over = answered(&next, Ask::Sign(charge(1))).await;
    report.check(
        "it charges 5,000, then one cent more",
        spent && is_denied(&over, Code::BudgetExceeded),
        format!("{}, then {}", word(&last), word(&over)),
    );
    let answer = answered(&old, Ask::Sign(charge(1))).await;
    report.check(
        "the old agent key",
        is_denied(&answer, Code::GrantRevoked),
        word(&answer),
    );
    Ok(())
}

/// Calls until it is refused: how often it was not, and the last word.
async fn until_refused(agent: Arc<Agent>, number: usize) -> (usize, String) {
    let url = format!("https://api.example.com/v1/orders/ord_{number}");
    let mut credentials = 0;
    loop {
        match answered(&agent, Ask::Sign(get(&url))).await {
            Ok(Reply::Issued(_)) => credentials += 1,
            answer => return (credentials, word(&answer)),
        }
    }
}

async fn freeze(report: &mut Report, stage: &Stage) -> anyhow::Result<()> {
    report.part("A freeze: an operator stops everything alone; only owners start it again");
    let agent = Arc::new(stage.agent("busy", &grant(100_000, 5000, 20_000)).await?);
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(until_refused(Arc::clone(&agent), number)))
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let frozen = done(stage, &["freeze"]).await?;
    let after = answered(
        &agent,
        Ask::Sign(get("https://api.example.com/v1/orders/ord_1")),
    )
    .await;
    let (mut credentials, mut ends) = (0, BTreeMap::new());
    for caller in callers {
        let (count, end) = caller.await?;
        credentials += count;
        *ends.entry(end).or_insert(0_usize) += 1;
    }
    let stopped = ends
        .keys()
        .all(|end| matches!(end.as_str(), "frozen" | "withdrawn"));
    let said: Vec<_> = ends
        .iter()
        .map(|(end, count)| format!("{count} x {end}"))
        .collect();
    report.check(
        &format!("{CALLERS} callers at once, frozen in the middle of it"),
        credentials > 0 && stopped,
        format!("{credentials} credentials, then {}", said.join(", ")),
    );
    report.check(
        "a call after it",
        is_denied(&after, Code::Frozen),
        word(&after),
    );

    let ready = fs::read(stage.dir.join("ready.json"))?;
    let mut profile: Value = serde_json::from_slice(&ready)?;
    profile["owner_key"] = profile["operator_key"].clone();
    let file = stage.dir.join("operator-as-owner.json");
    fs::write(&file, profile.to_string())?;
    let came = with(&file, &["thaw"]).await?;
    report.check(
        "the operator signs a thaw",
        came.exit == 1 || came.exit == 3,
        came.word(),
    );
    let still = answered(
        &agent,
        Ask::Sign(get("https://api.example.com/v1/orders/ord_1")),
    )
    .await;
    report.check(
        "a call after that",
        is_denied(&still, Code::Frozen),
        word(&still),
    );

    let digest = frozen.text("/freezes/0").to_owned();
    let came = run(stage, &["thaw"]).await?;
    let named = crate::command::records(stage)
        .await?
        .iter()
        .any(|record| record.to_string().contains("thaw") && record.to_string().contains(&digest));
    report.check(
        "owners sign a thaw, which names the freeze it lifts",
        came.exit == 0 && named && !digest.is_empty(),
        format!(
            "{}, {}…",
            came.word(),
            digest.chars().take(19).collect::<String>()
        ),
    );
    let answer = answered(
        &agent,
        Ask::Sign(get("https://api.example.com/v1/orders/ord_1")),
    )
    .await;
    let serves = matches!(answer, Ok(Reply::Issued(_)));
    report.check("a call after that", serves, word(&answer));
    Ok(())
}

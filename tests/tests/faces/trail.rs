//! The audit trail by pages, and the lists beside it.

use super::{CALLS, Face, MARKUP, stage::Stage};
use anyhow::{Context, ensure};
use claviger_shared::log::{record::Record, show};
use serde_json::{Value, json};

/// Every record by the command's own reading of the stored entries.
async fn known(stage: &Stage) -> anyhow::Result<Vec<Value>> {
    let operator = stage.profile()?.operator()?;
    let mut all = Vec::new();
    let mut next = 0;
    loop {
        let entries = operator.entries(next).await?;
        let Some(last) = entries.last() else {
            return Ok(all);
        };
        next = last.index + 1;
        for entry in entries {
            for (place, bytes) in entry.records.iter().enumerate() {
                let (kind, members) = show::members(&Record::decode(bytes)?.body);
                let mut value = json!({"id": format!("{}.{place}", entry.index), "index": entry.index, "place": place, "kind": kind});
                value
                    .as_object_mut()
                    .context("no object")?
                    .extend(members.as_object().context("no members")?.clone());
                all.push(value);
            }
        }
    }
}

async fn pages(face: &Face, query: &str, limit: usize) -> anyhow::Result<Vec<Value>> {
    let (mut all, mut next) = (Vec::new(), "0".to_owned());
    loop {
        let page = face
            .json(&format!("/v1/audit?limit={limit}&from={next}{query}"))
            .await?;
        let records = page["records"].as_array().context("no records")?;
        ensure!(records.len() <= limit);
        all.extend(records.iter().cloned());
        next = page["next"].as_str().context("no next")?.to_owned();
        if page["end"] == true {
            return Ok(all);
        }
    }
}

pub async fn trail(face: &Face, stage: &Stage, grant: &str) -> anyhow::Result<Vec<Value>> {
    let known = known(stage).await?;
    for limit in [1000, 37] {
        let shown = pages(face, "", limit).await?;
        ensure!(
            shown.len() == known.len(),
            "{} of {}",
            shown.len(),
            known.len()
        );
        for (mut shown, known) in shown.into_iter().zip(&known) {
            shown.as_object_mut().context("no object")?.remove("time");
            ensure!(shown == *known, "{shown} is not {known}");
        }
    }
    let of = |test: &dyn Fn(&Value) -> bool| known.iter().filter(|record| test(record)).count();
    let first = "first-agent";
    for (query, count) in [
        (
            "&kind=call".to_owned(),
            of(&|record| record["kind"] == "call"),
        ),
        (
            "&decision=issued".to_owned(),
            of(&|record| record["outcome"] == "issued"),
        ),
        (
            "&decision=denied&code=budget_exceeded".to_owned(),
            of(&|record| record["code"] == "budget_exceeded"),
        ),
        (
            format!("&grant={grant}&kind=denied"),
            of(&|record| record["grant"] == grant && record["kind"] == "denied"),
        ),
        (
            format!("&agent={first}&kind=call"),
            of(&|record| record["kind"] == "call"),
        ),
        ("&agent=nobody".to_owned(), 0),
        ("&since=2999-01-01T00:00:00Z".to_owned(), 0),
        ("&since=2020-01-01T00:00:00Z".to_owned(), known.len()),
    ] {
        let found = pages(face, &query, 500).await?.len();
        ensure!(found == count, "{query}: {found}, not {count}");
    }
    ensure!(of(&|record| record["code"] == "budget_exceeded") > 0);
    for limit in ["1", "1000"] {
        face.json(&format!("/v1/audit?limit={limit}")).await?;
    }
    for bad in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "from=-1",
        "from=01",
        "from=1.",
        "grant=x",
        "agent=a%20b",
        "kind=calls",
        "decision=no",
        "code=nothing",
        "since=yesterday",
        "follow=perhaps",
        "other=1",
        "limit=1&limit=2",
    ] {
        let code = face.refused(&format!("/v1/audit?{bad}")).await?;
        ensure!(code == "malformed", "{bad}: {code}");
    }
    Ok(known)
}

pub async fn lists(face: &Face, grant: &str) -> anyhow::Result<()> {
    let grants = face.json("/v1/grants").await?;
    let own = grants["grants"].as_array().context("no grants")?;
    let shown = own
        .iter()
        .find(|one| one["id"] == grant)
        .context("not listed")?;
    ensure!(
        shown["purpose"] == MARKUP,
        "kept as it was written: {shown}"
    );
    let budgets = shown["budgets"].as_array().context("no budgets")?;
    let of = |unit: &str, window: &str| {
        budgets
            .iter()
            .find(|one| one["unit"] == unit && one["window"] == window)
    };
    let calls = of("call", "grant").context("no budget of calls")?;
    ensure!(calls["spent"] == json!((CALLS + 1).to_string()), "{calls}");
    let cents = of("usd-cents", "rolling:P1D").context("no budget of cents")?;
    ensure!(
        cents["spent"] == "900" && cents["remaining"] == "100",
        "{cents}"
    );
    let whole = face.json(&format!("/v1/grants/{grant}")).await?;
    ensure!(
        whole["grant"]["permissions"]["read"] == json!(["order_history"]),
        "{whole}"
    );
    ensure!(
        whole["outstanding"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        "{whole}"
    );
    for list in ["grants", "keys"] {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let page = face.json(&format!("/v1/{list}?limit=1{after}")).await?;
            all.extend(page[list].as_array().context("no list")?.iter().cloned());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            after = format!("&after={next}");
        }
        let whole = face.json(&format!("/v1/{list}?limit=500")).await?;
        ensure!(whole[list] == json!(all) && all.len() > 1, "{list}");
        for bad in ["limit=0", "limit=501", "after=%20", "x=1"] {
            ensure!(
                face.refused(&format!("/v1/{list}?{bad}")).await? == "malformed",
                "{list} {bad}"
            );
        }
    }
    let catalog = face.json("/v1/catalog").await?;
    let written: Value = serde_json::from_str(include_str!("../../../sim/src/up/catalog.json"))?;
    ensure!(catalog["catalog"] == written, "{catalog}");
    for absent in [
        "/v1/grants/gr_none",
        "/v1/grants/%20",
        "/v1/receipts/0",
        "/v1/receipts/0.9",
        "/v1/receipts/999999.0",
    ] {
        ensure!(face.refused(absent).await? == "not_found", "{absent}");
    }
    Ok(())
}

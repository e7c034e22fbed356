//! Metrics and the faces' own document.

use super::{CALLS, Face, python};
use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use std::path::Path;

pub async fn metrics(face: &Face) -> anyhow::Result<()> {
    let text = face.get("/metrics").await?.text().await?;
    for line in [
        format!(
            "claviger_calls_total{{kind=\"http\",outcome=\"issued\"}} {}",
            CALLS + 1
        ),
        "claviger_denials_total{code=\"budget_exceeded\"} 1".to_owned(),
        "claviger_denials_total{code=\"per_call_exceeded\"} 1".to_owned(),
        "claviger_denials_total{code=\"destination_denied\"} 1".to_owned(),
        "claviger_simulated_total 1".to_owned(),
        "claviger_budgets_high 1".to_owned(),
        "claviger_budgets_exhausted 0".to_owned(),
        "claviger_frozen 0".to_owned(),
    ] {
        ensure!(
            text.contains(&format!("{line}\n")),
            "{line} is not in {text}"
        );
    }
    let documented = include_str!("../../../docs/spec/http.md");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().context("no name")?;
        ensure!(
            documented.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
    }
    ensure!(
        !text.contains("gr_") && !text.contains("first-agent"),
        "names stand in metrics"
    );
    Ok(())
}

/// Every documented answer to a GET, and some refusals, against the document.
pub async fn document(face: &Face, agents: &Face, dir: &Path, grant: &str) -> anyhow::Result<()> {
    let document = face.json("/openapi.json").await?;
    let file = dir.join("openapi.json");
    std::fs::write(&file, document.to_string())?;
    let mut lines = Vec::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let Some(operation) = methods.get("get") else {
            continue;
        };
        if path == "/v1/channel/stream" {
            continue;
        }
        let tags = operation["tags"].as_array().context("no tags")?;
        let place = path
            .replace("{level}", "0")
            .replace("entries/{tile}", "entries/000.p/1")
            .replace("{tile}", "000.p/1")
            .replace("receipts/{id}", "receipts/1.0")
            .replace("grants/{id}", &format!("grants/{grant}"));
        for tag in tags {
            let face = if tag == "agents" { agents } else { face };
            for (at, code) in [
                (place.clone(), None),
                (format!("{place}?unheard=of"), Some(400)),
            ] {
                let answer = face.get(&at).await?;
                let status = answer.status().as_u16();
                if code.is_none() && status != 200 && path != "/.well-known/openid-configuration" {
                    bail!("{at}: {status}");
                }
                let media = answer.headers()["content-type"].to_str()?.to_owned();
                let body = answer.bytes().await?;
                let body: Value = if media.contains("json") {
                    serde_json::from_slice(&body)?
                } else {
                    Value::Null
                };
                lines.push(json!({"path": path, "method": "get", "status": status, "media": media, "body": body}));
            }
        }
    }
    for page in [
        "/v1/audit?limit=1000",
        "/v1/audit?limit=1000&from=1.0",
        "/v1/audit?kind=denied",
        "/v1/audit?kind=command",
    ] {
        let body = face.json(page).await?;
        lines.push(json!({"path": "/v1/audit", "method": "get", "status": 200, "media": "application/json", "body": body}));
    }
    let mut wrong = lines.last().context("no lines")?.clone();
    wrong["body"]["records"][0]["surprise"] = json!(1);
    lines.push(wrong);
    let script = "check_openapi.py";
    let mut said = python::ask_with(script, &[file.as_os_str()], &lines)?;
    let last = said.pop().context("no answer")?;
    ensure!(last != "ok", "the validator takes anything");
    for (said, line) in said.iter().zip(&lines) {
        ensure!(said == "ok", "{}: {said}", line["path"]);
    }
    ensure!(said.len() > 50, "{}", said.len());
    Ok(())
}

//! The job, from birth to audit, with frames of every size and many connections.

use crate::{
    acknowledged::read,
    command::done,
    guest::{Guest, denied, order, receipt},
    stage::grant,
};
use anyhow::{Context, ensure};
use claviger_cli::owner::Desk;
use claviger_client::Agent;
use claviger_host::{
    config::{EnclaveAddress, HybridAddress},
    link::dial,
};
use claviger_shared::{
    call::{HttpInput, Input, Sign},
    denial::Code,
    wire::Role,
};
use claviger_sim::process::guest::PORT;
use claviger_tests::vm::Part;
use serde_json::{Value, json};
use std::{fs, path::Path, sync::Arc};

/// Calls that the first agent may make.
const CALLS: usize = 10;
/// What one write to the device may hold; frames beyond it take more than one.
const PIECE: usize = 32 * 1024;
/// Calls that make a snapshot due at the next boot.
const MANY: usize = 4200;
/// Of one agent, under way at once.
const AT_ONCE: usize = 48;
/// Connections made and let go of.
const CONNECTIONS: usize = 50;

/// All of it, and the deployment ended.
pub async fn whole(mut guest: Guest) -> anyhow::Result<()> {
    let buyer = spend(&guest).await?;
    let revoked = revoke(&guest).await?;
    let (writer, mut receipts) = large_frames(&guest).await?;
    receipts.extend(many(&guest).await?);
    // The first of these boots replays the log and writes a snapshot, the second begins from it.
    for _ in 0..2 {
        guest.kill(Part::Guest).await?;
        denied(&buyer.0, Code::BudgetExceeded).await?;
        denied(&revoked, Code::GrantRevoked).await?;
        receipts.push(receipt(&writer, note(PIECE * 12)).await?);
    }
    let snapshot = largest(&guest.dir.path().join("host/log/snapshots"))?;
    ensure!(snapshot > PIECE, "a snapshot of {snapshot} bytes");
    reconnects(&guest).await?;
    receipts.push(receipt(&writer, note(100)).await?);
    receipts.extend(buyer.1);
    let entries = read(guest.dir.path())?;
    let bytes = |entry: &claviger_shared::wire::storage::StoredEntry| {
        entry
            .records
            .iter()
            .map(|record| record.len())
            .sum::<usize>()
    };
    let entry = entries.iter().map(bytes).max().unwrap_or_default();
    ensure!(entry > PIECE, "no entry over {PIECE} bytes but {entry}");
    let found = guest.audit(&receipts).await?;
    println!(
        "{} receipts found in {} records; largest entry {entry} B, snapshot {snapshot} B",
        receipts.len(),
        found["records"]
    );
    guest.stop().await
}

/// A grant is used up.
async fn spend(guest: &Guest) -> anyhow::Result<(Agent, Vec<Vec<u8>>)> {
    let calls = u64::try_from(CALLS)?;
    let agent = guest
        .stage
        .agent("buyer", &grant(calls, 5000, 20_000))
        .await?;
    let mut receipts = Vec::new();
    for number in 0..CALLS {
        receipts.push(receipt(&agent, order(number)).await?);
    }
    denied(&agent, Code::BudgetExceeded).await?;
    Ok((agent, receipts))
}

/// A grant is revoked by the command.
async fn revoke(guest: &Guest) -> anyhow::Result<Agent> {
    let agent = guest
        .stage
        .agent("doomed", &grant(100, 5000, 20_000))
        .await?;
    receipt(&agent, order(1)).await?;
    let id = agent.key().grant.to_string();
    done(&guest.stage, &["grant", "revoke", &id]).await?;
    denied(&agent, Code::GrantRevoked).await?;
    Ok(agent)
}

/// A note whose body has so many bytes.
pub fn note(bytes: usize) -> Sign {
    let body = json!({ "text": "x".repeat(bytes), "title": "a note" });
    Sign {
        input: Input::Http(HttpInput {
            method: "POST".to_owned(),
            url: "https://api.example.com/v1/notes".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(body.to_string().into_bytes().into()),
        }),
        idempotency_key: None,
    }
}

/// Sets a catalog of some hundred KiB, an entry that takes the enclave many writes to store, with notes of any size.
pub async fn allow_notes(guest: &Guest, desk: &mut Desk) -> anyhow::Result<()> {
    let text = fs::read(guest.dir.path().join("catalog.json"))?;
    let mut catalog: Value = serde_json::from_slice(&text)?;
    let resources = catalog["resources"]
        .as_object_mut()
        .context("no resources")?;
    let route = |path: &str, body: Value| {
        json!({ "env": "live", "routes": [
            { "kind": "http", "host": "api.example.com", "path": path, "methods": ["POST"], "body": body } ] })
    };
    let notes = route("/v1/notes", json!(["/text", "/title"]));
    resources.insert("notes".to_owned(), notes);
    for number in 0..5 {
        let members = (0..250).map(|member| format!("/{member:0>240}"));
        let padding = route(&format!("/v1/large/{number}"), members.collect());
        resources.insert(format!("large_{number}"), padding);
    }
    let text = catalog.to_string();
    ensure!(text.len() > PIECE * 8, "the catalog is small");
    desk.set_catalog(text.as_bytes(), &[]).await?;
    Ok(())
}

/// Bodies are signed up to the largest.
async fn large_frames(guest: &Guest) -> anyhow::Result<(Agent, Vec<Vec<u8>>)> {
    let mut desk = guest.stage.desk().await?;
    allow_notes(guest, &mut desk).await?;
    let mut wanted = grant(1000, 5000, 20_000);
    wanted["permissions"]["write"] = json!(["charges", "notes", "tokens"]);
    let agent = guest.stage.agent_by(&mut desk, "writer", &wanted).await?;
    let mut receipts = Vec::new();
    for bytes in [1, PIECE, PIECE * 15] {
        receipts.push(receipt(&agent, note(bytes)).await?);
    }
    Ok((agent, receipts))
}

/// Enough calls for a snapshot.
async fn many(guest: &Guest) -> anyhow::Result<Vec<Vec<u8>>> {
    let limit = u64::try_from(MANY * 2)?;
    let agent = guest
        .stage
        .agent("busy", &grant(limit, 5000, 20_000))
        .await?;
    let agent = Arc::new(agent);
    let callers = (0..AT_ONCE).map(|_| {
        let agent = Arc::clone(&agent);
        tokio::spawn(async move {
            let mut last = Vec::new();
            for number in 0..MANY / AT_ONCE {
                last = receipt(&agent, order(number)).await?;
            }
            anyhow::Ok(last)
        })
    });
    let mut receipts = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        receipts.push(caller.await??);
    }
    Ok(receipts)
}

/// Makes connections and lets go of them: the enclave takes only a few at a time, so one that stayed would be missed.
async fn reconnects(guest: &Guest) -> anyhow::Result<()> {
    let before = guest.vm.descriptors(Part::Device);
    let at = EnclaveAddress::Hybrid(HybridAddress {
        path: guest.vm.places().address(),
        port: PORT,
    });
    let dialled = tokio::task::spawn_blocking(move || {
        for number in 0..CONNECTIONS {
            // The enclave learns a little later that the one before is gone.
            let again = (0..100).find_map(|_| {
                let dialled = dial(&at, Role::Call);
                if dialled.is_err() {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                dialled.ok()
            });
            again.with_context(|| format!("connection {number} is refused"))?;
        }
        anyhow::Ok(())
    });
    dialled.await??;
    let mut after = usize::MAX;
    for _ in 0..100 {
        after = guest.vm.descriptors(Part::Device);
        if after <= before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    ensure!(
        after <= before,
        "the device held {before} descriptors, now {after}"
    );
    Ok(())
}

/// Bytes of the largest file.
fn largest(dir: &Path) -> anyhow::Result<usize> {
    let mut most = 0;
    for file in fs::read_dir(dir)? {
        most = most.max(usize::try_from(file?.metadata()?.len())?);
    }
    Ok(most)
}

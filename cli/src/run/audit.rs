//! The log's verbs: records printed as they are checked, and the offline audit.

use super::{Named, name, read_text};
use crate::{
    args::audit::{AuditVerb, Derives, Verify},
    output::{Outcome, stdout},
};
use claviger_cli::{
    Error,
    audit::{Audit, Refuted, derives, export::Export, record},
    owner::terms::parse_length,
    profile::read_chain,
    view::View,
};
use claviger_client::{render, session::wall_clock_ms};
use claviger_shared::{
    owner::manifest::{AttestationRoot, chain::Chain},
    time::UnixMs,
};
use claviger_verify::audit::Auditor;
use serde_json::{Value, json};
use std::{io::Read, path::Path, time::Duration};

/// Pause between two looks for new entries.
const PAUSE: Duration = Duration::from_millis(300);
/// Most bytes of events that are read from standard input.
const MAX_INPUT: u64 = 256 * 1024 * 1024;

pub(super) async fn run(named: &Named, verb: AuditVerb) -> Result<Outcome, Error> {
    match verb {
        AuditVerb::Tail { from, follow } => tail(named, from, follow).await,
        AuditVerb::Export { dir } => export(named, &dir).await,
        AuditVerb::Verify(verify) => self::verify(named, verify),
        AuditVerb::Derives(args) => derives(named, &args),
    }
}

fn is_simulation(chain: &Chain) -> bool {
    chain.g0().attestation_root != Some(AttestationRoot::Aws)
}

async fn tail(named: &Named, from: u64, follow: bool) -> Result<Outcome, Error> {
    let profile = named.required()?;
    let chain = profile.chain()?;
    let simulation = is_simulation(&chain);
    let operator = profile.operator()?;
    let mut view = View::new(chain)?;
    let mut read = true;
    loop {
        let printed = view.read_on(&operator, |entry| {
            if entry.leaf.index < from || !read {
                return;
            }
            for mut value in record::of_entry(entry) {
                render::mark(&mut value, simulation);
                read = read && stdout(&format!("{value}\n"));
            }
        });
        match printed.await {
            Err(Error::Unavailable(_)) if follow && view.report().is_ok() => {}
            other => other?,
        }
        if !follow || !read {
            return Ok(Outcome::silent());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn export(named: &Named, dir: &Path) -> Result<Outcome, Error> {
    let profile = named.required()?;
    let chain = profile.chain()?;
    let simulation = is_simulation(&chain);
    let operator = profile.operator()?;
    let file = read_text("cannot read the manifest chain", &profile.manifest)?;
    let distrust = |error: &claviger_verify::audit::Error| Error::Distrust(format!("log: {error}"));
    let mut auditor = Auditor::new(chain).map_err(|error| distrust(&error))?;
    let mut export = Export::create(dir)?;
    loop {
        let entries = operator.entries(auditor.size()).await?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            auditor.entry(entry).map_err(|error| distrust(&error))?;
            export.put(entry)?;
        }
    }
    let report = auditor.report().map_err(|error| distrust(&error))?;
    export.finish(&file)?;
    let shown = dir.display();
    let mut value = json!({
        "dir": dir, "origin": report.origin, "size": report.size, "root": report.root, "records": report.records,
        "then": format!("claviger audit verify {shown} --manifest {shown}/manifests.json"),
    });
    render::mark(&mut value, simulation);
    Ok(value.into())
}

fn verify(named: &Named, verify: Verify) -> Result<Outcome, Error> {
    let Verify {
        dir,
        manifest,
        checkpoint,
        receipts,
    } = verify;
    let profile = match (&dir, &manifest) {
        (Some(_), Some(_)) => None,
        (Some(_) | None, Some(_) | None) => Some(named.required()?),
    };
    let manifest = manifest.or_else(|| profile.as_ref().map(|profile| profile.manifest.clone()));
    let dir = dir.or_else(|| profile.and_then(|profile| profile.log));
    let manifest = manifest.ok_or_else(|| Error::Usage("no --manifest M".to_owned()))?;
    let dir = dir.ok_or_else(|| {
        Error::Usage("profile names no log: give the store's directory DIR".to_owned())
    })?;
    let read = |path: &std::path::PathBuf| read_text("cannot read", path);
    let checkpoint = checkpoint.as_ref().map(read).transpose()?;
    let receipts = receipts.as_ref().map(read).transpose()?;
    let chain = read_chain(&manifest)?;
    let simulation = is_simulation(&chain);
    let audit = Audit::of_store(&dir, chain)
        .and_then(|audit| summed(&audit, checkpoint.as_deref(), receipts.as_deref()));
    let (mut value, exit) = match audit {
        Ok(value) => (value, 0),
        Err(Refuted::Damage(claviger_cli::audit::segment::Damage::Io(path, source))) => {
            return Err(Error::io("cannot read the log", &path)(source));
        }
        Err(refuted) => (refuted.to_json(), 1),
    };
    render::mark(&mut value, simulation);
    Ok(Outcome {
        value,
        exit,
        document: false,
    })
}

fn summed(
    audit: &Audit,
    checkpoint: Option<&str>,
    receipts: Option<&str>,
) -> Result<Value, Refuted> {
    let report = audit.report()?;
    if let Some(note) = checkpoint {
        audit.covers(note)?;
    }
    let mut value = json!({
        "origin": report.origin, "size": report.size, "root": report.root, "records": report.records,
        "torn_bytes": audit.torn_bytes(), "ok": true,
    });
    if let (Some(lines), Some(members)) = (receipts, value.as_object_mut()) {
        members.insert("receipts".to_owned(), json!(audit.holds_receipts(lines)?));
    }
    Ok(value)
}

fn derives(named: &Named, args: &Derives) -> Result<Outcome, Error> {
    let Derives {
        events,
        log,
        manifest,
        within,
    } = args;
    let profile = match (log, manifest) {
        (Some(_), Some(_)) => None,
        (Some(_) | None, Some(_) | None) => Some(named.required()?),
    };
    let held = profile.as_ref();
    let manifest = manifest
        .as_ref()
        .or_else(|| held.map(|profile| &profile.manifest));
    let log = log
        .as_ref()
        .or_else(|| held.and_then(|profile| profile.log.as_ref()));
    let manifest = manifest.ok_or_else(|| Error::Usage("no --manifest M".to_owned()))?;
    let log =
        log.ok_or_else(|| Error::Usage("the profile names no log: give --log DIR".to_owned()))?;
    let within = name(within, "a length such as 15m", |text| {
        parse_length(text).ok_or(())
    })?;
    let mut all = Vec::new();
    for file in events {
        all.extend(derives::read(&text_of(file)?)?);
    }
    let chain = read_chain(manifest)?;
    let simulation = is_simulation(&chain);
    let keys: Vec<String> = chain
        .newest()
        .recipients
        .iter()
        .map(|to| to.arn.clone())
        .collect();
    let audit = Audit::of_store(log, chain)
        .map_err(|refuted| Error::Distrust(format!("log: {refuted}")))?;
    let now = UnixMs(wall_clock_ms());
    let found = derives::compare(all, audit.boots(), &keys, within, now);
    let mut value = found.to_json();
    render::mark(&mut value, simulation);
    Ok(Outcome {
        value,
        exit: u8::from(!found.is_well()),
        document: false,
    })
}

/// A file's text, or that of standard input.
fn text_of(file: &Path) -> Result<String, Error> {
    if file != Path::new("-") {
        return read_text("cannot read the events", file);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(MAX_INPUT)
        .read_to_string(&mut text)
        .map_err(Error::io("cannot read", file))?;
    Ok(text)
}

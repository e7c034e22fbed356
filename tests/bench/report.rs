//! The table of cells, on standard output, and the file of everything.

use crate::{
    cell::{Cell, RELAY},
    goals,
    run::Run,
};
use serde_json::json;
use std::path::Path;

/// The head of the table: enclave, host, server and client are CPU of that process for one answer, in µs.
pub fn head() {
    println!(
        "{:<36} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6}",
        "what",
        "load",
        "per s",
        "p50 µs",
        "p99 µs",
        "enclave",
        "host",
        "server",
        "client",
        "refused",
        "others"
    );
}

/// One cell.
pub fn line(cell: &Cell) {
    let waits = if cell.issued.count > 0 {
        &cell.issued
    } else {
        &cell.denied
    };
    let known = ["enclave", "host", RELAY, "load"];
    let others = cell
        .cpu_us
        .iter()
        .filter(|(name, _)| !known.contains(&name.as_str()));
    let other = others.map(|(_, us)| us).fold(0.0, |sum, us| sum + us);
    println!(
        "{:<36} {:>9} {:>9.0} {:>8.0} {:>8.0} {:>8.1} {:>8.1} {:>8.1} {:>7.1} {:>7} {:>6.2}",
        cell.name,
        format!("{} x {}", cell.callers, cell.depth),
        cell.per_s,
        waits.p50_us,
        waits.p99_us,
        cell.cpu("enclave"),
        cell.cpu("host"),
        other,
        cell.cpu("load"),
        cell.refused.count,
        cell.others,
    );
    if cell.refused.count > 0 {
        let waits = &cell.refused;
        println!(
            "    refusals: p50 {:.0} µs, p99 {:.0} µs",
            waits.p50_us, waits.p99_us
        );
    }
}

/// This machine, for people.
pub fn machine() -> anyhow::Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .unwrap_or_default()
        .trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism()?.get();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    // The first number alone: the rest is the distribution's own.
    let kernel = kernel.split('-').next().unwrap_or_default();
    Ok(format!("{cores} x {model}, Linux {}", kernel.trim()))
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git")
            .args(arguments)
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    };
    let head = git(&["rev-parse", "HEAD"]).unwrap_or_default();
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| text.is_empty());
    if clean {
        head
    } else {
        format!("{head}, changed")
    }
}

/// Writes everything that a run found.
pub fn write(path: &Path, run: &Run) -> anyhow::Result<()> {
    let profile = std::env::current_exe()?;
    let profile = profile
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let Run {
        length,
        cells,
        primitive_us,
        primitives_us,
        post_us,
        floor_us,
        audited_us,
        checkpoint_us,
        added,
        handled_us,
        inside,
        append,
        grants,
        boots,
        audits,
        fair,
    } = run;
    let document = json!({
        "machine": machine()?, "commit": commit(), "profile": profile, "seconds": length.as_secs_f64(),
        "primitive_us": primitive_us, "primitives_us": primitives_us, "post_us": post_us, "floor_us": floor_us, "audited_us": audited_us, "checkpoint_us": checkpoint_us, "added": added, "handled_us": handled_us, "in_process_us": inside, "append": append, "cells": cells, "grants": grants,
        "boots": boots, "audits": audits, "fair": fair, "goals": goals::judge(run),
    });
    std::fs::write(path, serde_json::to_vec_pretty(&document)?)?;
    Ok(())
}

//! The table and the file.

use crate::cell::Cell;
use serde_json::json;
use std::path::Path;

/// Prints the cells.
pub fn print(cells: &[Cell]) {
    println!(
        "{:<9} {:>7} {:>10} {:>10} {:>10} {:>12} {:>10} {:>11} {:>12}",
        "mode",
        "callers",
        "calls/s",
        "p50 µs",
        "p99 µs",
        "enclave µs",
        "host µs",
        "client µs",
        "enclave KiB"
    );
    for cell in cells {
        println!(
            "{:<9} {:>7} {:>10.0} {:>10.0} {:>10.0} {:>12.1} {:>10.1} {:>11.1} {:>12}",
            cell.mode,
            cell.callers,
            cell.calls_per_s,
            cell.p50_us,
            cell.p99_us,
            cell.enclave_us,
            cell.host_us,
            cell.client_us,
            cell.enclave_kib
        );
    }
    println!("enclave, host and client: CPU of that process for one call, all cores counted");
}

/// Writes the cells.
pub fn write(path: &Path, cells: &[Cell]) -> anyhow::Result<()> {
    let machine = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = machine
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let cores = std::thread::available_parallelism()?.get();
    let machine = format!("{} x {cores}", model.trim_start_matches([' ', '\t', ':']));
    let commit = std::process::Command::new("git")
        .args(["rev-parse", "HEAD"])
        .output();
    let commit = commit
        .map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned())
        .unwrap_or_default();
    let document = json!({ "machine": machine, "commit": commit, "cells": cells });
    std::fs::write(path, serde_json::to_vec_pretty(&document)?)?;
    Ok(())
}

//! The table and the file.

use crate::Measured;
use serde_json::json;
use std::path::Path;

/// Prints the cells.
pub fn print(measured: &Measured) {
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
    for cell in &measured.cells {
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
    for fair in &measured.fair {
        println!(
            "{}: beside a flooding agent ({:.0} answers/s) the others got {:.3} of their {:.0} calls/s; p50 {:.0} -> {:.0} µs, p99 {:.0} -> {:.0} µs",
            fair.mode,
            fair.flood_per_s,
            fair.ratio,
            fair.offered_per_s,
            fair.alone_p50_us,
            fair.beside_p50_us,
            fair.alone_p99_us,
            fair.beside_p99_us
        );
    }
}

/// Writes the cells.
pub fn write(path: &Path, measured: &Measured) -> anyhow::Result<()> {
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
    let Measured { cells, fair } = measured;
    let document = json!({ "machine": machine, "commit": commit, "cells": cells, "fair": fair });
    std::fs::write(path, serde_json::to_vec_pretty(&document)?)?;
    Ok(())
}

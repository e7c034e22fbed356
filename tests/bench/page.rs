//! The measured part of docs/performance.md and its charts, from what a run has kept.

use crate::{goals, svg::Chart};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::Path};

const PAGE: &str = "docs/performance.md";
const CHARTS: &str = "docs/performance";
const BEGIN: &str = "<!-- measured: begin -->\n";
const END: &str = "<!-- measured: end -->\n";

type Points = Vec<(f64, f64)>;

/// Writes the page's measured part and the charts anew.
pub fn write(kept: &Path) -> anyhow::Result<()> {
    let run: Value = serde_json::from_slice(&fs::read(kept).context("no run is kept")?)?;
    let page = fs::read_to_string(PAGE)?;
    let (before, rest) = page
        .split_once(BEGIN)
        .context("the page has no measured part")?;
    let (_, after) = rest
        .split_once(END)
        .context("the measured part does not end")?;
    let mut text = facts(&run);
    text += &goals_table(&run);
    text += &cells_table(&run);
    fs::create_dir_all(CHARTS)?;
    for (name, chart) in charts(&run) {
        let Some(svg) = chart.svg() else { continue };
        fs::write(Path::new(CHARTS).join(format!("{name}.svg")), svg)?;
        let _ = writeln!(text, "\n![{}](performance/{name}.svg)", chart.title);
    }
    fs::write(PAGE, format!("{before}{BEGIN}{text}{END}{after}"))?;
    ensure!(text.lines().count() > 10, "nothing was measured");
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> f64 {
    value
        .pointer(pointer)
        .and_then(Value::as_f64)
        .unwrap_or_default()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn facts(run: &Value) -> String {
    let mut out = format!(
        "{}, profile `{}`, {} s a cell. One Ed25519 signature of 256 B alone: {:.1} µs; every primitive of a recorded call: {:.1} µs, with a body of 256 B {:.1} µs; one answer of the floor server: {:.1} µs; every primitive of an audited record: {:.2} µs; a checkpoint verified: {:.1} µs; an answer read, the rest of its receipt checked, and written as JSON: {:.1} µs. One caller, in turns: p50 {:.0} µs, through a process that copies bytes {:.0} µs, from the sidecar {:.0} µs. Append of 1 KiB with fdatasync: p50 {:.0} µs.\n",
        text(run, "machine"),
        text(run, "profile"),
        number(run, "/seconds"),
        number(run, "/primitive_us"),
        number(run, "/primitives_us"),
        number(run, "/post_us"),
        number(run, "/floor_us"),
        number(run, "/audited_us"),
        number(run, "/checkpoint_us"),
        number(run, "/handled_us"),
        number(run, "/added/alone/p50_us"),
        number(run, "/added/copied/p50_us"),
        number(run, "/added/sidecar/p50_us"),
        number(run, "/append/p50_us"),
    );
    let cells = list(run, "cells");
    let disturbed = cells
        .iter()
        .filter(|cell| number(cell, "/others") > goals::DISTURBED);
    let disturbed = disturbed.count();
    if disturbed > 0 {
        let _ = writeln!(
            out,
            "**{disturbed} of {} cells were measured while other work kept more than {} cores busy: their times say little.**",
            cells.len(),
            goals::DISTURBED
        );
    }
    let inside = list(run, "in_process_us").iter().map(|pair| {
        let name = pair.get(0).and_then(Value::as_str).unwrap_or_default();
        format!("{name} {:.2}", number(pair, "/1"))
    });
    let inside: Vec<_> = inside.collect();
    let _ = writeln!(out, "In one process, µs: {}.", inside.join(" · "));
    for audit in list(run, "audits") {
        let _ = writeln!(
            out,
            "The offline audit reads {:.0} records a second of one core.",
            number(audit, "/per_s_and_core")
        );
    }
    out
}

fn goals_table(run: &Value) -> String {
    let mut out = "\n| goal | wanted | found | floor | met |\n|---|---|---|---|---|\n".to_owned();
    for goal in list(run, "goals") {
        let met = goal.get("met").and_then(Value::as_bool) == Some(true);
        let floor = goal.get("floor").and_then(Value::as_f64);
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} | {} | {} |",
            text(goal, "name"),
            text(goal, "goal"),
            number(goal, "/value"),
            floor.map_or_else(|| "–".to_owned(), |floor| format!("{floor:.2}")),
            if met { "yes" } else { "**no**" }
        );
    }
    out
}

fn cells_table(run: &Value) -> String {
    let mut out = "\n| under load | callers x depth | a second | p50 µs | p99 µs | p999 µs | CPU µs for one | records in an entry | others' cores |\n|---|---|---|---|---|---|---|---|---|\n".to_owned();
    for cell in list(run, "cells") {
        let waits = ["/issued", "/denied"].map(|name| cell.pointer(name));
        let waits = waits
            .into_iter()
            .flatten()
            .find(|waits| number(waits, "/count") > 0.0);
        let waits = waits.unwrap_or(&Value::Null);
        let cpu = cell.get("cpu_us").and_then(Value::as_object);
        let cpu = cpu
            .into_iter()
            .flatten()
            .filter(|(_, us)| us.as_f64() > Some(0.0));
        let cpu: Vec<_> = cpu
            .map(|(name, us)| format!("{name} {:.1}", us.as_f64().unwrap_or(0.0)))
            .collect();
        let p999 = waits.get("p999_us").and_then(Value::as_f64);
        let shared = cell.get("records_in_entry").and_then(Value::as_f64);
        let _ = writeln!(
            out,
            "| {} | {} x {} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {:.2} |",
            text(cell, "name"),
            number(cell, "/callers"),
            number(cell, "/depth"),
            number(cell, "/per_s"),
            number(waits, "/p50_us"),
            number(waits, "/p99_us"),
            p999.map_or("–".to_owned(), |us| format!("{us:.0}")),
            cpu.join(", "),
            shared.map_or("–".to_owned(), |records| format!("{records:.1}")),
            number(cell, "/others"),
        );
    }
    out
}

/// Points of the cells with this name, by callers.
fn by_callers(run: &Value, mode: &str, y: &str) -> Points {
    let of = |name: String| -> Points {
        let cells = list(run, "cells").iter();
        let cells =
            cells.filter(|cell| text(cell, "name") == name && number(cell, "/depth") == 1.0);
        cells
            .map(|cell| (number(cell, "/callers"), number(cell, y)))
            .collect()
    };
    let grown = of(format!("{mode} by callers"));
    // The short run has three points of it.
    if grown.is_empty() {
        of(format!("{mode} GET"))
    } else {
        grown
    }
}

fn by_bytes(run: &Value, y: &str) -> Points {
    let cells = list(run, "cells").iter().filter_map(|cell| {
        let bytes = text(cell, "name").strip_prefix("durable POST of ")?;
        let bytes = bytes.strip_suffix(" B")?.parse().ok()?;
        Some((bytes, number(cell, y)))
    });
    cells.collect()
}

fn table(run: &Value, name: &str, x: &str, y: &str) -> Points {
    let rows = list(run, name).iter();
    rows.map(|row| (number(row, x), number(row, y))).collect()
}

fn scaled(points: Points, by: f64) -> Points {
    points.into_iter().map(|(x, y)| (x, y * by)).collect()
}

fn charts(run: &Value) -> Vec<(&'static str, Chart)> {
    let chart = |title: &str, x: &str, y: &str, series: Vec<(&str, Points)>| Chart {
        title: title.to_owned(),
        x: x.to_owned(),
        y: y.to_owned(),
        series: series
            .into_iter()
            .map(|(name, points)| (name.to_owned(), points))
            .collect(),
    };
    let modes = |y: &str| {
        vec![
            ("durable", by_callers(run, "durable", y)),
            ("volatile", by_callers(run, "volatile", y)),
        ]
    };
    let tails =
        ["/issued/p50_us", "/issued/p99_us"].map(|y| scaled(by_callers(run, "durable", y), 1e-3));
    let [p50, p99] = tails;
    let memory = scaled(
        table(run, "grants", "/grants", "/enclave_kib"),
        1.0 / 1024.0,
    );
    vec![
        (
            "throughput",
            chart(
                "Calls a second through the host",
                "callers",
                "calls/s",
                modes("/per_s"),
            ),
        ),
        (
            "waits",
            chart(
                "Waits of a durable deployment",
                "callers",
                "ms",
                vec![("p50", p50), ("p99", p99)],
            ),
        ),
        (
            "enclave-cpu",
            chart(
                "CPU of the enclave for one call",
                "callers",
                "µs",
                modes("/cpu_us/enclave"),
            ),
        ),
        (
            "bodies",
            chart(
                "CPU for one POST, 8 callers",
                "bytes of the body",
                "µs",
                vec![
                    ("enclave", by_bytes(run, "/cpu_us/enclave")),
                    ("host", by_bytes(run, "/cpu_us/host")),
                ],
            ),
        ),
        (
            "memory",
            chart(
                "Memory of the enclave",
                "grants",
                "MiB",
                vec![("proportional set size", memory)],
            ),
        ),
        (
            "call-by-grants",
            chart(
                "CPU of the enclave for one call, 8 x 16",
                "grants",
                "µs",
                vec![("enclave", table(run, "grants", "/grants", "/enclave_us"))],
            ),
        ),
        (
            "boot",
            chart(
                "From the death of an enclave until the next serves",
                "records since the last snapshot",
                "ms",
                vec![
                    (
                        "every entry replayed",
                        table(run, "boots", "/records", "/replay_ms"),
                    ),
                    (
                        "from a snapshot",
                        table(run, "boots", "/records", "/snapshot_ms"),
                    ),
                ],
            ),
        ),
    ]
}

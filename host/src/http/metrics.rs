//! Prometheus text: counts and sizes, no names of agents, grants or keys.

use super::{
    App, FOLLOWERS,
    look::{ask, now},
    public,
};
use crate::index::{Counts, High};
use axum::{extract::State, response::Response};
use claviger_shared::wire::Phase;
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Every phase and its word.
const PHASES: [(Phase, &str); 7] = [
    (Phase::Booted, "booted"),
    (Phase::Measured, "measured"),
    (Phase::Unsealed, "unsealed"),
    (Phase::Replaying, "replaying"),
    (Phase::Serving, "serving"),
    (Phase::Fenced, "fenced"),
    (Phase::Stopped, "stopped"),
];

pub(super) async fn answer(State(app): State<Arc<App>>) -> Response {
    let mut out = text(&app);
    // The host's own counts are told also while the log is not understood.
    if let Ok((counts, high)) = ask(&app, |index| index.sums(now())).await {
        sums(&mut out, &counts, &high);
    }
    public::bytes("text/plain; version=0.0.4; charset=utf-8", out)
}

/// What the log says, summed since its first record.
fn sums(out: &mut String, counts: &Counts, high: &High) {
    put(
        out,
        "calls_total",
        "counter",
        "Recorded calls by credential kind and outcome.",
    );
    for ((kind, outcome), count) in &counts.calls {
        let kind = kind.as_str();
        let _ = writeln!(
            out,
            "claviger_calls_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}"
        );
    }
    put(out, "denials_total", "counter", "Recorded denials by code.");
    for (code, count) in &counts.denials {
        let _ = writeln!(out, "claviger_denials_total{{code=\"{code}\"}} {count}");
    }
    put(
        out,
        "budget_warnings_total",
        "counter",
        "Budgets that came to 80 percent, by unit.",
    );
    for (unit, count) in &counts.warnings {
        let _ = writeln!(
            out,
            "claviger_budget_warnings_total{{unit=\"{unit}\"}} {count}"
        );
    }
    let values = [
        (
            "simulated_total",
            "counter",
            "Recorded simulated calls.",
            counts.simulated,
        ),
        ("grants", "gauge", "Grants of any state.", high.grants),
        (
            "grants_active",
            "gauge",
            "Grants that may be used now.",
            high.active,
        ),
        (
            "budgets_high",
            "gauge",
            "Budgets of active grants spent to 80 percent or more.",
            high.high,
        ),
        (
            "budgets_exhausted",
            "gauge",
            "Budgets of active grants with nothing left.",
            high.exhausted,
        ),
        (
            "frozen",
            "gauge",
            "1 while a freeze is in force.",
            u64::from(high.frozen),
        ),
    ];
    for (name, kind, help, value) in values {
        put(out, name, kind, help);
        let _ = writeln!(out, "claviger_{name} {value}");
    }
}

fn text(app: &App) -> String {
    let mut out = String::new();
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let relay = &app.relay.counters;
    let view = app.control.view();
    phases(&mut out, view.phase);
    let values = [
        (
            "log_size",
            "gauge",
            "Entries stored.",
            app.store.tail().size,
        ),
        (
            "relay_connections",
            "gauge",
            "Call connections to the enclave.",
            app.relay.connections() as u64,
        ),
        (
            "relay_streams",
            "gauge",
            "Streams of clients.",
            load(&relay.streams),
        ),
        (
            "relay_requests_total",
            "counter",
            "Requests of clients.",
            load(&relay.requests),
        ),
        (
            "relay_replies_total",
            "counter",
            "Replies of the enclave.",
            load(&relay.replies),
        ),
        (
            "relay_busy_total",
            "counter",
            "Requests refused for a full queue.",
            load(&relay.busy),
        ),
        (
            "relay_unavailable_total",
            "counter",
            "Requests refused or given up without an enclave.",
            load(&relay.unavailable),
        ),
        (
            "audit_followers",
            "gauge",
            "Who follow the audit trail.",
            FOLLOWERS.saturating_sub(app.followers.available_permits()) as u64,
        ),
        (
            "http_requests_total",
            "counter",
            "HTTP requests on both faces.",
            load(&app.requests),
        ),
    ];
    for (name, kind, help, value) in values {
        put(&mut out, name, kind, help);
        // Writing to a String does not fail.
        let _ = writeln!(out, "claviger_{name} {value}");
    }
    out
}

fn put(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(
        out,
        "# HELP claviger_{name} {help}\n# TYPE claviger_{name} {kind}"
    );
}

fn phases(out: &mut String, now: Option<Phase>) {
    put(
        out,
        "enclave_phase",
        "gauge",
        "1 for the enclave's phase; all 0 while it is not reached.",
    );
    for (phase, word) in PHASES {
        let value = u8::from(now == Some(phase));
        let _ = writeln!(out, "claviger_enclave_phase{{phase=\"{word}\"}} {value}");
    }
}

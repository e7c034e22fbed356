//! Prometheus text: counts and sizes, no names of agents, grants or keys.

use super::{App, public};
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
    public::bytes("text/plain; version=0.0.4", text(&app))
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

//! One cell: a load of so many callers on one server for so long, and what it cost each process.

use crate::{
    clock::now,
    cpu,
    load::{Caller, Load, Socket, Tally},
};
use anyhow::ensure;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Time before anything is counted.
const WARM_UP: Duration = Duration::from_millis(300);
/// Answers below which a 99.9th percentile says nothing.
const ENOUGH: usize = 10_000;

/// How long answers were waited for, in microseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Waits {
    /// Answers.
    pub count: usize,
    /// Half were there after at most this.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// 999 of 1,000, where there are enough.
    pub p999_us: Option<f64>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// What was under load.
    pub name: String,
    /// Connections.
    pub callers: usize,
    /// Requests under way on each.
    pub depth: usize,
    /// Credentials or signatures a second; denials where nothing else was asked for.
    pub per_s: f64,
    /// How long they were waited for.
    pub issued: Waits,
    /// Denials.
    pub denied: Waits,
    /// Refusals.
    pub refused: Waits,
    /// CPU of each process for one answer, in microseconds; `load` is the load generator.
    pub cpu_us: BTreeMap<String, f64>,
    /// Records of one entry of the log, where calls were recorded in one.
    pub records_in_entry: Option<f64>,
    /// Memory of each at the end, proportional set size in KiB.
    pub pss_kib: BTreeMap<String, u64>,
    /// Cores that anything else on the machine kept busy meanwhile: what was measured beside much of it says little.
    pub others: f64,
}

/// What a cell does.
pub struct Plan {
    /// What is under load.
    pub name: String,
    /// Requests under way on each connection.
    pub depth: usize,
    /// How long.
    pub length: Duration,
    /// Processes whose cost is looked at.
    pub pids: Vec<(&'static str, u32)>,
    /// Says how many entries the log has, where there is one.
    pub log: Option<Entries>,
}

/// How many entries a log has.
pub type Entries = Box<dyn Fn() -> anyhow::Result<u64>>;

impl Plan {
    /// Measures it and keeps what was found.
    pub fn keep(
        self,
        run: &mut crate::run::Run,
        lanes: Vec<(Socket, Box<dyn Caller>)>,
    ) -> anyhow::Result<()> {
        let cell = self.run(lanes)?;
        run.keep(cell);
        Ok(())
    }

    /// Measures it.
    pub fn run(self, lanes: Vec<(Socket, Box<dyn Caller>)>) -> anyhow::Result<Cell> {
        let callers = lanes.len();
        let load = Load::new(lanes, self.depth)?;
        self.under(load, callers)
    }

    /// Measures a load of so many callers.
    pub fn under(self, mut load: Load, callers: usize) -> anyhow::Result<Cell> {
        let Self {
            name,
            depth,
            length,
            pids,
            log,
        } = self;
        let entries = || log.as_ref().map(|log| log()).transpose();
        load.run(WARM_UP)?;
        let before = entries()?;
        let mut meter = Meter::start(pids);
        let tally = load.run(length)?;
        let took = meter.stop();
        let entries = entries()?.zip(before).map(|(now, before)| now - before);
        load.drain()?;
        let answers = tally.issued.len() + tally.denied.len() + tally.refused.len();
        ensure!(answers > 0, "{name}: nothing was answered");
        let Tally {
            issued,
            denied,
            refused,
        } = tally;
        let entries = entries.filter(|entries| *entries > 0 && !issued.is_empty());
        let records_in_entry = entries.map(|entries| issued.len() as f64 / entries as f64);
        Ok(Cell {
            name,
            records_in_entry,
            callers,
            depth,
            per_s: if issued.is_empty() {
                denied.len()
            } else {
                issued.len()
            } as f64
                / took,
            issued: waits(issued),
            denied: waits(denied),
            refused: waits(refused),
            cpu_us: meter.cpu_us(answers),
            pss_kib: meter.pss_kib(),
            others: meter.others(),
        })
    }
}

/// What processes use between two moments.
pub struct Meter {
    pids: Vec<(&'static str, u32)>,
    before: Vec<cpu::Used>,
    /// Nanoseconds of each, once stopped.
    used: Vec<u64>,
    /// Of them the host's threads that carry calls: what stores and what reads the log are others.
    relay: Option<u64>,
    machine: f64,
    start: Instant,
    took: f64,
}

impl Meter {
    /// Starts to look at these and at this process, as the load.
    pub fn start(mut pids: Vec<(&'static str, u32)>) -> Self {
        pids.push(("load", std::process::id()));
        Self {
            before: pids.iter().map(|(_, pid)| cpu::used(*pid)).collect(),
            pids,
            used: Vec::new(),
            relay: None,
            machine: cpu::machine(),
            start: now(),
            took: 0.0,
        }
    }

    /// Stops; the seconds between.
    pub fn stop(&mut self) -> f64 {
        self.took = self.start.elapsed().as_secs_f64();
        self.machine = cpu::machine() - self.machine;
        let mut used = Vec::new();
        for ((name, pid), before) in self.pids.iter().zip(&self.before) {
            let now = cpu::used(*pid);
            used.push(now.since(before));
            if *name == "host" {
                let carries = |thread: &str| !["storage", "segment", "index"].contains(&thread);
                self.relay = Some(now.since_of(before, carries));
            }
        }
        self.used = used;
        self.took
    }

    /// CPU of each for one answer, in microseconds.
    pub fn cpu_us(&self, answers: usize) -> BTreeMap<String, f64> {
        let each = self.pids.iter().zip(&self.used);
        let each = each.map(|((name, _), ns)| (*name, *ns));
        let relay = self.relay.map(|ns| (RELAY, ns));
        each.chain(relay)
            .map(|(name, ns)| (name.to_owned(), ns as f64 / 1e3 / answers as f64))
            .collect()
    }

    /// Memory of each now.
    pub fn pss_kib(&self) -> BTreeMap<String, u64> {
        let each = self.pids.iter();
        each.map(|(name, pid)| ((*name).to_owned(), cpu::pss_kib(*pid)))
            .collect()
    }

    /// Cores kept busy by everything else.
    pub fn others(&self) -> f64 {
        let own: u64 = self.used.iter().sum();
        ((self.machine - own as f64 / 1e9) / self.took).max(0.0)
    }
}

/// What the host's threads that carry calls are called beside all of the host.
pub const RELAY: &str = "its relay";

/// Percentiles of waits in nanoseconds.
pub fn waits(mut all: Vec<u64>) -> Waits {
    if all.is_empty() {
        return Waits::default();
    }
    all.sort_unstable();
    let count = all.len();
    let at = |share: f64| all[((count - 1) as f64 * share) as usize] as f64 / 1e3;
    Waits {
        count,
        p50_us: at(0.5),
        p99_us: at(0.99),
        p999_us: (count >= ENOUGH).then(|| at(0.999)),
    }
}

impl Cell {
    /// CPU of a process for one answer.
    pub fn cpu(&self, process: &str) -> f64 {
        self.cpu_us.get(process).copied().unwrap_or_default()
    }
}

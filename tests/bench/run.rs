//! A run: what it has measured so far, printed as it comes.

use crate::{
    between, boot,
    cell::{Cell, Waits},
    deployment::Deployment,
    disk, fair, floor, grants, primitives, report,
};
use std::time::Duration;

/// A run and what it has measured so far.
pub struct Run {
    /// Of a cell.
    pub length: Duration,
    /// In order.
    pub cells: Vec<Cell>,
    /// One Ed25519 signature alone.
    pub primitive_us: f64,
    /// CPU of every primitive of a recorded call, alone, in microseconds.
    pub primitives_us: f64,
    /// The same with a body of 256 bytes.
    pub post_us: f64,
    /// CPU of one answer of the floor server, alone, in microseconds.
    pub floor_us: f64,
    /// CPU of the primitives of an audited record, alone, in microseconds.
    pub audited_us: f64,
    /// CPU of verifying a checkpoint's signature, alone, in microseconds.
    pub checkpoint_us: f64,
    /// What the sidecar adds to one caller's wait.
    pub added: Option<between::Added>,
    /// CPU of reading one answer, checking its receipt and writing it as JSON, besides the signature, in microseconds.
    pub handled_us: f64,
    /// Logs audited.
    pub audits: Vec<boot::Audited>,
    /// Numbers of grants looked at.
    pub grants: Vec<grants::Grants>,
    /// Figures of one process, in microseconds.
    pub inside: Vec<(String, f64)>,
    /// Floods looked at.
    pub fair: Vec<fair::Fair>,
    /// What one durable record costs on this disk.
    pub append: Option<Waits>,
    /// Restarts looked at.
    pub boots: Vec<boot::Boot>,
}

impl Run {
    /// One that has measured nothing yet.
    pub fn new(seconds: f64) -> Self {
        Self {
            length: Duration::from_secs_f64(seconds),
            cells: Vec::new(),
            primitive_us: 0.0,
            primitives_us: 0.0,
            post_us: 0.0,
            floor_us: 0.0,
            audited_us: 0.0,
            checkpoint_us: 0.0,
            added: None,
            handled_us: 0.0,
            audits: Vec::new(),
            grants: Vec::new(),
            inside: Vec::new(),
            fair: Vec::new(),
            append: None,
            boots: Vec::new(),
        }
    }

    /// The primitive under everything.
    pub fn primitive(&mut self) -> anyhow::Result<()> {
        self.primitive_us = primitives::signature()?;
        self.primitives_us = primitives::call(0)?;
        self.post_us = primitives::call(256)?;
        self.floor_us = floor::alone()?;
        self.audited_us = primitives::audited()?;
        self.checkpoint_us = primitives::checkpoint()?;
        println!(
            "Ed25519 signature of 256 B alone: {:.2} µs; every primitive of a recorded call: {:.2} µs, with a body of 256 B {:.2} µs; an answer of the floor server: {:.2} µs; every primitive of an audited record: {:.2} µs; a checkpoint verified: {:.2} µs",
            self.primitive_us,
            self.primitives_us,
            self.post_us,
            self.floor_us,
            self.audited_us,
            self.checkpoint_us
        );
        Ok(())
    }

    /// The disk alone, where a deployment stores.
    pub fn append(&mut self, deployment: &Deployment) -> anyhow::Result<()> {
        let append = disk::append(deployment.dir())?;
        println!(
            "append of 1 KiB + fdatasync: p50 {:.0} µs, p99 {:.0} µs",
            append.p50_us, append.p99_us
        );
        self.append = Some(append);
        Ok(())
    }

    /// What a flooding agent leaves to the others.
    pub fn flood(&mut self, deployment: &Deployment) -> anyhow::Result<()> {
        let length = self.length.max(Duration::from_secs(2));
        self.fair.push(fair::measure(deployment, length)?);
        Ok(())
    }

    /// A figure of one process, by its name.
    pub fn inside(&self, name: &str) -> Option<f64> {
        let mut all = self.inside.iter();
        all.find(|(own, _)| own == name).map(|(_, us)| *us)
    }

    /// Prints a cell and keeps it.
    pub fn keep(&mut self, cell: Cell) {
        report::line(&cell);
        self.cells.push(cell);
    }
}

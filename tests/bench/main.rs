//! `claviger-bench`: how fast a whole deployment answers, each process in its own, beside the floor of the same work and what
//! else a user would pick, in one run on this machine.
//!
//! It starts everything itself, on loopback and Unix sockets, and stops it. Figures go to standard output and
//! `target/bench.json`. docs/performance.md tells the method.

mod asks;
mod aws;
mod between;
mod boot;
mod calls;
mod cell;
mod child;
mod clock;
mod cpu;
mod deployment;
mod disk;
mod evm;
mod fair;
mod floor;
mod goals;
mod grants;
mod growth;
mod http;
mod inprocess;
mod library;
mod load;
mod owner;
mod page;
mod peers;
mod primitives;
mod reference;
mod report;
mod run;
mod sidecar;
mod solana;
mod ssh;
mod svg;
mod template;
mod vm;
mod x402;

use anyhow::{Context, bail};
use deployment::Deployment;
use run::Run;
use rustix::process::Resource;
use std::path::Path;

const USAGE: &str = "usage: claviger-bench quick | full [SECONDS] | docs | inside | calls [SECONDS] | one durable|volatile CALLERS DEPTH SECONDS | sidecar SECONDS | overload SECONDS | vm [SECONDS] | vm-nitro [SECONDS] | grants NUMBER | boot RECORDS";
/// Where everything that a run found is kept.
const FILE: &str = "target/bench.json";

/// Agents of a deployment under test: enough for every closed-loop caller to have a grant of its own.
const AGENTS: usize = 64;

fn main() -> anyhow::Result<()> {
    // A thousand connections; the processes started here get the same.
    let mut files = rustix::process::getrlimit(Resource::Nofile);
    files.current = files.maximum;
    rustix::process::setrlimit(Resource::Nofile, files)?;
    if let [_, verb, program, rest @ ..] = &std::env::args_os().collect::<Vec<_>>()[..]
        && verb == "under"
    {
        return child::under(program, rest);
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["floor", socket] => floor::serve(Path::new(socket)),
        ["relay", socket, behind] => floor::relay(Path::new(socket), Path::new(behind)),
        ["between", ready, server] => between::serve(Path::new(ready), server),
        ["flood", key, seconds] => fair::flood(Path::new(key), seconds.parse()?),
        ["quick"] => everything(true, 1.2),
        ["full"] => everything(false, 10.0),
        ["full", seconds] => everything(false, seconds.parse().context(USAGE)?),
        ["grants", number] => just(|run| grants::measure(run, &[number.parse()?])),
        ["boot", records] => just(|run| boot::measure(run, &[records.parse()?])),
        ["docs"] => page::write(Path::new(FILE)),
        ["inside"] => just(inprocess::measure),
        ["vm"] => vm::measure(1.5),
        ["vm-nitro"] => vm::measure_nitro(1.5),
        ["vm-nitro", seconds] => vm::measure_nitro(seconds.parse().context(USAGE)?),
        ["vm", seconds] => vm::measure(seconds.parse().context(USAGE)?),
        ["sidecar", seconds] => just_on(seconds.parse()?, sidecar::measure),
        ["overload", seconds] => just_on(seconds.parse()?, grants::overload),
        ["calls"] => just_calls(3.0),
        ["calls", seconds] => just_calls(seconds.parse().context(USAGE)?),
        [
            "one",
            kind @ ("durable" | "volatile"),
            callers,
            depth,
            seconds,
        ] => just_one(
            kind == "volatile",
            (callers.parse()?, depth.parse()?),
            seconds.parse()?,
        ),
        _ => bail!(USAGE),
    }
}

/// One part of it alone.
fn just(part: impl FnOnce(&mut Run) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut run = Run::new(1.2);
    report::head();
    part(&mut run)?;
    goals::print(&run);
    Ok(())
}

/// One cell, to try a change on.
fn just_one(volatile: bool, shape: (usize, usize), seconds: f64) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    report::head();
    calls::one(&mut run, &Deployment::start(volatile, AGENTS)?, shape)
}

/// One part alone that needs a deployment.
fn just_on(
    seconds: f64,
    part: impl FnOnce(&mut Run, &Deployment) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    run.primitive()?;
    report::head();
    part(&mut run, &Deployment::start(false, AGENTS)?)?;
    goals::print(&run);
    Ok(())
}

/// The cells of the first rows of the goals alone: what one looks at while making calls faster.
fn just_calls(seconds: f64) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    report::head();
    run.primitive()?;
    calls::floor(&mut run)?;
    for volatile in [false, true] {
        let deployment = Deployment::start(volatile, AGENTS)?;
        if !volatile {
            run.append(&deployment)?;
        }
        calls::host(&mut run, &deployment)?;
        calls::direct(&mut run, &deployment)?;
    }
    goals::print(&run);
    Ok(())
}

/// Everything, in two minutes or in the time that it takes.
fn everything(quick: bool, seconds: f64) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    println!("{}", report::machine()?);
    report::head();
    run.primitive()?;
    inprocess::measure(&mut run)?;
    calls::floor(&mut run)?;
    peers::measure(&mut run);
    durable(&mut run, quick)?;
    volatile(&mut run, quick)?;
    let numbers: &[usize] = if quick { &[10_000] } else { &[10_000, 100_000] };
    grants::measure(&mut run, numbers)?;
    let records: &[u64] = if quick {
        &[10_000]
    } else {
        &[10_000, 100_000, 1_000_000, 10_000_000]
    };
    boot::measure(&mut run, records)?;
    goals::print(&run);
    report::write(Path::new(FILE), &run)
}

fn durable(run: &mut Run, quick: bool) -> anyhow::Result<()> {
    let mut deployment = Deployment::start(false, AGENTS)?;
    run.append(&deployment)?;
    calls::host(run, &deployment)?;
    calls::direct(run, &deployment)?;
    library::measure(run, &deployment)?;
    sidecar::measure(run, &deployment)?;
    grants::hot(run, &deployment)?;
    grants::overload(run, &deployment)?;
    run.flood(&deployment)?;
    if !quick {
        growth::bodies(run, &deployment)?;
        growth::callers(run, &mut deployment)?;
    }
    Ok(())
}

fn volatile(run: &mut Run, quick: bool) -> anyhow::Result<()> {
    let mut deployment = Deployment::start(true, AGENTS)?;
    calls::host(run, &deployment)?;
    calls::direct(run, &deployment)?;
    library::measure(run, &deployment)?;
    run.flood(&deployment)?;
    if !quick {
        growth::callers(run, &mut deployment)?;
    }
    Ok(())
}

//! An enclave behind vsock: how fast, and how much of its machine's time its programs have.
//!
//! A load generator beside the enclave would share its one emulated core, and one outside cannot reach a Unix socket inside. So the
//! comparison with a Unix socket is a bound: no transport is faster than one that costs nothing, which would leave the machine's
//! whole time to its programs. What they have of it behind vsock is therefore the least that vsock reaches of any Unix socket in
//! the same machine, as long as the load leaves the machine nothing to wait for. docs/vm.md has the figures.

use crate::{asks, calls, deployment::Deployment, report, run::Run};
use anyhow::Context;
use claviger_tests::vm::account::Account;

/// Agents, each a connection.
const AGENTS: usize = 8;
/// Connections and the depth of each.
const SHAPES: [(usize, usize); 4] = [(1, 1), (8, 1), (8, 16), (8, 32)];
/// What a pipelined load over vsock is to reach of the same at a Unix socket.
const GOAL: f64 = 0.7;

/// Every shape in both modes.
pub fn measure(seconds: f64) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    println!("{}", report::machine()?);
    report::head();
    for volatile in [false, true] {
        let deployment = Deployment::start_in_machine(volatile, AGENTS)?;
        let vm = deployment.vm.as_ref().context("no machine")?;
        for shape in SHAPES {
            let (callers, depth) = shape;
            let lanes = calls::streams(&deployment, callers, &asks::sign(asks::get()))?;
            // Handshakes are over: what is looked at is calls.
            let before = Account::now(vm)?;
            let plan = calls::plan(&run, &deployment, "behind vsock", depth)?;
            plan.keep(&mut run, lanes)?;
            let [user, kernel, idle] = Account::now(vm)?.shares_since(&before);
            println!(
                "    its machine: programs {user:.2}, kernel {kernel:.2}, idle {idle:.2}{}",
                verdict(shape, user)
            );
        }
    }
    Ok(())
}

/// Every shape on an emulated Nitro machine. The production image tells nobody what its processor did.
pub fn measure_nitro(seconds: f64) -> anyhow::Result<()> {
    let mut run = Run::new(seconds);
    println!("{}", report::machine()?);
    report::head();
    for volatile in [false, true] {
        let deployment = Deployment::start_on_nitro(volatile, AGENTS)?;
        for (callers, depth) in SHAPES {
            let lanes = calls::streams(&deployment, callers, &asks::sign(asks::get()))?;
            let plan = calls::plan(&run, &deployment, "image behind vsock", depth)?;
            plan.keep(&mut run, lanes)?;
        }
    }
    Ok(())
}

fn verdict((_, depth): (usize, usize), user: f64) -> String {
    match depth {
        1 => String::new(),
        _ if user >= GOAL => format!(": at least {user:.2} of a Unix socket's throughput"),
        _ => format!(": {GOAL} of a Unix socket's throughput is not shown"),
    }
}

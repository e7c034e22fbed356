//! The `claviger` command: arguments in, an outcome and an exit code out. What the verbs do is the library's.
//!
//! Nothing here asks a question. Secrets come from files, standard input or `AGENT_API_KEY`, never from an argument.

mod args;
mod output;
mod run;

use args::Cli;
use clap::{Parser, error::ErrorKind};
use claviger_cli::Error;
use output::Outcome;
use std::process::ExitCode;

/// A sidecar's calls allocate above what glibc's allocator keeps at hand (docs/decisions/0016).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => finish(cli),
        Err(error) => wrong_usage(&error),
    }
}

fn wrong_usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if asked || !json {
        let _ = error.print();
    } else {
        let text = error.render().to_string();
        let detail = text.trim().trim_start_matches("error: ").to_owned();
        let value = Error::Usage(detail).to_json();
        output::print(&value.into(), true);
    }
    ExitCode::from(if asked { 0 } else { 2 })
}

fn finish(cli: Cli) -> ExitCode {
    let json = cli.json;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ran = match runtime {
        // Before any verb reads a secret: an agent key, an owner's key, one to be imported.
        Ok(runtime) => match claviger_cli::exec::harden() {
            Ok(()) => runtime.block_on(run::run(cli)),
            Err(error) => Err(error),
        },
        Err(error) => Err(Error::Unavailable(error.to_string())),
    };
    let exit = match ran {
        Ok(outcome) => {
            output::print(&outcome, json);
            outcome.exit
        }
        Err(error) => {
            if json {
                let value = error.to_json();
                output::print(&Outcome::from(value), true);
            } else {
                output::complain(&error.to_string());
            }
            error.exit()
        }
    };
    ExitCode::from(exit)
}

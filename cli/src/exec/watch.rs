//! Waiting for the command: signals go to it, its exit code comes back.

use crate::Error;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{IsTerminal, stdin},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::ExitStatus,
};
use tokio::{
    process::Child,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

/// Waits; the command's exit code, or 128 and the number of the signal that ended it.
///
/// # Errors
///
/// [`Error::Io`] when signals cannot be caught or the child cannot be waited for.
pub async fn wait(child: &mut Child) -> Result<u8, Error> {
    let mut caught = catch()?;
    loop {
        tokio::select! {
            ended = child.wait() => {
                let status = ended.map_err(Error::io("cannot wait for", Path::new("the command")))?;
                return Ok(exit_code(status));
            }
            Some(caught) = caught.recv() => pass_on(child, caught),
        }
    }
}

fn catch() -> Result<mpsc::Receiver<Signal>, Error> {
    let (sender, receiver) = mpsc::channel(16);
    // A terminal sends these to both processes by itself.
    let by_terminal = stdin().is_terminal();
    for (kind, number, both) in [
        (SignalKind::hangup(), Signal::HUP, false),
        (SignalKind::interrupt(), Signal::INT, by_terminal),
        (SignalKind::quit(), Signal::QUIT, by_terminal),
        (SignalKind::terminate(), Signal::TERM, false),
        (SignalKind::user_defined1(), Signal::USR1, false),
        (SignalKind::user_defined2(), Signal::USR2, false),
    ] {
        let mut stream = signal(kind).map_err(Error::io("cannot catch", Path::new("signals")))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if !both && sender.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

fn pass_on(child: &Child, number: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        // It may have ended just now.
        let _ = kill_process(pid, number);
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    let signalled = status.signal().map(|number| number.saturating_add(128));
    let code = status.code().or(signalled);
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(super::FAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_passed_on_and_a_signal_is_128_more() {
        assert_eq!(exit_code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
    }
}

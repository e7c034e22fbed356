//! The child's side: this program confines itself, then becomes the command. It never holds the agent key.

use super::{FAULT, NOT_EXECUTABLE, NOT_FOUND, landlock, plan::Confinement};
use crate::Error;
use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

/// Confines this process and becomes the command. Returns only when that failed: the exit code and why.
#[must_use]
pub fn become_command(
    confinement: Confinement,
    hidden: &[PathBuf],
    command: &[OsString],
) -> (u8, Error) {
    let Some((program, arguments)) = command.split_first() else {
        return (FAULT, Error::Usage("no command".to_owned()));
    };
    if let Err(error) = confine(confinement, hidden) {
        return (FAULT, error);
    }
    let error = Command::new(program).args(arguments).exec();
    let exit = if error.kind() == io::ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    };
    (exit, Error::io("cannot run", Path::new(program))(error))
}

fn confine(confinement: Confinement, hidden: &[PathBuf]) -> Result<(), Error> {
    // A set-user-id program would be another user than the one that was confined.
    nix::sys::prctl::set_no_new_privs().map_err(|error| {
        let what = Path::new("set-user-id programs");
        Error::io("cannot forbid", what)(error.into())
    })?;
    match (landlock::confine(hidden), confinement) {
        (Ok(()), _) | (Err(landlock::Error::Absent), Confinement::Tried) => Ok(()),
        (Err(error), _) => Err(Error::Usage(format!(
            "{error}: the command could read the agent key; give --as-user NAME as root, or accept it with --weak"
        ))),
    }
}

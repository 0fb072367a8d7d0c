//! The end of `edge-cache-build run`: this process becomes the cargo that was asked for, so that
//! signals, the terminal and the exit status are that cargo's.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::{BuildError, environment};

/// Runs cargo with `arguments` in place of this process, in the environment that a shell would give
/// it. Where a process can't be replaced, it waits for cargo and answers its exit code.
pub fn hand_over_to_cargo(arguments: &[OsString]) -> Result<ExitCode, BuildError> {
    let mut cargo = environment::cargo_in_succession();
    cargo.args(arguments);
    become_command(&mut cargo).map_err(|source| BuildError::Run {
        program: environment::cargo_program().to_string_lossy().into_owned(),
        source,
    })
}

#[cfg(unix)]
fn become_command(command: &mut Command) -> std::io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec())
}

#[cfg(not(unix))]
fn become_command(command: &mut Command) -> std::io::Result<ExitCode> {
    let code = command.status()?.code();
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

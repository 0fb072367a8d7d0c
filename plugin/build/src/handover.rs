//! The end of `edge-cache-build run`: cargo replaces this process.
//!
//! So signals, the terminal and the exit status are those of cargo.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::environment;
use crate::error::BuildError;

/// Replaces this process by cargo with `arguments`, in the environment of a shell.
///
/// On systems where a process cannot be replaced, it waits for cargo and returns its exit code.
///
/// # Errors
///
/// [`BuildError::Run`] if cargo could not be started.
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

//! Texts that are generated from the command line's declarations.

use clap::CommandFactory;
use clap_complete::Shell;

use super::command::Cli;
use crate::config;

/// Returns an example settings file with every setting of `run`.
#[must_use]
pub fn example() -> String {
    let whole = Cli::command();
    whole
        .find_subcommand("run")
        .map(config::example)
        .unwrap_or_default()
}

/// Returns the completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut command = Cli::command();
    let name = command.get_name().to_string();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

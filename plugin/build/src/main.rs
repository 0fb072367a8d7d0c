//! The command behind `cargo plugin`, `cargo demo` and `cargo agent`.

mod command;

use std::env;
use std::process::ExitCode;

use edge_cache_build::{build, build_reference_plugin, hand_over_to_cargo};

use command::{Command, USAGE};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Prints the causes, but no backtrace: the error is about the guest or the machine.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Command::parse(env::args_os().skip(1).collect())? {
        Command::Help => print!("{USAGE}"),
        Command::Reference => drop(build_reference_plugin()?),
        Command::Guest { manifest, output } => drop(build(manifest, &output)?),
        Command::Run { arguments } => {
            build_reference_plugin()?;
            return Err(hand_over_to_cargo(&arguments));
        }
    }
    Ok(())
}

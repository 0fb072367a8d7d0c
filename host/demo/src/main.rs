//! The binary `edge-cache-demo`: three agents on real sockets, and what they see of each other.
//!
//! Each agent is a process. The binary starts itself with [`RUN_AGENT`] as the first argument, which runs an agent by
//! the library `edge-cache-agent`.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "all operands are small constants of the demo"
)]

mod agent;
mod cache;
mod route;
mod show;
mod story;
mod traffic;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Error, Result};
use edge_cache_agent::cli;
use edge_cache_agent::run::{self, ReloadSources};
use edge_cache_agent::settings::AgentSettings;

use self::agent::RUN_AGENT;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let ended = match args.next() {
        None => run::runtime().and_then(|runtime| runtime.block_on(story::run())),
        Some(first) if first == RUN_AGENT => agent(),
        Some(_) => Err(anyhow::anyhow!("edge-cache-demo takes no arguments")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error is no reason to fail differently.
            let _ = writeln!(std::io::stderr(), "edge-cache-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one agent, with the arguments of `edge-cache-agent run`.
fn agent() -> Result<()> {
    let sources = ReloadSources {
        settings,
        log_filter: None,
    };
    let settings = settings().map_err(Error::msg)?;
    run::run(&settings, sources)
}

/// Reads the settings of the agent that this process is.
fn settings() -> Result<AgentSettings, String> {
    let words = ["edge-cache-agent", "run"].map(OsString::from);
    let args = std::env::args_os().skip(2);
    cli::settings_of_run(words.into_iter().chain(args), &|name| {
        std::env::var_os(name)
    })
}

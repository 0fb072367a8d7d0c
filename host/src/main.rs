//! The binary `edge-cache-agent`: parses, runs, and turns what happened into an exit status.
//!
//! Status 0: it did what was asked. 1: it could not. 2: the command line or a setting is wrong.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use edge_cache_host::agent::cli::{self, Cli, Command, GossipCommand, Parsed, TokenCommand};
use edge_cache_host::agent::demo;
use edge_cache_host::agent::http::{self, NewToken};
use edge_cache_host::agent::run::{self, RunError};
use edge_cache_host::gossip::Keyring;
use tracing_subscriber::EnvFilter;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Parsed::Cli(cli) => *cli,
        Parsed::Text(text) => {
            // A reader that went away has seen enough.
            let _ = write!(std::io::stdout(), "{text}");
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong(text) => {
            say(&format!("{text}; see `edge-cache-agent run --help`"));
            return ExitCode::from(USAGE);
        }
    };
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            match error.downcast_ref::<RunError>() {
                Some(error) if error.is_usage() => ExitCode::from(USAGE),
                _ => ExitCode::from(FAILED),
            }
        }
    }
}

fn start(cli: Cli) -> Result<()> {
    if let Command::Gossip(GossipCommand::Keygen) = cli.command {
        let key = Keyring::generate().context("cannot make a key")?;
        return writeln!(std::io::stdout(), "{key}").context("cannot print the key");
    }
    if let Command::Token(TokenCommand::New { name, role }) = &cli.command {
        let token = NewToken::generate(name, *role).context("cannot make a token")?;
        let (secret, line) = (&*token.secret, &token.line);
        return writeln!(std::io::stdout(), "token={secret}\nline={line}")
            .context("cannot print the token");
    }
    log_to_stderr();
    http::use_ring();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(*args).await?,
            Command::Demo => demo::run().await?,
            Command::Gossip(_) | Command::Token(_) => {}
        }
        Ok(())
    })
}

fn log_to_stderr() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // It would say so on standard error, and panic where that is what has gone: whoever reads the log
        // would take the agent down by leaving.
        .log_internal_errors(false)
        .init();
}

/// One line for the person at the terminal, which may be gone.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "edge-cache-agent: {text}");
}

//! The life of an agent: start, serve, shut down.
//!
//! Requests are answered once all parts have started. The shutdown has the reverse order of the start.

use std::io::{self, Write};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::http;
use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::systemd::Systemd;

mod agent;
pub(crate) mod api;
pub(crate) mod consistency;
pub(crate) mod gossip;
mod serve;

use self::agent::Agent;
use self::api::Addresses;

#[cfg(test)]
mod tests;

/// Runs an agent until a signal or a request stops it.
///
/// The ready agent prints a line for each bound address on standard output: `gossip=ADDR` if gossip is on,
/// `health=ADDR` if health has a listener of its own, and `http=ADDR`.
///
/// # Errors
///
/// The agent did not start, or parts of it did not stop in time.
pub fn run(settings: &AgentSettings) -> Result<()> {
    let runtime = runtime()?;
    let ended = runtime.block_on(live(settings));
    // Aborted parts must not delay the exit.
    runtime.shutdown_background();
    ended
}

/// Starts an async runtime whose TLS has a cryptographic provider.
///
/// # Errors
///
/// The system refused a thread.
pub fn runtime() -> Result<Runtime> {
    http::use_ring();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

async fn live(settings: &AgentSettings) -> Result<()> {
    consistency::check(settings)?;
    if settings.end_with_stdin {
        signals::exit_with_stdin().context("cannot watch standard input")?;
    }
    let shutdown = Shutdown::default();
    signals::stop_at_signals(&shutdown).context("cannot listen for signals")?;
    // While this exists, SIGHUP does not end the process.
    let sighup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let systemd = Systemd::from_env().context("cannot start a thread for systemd")?;
    let agent = tokio::select! {
        agent = Agent::start(settings) => agent?,
        // No request has been answered: an orderly shutdown is unnecessary.
        () = shutdown.clone().wait() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    agent.reload_on_sighup(sighup, settings, systemd.clone(), &shutdown);
    announce(&agent)?;
    serve::serve(agent, settings, shutdown, systemd).await
}

/// Prints the bound addresses.
fn announce(agent: &Agent) -> Result<()> {
    let addresses = agent.api.addresses();
    let Addresses {
        api: address,
        health,
        traffic,
    } = addresses.context("cannot read the HTTP address")?;
    let mut lines = String::new();
    if let Some(pool) = &agent.gossip {
        lines += &format!("gossip={}\n", pool.listen_addr());
    }
    if let Some(health) = health {
        lines += &format!("health={health}\n");
    }
    if let Some(traffic) = traffic {
        lines += &format!("traffic={traffic}\n");
    }
    lines += &format!("http={address}\n");
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot print")?;
    tracing::info!(%address, "serving HTTP");
    Ok(())
}

//! The life of an agent: start, serve, shut down.
//!
//! Requests are answered once all parts have started. The shutdown has the reverse order of the start.

use std::io::{self, Write};

use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::signals::{self, Sighup};
use crate::systemd::Systemd;
use edge_cache_host::gossip::GossipPool;

mod agent;
pub(crate) mod api;
pub(crate) mod consistency;
mod error;
pub(crate) mod gossip;
pub(crate) mod plugin;
mod reload;
mod serve;

use self::agent::Agent;
use self::api::Api;
pub use self::error::RunError;
use self::error::system;

#[cfg(test)]
mod tests;

/// Runs an agent until a signal or a request stops it.
///
/// The ready agent prints a line for each bound address on standard output: `gossip=ADDR` if gossip is on,
/// `health=ADDR` if health has a listener of its own, and `http=ADDR`.
///
/// # Errors
///
/// Any [`RunError`]; nothing is left running, except after [`RunError::Aborted`].
pub async fn run(settings: AgentSettings) -> Result<(), RunError> {
    consistency::check(&settings)?;
    if settings.end_with_stdin {
        signals::exit_with_stdin().map_err(system("watch standard input"))?;
    }
    let shutdown = Shutdown::default();
    signals::stop_at_signals(shutdown.clone()).map_err(system("listen for signals"))?;
    let sighup = Sighup::listen().map_err(system("listen for SIGHUP"))?;
    let systemd = Systemd::from_env().map_err(system("start a thread for systemd"))?;
    let agent = tokio::select! {
        agent = Agent::start(&settings) => agent?,
        // No request has been answered: an orderly shutdown is unnecessary.
        () = shutdown.clone().wait() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    reload::reload_on_sighup(sighup, &settings, &agent, systemd.clone(), shutdown.clone());
    announce(&agent.api, agent.gossip.as_ref())?;
    agent.serve(&settings, shutdown, systemd).await
}

/// Prints the bound addresses.
fn announce(api: &Api, gossip: Option<&GossipPool>) -> Result<(), RunError> {
    let (address, health) = api.addresses().map_err(system("read the HTTP address"))?;
    let mut out = io::stdout().lock();
    if let Some(pool) = gossip {
        writeln!(out, "gossip={}", pool.listen_addr()).map_err(system("print"))?;
    }
    if let Some(health) = health {
        writeln!(out, "health={health}").map_err(system("print"))?;
    }
    writeln!(out, "http={address}").map_err(system("print"))?;
    out.flush().map_err(system("print"))?;
    tracing::info!(%address, "serving HTTP");
    Ok(())
}

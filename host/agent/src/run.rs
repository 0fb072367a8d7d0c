//! The life of an agent: start, serve, shut down.
//!
//! Requests are answered once all parts have started. The shutdown has the reverse order of the start.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::VERSION;
use crate::http;
use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::signals;
use crate::systemd::Systemd;

mod addresses;
mod agent;
mod api;
pub(crate) mod consistency;
mod gossip;
pub(crate) mod prepare;
mod reload;
mod serve;
pub(crate) mod steps;

use self::agent::Agent;
use self::api::Addresses;

pub use self::reload::ReloadSources;

#[cfg(test)]
mod tests;

/// Runs an agent until a signal or a request stops it. A reload reads the settings from `sources`.
///
/// The ready agent prints a line for each bound address on standard output: `gossip=ADDR` if gossip is on,
/// `health=ADDR` if health has a listener of its own, and `http=ADDR`.
///
/// # Errors
///
/// The agent did not start, or parts of it did not stop in time.
pub fn run(settings: &AgentSettings, sources: ReloadSources) -> Result<()> {
    let runtime = runtime()?;
    let ended = runtime.block_on(live(settings, sources));
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

async fn live(settings: &AgentSettings, sources: ReloadSources) -> Result<()> {
    if settings.end_with_stdin {
        signals::exit_with_stdin().context("cannot watch standard input")?;
    }
    let shutdown = Shutdown::default();
    signals::stop_at_signals(&shutdown).context("cannot listen for signals")?;
    // While this exists, SIGHUP does not end the process.
    let sighup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let systemd = Systemd::from_env().context("cannot start a thread for systemd")?;
    let agent = tokio::select! {
        agent = start(settings, sources) => agent?,
        // No request has been answered: an orderly shutdown is unnecessary.
        () = shutdown.clone().wait() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    reload::on_sighup(sighup, agent.reloader.clone(), systemd.clone(), &shutdown);
    announce(&agent, settings)?;
    serve::serve(agent, settings, shutdown, systemd).await
}

async fn start(settings: &AgentSettings, sources: ReloadSources) -> Result<Agent> {
    let prepared = prepare::to_run(settings).await?;
    Agent::start(settings, prepared, sources).await
}

/// Prints the bound addresses, and logs which agent this is.
fn announce(agent: &Agent, settings: &AgentSettings) -> Result<()> {
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
    if let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "the addresses cannot be printed on standard output");
    }
    let data_dir = settings.data_dir.as_deref().map(Path::display);
    tracing::info!(
        version = VERSION,
        node_id = settings.node_id,
        cluster = settings.cluster_id,
        data_dir = data_dir.map(tracing::field::display),
        nodes = agent.registry.list_eligible().len(),
        plugin_sha256 = hex::encode(agent.registry.plugin().sha256()),
        %address,
        "serving"
    );
    Ok(())
}

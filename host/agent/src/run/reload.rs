//! The parts of an agent that a reload reads again, and the signal that asks for it.

use std::path::PathBuf;

use anyhow::ensure;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;

use super::consistency;
use super::gossip;
use crate::log::{AuditFile, LogFilter};
use crate::plugin_manager::{DECLARATION_KEYS, Declaration, PluginManager, Reload};
use crate::reload::{Part, Reloaded, Reloader, RunningSettings};
use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::systemd::{Notification, Systemd};
use edge_cache_core::text;
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

/// The parts of the process that a reload needs.
#[derive(Debug, Clone)]
pub struct ReloadSources {
    /// Reads the settings as at the start: the same flags and variables, and the file as it is now. The error is for
    /// people.
    pub settings: fn() -> Result<AgentSettings, String>,
    /// The filter of the log; none where the process has no log.
    pub log_filter: Option<LogFilter>,
}

impl ReloadSources {
    /// Returns the settings of an agent that has started with `started`.
    pub(super) fn running(&self, started: &AgentSettings) -> RunningSettings {
        let settings = self.settings;
        let read = move || {
            let settings = settings()?;
            let checked = consistency::check(&settings);
            checked.map_err(|error| text::error_chain(error.as_ref()))?;
            Ok(settings)
        };
        RunningSettings::new(started.clone(), read)
    }
}

/// Returns the part of the log's level.
pub(super) fn log_level(filter: LogFilter) -> Part {
    Part::of_settings("log.level", &["log.level"], move |settings| {
        let reloaded = filter.replace(&settings.log_level);
        async { Ok(reloaded?) }
    })
}

/// Returns the part of the audit file.
pub(super) fn audit_file(audit: &AuditFile) -> Part {
    let file = audit.file();
    Part::of_files("audit-file", move || file.reopen())
}

/// Returns the part of the gossip keys.
pub(super) fn gossip_keys(file: PathBuf, pool: GossipPool) -> Part {
    Part::of_files("gossip-keys", move || gossip::reload_keys(&file, &pool))
}

/// Returns the part of the trust rules.
pub(super) fn trust_rules(plugins: PluginManager) -> Part {
    Part::new("trust-rules", move || {
        let plugins = plugins.clone();
        async move {
            let reload = plugins.reload_trust().await?;
            let detail = match &plugins.plugins().refusal {
                Some(refusal) => {
                    format!("they refuse the running plugin, which goes on: {refusal}")
                }
                None => "they let the running plugin in".to_string(),
            };
            Ok(reloaded(reload, detail))
        }
    })
}

/// Returns the part of the plugin: the declared source with its declared settings. The digest behind a tag stays as it is.
///
/// The file of the trust rules is the one of the start: where another one is declared, a plugin waits for the restart.
pub(super) fn plugin(
    plugins: PluginManager,
    registry: EdgeCacheRegistry,
    trust: Option<PathBuf>,
) -> Part {
    Part::of_settings("plugin", &DECLARATION_KEYS, move |settings| {
        let (plugins, registry) = (plugins.clone(), registry.clone());
        let trust_is_same = settings.plugin_source.plugin_trust == trust;
        async move {
            ensure!(
                trust_is_same,
                "`plugin.trust` is declared anew: restart the agent, so that its rules judge the plugin"
            );
            let declaration = Declaration::of(&settings);
            let reload = plugins.declare(&registry, declaration).await?;
            let declared = &plugins.plugins().declared.origin;
            let sha256 = hex::encode(declared.sha256);
            let detail = format!("{}, sha256 {sha256}", declared.source);
            Ok(reloaded(reload, detail))
        }
    })
}

fn reloaded(reload: Reload, detail: String) -> Reloaded {
    match reload {
        Reload::Unchanged => Reloaded::Unchanged(detail),
        Reload::Replaced => Reloaded::Changed(detail),
    }
}

/// Reloads at every SIGHUP, and tells systemd when a reload begins, and when all that have begun are complete.
pub(super) fn on_sighup(
    mut sighup: Signal,
    reloader: Reloader,
    systemd: Systemd,
    shutdown: &Shutdown,
) {
    let stop = shutdown.clone();
    shutdown.spawn("the reload at SIGHUP", async move {
        let mut reloads = JoinSet::new();
        loop {
            tokio::select! {
                received = sighup.recv() => {
                    if received.is_none() {
                        break;
                    }
                    systemd.send(Notification::Reloading);
                    let reload = reloader.reload();
                    // Failures are logged. New keys and tokens do not wait for the plugin of the reload before.
                    reloads.spawn(async move { drop(reload.await) });
                }
                Some(_) = reloads.join_next() => {
                    // An agent that began to stop meanwhile must not report that it is ready.
                    if reloads.is_empty() && stop.requested().is_none() {
                        systemd.send(Notification::Ready);
                    }
                }
            }
        }
    });
}

//! Reload of files on SIGHUP.

use super::agent::Agent;
use super::gossip;
use crate::settings::AgentSettings;
use crate::shutdown::Shutdown;
use crate::signals::Sighup;
use crate::systemd::Systemd;

/// Reloads keys, tokens, certificates and the plugin at every SIGHUP. A file that cannot be used changes nothing.
pub(super) fn reload_on_sighup(
    sighup: Sighup,
    settings: &AgentSettings,
    agent: &Agent,
    systemd: Systemd,
    shutdown: Shutdown,
) {
    let (key_file, pool) = (settings.gossip_key_file.clone(), agent.gossip.clone());
    let reload_api = agent.api.reloader();
    let (plugins, registry) = (agent.plugins.clone(), agent.registry.clone());
    sighup.for_each(move || {
        systemd.reloading();
        if let (Some(file), Some(pool)) = (&key_file, &pool) {
            gossip::reload_keys(file, pool);
        }
        reload_api();
        let (plugins, registry) = (plugins.clone(), registry.clone());
        let (systemd, shutdown) = (systemd.clone(), shutdown.clone());
        tokio::spawn(async move {
            plugins.reload(&registry).await;
            // An agent that began to stop meanwhile must not report that it is ready.
            if shutdown.requested().is_none() {
                systemd.ready();
            }
        });
    });
}

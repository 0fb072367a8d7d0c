//! The start of an agent up to its sockets. A run and `config check` share it, so that they agree.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::api::ApiFiles;
use super::steps::{Done, Purpose, Steps};
use super::{addresses, consistency, gossip};
use crate::log::AuditFile;
use crate::plugin_manager::{Disk, PluginManager};
use crate::settings::AgentSettings;
use edge_cache_host::gossip::GossipConfig;
use edge_cache_host::sandbox::{
    Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, WallClock, trusted_file,
};
use edge_cache_host::{Identity, Store};

/// The parts of an agent that has no sockets yet.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) audit: Option<AuditFile>,
    pub(super) gossip: Option<GossipConfig>,
    pub(super) api: ApiFiles,
    pub(super) store: Option<Store>,
    pub(super) plugins: PluginManager,
    pub(super) plugin: Plugin,
}

/// Prepares an agent that is to run.
pub(super) async fn to_run(settings: &AgentSettings) -> Result<Prepared> {
    let prepared = prepare(settings, &mut Steps::new(Purpose::Run)).await?;
    // Each step of a run succeeds, or its error has been returned.
    prepared.context("a step of the start failed")
}

/// Takes all steps without changing anything, and returns them.
pub(crate) async fn to_check(settings: &AgentSettings) -> Steps {
    let mut steps = Steps::new(Purpose::Check);
    // The steps have the errors.
    let _ = prepare(settings, &mut steps).await;
    steps
}

/// Takes the steps. The store comes before the plugin, whose compiled code it may have.
async fn prepare(settings: &AgentSettings, steps: &mut Steps) -> Result<Option<Prepared>> {
    steps.take("settings", Ok(source(settings)))?;
    steps.take("combination", combination(settings))?;
    let audit = steps.take("audit", audit_file(settings, steps.purpose))?;
    let gossip = steps.take("gossip", gossip_config(settings))?;
    let api = steps.take("api", ApiFiles::read(settings))?;
    let store = steps.take("data_dir", data_dir(settings, steps.purpose))?;
    let disk = match (&store, steps.purpose) {
        (Some(store), Purpose::Run) => Disk::Keep(store.as_ref()),
        _ => Disk::Look,
    };
    let plugin = steps.take("plugin", load_plugin(settings, disk).await)?;
    let (Some(audit), Some(gossip), Some(api), Some(store), Some((plugins, plugin))) =
        (audit, gossip, api, store, plugin)
    else {
        return Ok(None);
    };
    Ok(Some(Prepared {
        audit,
        gossip,
        api,
        store,
        plugins,
        plugin,
    }))
}

/// Names the source of the settings. Invalid settings are refused before any step.
fn source(settings: &AgentSettings) -> Done<()> {
    let text = match &settings.config {
        Some(path) => format!("all keys and values in {} are valid", path.display()),
        None => "no file; all flags and variables are valid".to_string(),
    };
    Done {
        value: (),
        text,
        warnings: settings.unknown_variables.clone(),
    }
}

fn combination(settings: &AgentSettings) -> Result<Done<()>> {
    consistency::check(settings)?;
    addresses::check_local(settings)?;
    Ok(Done {
        value: (),
        text: "no setting contradicts another".to_string(),
        warnings: addresses::warnings(settings),
    })
}

/// Opens the audit file; for a check, looks whether that is possible.
fn audit_file(settings: &AgentSettings, purpose: Purpose) -> Result<Done<Option<AuditFile>>> {
    let Some(path) = settings.log_audit_file.as_deref() else {
        return Ok(Done {
            value: None,
            text: "in the log only".to_string(),
            warnings: Vec::new(),
        });
    };
    let value = match purpose {
        Purpose::Run => AuditFile::open(path).map(Some)?,
        Purpose::Check => AuditFile::look(path).map(|()| None)?,
    };
    Ok(Done {
        value,
        text: format!("in the log and in {}", path.display()),
        warnings: Vec::new(),
    })
}

fn gossip_config(settings: &AgentSettings) -> Result<Done<Option<GossipConfig>>> {
    let value = gossip::config(settings)?;
    let text = match &value {
        None => "off; `gossip.listen` is not set".to_string(),
        Some(config) => {
            let listen = config.listen;
            match &config.keyring {
                Some(keyring) => format!("on {listen}, encrypted with {keyring}"),
                None => format!("on {listen}, not encrypted"),
            }
        }
    };
    Ok(Done {
        value,
        text,
        warnings: Vec::new(),
    })
}

/// Opens the data directory; for a check, looks into it.
fn data_dir(settings: &AgentSettings, purpose: Purpose) -> Result<Done<Option<Store>>> {
    let Some(path) = settings.data_dir.as_deref() else {
        return Ok(Done {
            value: None,
            text: "none; the state is lost when the process ends".to_string(),
            warnings: Vec::new(),
        });
    };
    let identity = Identity {
        node_id: Some(settings.node_id),
        cluster_id: settings.cluster_id.clone(),
    };
    let value = match purpose {
        Purpose::Run => Store::open(path, identity).map(Some),
        Purpose::Check => Store::look(path, &identity).map(|()| None),
    };
    let value = value.context("cannot open the data directory")?;
    let shown = path.display();
    let text = if path.exists() {
        format!("{shown} can be used")
    } else {
        format!("{shown} does not exist and will be created")
    };
    Ok(Done {
        value,
        text,
        warnings: foreign_owner(path).into_iter().collect(),
    })
}

fn foreign_owner(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let problem = trusted_file::check_one_directory(&path).err()?;
    Some(format!("{problem}: compiled code is not kept there"))
}

/// Loads the plugin, and has it take its settings.
async fn load_plugin(
    settings: &AgentSettings,
    disk: Disk<'_>,
) -> Result<Done<(PluginManager, Plugin)>> {
    let (plugins, plugin) = PluginManager::of_settings(settings, disk).await?;
    let tried = plugin.clone();
    let node_id = settings.node_id;
    let tried = tokio::task::spawn_blocking(move || try_settings(&tried, node_id)).await;
    let mut warnings = Vec::new();
    match tried.context("the trial of the plugin ended")? {
        Ok(()) => {}
        Err(failure @ Failure::Refused { .. }) => bail!(failure),
        // It may be the machine's fault, or the state's: the agent tries again while it serves reads.
        Err(failure) => warnings.push(format!("an agent starts degraded: {failure}")),
    }
    let pin = match settings.plugin_config.plugin_sha256 {
        Some(_) => "pinned",
        None => "not pinned",
    };
    let sha256 = hex::encode(plugin.sha256());
    Ok(Done {
        value: (plugins, plugin),
        text: format!("loads, sha256 {sha256}, {pin}"),
        warnings,
    })
}

/// Starts an instance and loads it with no entries: a plugin reads its settings then.
fn try_settings(plugin: &Plugin, node_id: u64) -> Result<(), Failure> {
    let config = InstanceConfig {
        policy: LabelPolicy {
            node: Some(node_id),
            ..LabelPolicy::detached(plugin.config().labels.clone())
        },
        log: Arc::new(GuestLog::new(&plugin.config().limits)),
        clock: WallClock::default(),
    };
    Instance::start(plugin, config)?.load(&[]).map(drop)
}

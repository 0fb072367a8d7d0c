//! The life of an agent: put together, serve, take apart.
//!
//! The order matters. The store is opened first, because the generation and the labels of before come from
//! it; gossip is joined before the registry starts, so that its labels have somewhere to go; HTTP comes
//! last, so that nobody is answered by half an agent. It ends the other way round.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::cli::{ProtocolArg, RunArgs};
use super::embedded;
use super::http::{TlsError, TokensError};
use super::plugin_manager::{PluginManager, PluginSource};
use super::signals::{self, Hangups};
use super::stop::Stop;
use super::systemd::Systemd;
use edge_cache_core::labels::{self, LabelError};
use edge_cache_host::gossip::{
    GossipConfig, GossipError, GossipPool, Keyring, KeyringError, PeerInfo, Protocol, PushBudget,
};
use edge_cache_host::sandbox::{CodeCache, Plugin, PluginError};
use edge_cache_host::{EdgeCacheRegistry, Identity, StartError, Store, StoreError};

pub(super) mod api;
mod stop;

use api::Api;

#[cfg(test)]
mod tests;

/// Why an agent did not start, or did not end in order.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The settings can't be right together.
    #[error("{0}")]
    Usage(String),
    /// A label of other software breaks a bound.
    #[error("a label of `--label` is refused")]
    Label(#[source] LabelError),
    /// The binary carries no component and none was given.
    #[error(
        "this binary was built without a component: give one with `--plugin FILE`, or run \
         `cargo plugin` and build it again"
    )]
    NoPlugin,
    /// The component is refused.
    #[error("the plugin does not load")]
    Plugin(#[source] PluginError),
    /// The data directory can't be used.
    #[error("the state cannot be opened")]
    Store(#[source] StoreError),
    /// The key file of gossip can't be used.
    #[error("the gossip key file {} cannot be used", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KeyringError,
    },
    /// Gossip did not start.
    #[error("gossip does not start")]
    Gossip(#[source] GossipError),
    /// The registry did not start.
    #[error("the registry does not start")]
    Registry(#[source] StartError),
    /// The token file of the HTTP API can't be used.
    #[error("the API token file {} cannot be used", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: TokensError,
    },
    /// The certificate of the HTTP API or its key can't be used.
    #[error("HTTP cannot speak TLS")]
    Tls(#[source] TlsError),
    /// The HTTP address can't be used.
    #[error("cannot listen for HTTP on {address}")]
    Http {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The agent has ended, but something of it had to be cut off.
    #[error("{} had not ended {bound:?} after the stop was asked for, and was cut off", what.join(" and "))]
    CutOff {
        /// What had not ended.
        what: Vec<&'static str>,
        /// How long the stop may take.
        bound: Duration,
    },
    /// The system refused something that every process needs.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl RunError {
    /// Whether other flags would help: nothing outside of the command line and the environment is wrong.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) | Self::Label(_) => true,
            Self::Gossip(error) => matches!(
                error,
                GossipError::Setting { .. }
                    | GossipError::Seed { .. }
                    | GossipError::NotAdvertisable { .. }
                    | GossipError::Info(_)
            ),
            _ => false,
        }
    }
}

/// Runs an agent until a signal stops it.
///
/// When it is ready, it prints a line for each bound address on standard output: `gossip=ADDR` where
/// gossip is on, `health=ADDR` where health has a listener of its own, and `http=ADDR`.
///
/// # Errors
///
/// Any [`RunError`]; nothing is left running, except after [`RunError::CutOff`].
pub async fn run(args: RunArgs) -> Result<(), RunError> {
    check(&args)?;
    if args.end_with_stdin {
        signals::end_with_stdin().map_err(system("watch standard input"))?;
    }
    let stop = Stop::default();
    signals::stop_at_signals(stop.clone()).map_err(system("listen for signals"))?;
    let hangups = Hangups::listen().map_err(system("listen for SIGHUP"))?;
    let systemd = Systemd::find().map_err(system("start a thread for systemd"))?;
    let agent = tokio::select! {
        agent = Agent::start(&args) => agent?,
        // Nobody has been answered and nothing was promised: there is nothing to take apart in order.
        () = stop.clone().wait() => {
            tracing::info!("stopped before it was ready");
            return Ok(());
        }
    };
    reread_files(hangups, &args, &agent, systemd.clone(), stop.clone());
    announce(&agent.api, agent.gossip.as_ref())?;
    agent.serve(&args, stop, systemd).await
}

/// An agent that is put together and does not serve yet.
struct Agent {
    api: Api,
    registry: EdgeCacheRegistry,
    gossip: Option<GossipPool>,
    plugins: PluginManager,
}

impl Agent {
    async fn start(args: &RunArgs) -> Result<Self, RunError> {
        let gossip = gossip_config(args)?;
        let store = open_store(args)?;
        let cache = store.as_ref().map(Store::code_cache);
        let (plugins, plugin) = load_plugin(args, cache).await?;
        let api = Api::bind(args)?;
        let gossip = join(gossip, plugin.policy(), store.as_ref()).await?;
        let registry = start_registry(args, plugin, store, gossip.as_ref()).await?;
        Ok(Self {
            api,
            registry,
            gossip,
            plugins,
        })
    }
}

/// Checks what settings ask of each other.
pub(super) fn check(args: &RunArgs) -> Result<(), RunError> {
    let usage = |text: &str| Err(RunError::Usage(text.to_string()));
    api::check(args).map_err(RunError::Usage)?;
    args.limits.check().map_err(RunError::Usage)?;
    match args.gossip_listen {
        Some(listen)
            if !listen.ip().is_loopback()
                && args.gossip_key_file.is_none()
                && !args.insecure_gossip =>
        {
            usage(
                "`--gossip-listen` beyond loopback needs `--gossip-key-file`, whose keys encrypt gossip; \
                 `--insecure-gossip` does without, for networks that are encrypted below",
            )
        }
        None if !args.seeds.is_empty() => usage("`--seed` needs `--gossip-listen`"),
        None if args.gossip_advertise.is_some() => {
            usage("`--gossip-advertise` needs `--gossip-listen`")
        }
        None if args.gossip_key_file.is_some() => {
            usage("`--gossip-key-file` needs `--gossip-listen`")
        }
        _ => labels::check_foreign(&args.label_map(), args.limits.limits().labels)
            .map_err(RunError::Label),
    }
}

fn open_store(args: &RunArgs) -> Result<Option<Store>, RunError> {
    let identity = Identity {
        node_id: Some(args.node_id),
        cluster_id: args.cluster_id.clone(),
    };
    args.data_dir
        .as_deref()
        .map(|directory| Store::open(directory, identity))
        .transpose()
        .map_err(RunError::Store)
}

/// Where the component is that the settings name.
fn plugin_source(args: &RunArgs) -> Result<PluginSource, RunError> {
    match &args.plugin {
        Some(file) => Ok(PluginSource::File(file.clone())),
        None => embedded::COMPONENT
            .map(PluginSource::Embedded)
            .ok_or(RunError::NoPlugin),
    }
}

async fn load_plugin(
    args: &RunArgs,
    cache: Option<CodeCache>,
) -> Result<(PluginManager, Plugin), RunError> {
    let (config, source) = (args.given.config(&args.limits, cache), plugin_source(args)?);
    compiling(move || PluginManager::start(config, source)).await
}

/// Loads the plugin that an agent would start with, without a code cache.
pub(super) async fn load_declared_plugin(args: &RunArgs) -> Result<Plugin, RunError> {
    let (_, plugin) = load_plugin(args, None).await?;
    Ok(plugin)
}

/// Compiling takes up to seconds, which is not for a thread of the runtime.
async fn compiling<T: Send + 'static>(
    load: impl FnOnce() -> Result<T, PluginError> + Send + 'static,
) -> Result<T, RunError> {
    let loaded = tokio::task::spawn_blocking(load).await;
    let loaded = loaded.map_err(|error| RunError::System {
        action: "load the plugin",
        source: io::Error::other(error),
    })?;
    loaded.map_err(RunError::Plugin)
}

fn self_info(args: &RunArgs) -> PeerInfo {
    PeerInfo {
        node_id: args.node_id,
        wg_pubkey: args.wg_pubkey.clone(),
        wg_endpoint: args.wg_endpoint,
        overlay_ip: args.overlay_ip.clone(),
        labels: args.label_map(),
    }
}

/// The keys of gossip, if it is to be sealed.
pub(super) fn read_keyring(args: &RunArgs) -> Result<Option<Keyring>, RunError> {
    let read = |path: &PathBuf| {
        Keyring::read(path).map_err(|source| RunError::Keyring {
            path: path.clone(),
            source,
        })
    };
    args.gossip_key_file.as_ref().map(read).transpose()
}

/// Reads keys, tokens, certificates and the component again at every SIGHUP. A file that can't be used changes nothing.
fn reread_files(hangups: Hangups, args: &RunArgs, agent: &Agent, systemd: Systemd, stop: Stop) {
    let (file, pool) = (args.gossip_key_file.clone(), agent.gossip.clone());
    let reread_api = agent.api.rereading();
    let (plugins, registry) = (agent.plugins.clone(), agent.registry.clone());
    hangups.call(move || {
        systemd.reloading();
        if let (Some(file), Some(pool)) = (&file, &pool) {
            reread_keys(file, pool);
        }
        reread_api();
        let (plugins, registry) = (plugins.clone(), registry.clone());
        let (systemd, stop) = (systemd.clone(), stop.clone());
        tokio::spawn(async move {
            plugins.reload(&registry).await;
            // An agent that stops meanwhile is not ready again.
            if stop.asked().is_none() {
                systemd.ready();
            }
        });
    });
}

fn reread_keys(file: &Path, pool: &GossipPool) {
    let keyring = match Keyring::read(file) {
        Ok(keyring) => keyring,
        Err(error) => {
            let error = edge_cache_core::text::error_chain(&error);
            tracing::error!(error, file = %file.display(), "the gossip keys stay as they are");
            return;
        }
    };
    if let Err(error) = pool.rotate(keyring) {
        tracing::error!(%error, "the gossip keys stay as they are");
    }
}

/// What gossip is to be, checked: nothing else needs to be started to find out that it can't be.
pub(super) fn gossip_config(args: &RunArgs) -> Result<Option<GossipConfig>, RunError> {
    let Some(listen) = args.gossip_listen else {
        return Ok(None);
    };
    let mut config = GossipConfig::new(self_info(args), args.cluster_id.clone(), listen);
    config.advertise = args.gossip_advertise;
    config.seeds.clone_from(&args.seeds);
    config.interval = args.gossip_interval;
    config.dead_node_grace_period = args.gossip_dead_grace;
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    config.push = PushBudget {
        rounds_per_second: whole(args.gossip_push_rounds_per_second),
        digest_bytes_per_second: whole(args.gossip_push_digest_bytes_per_second),
    };
    config.protocol = match args.gossip_protocol {
        ProtocolArg::V0 => Protocol::V0,
        ProtocolArg::V1 => Protocol::V1,
    };
    config.validate().map_err(RunError::Gossip)?;
    config.keyring = read_keyring(args)?;
    Ok(Some(config))
}

async fn join(
    config: Option<GossipConfig>,
    policy: String,
    store: Option<&Store>,
) -> Result<Option<GossipPool>, RunError> {
    let Some(mut config) = config else {
        return Ok(None);
    };
    config.policy = Some(policy);
    if let Some(store) = store {
        config.labels = store.own_labels();
        config.memory = Arc::new(store.clone());
    }
    GossipPool::start(config)
        .await
        .map(Some)
        .map_err(RunError::Gossip)
}

async fn start_registry(
    args: &RunArgs,
    plugin: Plugin,
    store: Option<Store>,
    gossip: Option<&GossipPool>,
) -> Result<EdgeCacheRegistry, RunError> {
    let mut builder = EdgeCacheRegistry::builder(plugin);
    builder = match gossip {
        Some(pool) => builder.gossip(pool.clone()),
        None => builder.standalone(self_info(args)),
    };
    if let Some(store) = store {
        builder = builder.store(store);
    }
    builder.start().await.map_err(RunError::Registry)
}

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

fn system(action: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::System { action, source }
}

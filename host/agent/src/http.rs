//! The HTTP API: JSON over the registry and the gossip pool.
//!
//! It decides nothing. Reads are answered from the registry's view, changes are handed to the registry,
//! and every error becomes a problem document in one place, `problem`.
//!
//! The only directory that knows axum.

mod access;
mod all;
mod body;
mod cluster;
mod etag;
mod events;
mod extract;
mod gate;
mod guard;
mod health;
mod kinds;
mod leave;
mod metrics;
mod nodes;
mod openapi;
mod operation;
mod plugin;
mod problem;
mod refusals;
mod replace;
mod route;
mod serve;
mod stats;
mod swap;
mod table;
mod tls;
mod trace;
mod views;
mod wording;

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use super::metrics::Metrics;
use super::plugin_manager::PluginManager;
use super::shutdown::Shutdown;
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

use self::all::Listed;
use self::events::Events;
use self::gate::Gate;
use self::operation::{Described, Operation, described};

pub use crate::metrics::ListenerMetrics;
pub use access::{Access, NewToken, Role, RoleError, TokenError, Tokens, TokensError};
pub use body::BODY_TIMEOUT;
pub use events::SUBSCRIBERS_MAX;
pub use gate::Routes;
pub use guard::Hosts;
pub use replace::{CHANGES_UNDER_WAY_MAX, TURN_WAIT};
pub use serve::{
    CONNECTIONS_DEFAULT, DISCARDED_WITHIN, DRAIN, HEADERS_BYTES_MAX, HEADERS_TIMEOUT, Listening,
    WRITE_TIMEOUT, serve, warn_of_file_limit,
};
pub use tls::{HANDSHAKE_TIMEOUT, Tls, TlsError, use_ring};

/// How many connections are served at a time where only health is asked for.
pub const HEALTH_CONNECTIONS_MAX: usize = 32;

/// What the routes work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState(Arc<Parts>);

/// One for all requests: each of them clones the state several times.
#[derive(Debug)]
pub struct Parts {
    registry: EdgeCacheRegistry,
    gossip: Option<GossipPool>,
    plugins: PluginManager,
    stop: Shutdown,
    events: Events,
    /// Held while all nodes are being replaced.
    replacing: Mutex<()>,
    /// The list of all nodes as it was sent last.
    listed: ArcSwapOption<Listed>,
    metrics: Metrics,
}

impl AppState {
    /// The state of an agent with this registry, with this membership if gossip is on, that ends when `stop`
    /// is asked for. Must be called on a runtime: a task follows what changes.
    #[must_use]
    pub fn new(
        registry: EdgeCacheRegistry,
        gossip: Option<GossipPool>,
        plugins: PluginManager,
        stop: Shutdown,
    ) -> Self {
        let metrics = Metrics::new(&registry, gossip.as_ref());
        let events = Events::start(&registry, gossip.as_ref(), stop.clone());
        Self(Arc::new(Parts {
            registry,
            gossip,
            plugins,
            stop,
            events,
            replacing: Mutex::default(),
            listed: ArcSwapOption::empty(),
            metrics,
        }))
    }

    /// Returns the metrics of the listener with this name.
    #[must_use]
    pub fn listener_metrics(&self, name: &'static str) -> ListenerMetrics {
        self.metrics.http.listener(name)
    }
}

impl Deref for AppState {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The whole API, for those whom `access` lets in, under the names of `hosts`.
///
/// What each route needs stands in `access/needs.rs`; one that does not stand there needs `admin`.
pub fn api_routes(state: AppState, access: Access, hosts: Hosts) -> Routes {
    let gate = Gate {
        metrics: state.metrics.http.clone(),
        hosts,
        access: Some(access),
    };
    Routes::new(with_state(operations(), &state), gate)
}

/// Health and metrics alone, for a listener that stays apart from the crowd, and open to all but browsers.
pub fn health_routes(state: AppState) -> Routes {
    let gate = Gate {
        metrics: state.metrics.http.clone(),
        hosts: Hosts::Any,
        access: None,
    };
    Routes::new(with_state(health_operations(), &state), gate)
}

fn with_state(described: Vec<Described>, state: &AppState) -> impl Iterator<Item = Operation> {
    let state = state.clone();
    let described = described.into_iter();
    described.flat_map(move |described| described.operations(&state))
}

/// Every operation with its description: there is no other way to add one.
fn operations() -> Vec<Described> {
    let mut all = described![
        nodes::entry,
        nodes::enable,
        nodes::disable,
        stats::stats,
        stats::add_stats,
        all::list,
        replace::replace,
        route::route,
        cluster::peers,
        cluster::members,
        events::follow,
        plugin::show,
        swap::swap,
        plugin::logs,
        leave::leave,
        openapi::describe,
    ];
    all.extend(health_operations());
    all
}

fn health_operations() -> Vec<Described> {
    described![health::livez, health::readyz, metrics::metrics]
}

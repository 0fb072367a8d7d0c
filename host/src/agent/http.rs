//! The HTTP API: JSON over the registry and the gossip pool.
//!
//! It decides nothing. Reads are answered from the registry's view, changes are handed to the registry,
//! and every error becomes a problem document in one place, `problem`.
//!
//! The only directory that knows axum.

mod access;
mod body;
mod cluster;
mod extract;
mod guard;
mod health;
mod nodes;
mod plugin;
mod problem;
mod serve;
mod tls;
mod trace;
mod wording;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::EdgeCacheRegistry;
use crate::gossip::GossipPool;

pub use access::{Access, NewToken, Role, RoleError, TokenError, Tokens, TokensError};
pub use body::{BODY_BYTES_MAX, BODY_TIMEOUT, DISCARDED_BYTES_MAX};
pub use guard::Hosts;
pub use serve::{
    CONNECTIONS_DEFAULT, DRAIN, HEADERS_BYTES_MAX, HEADERS_TIMEOUT, Listening, WRITE_TIMEOUT,
    serve, warn_of_file_limit,
};
pub use tls::{HANDSHAKE_TIMEOUT, Tls, TlsError, use_ring};

/// How many connections are served at a time where only health is asked for.
pub const HEALTH_CONNECTIONS_MAX: usize = 32;

/// What the routes work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The registry.
    pub registry: EdgeCacheRegistry,
    /// The node's membership, if gossip is on.
    pub gossip: Option<GossipPool>,
    /// True once the agent has begun to stop.
    pub stopping: Arc<AtomicBool>,
}

/// The whole API, for those whom `access` lets in, under the names of `hosts`.
///
/// What each route needs stands in `access/routes.rs`; one that does not stand there needs `admin`.
pub fn router(state: AppState, access: Access, hosts: Hosts) -> Router {
    Router::new()
        .route(
            "/api/v1/nodes/{id}/edge-cache",
            get(nodes::entry).post(nodes::enable).delete(nodes::disable),
        )
        .route(
            "/api/v1/nodes/{id}/edge-cache/stats",
            get(nodes::stats).post(nodes::add_stats),
        )
        .route("/api/v1/edge-cache/nodes", get(nodes::list))
        .route("/api/v1/cluster/gossip/peers", get(cluster::peers))
        .route("/api/v1/plugin", get(plugin::show))
        .route("/health/livez", get(health::livez))
        .route("/health/readyz", get(health::readyz))
        // Before the fallbacks, which it leaves out: what is not there has no role.
        .route_layer(middleware::from_fn(access::authorise))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(access, access::identify))
        .layer(middleware::from_fn_with_state(
            hosts,
            guard::refuse_browsers,
        ))
        .layer(middleware::from_fn(trace::requests))
        .with_state(state)
}

/// Health alone, for a listener that stays apart from the crowd, and open to all but browsers.
pub fn health_router(state: AppState) -> Router {
    Router::new()
        .route("/health/livez", get(health::livez))
        .route("/health/readyz", get(health::readyz))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(middleware::from_fn_with_state(
            Hosts::Any,
            guard::refuse_browsers,
        ))
        .with_state(state)
}

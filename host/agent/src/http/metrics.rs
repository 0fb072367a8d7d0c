//! The agent's numbers for whoever watches over it.

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::AppState;
use super::counts::RequestCounts;
use super::refusals::Refusals;
use super::serve::ConnectionCounts;
use crate::metrics::{HttpNumbers, MEDIA_TYPE, Sources, text};

/// What the API counts about itself.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) requests: Arc<RequestCounts>,
    /// Of the listener for the whole API.
    pub(super) api: Arc<ConnectionCounts>,
    /// Of the listener for health alone.
    pub(super) health: Arc<ConnectionCounts>,
    started: SystemTime,
}

impl Counts {
    /// None counted yet, for routes with these templates.
    pub(super) fn new(templates: impl IntoIterator<Item = String>) -> Self {
        Self {
            requests: Arc::new(RequestCounts::new(templates)),
            api: Arc::default(),
            health: Arc::default(),
            started: SystemTime::now(),
        }
    }
}

/// The agent's numbers as Prometheus text. Every name begins with `edge_cache_`; a series with labels appears
/// with the first thing that it counts.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "show_metrics",
    tag = "agent",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The numbers.", body = String,
         content_type = "text/plain; version=0.0.4; charset=utf-8"),
        Refusals<()>
    )
)]
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    let counts = &state.counts;
    let http = HttpNumbers {
        requests: counts.requests.read(),
        connections: vec![counts.api.read("api"), counts.health.read("health")],
        subscribers: state.events.subscribers(),
    };
    let sources = Sources {
        registry: state.registry.clone(),
        gossip: state.gossip.clone(),
        http,
        started: counts.started,
    };
    ([(CONTENT_TYPE, MEDIA_TYPE)], text(sources))
}

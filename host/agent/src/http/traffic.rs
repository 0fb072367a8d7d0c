//! The traffic listener: tells proxies which caches serve a request.
//!
//! The listener reads the traffic table and nothing else: no JSON for a pick, no lock, no token. It never answers a 3xx or 4xx
//! because of what a client of the proxy sent, since proxies pass such answers on, and takes no address from a request.

mod endpoints;
mod pick;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tower_http::catch_panic::CatchPanicLayer;

use self::endpoints::{Endpoints, discover};
use self::pick::Pick;
use crate::metrics::TrafficMetrics;
use crate::settings::{TrafficGeo, TrafficKey, TrafficSettings};
use edge_cache_host::{CacheAddress, Traffic};

/// The path that Envoy polls for endpoints over REST.
const ENDPOINTS_PATH: &str = "/v3/discovery:endpoints";

/// The state that the handlers of the traffic listener share.
#[derive(Debug)]
struct TrafficState {
    traffic: Traffic,
    key: TrafficKey,
    geo: TrafficGeo,
    replicas: usize,
    fallback: Option<CacheAddress>,
    metrics: TrafficMetrics,
}

/// Builds the routes of the traffic listener.
pub fn traffic_routes(
    traffic: Traffic,
    settings: &TrafficSettings,
    metrics: TrafficMetrics,
) -> Router {
    let endpoints = Endpoints::new(traffic.clone(), settings.traffic_fallback);
    let state = TrafficState {
        traffic,
        key: settings.traffic_key,
        geo: settings.traffic_geo.clone(),
        replicas: settings.traffic_replicas,
        fallback: settings.traffic_fallback,
        metrics,
    };
    Router::new()
        .route(
            ENDPOINTS_PATH,
            post(discover).with_state(Arc::new(endpoints)),
        )
        .fallback(pick)
        .with_state(Arc::new(state))
        .layer(CatchPanicLayer::custom(answer_panic))
}

/// Answers where a request goes. The router matches no path for it, since a client's path may be anything.
async fn pick(State(state): State<Arc<TrafficState>>, request: Request) -> Response {
    let target = request.uri().path_and_query();
    let Some(pick) = target.and_then(|target| Pick::of(target.as_str())) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Some(table) = state.traffic.table() else {
        state.metrics.unavailable.inc();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let key = pick.key(request.headers(), request.uri(), state.key);
    let geo = match &state.geo {
        TrafficGeo::None => None,
        TrafficGeo::Own => table.home(),
        TrafficGeo::Geo(geo) => Some(&**geo),
    };
    match pick::answer(table.pick(&key, state.replicas, geo)) {
        Some(answer) => {
            state.metrics.routed.inc();
            answer
        }
        None => state.answer_fallback(),
    }
}

impl TrafficState {
    /// Answers while no cache is eligible.
    fn answer_fallback(&self) -> Response {
        if let Some(fallback) = self.fallback {
            self.metrics.fallback.inc();
            pick::answer_fallback(fallback)
        } else {
            self.metrics.unavailable.inc();
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Logs a panic, and answers 500.
fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler of the traffic listener panicked");
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

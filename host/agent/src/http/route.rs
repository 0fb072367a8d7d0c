//! Which nodes serve a key.

use axum::Json;
use axum::extract::State;

use super::AppState;
use super::extract::Query;
use super::kinds;
use super::problem::Problem;
use super::refusals::{Refusals, WrongQuery};
use edge_cache_api::limits::KEY_BYTES_MAX;
use edge_cache_api::{Replica, Route, RouteQuery};
use edge_cache_core::check_geo;
use edge_cache_host::routing::{REPLICAS_MAX, Router};

/// The nodes that serve a key, best first. Every agent that sees the same labels answers the same, so whoever
/// finds the first node dead goes to the second. Nodes are judged by the labels that they are seen to
/// advertise.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/route",
    operation_id = "route_key",
    tag = "registry",
    security((), ("bearer" = ["read"])),
    params(RouteQuery),
    responses(
        (status = 200, description = "The nodes.", body = Route),
        Refusals<(WrongQuery,)>
    )
)]
pub(super) async fn route(
    State(state): State<AppState>,
    Query(query): Query<RouteQuery>,
) -> Result<Json<Route>, Problem> {
    let replicas = query.replicas.unwrap_or(RouteQuery::REPLICAS_DEFAULT);
    check(&query, replicas)?;
    let router = state.registry.router();
    Ok(Json(
        router
            .map(|router| find(router, &query, replicas))
            .unwrap_or_default(),
    ))
}

fn check(query: &RouteQuery, replicas: usize) -> Result<(), Problem> {
    let bytes = query.key.len();
    let wrong = if bytes == 0 || bytes > KEY_BYTES_MAX {
        format!("`key` must be 1 to {KEY_BYTES_MAX} bytes, got {bytes}")
    } else if replicas == 0 || replicas > REPLICAS_MAX {
        format!("`replicas` must be 1 to {REPLICAS_MAX}, got {replicas}")
    } else if let Some(Err(wrong)) = query.geo.as_deref().map(check_geo) {
        wrong
    } else {
        return Ok(());
    };
    Err(Problem::new(&kinds::INVALID_QUERY, wrong))
}

/// All from one table, so that the nodes and what is said of them fit together.
fn find(router: &Router, query: &RouteQuery, replicas: usize) -> Route {
    let table = router.table();
    let found = table.route(query.key.as_bytes(), replicas, query.geo.as_deref());
    let nodes = found.iter().filter_map(|&node_id| {
        let candidate = table.candidate(node_id)?;
        Some(Replica {
            node_id,
            weight: candidate.weight,
            geo: candidate.geo,
        })
    });
    Route {
        nodes: nodes.collect(),
    }
}

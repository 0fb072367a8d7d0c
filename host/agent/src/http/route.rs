//! Handler that routes a key.

use axum::Json;
use axum::extract::State;

use super::problem::Problem;
use super::query::{QueryParams, invalid};
use super::state::AppState;
use edge_cache_api::limits::KEY_BYTES_MAX;
use edge_cache_api::{Replica, Route, RouteQuery};
use edge_cache_core::check_geo;
use edge_cache_host::routing::{REPLICAS_MAX, Router};
use edge_cache_host::{CacheAddress, CacheAddresses};

/// Routes a key: the nodes that serve it, best first. Every agent that sees the same labels answers the same, so a
/// client that finds the first node dead goes to the second. Nodes are judged by the labels that they advertise. A key
/// is any bytes, percent-encoded where they are no text.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/route",
    tag = "registry",
    params(RouteQuery),
    responses(
        (status = 200, description = "The nodes.", body = Route)
    )
)]
pub(super) async fn route_key(
    State(state): State<AppState>,
    query: QueryParams,
) -> Result<Json<Route>, Problem> {
    let Some(key) = query.bytes("key") else {
        return Err(invalid("the query parameter `key` is missing"));
    };
    let replicas = query.number("replicas")?;
    let replicas = replicas.unwrap_or(RouteQuery::REPLICAS_DEFAULT);
    let geo = query.text("geo")?;
    check(key, replicas, geo).map_err(invalid)?;
    state.check_routing()?;
    let router = state.registry.router();
    let addresses = state.registry.cache_addresses();
    let route = router.map(|router| find(router, &addresses, key, replicas, geo));
    Ok(Json(route.unwrap_or_default()))
}

fn check(key: &[u8], replicas: usize, geo: Option<&str>) -> Result<(), String> {
    let bytes = key.len();
    if bytes == 0 || bytes > KEY_BYTES_MAX {
        return Err(format!(
            "`key` must be 1 to {KEY_BYTES_MAX} bytes, got {bytes}"
        ));
    }
    if replicas == 0 || replicas > REPLICAS_MAX {
        return Err(format!(
            "`replicas` must be 1 to {REPLICAS_MAX}, got {replicas}"
        ));
    }
    geo.map_or(Ok(()), check_geo)
}

/// Routes by one table, so that the nodes and their weights fit together.
fn find(
    router: &Router,
    addresses: &CacheAddresses,
    key: &[u8],
    replicas: usize,
    geo: Option<&str>,
) -> Route {
    let table = router.table();
    let found = table.route(key, replicas, geo);
    let nodes = found.iter().filter_map(|&node_id| {
        let candidate = table.candidate(node_id)?;
        Some(Replica {
            node_id,
            weight: candidate.weight,
            geo: candidate.geo,
            address: addresses.get(node_id).map(CacheAddress::socket),
        })
    });
    Route {
        nodes: nodes.collect(),
    }
}

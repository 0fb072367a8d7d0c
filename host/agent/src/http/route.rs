//! Which nodes serve a key.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::Query;
use super::kinds;
use super::problem::Problem;
use super::refusals::{Refusals, WrongQuery};
use edge_cache_core::{NodeId, check_geo};
use edge_cache_host::routing::{REPLICAS_MAX, Router};

/// The longest key, in bytes. The library takes any.
pub const KEY_BYTES_MAX: usize = 4 * 1024;
/// How many nodes are named where nothing is said: the best, and two more should it fail.
const REPLICAS_DEFAULT: usize = 3;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// What is to be served: the UTF-8 text of a URL, say.
    #[param(min_length = 1, max_length = 4096)]
    key: String,
    /// How many nodes to name.
    #[serde(default = "replicas_default")]
    #[param(default = 3, minimum = 1, maximum = 8)]
    replicas: usize,
    /// Where the asker is: nodes with the same geo come first, then those of its region. Without it, all nodes
    /// are equally near.
    #[param(min_length = 1, max_length = 64)]
    geo: Option<String>,
}

/// A node that serves the key.
#[derive(Debug, Serialize, ToSchema)]
struct ReplicaView {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    /// Its share of all keys beside the weights of the other nodes.
    #[schema(minimum = 1, maximum = 65535)]
    weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    geo: Option<String>,
}

/// The nodes that serve a key, best first; none where no node is eligible.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct RouteView {
    nodes: Vec<ReplicaView>,
}

/// The nodes that serve a key, best first. Every agent that sees the same labels answers the same, so whoever
/// finds the first node dead goes to the second. Nodes are judged by the labels that they are seen to
/// advertise.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/route",
    operation_id = "route_key",
    tag = "registry",
    security((), ("bearer" = ["read"])),
    params(Asked),
    responses(
        (status = 200, description = "The nodes.", body = RouteView),
        Refusals<(WrongQuery,)>
    )
)]
pub(super) async fn route(
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
) -> Result<Json<RouteView>, Problem> {
    asked.check()?;
    let router = state.registry.router();
    Ok(Json(
        router.map(|router| asked.find(router)).unwrap_or_default(),
    ))
}

impl Asked {
    fn check(&self) -> Result<(), Problem> {
        let bytes = self.key.len();
        let wrong = if bytes == 0 || bytes > KEY_BYTES_MAX {
            format!("`key` must be 1 to {KEY_BYTES_MAX} bytes, got {bytes}")
        } else if self.replicas == 0 || self.replicas > REPLICAS_MAX {
            let asked = self.replicas;
            format!("`replicas` must be 1 to {REPLICAS_MAX}, got {asked}")
        } else if let Some(Err(wrong)) = self.geo.as_deref().map(check_geo) {
            wrong
        } else {
            return Ok(());
        };
        Err(Problem::new(&kinds::INVALID_QUERY, wrong))
    }

    /// All from one table, so that the nodes and what is said of them fit together.
    fn find(&self, router: &Router) -> RouteView {
        let table = router.table();
        let found = table.route(self.key.as_bytes(), self.replicas, self.geo.as_deref());
        let nodes = found.iter().filter_map(|&node_id| {
            let candidate = table.candidate(node_id)?;
            Some(ReplicaView {
                node_id,
                weight: candidate.weight,
                geo: candidate.geo,
            })
        });
        RouteView {
            nodes: nodes.collect(),
        }
    }
}

fn replicas_default() -> usize {
    REPLICAS_DEFAULT
}

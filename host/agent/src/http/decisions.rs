//! Handler that lists the decisions, and how far each has come.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;

use super::problem::Problem;
use super::query::{QueryParams, invalid};
use super::state::AppState;
use super::views::KnownNode;
use edge_cache_api::{DecidedNode, DecisionList, DecisionsQuery};
use edge_cache_host::routing::RoutingTable;

/// Lists the nodes with a decision, the latest first: decided, advertised by the node's own agent, routed by this one.
/// Disabled nodes are among them as long as they are remembered. Nodes without a decision to which keys are routed,
/// because other software enabled them, come last.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/decisions",
    tag = "registry",
    params(DecisionsQuery),
    responses(
        (status = 200, description = "The nodes.", body = DecisionList)
    )
)]
pub(super) async fn list_decisions(
    State(state): State<AppState>,
    query: QueryParams,
) -> Result<Json<DecisionList>, Problem> {
    let limit = query.number("limit")?;
    let limit = limit.unwrap_or(DecisionsQuery::LIMIT_DEFAULT);
    let max = DecisionsQuery::LIMIT_MAX;
    if limit == 0 || limit > max {
        return Err(invalid(format!("`limit` must be 1 to {max}, got {limit}")));
    }
    let table = state.registry.router().map(|router| router.table());
    Ok(Json(list(&state, table.as_deref(), limit)))
}

fn list(state: &AppState, table: Option<&RoutingTable>, limit: usize) -> DecisionList {
    let snapshot = state.registry.snapshot();
    let mut decided: Vec<_> = snapshot
        .decisions()
        .map(|effective| (Reverse(effective.decision.at), effective.decision.node_id))
        .collect();
    decided.sort_unstable();
    let routed = || table.into_iter().flat_map(RoutingTable::candidates);
    let mut foreign: Vec<_> = routed()
        .map(|(node_id, _, _)| node_id)
        .filter(|node_id| snapshot.node(*node_id).decision().is_none())
        .collect();
    foreign.sort_unstable();
    let decided = decided.into_iter().map(|(_, node_id)| node_id);
    let nodes = decided.chain(foreign).take(limit).map(|node_id| {
        let known = KnownNode::new(&state.registry, node_id, snapshot.node(node_id));
        let candidate = table.and_then(|table| table.candidate(node_id));
        DecidedNode {
            weight: candidate.as_ref().map(|candidate| candidate.weight),
            geo: candidate.and_then(|candidate| candidate.geo),
            ..known.decided()
        }
    });
    DecisionList {
        nodes: nodes.collect(),
        total_weight: routed().map(|(_, weight, _)| u64::from(weight)).sum(),
    }
}

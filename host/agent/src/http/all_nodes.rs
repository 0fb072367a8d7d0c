//! Handlers for all nodes: list, and replace by another set.
//!
//! The replacement is no transaction: each node is a change of its own, in the queue with those of other requests. The
//! report names the nodes that failed, and the same request again does the rest, also after a client that went away.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::time::timeout;

use super::extract::Json;
use super::limits::{CHANGES_UNDER_WAY_MAX, NODES_BYTES_MAX, TURN_WAIT};
use super::problem::Problem;
use super::query::{QueryParams, invalid};
use super::state::AppState;
use edge_cache_api::headers::JSON;
use edge_cache_api::{
    NodeList, NodeOutcome, NodeResult, NodesQuery, ProblemType, Replacement, ReplacementReport,
    WantedNode,
};
use edge_cache_core::{NodeId, check_geo};
use edge_cache_host::{EdgeCacheError, EligibleNodes, NodeCapacity};

/// The change that a node needs.
#[derive(Debug)]
enum Step {
    Leave,
    Enable(NodeCapacity),
    Disable,
}

/// Lists the eligible nodes, in ascending order of node id: all of them, or those that the query asks for. A page that
/// more nodes follow has the id of its last node in `next`, which is `after` of the next page.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/nodes",
    tag = "registry",
    params(NodesQuery, ("If-None-Match" = Option<String>, Header, description = "The tag of a list that the client has.")),
    responses(
        (status = 200, description = "The list.", body = NodeList,
         headers(("ETag" = String, description = "Changes with the list; `If-Match` disregards hit ratios and what agents advertise."))),
        (status = 304, description = "The list is the one of `If-None-Match`.",
         headers(("ETag" = String, description = "Its tag.")))
    )
)]
pub(super) async fn list_nodes(
    State(state): State<AppState>,
    query: QueryParams,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = page(&query)?;
    let mut list = state.list.now(&state.registry);
    if page != NodesQuery::default() {
        list = Arc::new(list.page(&page));
    }
    if list.tag.is_named_by_if_none_match(&headers) {
        return Ok(list.tagged(StatusCode::NOT_MODIFIED));
    }
    Ok(list.tagged(([(CONTENT_TYPE, JSON)], list.body.clone())))
}

/// Reads which part of the list is asked for.
fn page(query: &QueryParams) -> Result<NodesQuery, Problem> {
    let geo = query.text("geo")?;
    geo.map_or(Ok(()), check_geo).map_err(invalid)?;
    let limit = query.number("limit")?;
    let max = NodesQuery::LIMIT_MAX;
    if let Some(limit) = limit.filter(|limit| *limit == 0 || *limit > max) {
        return Err(invalid(format!("`limit` must be 1 to {max}, got {limit}")));
    }
    Ok(NodesQuery {
        geo: geo.map(str::to_string),
        after: query.number("after")?,
        limit,
    })
}

/// Makes the nodes of the list the eligible ones. A node whose capacity is the same stays untouched, one
/// that is new or has another capacity is enabled, one that is not in the list is disabled. It is not
/// atomic: a node that fails leaves the others as they come out, and the same request again does the rest.
#[utoipa::path(
    put,
    path = "/api/v1/edge-cache/nodes",
    tag = "registry",
    params(("If-Match" = Option<String>, Header, description = "The tag of the list that this one is to replace.")),
    request_body(content = Replacement, content_type = "application/json",
                 description = "The shape of the list, at most 16 MiB."),
    responses(
        (status = 200, description = "The result of each node.", body = ReplacementReport)
    )
)]
pub(super) async fn replace_nodes(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(wanted, _memory): Json<Replacement, NODES_BYTES_MAX>,
) -> Result<Response, Problem> {
    let wanted = by_node(wanted, state.registry.plugin().config().limits.nodes_max)?;
    if !state.registry.may_decide() {
        return Err(EdgeCacheError::NotJoined.into());
    }
    // Two replacements at once would end in a mixture.
    let Ok(_turn) = timeout(TURN_WAIT, state.replacing.lock()).await else {
        return Err(Problem::new(
            ProblemType::Busy,
            format!(
                "another replacement is under way for longer than {} s",
                TURN_WAIT.as_secs()
            ),
        ));
    };
    let present = state.list.now(&state.registry);
    if !present.tag.fits_if_match(&headers) {
        let problem = Problem::new(
            ProblemType::ChangedMeanwhile,
            "the list has changed since: get it again, its tag is in `ETag`",
        );
        return Ok(present.tagged(problem));
    }
    let steps = steps(wanted, &state.registry.list_eligible());
    let results = stream::iter(steps)
        .map(|(node_id, step)| take(&state, node_id, step))
        .buffered(CHANGES_UNDER_WAY_MAX)
        .collect()
        .await;
    Ok(axum::Json(report(results)).into_response())
}

fn by_node(
    wanted: Replacement,
    nodes_max: usize,
) -> Result<BTreeMap<NodeId, NodeCapacity>, Problem> {
    let refused = |detail| Err(Problem::new(ProblemType::InvalidBody, detail));
    if let Err(reason) = wanted.check_whole() {
        return refused(format!("{reason}: ask for all nodes"));
    }
    if wanted.nodes.len() > nodes_max {
        return refused(format!(
            "`nodes`: {} nodes, the registry holds at most {nodes_max}",
            wanted.nodes.len()
        ));
    }
    let mut by_node = BTreeMap::new();
    for WantedNode { node_id, capacity } in wanted.nodes {
        if by_node.insert(node_id, capacity).is_some() {
            return refused(format!(
                "`nodes`: node {node_id} is listed twice, each node may be listed once"
            ));
        }
    }
    Ok(by_node)
}

/// Returns the changes from the present nodes to the wanted ones, in ascending order.
fn steps(
    wanted: BTreeMap<NodeId, NodeCapacity>,
    present: &EligibleNodes,
) -> BTreeMap<NodeId, Step> {
    let mut steps: BTreeMap<_, _> = present
        .iter()
        .map(|node| (node.node_id, Step::Disable))
        .collect();
    for (node_id, capacity) in wanted {
        let is_same = present
            .get(node_id)
            .is_some_and(|node| node.capacity == capacity);
        let step = if is_same {
            Step::Leave
        } else {
            Step::Enable(capacity)
        };
        steps.insert(node_id, step);
    }
    steps
}

async fn take(state: &AppState, node_id: NodeId, step: Step) -> NodeResult {
    let taken = match step {
        Step::Leave => Ok(NodeOutcome::Untouched),
        Step::Enable(capacity) => {
            let enabled = state.registry.enable(node_id, capacity).await;
            enabled.map(|_| NodeOutcome::Enabled)
        }
        Step::Disable => match state.registry.disable(node_id).await {
            // Another request was quicker, with the same result.
            Ok(()) | Err(EdgeCacheError::NodeNotFound(_)) => Ok(NodeOutcome::Disabled),
            Err(error) => Err(error),
        },
    };
    let (result, problem) = match taken {
        Ok(fate) => (fate, None),
        Err(error) => (NodeOutcome::Failed, Some(Problem::from(error).document())),
    };
    NodeResult {
        node_id,
        result,
        problem,
    }
}

fn report(nodes: Vec<NodeResult>) -> ReplacementReport {
    let count = |outcome| nodes.iter().filter(|node| node.result == outcome).count();
    ReplacementReport {
        untouched: count(NodeOutcome::Untouched),
        enabled: count(NodeOutcome::Enabled),
        disabled: count(NodeOutcome::Disabled),
        failed: count(NodeOutcome::Failed),
        nodes,
    }
}

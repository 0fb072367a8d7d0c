//! Handlers for the cluster: peers, members, events.

use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::auth::Caller;
use super::extract::Node;
use super::problem::Problem;
use super::query::QueryParams;
use super::state::AppState;
use edge_cache_api::headers::{EVENT_STREAM, LAST_EVENT_ID};
use edge_cache_api::{Member, MemberList, MemberStatus, MembersQuery, PeerInfo, ProblemType};
use edge_cache_host::AUDIT_TARGET;
use edge_cache_host::gossip::{ClusterMember, GossipPool};
use edge_cache_host::{CacheAddress, Snapshot};

/// The header by which nginx, as a proxy, passes events on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Lists the other live members in ascending order of node id, as ZLayer shows them; none without gossip.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/gossip/peers",
    tag = "cluster",
    responses(
        (status = 200, description = "The peers.", body = Vec<PeerInfo>)
    )
)]
pub(super) async fn list_peers(State(state): State<AppState>) -> Json<Vec<PeerInfo>> {
    let peers = state.gossip.as_ref().map(GossipPool::peers);
    Json(peers.unwrap_or_default())
}

/// Lists all known members: this node, live ones, those that left, and those that failed in the last 72 hours.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/members",
    tag = "cluster",
    params(MembersQuery),
    responses(
        (status = 200, description = "The members.", body = MemberList)
    )
)]
pub(super) async fn list_members(
    State(state): State<AppState>,
    query: QueryParams,
) -> Result<Json<MemberList>, Problem> {
    let status = query.value("status", "`alive`, `leaving`, `left` or `failed`", |text| {
        text.parse::<MemberStatus>().ok()
    })?;
    let mut members: Vec<_> = match &state.gossip {
        Some(pool) => {
            let snapshot = state.registry.snapshot();
            let members = pool.members().into_iter();
            members.map(|it| member(it, pool, &snapshot)).collect()
        }
        None => alone(&state).into_iter().collect(),
    };
    members.retain(|member| status.is_none_or(|status| status == member.status));
    Ok(Json(MemberList { members }))
}

/// Makes this agent forget a failed member, which is remembered for 72 hours otherwise. Others remember for themselves.
/// One that is live again is listed again.
#[utoipa::path(
    delete,
    path = "/api/v1/cluster/gossip/peers/{id}",
    tag = "cluster",
    params(Node),
    responses((status = 204, description = "The member is forgotten by this agent."))
)]
pub(super) async fn forget_peer(
    State(state): State<AppState>,
    Node(node_id): Node,
) -> Result<StatusCode, Problem> {
    let pool = state.gossip.as_ref();
    if pool.is_some_and(|pool| pool.forget(node_id)) {
        tracing::info!(target: AUDIT_TARGET, node_id, "forget");
        return Ok(StatusCode::NO_CONTENT);
    }
    let mut members = pool.map(GossipPool::members).into_iter().flatten();
    Err(match members.find(|member| member.node_id == node_id) {
        Some(member) => Problem::new(
            ProblemType::MemberNotFailed,
            format!(
                "the status of node {node_id} is `{}`: only a failed member can be forgotten",
                member.status
            ),
        ),
        None => Problem::new(
            ProblemType::NodeNotFound,
            format!("node {node_id} is not remembered as a failed member"),
        ),
    })
}

/// Follows the changes of the registry and of the cluster, as server-sent events.
///
/// - `enabled`: a node was enabled: `{"node_id", "capacity", "enabled_at"}`.
/// - `disabled`: a node is not eligible any more: `{"node_id"}`.
/// - `joined`, `updated`: a peer is live now, or its information changed: the peer.
/// - `left`, `failed`: a peer said that it leaves, or is silent without a word: `{"node_id"}`.
/// - `health`: the readiness and the warnings, after a snapshot and when they change: `{"ok", "reasons", "warnings"}`.
/// - `snapshot`: the whole state, `{"nodes", "peers"}`: first of all, and wherever events are missing.
///
/// States in between may be left out; the last one is always sent. A client that names its last event in
/// `Last-Event-ID` gets those after it, where the agent still has them. A comment comes after 15 s without an event. The
/// stream ends when the agent stops and when the token of the request is revoked. At most 64 streams are open at a time.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    params(("Last-Event-ID" = Option<String>, Header, description = "The last event that the client has.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream")
    )
)]
pub(super) async fn follow_events(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The snapshot has the readiness as last observed.
    state.observe_readiness();
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let subscription = state.events.subscribe(caller, last)?;
    let body = Body::from_stream(subscription.into_stream());
    let headers = [
        (CONTENT_TYPE, EVENT_STREAM),
        (CACHE_CONTROL, "no-store"),
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((headers, body).into_response())
}

fn member(member: ClusterMember, pool: &GossipPool, snapshot: &Snapshot) -> Member {
    let (node_id, addresses) = (member.node_id, snapshot.addresses());
    let heard = pool.heard(member.address);
    let last_heard = heard.map(|heard| Duration::from_millis(heard.at_ms));
    let last_heard = last_heard.and_then(|since| UNIX_EPOCH.checked_add(since));
    Member {
        node_id,
        status: member.status,
        gossip_address: Some(member.address),
        labels: snapshot.labels(node_id).cloned(),
        address: addresses.get(node_id).map(CacheAddress::socket),
        address_refused: addresses.refusal(node_id).map(ToString::to_string),
        api: snapshot.api(node_id).map(str::to_string),
        version: snapshot.version(node_id).map(str::to_string),
        last_heard: last_heard.map(Into::into),
        key_id: heard.and_then(|heard| heard.key.map(|key| key.to_string())),
        generation: Some(member.generation),
        is_agent: member.policy.is_some(),
        policy: member.policy,
    }
}

/// Returns the only member of a cluster without gossip.
fn alone(state: &AppState) -> Option<Member> {
    let node_id = state.registry.node_id()?;
    let snapshot = state.registry.snapshot();
    let addresses = snapshot.addresses();
    Some(Member {
        node_id,
        status: MemberStatus::Alive,
        gossip_address: None,
        labels: snapshot.labels(node_id).cloned(),
        address: addresses.get(node_id).map(CacheAddress::socket),
        address_refused: addresses.refusal(node_id).map(ToString::to_string),
        api: snapshot.api(node_id).map(str::to_string),
        version: snapshot.version(node_id).map(str::to_string),
        last_heard: None,
        key_id: None,
        generation: None,
        is_agent: true,
        policy: Some(state.registry.plugin().policy()),
    })
}

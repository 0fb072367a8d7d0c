//! The members of the cluster.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::AppState;
use super::extract::Query;
use super::refusals::{Refusals, WrongQuery};
use edge_cache_core::NodeId;
use edge_cache_host::gossip::{ClusterMember, GossipPool, MemberStatus, PeerInfo};

/// What a member is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StatusView {
    /// It takes part.
    Alive,
    /// It has said that it is about to stop.
    Leaving,
    /// Nothing is heard of it any more. It is forgotten some minutes later.
    Dead,
}

/// Which members are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only members of this status; all without it.
    #[param(inline)]
    status: Option<StatusView>,
}

/// One node of the cluster, in the latest of its lives that is known.
#[derive(Debug, Serialize, ToSchema)]
struct MemberView {
    #[schema(value_type = u64, maximum = 18446744073709551615u64)]
    node_id: NodeId,
    status: StatusView,
    /// Where it gossips; absent without gossip.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    address: Option<SocketAddr>,
    /// When it was started, in nanoseconds since 1970 by its own clock; absent without gossip.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 18446744073709551615u64)]
    generation: Option<u64>,
    /// Whether an agent runs there, and not another kind of member.
    is_agent: bool,
    /// What decides about labels there: the first digits of a digest of the component and its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
}

/// Members of the cluster, in ascending order of node id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MembersView {
    members: Vec<MemberView>,
}

/// The other live members in ascending order of node id, as ZLayer shows them; none on an agent without
/// gossip.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/gossip/peers",
    operation_id = "list_peers",
    tag = "cluster",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The peers.", body = Vec<PeerInfo>),
        Refusals<()>
    )
)]
pub(super) async fn peers(State(state): State<AppState>) -> Json<Vec<PeerInfo>> {
    Json(
        state
            .gossip
            .as_ref()
            .map(GossipPool::peers)
            .unwrap_or_default(),
    )
}

/// All members that are known, this node and the dead among them. Of a node that was started again, only its
/// latest life.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/members",
    operation_id = "list_members",
    tag = "cluster",
    security((), ("bearer" = ["read"])),
    params(Which),
    responses(
        (status = 200, description = "The members.", body = MembersView),
        Refusals<(WrongQuery,)>
    )
)]
pub(super) async fn members(
    State(state): State<AppState>,
    Query(which): Query<Which>,
) -> Json<MembersView> {
    let mut members: Vec<_> = match &state.gossip {
        Some(pool) => pool.members().into_iter().map(member).collect(),
        None => alone(&state).into_iter().collect(),
    };
    members.retain(|member| which.status.is_none_or(|status| status == member.status));
    Json(MembersView { members })
}

fn member(member: ClusterMember) -> MemberView {
    MemberView {
        node_id: member.node_id,
        status: match member.status {
            MemberStatus::Alive => StatusView::Alive,
            MemberStatus::Leaving => StatusView::Leaving,
            MemberStatus::Dead => StatusView::Dead,
        },
        address: Some(member.address),
        generation: Some(member.generation),
        is_agent: member.policy.is_some(),
        policy: member.policy,
    }
}

/// An agent without gossip is the only member of its cluster.
fn alone(state: &AppState) -> Option<MemberView> {
    Some(MemberView {
        node_id: state.registry.node_id()?,
        status: StatusView::Alive,
        address: None,
        generation: None,
        is_agent: true,
        policy: Some(state.registry.plugin().policy()),
    })
}

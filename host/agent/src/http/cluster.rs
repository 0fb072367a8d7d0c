//! The members of the cluster.

use axum::Json;
use axum::extract::State;

use super::AppState;
use super::extract::Query;
use super::refusals::{Refusals, WrongQuery};
use edge_cache_api::{Member, MemberList, MemberStatus as Status, MembersQuery, Peer};
use edge_cache_host::gossip::{ClusterMember, GossipPool, MemberStatus, PeerInfo};

/// The other live members in ascending order of node id, as ZLayer shows them; none on an agent without
/// gossip.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/gossip/peers",
    operation_id = "list_peers",
    tag = "cluster",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The peers.", body = Vec<Peer>),
        Refusals<()>
    )
)]
pub(super) async fn peers(State(state): State<AppState>) -> Json<Vec<Peer>> {
    let peers = state.gossip.as_ref().map(GossipPool::peers);
    Json(peers.unwrap_or_default().iter().map(peer).collect())
}

/// Returns a peer as the API has it.
pub(super) fn peer(info: &PeerInfo) -> Peer {
    Peer {
        node_id: info.node_id,
        wg_pubkey: info.wg_pubkey.clone(),
        wg_endpoint: info.wg_endpoint,
        overlay_ip: info.overlay_ip.clone(),
        labels: info.labels.clone(),
    }
}

/// All members that are known, this node and the dead among them. Of a node that was started again, only its
/// latest life.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/members",
    operation_id = "list_members",
    tag = "cluster",
    security((), ("bearer" = ["read"])),
    params(MembersQuery),
    responses(
        (status = 200, description = "The members.", body = MemberList),
        Refusals<(WrongQuery,)>
    )
)]
pub(super) async fn members(
    State(state): State<AppState>,
    Query(which): Query<MembersQuery>,
) -> Json<MemberList> {
    let mut members: Vec<_> = match &state.gossip {
        Some(pool) => pool.members().into_iter().map(member).collect(),
        None => alone(&state).into_iter().collect(),
    };
    members.retain(|member| which.status.is_none_or(|status| status == member.status));
    Json(MemberList { members })
}

fn member(member: ClusterMember) -> Member {
    Member {
        node_id: member.node_id,
        status: match member.status {
            MemberStatus::Alive => Status::Alive,
            MemberStatus::Leaving => Status::Leaving,
            MemberStatus::Dead => Status::Dead,
        },
        address: Some(member.address),
        generation: Some(member.generation),
        is_agent: member.policy.is_some(),
        policy: member.policy,
    }
}

/// An agent without gossip is the only member of its cluster.
fn alone(state: &AppState) -> Option<Member> {
    Some(Member {
        node_id: state.registry.node_id()?,
        status: Status::Alive,
        address: None,
        generation: None,
        is_agent: true,
        policy: Some(state.registry.plugin().policy()),
    })
}

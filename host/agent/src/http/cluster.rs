//! Handlers that list peers and members.

use axum::Json;
use axum::extract::State;

use super::problem::{Problem, quoted};
use super::problem_responses::Problems;
use super::query::{QueryParams, invalid};
use super::state::AppState;
use edge_cache_api::{Member, MemberList, MemberStatus, MembersQuery, PeerInfo};
use edge_cache_host::gossip::{ClusterMember, GossipPool};

/// Lists the other live members in ascending order of node id, as ZLayer shows them; none without gossip.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/gossip/peers",
    operation_id = "list_peers",
    tag = "cluster",
    responses(
        (status = 200, description = "The peers.", body = Vec<PeerInfo>),
        Problems<()>
    )
)]
pub(super) async fn peers(State(state): State<AppState>) -> Json<Vec<PeerInfo>> {
    let peers = state.gossip.as_ref().map(GossipPool::peers);
    Json(peers.unwrap_or_default())
}

/// Lists all known members, with this node and dead ones. Of a restarted node, only its latest generation.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/members",
    operation_id = "list_members",
    tag = "cluster",
    params(MembersQuery),
    responses(
        (status = 200, description = "The members.", body = MemberList),
        Problems<()>
    )
)]
pub(super) async fn members(
    State(state): State<AppState>,
    query: QueryParams,
) -> Result<Json<MemberList>, Problem> {
    let status: Option<MemberStatus> = match query.text("status")? {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| wrong_status(text))?),
    };
    let mut members: Vec<_> = match &state.gossip {
        Some(pool) => pool.members().into_iter().map(member).collect(),
        None => alone(&state).into_iter().collect(),
    };
    members.retain(|member| status.is_none_or(|status| status == member.status));
    Ok(Json(MemberList { members }))
}

fn wrong_status(text: &str) -> Problem {
    invalid(format!(
        "`status` must be `alive`, `leaving` or `dead`, got {}",
        quoted(text)
    ))
}

fn member(member: ClusterMember) -> Member {
    Member {
        node_id: member.node_id,
        status: member.status,
        address: Some(member.address),
        generation: Some(member.generation),
        is_agent: member.policy.is_some(),
        policy: member.policy,
    }
}

/// Returns the only member of a cluster without gossip.
fn alone(state: &AppState) -> Option<Member> {
    Some(Member {
        node_id: state.registry.node_id()?,
        status: MemberStatus::Alive,
        address: None,
        generation: None,
        is_agent: true,
        policy: Some(state.registry.plugin().policy()),
    })
}

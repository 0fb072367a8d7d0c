//! Handlers that list peers and members.

use axum::Json;
use axum::extract::State;

use super::problem::{Problem, quoted};
use super::problem_responses::Problems;
use super::query::{QueryParams, invalid};
use super::state::AppState;
use super::views;
use edge_cache_api::{Member, MemberList, MemberStatus as Status, MembersQuery, Peer};
use edge_cache_host::gossip::{ClusterMember, GossipPool, MemberStatus};

/// Lists the other live members in ascending order of node id, as ZLayer shows them; none without gossip.
#[utoipa::path(
    get,
    path = "/api/v1/cluster/gossip/peers",
    operation_id = "list_peers",
    tag = "cluster",
    responses(
        (status = 200, description = "The peers.", body = Vec<Peer>),
        Problems<()>
    )
)]
pub(super) async fn peers(State(state): State<AppState>) -> Json<Vec<Peer>> {
    let peers = state.gossip.as_ref().map(GossipPool::peers);
    Json(peers.unwrap_or_default().iter().map(views::peer).collect())
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
    let status = query.text("status")?.map(parse_status).transpose()?;
    let mut members: Vec<_> = match &state.gossip {
        Some(pool) => pool.members().into_iter().map(member).collect(),
        None => alone(&state).into_iter().collect(),
    };
    members.retain(|member| status.is_none_or(|status| status == member.status));
    Ok(Json(MemberList { members }))
}

fn parse_status(text: &str) -> Result<Status, Problem> {
    match text {
        "alive" => Ok(Status::Alive),
        "leaving" => Ok(Status::Leaving),
        "dead" => Ok(Status::Dead),
        _ => Err(invalid(format!(
            "`status` must be `alive`, `leaving` or `dead`, got {}",
            quoted(text)
        ))),
    }
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

/// Returns the only member of a cluster without gossip.
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

//! The other members of the cluster.

use axum::Json;
use axum::extract::State;

use super::AppState;
use crate::gossip::{GossipPool, PeerInfo};

/// The other live members, ascending; none on an agent without gossip.
pub(super) async fn peers(State(state): State<AppState>) -> Json<Vec<PeerInfo>> {
    Json(
        state
            .gossip
            .as_ref()
            .map(GossipPool::peers)
            .unwrap_or_default(),
    )
}

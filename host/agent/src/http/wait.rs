//! The query parameter `wait`: an answer that waits for labels to follow a change.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use super::limits::WAITS_MAX;
use super::problem::Problem;
use super::query::QueryParams;
use super::state::AppState;
use super::views::KnownNode;
use crate::settings::values;
use edge_cache_api::limits::WAIT_MAX;
use edge_cache_api::{NodeId, ProblemType};
use edge_cache_host::NodeState;

/// A request that may wait for labels, with its permit.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    state: &'a AppState,
    time: Option<(Duration, SemaphorePermit<'a>)>,
}

impl<'a> Waiter<'a> {
    /// Takes a permit where the query asks to wait. Comes before the change, so that a refusal changes nothing.
    pub(super) fn new(state: &'a AppState, query: &QueryParams) -> Result<Self, Problem> {
        let right = format!(
            "a time of at most {} s with a unit, such as 200ms or 5s",
            WAIT_MAX.as_secs()
        );
        let time = query.value("wait", &right, |text| {
            let time = values::parse_time(text).ok();
            time.filter(|time| *time <= WAIT_MAX)
        })?;
        let Some(time) = time.filter(|time| !time.is_zero()) else {
            return Ok(Self { state, time: None });
        };
        let permit = state.waits.try_acquire().map_err(|_| {
            Problem::new(
                ProblemType::TooManyWaits,
                format!("{WAITS_MAX} requests wait for labels already"),
            )
        })?;
        Ok(Self {
            state,
            time: Some((time, permit)),
        })
    }

    /// Answers a change that was made: 204, or 202 with the state where the labels did not follow in time or the node's
    /// own agent refuses to follow.
    pub(super) async fn answer(
        self,
        node_id: NodeId,
        has_followed: impl Fn(&NodeState) -> bool,
    ) -> Response {
        let Some((time, _permit)) = self.time else {
            return StatusCode::NO_CONTENT.into_response();
        };
        let registry = &self.state.registry;
        // The reason of an agent that refuses is shown at once.
        let is_decided = |node: &NodeState| has_followed(node) || node.refusal().is_some();
        let followed = async {
            tokio::select! {
                () = registry.wait_until(node_id, is_decided) => {}
                // An agent that is stopping answers at once.
                () = self.state.stop.clone().wait() => {}
            }
        };
        let _ = timeout(time, followed).await;
        if has_followed(&registry.node(node_id)) {
            return StatusCode::NO_CONTENT.into_response();
        }
        let known = KnownNode::now(registry, node_id);
        (StatusCode::ACCEPTED, Json(known.pending())).into_response()
    }
}

//! Handlers for the agent itself: health, metrics, leave.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::state::AppState;
use crate::metrics::MEDIA_TYPE;
use crate::shutdown::ShutdownMode;
use edge_cache_api::{Health, PluginState};
use edge_cache_host::gossip::{GossipPool, Trouble};

/// The fill of the registry from which readiness warns, in percent of `limits.nodes_max`.
const FULL_WARN_PERCENT: usize = 80;

type Answer = (StatusCode, Json<Health>);

/// Answers 503 while gossip is being restarted, and after a failure that only a restart of the process repairs.
#[utoipa::path(
    get,
    path = "/health/livez",
    tag = "agent",
    responses(
        (status = 200, description = "The agent is alive.", body = Health),
        (status = 503, description = "The agent is not, for these reasons.", body = Health)
    )
)]
pub(super) async fn livez(State(state): State<AppState>) -> Answer {
    let reasons = state.dead();
    answer(Health {
        ok: reasons.is_empty(),
        reasons,
        warnings: Vec::new(),
    })
}

/// Answers 503 while the agent does not accept changes.
#[utoipa::path(
    get,
    path = "/health/readyz",
    tag = "agent",
    responses(
        (status = 200, description = "The agent accepts changes.", body = Health),
        (status = 503, description = "The agent is not, for these reasons.", body = Health)
    )
)]
pub(super) async fn readyz(State(state): State<AppState>) -> Answer {
    answer(state.readiness())
}

/// Shows the metrics as Prometheus text. Series of requests appear with the first request that they count.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "agent",
    responses(
        (status = 200, description = "The metrics.", body = String,
         content_type = "text/plain; version=0.0.4; charset=utf-8")
    )
)]
pub(super) async fn show_metrics(State(state): State<AppState>) -> impl IntoResponse {
    let health = state.readiness();
    state.metrics.ready.set(i64::from(health.ok));
    let warnings = i64::try_from(health.warnings.len()).unwrap_or(i64::MAX);
    state.metrics.warnings.set(warnings);
    let subscribers = i64::try_from(state.events.subscribers()).unwrap_or(i64::MAX);
    state.metrics.http.event_subscribers.set(subscribers);
    ([(CONTENT_TYPE, MEDIA_TYPE)], state.metrics.encode())
}

/// Makes the agent tell its peers that it leaves, and stop. Requests in progress are answered, this one first.
#[utoipa::path(
    post,
    path = "/api/v1/agent/leave",
    tag = "agent",
    responses((status = 202, description = "The agent is about to leave."))
)]
pub(super) async fn leave(State(state): State<AppState>) -> StatusCode {
    if !state.stop.request(ShutdownMode::Leave) {
        tracing::info!("leave requested over HTTP");
    }
    StatusCode::ACCEPTED
}

impl AppState {
    /// Returns why the agent is not alive; empty where it is. A stopping agent ends its own parts, and counts as alive.
    pub(crate) fn dead(&self) -> Vec<String> {
        if self.is_stopping() {
            return Vec::new();
        }
        let gossip = self
            .gossip
            .as_ref()
            .is_some_and(|pool| !pool.is_running() && !pool.waits_for_life())
            .then(|| "gossip has ended and is being started again".to_string());
        let registry = (!self.registry.is_running())
            .then(|| "a thread or a task of the registry has ended".to_string());
        let tasks = self.stop.ended_tasks().into_iter();
        let tasks = tasks.map(|name| format!("{name} ended: see the log for a panic"));
        gossip.into_iter().chain(registry).chain(tasks).collect()
    }

    /// Returns why the agent does not accept changes, and what it lacks besides.
    pub(crate) fn readiness(&self) -> Health {
        let troubles = self.gossip.as_ref().map(GossipPool::troubles);
        let (blocking, others): (Vec<_>, Vec<_>) = troubles
            .into_iter()
            .flatten()
            .partition(Trouble::is_blocking);
        let mut reasons = self.dead();
        reasons.extend(blocking.iter().map(ToString::to_string));
        let status = self.registry.status();
        if status.state != PluginState::Running {
            let failure = status
                .last_failure
                .unwrap_or_else(|| "it is being started".to_string());
            reasons.push(format!("the plugin is not running: {failure}"));
        }
        let has_joined = !blocking.contains(&Trouble::Joining);
        if has_joined && !self.registry.routing().is_whole {
            reasons.push("the routing table of all members is being built".to_string());
        }
        if let Some(failure) = status.store_failure {
            reasons.push(format!("the store failed: {failure}"));
        }
        if self.is_stopping() {
            reasons.push("the agent is stopping".to_string());
        }
        let others = others.iter().map(ToString::to_string);
        Health {
            ok: reasons.is_empty(),
            reasons,
            warnings: others.chain(self.registry_warnings()).collect(),
        }
    }

    fn registry_warnings(&self) -> impl Iterator<Item = String> {
        let nodes = self.registry.list_eligible().len();
        let max = self.registry.plugin().config().limits.nodes_max;
        let setting = format!("`limits.nodes_max` is {max}, raise it on all agents");
        let room = if nodes >= max {
            Some(format!("the registry is full: {setting}"))
        } else if nodes.saturating_mul(100) >= max.saturating_mul(FULL_WARN_PERCENT) {
            Some(format!(
                "the registry is {FULL_WARN_PERCENT} % full: {setting}"
            ))
        } else {
            None
        };
        let counts = self.registry.decision_counts();
        let set_aside = [
            (counts.refused, "refused by this agent's plugin"),
            (
                counts.failed,
                "this agent's plugin failed, and is asked again",
            ),
            (counts.full, "there are more than `limits.nodes_max` nodes"),
        ];
        let set_aside = set_aside.into_iter().filter(|(count, _)| *count > 0);
        let set_aside = set_aside.map(|(count, cause)| {
            let subject = some(count, "decision");
            format!("{subject} set aside, and this agent may differ from others: {cause}")
        });
        let cache = self.registry.cache_health();
        let cache = cache
            .reason()
            .map(|reason| format!("this node advertises nothing: {reason}"));
        let unjudged = self.registry.routing().unjudged;
        let unjudged = (unjudged > 0).then(|| {
            let subject = some(unjudged, "member");
            format!(
                "{subject} not assessed by current labels, and this agent may route differently: \
                 there are too many, or this agent's plugin failed"
            )
        });
        room.into_iter()
            .chain(cache)
            .chain(set_aside)
            .chain(unjudged)
    }

    /// Observes the readiness, and reports a change as an event.
    pub(crate) fn observe_readiness(&self) -> Health {
        let now = self.readiness();
        self.health.send_if_modified(|before| {
            let former = before.replace(now.clone());
            former.is_some_and(|former| former != now)
        });
        now
    }

    fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }
}

/// Returns a number of things as the subject of a sentence.
fn some(count: usize, thing: &str) -> String {
    match count {
        1 => format!("1 {thing} is"),
        _ => format!("{count} {thing}s are"),
    }
}

fn answer(health: Health) -> Answer {
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health))
}

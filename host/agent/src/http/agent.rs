//! Handlers for the agent itself: health, metrics, reload, leave.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Json};

use super::auth::Caller;
use super::plugin;
use super::problem::Problem;
use super::state::AppState;
use crate::VERSION;
use crate::metrics::MEDIA_TYPE;
use crate::shutdown::ShutdownMode;
use edge_cache_api::{Agent, Health, NodeId, PluginState, ProblemType, ReloadReport};
use edge_cache_host::gossip::{GossipPool, Trouble};
use edge_cache_host::{AUDIT_TARGET, CacheHealth, NodeState, Store, Traffic};

/// The fill of the registry from which readiness warns, in percent of `limits.nodes_max`.
const FULL_WARN_PERCENT: usize = 80;
/// The unit in which the warning counts.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The time before the end of a certificate or a trust rule at which readiness begins to warn, as the alert rule does.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The reason of an agent that cannot route yet.
const UNROUTED: &str = "the routing table of all members is being built";

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
    let is_declared = state.plugins.plugins().is_declared();
    state.metrics.undeclared.set(i64::from(!is_declared));
    let subscribers = i64::try_from(state.events.subscribers()).unwrap_or(i64::MAX);
    state.metrics.http.event_subscribers.set(subscribers);
    ([(CONTENT_TYPE, MEDIA_TYPE)], state.metrics.encode())
}

/// Shows which agent this is: addresses, readiness, plugin, settings with their sources, and the role of the token of the
/// request. Secrets are never among the settings.
#[utoipa::path(
    get,
    path = "/api/v1/agent",
    tag = "agent",
    responses((status = 200, description = "The agent.", body = Agent))
)]
pub(super) async fn show_agent(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
) -> Json<Agent> {
    let about = &state.about;
    let (started_at, started) = state.started;
    let data_dir = about.data_dir.as_deref();
    Json(Agent {
        node_id: state.registry.node_id().unwrap_or_default(),
        cluster_id: about.cluster_id.clone(),
        version: VERSION.to_string(),
        started_at: started_at.into(),
        uptime_s: started.elapsed().as_secs(),
        addresses: about.addresses.clone(),
        data_dir: data_dir.map(|path| path.display().to_string()),
        store_bytes: data_dir.and_then(Store::file_bytes),
        health: state.readiness(),
        plugin: plugin::now(&state),
        settings: about.reloader.settings(),
        role: caller.token_role().map(|role| role.to_string()),
    })
}

/// Reads the settings, the log level, the gossip keys, the tokens, the certificate, the trust rules and the plugin again,
/// and reopens the audit file.
/// A part that cannot be used is named in the response, and its former state goes on; settings are refused as a whole, and
/// hold up no other part. A setting that cannot change while the agent runs is named with both values.
#[utoipa::path(
    post,
    path = "/api/v1/agent/reload",
    tag = "agent",
    responses((status = 200, description = "The parts, with their outcomes.", body = ReloadReport))
)]
pub(super) async fn reload(State(state): State<AppState>) -> Result<Json<ReloadReport>, Problem> {
    let reloaded = state.about.reloader.reload().await;
    let report = reloaded.map_err(|error| {
        Problem::new(ProblemType::Internal, format!("the reload ended: {error}"))
    })?;
    Ok(Json(report))
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
        tracing::info!(target: AUDIT_TARGET, "leave");
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

    /// Refuses a request that needs the routing table of all members before there is one.
    pub(super) fn check_routing(&self) -> Result<(), Problem> {
        if self.registry.routing().is_whole {
            return Ok(());
        }
        Err(Problem::new(ProblemType::NotMet, UNROUTED.to_string()))
    }

    /// Tells whether other agents may see labels of a node that this one does not see: the node is silent without having
    /// left, or this agent is cut off.
    pub(crate) fn may_be_seen(&self, node_id: NodeId, node: &NodeState) -> bool {
        let Some(pool) = &self.gossip else {
            return false;
        };
        let is_cut_off = |trouble: &Trouble| trouble.is_blocking() || *trouble == Trouble::Alone;
        (!node.is_alive() && pool.may_run(node_id)) || pool.troubles().iter().any(is_cut_off)
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
        if let Some(refusal) = &self.plugins.plugins().refusal {
            reasons.push(format!(
                "the trust rules refuse the running plugin: {refusal}"
            ));
        }
        let has_joined = !blocking.contains(&Trouble::Joining);
        if has_joined && !self.registry.routing().is_whole {
            reasons.push(UNROUTED.to_string());
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
            warnings: others
                .chain(self.registry_warnings())
                .chain(self.certificate_warning())
                .chain(self.trust_warning())
                .chain(self.audit_warning())
                .chain(self.reload_warning())
                .collect(),
        }
    }

    /// Warns before the certificate of the API expires.
    fn certificate_warning(&self) -> Option<String> {
        let until = u64::try_from(self.about.reloader.certificate_expiry()).ok()?;
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(until))?;
        let said = end(until).filter(|_| until != UNIX_EPOCH)?;
        let effect = match said {
            End::Passed => "is not valid any more, and clients refuse it".to_string(),
            End::Soon(when) => format!("expires {when}"),
        };
        Some(format!(
            "the certificate of the API {effect}: renew it, then reload"
        ))
    }

    /// Warns before the rule ends that lets the declared plugin in.
    fn trust_warning(&self) -> Option<String> {
        let plugins = self.plugins.plugins();
        let admission = plugins.declared.origin.admission.as_ref()?;
        let effect = match end(admission.not_after?)? {
            End::Passed => {
                "lets nothing in any more, and a start would refuse the declared plugin".to_string()
            }
            End::Soon(when) => format!("that lets the declared plugin in ends {when}"),
        };
        Some(format!(
            "{} of `plugin.trust` {effect}: renew its `not_after`, then reload",
            admission.rule
        ))
    }

    /// Warns while lines of the audit file are lost.
    fn audit_warning(&self) -> Option<String> {
        let (path, error) = self.about.audit.as_ref()?.failure()?;
        Some(format!(
            "the last audit line was not written to {}: {error}",
            path.display()
        ))
    }

    /// Warns after a reload that could not use a file.
    fn reload_warning(&self) -> Option<String> {
        let failed = self.about.reloader.failed();
        let text = "a start may fail for the same reasons: see the log, mend them, then reload";
        (!failed.is_empty()).then(|| {
            format!(
                "parts of the last reload failed: {}; {text}",
                failed.join(", ")
            )
        })
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
        let cache = match self.registry.cache_health() {
            CacheHealth::Healthy => None,
            CacheHealth::Doubtful(reason) => Some(format!(
                "this node advertises its labels although its cache fails, because most caches fail or are still \
                 being asked: {reason}"
            )),
            CacheHealth::Failed(reason) => Some(format!("this node advertises nothing: {reason}")),
        };
        let table = self.registry.traffic().and_then(Traffic::table);
        let held = table.is_some_and(|table| table.is_held()).then(|| {
            "more than half of the members failed at once: traffic goes on by the last table, and other agents may \
             hold theirs"
                .to_string()
        });
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
            .chain(held)
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

/// The end of a validity that has come or comes soon.
enum End {
    Passed,
    /// In so many days, in words. They change once a day.
    Soon(String),
}

/// Returns the end of a validity, if a warning is due.
fn end(until: SystemTime) -> Option<End> {
    let Ok(left) = until.duration_since(SystemTime::now()) else {
        return Some(End::Passed);
    };
    let days = left.as_secs().checked_div(DAY.as_secs()).unwrap_or(0);
    let when = match days {
        0 => "within a day".to_string(),
        1 => "tomorrow".to_string(),
        days => format!("in {days} days"),
    };
    (left <= EXPIRY_WARNING).then_some(End::Soon(when))
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

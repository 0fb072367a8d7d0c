//! The component: which it is, how it is doing, and what it says.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::refusals::Refusals;
use super::views::Rfc3339;
use edge_cache_core::text;
use edge_cache_host::PluginState;
use edge_cache_host::sandbox::{LogLevel, LogLine};

/// What the component is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateView {
    /// Its first instance is being started.
    Starting,
    /// It takes changes.
    Running,
    /// A fresh instance is about to be started; changes wait.
    Restarting,
    /// It failed too often: reads go on, changes are refused, a fresh instance is tried every 30 s.
    Degraded,
}

/// The component that decides.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PluginView {
    /// The name of its file; `embedded` for the one that the agent carries, `uploaded` for one that came over HTTP.
    name: String,
    /// The digest of its file, in hexadecimal.
    sha256: String,
    /// The interfaces that it imports.
    imports: Vec<String>,
    state: StateView,
    /// How often a fresh instance took the place of a failed one.
    #[schema(maximum = 18446744073709551615u64)]
    restarts: u64,
    /// The first digits of a digest of the component and its settings, by which agents tell whether they
    /// decide alike.
    policy: String,
    /// Its last failure, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failure: Option<String>,
}

/// How urgent a line is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum LevelView {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

/// A line of the component's log.
#[derive(Debug, Serialize, ToSchema)]
struct LineView {
    /// When the agent took it: RFC 3339, UTC, milliseconds.
    #[schema(value_type = String, format = DateTime)]
    at: Rfc3339,
    level: LevelView,
    /// Which part of the component wrote it.
    context: String,
    message: String,
}

/// The latest lines of the component's log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogsView {
    /// How many lines were dropped because there were too many at once.
    #[schema(maximum = 18446744073709551615u64)]
    dropped: u64,
    /// At most 256, the oldest first. Lines are cut at 1 KiB, and unprintable characters replaced.
    lines: Vec<LineView>,
}

/// Which component runs, and how it is doing.
#[utoipa::path(
    get,
    path = "/api/v1/plugin",
    operation_id = "show_plugin",
    tag = "plugin",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The component.", body = PluginView),
        Refusals<()>
    )
)]
pub(super) async fn show(State(state): State<AppState>) -> Json<PluginView> {
    Json(PluginView::now(&state))
}

impl PluginView {
    /// The component at this moment.
    pub(super) fn now(state: &AppState) -> Self {
        let plugin = state.registry.plugin();
        let status = state.registry.status();
        Self {
            name: plugin.name().to_string(),
            sha256: text::hex(plugin.sha256()),
            imports: plugin.imports().to_vec(),
            state: match status.state {
                PluginState::Starting => StateView::Starting,
                PluginState::Running => StateView::Running,
                PluginState::Restarting => StateView::Restarting,
                PluginState::Degraded => StateView::Degraded,
            },
            restarts: status.restarts,
            policy: plugin.policy(),
            last_failure: status.last_failure,
        }
    }
}

/// The latest lines of the component's log.
#[utoipa::path(
    get,
    path = "/api/v1/plugin/logs",
    operation_id = "show_logs",
    tag = "plugin",
    security((), ("bearer" = ["admin"])),
    responses(
        (status = 200, description = "The lines.", body = LogsView),
        Refusals<()>
    )
)]
pub(super) async fn logs(State(state): State<AppState>) -> Json<LogsView> {
    let log = state.registry.log();
    Json(LogsView {
        dropped: log.dropped_total(),
        lines: log.latest().into_iter().map(line).collect(),
    })
}

fn line(line: LogLine) -> LineView {
    LineView {
        at: Rfc3339(line.at),
        level: match line.level {
            LogLevel::Trace => LevelView::Trace,
            LogLevel::Debug => LevelView::Debug,
            LogLevel::Info => LevelView::Info,
            LogLevel::Warn => LevelView::Warn,
            LogLevel::Error => LevelView::Error,
            LogLevel::Critical => LevelView::Critical,
        },
        context: line.context,
        message: line.message,
    }
}

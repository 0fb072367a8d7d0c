//! Handlers that show the plugin and its log.

use axum::Json;
use axum::extract::State;

use super::problem_responses::Problems;
use super::state::AppState;
use edge_cache_api::{LogLine, Plugin, PluginLog, Timestamp};
use edge_cache_host::sandbox;

/// Shows the plugin and its state.
#[utoipa::path(
    get,
    path = "/api/v1/plugin",
    operation_id = "show_plugin",
    tag = "plugin",
    responses(
        (status = 200, description = "The plugin.", body = Plugin),
        Problems<()>
    )
)]
pub(super) async fn show(State(state): State<AppState>) -> Json<Plugin> {
    Json(now(&state))
}

/// Returns the plugin and its state.
pub(super) fn now(state: &AppState) -> Plugin {
    let plugin = state.registry.plugin();
    let status = state.registry.status();
    Plugin {
        name: plugin.name().to_string(),
        sha256: hex::encode(plugin.sha256()),
        imports: plugin.imports().to_vec(),
        state: status.state,
        restarts: status.restarts,
        policy: plugin.policy(),
        last_failure: status.last_failure,
    }
}

/// Shows the latest lines of the plugin's log.
#[utoipa::path(
    get,
    path = "/api/v1/plugin/logs",
    operation_id = "show_logs",
    tag = "plugin",
    responses(
        (status = 200, description = "The lines.", body = PluginLog),
        Problems<()>
    )
)]
pub(super) async fn logs(State(state): State<AppState>) -> Json<PluginLog> {
    let log = state.registry.log();
    Json(PluginLog {
        dropped: log.dropped_total(),
        lines: log.latest().into_iter().map(line).collect(),
    })
}

fn line(line: sandbox::LogLine) -> LogLine {
    LogLine {
        at: Timestamp(line.at),
        level: line.level,
        context: line.context,
        message: line.message,
    }
}

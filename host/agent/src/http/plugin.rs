//! Handlers that show the plugin and its log.

use axum::Json;
use axum::extract::State;

use super::problem_responses::Problems;
use super::state::AppState;
use edge_cache_api::{LogLevel, LogLine, Plugin, PluginLog, PluginState, Timestamp};
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
    use edge_cache_host::PluginState as State;
    let plugin = state.registry.plugin();
    let status = state.registry.status();
    Plugin {
        name: plugin.name().to_string(),
        sha256: hex::encode(plugin.sha256()),
        imports: plugin.imports().to_vec(),
        state: match status.state {
            State::Starting => PluginState::Starting,
            State::Running => PluginState::Running,
            State::Restarting => PluginState::Restarting,
            State::Degraded => PluginState::Degraded,
        },
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
    use sandbox::LogLevel as Level;
    LogLine {
        at: Timestamp(line.at),
        level: match line.level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
            Level::Critical => LogLevel::Critical,
        },
        context: line.context,
        message: line.message,
    }
}

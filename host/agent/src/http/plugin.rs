//! Handlers for the plugin: show, log, swap.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::problem::Problem;
use super::query::QueryParams;
use super::state::AppState;
use crate::plugin_manager::{PluginUpload, ReplaceError};
use crate::settings::values;
use edge_cache_api::headers::WASM;
use edge_cache_api::{
    LogLine, Plugin, PluginLog, PluginMetadata, ProblemType, SwapQuery, Timestamp,
};
use edge_cache_core::text;
use edge_cache_host::{SwapError, sandbox};

/// Shows the plugin and its state.
#[utoipa::path(
    get,
    path = "/api/v1/plugin",
    tag = "plugin",
    responses(
        (status = 200, description = "The plugin.", body = Plugin)
    )
)]
pub(super) async fn show_plugin(State(state): State<AppState>) -> Json<Plugin> {
    Json(now(&state))
}

fn now(state: &AppState) -> Plugin {
    let plugin = state.registry.plugin();
    let status = state.registry.status();
    Plugin {
        name: plugin.name().to_string(),
        metadata: metadata(plugin.metadata()),
        sha256: hex::encode(plugin.sha256()),
        imports: plugin.imports().to_vec(),
        state: status.state,
        restarts: status.restarts,
        policy: plugin.policy(),
        last_failure: status.last_failure,
    }
}

fn metadata(metadata: &sandbox::Metadata) -> PluginMetadata {
    PluginMetadata {
        name: metadata.name.clone(),
        version: metadata.version.clone(),
        licenses: metadata.licenses.clone(),
        description: metadata.description.clone(),
    }
}

/// Shows the latest lines of the plugin's log.
#[utoipa::path(
    get,
    path = "/api/v1/plugin/logs",
    tag = "plugin",
    responses(
        (status = 200, description = "The lines.", body = PluginLog)
    )
)]
pub(super) async fn show_logs(State(state): State<AppState>) -> Json<PluginLog> {
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

/// Swaps the plugin until the agent ends. The new plugin is tried with all entries first: where it refuses them, fails
/// or lists others, the former plugin goes on. No change is lost or made twice.
#[utoipa::path(
    put,
    path = "/api/v1/plugin",
    tag = "plugin",
    params(SwapQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The plugin, at most 64 MiB where the limit `plugin_bytes` is not another."),
    responses(
        (status = 200, description = "The plugin runs now.", body = Plugin)
    )
)]
pub(super) async fn swap_plugin(
    State(state): State<AppState>,
    query: QueryParams,
    request: Request,
) -> Result<Json<Plugin>, Problem> {
    let (parts, content) = request.into_parts();
    check_type(&parts.headers)?;
    let sha256 = query.value("sha256", "64 hexadecimal digits", |text| {
        values::parse_sha256(text).ok()
    })?;
    let bytes_max = state.plugins.bytes_max();
    let body = state
        .bodies
        .read(&parts.headers, content, bytes_max)
        .await?;
    let upload = PluginUpload {
        sha256,
        bytes: body.bytes,
    };
    state.plugins.replace(&state.registry, upload).await?;
    Ok(Json(now(&state)))
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE);
    if given.is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(WASM.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemType::NotWasm,
        format!("the header `content-type` must be `{WASM}`"),
    ))
}

impl From<ReplaceError> for Problem {
    fn from(error: ReplaceError) -> Self {
        let problem_type = match &error {
            ReplaceError::Busy => ProblemType::Busy,
            ReplaceError::Swap(SwapError::ShuttingDown) => ProblemType::ShuttingDown,
            ReplaceError::System(_) | ReplaceError::Swap(SwapError::Thread(_)) => {
                ProblemType::PluginFailed
            }
            ReplaceError::Plugin(_) | ReplaceError::Swap(_) => ProblemType::PluginRefused,
        };
        Self::new(problem_type, text::error_chain(&error))
    }
}

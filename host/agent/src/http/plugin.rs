//! Handlers for the plugin: show, log, swap, reload, revert.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Request, State};

use super::problem::Problem;
use super::query::QueryParams;
use super::state::AppState;
use super::upload;
use crate::plugin_manager::{self, Pull, ReplaceError, SourceError};
use crate::settings::values;
use edge_cache_api::{
    LogLine, Plugin, PluginLog, PluginMetadata, PluginOrigin, ProblemType, ReloadQuery, SwapQuery,
    SwapSource, Timestamp,
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

pub(super) fn now(state: &AppState) -> Plugin {
    let plugin = state.registry.plugin();
    let status = state.registry.status();
    let plugins = state.plugins.plugins();
    Plugin {
        name: plugin.name().to_string(),
        metadata: metadata(plugin.metadata()),
        sha256: hex::encode(plugin.sha256()),
        origin: origin(&plugins.running.origin),
        declared: origin(&plugins.declared.origin),
        is_declared: plugins.is_declared(),
        refusal: plugins.refusal.clone(),
        imports: plugin.imports().to_vec(),
        settings: plugin.config().settings.keys().cloned().collect(),
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

fn origin(origin: &plugin_manager::Origin) -> PluginOrigin {
    let admission = origin.admission.as_ref();
    PluginOrigin {
        source: origin.source.clone(),
        sha256: hex::encode(origin.sha256),
        digest: origin.digest().map(|digest| digest.to_string()),
        pulled_at: origin.pulled_at.and_then(time).map(Timestamp),
        rule: admission.map(|admission| admission.rule.clone()),
        keys: admission.map_or_else(Vec::new, |admission| admission.keys.clone()),
    }
}

/// Converts seconds since 1970.
fn time(seconds: u64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
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
///
/// The body is the plugin itself, or a reference to it as JSON, or a form with the parts `plugin`, `proof` (the content
/// of its `.proof` file) and `settings` (a JSON object of texts), of which the first is needed.
#[utoipa::path(
    put,
    path = "/api/v1/plugin",
    tag = "plugin",
    params(SwapQuery),
    request_body(content(
        (Vec<u8> = "application/wasm"),
        (SwapSource = "application/json"),
        (upload::Form = "multipart/form-data")
    ), description = "The plugin, at most 64 MiB where the limit `plugin_bytes` is not another."),
    responses(
        (status = 200, description = "The plugin runs now.", body = Plugin)
    )
)]
pub(super) async fn swap_plugin(
    State(state): State<AppState>,
    query: QueryParams,
    request: Request,
) -> Result<Json<Plugin>, Problem> {
    let sha256 = query.value("sha256", "64 hexadecimal digits", |text| {
        values::parse_sha256(text).ok()
    })?;
    let (mut replacement, _memory) = upload::read(request, &state).await?;
    replacement.sha256 = sha256;
    state.plugins.replace(&state.registry, replacement).await?;
    Ok(Json(now(&state)))
}

/// Reads the declared plugin again, and swaps it in where it has changed. With `pull` or `digest`, its tag means
/// another digest from now on, also after a restart.
#[utoipa::path(
    post,
    path = "/api/v1/plugin/reload",
    tag = "plugin",
    params(ReloadQuery),
    responses(
        (status = 200, description = "The plugin that runs now.", body = Plugin)
    )
)]
pub(super) async fn reload_plugin(
    State(state): State<AppState>,
    query: QueryParams,
) -> Result<Json<Plugin>, Problem> {
    let pull = query.value("pull", "`true` or `false`", |text| text.parse().ok())?;
    let digest = "`sha256:` and 64 hexadecimal digits";
    let digest = query.value("digest", digest, |text| text.parse().ok())?;
    let pull = match (digest, pull) {
        (Some(digest), _) => Pull::Digest(digest),
        (None, Some(true)) => Pull::Again,
        (None, _) => Pull::Remembered,
    };
    state
        .plugins
        .reload_trust()
        .await
        .map_err(ReplaceError::from)?;
    state.plugins.reload(&state.registry, pull).await?;
    Ok(Json(now(&state)))
}

/// Goes back to the plugin and the settings that the agent's settings declare: what the next start would run.
#[utoipa::path(
    post,
    path = "/api/v1/plugin/revert",
    tag = "plugin",
    responses(
        (status = 200, description = "The declared plugin runs now.", body = Plugin)
    )
)]
pub(super) async fn revert_plugin(State(state): State<AppState>) -> Result<Json<Plugin>, Problem> {
    state.plugins.revert(&state.registry).await?;
    Ok(Json(now(&state)))
}

impl From<ReplaceError> for Problem {
    fn from(error: ReplaceError) -> Self {
        let problem_type = match &error {
            ReplaceError::Busy => ProblemType::Busy,
            ReplaceError::Source(SourceError::NoTag { .. }) => ProblemType::NotDeclared,
            ReplaceError::Source(SourceError::Repository(_)) => ProblemType::PluginUnavailable,
            ReplaceError::Swap(SwapError::ShuttingDown) => ProblemType::ShuttingDown,
            ReplaceError::System(_)
            | ReplaceError::Source(SourceError::System(_))
            | ReplaceError::Swap(SwapError::Thread(_)) => ProblemType::PluginFailed,
            ReplaceError::Plugin(_)
            | ReplaceError::Refused(_)
            | ReplaceError::Source(_)
            | ReplaceError::Swap(_) => ProblemType::PluginRefused,
        };
        Self::new(problem_type, text::error_chain(&error))
    }
}

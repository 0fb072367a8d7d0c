//! Handler that swaps the plugin.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::plugin;
use super::problem::{Problem, quoted};
use super::problem_responses::{NotSwapped, Problems};
use super::query::{QueryParams, invalid};
use super::state::AppState;
use crate::plugin_manager::{PluginUpload, ReplaceError};
use crate::settings::values;
use edge_cache_api::ProblemType;
use edge_cache_api::headers::WASM;
use edge_cache_api::{Plugin, SwapQuery};
use edge_cache_core::text;
use edge_cache_host::SwapError;

/// Swaps the plugin until the agent ends. The new plugin is tried with all entries first: where it refuses them, fails
/// or lists others, the former plugin goes on. No change is lost or made twice.
#[utoipa::path(
    put,
    path = "/api/v1/plugin",
    operation_id = "swap_plugin",
    tag = "plugin",
    params(SwapQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The plugin, at most 64 MiB where the limit `plugin_bytes` is not another."),
    responses(
        (status = 200, description = "The plugin runs now.", body = Plugin),
        Problems<(NotSwapped,)>
    )
)]
pub(super) async fn swap(
    State(state): State<AppState>,
    query: QueryParams,
    request: Request,
) -> Result<Json<Plugin>, Problem> {
    let (parts, content) = request.into_parts();
    check_type(&parts.headers)?;
    let sha256 = digest(&query)?;
    let bytes_max = state.plugins.bytes_max();
    let body = state
        .bodies
        .read(&parts.headers, content, bytes_max)
        .await?;
    let permit = state.plugins.permit()?;
    let upload = PluginUpload {
        sha256,
        bytes: body.bytes,
    };
    state
        .plugins
        .replace(permit, &state.registry, upload)
        .await?;
    Ok(Json(plugin::now(&state)))
}

fn digest(query: &QueryParams) -> Result<Option<[u8; 32]>, Problem> {
    let Some(hex) = query.text("sha256")? else {
        return Ok(None);
    };
    let wrong = |_| {
        invalid(format!(
            "`sha256` must be 64 hexadecimal digits, got {}",
            quoted(hex)
        ))
    };
    values::parse_sha256(hex).map(Some).map_err(wrong)
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

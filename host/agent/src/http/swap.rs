//! Another component in the place of the one that runs.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

use super::extract::Query;
use super::plugin;
use super::problem::{Problem, quoted};
use super::refusals::{NotSwapped, Refusals, WrongQuery};
use super::{AppState, body, kinds};
use crate::plugin_manager::{PluginUpload, ReplaceError};
use crate::settings::values;
use edge_cache_api::headers::WASM;
use edge_cache_api::{Plugin, SwapQuery};
use edge_cache_core::text;
use edge_cache_host::SwapError;

/// Lets another component decide from now on, until the agent ends. It is tried with all
/// entries first: one that refuses them, fails, or lists others does not take over, and the one before goes on. No
/// change is lost or made twice.
#[utoipa::path(
    put,
    path = "/api/v1/plugin",
    operation_id = "swap_plugin",
    tag = "plugin",
    security((), ("bearer" = ["admin"])),
    params(SwapQuery),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The component, at most 64 MiB where the limit `plugin_bytes` is not another."),
    responses(
        (status = 200, description = "It decides now.", body = Plugin),
        Refusals<(WrongQuery, NotSwapped)>
    )
)]
pub(super) async fn swap(
    State(state): State<AppState>,
    Query(query): Query<SwapQuery>,
    request: Request,
) -> Result<Json<Plugin>, Problem> {
    let (parts, content) = request.into_parts();
    let permit = state.plugins.permit()?;
    check_type(&parts.headers)?;
    let upload = PluginUpload {
        sha256: digest(&query)?,
        bytes: body::read(content, state.plugins.bytes_max()).await?,
    };
    state
        .plugins
        .replace(permit, &state.registry, upload)
        .await?;
    Ok(Json(plugin::now(&state)))
}

fn digest(query: &SwapQuery) -> Result<Option<[u8; 32]>, Problem> {
    let Some(hex) = &query.sha256 else {
        return Ok(None);
    };
    values::parse_sha256(hex).map(Some).map_err(|_| {
        Problem::new(
            &kinds::INVALID_QUERY,
            format!(
                "`sha256` must be 64 hexadecimal digits, got {}",
                quoted(hex)
            ),
        )
    })
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE);
    if given.is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(WASM.as_bytes())) {
        return Ok(());
    }
    Err(Problem::new(
        &kinds::NOT_WASM,
        format!("the header `content-type` must be `{WASM}`"),
    ))
}

impl From<ReplaceError> for Problem {
    fn from(error: ReplaceError) -> Self {
        let kind = match &error {
            ReplaceError::Busy => &kinds::BUSY,
            ReplaceError::Swap(SwapError::ShuttingDown) => &kinds::SHUTTING_DOWN,
            ReplaceError::System(_) | ReplaceError::Swap(SwapError::Thread(_)) => {
                &kinds::PLUGIN_FAILED
            }
            ReplaceError::Plugin(_) | ReplaceError::Swap(_) => &kinds::PLUGIN_REFUSED,
        };
        Self::new(kind, text::error_chain(&error))
    }
}

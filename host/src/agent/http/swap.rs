//! Another component in the place of the one that runs.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::Query;
use super::plugin::PluginView;
use super::problem::{Problem, quoted};
use super::refusals::{NotSwapped, Refusals, WrongQuery};
use super::{AppState, body, kinds};
use crate::agent::cli;
use crate::agent::components::ReplaceError;
use crate::{SwapError, text};

/// The media type of a component.
const WASM: &str = "application/wasm";

/// Which component is expected.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Pin {
    /// The SHA-256 that the component must have, in hexadecimal. An agent that is pinned to a component takes
    /// another one only with it.
    #[param(min_length = 64, max_length = 64, pattern = "^[0-9a-fA-F]{64}$")]
    sha256: Option<String>,
}

/// Lets another component decide from now on, until the agent ends. It is tried with all entries first: one that
/// refuses them, fails, or lists others does not take over, and the one before goes on. No change is lost or made
/// twice.
#[utoipa::path(
    put,
    path = "/api/v1/plugin",
    operation_id = "swap_plugin",
    tag = "plugin",
    security((), ("bearer" = ["admin"])),
    params(Pin),
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The component, at most 64 MiB where the limit `component_bytes` is not another."),
    responses(
        (status = 200, description = "It decides now.", body = PluginView),
        Refusals<(WrongQuery, NotSwapped)>
    )
)]
pub(super) async fn swap(
    State(state): State<AppState>,
    Query(pin): Query<Pin>,
    request: Request,
) -> Result<Json<PluginView>, Problem> {
    // A client writes before it reads: refused earlier, it would meet a broken connection.
    let Wasm(bytes) = Wasm::from_request(request, &state).await?;
    let sha256 = pin.digest()?;
    state
        .components
        .replace(&state.registry, bytes, sha256)
        .await?;
    Ok(Json(PluginView::now(&state)))
}

impl Pin {
    fn digest(&self) -> Result<Option<[u8; 32]>, Problem> {
        let Some(hex) = &self.sha256 else {
            return Ok(None);
        };
        cli::parse_sha256(hex).map(Some).map_err(|_| {
            Problem::new(
                &kinds::INVALID_QUERY,
                format!(
                    "`sha256` must be 64 hexadecimal digits, got {}",
                    quoted(hex)
                ),
            )
        })
    }
}

/// The bytes of a component.
struct Wasm(Vec<u8>);

impl FromRequest<AppState> for Wasm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let (parts, content) = request.into_parts();
        let bytes = body::read(content, state.components.bytes_max()).await?;
        let is_wasm = parts
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|given| given.as_bytes().eq_ignore_ascii_case(WASM.as_bytes()));
        if !is_wasm {
            return Err(Problem::new(
                &kinds::NOT_WASM,
                format!("the header `content-type` must be `{WASM}`"),
            ));
        }
        Ok(Self(bytes))
    }
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

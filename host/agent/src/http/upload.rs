//! The three forms in which a plugin is offered over HTTP: its bytes, a form with its proof, a reference.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::stream;
use multer::{Field, Multipart};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::bodies::ReadBody;
use super::extract::Json;
use super::problem::{Problem, quoted};
use super::state::AppState;
use crate::plugin_manager::{Offer, Replacement};
use edge_cache_api::headers::{FORM, JSON, WASM};
use edge_cache_api::{ProblemType, SwapSource};
use edge_cache_distribution::{PROOF_BYTES_MAX, Proof};

/// The memory for the settings, the headers and the boundaries of a form, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The parts of a form, for the description.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it describes the form")]
pub(super) struct Form {
    /// The plugin.
    #[schema(value_type = String, format = Binary)]
    plugin: Vec<u8>,
    /// The content of the plugin's `.proof` file.
    #[schema(value_type = Option<String>, format = Binary)]
    proof: Option<Vec<u8>>,
    /// The settings of the plugin, in place of the declared ones.
    settings: Option<BTreeMap<String, String>>,
}

/// An offered plugin. The memory of its body stays taken from the budget while the second field lives.
pub(super) type Upload = (Replacement, Option<OwnedSemaphorePermit>);

/// Reads an offered plugin.
pub(super) async fn read(request: Request, state: &AppState) -> Result<Upload, Problem> {
    let media_type = media_type(request.headers()).to_ascii_lowercase();
    match media_type.as_str() {
        WASM => {
            let ReadBody { bytes, memory } =
                body(request, state, state.plugins.bytes_max()).await?;
            let offer = Offer::Upload(bytes.into(), None);
            Ok((replacement(offer, None), memory))
        }
        JSON => {
            let Json(SwapSource { source, settings }, memory) =
                Json::<SwapSource>::from_request(request, state).await?;
            let reference = source
                .parse()
                .map_err(|error| invalid(format!("`source` {}: {error}", quoted(&source))))?;
            Ok((replacement(Offer::Registry(reference), settings), memory))
        }
        FORM => {
            let content_type = request.headers().get(CONTENT_TYPE);
            let boundary = content_type.and_then(|value| value.to_str().ok());
            let boundary = boundary.and_then(|value| multer::parse_boundary(value).ok());
            let boundary = boundary
                .ok_or_else(|| invalid("the header `content-type` has no boundary".to_string()))?;
            let other_parts = PROOF_BYTES_MAX.saturating_add(FORM_BYTES_MAX);
            let bytes_max = state.plugins.bytes_max().saturating_add(other_parts);
            let ReadBody { bytes, memory } = body(request, state, bytes_max).await?;
            let _copy = state.bodies.copy(bytes.len())?;
            Ok((form(bytes.into(), boundary).await?, memory))
        }
        _ => Err(Problem::new(
            ProblemType::NotWasm,
            format!("the header `content-type` must be `{WASM}`, `{FORM}` or `{JSON}`"),
        )),
    }
}

async fn body(request: Request, state: &AppState, bytes_max: usize) -> Result<ReadBody, Problem> {
    let (parts, content) = request.into_parts();
    state.bodies.read(&parts.headers, content, bytes_max).await
}

/// Reads the parts of a form that is whole in memory.
async fn form(bytes: Bytes, boundary: String) -> Result<Replacement, Problem> {
    let body = stream::iter([Ok::<_, Infallible>(bytes)]);
    let mut parts = Multipart::new(body, boundary);
    let (mut plugin, mut proof, mut settings) = (None, None, None);
    while let Some(part) = parts.next_field().await.map_err(wrong_form)? {
        let name = part.name().unwrap_or_default().to_string();
        let is_first = match name.as_str() {
            "plugin" => plugin.replace(content(part).await?).is_none(),
            "proof" => {
                let read = Proof::from_json(&content(part).await?)
                    .map_err(|error| invalid(format!("part `proof`: {error}")))?;
                proof.replace(read).is_none()
            }
            "settings" => {
                let read = serde_json::from_slice(&content(part).await?)
                    .map_err(|error| invalid(format!("part `settings`: {error}")))?;
                settings.replace(read).is_none()
            }
            name => {
                return Err(invalid(format!(
                    "a form has the parts `plugin`, `proof` and `settings`, got {}",
                    quoted(name)
                )));
            }
        };
        if !is_first {
            return Err(invalid(format!("the part `{name}` is given twice")));
        }
    }
    let plugin = plugin.ok_or_else(|| invalid("the form needs a part `plugin`".to_string()))?;
    Ok(replacement(Offer::Upload(plugin, proof), settings))
}

async fn content(part: Field<'_>) -> Result<Bytes, Problem> {
    part.bytes().await.map_err(wrong_form)
}

fn replacement(plugin: Offer, settings: Option<BTreeMap<String, String>>) -> Replacement {
    Replacement {
        plugin,
        sha256: None,
        settings,
    }
}

fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
}

fn wrong_form(error: multer::Error) -> Problem {
    invalid(format!("the form is malformed: {error}"))
}

fn invalid(detail: String) -> Problem {
    Problem::new(ProblemType::InvalidBody, detail)
}

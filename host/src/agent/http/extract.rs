//! What a handler takes from a request, refused with a problem document where it is wrong.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::BODY_BYTES_MAX;
use super::problem::{Problem, quoted};
use crate::text;
use crate::types::NodeId;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read all the same, so that the client, which writes before it
/// reads, gets the answer and not a broken connection.
const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of serde's message is passed on, in bytes.
const DETAIL_BYTES_MAX: usize = 512;

/// The node of the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node(pub(super) NodeId);

impl<S: Send + Sync> FromRequestParts<S> for Node {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(wrong_id("it is not UTF-8"));
        };
        // `parse` alone would take a plus sign.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong_id(&format!("{} is not a number", quoted(&id))));
        }
        id.parse()
            .map(Self)
            .map_err(|_| wrong_id(&format!("{} is too large", quoted(&id))))
    }
}

fn wrong_id(reason: &str) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "/problems/invalid-node-id",
        "The node id is invalid",
        format!("a node id is a number from 0 to {}; {reason}", NodeId::MAX),
    )
}

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let is_json = is_json(&parts.headers);
        let bytes = read(body).await?;
        if !is_json {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "/problems/not-json",
                "The body is not JSON",
                "the header `content-type` must be `application/json`",
            ));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer)
            .map_err(|error| wrong_body(&error.path().to_string(), error.inner()))?;
        // Something may stand behind the value.
        deserializer
            .end()
            .map_err(|error| wrong_body(".", &error))?;
        Ok(Self(value))
    }
}

/// Whole bodies are read before anything else is said about a request.
async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(BODY_TIMEOUT, collect(body))
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "/problems/body-too-slow",
                "The body came too slowly",
                format!("a body must arrive within {} s", BODY_TIMEOUT.as_secs()),
            ))
        })
}

async fn collect(mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "/problems/body-cut-off",
                "The body is not whole",
                "the connection ended within the body, or its encoding is wrong",
            ));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen > DISCARDED_BYTES_MAX {
            break;
        }
        if seen <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        }
    }
    if seen <= BODY_BYTES_MAX {
        return Ok(bytes);
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "/problems/body-too-large",
        "The body is too large",
        format!("a body may have {BODY_BYTES_MAX} bytes"),
    ))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

/// `path` is the field that was read, `.` for the body as a whole.
fn wrong_body(path: &str, error: &serde_json::Error) -> Problem {
    let detail = match path {
        "." | "?" => error.to_string(),
        field => format!("`{field}`: {error}"),
    };
    let detail = text::clean(&detail, DETAIL_BYTES_MAX);
    if error.is_data() {
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "/problems/invalid-body",
            "The body does not say what it must",
            detail,
        );
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "/problems/malformed-json",
        "The body is not well-formed JSON",
        detail,
    )
}

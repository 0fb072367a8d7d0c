//! Extractors of handlers: the node of the path, and JSON bodies. A wrong one is refused with a problem document.

use axum::RequestPartsExt;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, SchemaFormat, Type};

use super::bodies::{BodyBudget, ReadBody};
use super::json_errors::wrong_body;
use super::problem::{Problem, quoted};
use edge_cache_api::limits::BODY_BYTES_MAX;
use edge_cache_api::object::Object;
use edge_cache_api::{ProblemType, SourceName, SourceNameError};
use edge_cache_core::{NodeId, SOURCE_NAME_BYTES_MAX};

#[cfg(test)]
mod tests;

/// The parameter of paths that is the name of a source.
const SOURCE: &str = "source";
/// The largest body that is parsed on the thread of its request, in bytes: that takes some milliseconds.
const PARSED_HERE_BYTES_MAX: usize = 1024 * 1024;

/// The node of the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node(pub(super) NodeId);

impl<S: Send + Sync> FromRequestParts<S> for Node {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let id = parameter(parts, "id").await?;
        // `parse` alone would take a plus sign.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong_id(&format!("{} is not a number", quoted(&id))));
        }
        // A node has one path, for software that compares or caches paths.
        if id.len() > 1 && id.starts_with('0') {
            return Err(wrong_id(&format!("{} begins with a zero", quoted(&id))));
        }
        id.parse()
            .map(Self)
            .map_err(|_| wrong_id(&format!("{} is too large", quoted(&id))))
    }
}

/// The source of counters of the path.
#[derive(Debug, Clone)]
pub(super) struct Source(pub(super) SourceName);

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let name = parameter(parts, SOURCE).await?;
        let name = name.parse();
        name.map(Self).map_err(|error: SourceNameError| {
            Problem::new(ProblemType::InvalidSource, error.to_string())
        })
    }
}

impl IntoParams for Source {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let name = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(SOURCE_NAME_BYTES_MAX))
            .pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]*$"));
        vec![
            ParameterBuilder::new()
                .name(SOURCE)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("The name of the source, unique on its node."))
                .schema(Some(name))
                .build(),
        ]
    }
}

/// Returns a parameter of the path, all of which must be UTF-8.
async fn parameter(parts: &mut Parts, name: &str) -> Result<String, Problem> {
    let path: Result<Path<Vec<(String, String)>>, PathRejection> = parts.extract().await;
    let Path(parameters) = path.map_err(|rejection| match rejection {
        PathRejection::FailedToDeserializePathParams(failed)
            if matches!(failed.kind(), ErrorKind::InvalidUtf8InPathParam { key } if key == SOURCE) =>
        {
            Problem::new(ProblemType::InvalidSource, SourceNameError.to_string())
        }
        _ => wrong_id("it is not UTF-8"),
    })?;
    let mut parameters = parameters.into_iter();
    let value = parameters.find_map(|(known, value)| (known == name).then_some(value));
    // The route has the parameter.
    Ok(value.unwrap_or_default())
}

impl IntoParams for Node {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::Custom("uint64".to_string())))
            .minimum(Some(0_u64))
            .maximum(Some(NodeId::MAX));
        vec![
            ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("The node."))
                .schema(Some(number))
                .build(),
        ]
    }
}

fn wrong_id(reason: &str) -> Problem {
    Problem::new(
        ProblemType::InvalidNodeId,
        format!("a node id is a number from 0 to {}; {reason}", NodeId::MAX),
    )
}

/// A JSON object of at most `BYTES_MAX` bytes as the body. Its memory stays taken from the budget while the second
/// field lives.
#[derive(Debug)]
pub(super) struct Json<T, const BYTES_MAX: usize = BODY_BYTES_MAX>(
    pub(super) T,
    pub(super) Option<OwnedSemaphorePermit>,
);

impl<T, S, const BYTES_MAX: usize> FromRequest<S> for Json<T, BYTES_MAX>
where
    T: DeserializeOwned + Send + 'static,
    S: Send + Sync,
    BodyBudget: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Problem::new(
                ProblemType::NotJson,
                "the header `content-type` must be `application/json`",
            ));
        }
        let budget = BodyBudget::from_ref(state);
        let read = budget.read(&parts.headers, body, BYTES_MAX).await?;
        if read.bytes.len() <= PARSED_HERE_BYTES_MAX {
            return parse(read);
        }
        // Other requests go on meanwhile. A panic of the parser was logged.
        let failed = |_| Problem::new(ProblemType::Internal, "the body could not be parsed");
        spawn_blocking(|| parse(read)).await.map_err(failed)?
    }
}

fn parse<T: DeserializeOwned, const BYTES_MAX: usize>(
    ReadBody { bytes, memory }: ReadBody,
) -> Result<Json<T, BYTES_MAX>, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map(|Object(value)| value)
        .map_err(|error| wrong_body(&error.path().to_string(), error.inner()))?;
    // Nothing may follow the value.
    deserializer
        .end()
        .map_err(|error| wrong_body(".", &error))?;
    Ok(Json(value, memory))
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

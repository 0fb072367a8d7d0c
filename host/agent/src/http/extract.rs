//! What a handler takes from a request, refused with a problem document where it is wrong.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, SchemaFormat, Type};

use super::body;
use super::kinds;
use super::problem::{Problem, quoted};
use super::wording::wrong_body;
use edge_cache_api::limits::{BODY_BYTES_MAX, NODES_BYTES_MAX};
use edge_cache_api::object::Object;
use edge_cache_core::NodeId;
use edge_cache_core::text;

#[cfg(test)]
mod tests;

/// What stands before a node's id in every path that has one.
pub(super) const NODES: &str = "/api/v1/nodes/";

/// The node of the path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node(pub(super) NodeId);

impl<S: Send + Sync> FromRequestParts<S> for Node {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path = parts.uri.path().strip_prefix(NODES).unwrap_or_default();
        let id = path.split('/').next().unwrap_or_default();
        let Ok(id) = percent_decode_str(id).decode_utf8() else {
            return Err(wrong_id("it is not UTF-8"));
        };
        // `parse` alone would take a plus sign.
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong_id(&format!("{} is not a number", quoted(&id))));
        }
        // One node has one path, whatever compares or caches paths.
        if id.len() > 1 && id.starts_with('0') {
            return Err(wrong_id(&format!("{} begins with a zero", quoted(&id))));
        }
        id.parse()
            .map(Self)
            .map_err(|_| wrong_id(&format!("{} is too large", quoted(&id))))
    }
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
        &kinds::INVALID_NODE_ID,
        format!("a node id is a number from 0 to {}; {reason}", NodeId::MAX),
    )
}

/// The query of the URL.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| {
                let error = text::error_chain(&error);
                Problem::new(
                    &kinds::INVALID_QUERY,
                    text::clean(&error, text::ERROR_BYTES_MAX),
                )
            })
    }
}

/// A JSON object as the body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_object(request, BODY_BYTES_MAX).await.map(Self)
    }
}

/// The same, large enough for all nodes.
#[derive(Debug)]
pub(super) struct NodesJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for NodesJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_object(request, NODES_BYTES_MAX).await.map(Self)
    }
}

async fn read_object<T: DeserializeOwned>(
    request: Request,
    bytes_max: usize,
) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(Problem::new(
            &kinds::NOT_JSON,
            "the header `content-type` must be `application/json`",
        ));
    }
    let bytes = body::read(body, bytes_max).await?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map(|Object(value)| value)
        .map_err(|error| wrong_body(&error.path().to_string(), error.inner()))?;
    // Something may stand behind the value.
    deserializer
        .end()
        .map_err(|error| wrong_body(".", &error))?;
    Ok(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("application/json"))
}

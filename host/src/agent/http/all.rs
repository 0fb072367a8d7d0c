//! All nodes as one list.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::AppState;
use super::etag::ETag;
use super::refusals::Refusals;
use super::views::{self, NodeView};

/// All eligible nodes, in ascending order of node id.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListView {
    nodes: Vec<NodeView>,
}

/// The list as it is sent, and its tag.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) body: Vec<u8>,
    pub(super) tag: ETag,
}

impl Listed {
    /// The list at this moment. The tag is made of its content: `advertised` also changes without a change of
    /// the registry.
    pub(super) fn now(state: &AppState) -> Self {
        let nodes = state.registry.list_eligible();
        let nodes = nodes.iter().map(|node| views::node(state, node)).collect();
        // Texts and numbers: there is nothing in it that JSON could not say.
        let body = serde_json::to_vec(&ListView { nodes }).unwrap_or_default();
        let tag = ETag::of(&body);
        Self { body, tag }
    }
}

/// All eligible nodes, in ascending order of node id.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/nodes",
    operation_id = "list_nodes",
    tag = "registry",
    security((), ("bearer" = ["read"])),
    params(("If-None-Match" = Option<String>, Header, description = "A tag of before.")),
    responses(
        (status = 200, description = "The list.", body = ListView,
         headers(("ETag" = String, description = "Changes with the list."))),
        (status = 304, description = "It is still the one of `If-None-Match`.",
         headers(("ETag" = String, description = "Its tag."))),
        Refusals<()>
    )
)]
pub(super) async fn list(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let Listed { body, tag } = Listed::now(&state);
    let shown = (ETAG, tag.to_string());
    if tag.is_had(&headers) {
        return (StatusCode::NOT_MODIFIED, [shown]).into_response();
    }
    let json = (CONTENT_TYPE, "application/json".to_string());
    ([shown, json], body).into_response()
}

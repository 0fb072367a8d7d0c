//! Handler of the list of all nodes.

use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem_responses::Problems;
use super::state::AppState;
use super::views;
use edge_cache_api::NodeList;

/// Lists all eligible nodes, in ascending order of node id.
#[utoipa::path(
    get,
    path = "/api/v1/edge-cache/nodes",
    operation_id = "list_nodes",
    tag = "registry",
    params(("If-None-Match" = Option<String>, Header, description = "The tag of a list that the client has.")),
    responses(
        (status = 200, description = "The list.", body = NodeList,
         headers(("ETag" = String, description = "Changes with the list."))),
        (status = 304, description = "The list is the one of `If-None-Match`.",
         headers(("ETag" = String, description = "Its tag."))),
        Problems<()>
    )
)]
pub(super) async fn list(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let list = state.list.now(&state.registry);
    let tag = [(ETAG, list.tag.header())];
    if list.tag.is_named_by_if_none_match(&headers) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    (tag, views::json(list.body.clone())).into_response()
}

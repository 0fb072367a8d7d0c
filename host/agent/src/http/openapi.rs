//! The description of the API: OpenAPI, made of the same source as the routes.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::operations;
use super::refusals::Refusals;
use edge_cache_api::Problem;

/// What is not said at a route.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Edge-cache agent",
        description = "Which nodes of a cluster may serve as edge caches, as one agent sees and changes it. \
                       Errors are problem documents (RFC 9457); after an error nothing has changed. Bodies are \
                       JSON of at most 64 KiB where nothing else is said. Requests that a browser may have been \
                       tricked into are refused. A head of more than 16 KiB is answered with 431, without a body."
    ),
    components(schemas(Problem)),
    modifiers(&Bearer),
    tags(
        (name = "nodes", description = "One node: whether it is eligible, and its counters."),
        (name = "registry", description = "All nodes at once."),
        (name = "cluster", description = "The members of the cluster."),
        (name = "events", description = "Changes as they happen."),
        (name = "plugin", description = "The component that decides."),
        (name = "agent", description = "The agent itself."),
    )
)]
pub(super) struct Frame;

/// The scheme of tokens. Each route names the role that it needs; an agent without tokens asks for none.
#[derive(Debug)]
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut Description) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of the role that the route names: `read`, `write` or `admin`. An agent that was \
                 started without tokens asks for none.",
            ))
            .build();
        description
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    // Maps with text as keys: there is nothing in it that JSON could not say.
    let document = description().to_json();
    document.unwrap_or_default().into()
});

/// What all operations say of themselves.
pub(super) fn description() -> Description {
    let described = operations()
        .into_iter()
        .map(|described| described.description);
    let frame = OpenApiRouter::with_openapi(Frame::openapi());
    described.fold(frame, OpenApiRouter::routes).into_openapi()
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "describe",
    tag = "agent",
    security((), ("bearer" = ["read"])),
    responses(
        (status = 200, description = "The description.", body = Object, content_type = "application/json"),
        Refusals<()>
    )
)]
pub(super) async fn describe() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}

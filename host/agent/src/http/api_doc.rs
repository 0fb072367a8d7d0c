//! The description of the API: OpenAPI, from the same registration as the routes.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::operation::BEARER;
use edge_cache_api::Problem;
use edge_cache_api::headers::JSON;

/// The part of the description that belongs to no operation.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Edge-cache agent",
        description = "Which nodes of a cluster may serve as edge caches, as one agent sees and changes it. \
                       Errors are problem documents (RFC 9457); after an error nothing has changed. Responses \
                       have the header `x-request-id`, but for those to a head that is too large or malformed: the \
                       request's own of 1 to 64 letters, digits, `.`, `-` and `_`, \
                       or a new one; the agent's log has it too. Node ids and counters are whole numbers up to \
                       2^64-1: a client whose numbers are floating-point must read those above 2^53 as text. Whole \
                       numbers are sent without a fraction and an exponent: `8`, not `8.0`. Unknown query parameters \
                       are refused. Bodies are JSON of at most 64 KiB where no other limit is named, sent without \
                       `content-encoding`; a body must bring 16 KiB a second, and may be 10 s behind. Requests that \
                       may come from a page of another site are refused, and browsers may only read. A head of more than 16 KiB gets 431, without a body. \
                       Responses are compressed with gzip for clients that accept it."
    ),
    components(schemas(Problem)),
    tags(
        (name = "nodes", description = "One node: its eligibility and its counters."),
        (name = "registry", description = "All nodes at once."),
        (name = "cluster", description = "The members of the cluster."),
        (name = "events", description = "Changes as they happen."),
        (name = "plugin", description = "The plugin that decides."),
        (name = "agent", description = "The agent itself."),
    )
)]
struct Frame;

/// The document as it is sent.
#[derive(Debug, Clone)]
pub(super) struct ApiDocument(Bytes);

impl ApiDocument {
    pub(super) fn new(description: &Description) -> Self {
        // Maps with text as keys always have a form in JSON.
        Self(description.to_json().unwrap_or_default().into())
    }
}

/// Returns the description without the operations.
pub(super) fn frame() -> Description {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of the role that the operation names: `stats`, `read`, `write` or `admin`. An agent that was started \
             without tokens needs none.",
        ))
        .build();
    let mut description = Frame::openapi();
    let components = description.components.get_or_insert_default();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    description
}

/// Returns this description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "agent",
    responses(
        (status = 200, description = "The description.", body = Object, content_type = "application/json")
    )
)]
pub(super) async fn describe(
    Extension(ApiDocument(document)): Extension<ApiDocument>,
) -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON)], document)
}

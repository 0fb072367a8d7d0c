//! The routes of the two listeners, and the middlewares that every request passes.

use std::any::Any;

use axum::extract::Request;
use axum::http::header::VARY;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_doc::{self, ApiDocument};
use super::auth::{Access, authenticate};
use super::guard::{Guard, Hosts, check_origin};
use super::operation::operation;
use super::problem::{Problem, quoted};
use super::problem_responses::{
    BODY, CHANGE, COUNTERS, DECLARED, FORGET, JSON_BODY, MEETING, NODE_ID, OFFER, REPLACEMENT,
    SOURCE, STORE, SUBSCRIBER, SWAP, UNKNOWN_NODE, WAIT,
};
use super::state::AppState;
use super::trace::trace;
use super::{agent, all_nodes, cluster, decisions, nodes, page, plugin, route, snapshot};
use crate::metrics::HttpMetrics;
use crate::tokens::Role;
use edge_cache_api::ProblemType;

/// The header of request ids: a client's own where it fits, else a random one.
const X_REQUEST_ID: &str = "x-request-id";
/// The longest request id of a client, in bytes.
const ID_BYTES_MAX: usize = 64;

/// Makes random request ids. Nothing relies on a guess of them being hard, so they need no call of the system.
#[derive(Debug, Clone)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = format!("{:032x}", fastrand::u128(..));
        HeaderValue::try_from(id).ok().map(RequestId::new)
    }
}

/// Builds the whole API and its page, for the callers that `access` knows and the requests that `guard` lets in.
pub fn api_routes(state: AppState, access: Access, guard: Guard) -> Router {
    let counted = state.metrics.http.clone();
    let (authenticated, described) = api_operations().split_for_parts();
    let (open, open_described) = health_operations().split_for_parts();
    let document = ApiDocument::new(&described.merge_from(open_described));
    let authenticated = refuse_others(authenticated)
        .layer(Extension(document))
        .layer(from_fn_with_state(access, authenticate));
    let open = open.method_not_allowed_fallback(no_such_method);
    let page = page::routes(no_such_method);
    let routes = authenticated.merge(open).merge(page);
    with_middlewares(routes.with_state(state), counted, guard)
}

/// Builds health and metrics alone, open to every caller that is no browser.
pub fn health_routes(state: AppState) -> Router {
    let counted = state.metrics.http.clone();
    let (metrics, _) = metrics_operation(OpenApiRouter::default()).split_for_parts();
    let (open, _) = health_operations().split_for_parts();
    let routes = refuse_others(metrics.merge(open))
        .layer(from_fn_with_state(Access::local(Role::Read), authenticate));
    with_middlewares(
        routes.with_state(state),
        counted,
        Guard::without_page(Hosts::Any),
    )
}

/// Registers the operations that need a role, with their descriptions.
fn api_operations() -> OpenApiRouter<AppState> {
    let (read, write, admin) = (Role::Read, Role::Write, Role::Admin);
    let enable = &[NODE_ID, BODY, JSON_BODY, CHANGE, WAIT];
    let disable = &[NODE_ID, UNKNOWN_NODE, CHANGE, WAIT];
    let add_stats = &[NODE_ID, UNKNOWN_NODE, COUNTERS, BODY, JSON_BODY, CHANGE];
    let put_source = &[
        NODE_ID,
        SOURCE,
        UNKNOWN_NODE,
        COUNTERS,
        BODY,
        JSON_BODY,
        CHANGE,
    ];
    let replace = &[BODY, JSON_BODY, REPLACEMENT];
    let (show_node, forget) = (&[NODE_ID, UNKNOWN_NODE], &[NODE_ID, FORGET]);
    let (follow, swap) = (&[SUBSCRIBER], &[BODY, OFFER, SWAP]);
    let reload = &[DECLARED, SWAP];
    let router = OpenApiRouter::with_openapi(api_doc::frame())
        .routes(operation(read, show_node, routes!(nodes::show_node)))
        .routes(operation(write, enable, routes!(nodes::enable_node)))
        .routes(operation(write, disable, routes!(nodes::disable_node)))
        .routes(operation(read, &[NODE_ID], routes!(nodes::show_stats)))
        .routes(operation(write, add_stats, routes!(nodes::add_stats)))
        .routes(operation(
            Role::Stats,
            put_source,
            routes!(nodes::put_source),
        ))
        .routes(operation(read, &[], routes!(all_nodes::list_nodes)))
        .routes(operation(write, replace, routes!(all_nodes::replace_nodes)))
        .routes(operation(read, &[], routes!(decisions::list_decisions)))
        .routes(operation(read, &[MEETING], routes!(route::route_key)))
        .routes(operation(read, &[], routes!(cluster::list_peers)))
        .routes(operation(write, forget, routes!(cluster::forget_peer)))
        .routes(operation(read, &[], routes!(cluster::list_members)))
        .routes(operation(read, follow, routes!(cluster::follow_events)))
        .routes(operation(read, &[], routes!(plugin::show_plugin)))
        .routes(operation(admin, swap, routes!(plugin::swap_plugin)))
        .routes(operation(admin, reload, routes!(plugin::reload_plugin)))
        .routes(operation(admin, &[SWAP], routes!(plugin::revert_plugin)))
        .routes(operation(admin, &[], routes!(plugin::show_logs)))
        .routes(operation(read, &[], routes!(agent::show_agent)))
        .routes(operation(admin, &[], routes!(agent::reload)))
        .routes(operation(admin, &[], routes!(agent::leave)))
        .routes(operation(admin, &[STORE], routes!(snapshot::take_snapshot)))
        .routes(operation(read, &[], routes!(api_doc::describe)));
    metrics_operation(router)
}

fn metrics_operation(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(operation(Role::Read, &[], routes!(agent::show_metrics)))
}

fn health_operations() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(operation(None, &[], routes!(agent::livez)))
        .routes(operation(None, &[], routes!(agent::readyz)))
}

/// Answers unknown paths and methods with problem documents.
pub(super) fn refuse_others<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
}

async fn no_such_route(uri: Uri) -> Problem {
    let detail = format!("the API has no {}", quoted(uri.path()));
    Problem::new(ProblemType::NoSuchRoute, detail)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let detail = format!(
        "{} does not take {}; the header `Allow` says what it takes",
        quoted(uri.path()),
        quoted(method.as_str())
    );
    Problem::new(ProblemType::NoSuchMethod, detail)
}

/// Adds the middlewares, the outermost first. They see each request after its path was matched.
pub(super) fn with_middlewares(routes: Router, counted: HttpMetrics, guard: Guard) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .map_request(keep_fit_id)
            .layer(SetRequestIdLayer::x_request_id(RandomId))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn_with_state(counted, trace))
            .map_response(vary)
            .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
            .layer(CatchPanicLayer::custom(answer_panic))
            .layer(from_fn_with_state(guard, check_origin)),
    )
}

/// Removes an id that is not 1 to 64 letters, digits, dots, dashes and underscores, so that the agent makes one.
fn keep_fit_id(mut request: Request) -> Request {
    let headers = request.headers_mut();
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let is_fit = |id: &[u8]| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
    };
    let fit = ids.next().is_none_or(|id| is_fit(id.as_bytes())) && ids.next().is_none();
    if !fit {
        headers.remove(X_REQUEST_ID);
    }
    request
}

/// Says for caches that the answer depends on `accept-encoding`; compression alone leaves it out of 304 and `HEAD`.
fn vary<B>(mut response: Response<B>) -> Response<B> {
    let encoding = HeaderValue::from_static("accept-encoding");
    response.headers_mut().insert(VARY, encoding);
    response
}

/// Logs a panic in the span of its request, and answers 500.
fn answer_panic(panic: Box<dyn Any + Send>) -> Response {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    tracing::error!(message, "a request handler panicked");
    Problem::new(
        ProblemType::Internal,
        "the agent failed while it answered; its log has the request id of the header `x-request-id`",
    )
    .into_response()
}

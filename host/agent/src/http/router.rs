//! The routes of the two listeners, and the middlewares that every request passes.

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_doc::{self, ApiDocument};
use super::auth::{Access, Role, authenticate};
use super::count::count;
use super::guard::{Hosts, check_origin};
use super::operation::{open_operation, operation};
use super::panics::answer_panic;
use super::problem::{Problem, no_such_method, no_such_route};
use super::request_id::{MakeId, keep_fit_id};
use super::state::AppState;
use super::trace::trace;
use super::{
    cluster, events, health, leave, list, metrics, nodes, plugin, replace, route, stats, swap,
};
use crate::metrics::HttpMetrics;

/// Builds the whole API, for the callers that `access` knows and under the names of `hosts`.
pub fn api_routes(state: AppState, access: Access, hosts: Hosts) -> Router {
    let counted = state.metrics.http.clone();
    let (authenticated, described) = api_operations().split_for_parts();
    let (open, open_described) = health_operations().split_for_parts();
    let document = ApiDocument::new(&described.merge_from(open_described));
    let authenticated = refuse_others(authenticated)
        .layer(Extension(document))
        .layer(from_fn_with_state(access, authenticate));
    let routes = authenticated.merge(open.method_not_allowed_fallback(refuse_method));
    with_middlewares(routes.with_state(state), counted, hosts)
}

/// Builds health and metrics alone, open to every caller that is no browser.
pub fn health_routes(state: AppState) -> Router {
    let counted = state.metrics.http.clone();
    let (metrics, _) = metrics_operation(OpenApiRouter::default()).split_for_parts();
    let (open, _) = health_operations().split_for_parts();
    let routes = refuse_others(metrics.merge(open))
        .layer(from_fn_with_state(Access::read_only(), authenticate));
    with_middlewares(routes.with_state(state), counted, Hosts::Any)
}

/// Registers the operations that need a role, with their descriptions.
fn api_operations() -> OpenApiRouter<AppState> {
    let router = OpenApiRouter::with_openapi(api_doc::frame())
        .routes(operation(Role::Read, routes!(nodes::entry)))
        .routes(operation(Role::Write, routes!(nodes::enable)))
        .routes(operation(Role::Write, routes!(nodes::disable)))
        .routes(operation(Role::Read, routes!(stats::stats)))
        .routes(operation(Role::Write, routes!(stats::add_stats)))
        .routes(operation(Role::Read, routes!(list::list)))
        .routes(operation(Role::Write, routes!(replace::replace)))
        .routes(operation(Role::Read, routes!(route::route)))
        .routes(operation(Role::Read, routes!(cluster::peers)))
        .routes(operation(Role::Read, routes!(cluster::members)))
        .routes(operation(Role::Read, routes!(events::follow::follow)))
        .routes(operation(Role::Read, routes!(plugin::show)))
        .routes(operation(Role::Admin, routes!(swap::swap)))
        .routes(operation(Role::Admin, routes!(plugin::logs)))
        .routes(operation(Role::Admin, routes!(leave::leave)))
        .routes(operation(Role::Read, routes!(api_doc::describe)));
    metrics_operation(router)
}

fn metrics_operation(router: OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    router.routes(operation(Role::Read, routes!(metrics::metrics)))
}

fn health_operations() -> OpenApiRouter<AppState> {
    OpenApiRouter::default()
        .routes(open_operation(routes!(health::livez)))
        .routes(open_operation(routes!(health::readyz)))
}

/// Answers unknown paths and methods with problem documents.
pub(super) fn refuse_others<S>(routes: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes
        .fallback(async |request: Request| no_such_route(&request))
        .method_not_allowed_fallback(refuse_method)
}

async fn refuse_method(request: Request) -> Problem {
    no_such_method(&request)
}

/// Adds the middlewares, the outermost first. They see each request after its path was matched.
pub(super) fn with_middlewares(routes: Router, counted: HttpMetrics, hosts: Hosts) -> Router {
    routes.layer(
        ServiceBuilder::new()
            .map_request(keep_fit_id)
            .layer(SetRequestIdLayer::x_request_id(MakeId::default()))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(from_fn(trace))
            .layer(from_fn_with_state(counted, count))
            .layer(CompressionLayer::new())
            .layer(CatchPanicLayer::custom(answer_panic))
            .layer(from_fn_with_state(hosts, check_origin)),
    )
}

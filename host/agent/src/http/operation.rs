//! The registration of operations: each states its role once, for the check and for its description.

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem, Paths};
use utoipa::openapi::{RefOr, SecurityRequirement};
use utoipa_axum::router::UtoipaMethodRouter;

use super::auth::{Role, authorize};
use super::query;
use super::state::AppState;

/// The scheme of tokens in the description.
pub(super) const BEARER: &str = "bearer";

/// An operation that needs this role.
pub(super) fn operation(
    role: Role,
    (schemas, mut paths, methods): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    // An agent without tokens needs none.
    let security = [
        SecurityRequirement::default(),
        SecurityRequirement::new(BEARER, [role.to_string()]),
    ];
    describe_security(&mut paths, &security);
    let methods = methods
        .route_layer(from_fn_with_state(query_names(&paths), query::check_known))
        .route_layer(from_fn_with_state(role, authorize));
    (schemas, paths, methods)
}

/// An operation that needs no token.
pub(super) fn open_operation(
    (schemas, mut paths, methods): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    describe_security(&mut paths, &[SecurityRequirement::default()]);
    let methods = methods.route_layer(from_fn_with_state(query_names(&paths), query::check_known));
    (schemas, paths, methods)
}

fn describe_security(paths: &mut Paths, security: &[SecurityRequirement]) {
    for item in paths.paths.values_mut() {
        let PathItem {
            get,
            put,
            post,
            delete,
            ..
        } = item;
        for operation in [get, put, post, delete].into_iter().flatten() {
            operation.security = Some(security.to_vec());
        }
    }
}

/// Returns the names of the query parameters that the description has.
fn query_names(paths: &Paths) -> Arc<[String]> {
    let operations = paths.paths.values().flat_map(|item| {
        let operations: [&Option<Operation>; 4] = [&item.get, &item.put, &item.post, &item.delete];
        operations.into_iter().flatten()
    });
    operations
        .flat_map(|operation| operation.parameters.iter().flatten())
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
        .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
        .map(|parameter| parameter.name.clone())
        .collect()
}

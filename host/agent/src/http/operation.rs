//! The registration of operations: each states its role and its problems once, for the check and for its description.

use axum::middleware::from_fn_with_state;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{RefOr, SecurityRequirement};
use utoipa_axum::router::UtoipaMethodRouter;

use super::auth::authorize;
use super::problem_responses::{Cause, responses};
use super::query;
use super::state::AppState;
use crate::tokens::Role;

/// The scheme of tokens in the description.
pub(super) const BEARER: &str = "bearer";

/// An operation that needs this role, or no token, and may refuse requests for these causes.
pub(super) fn operation(
    role: impl Into<Option<Role>>,
    causes: &[Cause],
    (schemas, mut paths, mut methods): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    let role = role.into();
    let mut query_names = Vec::new();
    for operation in paths.paths.values_mut().flat_map(operations) {
        // An agent without tokens needs none.
        let security = role.map(|role| SecurityRequirement::new(BEARER, [role.to_string()]));
        let security = [SecurityRequirement::default()].into_iter().chain(security);
        operation.security = Some(security.collect());
        operation.responses.responses.extend(responses(causes));
        query_names.extend(query_parameters(operation));
    }
    let check_known = from_fn_with_state(query_names.into(), query::check_known);
    methods = methods.route_layer(check_known);
    if let Some(role) = role {
        methods = methods.route_layer(from_fn_with_state(role, authorize));
    }
    (schemas, paths, methods)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let methods = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    methods.into_iter().flatten()
}

fn query_parameters(operation: &Operation) -> impl Iterator<Item = String> {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
            Some(parameter.name.clone())
        }
        _ => None,
    })
}

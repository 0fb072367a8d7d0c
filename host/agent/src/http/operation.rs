//! The registration of operations: each states its role and its problems once, for the check and for its description.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{RefOr, SecurityRequirement};
use utoipa_axum::router::UtoipaMethodRouter;

use super::auth::authorize;
use super::problem::Problem;
use super::problem_responses::{Cause, responses};
use super::query;
use super::state::AppState;
use crate::tokens::Role;

/// The scheme of tokens in the description.
pub(super) const BEARER: &str = "bearer";

/// The requests that an operation takes.
#[derive(Debug, Default)]
pub(super) struct Admission {
    /// The least role of the caller; none where no token is needed.
    pub(super) role: Option<Role>,
    pub(super) query_names: Vec<String>,
}

/// An operation that needs this role, or no token, and may refuse requests for these causes.
pub(super) fn operation(
    role: impl Into<Option<Role>>,
    causes: &[Cause],
    (schemas, mut paths, mut methods): UtoipaMethodRouter<AppState>,
) -> UtoipaMethodRouter<AppState> {
    let role = role.into();
    let mut admission = Admission {
        role,
        ..Admission::default()
    };
    for operation in paths.paths.values_mut().flat_map(operations) {
        // An agent without tokens needs none.
        let security = role.map(|role| SecurityRequirement::new(BEARER, [role.to_string()]));
        let security = [SecurityRequirement::default()].into_iter().chain(security);
        operation.security = Some(security.collect());
        operation.responses.responses.extend(responses(causes));
        admission.query_names.extend(query_parameters(operation));
    }
    methods = methods.route_layer(from_fn_with_state(Arc::new(admission), admit));
    (schemas, paths, methods)
}

/// Answers a request that the operation does not take: 403 for the caller's role, 400 for the query.
pub(super) async fn admit(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    match admission.check(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

impl Admission {
    fn check(&self, request: &Request) -> Result<(), Problem> {
        if let Some(role) = self.role {
            authorize(role, request)?;
        }
        query::refuse_unknown(request.uri(), &self.query_names)
    }
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

//! What every request passes on its way, in one step: it is counted and logged, a browser's is refused, it is
//! said who asks, and whether they may.
//!
//! One step, since each layer of a router costs about as much as answering a small read does.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::access::{self, Access};
use super::counts::RequestCounts;
use super::guard::Hosts;
use super::problem::{self, Problem};
use super::trace;

/// What a listener asks of requests.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) counts: Arc<RequestCounts>,
    pub(super) hosts: Hosts,
    /// Who is let in; without it, everybody.
    pub(super) access: Option<Access>,
}

impl Gate {
    fn refusal(&self, request: &mut Request) -> Option<Response> {
        let access = self.access.as_ref();
        self.hosts
            .refusal(request)
            .or_else(|| access.and_then(|access| access.identify(request)))
    }
}

/// The step of a request that a route takes.
pub(super) async fn enter(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let answer = async |mut request: Request| match gate.refusal(&mut request) {
        Some(refusal) => refusal,
        None if gate.access.is_some() => access::authorise(request, next).await,
        None => next.run(request).await,
    };
    trace::request(&gate.counts, request, answer).await
}

/// The step of one that none takes: what is not there has no role.
pub(super) async fn turn_away(
    gate: Arc<Gate>,
    request: Request,
    problem: fn(&Request) -> Problem,
) -> Response {
    let answer = async |mut request: Request| {
        let refusal = gate.refusal(&mut request);
        refusal.unwrap_or_else(|| problem(&request).into_response())
    };
    trace::request(&gate.counts, request, answer).await
}

/// Puts the gate before all that a router has.
pub(super) fn close(router: Router<AppState>, gate: Gate) -> Router<AppState> {
    let gate = Arc::new(gate);
    let (no_route, no_method) = (gate.clone(), gate.clone());
    router
        .route_layer(middleware::from_fn_with_state(gate, enter))
        .fallback(move |request| turn_away(no_route.clone(), request, problem::no_such_route))
        .method_not_allowed_fallback(move |request| {
            turn_away(no_method.clone(), request, problem::no_such_method)
        })
}

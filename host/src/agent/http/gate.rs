//! What every request passes on its way, in one step: it is counted and logged, a browser's is refused, it is
//! said who asks, and whether they may.
//!
//! One step, and one that boxes nothing of its own, since each layer of a router costs a good part of what
//! answering a small read does.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use tower::layer::layer_fn;
use tower::{Service, service_fn};
use tracing::{Instrument, Span};

use super::access::Access;
use super::counts::{Place, RequestCounts};
use super::guard::Hosts;
use super::problem::{self, Problem};
use super::trace::Line;

/// What a listener asks of requests.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) counts: Arc<RequestCounts>,
    pub(super) hosts: Hosts,
    /// Who is let in; without it, everybody.
    pub(super) access: Option<Access>,
}

/// What takes a request behind the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    ByRoute,
    /// Nothing does, and so it needs no role: there is no such path, or no such method of it.
    ByNone,
}

/// A request between the gate and its answer.
#[derive(Debug)]
struct Visit {
    gate: Arc<Gate>,
    start: Instant,
    place: Place,
    line: Option<Line>,
}

impl Gate {
    /// Takes note of a request, and says whether it comes in.
    fn enter(self: Arc<Self>, request: &Request, taken: Taken) -> (Visit, Result<(), Problem>) {
        let start = Instant::now();
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map(MatchedPath::as_str);
        let entered = route.filter(|_| taken == Taken::ByRoute);
        let (token, admitted) = self.admit(entered, request);
        let visit = Visit {
            start,
            place: self.counts.place(route, request.method()),
            line: Line::of(route, request, token),
            gate: self,
        };
        (visit, admitted)
    }

    /// The name of the token that a request came with, if it did, and why it does not come in, if it does not.
    fn admit(
        &self,
        route: Option<&str>,
        request: &Request,
    ) -> (Option<Arc<str>>, Result<(), Problem>) {
        if let Some(refusal) = self.hosts.refusal(request) {
            return (None, Err(refusal));
        }
        let access = self.access.as_ref();
        access.map_or((None, Ok(())), |access| access.admit(route, request))
    }
}

impl Visit {
    /// Waits for the answer, or takes the refusal, and counts it.
    async fn end(
        self,
        answer: Result<impl Future<Output = Result<Response, Infallible>>, Problem>,
    ) -> Result<Response, Infallible> {
        let response = match answer {
            Ok(answer) => {
                let span = self.line.as_ref().map(Line::span);
                answer.instrument(span.unwrap_or_else(Span::none)).await?
            }
            Err(refusal) => refusal.into_response(),
        };
        let (status, took) = (response.status(), self.start.elapsed());
        self.gate.counts.add(self.place, status, took);
        if let Some(line) = self.line {
            line.answered(status, took);
        }
        Ok(response)
    }
}

/// Puts the gate before all that a router has.
pub(super) fn close<S: Clone + Send + Sync + 'static>(router: Router<S>, gate: Gate) -> Router<S> {
    let gate = Arc::new(gate);
    let (no_route, no_method) = (gate.clone(), gate.clone());
    let before = move |mut route: Route| {
        let gate = gate.clone();
        service_fn(move |request| {
            let (visit, admitted) = gate.clone().enter(&request, Taken::ByRoute);
            visit.end(admitted.map(|()| route.call(request)))
        })
    };
    router
        .route_layer(layer_fn(before))
        .fallback(move |request| turn_away(no_route.clone(), request, problem::no_such_route))
        .method_not_allowed_fallback(move |request| {
            turn_away(no_method.clone(), request, problem::no_such_method)
        })
}

/// Answers a request that no route takes.
async fn turn_away(
    gate: Arc<Gate>,
    request: Request,
    problem: fn(&Request) -> Problem,
) -> Result<Response, Infallible> {
    let (visit, admitted) = gate.enter(&request, Taken::ByNone);
    let answer = admitted.map(|()| ready(Ok(problem(&request).into_response())));
    visit.end(answer).await
}

//! What every request passes on its way, in one step: it is counted and logged, a browser's is refused, it is
//! said who asks, and whether they may.
//!
//! One step: each layer of a router, with its boxes, costs a good part of what answering a small read does.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Request;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Instrument, Span};

use super::access::{Access, Need};
use super::guard::Hosts;
use super::operation::Operation;
use super::problem::Problem;
use super::table::Table;
use super::trace::Line;
use crate::metrics::HttpMetrics;

/// What a listener asks of requests.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) metrics: HttpMetrics,
    pub(super) hosts: Hosts,
    /// Who is let in; without it, everybody.
    pub(super) access: Option<Access>,
}

/// What a listener answers, behind its gate. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Routes(Arc<Gated>);

#[derive(Debug)]
struct Gated {
    gate: Gate,
    table: Table,
}

/// A request between the gate and its answer. One whose client goes away before is not counted.
#[derive(Debug)]
struct Visit {
    routes: Routes,
    start: Instant,
    route: Option<String>,
    method: Method,
    line: Option<Box<Line>>,
}

impl Gate {
    /// The name of the token that a request came with, if it did, and why it does not come in, if it does not.
    fn admit(
        &self,
        need: Option<Need>,
        request: &Request,
    ) -> (Option<Arc<str>>, Result<(), Problem>) {
        if let Some(refusal) = self.hosts.refusal(request) {
            return (None, Err(refusal));
        }
        let access = self.access.as_ref();
        access.map_or((None, Ok(())), |access| access.admit(need, request))
    }
}

impl Routes {
    /// These operations behind a gate.
    pub(super) fn new(operations: impl IntoIterator<Item = Operation>, gate: Gate) -> Self {
        let table = Table::new(operations);
        Self(Arc::new(Gated { gate, table }))
    }

    /// Answers a request, or turns it away.
    pub(super) fn answer(&self, request: Request) -> impl Future<Output = Response> + Send + use<> {
        let start = Instant::now();
        let Gated { gate, table } = &*self.0;
        let target = table.find(&request);
        let (token, admitted) = gate.admit(target.need(), &request);
        let visit = Visit {
            routes: self.clone(),
            start,
            route: target.route().map(str::to_string),
            method: request.method().clone(),
            line: Line::of(target.route(), &request, token).map(Box::new),
        };
        let answer = match admitted {
            Ok(()) => target.answer(request),
            Err(problem) => ready(problem.into_response()).boxed(),
        };
        let span = visit.line.as_ref().map(|line| line.span());
        answer
            .instrument(span.unwrap_or_else(Span::none))
            .map(|answer| visit.end(answer))
    }
}

impl Visit {
    /// Counts the answer.
    fn end(self, response: Response) -> Response {
        let (status, took) = (response.status(), self.start.elapsed());
        let metrics = &self.routes.0.gate.metrics;
        metrics.answered(self.route.as_deref(), &self.method, status, took);
        if let Some(line) = self.line {
            line.answered(status, took);
        }
        response
    }
}

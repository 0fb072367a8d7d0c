//! Requests, counted by route, method and class of status.
//!
//! A route is its template and a method one of a list, so that no request makes another series. Where a
//! request counts is looked up once for each operation; counting is three additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::metrics::RequestNumbers;
use edge_cache_core::histogram::HistogramCounters;

#[cfg(test)]
mod tests;

/// The bounds of the times of requests, in nanoseconds: 50 µs to a minute.
const TIME_BOUNDS: &[u64] = &[
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    60_000_000_000,
];
/// The methods that routes take.
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];
const OTHER_METHOD: &str = "other";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What stands for a route where there is none.
const NO_ROUTE: &str = "none";

/// The requests to an agent.
#[derive(Debug)]
pub(super) struct RequestCounts {
    routes: Vec<RouteCounts>,
    /// Those that no route takes.
    no_route: RouteCounts,
}

#[derive(Debug)]
struct RouteCounts {
    template: String,
    methods: [MethodCounts; METHODS.len()],
    other: MethodCounts,
}

/// Where a request counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// None for those that no route takes.
    route: Option<usize>,
    /// None for methods that are not listed.
    method: Option<usize>,
}

/// Requests of one route by one method.
#[derive(Debug)]
struct MethodCounts {
    method: &'static str,
    classes: [AtomicU64; CLASSES.len()],
    times: HistogramCounters,
}

impl RequestCounts {
    /// None counted yet, for routes with these templates.
    pub(super) fn new(templates: impl IntoIterator<Item = String>) -> Self {
        Self {
            routes: templates.into_iter().map(RouteCounts::new).collect(),
            no_route: RouteCounts::new(NO_ROUTE.to_string()),
        }
    }

    /// Where a request counts.
    pub(super) fn place(&self, template: Option<&str>, method: &Method) -> Place {
        let route = template.and_then(|template| {
            let mut routes = self.routes.iter();
            routes.position(|route| route.template == template)
        });
        let method = METHODS.iter().position(|known| *known == method.as_str());
        Place { route, method }
    }

    /// Counts an answer.
    pub(super) fn add(&self, place: Place, status: StatusCode, took: Duration) {
        let route = place.route.and_then(|index| self.routes.get(index));
        let route = route.unwrap_or(&self.no_route);
        let method = place.method.and_then(|index| route.methods.get(index));
        method.unwrap_or(&route.other).add(status, took);
    }

    /// What was counted; pairs that never were are left out.
    pub(super) fn read(&self) -> Vec<RequestNumbers> {
        let routes = self.routes.iter().chain([&self.no_route]);
        let methods = routes.flat_map(|route| {
            let methods = route.methods.iter().chain([&route.other]);
            methods.map(|counts| counts.read(&route.template))
        });
        methods.filter(|of| !of.answers.is_empty()).collect()
    }
}

impl RouteCounts {
    fn new(template: String) -> Self {
        Self {
            template,
            methods: METHODS.map(MethodCounts::new),
            other: MethodCounts::new(OTHER_METHOD),
        }
    }
}

impl MethodCounts {
    fn new(method: &'static str) -> Self {
        Self {
            method,
            classes: Default::default(),
            times: HistogramCounters::new(TIME_BOUNDS),
        }
    }

    fn add(&self, status: StatusCode, took: Duration) {
        let class = usize::from(status.as_u16() / 100).checked_sub(1);
        if let Some(count) = class.and_then(|index| self.classes.get(index)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.times.add_time(took);
    }

    fn read(&self, template: &str) -> RequestNumbers {
        let counts = self
            .classes
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let answers = CLASSES.into_iter().zip(counts);
        RequestNumbers {
            route: template.to_string(),
            method: self.method,
            answers: answers.filter(|(_, count)| *count > 0).collect(),
            times: self.times.read(),
        }
    }
}

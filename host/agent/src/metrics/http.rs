//! The HTTP API.

use std::fmt;

use super::sheet::{Sheet, family};
use edge_cache_host::Histogram;

/// What the HTTP API has counted.
#[derive(Debug)]
pub(crate) struct HttpNumbers {
    pub(crate) requests: Vec<RequestNumbers>,
    pub(crate) connections: Vec<ConnectionNumbers>,
    /// Those that follow the events.
    pub(crate) subscribers: usize,
}

/// Requests of one route by one method.
#[derive(Debug)]
pub(crate) struct RequestNumbers {
    /// The route as a template; `none` where there was none.
    pub(crate) route: String,
    /// The method; `other` for those that no route takes.
    pub(crate) method: &'static str,
    /// Answers by the class of their status, such as `2xx`.
    pub(crate) answers: Vec<(&'static str, u64)>,
    /// The times until the answers began, in nanoseconds.
    pub(crate) times: Histogram,
}

/// Connections of one listener.
#[derive(Debug)]
pub(crate) struct ConnectionNumbers {
    pub(crate) listener: &'static str,
    pub(crate) open: u64,
    pub(crate) accepted: u64,
    /// Those that made room for another.
    pub(crate) evicted: u64,
    /// Those that did not come to speak TLS.
    pub(crate) refused: u64,
}

pub(super) fn write(sheet: &mut Sheet<'_>, numbers: &HttpNumbers) -> fmt::Result {
    let requests = numbers.requests.iter();
    let answers = requests.clone().flat_map(|of| {
        let by_class = of.answers.iter();
        by_class.map(|(class, count)| {
            let labels = [
                ("route", of.route.as_str()),
                ("method", of.method),
                ("status", *class),
            ];
            (labels, *count)
        })
    });
    sheet.counters(
        family(
            "http_requests",
            "Requests that were answered, by route, method and class of status.",
        ),
        answers,
    )?;
    let times = family(
        "http_request_duration",
        "The times until an answer began, by route and method.",
    );
    sheet.histograms(
        times.seconds(),
        requests.map(|of| {
            let labels = [("route", of.route.as_str()), ("method", of.method)];
            (labels, &of.times)
        }),
    )?;
    write_connections(sheet, &numbers.connections)?;
    let subscribers = family("event_subscribers", "Clients that follow the events.");
    sheet.gauge(subscribers, numbers.subscribers)
}

fn write_connections(sheet: &mut Sheet<'_>, connections: &[ConnectionNumbers]) -> fmt::Result {
    let rows = |number: fn(&ConnectionNumbers) -> u64| {
        let all = connections.iter();
        all.map(move |of| ([("listener", of.listener)], number(of)))
    };
    let open = family("http_connections", "Open connections, by listener.");
    sheet.gauges(open, rows(|of| of.open))?;
    let accepted = family("http_connections_accepted", "Connections that came.");
    sheet.counters(accepted, rows(|of| of.accepted))?;
    let evicted = family(
        "http_connections_evicted",
        "Connections that were closed to make room for another.",
    );
    sheet.counters(evicted, rows(|of| of.evicted))?;
    let refused = family(
        "http_connections_refused",
        "Connections that were closed because they did not come to speak TLS.",
    );
    sheet.counters(refused, rows(|of| of.refused))
}

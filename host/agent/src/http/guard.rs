//! Refuses requests that a browser was tricked into making.
//!
//! On loopback any page in a browser on the machine could reach the API, which may need no token. A page's request
//! carries an `Origin`, or, where the page's own name resolves to loopback, a `Host` that is not local. Beyond
//! loopback an agent has many names, and every request carries a token, which no browser adds.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use edge_cache_api::ProblemType;

#[cfg(test)]
mod tests;

/// The names of the agent that a request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Names and addresses of loopback.
    Local,
    /// Any name.
    Any,
}

/// Answers 403 to a request that may come from a browser.
pub(super) async fn check_origin(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    match hosts.refusal(&request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

impl Hosts {
    fn refusal(self, request: &Request) -> Option<Problem> {
        let headers = request.headers().iter();
        // A target in absolute form names the host once more, and is the one that counts (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(Authority::as_str);
        let mut is_here = self == Self::Any || target.is_none_or(is_local);
        for (name, value) in headers {
            if name == ORIGIN {
                return Some(refused(
                    "requests with an `Origin` header are refused: the API is not for browsers",
                ));
            }
            if name == HOST && self == Self::Local {
                is_here = is_here && value.to_str().is_ok_and(is_local);
            }
        }
        (!is_here).then(|| {
            refused("the header `Host` must name this machine: localhost, or a loopback address")
        })
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(ProblemType::NotLocal, detail)
}

fn is_local(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let is_local = name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_local && port.bytes().all(|byte| byte.is_ascii_digit())
}

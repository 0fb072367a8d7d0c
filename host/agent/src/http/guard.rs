//! Refuses requests that a browser was tricked into making.
//!
//! On loopback any page in a browser on the machine could reach the API, which may need no token. A request of another
//! site's page has a `Sec-Fetch-Site` or an `Origin` that says so, or, where the page's own name resolves to loopback, a
//! `Host` that is not local. Beyond loopback an agent has many names, and every request carries a token, which no
//! browser adds. The agent's own page only reads, so that one that was tampered with changes nothing.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use edge_cache_api::ProblemType;

#[cfg(test)]
mod tests;

/// The header by which a browser says where a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names of the agent that a request may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Names and addresses of loopback.
    Local,
    /// Any name.
    Any,
}

/// The rules for requests to a listener.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    hosts: Hosts,
    /// The scheme of the listener's own page; none where it has no page.
    scheme: Option<&'static str>,
}

/// Answers 403 to a request that may come from a page of another site.
pub(super) async fn check_origin(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Response {
    match guard.refusal(&request) {
        Some(detail) => Problem::new(ProblemType::NotLocal, detail).into_response(),
        None => next.run(request).await,
    }
}

impl Guard {
    /// The rules for a listener with the page, under these names, with TLS or without.
    #[must_use]
    pub fn with_page(hosts: Hosts, is_tls: bool) -> Self {
        let scheme = Some(if is_tls { "https://" } else { "http://" });
        Self { hosts, scheme }
    }

    /// The rules for a listener that no browser asks.
    pub(super) fn without_page(hosts: Hosts) -> Self {
        let scheme = None;
        Self { hosts, scheme }
    }

    fn refusal(self, request: &Request) -> Option<&'static str> {
        let headers = request.headers();
        // A target in absolute form names the host once more, and is the one that counts (RFC 9112, 3.2.2).
        let target = request.uri().authority().map(Authority::as_str);
        let named = headers.get_all(HOST).iter();
        let named = named.map(|name| name.to_str().unwrap_or_default());
        let names: Vec<&str> = named.chain(target).collect();
        if self.hosts == Hosts::Local && !names.iter().all(|name| is_local(name)) {
            return Some(
                "the header `Host` must name this machine: localhost, or a loopback address",
            );
        }
        let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
        if !sites.all(|site| site == "same-origin" || site == "none") {
            return Some(
                "requests from pages of other sites are refused: `Sec-Fetch-Site` must be `same-origin` or `none`; \
                 open the address itself instead of following a link",
            );
        }
        let has_origin = headers.contains_key(ORIGIN);
        if has_origin && !self.is_own_origin(headers, &names) {
            return Some(
                "requests with an `Origin` are refused, except those of the agent's own page",
            );
        }
        let is_browser = has_origin || headers.contains_key(SEC_FETCH_SITE);
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        (is_browser && !is_read).then_some(
            "requests of browsers, which have an `Origin` or `Sec-Fetch-Site`, may only read: the page changes nothing",
        )
    }

    /// Returns whether the only `Origin` is the scheme of this listener with the name by which the request calls it.
    fn is_own_origin(self, headers: &HeaderMap, names: &[&str]) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter().map(HeaderValue::to_str);
        let (Some(Ok(origin)), None) = (origins.next(), origins.next()) else {
            return false;
        };
        let host = self
            .scheme
            .and_then(|scheme| origin.strip_prefix(scheme))
            .unwrap_or_default();
        let is_host = |name: &&str| name.eq_ignore_ascii_case(host);
        !host.is_empty() && !names.is_empty() && names.iter().all(is_host)
    }
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

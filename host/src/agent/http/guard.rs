//! Requests that a browser was tricked into making.
//!
//! The API listens on loopback without tokens, so any page in a browser on the machine could reach it. A
//! page's request carries an `Origin`, or, where the page's own name was pointed at loopback, a `Host` that
//! is not local.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::kinds;
use super::problem::Problem;

#[cfg(test)]
mod tests;

pub(super) async fn refuse_browsers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(ORIGIN) {
        return refused(
            "requests with an `Origin` header are refused: the API is not for browsers",
        );
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    // A target in absolute form names the host once more, and is the one that counts (RFC 9112, 3.2.2).
    let target = request.uri().authority().map(Authority::as_str);
    if !hosts.all(|host| host.to_str().is_ok_and(is_local)) || !target.is_none_or(is_local) {
        return refused(
            "the header `Host` must name this machine: localhost, or a loopback address",
        );
    }
    next.run(request).await
}

fn refused(detail: &'static str) -> Response {
    Problem::new(&kinds::NOT_LOCAL, detail).into_response()
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

//! What each route needs.
//!
//! The whole table is here, so that it can be read at one go. A route that is not in it needs `admin`: a new
//! one is closed until somebody has thought about it.

use axum::http::Method;

use super::Role;

/// What a request must bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Need {
    /// Nothing: whoever watches over agents has no token.
    Nothing,
    /// A token that reaches this role.
    Role(Role),
}

const READ: Need = Need::Role(Role::Read);
const WRITE: Need = Need::Role(Role::Write);
const ADMIN: Need = Need::Role(Role::Admin);

/// Each route with its methods. `GET` stands for `HEAD` too.
pub(super) const NEEDS: &[(&str, &[(Method, Need)])] = &[
    (
        "/api/v1/nodes/{id}/edge-cache",
        &[
            (Method::GET, READ),
            (Method::POST, WRITE),
            (Method::DELETE, WRITE),
        ],
    ),
    (
        "/api/v1/nodes/{id}/edge-cache/stats",
        &[(Method::GET, READ), (Method::POST, WRITE)],
    ),
    (
        "/api/v1/edge-cache/nodes",
        &[(Method::GET, READ), (Method::PUT, WRITE)],
    ),
    ("/api/v1/edge-cache/route", &[(Method::GET, READ)]),
    ("/api/v1/cluster/gossip/peers", &[(Method::GET, READ)]),
    ("/api/v1/cluster/members", &[(Method::GET, READ)]),
    ("/api/v1/events", &[(Method::GET, READ)]),
    (
        "/api/v1/plugin",
        &[(Method::GET, READ), (Method::PUT, ADMIN)],
    ),
    ("/api/v1/plugin/logs", &[(Method::GET, ADMIN)]),
    ("/api/v1/agent/leave", &[(Method::POST, ADMIN)]),
    ("/openapi.json", &[(Method::GET, READ)]),
    ("/metrics", &[(Method::GET, READ)]),
    ("/health/livez", &[(Method::GET, Need::Nothing)]),
    ("/health/readyz", &[(Method::GET, Need::Nothing)]),
];

/// What a request to a route needs.
pub(in super::super) fn need(route: &str, method: &Method) -> Need {
    // A route for GET takes HEAD too.
    let method = match *method {
        Method::HEAD => &Method::GET,
        ref other => other,
    };
    NEEDS
        .iter()
        .filter(|(listed, _)| *listed == route)
        .flat_map(|(_, methods)| methods.iter())
        .find(|(listed, _)| listed == method)
        .map_or(ADMIN, |(_, need)| *need)
}

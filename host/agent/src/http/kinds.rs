//! Every kind of problem, with what is stable about it.
//!
//! The documents and their description in OpenAPI are made of the same list.

use axum::http::StatusCode;

/// A kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) status: StatusCode,
    /// The document's `type`: a stable name, relative to the API.
    pub(super) path: &'static str,
    pub(super) title: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $status:ident, $path:literal, $title:literal;)*) => {
        $(pub(super) const $name: Kind = Kind {
            status: StatusCode::$status,
            path: concat!("/problems/", $path),
            title: $title,
        };)*
    };
}

kinds! {
    INVALID_NODE_ID: BAD_REQUEST, "invalid-node-id", "The node id is invalid";
    INVALID_QUERY: BAD_REQUEST, "invalid-query", "The query is invalid";
    MALFORMED_JSON: BAD_REQUEST, "malformed-json", "The body is not well-formed JSON";
    BODY_CUT_OFF: BAD_REQUEST, "body-cut-off", "The body is not whole";
    UNAUTHORIZED: UNAUTHORIZED, "unauthorized", "A token is needed";
    ROLE_TOO_LOW: FORBIDDEN, "forbidden", "The role does not reach";
    NOT_LOCAL: FORBIDDEN, "not-local", "The request may come from a browser";
    NODE_NOT_FOUND: NOT_FOUND, "node-not-found", "The node is not registered";
    NO_SUCH_ROUTE: NOT_FOUND, "no-such-route", "There is no such route";
    NO_SUCH_METHOD: METHOD_NOT_ALLOWED, "no-such-method", "The route does not take this method";
    BODY_TOO_SLOW: REQUEST_TIMEOUT, "body-too-slow", "The body came too slowly";
    REGISTRY_FULL: CONFLICT, "registry-full", "The registry is full";
    CHANGED_MEANWHILE: PRECONDITION_FAILED, "changed-meanwhile", "The nodes are not those of `If-Match`";
    BODY_TOO_LARGE: PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    NOT_WASM: UNSUPPORTED_MEDIA_TYPE, "not-wasm", "The body is not WebAssembly";
    NOT_JSON: UNSUPPORTED_MEDIA_TYPE, "not-json", "The body is not JSON";
    INVALID_BODY: UNPROCESSABLE_ENTITY, "invalid-body", "The body does not say what it must";
    LABELS_REFUSED: UNPROCESSABLE_ENTITY, "labels-refused", "The labels are refused";
    PLUGIN_REFUSED: UNPROCESSABLE_ENTITY, "plugin-refused", "The component does not take over";
    INVALID_CAPACITY: UNPROCESSABLE_ENTITY, "invalid-capacity", "The capacity is invalid";
    BUSY: SERVICE_UNAVAILABLE, "busy", "The registry is busy";
    PLUGIN_FAILED: SERVICE_UNAVAILABLE, "plugin-failed", "The component failed";
    STORE_FAILED: SERVICE_UNAVAILABLE, "store-failed", "The store failed";
    SHUTTING_DOWN: SERVICE_UNAVAILABLE, "shutting-down", "The agent is stopping";
    NOT_MET: SERVICE_UNAVAILABLE, "not-met", "The agent has not met the others yet";
    TOO_MANY_SUBSCRIBERS: SERVICE_UNAVAILABLE, "too-many-subscribers", "Too many follow the events";
}

impl Kind {
    /// Whether the same request may well be taken a moment later.
    pub(super) fn passes(&self) -> bool {
        [&BUSY, &NOT_MET, &TOO_MANY_SUBSCRIBERS].contains(&self)
    }
}

//! The problems with which operations may answer, for their description.

use std::collections::BTreeMap;

use axum::http::header::RETRY_AFTER;
use utoipa::openapi::{
    AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Type,
};

use super::limits::HEADERS_BYTES_MAX;
use edge_cache_api::ProblemType::{self, *};
use edge_cache_api::headers::PROBLEM_JSON;

/// Problems of one cause.
pub(super) type Cause = &'static [ProblemType];

const REQUEST: Cause = &[InvalidQuery, Unauthorized, Forbidden, NotLocal, Internal];
pub(super) const NODE_ID: Cause = &[InvalidNodeId];
/// A node that is not registered, as far as the agent has heard.
pub(super) const UNKNOWN_NODE: Cause = &[NodeNotFound, NotMet];
/// The problem of an agent that has not met the others yet.
pub(super) const MEETING: Cause = &[NotMet];
/// A snapshot that cannot be taken.
pub(super) const STORE: Cause = &[NoStore, Busy, StoreFailed];
/// A member that cannot be forgotten.
pub(super) const FORGET: Cause = &[NodeNotFound, MemberNotFailed];
/// Counters that belong to another agent.
pub(super) const COUNTERS: Cause = &[CountedElsewhere];
/// A source of counters.
pub(super) const SOURCE: Cause = &[InvalidSource, TooManySources];
/// A request with `?wait=` beyond their limit.
pub(super) const WAIT: Cause = &[TooManyWaits];
/// A subscriber beyond the limit.
pub(super) const SUBSCRIBER: Cause = &[TooManySubscribers, ShuttingDown];
/// A body that cannot be read.
pub(super) const BODY: Cause = &[
    EncodedBody,
    TooManyBodies,
    BodyCutOff,
    BodyTooSlow,
    BodyTooLarge,
];
pub(super) const JSON_BODY: Cause = &[MalformedJson, NotJson, InvalidBody];
/// A change that the plugin or the host refuses. A plugin may return any of its errors for any change.
pub(super) const CHANGE: Cause = &[
    RegistryFull,
    NoLaterTime,
    LabelsRefused,
    InvalidCapacity,
    Busy,
    PluginFailed,
    StoreFailed,
    NotMet,
    ShuttingDown,
];
/// A replacement of all nodes that comes too early or with an old `If-Match`.
pub(super) const REPLACEMENT: Cause = &[ChangedMeanwhile, NotMet, Busy];
pub(super) const SWAP: Cause = &[
    PluginRefused,
    PluginUnavailable,
    Busy,
    PluginFailed,
    ShuttingDown,
];
/// A plugin that is offered in a way that does not fit.
pub(super) const OFFER: Cause = &[NotWasm, MalformedJson, InvalidBody];
/// A declared plugin that cannot be read as another version.
pub(super) const DECLARED: Cause = &[NotDeclared];

/// Returns the responses of an operation with these causes, by status.
pub(super) fn responses(causes: &[Cause]) -> impl Iterator<Item = (String, RefOr<Response>)> {
    let mut by_status = BTreeMap::<u16, Vec<ProblemType>>::new();
    for &problem in [REQUEST].iter().chain(causes).copied().flatten() {
        by_status.entry(problem.status()).or_default().push(problem);
    }
    by_status
        .into_iter()
        .map(|(status, types)| (status.to_string(), response(&types)))
        .chain([("431".to_string(), head_too_large())])
        .map(|(status, response)| (status, RefOr::T(response)))
}

/// Returns the response that hyper gives before there is a request.
fn head_too_large() -> Response {
    let kib = HEADERS_BYTES_MAX / 1024;
    let said = format!("The head, with the URL, is larger than {kib} KiB; there is no body");
    ResponseBuilder::new().description(said).build()
}

fn response(types: &[ProblemType]) -> Response {
    let titles: Vec<_> = types.iter().map(|kind| kind.title()).collect();
    let paths = types.iter().map(|kind| kind.uri());
    let named = ObjectBuilder::new().property(
        "type",
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(paths)),
    );
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(named);
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description(titles.join("; "))
        .content(PROBLEM_JSON, content);
    if !types.iter().any(|kind| kind.is_temporary()) {
        return response.build();
    }
    let seconds = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
        .description(Some("Seconds, where it may well succeed a moment later."))
        .build();
    response.header(RETRY_AFTER.as_str(), seconds).build()
}

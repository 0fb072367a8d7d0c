//! Which problems a route may answer with, for its description.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::http::header::RETRY_AFTER;
use utoipa::IntoResponses;
use utoipa::openapi::{
    AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Type,
};

use super::kinds::{self, Kind};
use super::serve::HEADERS_BYTES_MAX;
use edge_cache_api::headers::PROBLEM_JSON;

/// Problems of one cause.
pub(super) trait Refusal {
    const KINDS: &'static [&'static Kind];
}

/// The answers of a route that refuses for these causes, and for those of every route.
#[derive(Debug)]
pub(super) struct Refusals<T>(PhantomData<T>);

/// What any request may meet before it reaches its route.
#[derive(Debug)]
pub(super) struct Anywhere;

/// A node id that is none.
#[derive(Debug)]
pub(super) struct WrongNodeId;

/// A query that is not what it must be.
#[derive(Debug)]
pub(super) struct WrongQuery;

/// A body that can't be read.
#[derive(Debug)]
pub(super) struct WrongBody;

/// A node that is not registered.
#[derive(Debug)]
pub(super) struct Unknown;

/// A change that the component or the host does not make. A component may answer any of its errors to any
/// change.
#[derive(Debug)]
pub(super) struct NotMade;

/// All nodes, replaced too early or on a wrong assumption.
#[derive(Debug)]
pub(super) struct NotReplaced;

/// A component that does not take over.
#[derive(Debug)]
pub(super) struct NotSwapped;

/// One subscriber more than there may be.
#[derive(Debug)]
pub(super) struct Crowded;

impl Refusal for Anywhere {
    const KINDS: &'static [&'static Kind] = &[
        &kinds::UNAUTHORIZED,
        &kinds::ROLE_TOO_LOW,
        &kinds::NOT_LOCAL,
    ];
}

impl Refusal for WrongNodeId {
    const KINDS: &'static [&'static Kind] = &[&kinds::INVALID_NODE_ID];
}

impl Refusal for WrongQuery {
    const KINDS: &'static [&'static Kind] = &[&kinds::INVALID_QUERY];
}

impl Refusal for WrongBody {
    const KINDS: &'static [&'static Kind] = &[
        &kinds::MALFORMED_JSON,
        &kinds::BODY_CUT_OFF,
        &kinds::BODY_TOO_SLOW,
        &kinds::BODY_TOO_LARGE,
        &kinds::NOT_JSON,
        &kinds::INVALID_BODY,
    ];
}

impl Refusal for Unknown {
    const KINDS: &'static [&'static Kind] = &[&kinds::NODE_NOT_FOUND];
}

impl Refusal for NotMade {
    const KINDS: &'static [&'static Kind] = &[
        &kinds::REGISTRY_FULL,
        &kinds::LABELS_REFUSED,
        &kinds::INVALID_CAPACITY,
        &kinds::BUSY,
        &kinds::PLUGIN_FAILED,
        &kinds::STORE_FAILED,
        &kinds::SHUTTING_DOWN,
    ];
}

impl Refusal for NotReplaced {
    const KINDS: &'static [&'static Kind] =
        &[&kinds::CHANGED_MEANWHILE, &kinds::NOT_MET, &kinds::BUSY];
}

impl Refusal for NotSwapped {
    const KINDS: &'static [&'static Kind] = &[
        &kinds::BODY_CUT_OFF,
        &kinds::BODY_TOO_SLOW,
        &kinds::BODY_TOO_LARGE,
        &kinds::NOT_WASM,
        &kinds::PLUGIN_REFUSED,
        &kinds::BUSY,
        &kinds::PLUGIN_FAILED,
        &kinds::SHUTTING_DOWN,
    ];
}

impl Refusal for Crowded {
    const KINDS: &'static [&'static Kind] = &[&kinds::TOO_MANY_SUBSCRIBERS, &kinds::SHUTTING_DOWN];
}

/// Several causes.
pub(super) trait Causes {
    fn kinds() -> Vec<&'static Kind>;
}

macro_rules! several {
    ($($cause:ident)*) => {
        impl<$($cause: Refusal),*> Causes for ($($cause,)*) {
            fn kinds() -> Vec<&'static Kind> {
                [Anywhere::KINDS, $($cause::KINDS),*].concat()
            }
        }
    };
}

several!();
several!(A);
several!(A B);
several!(A B C);
several!(A B C D);
several!(A B C D E);

impl<T: Causes> IntoResponses for Refusals<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status = BTreeMap::<u16, Vec<&Kind>>::new();
        for kind in T::kinds() {
            by_status.entry(kind.status()).or_default().push(kind);
        }
        by_status
            .into_iter()
            .map(|(status, kinds)| (status.to_string(), response(&kinds)))
            .chain([("431".to_string(), head_too_large())])
            .map(|(status, response)| (status, RefOr::T(response)))
            .collect()
    }
}

/// Said by hyper, before there is a request.
fn head_too_large() -> Response {
    let kib = HEADERS_BYTES_MAX / 1024;
    let said = format!("The head, with the URL, is larger than {kib} KiB; there is no body");
    ResponseBuilder::new().description(said).build()
}

fn response(kinds: &[&Kind]) -> Response {
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let paths = kinds.iter().map(|kind| kind.uri());
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
    if !kinds.iter().any(|kind| kind.is_temporary()) {
        return response.build();
    }
    let seconds = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
        .description(Some("Seconds, where it may well succeed a moment later."))
        .build();
    response.header(RETRY_AFTER.as_str(), seconds).build()
}

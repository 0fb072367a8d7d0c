//! The problems with which each operation may answer, for its description.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::http::header::RETRY_AFTER;
use utoipa::IntoResponses;
use utoipa::openapi::{
    AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Type,
};

use super::limits::HEADERS_BYTES_MAX;
use edge_cache_api::ProblemType;
use edge_cache_api::headers::PROBLEM_JSON;

/// Problems of one cause.
pub(super) trait Refusal {
    const TYPES: &'static [ProblemType];
}

/// The problem responses of an operation: those of every operation, and those of the causes `T`.
#[derive(Debug)]
pub(super) struct Problems<T>(PhantomData<T>);

/// The causes of every operation.
#[derive(Debug)]
pub(super) struct Anywhere;

/// An invalid node id.
#[derive(Debug)]
pub(super) struct WrongNodeId;

/// A request with `?wait=` beyond their limit.
#[derive(Debug)]
pub(super) struct TooManyWaits;

/// A body that cannot be read or is invalid.
#[derive(Debug)]
pub(super) struct WrongBody;

/// A node that is not registered.
#[derive(Debug)]
pub(super) struct Unknown;

/// A change that the plugin or the host refuses. A plugin may return any of its errors for any change.
#[derive(Debug)]
pub(super) struct NotMade;

/// A replacement of all nodes that comes too early or with an old `If-Match`.
#[derive(Debug)]
pub(super) struct NotReplaced;

/// A plugin that is refused.
#[derive(Debug)]
pub(super) struct NotSwapped;

/// A subscriber beyond the limit.
#[derive(Debug)]
pub(super) struct TooManySubscribers;

impl Refusal for Anywhere {
    const TYPES: &'static [ProblemType] = &[
        ProblemType::InvalidQuery,
        ProblemType::Unauthorized,
        ProblemType::Forbidden,
        ProblemType::NotLocal,
        ProblemType::Internal,
    ];
}

impl Refusal for WrongNodeId {
    const TYPES: &'static [ProblemType] = &[ProblemType::InvalidNodeId];
}

impl Refusal for TooManyWaits {
    const TYPES: &'static [ProblemType] = &[ProblemType::TooManyWaits];
}

impl Refusal for WrongBody {
    const TYPES: &'static [ProblemType] = &[
        ProblemType::MalformedJson,
        ProblemType::EncodedBody,
        ProblemType::TooManyBodies,
        ProblemType::BodyCutOff,
        ProblemType::BodyTooSlow,
        ProblemType::BodyTooLarge,
        ProblemType::NotJson,
        ProblemType::InvalidBody,
    ];
}

impl Refusal for Unknown {
    const TYPES: &'static [ProblemType] = &[ProblemType::NodeNotFound];
}

impl Refusal for NotMade {
    const TYPES: &'static [ProblemType] = &[
        ProblemType::RegistryFull,
        ProblemType::LabelsRefused,
        ProblemType::InvalidCapacity,
        ProblemType::Busy,
        ProblemType::PluginFailed,
        ProblemType::StoreFailed,
        ProblemType::ShuttingDown,
    ];
}

impl Refusal for NotReplaced {
    const TYPES: &'static [ProblemType] = &[
        ProblemType::ChangedMeanwhile,
        ProblemType::NotMet,
        ProblemType::Busy,
    ];
}

impl Refusal for NotSwapped {
    const TYPES: &'static [ProblemType] = &[
        ProblemType::EncodedBody,
        ProblemType::TooManyBodies,
        ProblemType::BodyCutOff,
        ProblemType::BodyTooSlow,
        ProblemType::BodyTooLarge,
        ProblemType::NotWasm,
        ProblemType::PluginRefused,
        ProblemType::Busy,
        ProblemType::PluginFailed,
        ProblemType::ShuttingDown,
    ];
}

impl Refusal for TooManySubscribers {
    const TYPES: &'static [ProblemType] =
        &[ProblemType::TooManySubscribers, ProblemType::ShuttingDown];
}

/// Several causes.
pub(super) trait Causes {
    fn types() -> Vec<ProblemType>;
}

macro_rules! several {
    ($($cause:ident)*) => {
        impl<$($cause: Refusal),*> Causes for ($($cause,)*) {
            fn types() -> Vec<ProblemType> {
                [Anywhere::TYPES, $($cause::TYPES),*].concat()
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

impl<T: Causes> IntoResponses for Problems<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status = BTreeMap::<u16, Vec<ProblemType>>::new();
        for kind in T::types() {
            by_status.entry(kind.status()).or_default().push(kind);
        }
        by_status
            .into_iter()
            .map(|(status, types)| (status.to_string(), response(&types)))
            .chain([("431".to_string(), head_too_large())])
            .map(|(status, response)| (status, RefOr::T(response)))
            .collect()
    }
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

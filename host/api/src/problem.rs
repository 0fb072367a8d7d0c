//! Problem documents (RFC 9457), the body of every error, and the list of all types of problems.

use serde::{Deserialize, Serialize};

/// A problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The stable name of the type of problem, relative to the API.
    #[serde(rename = "type")]
    pub uri: String,
    /// The type of problem in words.
    pub title: String,
    /// The status of the response.
    #[cfg_attr(feature = "openapi", schema(minimum = 400, maximum = 599))]
    pub status: u16,
    /// The cause, and what would be right.
    pub detail: String,
    /// The text of `detail`, for the clients of ZLayer.
    #[serde(default)]
    pub error: String,
}

impl Problem {
    /// Creates the document of a type of problem.
    pub fn new(problem_type: ProblemType, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            uri: problem_type.uri().to_string(),
            title: problem_type.title().to_string(),
            status: problem_type.status(),
            error: detail.clone(),
            detail,
        }
    }

    /// Returns the type of problem; `None` for one that this version does not know.
    #[must_use]
    pub fn problem_type(&self) -> Option<ProblemType> {
        ProblemType::from_uri(&self.uri)
    }
}

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])* $name:ident: $status:literal, $path:literal, $title:literal;)*) => {
        /// A type of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ProblemType {
            $($(#[doc = $doc])* $name,)*
        }

        impl ProblemType {
            /// All types.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }

            /// Returns the stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $path,)*
                }
            }

            /// Returns the document's `type`: the name, relative to the API.
            #[must_use]
            pub const fn uri(self) -> &'static str {
                match self {
                    $(Self::$name => concat!("/problems/", $path),)*
                }
            }

            /// Returns the document's `title`.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }
        }
    };
}

problem_types! {
    /// The id of a node in the path is invalid.
    InvalidNodeId: 400, "invalid-node-id", "The node id is invalid";
    /// The name of a source of counters in the path is invalid.
    InvalidSource: 400, "invalid-source", "The name of the source is invalid";
    /// The query is invalid.
    InvalidQuery: 400, "invalid-query", "The query is invalid";
    /// The body is not JSON.
    MalformedJson: 400, "malformed-json", "The body is not well-formed JSON";
    /// The body ended early.
    BodyCutOff: 400, "body-cut-off", "The body is incomplete";
    /// The request has no valid token.
    Unauthorized: 401, "unauthorized", "A token is needed";
    /// The role of the token does not allow the operation.
    Forbidden: 403, "forbidden", "The role does not allow this";
    /// The request may have been made by a web page.
    NotLocal: 403, "not-local", "The request may come from a browser";
    /// The node is not registered.
    NodeNotFound: 404, "node-not-found", "The node is not registered";
    /// The path is none of the API's.
    NoSuchRoute: 404, "no-such-route", "There is no such route";
    /// The path does not support the method.
    NoSuchMethod: 405, "no-such-method", "The route does not support this method";
    /// The body arrived too slowly.
    BodyTooSlow: 408, "body-too-slow", "The body arrived too slowly";
    /// The registry holds as many nodes as its limit allows.
    RegistryFull: 409, "registry-full", "The registry is full";
    /// The decision that stands has the last timestamp.
    NoLaterTime: 409, "no-later-time", "No later decision is possible";
    /// The node's own agent counts for it.
    CountedElsewhere: 409, "counted-elsewhere", "The node's own agent counts for it";
    /// Sources have put counters, as many as their limit allows.
    TooManySources: 409, "too-many-sources", "Too many sources have put counters";
    /// The member has not failed, and cannot be forgotten.
    MemberNotFailed: 409, "member-not-failed", "The member has not failed";
    /// The state of the agent is in memory only.
    NoStore: 409, "no-store", "The agent has no store";
    /// The settings pin another digest of the plugin, or declare no tag.
    NotDeclared: 409, "not-declared", "The settings do not declare this plugin";
    /// The list of nodes is not the one that `If-Match` names.
    ChangedMeanwhile: 412, "changed-meanwhile", "The nodes are not those of `If-Match`";
    /// The body is larger than its limit.
    BodyTooLarge: 413, "body-too-large", "The body is too large";
    /// The media type of the body is none with which a plugin may be sent.
    NotWasm: 415, "not-wasm", "The body is no plugin";
    /// The body has a content encoding.
    EncodedBody: 415, "encoded-body", "The body is compressed";
    /// The media type of the body is not that of JSON.
    NotJson: 415, "not-json", "The body is not JSON";
    /// The body is JSON, with missing, unknown or wrong fields.
    InvalidBody: 422, "invalid-body", "The body is invalid";
    /// The labels that follow from the change were refused.
    LabelsRefused: 422, "labels-refused", "The labels are refused";
    /// The uploaded plugin was not taken into use.
    PluginRefused: 422, "plugin-refused", "The plugin is refused";
    /// The capacity is out of bounds.
    InvalidCapacity: 422, "invalid-capacity", "The capacity is invalid";
    /// The agent failed; its log says how.
    Internal: 500, "internal", "The agent failed";
    /// The plugin could not be had from its source.
    PluginUnavailable: 502, "plugin-unavailable", "The plugin cannot be had from its source";
    /// The registry has too much to do.
    Busy: 503, "busy", "The registry is busy";
    /// The plugin failed or is not running.
    PluginFailed: 503, "plugin-failed", "The plugin failed";
    /// The change could not be stored.
    StoreFailed: 503, "store-failed", "The store failed";
    /// The agent is stopping.
    ShuttingDown: 503, "shutting-down", "The agent is stopping";
    /// The agent has not heard from its peers yet.
    NotMet: 503, "not-met", "The agent has not heard from its peers yet";
    /// As many requests wait for labels as their limit allows.
    TooManyWaits: 503, "too-many-waits", "Too many requests wait for labels";
    /// The bodies in memory have as many bytes as their limit allows.
    TooManyBodies: 503, "too-many-bodies", "The memory for bodies is used up";
    /// The event stream has as many subscribers as its limit allows.
    TooManySubscribers: 503, "too-many-subscribers", "Too many subscribers follow the events";
}

impl ProblemType {
    /// Returns the type with this `type`; `None` where this version knows none.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.uri() == uri)
    }

    /// Returns whether the same request may succeed a moment later. Such a response has `Retry-After`.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::NotMet
                | Self::TooManyWaits
                | Self::TooManyBodies
                | Self::TooManySubscribers
        )
    }
}

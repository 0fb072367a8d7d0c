//! Names of headers and media types, in lower case.

/// Names the last event that a client of the event stream has seen.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// The media type of JSON bodies.
pub const JSON: &str = "application/json";
/// The media type of problem documents (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// The media type of the event stream.
pub const EVENT_STREAM: &str = "text/event-stream";
/// The media type of snapshots.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The media type of a plugin.
pub const WASM: &str = "application/wasm";
/// The media type of a form with a plugin and its proof.
pub const FORM: &str = "multipart/form-data";

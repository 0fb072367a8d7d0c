//! The header `x-request-id`: a client's own where it fits, else a random one.

use tower_http::request_id::MakeRequestUuid;

/// The longest request id of a client, in bytes.
const ID_BYTES_MAX: usize = 64;
/// The header.
const X_REQUEST_ID: &str = "x-request-id";
/// The id in a log line where there is none.
pub(super) const UNKNOWN: &str = "unknown";

/// Makes the ids of requests that have none.
pub(super) type MakeId = MakeRequestUuid;

/// Removes an id that is not 1 to 64 letters, digits, dots, dashes and underscores, so that the agent makes one.
pub(super) fn keep_fit_id<B>(mut request: axum::http::Request<B>) -> axum::http::Request<B> {
    let headers = request.headers_mut();
    let mut ids = headers.get_all(X_REQUEST_ID).iter();
    let is_fit = |id: &[u8]| {
        (1..=ID_BYTES_MAX).contains(&id.len())
            && id
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
    };
    let fit = ids.next().is_none_or(|id| is_fit(id.as_bytes())) && ids.next().is_none();
    if !fit {
        headers.remove(X_REQUEST_ID);
    }
    request
}

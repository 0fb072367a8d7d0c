//! Reading a body within its bounds of size and time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt;

use super::problem::Problem;

/// The largest body of a request, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read all the same, so that the client, which writes before it
/// reads, gets the answer and not a broken connection. Nothing of it is kept.
pub const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The whole body.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(BODY_TIMEOUT, collect(body))
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "/problems/body-too-slow",
                "The body came too slowly",
                format!("a body must arrive within {} s", BODY_TIMEOUT.as_secs()),
            ))
        })
}

async fn collect(mut body: Body) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "/problems/body-cut-off",
                "The body is not whole",
                "the connection ended within the body, or its encoding is wrong",
            ));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen > DISCARDED_BYTES_MAX {
            break;
        }
        if seen <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        }
    }
    if seen <= BODY_BYTES_MAX {
        return Ok(bytes);
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "/problems/body-too-large",
        "The body is too large",
        format!("a body may have {BODY_BYTES_MAX} bytes"),
    ))
}

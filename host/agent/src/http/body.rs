//! Reading a body within its bounds of size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use http_body_util::BodyExt;

use super::kinds;
use super::problem::Problem;

/// How long a client may take to send a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body.
pub(super) async fn read(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    tokio::time::timeout(BODY_TIMEOUT, collect(body, bytes_max))
        .await
        .unwrap_or_else(|_| {
            Err(Problem::new(
                &kinds::BODY_TOO_SLOW,
                format!("a body must arrive within {} s", BODY_TIMEOUT.as_secs()),
            ))
        })
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        Problem::new(
            &kinds::BODY_TOO_LARGE,
            format!("a body may have {bytes_max} bytes"),
        )
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Problem::new(
                &kinds::BODY_CUT_OFF,
                "the connection ended within the body, or its encoding is wrong",
            ));
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > bytes_max.saturating_sub(bytes.len()) {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

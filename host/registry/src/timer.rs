//! Waiting for an optional point in time.

use tokio::time::{self, Instant};

/// Waits until a point in time; for ever if there is none.
pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

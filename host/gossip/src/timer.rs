//! Waiting for a time that may never come.

use tokio::time::{self, Instant};

/// Ends at a time, or never.
pub(crate) async fn until(time: Option<Instant>) {
    match time {
        Some(time) => time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

//! Waiting for a condition with a deadline: the only place in the tests that lets time pass.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// Interval between two checks of a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` finds what is waited for, and answers it.
///
/// # Panics
///
/// With what was seen last, where that takes longer than `within`.
#[allow(
    clippy::panic,
    reason = "a condition that does not come is the test's failure"
)]
pub async fn until<T, S: Debug, F: Future<Output = Result<T, S>>>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > within => {
                panic!("{what} did not come within {within:?}; seen last: {seen:?}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

//! Reads request bodies within limits of size, speed and memory.
//!
//! The memory of all bodies together is a budget in bytes that all requests share. Small bodies have a budget of
//! their own, so that large ones cannot use it up.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout_at};

use super::limits::{
    BODY_BYTES_MAX, BODY_BYTES_PER_SECOND_MIN, BODY_GRACE, LARGE_BODIES_BYTES_MAX,
    SMALL_BODIES_BYTES_MAX,
};
use super::problem::Problem;
use edge_cache_api::ProblemType;

#[cfg(test)]
mod tests;

/// The memory for bodies that all requests share. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct BodyBudget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A whole body. Its memory goes back to the budget with it.
#[derive(Debug)]
pub(super) struct ReadBody {
    pub(super) bytes: Vec<u8>,
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

impl BodyBudget {
    /// Creates the budget of an agent whose plugins have at most `plugin_bytes_max` bytes.
    pub(super) fn new(plugin_bytes_max: usize) -> Self {
        // A form is held twice while its parts are taken out of it.
        let plugins = plugin_bytes_max.saturating_mul(2);
        let large = LARGE_BODIES_BYTES_MAX.saturating_add(plugins);
        Self {
            small: Arc::new(Semaphore::new(SMALL_BODIES_BYTES_MAX)),
            large: Arc::new(Semaphore::new(large.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Reads a whole body of at most `bytes_max` bytes, or returns the problem with it.
    pub(super) async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
        bytes_max: usize,
    ) -> Result<ReadBody, Problem> {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        if encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(Problem::new(
                ProblemType::EncodedBody,
                "the body must be sent as it is, without the header `content-encoding`",
            ));
        }
        // At least as many as `content-length` announces.
        if body.size_hint().lower() > bytes_max as u64 {
            return Err(too_large(bytes_max));
        }
        let budget = if bytes_max > BODY_BYTES_MAX {
            &self.large
        } else {
            &self.small
        };
        collect(body, bytes_max, budget).await
    }

    /// Takes memory for a copy of a large body, while its parts are taken out of it.
    pub(super) fn copy(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        acquire(&self.large, bytes)
    }
}

async fn collect(
    mut body: Body,
    bytes_max: usize,
    budget: &Arc<Semaphore>,
) -> Result<ReadBody, Problem> {
    let mut deadline = after(Instant::now(), BODY_GRACE);
    let mut read = ReadBody {
        bytes: Vec::new(),
        memory: None,
    };
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                let detail = format!(
                    "a body must bring {BODY_BYTES_PER_SECOND_MIN} bytes a second, and may be {} s behind",
                    BODY_GRACE.as_secs()
                );
                return Err(Problem::new(ProblemType::BodyTooSlow, detail));
            }
            Ok(None) => return Ok(read),
            Ok(Some(frame)) => frame.map_err(|_| {
                Problem::new(
                    ProblemType::BodyCutOff,
                    "the connection ended within the body, or its encoding is wrong",
                )
            })?,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > bytes_max.saturating_sub(read.bytes.len()) {
            return Err(too_large(bytes_max));
        }
        let memory = acquire(budget, data.len())?;
        match &mut read.memory {
            Some(held) => held.merge(memory),
            none => *none = Some(memory),
        }
        read.bytes.extend_from_slice(&data);
        deadline = extended(deadline, Instant::now(), data.len());
    }
}

fn acquire(budget: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let permits = u32::try_from(bytes).ok();
    let memory = permits.and_then(|permits| budget.clone().try_acquire_many_owned(permits).ok());
    memory.ok_or_else(|| {
        Problem::new(
            ProblemType::TooManyBodies,
            "the memory for bodies is used up by other requests: try again later",
        )
    })
}

/// Returns the deadline after a part of `bytes` bytes came `now`: each part extends it by the time that it may take at
/// [`BODY_BYTES_PER_SECOND_MIN`], to at most [`BODY_GRACE`] from now, so that no client can send ahead and then stop.
fn extended(deadline: Instant, now: Instant, bytes: usize) -> Instant {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let earned = Duration::from_secs(bytes.into()).div_f64(BODY_BYTES_PER_SECOND_MIN.into());
    after(deadline, earned).min(after(now, BODY_GRACE))
}

/// Returns a later instant; the same one where the clock cannot hold it.
fn after(instant: Instant, time: Duration) -> Instant {
    instant.checked_add(time).unwrap_or(instant)
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        ProblemType::BodyTooLarge,
        format!("a body may have {bytes_max} bytes"),
    )
}

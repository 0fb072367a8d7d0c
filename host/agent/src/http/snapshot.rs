//! Handler that takes a snapshot of the store.

use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::problem::Problem;
use super::state::AppState;
use crate::VERSION;
use edge_cache_api::ProblemType;
use edge_cache_api::headers::TEXT;
use edge_cache_core::{ms_of, text};
use edge_cache_host::{SnapshotOrigin, SnapshotPlugin};

/// A snapshot in memory, and the permit for it.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Copies the store as it is at this moment: registry, decisions, counters, labels and known members. Changes go on
/// meanwhile. The answer is what `snapshot restore` reads, with length and SHA-256 in its first line. One snapshot is
/// taken and sent at a time.
#[utoipa::path(
    get,
    path = "/api/v1/snapshot",
    tag = "agent",
    responses(
        (status = 200, description = "The snapshot.", body = String, content_type = "text/plain; charset=utf-8")
    )
)]
pub(super) async fn take_snapshot(State(state): State<AppState>) -> Result<Response, Problem> {
    let Some(store) = state.about.store.clone() else {
        return Err(Problem::new(
            ProblemType::NoStore,
            "the state of this agent is in memory only: set `data_dir`",
        ));
    };
    let permit = state.snapshots.clone().try_acquire_owned();
    let permit = permit.map_err(|_| {
        let detail = "another snapshot is being taken or sent: try again later";
        Problem::new(ProblemType::Busy, detail)
    })?;
    let origin = origin(&state);
    // The task goes on where the client goes away, and so has the permit.
    let taken = spawn_blocking(move || (store.snapshot(&origin), permit)).await;
    let (bytes, permit) = match taken {
        Ok((Ok(bytes), permit)) => (bytes, permit),
        Ok((Err(error), _)) => {
            let error = text::error_chain(&error);
            return Err(Problem::new(ProblemType::StoreFailed, error));
        }
        Err(_) => {
            let detail = "the task that takes the snapshot ended: see the log";
            return Err(Problem::new(ProblemType::Internal, detail));
        }
    };
    tracing::info!(bytes = bytes.len(), "a snapshot was taken");
    let held = Held {
        bytes,
        _permit: permit,
    };
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from(Bytes::from_owner(held))).into_response())
}

fn origin(state: &AppState) -> SnapshotOrigin {
    let plugin = state.registry.plugin();
    let running = &state.plugins.plugins().running;
    SnapshotOrigin {
        taken_at_ms: ms_of(SystemTime::now()),
        version: VERSION.to_string(),
        plugin: SnapshotPlugin {
            source: running.origin.source.clone(),
            sha256: hex::encode(plugin.sha256()),
            policy: plugin.policy(),
        },
    }
}

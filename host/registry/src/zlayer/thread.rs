//! The thread that runs the plugin for all registries.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::kept::{Kept, Request};
use crate::writer::loading::lock;
use edge_cache_core::EdgeCacheError;
use edge_cache_sandbox::{Plugin, PluginConfig};

/// The number of changes of all registries that wait for the thread. A caller waits for room.
const QUEUE: usize = 1_024;
/// The longest call into the plugin. It is the reference, which takes some microseconds: only a machine that stands
/// still comes near, and a native registry would not fail on it.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Interval between two attempts to load the plugin: an attempt takes as long as compiling, and changes wait for it.
const LOADED_EVERY: Duration = Duration::from_secs(10);

/// A change of one registry, on its way to the thread.
struct Job {
    kept: Arc<Kept>,
    request: Request,
    reply: oneshot::Sender<Result<(), EdgeCacheError>>,
}

/// Starts the thread, unless it runs. It loads the plugin at once, so that the first change need not wait for it.
pub(super) fn start() -> io::Result<()> {
    jobs().map(drop)
}

/// Makes a change on the thread. Once it is queued, it is made even if nobody waits for it.
pub(super) async fn run(kept: Arc<Kept>, request: Request) -> Result<(), EdgeCacheError> {
    let failed = |error: io::Error| {
        EdgeCacheError::PluginFailed(format!("its thread cannot be started: {error}"))
    };
    let (reply, answer) = oneshot::channel();
    let job = Job {
        kept,
        request,
        reply,
    };
    let ended = || EdgeCacheError::PluginFailed("its thread has ended".to_string());
    let jobs = jobs().map_err(failed)?;
    jobs.send(job).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}

/// Returns the queue of the thread, which is started unless it runs.
fn jobs() -> io::Result<mpsc::Sender<Job>> {
    static JOBS: Mutex<Option<mpsc::Sender<Job>>> = Mutex::new(None);
    let mut jobs = lock(&JOBS);
    if let Some(jobs) = jobs.as_ref().filter(|jobs| !jobs.is_closed()) {
        return Ok(jobs.clone());
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    thread::Builder::new()
        .name("edge-zlayer".into())
        .spawn(move || serve(receiver))?;
    Ok(jobs.insert(sender).clone())
}

fn serve(mut jobs: mpsc::Receiver<Job>) {
    let mut plugin = load();
    let mut tried = Instant::now();
    while let Some(job) = jobs.blocking_recv() {
        if plugin.is_err() && tried.elapsed() >= LOADED_EVERY {
            // The machine may have what it lacked.
            plugin = load();
            tried = Instant::now();
        }
        let result = match &plugin {
            Ok(plugin) => job.kept.change(plugin, &job.request),
            Err(error) => Err(error.clone()),
        };
        // The caller may have gone away; the change stays.
        let _ = job.reply.send(result);
    }
}

/// Loads the reference plugin.
fn load() -> Result<Plugin, EdgeCacheError> {
    let bytes = edge_cache_reference::PLUGIN.ok_or_else(|| {
        EdgeCacheError::PluginFailed(
            "the reference plugin is no part of this program: run `cargo plugin` and build it again"
                .to_string(),
        )
    })?;
    let mut config = PluginConfig::default();
    config.limits.call_deadline = CALL_DEADLINE;
    Plugin::from_bytes(bytes, config).map_err(|error| {
        tracing::error!(%error, "the reference plugin cannot be loaded");
        EdgeCacheError::PluginFailed(error.to_string())
    })
}

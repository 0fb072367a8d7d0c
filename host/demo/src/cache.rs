//! A small cache of the demo: an HTTP server that keeps the objects it was asked for last.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The number of objects that a cache keeps.
const OBJECTS_MAX: usize = 200;

/// A running cache. It stops when this is dropped.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) address: SocketAddr,
    objects: Arc<Mutex<Objects>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Objects {
    /// The paths of the kept objects, the one asked for last at the end.
    kept: VecDeque<String>,
    hits: usize,
    misses: usize,
}

impl Cache {
    /// Starts an empty cache.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("cannot start a cache")?;
        let address = listener.local_addr()?;
        let objects = Arc::<Mutex<Objects>>::default();
        let routes = Router::new().fallback(serve).with_state(objects.clone());
        let task = tokio::spawn(async move {
            // It ends with its task.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self {
            address,
            objects,
            task,
        })
    }

    /// Empties the cache, and returns its hits and misses so far.
    pub(super) fn reset(&self) -> (usize, usize) {
        let Objects { hits, misses, .. } = std::mem::take(&mut *lock(&self.objects));
        (hits, misses)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(State(objects): State<Arc<Mutex<Objects>>>, uri: Uri) -> &'static str {
    let mut objects = lock(&objects);
    let place = objects.kept.iter().position(|kept| kept == uri.path());
    match place {
        Some(place) => {
            objects.hits += 1;
            objects.kept.remove(place);
        }
        None => {
            // Here a real cache would ask the origin.
            objects.misses += 1;
            if objects.kept.len() >= OBJECTS_MAX {
                objects.kept.pop_front();
            }
        }
    }
    objects.kept.push_back(uri.path().to_string());
    "an object"
}

fn lock(objects: &Mutex<Objects>) -> MutexGuard<'_, Objects> {
    objects.lock().unwrap_or_else(PoisonError::into_inner)
}

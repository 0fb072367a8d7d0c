//! Serving on a bound listener until told to stop.
//!
//! `axum::serve` would wait for ever for a client that does not finish its headers, and would take any
//! number of connections; so this has its own loop around hyper.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{AppState, router};

#[cfg(test)]
mod tests;

/// How long requests that are under way may take to end.
pub const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send the headers of a request, counted from the request before: a
/// connection that is idle for longer is closed.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes; a larger one is answered with 431.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// How many connections are served at a time. Further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 256;
/// How long to wait after an accept that failed, which most often means too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown` resolves, then lets requests end for at most [`DRAIN`].
///
/// # Errors
///
/// None at present: an accept that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_routes(listener, router(state), shutdown).await;
    Ok(())
}

async fn serve_routes(listener: TcpListener, routes: Router, shutdown: impl Future<Output = ()>) {
    let service = TowerToHyperService::new(routes);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let draining = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (stream, slot) = accept(&listener, &slots) => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADERS_TIMEOUT)
                    .max_buf_size(HEADERS_BYTES_MAX)
                    .serve_connection(TokioIo::new(stream), service.clone());
                let connection = draining.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    drop(slot);
                });
            }
        }
    }
    // Nobody is to wait for an answer that will not come.
    drop(listener);
    if timeout(DRAIN, draining.shutdown()).await.is_err() {
        tracing::warn!(limit = ?DRAIN, "requests under way were cut off");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let accepted = match slots.clone().acquire_owned().await {
            Ok(slot) => listener.accept().await.map(|(stream, _)| (stream, slot)),
            Err(closed) => Err(io::Error::other(closed)),
        };
        match accepted {
            Ok((stream, slot)) => {
                // Answers are small and written whole; one that came in two packets would be late.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection stays with delayed packets");
                }
                return (stream, slot);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

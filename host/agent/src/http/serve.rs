//! Serving on a bound listener until told to stop.
//!
//! `axum::serve` would wait for ever for a client that does not finish its headers or does not read its answer,
//! and would take any number of connections; so this has its own loop around hyper.
//!
//! At the limit of connections a new one takes the place of the one whose client has been waited for longest:
//! idle, slow with a request, or not reading its answer. So a crowd of them, however large, does not keep a
//! request from being answered; one that comes faster than a request travels may, and for that there is the
//! listener for health alone. A connection whose request the agent is at work on is never cut off; while there
//! are only such, new ones wait.
//!
//! What hyper itself refuses, a head that is too large or makes no sense, gets a bare status: it gives no way to
//! answer more.

mod activity;
mod alarm;
mod leftover;
mod patient;
mod room;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::gate::Routes;
use super::tls::{HANDSHAKE_TIMEOUT, Tls};
use crate::metrics::ListenerMetrics;
use activity::{Activity, Watched};
use alarm::Alarm;
use patient::Patient;
use room::Room;

pub use leftover::DISCARDED_WITHIN;
pub use patient::WRITE_TIMEOUT;
pub use room::{CONNECTIONS_DEFAULT, warn_of_file_limit};

#[cfg(test)]
mod tests;

/// How long requests that are under way may take to end.
pub const DRAIN: Duration = Duration::from_secs(5);
/// How long a client may take to send the headers of a request, counted from the request before: a
/// connection that is idle for longer is closed.
pub const HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes; a larger one is answered with 431.
pub const HEADERS_BYTES_MAX: usize = 16 * 1024;
/// How long to wait after an accept that failed, which most often means too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The first byte of whatever a client sends that wants to speak TLS.
const TLS_HANDSHAKE: u8 = 22;
/// What a client gets that speaks plainly where TLS is spoken.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 130\r\n\r\n\
    {\"type\":\"/problems/not-tls\",\"title\":\"This is not TLS\",\"status\":400,\
    \"detail\":\"this port speaks TLS: the address begins with https\"}";

/// Where requests come from.
#[derive(Debug)]
pub struct Listening {
    /// The bound address.
    pub listener: TcpListener,
    /// What to speak on it, if not plain HTTP.
    pub tls: Option<Tls>,
    /// How many connections are served at a time.
    pub connections: usize,
}

/// Serves routes until `shutdown` resolves, then lets requests end for at most [`DRAIN`]. Connections are counted
/// in `metrics`.
pub async fn serve(
    listening: Listening,
    routes: Routes,
    metrics: ListenerMetrics,
    shutdown: impl Future<Output = ()>,
) {
    let Listening {
        listener,
        tls,
        connections,
    } = listening;
    let (stop, stopped) = watch::channel(());
    let mut room = Room::new(connections, metrics);
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    // The next one, until there is room.
    let mut next = None;
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = tasks.join_next_with_id() => room.leave(&ended),
            () = room.changed(), if next.is_some() => {}
            stream = accept(&listener), if next.is_none() => next = Some(stream),
        }
        if next.is_none() || !room.make() {
            continue;
        }
        if let Some(stream) = next.take() {
            let activity = room.activity();
            let (tls, routes) = (tls.clone(), routes.clone());
            let metrics = room.metrics();
            let served = serve_stream(stream, tls, routes, activity.clone(), stopped.clone());
            let served = async move {
                if let Err(error) = served.await {
                    tracing::debug!(%error, "a connection did not come to speak TLS");
                    metrics.handshake_failures.inc();
                }
            };
            room.enter(tasks.spawn(served), activity);
        }
    }
    // Nobody is to wait for an answer that will not come.
    drop((listener, next, stopped));
    stop.send_replace(());
    let drained = async { while tasks.join_next().await.is_some() {} };
    if timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(limit = ?DRAIN, "requests under way were cut off");
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and written whole; one that came in two packets would be late.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection stays with delayed packets");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// An error says that the client did not come to speak TLS.
async fn serve_stream(
    stream: TcpStream,
    tls: Option<Tls>,
    routes: Routes,
    activity: Activity,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let Some(tls) = tls else {
        serve_requests(stream, routes, activity, stopped).await;
        return Ok(());
    };
    let stream = tokio::select! {
        shaken = shake_hands(&tls, stream) => shaken?,
        _ = stopped.changed() => return Ok(()),
    };
    serve_requests(stream, routes, activity, stopped).await;
    Ok(())
}

async fn shake_hands(
    tls: &Tls,
    mut stream: TcpStream,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + use<>> {
    let mut first = [0];
    timeout(HANDSHAKE_TIMEOUT, stream.peek(&mut first)).await??;
    if first != [TLS_HANDSHAKE] {
        timeout(WRITE_TIMEOUT, stream.write_all(NOT_TLS)).await??;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "plain text"));
    }
    tls.accept(stream).await
}

async fn serve_requests(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Routes,
    activity: Activity,
    mut stopped: watch::Receiver<()>,
) {
    let stream = Patient::new(stream, activity.clone());
    let told = stopped.clone();
    let service = service_fn(|request| answer(&routes, &activity, &told, request));
    let connection = http1::Builder::new()
        .timer(Alarm::default())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Answers a request, and takes note of whether the agent or the client is being waited for.
fn answer(
    routes: &Routes,
    activity: &Activity,
    stopped: &watch::Receiver<()>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Watched<Body>>, Infallible>> + use<> {
    let activity = activity.clone();
    let (request, leftover) = leftover::await_body(request, &activity, stopped);
    routes.answer(request).map(|mut answer| {
        leftover.discard(&mut answer);
        Ok(answer.map(|body| Watched::answer(body, activity)))
    })
}

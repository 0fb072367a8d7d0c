//! Serves a router on a bound listener until it is stopped.
//!
//! `axum::serve` has no limit of connections, no timeout for heads and no TLS; so this has a small loop around hyper.
//! Beyond the limit connections wait in the listener's queue.
//!
//! Hyper itself answers a head that is too large or malformed, with a bare status and without a request id.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use futures_util::{FutureExt, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::limits::{DRAIN_TIMEOUT, HANDSHAKE_TIMEOUT, LINGER_TIMEOUT, WRITE_TIMEOUT};
use super::tls::Tls;
use crate::metrics::ListenerMetrics;

#[cfg(test)]
mod tests;

/// Pause after an accept that failed, mostly for too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The first byte of a TLS client.
const TLS_HANDSHAKE: u8 = 22;
/// The answer to a client that speaks plain HTTP to a TLS port.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: application/problem+json\r\ncontent-length: 141\r\n\r\n\
    {\"type\":\"/problems/not-tls\",\"title\":\"This is not TLS\",\"status\":400,\
    \"detail\":\"this port speaks TLS: use https://, in commands with --ca-file\"}";

/// A bound listener and what it accepts.
#[derive(Debug)]
pub struct Listening {
    /// The bound address.
    pub listener: TcpListener,
    /// TLS; plain HTTP without it.
    pub tls: Option<Tls>,
    /// The most connections at a time.
    pub connections: usize,
    /// Time for the head of a request, from the end of the request before: an idle connection is closed after it.
    pub headers_timeout: Duration,
    /// The largest head of a request, in bytes.
    pub headers_bytes: usize,
    /// The most headers of a request.
    pub headers_max: usize,
    /// The networks of the clients; connections of others are closed at once. Empty for all.
    pub allow: Vec<IpNet>,
}

/// Serves routes until `shutdown` resolves, then lets requests end for at most [`DRAIN_TIMEOUT`].
pub async fn serve(
    listening: Listening,
    routes: Router,
    metrics: ListenerMetrics,
    shutdown: impl Future<Output = ()>,
) {
    let Listening {
        listener,
        tls,
        connections,
        headers_timeout,
        headers_bytes,
        headers_max,
        allow,
    } = listening;
    let slots = Arc::new(Semaphore::new(connections.clamp(1, Semaphore::MAX_PERMITS)));
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, accept(&listener, &allow, &metrics).await)
        };
        let (slot, stream) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        while tasks.try_join_next().is_some() {}
        metrics.accepted.inc();
        metrics.connections.inc();
        let metrics = metrics.clone();
        let (tls, routes, stopped) = (tls.clone(), routes.clone(), stopped.clone());
        tasks.spawn(async move {
            let http = HttpLimits {
                headers_timeout,
                headers_bytes,
                headers_max,
            };
            let served = serve_stream(stream, tls, routes, http, stopped);
            // Handlers catch their own panics; the stream of an answer runs here.
            match AssertUnwindSafe(served).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a client did not complete the TLS handshake");
                    metrics.handshake_failures.inc();
                }
                Err(_) => tracing::error!("a connection ended by a panic"),
            }
            metrics.connections.dec();
            drop(slot);
        });
    }
    drop((listener, stopped));
    stop.send_replace(());
    let drained = async { while tasks.join_next().await.is_some() {} };
    if timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        let limit_s = DRAIN_TIMEOUT.as_secs();
        tracing::warn!(limit_s, "requests under way were cut off");
    }
}

async fn accept(listener: &TcpListener, allow: &[IpNet], metrics: &ListenerMetrics) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((_, peer)) if !is_allowed(peer.ip(), allow) => {
                metrics.refused.inc();
            }
            Ok((stream, _)) => {
                let set = stream.set_nodelay(true).and_then(|()| {
                    SockRef::from(&stream).set_tcp_user_timeout(Some(WRITE_TIMEOUT))
                });
                if let Err(error) = set {
                    tracing::debug!(%error, "an option of a connection cannot be set");
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

fn is_allowed(client: IpAddr, allow: &[IpNet]) -> bool {
    let client = client.to_canonical();
    allow.is_empty() || allow.iter().any(|network| network.contains(&client))
}

/// The limits of the heads of requests.
#[derive(Debug, Clone, Copy)]
struct HttpLimits {
    headers_timeout: Duration,
    headers_bytes: usize,
    headers_max: usize,
}

/// Serves a connection. An error says that the client did not complete the TLS handshake.
async fn serve_stream(
    stream: TcpStream,
    tls: Option<Tls>,
    routes: Router,
    http: HttpLimits,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let Some(tls) = tls else {
        serve_requests(stream, routes, http, stopped).await;
        return Ok(());
    };
    let stream = tokio::select! {
        shaken = shake_hands(&tls, stream) => shaken?,
        _ = stopped.changed() => return Ok(()),
    };
    serve_requests(stream, routes, http, stopped).await;
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
    routes: Router,
    http: HttpLimits,
    mut stopped: watch::Receiver<()>,
) {
    let unread = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| Box::pin(answer(routes.clone(), request, unread.clone())));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(http.headers_timeout)
        .max_buf_size(http.headers_bytes)
        .max_headers(http.headers_max)
        .serve_connection(TokioIo::new(stream), service);
    let ended = tokio::select! {
        ended = poll_fn(|context| connection.poll_without_shutdown(context)) => ended,
        _ = stopped.changed() => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    let mut stream = connection.into_parts().io.into_inner();
    let closed = async {
        stream.shutdown().await?;
        if unread.load(Ordering::Relaxed) {
            // Closing a socket with unread bytes resets the connection, and the answer might be lost.
            copy(&mut stream, &mut sink()).await?;
        }
        io::Result::Ok(())
    };
    // A client that is gone needs no orderly end.
    let _ = tokio::select! {
        closed = timeout(LINGER_TIMEOUT, closed) => closed.unwrap_or(Ok(())),
        _ = stopped.changed() => Ok(()),
    };
}

/// Answers a request. Where the answer came before the end of the body, the connection is closed behind it, since
/// hyper reads no further.
async fn answer(
    routes: Router,
    request: Request<Incoming>,
    unread: Arc<AtomicBool>,
) -> Result<Response<Body>, Infallible> {
    let has_body = !request.body().is_end_stream();
    unread.store(has_body, Ordering::Relaxed);
    if !has_body {
        return routes.oneshot(request.map(|_| Body::empty())).await;
    }
    let (parts, body) = request.into_parts();
    let at_end = unread.clone();
    let end = stream::once(async move {
        at_end.store(false, Ordering::Relaxed);
        Ok(Bytes::new())
    });
    let body = Body::from_stream(body.into_data_stream().chain(end));
    let mut response = routes.oneshot(Request::from_parts(parts, body)).await?;
    if unread.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response)
}

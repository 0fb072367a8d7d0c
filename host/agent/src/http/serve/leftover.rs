//! What a handler leaves of a request's body: it is read all the same, and thrown away.
//!
//! A client writes before it reads, and may send its next request as soon as it has its answer. Hyper closes a
//! connection whose body is not read, unless the rest is there already: by luck, an answer that came early would be
//! lost with it, or the next request would.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::activity::Activity;

/// How long a body is read and thrown away behind its answer; then the connection is closed.
pub const DISCARDED_WITHIN: Duration = Duration::from_secs(10);

/// The body of a request: until it has come the client is waited for.
#[derive(Debug)]
struct Awaited {
    /// None once it has come.
    body: Option<Incoming>,
    /// Whether the client may wait to be asked for it, which reading it does.
    asks_first: bool,
    activity: Activity,
    left: Option<oneshot::Sender<Left>>,
}

#[derive(Debug)]
struct Left {
    body: Incoming,
    asks_first: bool,
}

/// What is left of a request's body, once its answer is there.
#[derive(Debug)]
pub(super) struct Leftover(Option<Coming>);

#[derive(Debug)]
struct Coming {
    left: oneshot::Receiver<Left>,
    /// Told when the server is about to stop.
    stopped: watch::Receiver<()>,
}

/// The request for a handler, and what the handler will have left of its body.
pub(super) fn await_body(
    request: Request<Incoming>,
    activity: &Activity,
    stopped: &watch::Receiver<()>,
) -> (Request<Body>, Leftover) {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        activity.works();
        return (Request::from_parts(parts, Body::empty()), Leftover(None));
    }
    let (leave, left) = oneshot::channel();
    let stopped = stopped.clone();
    let body = Body::new(Awaited {
        body: Some(body),
        asks_first: parts.headers.contains_key(EXPECT),
        activity: activity.clone(),
        left: Some(leave),
    });
    let coming = Coming { left, stopped };
    (Request::from_parts(parts, body), Leftover(Some(coming)))
}

impl Leftover {
    /// Has it read while the answer is written. No handler keeps a body beyond its answer.
    pub(super) fn discard(self, answer: &mut Response<Body>) {
        let Some(Coming { mut left, stopped }) = self.0 else {
            return;
        };
        let Ok(Left { body, asks_first }) = left.try_recv() else {
            return;
        };
        if asks_first {
            // It may come or not: what comes next on the connection could not be told.
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        // It ends with the connection, if not before.
        tokio::spawn(timeout(DISCARDED_WITHIN, discard(body, stopped)));
    }
}

async fn discard(mut body: Incoming, mut stopped: watch::Receiver<()>) {
    let read = async { while let Some(Ok(_)) = body.frame().await {} };
    tokio::select! {
        () = read => {}
        _ = stopped.changed() => {}
    }
}

impl HttpBody for Awaited {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.asks_first = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        if frame.is_none() || body.is_end_stream() {
            self.body = None;
            self.activity.works();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.body.as_ref();
        body.map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        // What the handler does from now on, it does without the client.
        self.activity.works();
        if let (Some(body), Some(left)) = (self.body.take(), self.left.take()) {
            let asks_first = self.asks_first;
            // Where nobody takes it, the client is gone.
            let _ = left.send(Left { body, asks_first });
        }
    }
}

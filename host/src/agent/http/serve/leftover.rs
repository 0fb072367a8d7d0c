//! What a handler leaves of a request's body: it is read all the same, and thrown away.
//!
//! A client writes before it reads, and may send its next request as soon as it has its answer. Hyper closes a
//! connection whose body is not read: an answer that came early would be lost with it, or the next request would.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::HeaderValue;
use axum::http::header::{CONNECTION, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::activity::Activity;

/// How much of a body is read and thrown away behind its answer; then the connection is closed.
pub const DISCARDED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long that may take; then the connection is closed.
pub const DISCARDED_WITHIN: Duration = Duration::from_secs(10);

/// The body of a request: until it has come the client is waited for.
#[derive(Debug)]
struct Awaited {
    /// None once it has come.
    body: Option<Incoming>,
    /// Whether the client sends it only when it is asked for, which reading it does.
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
pub(super) struct Leftover(Option<oneshot::Receiver<Left>>);

/// The request for a handler, and what the handler will have left of its body.
pub(super) fn watch(request: Request<Incoming>, activity: &Activity) -> (Request<Body>, Leftover) {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        activity.works();
        return (Request::from_parts(parts, Body::empty()), Leftover(None));
    }
    let (left, leftover) = oneshot::channel();
    let body = Body::new(Awaited {
        body: Some(body),
        asks_first: parts.headers.contains_key(EXPECT),
        activity: activity.clone(),
        left: Some(left),
    });
    (Request::from_parts(parts, body), Leftover(Some(leftover)))
}

impl Leftover {
    /// Has it read while the answer is written. An answer after which the connection closes says so.
    pub(super) fn discard(self, answer: &mut Response<Body>) {
        let left = self.0.and_then(|mut left| left.try_recv().ok());
        let Some(Left { body, asks_first }) = left else {
            return;
        };
        let is_large = body.size_hint().lower() > DISCARDED_BYTES_MAX as u64;
        if asks_first || is_large {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        if !asks_first {
            // It ends with the connection, if not before.
            tokio::spawn(timeout(DISCARDED_WITHIN, discard(body)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut seen = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        seen = seen.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if seen > DISCARDED_BYTES_MAX {
            break;
        }
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
        if let (Some(body), Some(left)) = (self.body.take(), self.left.take()) {
            let asks_first = self.asks_first;
            // Where nobody takes it, the client is gone.
            let _ = left.send(Left { body, asks_first });
        }
    }
}

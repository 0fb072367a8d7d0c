//! Tells whether the body of a request was read to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

/// A request body that notes its end.
#[derive(Debug)]
pub(super) struct WatchedBody {
    body: Incoming,
    read: Arc<AtomicBool>,
}

/// The progress of a [`WatchedBody`].
#[derive(Debug)]
pub(super) struct BodyProgress(Arc<AtomicBool>);

impl WatchedBody {
    /// Wraps a body.
    pub(super) fn new(body: Incoming) -> (Self, BodyProgress) {
        let read = Arc::new(AtomicBool::new(body.is_end_stream()));
        let progress = BodyProgress(read.clone());
        (Self { body, read }, progress)
    }
}

impl BodyProgress {
    /// Returns whether the body was read to its end.
    pub(super) fn is_read(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

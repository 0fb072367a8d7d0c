//! Whom a connection waits for: the agent, or the client.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

/// What stands for an agent at work in place of a turn.
const AT_WORK: u64 = u64::MAX;

/// What the connections of a listener share: which client began to be waited for before which other. A turn is
/// less work than a time, and nothing but their order is asked for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    turns: AtomicU64,
    /// Told when the agent is no longer at work for one of them.
    again: Notify,
}

impl Waits {
    /// Resolves when another client is waited for since the last time.
    pub(super) async fn again(&self) {
        self.again.notified().await;
    }
}

/// What one connection is about. Clones are about the same one.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    /// The turn since which the client has been waited for, or [`AT_WORK`].
    waits_since: AtomicU64,
    /// Whether an answer has been given away, but is not known to be written yet.
    answered: AtomicBool,
    waits: Arc<Waits>,
}

impl Activity {
    /// A connection that has just come.
    pub(super) fn new(waits: Arc<Waits>) -> Self {
        let activity = Self(Arc::new(State {
            waits_since: AtomicU64::new(AT_WORK),
            answered: AtomicBool::new(false),
            waits,
        }));
        activity.waits();
        activity
    }

    /// The turn since which the client has been waited for; none while the agent is at work.
    pub(super) fn waits_since(&self) -> Option<u64> {
        Some(self.0.waits_since.load(Ordering::Relaxed)).filter(|since| *since != AT_WORK)
    }

    /// The client takes nothing of what is written.
    pub(super) fn is_blocked(&self) {
        self.waits();
    }

    /// It takes it again.
    pub(super) fn is_unblocked(&self) {
        self.0.waits_since.store(AT_WORK, Ordering::Relaxed);
    }

    /// All that was written has been taken.
    pub(super) fn is_flushed(&self) {
        if self.0.answered.swap(false, Ordering::Relaxed) {
            self.waits();
        }
    }

    /// The agent is at work.
    pub(super) fn works(&self) {
        self.0.answered.store(false, Ordering::Relaxed);
        self.0.waits_since.store(AT_WORK, Ordering::Relaxed);
    }

    fn waits(&self) {
        let turn = self.0.waits.turns.fetch_add(1, Ordering::Relaxed);
        self.0.waits_since.store(turn, Ordering::Relaxed);
        self.0.waits.again.notify_one();
    }
}

/// The body of an answer: once it is written, the client's next request is waited for.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    activity: Activity,
}

impl<B> Watched<B> {
    /// The agent, at work since the request's body was read or given up, is so until all of this is written.
    pub(super) fn answer(body: B, activity: Activity) -> Self {
        Self { body, activity }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.activity.0.answered.store(true, Ordering::Relaxed);
    }
}

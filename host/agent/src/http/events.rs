//! Changes as server-sent events.
//!
//! One task, `hub`, turns changes into events and keeps the latest in a ring that all subscribers read. A subscriber
//! holds only a number in that ring; one that falls behind it gets the whole state again. So a slow subscriber costs no
//! memory, and each ends at the true state.

pub(super) mod follow;
mod hub;
mod ring;
mod subscription;

pub(super) use subscription::Events;

#[cfg(test)]
mod tests;

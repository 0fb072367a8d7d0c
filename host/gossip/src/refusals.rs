//! Known addresses that answer, but are no peers: with other keys, of another cluster, with another clock.
//!
//! Only seeds and remembered addresses count, because anybody can send datagrams.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::drop_reason::DropReason;
use crate::join::Trouble;

/// Time for which a refusal counts.
const COUNTS_FOR: Duration = Duration::from_secs(30);
/// Cause and remedy of another cluster id.
const OTHER_CLUSTER: &str = "its cluster id differs: give all agents the same one";
/// Maximum number of refusals that are shown.
const SHOWN_MAX: usize = 8;

/// Datagrams of known addresses that could not be used, by reason.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The seeds and remembered addresses, while no peer is live.
    expected: BTreeSet<SocketAddr>,
    refused: BTreeMap<SocketAddr, (&'static str, Instant)>,
}

impl Refusals {
    /// Replaces the addresses that count. Without any, nothing is noted.
    pub(crate) fn expect(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let mut inner = self.lock();
        inner.expected = addresses.into_iter().map(canonical).collect();
        let Inner { expected, refused } = &mut *inner;
        refused.retain(|address, _| expected.contains(address));
    }

    pub(crate) fn note_dropped(&self, from: SocketAddr, reason: DropReason) {
        let why = match reason {
            DropReason::NotSealed => "it does not encrypt gossip: give all agents the same keys",
            DropReason::NotChitchat => "it sends no plain gossip: give all agents the same keys",
            DropReason::UnknownKey => "its key is unknown here: give all agents the same keys",
            DropReason::Forged => "its key or cluster id differs: give all agents the same ones",
            DropReason::Stale => "its clock or this one is wrong: set them right",
            DropReason::OtherCluster | DropReason::Refused => OTHER_CLUSTER,
            _ => return,
        };
        self.note(from, why);
    }

    fn note(&self, from: SocketAddr, why: &'static str) {
        let from = canonical(from);
        let mut inner = self.lock();
        if inner.expected.contains(&from) {
            inner.refused.insert(from, (why, Instant::now()));
        }
    }

    /// Returns the refusals of the last half minute.
    pub(crate) fn recent(&self) -> Vec<Trouble> {
        let inner = self.lock();
        let recent = inner
            .refused
            .iter()
            .filter(|(_, (_, at))| at.elapsed() < COUNTS_FOR);
        let recent = recent.map(|(address, (reason, _))| Trouble::Refused {
            address: *address,
            reason,
        });
        recent.take(SHOWN_MAX).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the address as a socket of its own family would show it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

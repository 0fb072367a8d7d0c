//! Loss, delay and connectivity of a simulated network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The present conditions. Clones share them.
#[derive(Clone)]
pub(super) struct Conditions(Arc<Mutex<LinkConditions>>);

pub(super) struct LinkConditions {
    rng: fastrand::Rng,
    /// Probability, from 0 to 1.
    pub(super) loss: f64,
    pub(super) delay: RangeInclusive<Duration>,
    /// Group of each address in a partition. Group 0 for addresses not listed.
    pub(super) groups: BTreeMap<SocketAddr, u32>,
    pub(super) cut: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl Conditions {
    /// Creates conditions without loss or delay.
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(LinkConditions {
            rng: fastrand::Rng::with_seed(seed),
            loss: 0.0,
            delay: Duration::ZERO..=Duration::ZERO,
            groups: BTreeMap::new(),
            cut: BTreeSet::new(),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, LinkConditions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkConditions {
    pub(super) fn loses(&mut self, from: SocketAddr, to: SocketAddr) -> bool {
        let side = |address| self.groups.get(&address).copied().unwrap_or_default();
        side(from) != side(to)
            || self.cut.contains(&ordered(from, to))
            || self.rng.f64() < self.loss
    }

    pub(super) fn random_delay(&mut self) -> Duration {
        let (from, to) = (self.delay.start(), self.delay.end());
        from.saturating_add(to.saturating_sub(*from).mul_f64(self.rng.f64()))
    }
}

pub(super) fn ordered(one: SocketAddr, other: SocketAddr) -> (SocketAddr, SocketAddr) {
    (one.min(other), one.max(other))
}

//! The phases of a cache between works and failed, as pure steps over the results of checks.
//!
//! A cache that fails three times is doubtful: the node says so, and waits. What other nodes say meanwhile tells a cache
//! that fails from a check that fails: if fewer than half of the decided nodes are advertised then, the labels stay. The
//! same holds for a node that had labels before its agent was restarted: restarts do not empty the routing.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use edge_cache_host::CacheHealth;

#[cfg(test)]
mod tests;

/// Checks that fail one after the other before the cache is doubtful.
const FAILURES: u32 = 3;
/// The least time between doubt and withdrawal: in it, all nodes whose caches fail at once have found out.
const DOUBT: Duration = Duration::from_secs(2);
/// The most that is added to [`DOUBT`], at random.
const DOUBT_SPREAD: Duration = Duration::from_secs(1);
/// The time in which withdrawals count.
const WITHDRAWALS_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Checks that must succeed one after the other after the first withdrawal. Each further one doubles them.
const SUCCESSES: u32 = 6;
/// The most checks that must succeed: five minutes.
const SUCCESSES_MAX: u32 = 150;

/// Returns the state of a cache that is not checked yet.
pub(crate) fn unchecked() -> CacheHealth {
    CacheHealth::Failed("the check of its cache has not succeeded yet".to_string())
}

/// The numbers of decided nodes, and of those that are advertised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) decided: usize,
    /// Nodes that do not say that they are not advertised.
    pub(super) advertised: usize,
}

impl Advertised {
    fn is_fewer_than_half(self) -> bool {
        self.advertised.saturating_mul(2) < self.decided
    }
}

/// The life of a node before its agent was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The node had no labels.
    New,
    /// The node had labels, which its store remembers.
    Again,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// No check has succeeded since the start.
    Unchecked,
    Works,
    /// The cache fails; whether its labels are withdrawn is decided at this moment.
    Doubtful(Instant),
    /// The cache fails like most others, and keeps its labels.
    Kept,
    /// The labels are withdrawn until so many checks succeed.
    Withdrawn {
        successes: u32,
    },
}

/// The phases of one cache.
#[derive(Debug)]
pub(super) struct Phases {
    start: Start,
    phase: Phase,
    /// The reason of the last failure.
    reason: Arc<str>,
    failures: u32,
    withdrawals: VecDeque<Instant>,
    random: fn() -> f64,
    has_withdrawn: bool,
    has_kept: bool,
}

impl Phases {
    /// Begins before the first check. `random` returns a number from 0 to 1.
    pub(super) fn new(start: Start, random: fn() -> f64) -> Self {
        Self {
            start,
            phase: Phase::Unchecked,
            reason: unchecked().reason().unwrap_or_default().into(),
            failures: 0,
            withdrawals: VecDeque::new(),
            random,
            has_withdrawn: false,
            has_kept: false,
        }
    }

    /// Takes the result of a check.
    pub(super) fn observe(
        &mut self,
        found: Result<(), Arc<str>>,
        advertised: Advertised,
        now: Instant,
    ) {
        match found {
            Ok(()) => self.succeed(),
            Err(reason) => {
                self.reason = reason;
                self.fail(advertised, now);
            }
        }
    }

    fn succeed(&mut self) {
        self.failures = 0;
        self.phase = match self.phase {
            Phase::Withdrawn { successes } if successes > 1 => Phase::Withdrawn {
                successes: successes.saturating_sub(1),
            },
            _ => Phase::Works,
        };
    }

    fn fail(&mut self, advertised: Advertised, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match self.phase {
            Phase::Works if self.failures >= FAILURES => {
                let wait =
                    DOUBT.saturating_add(DOUBT_SPREAD.mul_f64((self.random)().clamp(0.0, 1.0)));
                self.phase = Phase::Doubtful(now.checked_add(wait).unwrap_or(now));
            }
            Phase::Withdrawn { .. } => {
                let successes = self.successes_needed(now);
                self.phase = Phase::Withdrawn { successes };
            }
            Phase::Unchecked if self.is_kept_at_start(advertised) => {
                self.has_kept = true;
                self.phase = Phase::Kept;
            }
            Phase::Kept => self.decide(advertised, now),
            Phase::Unchecked | Phase::Works | Phase::Doubtful(_) => {}
        }
    }

    /// Tells whether the labels come back after a restart although no check succeeds.
    fn is_kept_at_start(&self, advertised: Advertised) -> bool {
        self.start == Start::Again && self.failures >= FAILURES && advertised.is_fewer_than_half()
    }

    /// Decides whether the labels of a failing cache are withdrawn.
    pub(super) fn decide(&mut self, advertised: Advertised, now: Instant) {
        if !matches!(self.phase, Phase::Doubtful(_) | Phase::Kept) {
            return;
        }
        if advertised.is_fewer_than_half() {
            self.has_kept |= self.phase != Phase::Kept;
            self.phase = Phase::Kept;
            return;
        }
        self.withdrawals.push_back(now);
        self.has_withdrawn = true;
        let successes = self.successes_needed(now);
        self.phase = Phase::Withdrawn { successes };
    }

    fn successes_needed(&mut self, now: Instant) -> u32 {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > WITHDRAWALS_WITHIN;
        while self.withdrawals.len() > 1 && self.withdrawals.front().is_some_and(is_old) {
            self.withdrawals.pop_front();
        }
        let former = u32::try_from(self.withdrawals.len())
            .unwrap_or(u32::MAX)
            .saturating_sub(1);
        SUCCESSES
            .saturating_mul(2_u32.saturating_pow(former))
            .min(SUCCESSES_MAX)
    }

    /// Waits until a doubtful cache is to be decided; for ever where it is not doubtful.
    pub(super) async fn due(&self) {
        match self.phase {
            Phase::Doubtful(at) => sleep_until(at).await,
            _ => pending().await,
        }
    }

    /// Returns what the registry is told.
    pub(super) fn health(&self) -> CacheHealth {
        let reason = self.reason.to_string();
        match self.phase {
            Phase::Works => CacheHealth::Healthy,
            Phase::Doubtful(_) | Phase::Kept => CacheHealth::Doubtful(reason),
            Phase::Unchecked | Phase::Withdrawn { .. } => CacheHealth::Failed(reason),
        }
    }

    /// Tells whether the labels were withdrawn since the last call.
    pub(super) fn take_withdrawal(&mut self) -> bool {
        std::mem::take(&mut self.has_withdrawn)
    }

    /// Tells whether it was decided to keep the labels since the last call.
    pub(super) fn take_kept(&mut self) -> bool {
        std::mem::take(&mut self.has_kept)
    }
}

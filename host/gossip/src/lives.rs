//! The lives of a node: each start of its gossip server is one, with a generation of its own.
//!
//! Agents forget a former life in minutes. ZLayer's nodes carry it in every message for half a day, show its
//! labels for a day, and fail when there are more than a thousand. So a node buries its former
//! lives, and where it has met such nodes it begins few.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use chitchat::{Chitchat, ChitchatId, DeletionStatus, Heartbeat, VersionedValue};
use tokio::sync::Mutex;
use tokio::time::{self, Instant};
use tracing::{error, info, warn};

use crate::clock::now_ns;
use crate::error::GossipError;
use crate::info::NodeRecord;
use crate::membership::Membership;
use crate::memory::{GossipMemory, LIVES_IN_A_ROW, USED_MAX, UsedLives, run_blocking};

#[cfg(test)]
mod tests;

/// Time in which a node earns another life. It runs on the monotonic clock, and only while the agent runs.
const EARNED_IN: Duration = Duration::from_secs(60 * 60 / LIVES_IN_A_ROW as u64);
/// Silence after which a former life is buried, in intervals.
const SILENT_INTERVALS: u32 = 15;

/// Begins and buries lives.
#[derive(Debug)]
pub(crate) struct Lives {
    memory: Arc<dyn GossipMemory>,
    membership: Arc<Membership>,
    used: SyncMutex<UsedLives>,
}

impl Lives {
    pub(crate) fn new(
        memory: Arc<dyn GossipMemory>,
        membership: Arc<Membership>,
        used: UsedLives,
    ) -> Self {
        Self {
            memory,
            membership,
            used: SyncMutex::new(used),
        }
    }

    /// Begins a life, and returns its generation.
    pub(crate) async fn begin(&self) -> Result<u64, GossipError> {
        let memory = Arc::clone(&self.memory);
        let generation = run_blocking(move || memory.next_generation(now_ns())).await;
        let generation = generation.map_err(|source| GossipError::Memory { source })?;
        self.change(|used| {
            used.generations.push(generation);
            let over = used.generations.len().saturating_sub(USED_MAX);
            used.generations.drain(..over);
            used.left = used.left.saturating_sub(1);
        })
        .await;
        Ok(generation)
    }

    /// Returns `true` if a life may begin.
    pub(crate) fn may_begin(&self) -> bool {
        let used = self.used();
        used.left > 0 || !used.is_limited
    }

    /// Waits until a life may begin, which [`earn`](Self::earn) brings.
    pub(crate) async fn available(&self) {
        while !self.may_begin() {
            time::sleep(EARNED_IN).await;
        }
    }

    /// Waits until a life may begin, and earns it.
    pub(crate) async fn earn_one(&self) {
        if self.may_begin() {
            return;
        }
        error!(
            wait_s = EARNED_IN.as_secs(),
            "this agent was started too often: it joins gossip later, because nodes of ZLayer remember each start \
             for a day"
        );
        let waits = &self.membership.waits_for_life;
        waits.store(true, Ordering::Release);
        self.earn_next().await;
        waits.store(false, Ordering::Release);
    }

    /// Earns lives with time. Never returns.
    pub(crate) async fn earn(&self) {
        loop {
            self.earn_next().await;
        }
    }

    async fn earn_next(&self) {
        time::sleep(EARNED_IN).await;
        if self.used().left < LIVES_IN_A_ROW {
            self.change(|used| used.left = used.left.saturating_add(1))
                .await;
        }
    }

    /// Buries former lives that are silent, and notes nodes of ZLayer. Never returns.
    pub(crate) async fn bury(&self, chitchat: &Mutex<Chitchat>, interval: Duration) {
        let silence = interval.saturating_mul(SILENT_INTERVALS);
        let mut silent = HashMap::new();
        loop {
            time::sleep(interval).await;
            self.note_others().await;
            let generations = self.used().generations.clone();
            let mut chitchat = chitchat.lock().await;
            let former = former_lives(&chitchat, &generations);
            silent.retain(|id, _| former.iter().any(|(former, _)| former == id));
            for (id, heartbeat) in former {
                let now = Instant::now();
                let since = silent.entry(id.clone()).or_insert((heartbeat, now));
                if since.0 != heartbeat {
                    *since = (heartbeat, now);
                } else if now.saturating_duration_since(since.1) >= silence {
                    empty(&mut chitchat, &id);
                    info!(
                        generation = id.generation_id,
                        "buried a former life of this node"
                    );
                }
            }
        }
    }

    /// Buries all former lives that count as dead, before this one ends.
    pub(crate) async fn bury_all(&self, chitchat: &Mutex<Chitchat>) {
        let generations = self.used().generations.clone();
        let mut chitchat = chitchat.lock().await;
        for (id, _) in former_lives(&chitchat, &generations) {
            empty(&mut chitchat, &id);
        }
    }

    /// Notes that there are nodes of ZLayer, whose generation is always 0.
    async fn note_others(&self) {
        let view = self.membership.view.load_full();
        let has_met = view.alive().any(|member| member.generation == 0);
        if has_met && !self.used().is_limited {
            self.change(|used| used.is_limited = true).await;
        }
    }

    async fn change(&self, change: impl FnOnce(&mut UsedLives)) {
        let changed = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut used);
            used.clone()
        };
        let memory = Arc::clone(&self.memory);
        if let Err(error) = run_blocking(move || memory.remember_lives(&changed)).await {
            warn!(%error, "cannot store the lives of this node");
        }
    }

    fn used(&self) -> UsedLives {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.clone()
    }
}

/// Returns the dead members that were this node, and still have a record, with their heartbeats.
fn former_lives(chitchat: &Chitchat, generations: &[u64]) -> Vec<(ChitchatId, Heartbeat)> {
    let own = chitchat.self_chitchat_id();
    chitchat
        .dead_nodes()
        .filter(|id| id.node_id == own.node_id && *id != own)
        .filter(|id| generations.contains(&id.generation_id))
        .filter_map(|id| chitchat.node_state(id))
        .filter(|state| {
            let record = state.get(&own.node_id).map(NodeRecord::decode);
            record.is_some_and(|record| record.is_ok_and(|record| !record.leaving))
        })
        .map(|state| (state.chitchat_id().clone(), state.heartbeat()))
        .collect()
}

/// Empties the record of a member at a higher version. Its other values are forgotten here.
fn empty(chitchat: &mut Chitchat, id: &ChitchatId) {
    let Some(state) = chitchat.node_state(id) else {
        return;
    };
    let (version, last_gc_version) = (
        state.max_version().saturating_add(1),
        state.last_gc_version(),
    );
    let emptied = VersionedValue {
        value: String::new(),
        version,
        status: DeletionStatus::Set,
    };
    let record = (id.node_id.to_string(), emptied);
    chitchat.reset_node_state_if_update(id, std::iter::once(record), version, last_gc_version);
}

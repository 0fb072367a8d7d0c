//! Keeps the published view of the cluster up to date.
//!
//! The topology waits for chitchat to report a change: a key event as soon as a value arrives, or a
//! new set of live members at the end of a round. Then it reads the whole state, because neither
//! report is enough: key events do not report deaths, and the live set comes late. What changes right
//! after a pass waits for the next one.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chitchat::{Chitchat, ChitchatId};
use edge_cache_core::MemberStatus;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use crate::announce::Record;
use crate::claim::{Claim, Conflict};
use crate::clock::{LogLimit, until};
use crate::directory::{Directory, MemberReading};
use crate::join::JoinState;
use crate::known::NOTED_AGAIN_AFTER;
use crate::membership::Membership;
use crate::peers::Peers;
use crate::validator::StateBudget;
use crate::view::ClusterView;

/// Maximum number of nodes that a log line names.
const NAMED_MAX: usize = 32;
/// Maximum number of passes over all members in an interval: a large cluster reports changes all the time.
const PASSES_MAX: u32 = 20;

/// Publishes a [`ClusterView`] from chitchat's state.
#[derive(Debug)]
pub(crate) struct Topology {
    pub(crate) directory: Directory,
    pub(crate) membership: Arc<Membership>,
    /// Receives each change after the view, so that a subscriber finds the state of its event in the view.
    pub(crate) snapshots: watch::Sender<Arc<Peers>>,
    pub(crate) own: watch::Receiver<Arc<Record>>,
    pub(crate) interval: Duration,
    /// Time for which a member that has nobody heard waits.
    pub(crate) join_timeout: Duration,
    /// `true` if seeds or remembered addresses should answer.
    pub(crate) expects_peers: bool,
    /// `true` if other members are configured as seeds.
    pub(crate) has_seeds: bool,
    pub(crate) claim: Claim,
    pub(crate) held: Option<HeldPeers>,
    pub(crate) log: ChangeLog,
}

/// The log of changes, with a limit for each kind: members that come and go, or claim an id in turns, fill no log.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    conflict: LogLimit,
    rivals: LogLimit,
    joined: MemberLog,
    left: MemberLog,
    failed: MemberLog,
    policies: LogLimit,
}

/// The log of members with one fate. Those of a line that is left out are in the next one.
#[derive(Debug, Default)]
struct MemberLog {
    limit: LogLimit,
    waiting: BTreeSet<u64>,
}

/// A server's exchange with the cluster.
#[derive(Debug, Default)]
struct Exchange {
    /// Time at which the first message came.
    heard_at: Option<Instant>,
    is_complete: bool,
}

/// Peers from before a restart of the gossip server, kept while the new server meets them.
#[derive(Debug)]
pub(crate) struct HeldPeers {
    peers: Arc<Peers>,
    until: Instant,
}

impl Topology {
    /// Follows chitchat until it is dropped. `changed` is notified of every key event, also those of this
    /// member's own record.
    pub(crate) async fn run(
        &mut self,
        chitchat: &Mutex<Chitchat>,
        changed: &Notify,
        states: &StateBudget,
    ) {
        let (own, mut live) = {
            let chitchat = chitchat.lock().await;
            let own = chitchat.self_chitchat_id().clone();
            (own, chitchat.live_nodes_watcher())
        };
        let membership = Arc::clone(&self.membership);
        let pause = self.interval.checked_div(PASSES_MAX).unwrap_or_default();
        let mut exchange = Exchange::default();
        self.hold_peers();
        loop {
            let (readings, seeds) = {
                let chitchat = chitchat.lock().await;
                (self.read(&chitchat, states), chitchat.seed_nodes())
            };
            let own_policy = self.own.borrow().content.policy.clone();
            let now = Instant::now();
            if !readings.is_empty() {
                exchange.heard_at.get_or_insert(now);
            }
            let (mut view, again_in) = self.directory.update(readings, own_policy.as_deref(), now);
            let is_settled = self.settle(&own, &mut exchange, &mut view, now);
            let due = self.update_known(&own, &mut view, seeds, now);
            let release = self.add_held(&mut view, exchange.is_complete);
            let join = self.join_state(&view, &exchange, now);
            self.publish(view, join);
            let mut longest = if is_settled && join != JoinState::Joining {
                NOTED_AGAIN_AFTER
            } else {
                self.interval
            };
            if self.log.is_waiting() {
                longest = longest.min(LogLimit::PAUSE);
            }
            let again = now.checked_add(again_in.map_or(longest, |wait| wait.min(longest)));
            tokio::select! {
                () = changed.notified() => {}
                () = membership.forgotten.notified() => {}
                changed = live.changed() => if changed.is_err() { return },
                () = until(again) => {}
                () = until(due) => {}
                () = until(release) => {}
            }
            sleep_until(now.checked_add(pause).unwrap_or(now)).await;
        }
    }

    /// Judges the exchange and the claim to the node id. Returns `true` if neither needs another look
    /// unless something changes.
    fn settle(
        &mut self,
        own: &ChitchatId,
        exchange: &mut Exchange,
        view: &mut ClusterView,
        now: Instant,
    ) -> bool {
        exchange.is_complete = exchange.is_complete
            || exchange
                .heard_at
                .is_some_and(|heard_at| self.directory.is_complete(heard_at, now));
        let rivals = self.directory.own_rivals(own, now);
        view.conflict = self.claim.update(own, &rivals, now);
        let holds = self.claim.holds;
        self.membership.holds.send_if_modified(|held| {
            let changed = *held != holds;
            *held = holds;
            changed
        });
        holds && rivals.is_empty() && (exchange.is_complete || exchange.heard_at.is_none())
    }

    /// Updates the table of known peers, and adds the failed ones to the view. Returns the time of its
    /// next change.
    fn update_known(
        &self,
        own: &ChitchatId,
        view: &mut ClusterView,
        seeds: HashSet<SocketAddr>,
        now: Instant,
    ) -> Option<Instant> {
        let mut known = self.membership.known();
        let live = self.directory.live_nodes();
        let due = known.update(view, &live, |peer| self.directory.has_left(peer), now);
        if self.claim.holds {
            known.own_address = Some(own.gossip_advertise_addr);
        }
        let refusals = &self.membership.refusals;
        if view.alive().next().is_none() {
            let remembered = known.addresses().map(|(_, address)| address);
            refusals.expect(seeds.into_iter().chain(remembered));
        } else {
            refusals.expect([]);
        }
        drop(known);
        self.membership.known_changed.notify_one();
        due
    }

    /// Returns the state of joining. Once left, `Joining` does not come back.
    fn join_state(&self, view: &ClusterView, exchange: &Exchange, now: Instant) -> JoinState {
        let before = *self.membership.join.borrow();
        let is_lost = view.alive().next().is_none()
            && view.with_status(MemberStatus::Failed).next().is_some();
        let is_heard = exchange.heard_at.is_some();
        let waits = if is_heard {
            !exchange.is_complete
        } else {
            now < self.membership.decides_at
        };
        let has_claimed = self.claim.holds || view.conflict.is_some();
        let misses_any = || self.has_seeds || self.membership.known().misses_any();
        match before {
            JoinState::Joining if (self.expects_peers && waits) || !has_claimed => before,
            // After a restart of the server, the held peers are not met yet.
            JoinState::Joined if self.held.is_some() => before,
            _ if is_lost => JoinState::Alone,
            JoinState::Joined => before,
            JoinState::Joining | JoinState::Alone if !is_heard && misses_any() => JoinState::Alone,
            JoinState::Alone if is_heard && !exchange.is_complete => before,
            JoinState::Joining | JoinState::Alone => JoinState::Joined,
        }
    }

    fn read(&self, chitchat: &Chitchat, states: &StateBudget) -> Vec<MemberReading> {
        let own = chitchat.self_chitchat_id();
        let live = chitchat.live_nodes().map(|id| (id, true));
        let silent = chitchat.dead_nodes().map(|id| (id, false));
        live.chain(silent)
            .filter(|(id, _)| *id != own)
            .filter_map(|(id, is_live)| Some((chitchat.node_state(id)?, is_live)))
            .map(|(state, is_live)| {
                self.directory
                    .read(state, is_live, || states.has_arrived(state))
            })
            .collect()
    }

    /// Holds the present peers for a while. A restarted server knows no member, and routing would
    /// lose all nodes until it has met them.
    fn hold_peers(&mut self) {
        let view = self.membership.view.load();
        let now = Instant::now();
        let until = now.checked_add(self.join_timeout).unwrap_or(now);
        self.membership.known().await_again(&view, until);
        let peers = Arc::clone(&view.peers);
        self.held = (!peers.is_empty()).then_some(HeldPeers { peers, until });
    }

    /// Adds the held peers that have not been met yet. Returns the time of their release.
    fn add_held(&mut self, view: &mut ClusterView, is_complete: bool) -> Option<Instant> {
        let now = Instant::now();
        self.held.take_if(|held| is_complete || held.until <= now);
        let held = self.held.as_ref()?;
        view.peers = Arc::new(view.peers.with(&held.peers));
        Some(held.until)
    }

    fn publish(&mut self, mut view: ClusterView, join: JoinState) {
        let before = self.membership.view.load_full();
        // Right after a restart of the server, agents that are still there have not been met yet.
        if self.held.is_some() {
            view.policy_mismatches.clone_from(&before.policy_mismatches);
        }
        if view != *before {
            // Readers compare what they share.
            if view.stats == before.stats {
                view.stats = Arc::clone(&before.stats);
            }
            self.log.note(&before, &view);
            let peers = Arc::clone(&view.peers);
            self.membership.view.store(Arc::new(view));
            if peers != before.peers {
                debug!(peers = peers.len(), "gossip topology changed");
                self.snapshots.send_replace(peers);
            }
        }
        self.log.write_members();
        let has_changed = self.membership.join.send_if_modified(|state| {
            let changed = *state != join;
            *state = join;
            changed
        });
        if has_changed {
            info!(state = %join, "the state of joining the cluster changed");
        }
    }
}

impl ChangeLog {
    /// Notes the members that are new to a view, and writes what else has changed.
    fn note(&mut self, before: &ClusterView, view: &ClusterView) {
        if view.conflict != before.conflict
            && let Some(left_out) = self.conflict.pass()
        {
            match view.conflict {
                Some(Conflict { address, waits }) => error!(
                    left_out,
                    %address,
                    withheld = waits,
                    "another member has this node's id: stop one of them"
                ),
                None => info!("no other member has this node's id any more"),
            }
        }
        let rivals = view.rivals.iter();
        let mut rivals = rivals.filter(|(node_id, _)| !before.rivals.contains_key(node_id));
        if let Some((node_id, [counts, other])) = rivals.next()
            && let Some(left_out) = self.rivals.pass()
        {
            let others = rivals.count();
            warn!(
                left_out, others, node_id, %counts, %other,
                "two members have the same node id: stop one of them"
            );
        }
        for (log, status) in [
            (&mut self.joined, MemberStatus::Alive),
            (&mut self.left, MemberStatus::Left),
            (&mut self.failed, MemberStatus::Failed),
        ] {
            log.waiting.extend(arrivals(before, view, status));
        }
        if view.policy_mismatches != before.policy_mismatches
            && let Some(left_out) = self.policies.pass()
        {
            let nodes = names(view.policy_mismatches.iter().copied());
            if nodes.is_empty() {
                info!("all agents use the same plugin and settings again");
            } else {
                warn!(
                    left_out,
                    nodes,
                    "agents use another plugin or other settings: they may route keys differently"
                );
            }
        }
    }

    /// Writes which members have come and gone since the last time.
    fn write_members(&mut self) {
        if let Some((count, nodes)) = self.joined.take() {
            info!(count, nodes, "members have joined");
        }
        if let Some((count, nodes)) = self.left.take() {
            info!(count, nodes, "members have left");
        }
        if let Some((count, nodes)) = self.failed.take() {
            warn!(count, nodes, "members have failed");
        }
    }

    fn is_waiting(&self) -> bool {
        let logs = [&self.joined, &self.left, &self.failed];
        logs.iter().any(|log| !log.waiting.is_empty())
    }
}

impl MemberLog {
    /// Returns the members that wait for a line, unless the last one was written a short while ago.
    fn take(&mut self) -> Option<(usize, String)> {
        if self.waiting.is_empty() {
            return None;
        }
        self.limit.pass()?;
        let nodes = std::mem::take(&mut self.waiting);
        Some((nodes.len(), names(nodes.into_iter())))
    }
}

/// Returns the nodes that have a status now and did not have it before. A member that failed before this agent started
/// has no news.
fn arrivals(
    before: &ClusterView,
    view: &ClusterView,
    status: MemberStatus,
) -> impl Iterator<Item = u64> {
    let of = |view: &ClusterView, status| -> BTreeSet<u64> {
        view.with_status(status)
            .map(|member| member.node_id)
            .collect()
    };
    let mut now = of(view, status);
    if status == MemberStatus::Failed {
        let was_alive = of(before, MemberStatus::Alive);
        now.retain(|node_id| was_alive.contains(node_id));
    }
    let had = of(before, status);
    now.into_iter()
        .filter(move |node_id| !had.contains(node_id))
}

/// Returns the node ids as text: at most [`NAMED_MAX`].
fn names(nodes: impl Iterator<Item = u64>) -> String {
    let nodes: Vec<_> = nodes.take(NAMED_MAX).map(|node| node.to_string()).collect();
    nodes.join(",")
}

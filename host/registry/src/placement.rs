//! Placement: keeps the routing table in step with the labels that live members advertise.
//!
//! A thread of its own has the plugin assess each member whose labels are new. It uses an instance of its own, so the
//! labels of a peer cost the registry neither calls nor restarts. The table is built beside the current one, so no lookup
//! waits.
//!
//! A member on whose labels the plugin fails keeps its former candidacy. A plugin that fails on all members leaves the
//! last table in use.

mod assessor;
mod judgement;
mod quarantine;

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::assessor::{Assessor, PastFailures};
use self::judgement::Judgement;
use self::quarantine::Quarantine;
use crate::state::RegistryState;
use crate::traffic::{Members, Traffic, TrafficConfig, TrafficWriter};
use edge_cache_gossip::{LogLimit, PeerInfo};
use edge_cache_routing::{CANDIDATES_MAX, Candidate, CandidateError, NodeId, Router, RouterWriter};
use edge_cache_sandbox::{InstanceConfig, LabelPolicy, Plugin};

/// The least time between two tables. Changes that come together, as when agents meet, share one.
const TABLE_INTERVAL: Duration = Duration::from_millis(20);

/// The time between two looks for the end of the first exchange with the cluster.
const JOIN_INTERVAL: Duration = Duration::from_millis(100);

/// The longest time of assessments before a table is built from the results so far.
const PASS_MAX: Duration = Duration::from_millis(250);

/// The status of routing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingStatus {
    /// Nodes that keys are routed to.
    pub candidates: usize,
    /// `true` once a table was built of all members that were live when the first exchange with the cluster was over,
    /// each assessed, or with labels that cannot be.
    pub is_whole: bool,
    /// Members that are not assessed by their current labels: those have too many, the plugin failed on them, or it
    /// cannot be started. All but the first keep their former candidacy, which agents that did not see it do not know.
    pub unjudged: usize,
    /// The text of the last failure, if there was one.
    pub last_failure: Option<String>,
}

/// The registry's end of placement.
pub(crate) struct Placement {
    pub(crate) router: Router,
    pub(crate) traffic: Traffic,
    status: Arc<Mutex<RoutingStatus>>,
    thread: JoinHandle<()>,
}

/// Wakes the thread of placement; it ends when this is dropped. Wakes before the next pass count as one.
#[derive(Debug)]
pub(crate) struct Wake(SyncSender<()>);

impl Wake {
    pub(crate) fn wake(&self) {
        // A full channel wakes the thread already, a closed one has no thread.
        let _ = self.0.try_send(());
    }
}

impl Placement {
    /// Starts the thread.
    pub(crate) fn start(
        state: Arc<RegistryState>,
        traffic: TrafficConfig,
    ) -> io::Result<(Self, Wake)> {
        let (router, tables) = Router::new();
        let (traffic_tables, traffic) = TrafficWriter::new(traffic);
        let (waking, woken) = sync_channel(1);
        let status = Arc::<Mutex<RoutingStatus>>::default();
        // Labels that an empty instance publishes go nowhere.
        let config = InstanceConfig {
            policy: LabelPolicy::detached(state.config.policy.grants.clone()),
            ..state.config.clone()
        };
        let plugin = Plugin::clone(&state.plugin.load());
        let mut worker = Worker {
            assessor: Assessor::new(plugin, config, state.metrics.calls.clone()),
            state,
            members: BTreeMap::new(),
            quarantine: Quarantine::default(),
            excessive_log: LogLimit::default(),
            failure_log: LogLimit::default(),
            tables,
            traffic: traffic_tables,
            address_log: LogLimit::default(),
            refused: None,
            router: router.clone(),
            status: status.clone(),
            is_whole: false,
        };
        let thread = thread::Builder::new()
            .name("edge-placement".into())
            .spawn(move || worker.run(&woken))?;
        let placement = Self {
            router,
            traffic,
            status,
            thread,
        };
        Ok((placement, Wake(waking)))
    }

    /// Tells whether the thread runs. While the registry runs, its end is a defect.
    pub(crate) fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    pub(crate) fn status(&self) -> RoutingStatus {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The thread's state.
struct Worker {
    state: Arc<RegistryState>,
    assessor: Assessor,
    /// The live members with their last judgements.
    members: BTreeMap<NodeId, Judgement>,
    quarantine: Quarantine,
    tables: RouterWriter,
    traffic: TrafficWriter,
    address_log: LogLimit,
    /// Limits of the log lines that a member's labels can cause.
    excessive_log: LogLimit,
    failure_log: LogLimit,
    /// The last error of the candidates, so that it is logged once.
    refused: Option<CandidateError>,
    router: Router,
    status: Arc<Mutex<RoutingStatus>>,
    /// Set once a table was whole.
    is_whole: bool,
}

impl Worker {
    /// Runs until [`Wake`] is dropped.
    fn run(&mut self, woken: &Receiver<()>) {
        let mut again = None;
        loop {
            let woke = match again {
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => woken.recv_timeout(time_until(at)),
            };
            if woke == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            again = self.pass();
            thread::sleep(TABLE_INTERVAL);
        }
    }

    /// Assesses members with new labels and builds the table. Returns when the next pass is due without a wake.
    fn pass(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.follow_swap();
        // Asked first: the live members of a later moment are whole too.
        let has_joined = self.state.has_joined();
        let mut is_whole = has_joined;
        let live = self.state.advertiser.live();
        let infos: BTreeMap<_, _> = live
            .infos()
            .map(|info| (info.node_id, info.clone()))
            .collect();
        let live_infos: Vec<_> = infos.values().cloned().collect();
        let live_ids = infos.keys().copied().collect();
        self.members
            .retain(|node_id, _| infos.contains_key(node_id));
        self.quarantine.forget_old(now);
        let mut again = (!has_joined)
            .then(|| now.checked_add(JOIN_INTERVAL))
            .flatten();
        for info in self.members_to_assess(infos) {
            if now.elapsed() > PASS_MAX {
                // Other changes, such as a departure, do not wait for a slow plugin.
                again = Some(now);
                is_whole = false;
                break;
            }
            let before = self.members.remove(&info.node_id);
            let (judgement, retry) = self.judge(info, before, now);
            again = again.into_iter().chain(retry).min();
            is_whole &= !judgement.is_open();
            self.members.insert(judgement.info.node_id, judgement);
        }
        self.build(is_whole);
        self.read_addresses(&live_infos);
        if !self.is_whole {
            return again;
        }
        let view = self.state.view.load();
        let members = Members {
            live: &live_ids,
            has_left: &|node_id| live.peers.has_left(node_id),
            is_disabled: &|node_id| {
                let effective = view.decisions.get(node_id);
                effective.is_some_and(|effective| !effective.decision.enables())
            },
        };
        let (routes, addresses) = (self.router.table(), self.state.addresses.load());
        let held = self.traffic.update(routes, &addresses, members, now);
        again.into_iter().chain(held).min()
    }

    /// Reads the addresses of the caches of live nodes, and logs those that are refused.
    fn read_addresses(&mut self, infos: &[Arc<PeerInfo>]) {
        let before = self.state.addresses.load_full();
        let serves = |node_id| {
            let judgement = self.members.get(&node_id);
            judgement.is_some_and(|judgement| judgement.candidate.is_some())
        };
        let infos = infos.iter().map(Arc::as_ref);
        let read = self.traffic.rules().read(infos, serves);
        if read == *before {
            return;
        }
        for (node_id, error) in read.refused() {
            if before.refusal(node_id) == Some(error) {
                continue;
            }
            if let Some(left_out) = self.address_log.pass() {
                tracing::warn!(left_out, node_id, %error, "the address of a cache is refused");
            }
        }
        self.state.addresses.store(Arc::new(read));
    }

    /// After a swap, opens all judgements again and clears the quarantine.
    fn follow_swap(&mut self) {
        let plugin = self.state.plugin.load();
        if !self.assessor.runs(&plugin) {
            self.assessor.replace(Plugin::clone(&plugin));
            self.quarantine = Quarantine::default();
            self.members.values_mut().for_each(Judgement::reopen);
        }
    }

    /// Returns the members without a final judgement. Those that made the plugin fail come last: it may take a while
    /// until the next instance.
    fn members_to_assess(&self, infos: BTreeMap<NodeId, Arc<PeerInfo>>) -> Vec<Arc<PeerInfo>> {
        let mut due: Vec<_> = infos
            .into_values()
            .filter(|info| {
                let known = self.members.get(&info.node_id);
                known.is_none_or(|known| !known.is_final_for(info))
            })
            .collect();
        due.sort_by_key(|info| self.quarantine.holds_any_of(info.node_id));
        due
    }

    /// Judges a member. Returns the judgement, and when to try again.
    fn judge(
        &mut self,
        info: Arc<PeerInfo>,
        before: Option<Judgement>,
        now: Instant,
    ) -> (Judgement, Option<Instant>) {
        if let Err(error) = judgement::check_size(&info.labels) {
            if let Some(left_out) = self.excessive_log.pass() {
                tracing::warn!(left_out, node_id = info.node_id, %error, "ignored the labels of a member");
            }
            return (Judgement::excessive(info), None);
        }
        if let Some(retry) = self.quarantine.until(&info) {
            return (Judgement::failed(info, before), retry);
        }
        let past = if self.quarantine.holds_any_of(info.node_id) {
            PastFailures::Some
        } else {
            PastFailures::None
        };
        match self.assessor.assess(&info, past) {
            Ok(candidate) => {
                self.state.metrics.routing.assessments.inc();
                (Judgement::judged(info, candidate), None)
            }
            Err(assessor::Stopped::Down(at)) => (Judgement::open(info, before), Some(at)),
            Err(assessor::Stopped::Failed(failure)) => {
                if let Some(left_out) = self.failure_log.pass() {
                    tracing::error!(
                        left_out,
                        node_id = info.node_id,
                        %failure,
                        "the plugin failed on the labels of a member, which keeps its former candidacy"
                    );
                }
                self.state.metrics.routing.assessments.inc();
                self.state.metrics.routing.failures.inc();
                self.set_status(|status| status.last_failure = Some(failure.to_string()));
                let retry = self.quarantine.add(&info, &failure, now);
                (Judgement::failed(info, before), retry)
            }
        }
    }

    /// Builds the table of all candidates, if it differs from the current one. `is_whole` tells whether all live
    /// members are judged.
    fn build(&mut self, is_whole: bool) {
        let candidates: BTreeMap<NodeId, Candidate> = self
            .members
            .iter()
            .filter_map(|(node_id, judgement)| Some((*node_id, judgement.candidate.clone()?)))
            // All agents leave out the same ones.
            .take(CANDIDATES_MAX)
            .collect();
        let own = self.state.node_id().and_then(|own| candidates.get(&own));
        let home = own.and_then(|own| own.geo.clone());
        let start = Instant::now();
        let is_built = match self.tables.update(&candidates, home.as_deref()) {
            Ok(update) => {
                if update.is_any() {
                    tracing::debug!(
                        joined = update.joined,
                        left = update.left,
                        changed = update.changed,
                        candidates = candidates.len(),
                        "routing changed"
                    );
                }
                self.refused = None;
                update.is_any()
            }
            Err(error) => {
                if self.refused.as_ref() != Some(&error) {
                    tracing::error!(%error, "cannot build a routing table; the last one stays in use");
                }
                self.refused = Some(error);
                false
            }
        };
        let table = self.router.table();
        let unjudged = self.members.values().filter(|known| !known.is_judged());
        let unjudged = unjudged.count();
        if is_built {
            let took = start.elapsed().as_secs_f64();
            self.state
                .metrics
                .routing
                .table_build_duration
                .observe(took);
        }
        let bytes = i64::try_from(table.bytes()).unwrap_or(i64::MAX);
        self.state.metrics.routing.table_bytes.set(bytes);
        self.set_status(|status| {
            status.candidates = table.len();
            status.unjudged = unjudged;
            status.is_whole |= is_whole;
        });
        self.is_whole |= is_whole;
    }

    fn set_status(&self, change: impl FnOnce(&mut RoutingStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Returns the time until `at`; zero if it is past.
fn time_until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}

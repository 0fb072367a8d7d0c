//! Keeps the routing table true to the labels that live members advertise.
//!
//! A thread of its own has the component judge each member whose labels are new, in an instance that is not
//! the registry's: what a peer writes into its labels costs the registry no call and no restart. The table
//! is made beside the one in force, so no lookup waits for any of it.
//!
//! Members whose labels the component fails on keep their place from before; so a component that fails on
//! all of them leaves the last table in force.

mod assessor;
mod judgement;
mod quarantine;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use self::assessor::{Assessor, Record};
use self::judgement::Judgement;
use self::quarantine::Quarantine;
use crate::advertiser::{Advertiser, Wake};
use crate::metrics::{RegistryMetrics, RoutingMetrics};
use edge_cache_gossip::PeerInfo;
use edge_cache_routing::{CANDIDATES_MAX, Candidate, CandidateError, NodeId, Router, RouterWriter};
use edge_cache_sandbox::PluginCell;
use edge_cache_sandbox::{InstanceConfig, Plugin};

/// The least time from one table to the next. Changes that come together, as when agents meet, make one.
const PACE: Duration = Duration::from_millis(20);

/// How long members are judged until the table is brought to what is known so far.
const PASS_MAX: Duration = Duration::from_millis(250);

/// How routing is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingStatus {
    /// Nodes that keys are routed to.
    pub candidates: usize,
    /// Members that are not judged by their present labels: those are too many, or the component failed on
    /// them. The latter go on as what they were judged before, which agents that have not seen it don't know.
    pub unjudged: usize,
    /// The last failure, in words, if there was one.
    pub last_failure: Option<String>,
}

/// The end of placement that the registry holds. The thread ends after this is dropped.
pub(crate) struct Placement {
    router: Router,
    status: Arc<Mutex<RoutingStatus>>,
    thread: JoinHandle<()>,
}

impl Placement {
    /// Starts the thread, and answers what wakes it.
    pub(crate) fn start(
        plugin: Arc<PluginCell>,
        config: InstanceConfig,
        metrics: &RegistryMetrics,
        advertiser: Arc<dyn Advertiser>,
    ) -> std::io::Result<(Self, Wake)> {
        let (router, tables) = Router::new();
        let (waking, woken) = sync_channel(1);
        let status = Arc::<Mutex<RoutingStatus>>::default();
        let mut worker = Worker {
            advertiser,
            assessor: Assessor::new(Plugin::clone(&plugin.load()), config, metrics.calls.clone()),
            plugin,
            members: BTreeMap::new(),
            quarantine: Quarantine::default(),
            tables,
            refused: None,
            router: router.clone(),
            status: status.clone(),
            metrics: metrics.routing.clone(),
        };
        let thread = thread::Builder::new()
            .name("edge-placement".into())
            .spawn(move || worker.run(&woken))?;
        let placement = Self {
            router,
            status,
            thread,
        };
        Ok((placement, Wake::new(waking)))
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Whether its thread runs. Its end, before this is dropped, is a defect.
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

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement").finish_non_exhaustive()
    }
}

/// What the thread works with.
struct Worker {
    advertiser: Arc<dyn Advertiser>,
    /// Says which component decides.
    plugin: Arc<PluginCell>,
    assessor: Assessor,
    /// The live members, as they were judged last.
    members: BTreeMap<NodeId, Judgement>,
    quarantine: Quarantine,
    tables: RouterWriter,
    /// Why the candidates were refused last, so that it is said once.
    refused: Option<CandidateError>,
    router: Router,
    status: Arc<Mutex<RoutingStatus>>,
    metrics: RoutingMetrics,
}

impl Worker {
    /// Works until nobody is left who could wake it.
    fn run(&mut self, woken: &Receiver<()>) {
        let mut again = None;
        loop {
            let woke = match again {
                None => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => woken.recv_timeout(at_least_now(at)),
            };
            if woke == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            again = self.pass();
            thread::sleep(PACE);
        }
    }

    /// Judges what is new, and makes the table that follows. Answers when to look again, should nobody wake.
    fn pass(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.follow_component();
        let live = self.advertiser.live();
        let infos: BTreeMap<_, _> = live
            .infos()
            .map(|info| (info.node_id, info.clone()))
            .collect();
        self.members
            .retain(|node_id, _| infos.contains_key(node_id));
        self.quarantine.forget_old(now);
        let mut again = None;
        for info in self.in_order(infos) {
            if now.elapsed() > PASS_MAX {
                // What has changed meanwhile, a departure say, is not to wait for a slow component.
                again = Some(now);
                break;
            }
            let before = self.members.remove(&info.node_id);
            let (judgement, retry) = self.judge(info, before, now);
            again = again.into_iter().chain(retry).min();
            self.members.insert(judgement.info.node_id, judgement);
        }
        self.build();
        again
    }

    /// After a swap all members are judged anew, with those that killed the component of before.
    fn follow_component(&mut self) {
        let plugin = self.plugin.load();
        if !self.assessor.runs(&plugin) {
            self.assessor.replace(Plugin::clone(&plugin));
            self.quarantine = Quarantine::default();
            self.members.values_mut().for_each(Judgement::reopen);
        }
    }

    /// The members whose labels are new, or still to be judged: first those that never made the component
    /// fail, for it may be a while until the next instance.
    fn in_order(&self, infos: BTreeMap<NodeId, Arc<PeerInfo>>) -> Vec<Arc<PeerInfo>> {
        let mut due: Vec<_> = infos
            .into_values()
            .filter(|info| {
                let known = self.members.get(&info.node_id);
                known.is_none_or(|known| !known.is_settled_for(info))
            })
            .collect();
        due.sort_by_key(|info| self.quarantine.holds_any_of(info.node_id));
        due
    }

    fn judge(
        &mut self,
        info: Arc<PeerInfo>,
        before: Option<Judgement>,
        now: Instant,
    ) -> (Judgement, Option<Instant>) {
        if let Err(excess) = judgement::check_size(&info.labels) {
            tracing::warn!(node_id = info.node_id, %excess, "a member is not judged");
            return (Judgement::excessive(info), None);
        }
        if let Some(retry) = self.quarantine.until(&info) {
            return (Judgement::failed(info, before), retry);
        }
        let record = if self.quarantine.holds_any_of(info.node_id) {
            Record::Killer
        } else {
            Record::Clean
        };
        match self.assessor.assess(&info, record) {
            Ok(candidate) => {
                self.metrics.assessments.inc();
                (Judgement::judged(info, candidate), None)
            }
            Err(assessor::Stopped::Down(at)) => (Judgement::open(info, before), Some(at)),
            Err(assessor::Stopped::Failed(failure)) => {
                tracing::error!(
                    node_id = info.node_id,
                    %failure,
                    "the component failed on the labels of a member, which stays as it was"
                );
                self.metrics.assessments.inc();
                self.metrics.failures.inc();
                self.set_status(|status| status.last_failure = Some(failure.to_string()));
                let retry = self.quarantine.add(&info, &failure, now);
                (Judgement::failed(info, before), retry)
            }
        }
    }

    fn build(&mut self) {
        let candidates: BTreeMap<NodeId, Candidate> = self
            .members
            .iter()
            .filter_map(|(node_id, judgement)| Some((*node_id, judgement.candidate.clone()?)))
            // All agents leave out the same ones.
            .take(CANDIDATES_MAX)
            .collect();
        let own = self
            .advertiser
            .node_id()
            .and_then(|own| candidates.get(&own));
        let home = own.and_then(|own| own.geo.clone());
        let start = Instant::now();
        let built = match self.tables.update(&candidates, home.as_deref()) {
            Ok(update) => {
                if update.is_any() {
                    tracing::debug!(?update, candidates = candidates.len(), "routing changed");
                }
                self.refused = None;
                update.is_any()
            }
            Err(error) => {
                if self.refused.as_ref() != Some(&error) {
                    tracing::error!(%error, "the routing table stays as it was");
                }
                self.refused = Some(error);
                false
            }
        };
        let table = self.router.table();
        let unjudged = self.members.values().filter(|known| !known.is_judged());
        let unjudged = unjudged.count();
        if built {
            let took = start.elapsed().as_secs_f64();
            self.metrics.table_build_duration.observe(took);
        }
        let bytes = i64::try_from(table.bytes()).unwrap_or(i64::MAX);
        self.metrics.table_bytes.set(bytes);
        self.set_status(|status| {
            status.candidates = table.len();
            status.unjudged = unjudged;
        });
    }

    fn set_status(&self, change: impl FnOnce(&mut RoutingStatus)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The time until then, or none.
fn at_least_now(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}

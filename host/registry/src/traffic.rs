//! Traffic: the nodes that serve a key together with the addresses of their caches, for readers that send requests.
//!
//! A [`TrafficTable`] shares the routing table of the registry. It differs from that one in two ways: nodes without an
//! address are left out, and a table is held for a while when most members seem to have failed at once, since it is then
//! likelier that this agent is cut off.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use edge_cache_core::NodeId;
use edge_cache_core::cache_address::{CacheAddress, CacheAddressRules, CacheAddresses};
use edge_cache_routing::{REPLICAS_MAX, RoutingTable};

#[cfg(test)]
mod tests;

/// The time between two looks for nodes that were disabled while a table is held.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The settings of traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficConfig {
    /// The rules for the addresses of caches.
    pub addresses: CacheAddressRules,
    /// The time for which the last table is held when more than half of the members fail within `loss_period`.
    pub hold: Duration,
    /// The time within which failures belong together: a period of the failure detector.
    pub loss_period: Duration,
}

impl Default for TrafficConfig {
    /// Holds for five minutes after failures within 15 s.
    fn default() -> Self {
        Self {
            addresses: CacheAddressRules::default(),
            hold: Duration::from_secs(5 * 60),
            loss_period: Duration::from_secs(15),
        }
    }
}

/// A reader of the current traffic table, from any number of threads. Clones share the table.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    table: Arc<ArcSwapOption<TrafficTable>>,
}

impl Traffic {
    /// Returns the current table; `None` until the routing table is whole for the first time.
    #[must_use]
    pub fn table(&self) -> Option<Arc<TrafficTable>> {
        self.table.load_full()
    }
}

/// A cache that requests can be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Address.
    pub address: CacheAddress,
    /// The canonical text of the address, made once.
    pub text: Box<str>,
}

/// An immutable table of the nodes that serve a key and the addresses of their caches.
#[derive(Debug, Default)]
pub struct TrafficTable {
    routes: Arc<RoutingTable>,
    /// The caches of candidates, by node.
    caches: HashMap<NodeId, Cache, foldhash::fast::RandomState>,
    /// The number of candidates without an address.
    without_address: usize,
    is_held: bool,
}

impl TrafficTable {
    fn new(routes: Arc<RoutingTable>, addresses: &CacheAddresses) -> Self {
        let caches = routes.candidates().filter_map(|(node_id, _, _)| {
            let address = addresses.get(node_id)?;
            let text = address.to_string().into();
            Some((node_id, Cache { address, text }))
        });
        let caches: HashMap<_, _, _> = caches.collect();
        Self {
            without_address: routes.len().saturating_sub(caches.len()),
            caches,
            routes,
            is_held: false,
        }
    }

    /// Returns the same table without the nodes for which `is_gone` is true, held.
    fn held_without(&self, is_gone: impl Fn(NodeId) -> bool) -> Self {
        let caches = self
            .caches
            .iter()
            .filter(|(node_id, _)| !is_gone(**node_id));
        Self {
            routes: self.routes.clone(),
            caches: caches
                .map(|(node_id, cache)| (*node_id, cache.clone()))
                .collect(),
            without_address: self.without_address,
            is_held: true,
        }
    }

    /// Returns the best caches for a key, best first: at most `replicas` and [`REPLICAS_MAX`], in the order of
    /// [`EdgeCacheRegistry::route`](crate::EdgeCacheRegistry::route) without the nodes that have no address.
    pub fn pick(
        &self,
        key: &[u8],
        replicas: usize,
        from_geo: Option<&str>,
    ) -> impl Iterator<Item = (NodeId, &Cache)> + Clone {
        let replicas = replicas.min(REPLICAS_MAX);
        let mut found = self.routes.route(key, replicas, from_geo);
        if found
            .iter()
            .any(|node_id| !self.caches.contains_key(node_id))
        {
            let has_address = |node_id: NodeId| self.caches.contains_key(&node_id);
            found = self
                .routes
                .route_among(key, replicas, from_geo, has_address);
        }
        let len = found.len();
        (0..len).filter_map(move |place| {
            let node_id = *found.get(place)?;
            Some((node_id, self.caches.get(&node_id)?))
        })
    }

    /// Iterates over all caches, each with its node's weight and geo, in no order.
    pub fn caches(&self) -> impl Iterator<Item = (NodeId, &Cache, u32, Option<&str>)> {
        self.routes
            .candidates()
            .filter_map(|(node_id, weight, geo)| {
                Some((node_id, self.caches.get(&node_id)?, weight, geo))
            })
    }

    /// Returns the geo of the own node, if it is eligible and has one.
    #[must_use]
    pub fn home(&self) -> Option<&str> {
        self.routes.home()
    }

    /// Tells whether keys are routed to a node and its cache has an address.
    fn serves(&self, node_id: NodeId) -> bool {
        self.caches.contains_key(&node_id)
    }

    /// Returns the number of caches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.caches.len()
    }

    /// Tells whether there is no cache.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.caches.is_empty()
    }

    /// Returns the number of nodes that keys are routed to and that have no address.
    #[must_use]
    pub fn without_address(&self) -> usize {
        self.without_address
    }

    /// Tells whether this table is held although members seem to have failed since.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held
    }
}

/// The writer of the traffic table: decides when a table is held.
#[derive(Debug)]
pub(crate) struct TrafficWriter {
    config: TrafficConfig,
    traffic: Traffic,
    /// The table before the first of the failures that may belong together.
    before: Option<Loss>,
    live: HashSet<NodeId>,
}

/// Failures that may belong together.
#[derive(Debug)]
struct Loss {
    since: Instant,
    table: Arc<TrafficTable>,
    /// The live nodes before.
    live: HashSet<NodeId>,
    /// The end of the hold, once more than half of them have failed.
    held_until: Option<Instant>,
}

/// The live members at one moment, those that said that they leave, and those that the registry disabled.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    pub(crate) live: &'a HashSet<NodeId>,
    pub(crate) has_left: &'a dyn Fn(NodeId) -> bool,
    pub(crate) is_disabled: &'a dyn Fn(NodeId) -> bool,
}

impl TrafficWriter {
    /// Returns the rules for the addresses of caches.
    pub(crate) fn rules(&self) -> &CacheAddressRules {
        &self.config.addresses
    }

    pub(crate) fn new(config: TrafficConfig) -> (Self, Traffic) {
        let traffic = Traffic::default();
        let writer = Self {
            config,
            traffic: traffic.clone(),
            before: None,
            live: HashSet::new(),
        };
        (writer, traffic)
    }

    /// Replaces the table by one of these routes and addresses, or holds the last one. Returns when it must be called
    /// again, if nothing changes before.
    pub(crate) fn update(
        &mut self,
        routes: Arc<RoutingTable>,
        addresses: &CacheAddresses,
        members: Members<'_>,
        now: Instant,
    ) -> Option<Instant> {
        let next = TrafficTable::new(routes, addresses);
        self.note_loss(members, now);
        self.live.clone_from(members.live);
        let hold = self.before.as_ref().and_then(|loss| {
            // Held are nodes of which nothing is known, and no others.
            let gone = |node_id| {
                (members.has_left)(node_id)
                    || (members.is_disabled)(node_id)
                    || (members.live.contains(&node_id) && !next.serves(node_id))
            };
            Some((loss.held_until?, loss.table.held_without(gone)))
        });
        let (table, again) = match hold {
            Some((until, held)) => (held, now.checked_add(LOOK_EVERY).map(|at| at.min(until))),
            None => (next, None),
        };
        self.store(table);
        again
    }

    /// Notes members that have failed since the last call, and whether they are more than half of all.
    fn note_loss(&mut self, members: Members<'_>, now: Instant) {
        if self.config.hold.is_zero() {
            return;
        }
        if let Some(loss) = &self.before {
            let is_over = match loss.held_until {
                Some(until) => now >= until,
                None => now.saturating_duration_since(loss.since) > self.config.loss_period,
            };
            if is_over {
                self.before = None;
            }
        }
        let has_failed =
            |node_id: &NodeId| !members.live.contains(node_id) && !(members.has_left)(*node_id);
        if self.before.is_none() && self.live.iter().any(has_failed) {
            let table = self.traffic.table();
            self.before = table.map(|table| Loss {
                since: now,
                table,
                live: self.live.clone(),
                held_until: None,
            });
        }
        let Some(loss) = &mut self.before else {
            return;
        };
        let failed = loss
            .live
            .iter()
            .filter(|node_id| has_failed(node_id))
            .count();
        let is_most = |count: usize| count.saturating_mul(2) > loss.live.len();
        if is_most(failed) && loss.held_until.is_none() {
            loss.held_until = now.checked_add(self.config.hold);
            tracing::warn!(
                failed,
                members = loss.live.len(),
                hold_s = self.config.hold.as_secs(),
                "more than half of the members failed at once; traffic goes on by the last table"
            );
        }
        let gone = loss.live.difference(members.live).count();
        if loss.held_until.is_some() && !is_most(gone) {
            tracing::info!("most of the members are back; traffic follows the members again");
            self.before = None;
        }
    }

    /// Stores a table, unless the current one is equal.
    fn store(&self, table: TrafficTable) {
        let is_equal = self.traffic.table.load().as_ref().is_some_and(|current| {
            Arc::ptr_eq(&current.routes, &table.routes)
                && current.caches == table.caches
                && current.is_held == table.is_held
        });
        if !is_equal {
            self.traffic.table.store(Some(Arc::new(table)));
        }
    }
}

use std::collections::BTreeMap;

use edge_cache_core::PeerInfo;
use edge_cache_core::cache_address::{CACHE_ADDRESS_LABEL, LoopbackRule};
use edge_cache_routing::{Candidate, Router};

use super::*;

const HOLD: Duration = Duration::from_secs(300);
const PERIOD: Duration = Duration::from_secs(15);

/// A writer with the members that the test sets.
struct Cluster {
    writer: TrafficWriter,
    traffic: Traffic,
    live: HashSet<NodeId>,
    left: HashSet<NodeId>,
    /// Nodes that the registry disabled.
    disabled: HashSet<NodeId>,
    start: Instant,
}

fn routes(nodes: &HashSet<NodeId>) -> Arc<RoutingTable> {
    let candidate = Candidate {
        weight: 1,
        geo: None,
    };
    let candidates: BTreeMap<_, _> = nodes
        .iter()
        .map(|node| (*node, candidate.clone()))
        .collect();
    let (router, mut writer) = Router::new();
    writer.update(&candidates, None).unwrap();
    router.table()
}

fn addresses(nodes: impl IntoIterator<Item = NodeId>) -> CacheAddresses {
    let infos: Vec<_> = nodes
        .into_iter()
        .map(|node| {
            let mut info = PeerInfo::placeholder(node);
            let address = format!("127.0.0.1:{node}");
            info.labels.insert(CACHE_ADDRESS_LABEL.to_string(), address);
            info
        })
        .collect();
    let rules = CacheAddressRules {
        loopback: LoopbackRule::Accept,
        ..CacheAddressRules::default()
    };
    rules.read(&infos, |_| true)
}

impl Cluster {
    fn new(nodes: u64) -> Self {
        let config = TrafficConfig {
            hold: HOLD,
            loss_period: PERIOD,
            ..TrafficConfig::default()
        };
        let (writer, traffic) = TrafficWriter::new(config);
        let mut cluster = Self {
            writer,
            traffic,
            live: (1..=nodes).collect(),
            left: HashSet::new(),
            disabled: HashSet::new(),
            start: Instant::now(),
        };
        cluster.at(0);
        cluster
    }

    /// Updates the table at a second. Returns the nodes that it names, and whether it is held.
    fn at(&mut self, second: u64) -> (Vec<NodeId>, bool) {
        let members = Members {
            live: &self.live,
            has_left: &|node| self.left.contains(&node),
            is_disabled: &|node| self.disabled.contains(&node),
        };
        let now = self.start + Duration::from_secs(second);
        let serving: HashSet<_> = self.live.difference(&self.disabled).copied().collect();
        let (routes, addresses) = (routes(&serving), addresses(self.live.iter().copied()));
        let again = self.writer.update(routes, &addresses, members, now);
        let table = self.traffic.table().unwrap();
        assert_eq!(again.is_some(), table.is_held());
        let mut nodes: Vec<_> = table.caches().map(|(node, ..)| node).collect();
        nodes.sort_unstable();
        (nodes, table.is_held())
    }

    fn fail(&mut self, nodes: impl IntoIterator<Item = NodeId>) {
        for node in nodes {
            self.live.remove(&node);
        }
    }
}

#[test]
fn nodes_without_an_address_are_left_out_and_the_rest_keeps_its_order() {
    let nodes: HashSet<NodeId> = (1..=40).collect();
    let routes = routes(&nodes);
    let table = TrafficTable::new(routes.clone(), &addresses(31..=40));
    assert_eq!((table.len(), table.without_address()), (10, 30));
    let (mut picked_most, keys) = (0, 500_u32);
    for key in 0..keys {
        let key = key.to_be_bytes();
        let expected = routes.route_among(&key, 3, None, |node| node > 30);
        let picked: Vec<_> = table.pick(&key, 3, None).map(|(node, _)| node).collect();
        assert_eq!(*picked, *expected);
        let best = routes.route(&key, REPLICAS_MAX, None);
        let best: Vec<_> = best
            .iter()
            .copied()
            .filter(|node| *node > 30)
            .take(3)
            .collect();
        assert!(picked.starts_with(&best), "{picked:?} {best:?}");
        picked_most += usize::from(best.len() == 3);
    }
    assert!(
        picked_most > 0,
        "no key has three nodes with an address among its best eight"
    );
    let (_, cache) = table.pick(b"key", 1, None).next().unwrap();
    assert_eq!(*cache.text, *cache.address.to_string());
}

#[test]
fn failures_of_half_of_the_members_are_followed() {
    let mut cluster = Cluster::new(4);
    cluster.fail([3, 4]);
    assert_eq!(cluster.at(1), (vec![1, 2], false));
}

#[test]
fn failures_of_most_members_hold_the_table_from_before_the_first() {
    let mut cluster = Cluster::new(5);
    cluster.fail([4]);
    assert_eq!(cluster.at(1), (vec![1, 2, 3, 5], false));
    cluster.fail([3]);
    assert_eq!(cluster.at(8), (vec![1, 2, 5], false));
    cluster.fail([2]);
    assert_eq!(cluster.at(14), (vec![1, 2, 3, 4, 5], true));
    // Who left is taken out at once.
    cluster.left.insert(2);
    assert_eq!(cluster.at(20), (vec![1, 3, 4, 5], true));
    // So is who is disabled, live or not.
    cluster.disabled.insert(4);
    assert_eq!(cluster.at(21), (vec![1, 3, 5], true));
    cluster.disabled.insert(5);
    assert_eq!(cluster.at(22), (vec![1, 3], true));
    // All of them have an address.
    assert_eq!(cluster.traffic.table().unwrap().without_address(), 0);
    cluster.disabled.clear();
    // The hold counts from the failure that completed it.
    assert_eq!(cluster.at(14 + 299), (vec![1, 3, 4, 5], true));
    assert_eq!(cluster.at(14 + 300), (vec![1, 5], false));
}

#[test]
fn without_a_hold_failures_are_followed() {
    let mut cluster = Cluster::new(5);
    cluster.writer.config.hold = Duration::ZERO;
    cluster.fail([2, 3, 4, 5]);
    assert_eq!(cluster.at(1), (vec![1], false));
}

#[test]
fn failures_that_do_not_belong_together_are_followed() {
    let mut cluster = Cluster::new(5);
    for (second, node) in [(0, 5), (20, 4), (40, 3), (60, 2)] {
        cluster.fail([node]);
        let (nodes, is_held) = cluster.at(second);
        assert!(!is_held && !nodes.contains(&node), "{second}: {nodes:?}");
    }
}

#[test]
fn a_hold_ends_when_most_are_back() {
    let mut cluster = Cluster::new(5);
    cluster.fail([2, 3, 4, 5]);
    assert_eq!(cluster.at(1), (vec![1, 2, 3, 4, 5], true));
    cluster.live.insert(5);
    assert!(cluster.at(30).1);
    cluster.live.insert(4);
    assert_eq!(cluster.at(31), (vec![1, 4, 5], false));
}

#[test]
fn members_that_leave_are_no_failures() {
    let mut cluster = Cluster::new(5);
    cluster.left.extend([2, 3, 4, 5]);
    cluster.fail([2, 3, 4, 5]);
    assert_eq!(cluster.at(1), (vec![1], false));
}

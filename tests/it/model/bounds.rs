//! One bound for all doors: a decision that decodes can be applied and loaded, and is listed as it was decided.

use std::collections::BTreeMap;

use edge_cache_conformance::{PluginUnderTest, RegistryUnderTest};
use edge_cache_host::{Change, Decision, EdgeCacheStats, Entry, NodeId};
use edge_cache_tests::reference_plugin;
use proptest::prelude::*;
use serde_json::json;

use super::runs;

/// The first millisecond of the year 10000, and the timestamp that it has.
const MS_END: u64 = 253_402_300_800_000;
const STAMP_END: u64 = MS_END << 16;

proptest! {
    #![proptest_config(runs(300))]

    #[test]
    fn every_decision_that_decodes_can_be_applied_and_loaded(
        values in prop::collection::vec((any::<NodeId>(), values()), 1..20)
    ) {
        let plugin = reference_plugin().unwrap();
        let mut subject = PluginUnderTest::start(&plugin).unwrap();
        let mut entries = BTreeMap::new();
        for (node_id, value) in values {
            let Ok(decision) = Decision::decode(node_id, &value) else {
                continue;
            };
            // What is published is read again.
            prop_assert_eq!(Decision::decode(node_id, &decision.encode()), Ok(decision.clone()));
            let node = decision.enabled().unwrap();
            let stats = EdgeCacheStats::default();
            let entry = Entry { node, stats };
            let applied = subject.apply(&[Change::Put(entry.clone())]);
            prop_assert_eq!(applied.unwrap(), Ok(()), "{}", value);
            entries.insert(node_id, entry);
        }
        let entries = Vec::from_iter(entries.into_values());
        let nodes: Vec<_> = entries.iter().map(|entry| entry.node.clone()).collect();
        prop_assert_eq!(subject.list_eligible().unwrap(), nodes.clone());
        let mut fresh = PluginUnderTest::start(&plugin).unwrap();
        prop_assert_eq!(fresh.load(&entries).unwrap(), Ok(()));
        prop_assert_eq!(fresh.list_eligible().unwrap(), nodes);
    }
}

/// Values as they come by gossip, on both sides of each bound.
fn values() -> impl Strategy<Value = String> {
    let times = prop_oneof![
        any::<u64>(),
        0..MS_END,
        Just(MS_END - 1),
        Just(MS_END),
        Just(u64::MAX)
    ];
    let stamps = prop_oneof![
        any::<u64>(),
        0..STAMP_END,
        Just(STAMP_END - 1),
        Just(STAMP_END)
    ];
    let geos = prop::option::of(prop_oneof![".{0,20}", "[a-z0-9-]{1,65}", "\\PC{1,30}"]);
    let sizes = || prop_oneof![Just(0), any::<u64>(), Just(u64::MAX)];
    let cores = prop_oneof![Just(0), any::<u32>()];
    (cores, sizes(), sizes(), geos, times, stamps, any::<u64>()).prop_map(
        |(cpu_cores, ram_mib, disk_mib, geo, enabled_at_ms, at, by)| {
            let mut capacity =
                json!({"cpu_cores": cpu_cores, "ram_mib": ram_mib, "disk_mib": disk_mib});
            if let Some(geo) = geo {
                capacity["geo"] = geo.into();
            }
            json!({"op": "enable", "capacity": capacity, "enabled_at_ms": enabled_at_ms, "at": at, "by": by})
                .to_string()
        },
    )
}

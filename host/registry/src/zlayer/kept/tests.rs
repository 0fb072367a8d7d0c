//! Instances that fail, and registries that are full.

use edge_cache_sandbox::PluginConfig;

use super::*;

/// Largest data of a call: enough for a change without a geo, and too little for one with the longest.
const CALL_DATA_BYTES: usize = 320;
const NODES_MAX: usize = 2;

fn plugin() -> Plugin {
    let mut config = PluginConfig::default();
    config.limits.call_data_bytes = CALL_DATA_BYTES;
    config.limits.nodes_max = NODES_MAX;
    let bytes = edge_cache_reference::PLUGIN.expect("`cargo plugin` has run");
    Plugin::from_bytes(bytes, config).expect("the reference plugin loads")
}

fn enable(node_id: NodeId, geo: Option<String>) -> Request {
    let capacity = NodeCapacity {
        cpu_cores: 1,
        ram_mib: 2,
        disk_mib: 3,
        geo,
    };
    Request::Enable { node_id, capacity }
}

fn ids(kept: &Kept) -> Vec<NodeId> {
    let entries = kept.entries();
    entries.iter().map(|entry| entry.node.node_id).collect()
}

fn has_instance(kept: &Kept) -> bool {
    lock(&kept.instance).is_some()
}

#[test]
fn after_a_failure_an_instance_is_loaded_with_what_is_remembered() {
    let plugin = plugin();
    let kept = Kept::new(Some(&PeerInfo::placeholder(7)));
    assert!(!has_instance(&kept));
    kept.change(&plugin, &enable(7, None)).unwrap();
    let (entries, labels) = (kept.entries(), kept.own_labels());
    assert_eq!(labels.labels.len(), 4);

    let too_much = enable(7, Some("x".repeat(64)));
    let error = kept.change(&plugin, &too_much).unwrap_err();
    assert!(matches!(error, EdgeCacheError::PluginFailed(_)), "{error}");
    assert!(!has_instance(&kept));
    // Reads go on, with what stood.
    assert!(Arc::ptr_eq(&entries, &kept.entries()));
    assert!(Arc::ptr_eq(&labels, &kept.own_labels()));

    // An instance without the entry would not find it.
    kept.change(&plugin, &Request::Disable { node_id: 7 })
        .unwrap();
    assert!(ids(&kept).is_empty());
    assert_eq!(kept.own_labels().revision, 2);
    assert!(kept.own_labels().labels.is_empty());
}

#[test]
fn a_refused_change_keeps_the_instance() {
    let plugin = plugin();
    let kept = Kept::new(None);
    let error = kept.change(&plugin, &Request::Disable { node_id: 7 });
    assert_eq!(error, Err(EdgeCacheError::NodeNotFound(7)));
    assert!(has_instance(&kept));
}

#[test]
fn a_full_registry_takes_changes_of_its_nodes_and_no_other() {
    let plugin = plugin();
    let kept = Kept::new(None);
    for node_id in [1, 2, 1] {
        kept.change(&plugin, &enable(node_id, None)).unwrap();
    }
    let full = Err(EdgeCacheError::Full { limit: NODES_MAX });
    assert_eq!(kept.change(&plugin, &enable(3, None)), full);
    kept.change(&plugin, &Request::Disable { node_id: 1 })
        .unwrap();
    kept.change(&plugin, &enable(3, None)).unwrap();
    assert_eq!(ids(&kept), [2, 3]);
}

//! The store on real files.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::effective::{EffectiveDecision, SetAside};
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId, SourceId};

fn identity() -> Identity {
    Identity {
        node_id: Some(1),
        cluster_id: "test".to_string(),
    }
}

fn entry(node_id: NodeId) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: NodeCapacity {
                cpu_cores: 4,
                ram_mib: 8_192,
                disk_mib: 102_400,
                geo: Some("eu-central-1".to_string()),
            },
            enabled_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        },
        stats: EdgeCacheStats {
            hits: u64::MAX,
            misses: 7,
        },
    }
}

fn put(ids: impl IntoIterator<Item = NodeId>) -> Changes {
    Changes {
        put: ids.into_iter().map(entry).collect(),
        ..Changes::default()
    }
}

/// A closed store with 200 entries, and its file.
fn filled() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    store.commit(&put(0..200)).unwrap();
    drop(store);
    let file = directory.path().join("registry.redb");
    (directory, file)
}

#[test]
fn committed_changes_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    let remembered = store.take_remembered().unwrap();
    assert_eq!(remembered, Remembered::default());
    store.commit(&put([9, u64::MAX, 3])).unwrap();
    let labels = Labels::from([("edge_cache".to_string(), "true".to_string())]);
    let sources = ["7/a", "8/a", "7/b"].map(|id| id.parse::<SourceId>().unwrap());
    let counters = entry(3).stats;
    let counted = sources.clone().map(|id| (id, Some(counters)));
    store
        .commit(&Changes {
            remove: vec![9, 1_000],
            own_labels: Some(labels.clone()),
            sources: counted.into(),
            ..Changes::default()
        })
        .unwrap();
    let [kept, changed, dropped] = sources;
    let other = EdgeCacheStats::default();
    store
        .commit(&Changes {
            sources: vec![(changed.clone(), Some(other)), (dropped, None)],
            ..Changes::default()
        })
        .unwrap();
    drop(store);

    let remembered = Store::open(directory.path(), identity())
        .unwrap()
        .take_remembered()
        .unwrap();
    assert_eq!(
        remembered.entries,
        [3, u64::MAX].map(|id| (id, entry(id))).into()
    );
    assert_eq!(remembered.own_labels, labels);
    assert_eq!(
        remembered.sources,
        [(kept, counters), (changed, other)].into()
    );
}

#[test]
fn generations_grow_although_the_clock_stops_or_steps_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    assert_eq!(store.next_generation(100).unwrap(), 100);
    assert_eq!(store.next_generation(100).unwrap(), 101);
    drop(store);
    let store = Store::open(directory.path(), identity()).unwrap();
    assert_eq!(store.next_generation(5).unwrap(), 102);
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let _store = Store::open(directory.path(), identity()).unwrap();
    let error = Store::open(directory.path(), identity()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[test]
fn another_nodes_or_clusters_file_is_refused_and_left_alone() {
    let (directory, file) = filled();
    let before = fs::read(&file).unwrap();
    for other in [
        Identity {
            node_id: Some(2),
            ..identity()
        },
        Identity {
            cluster_id: "other".to_string(),
            ..identity()
        },
    ] {
        let error = Store::open(directory.path(), other).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let newer = Meta {
        format: format::FORMAT + 1,
        identity: identity(),
    };
    let file = directory.path().join("registry.redb");
    database::create(&file, &[Write::Meta(&newer)]).unwrap();
    let before = fs::read(&file).unwrap();
    let error = Store::open(directory.path(), identity()).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 2,
                supported: 1,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_truncated_file_is_refused_and_left_alone() {
    let (directory, file) = filled();
    let whole = fs::read(&file).unwrap();
    for keep in [0, 1, 100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&file, &whole[..keep]).unwrap();
        let error = Store::open(directory.path(), identity()).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged { .. }),
            "{keep}: {error}"
        );
        assert_eq!(fs::read(&file).unwrap(), whole[..keep]);
    }
}

#[test]
fn a_flipped_bit_is_detected() {
    let (directory, file) = filled();
    let whole = fs::read(&file).unwrap();
    let remembered = Store::open(directory.path(), identity())
        .unwrap()
        .take_remembered()
        .unwrap();
    // Every page is hit, at places that differ from page to page.
    for at in (0..whole.len()).step_by(4_099) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&file, &bytes).unwrap();
        match Store::open(directory.path(), identity()) {
            Ok(store) => assert_eq!(store.take_remembered().unwrap(), remembered, "byte {at}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "{at}: {error}");
                assert_eq!(fs::read(&file).unwrap(), bytes, "byte {at}");
            }
        }
    }
}

#[test]
fn zeroed_pages_are_an_error_without_a_panic() {
    let (directory, file) = filled();
    let whole = fs::read(&file).unwrap();
    let remembered = Store::open(directory.path(), identity())
        .unwrap()
        .take_remembered()
        .unwrap();
    for page in (0..whole.len()).step_by(4_096) {
        let mut bytes = whole.clone();
        bytes[page..page + 4_096].fill(0);
        fs::write(&file, &bytes).unwrap();
        if let Ok(store) = Store::open(directory.path(), identity()) {
            assert_eq!(
                store.take_remembered().unwrap(),
                remembered,
                "page at {page}"
            );
        }
    }
}

#[test]
fn an_interrupted_creation_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("registry.redb.new"), b"half").unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    let remembered = store.take_remembered().unwrap();
    assert_eq!(remembered, Remembered::default());
    store.commit(&put([1])).unwrap();
}

#[test]
fn a_reopened_store_returns_its_content() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    store.commit(&put([1, 2])).unwrap();
    assert_eq!(
        store.reopen().unwrap().entries,
        [1, 2].map(|id| (id, entry(id))).into()
    );
    store.commit(&put([3])).unwrap();
    assert_eq!(store.reopen().unwrap().entries.len(), 3);
}

#[test]
fn digests_of_removed_code_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
    store.put("a", [1; 32], &names(&["a"])).unwrap();
    store.put("b", [2; 32], &names(&["a", "b"])).unwrap();
    assert_eq!(
        (store.get("a"), store.get("b")),
        (Some([1; 32]), Some([2; 32]))
    );
    store
        .put("c", [3; 32], &names(&["b", "c", "no code"]))
        .unwrap();
    drop(store);
    let store = Store::open(directory.path(), identity()).unwrap();
    let found = ["a", "b", "c", "no code"].map(|name| store.get(name));
    assert_eq!(found, [None, Some([2; 32]), Some([3; 32]), None]);
}

/// A new plugin a day for a year leaves only the digests of the cached files.
#[test]
fn the_file_does_not_grow_with_every_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    let file = directory.path().join("registry.redb");
    let name = |n: usize| format!("{n:064x}-{n:064x}.cwasm");
    let compile = |n: usize| {
        let names = (n.saturating_sub(7)..=n).map(name).collect();
        store.put(&name(n), [7; 32], &names).unwrap();
    };
    (0..20).for_each(compile);
    let size = fs::metadata(&file).unwrap().len();
    (20..400).for_each(compile);
    assert_eq!(fs::metadata(&file).unwrap().len(), size);
    let kept = (0..400).filter(|&n| store.get(&name(n)).is_some()).count();
    assert_eq!(kept, 8);
}

#[test]
fn only_a_file_that_is_not_found_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    assert!(directory::is_missing(&file).unwrap());
    fs::write(&file, "").unwrap();
    assert!(!directory::is_missing(&file).unwrap());
    // Any other error: here a part of the path is no directory.
    let error = directory::is_missing(&file.join("registry.redb")).unwrap_err();
    assert!(error.to_string().starts_with("cannot look at"), "{error}");
    // A dangling link is a volume that is not mounted.
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    assert!(!directory::is_missing(&link).unwrap());
}

#[test]
fn values_out_of_bounds_are_ignored_and_the_rest_is_used() {
    const MS_OF_10000: u64 = 253_402_300_800_000;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity()).unwrap();
    let mut late = entry(5);
    late.node.capacity.cpu_cores = 0;
    late.node.capacity.ram_mib = 0;
    late.node.capacity.disk_mib = 0;
    let effective = |node_id, at_ms| {
        Arc::new(EffectiveDecision {
            decision: Decision::disable(node_id, Timestamp::at_ms(at_ms), 1),
            set_aside: Some(SetAside::Refused("no".to_string())),
        })
    };
    let changes = Changes {
        put: vec![late, entry(6)],
        decisions: vec![effective(7, MS_OF_10000), effective(8, 1)],
        loaded: Some(vec!["policy".to_string()]),
        ..Changes::default()
    };
    store.commit(&changes).unwrap();
    let remembered = store.reopen().unwrap();
    assert_eq!(remembered.out_of_bounds, 2);
    assert_eq!(Vec::from_iter(remembered.entries.into_keys()), [6]);
    assert_eq!(remembered.loaded, ["policy"]);
    let expected = effective(8, 1);
    assert_eq!(
        remembered.decisions.into_values().collect::<Vec<_>>(),
        [expected.as_ref().clone()]
    );
    store
        .commit(&Changes {
            forget: vec![8],
            ..Changes::default()
        })
        .unwrap();
    assert!(store.reopen().unwrap().decisions.is_empty());
}

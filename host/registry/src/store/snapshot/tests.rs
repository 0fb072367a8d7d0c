//! Snapshots of real files, whole and damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::store::{Changes, Store};
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::effective::{EffectiveDecision, SetAside};
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheStats, Entry, NodeCapacity, NodeId};
use edge_cache_gossip::{GossipMemory, KnownPeer, UsedLives};

/// Damage to the file of a store.
type Harm<'a> = &'a dyn Fn(&Path);

fn identity(node_id: NodeId) -> Identity {
    Identity {
        node_id: Some(node_id),
        cluster_id: "test".to_string(),
    }
}

fn origin() -> SnapshotOrigin {
    SnapshotOrigin {
        taken_at_ms: 1_700_000_000_123,
        version: "0.1.0".to_string(),
        plugin: SnapshotPlugin {
            source: "built-in".to_string(),
            sha256: "ab".repeat(32),
            policy: "p".to_string(),
        },
    }
}

fn entry(node_id: NodeId) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: NodeCapacity {
                cpu_cores: 4,
                ram_mib: 8_192,
                disk_mib: u64::MAX,
                geo: Some("eu \u{e9}".to_string()),
            },
            enabled_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        },
        stats: EdgeCacheStats {
            hits: u64::MAX,
            misses: 7,
        },
    }
}

fn set_aside(node_id: NodeId) -> Arc<EffectiveDecision> {
    Arc::new(EffectiveDecision {
        decision: Decision::disable(node_id, Timestamp::at_ms(7), 1),
        set_aside: Some(SetAside::Refused("two\nlines".to_string())),
    })
}

fn members() -> RememberedMembers {
    RememberedMembers {
        own_address: Some(([127, 0, 0, 1], 1).into()),
        peers: vec![KnownPeer {
            node_id: 2,
            address: ([127, 0, 0, 1], 2).into(),
            generation: 3,
            policy: None,
            seen_ms: 4,
            left: false,
        }],
        forgotten: BTreeMap::from([(9, 9)]),
    }
}

fn lives(generations: &[u64]) -> UsedLives {
    UsedLives {
        generations: generations.to_vec(),
        left: 3,
        is_limited: true,
    }
}

/// A store of node 1 with something in each table, and a snapshot of it.
fn filled() -> (TempDir, Store, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), identity(1)).unwrap();
    let labels = Labels::from([("edge_cache".to_string(), "a b".to_string())]);
    store
        .commit(&Changes {
            put: [3, u64::MAX].map(entry).into(),
            own_labels: Some(labels),
            decisions: vec![set_aside(5)],
            sources: vec![("3/a".parse().unwrap(), Some(EdgeCacheStats::default()))],
            loaded: Some(vec!["policy".to_string()]),
            ..Changes::default()
        })
        .unwrap();
    store.next_generation(1_000).unwrap();
    store.remember(&members()).unwrap();
    store.remember_lives(&lives(&[1_000])).unwrap();
    let bytes = store.snapshot(&origin()).unwrap();
    (directory, store, bytes)
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    files
        .map(|file| {
            let name = file.file_name().into_string().unwrap();
            (name, fs::read(file.path()).unwrap())
        })
        .collect()
}

#[test]
fn a_snapshot_restores_everything_of_its_node() {
    let (_directory, store, bytes) = filled();
    let expected = store.reopen().unwrap();
    // What comes later is not in it.
    let later = Changes {
        put: vec![entry(8)],
        ..Changes::default()
    };
    store.commit(&later).unwrap();

    let snapshot = StoreSnapshot::parse(&bytes).unwrap();
    assert_eq!(
        (snapshot.identity(), snapshot.origin()),
        (&identity(1), &origin())
    );
    let nodes: Vec<_> = snapshot.nodes().map(|node| node.node_id).collect();
    assert_eq!(nodes, [3, u64::MAX]);
    assert_eq!(
        (snapshot.decisions(), snapshot.sources(), snapshot.members()),
        ((0, 1), 1, 1)
    );
    let target = tempfile::tempdir().unwrap();
    let directory = target.path().join("data");
    assert_eq!(snapshot.restore(&directory, &identity(1)).unwrap(), None);
    let restored = Store::open(&directory, identity(1)).unwrap();
    assert_eq!(restored.take_remembered().unwrap(), expected);
    assert_eq!(GossipMemory::members(&restored).unwrap(), members());
    assert_eq!(restored.lives().unwrap(), lives(&[1_000]));
    assert_eq!(restored.next_generation(1).unwrap(), 1_001);
}

#[test]
fn a_restore_keeps_the_former_store_and_never_sets_a_generation_back() {
    let (_directory, _store, bytes) = filled();
    let snapshot = StoreSnapshot::parse(&bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    let directory = target.path();
    let store = Store::open(directory, identity(1)).unwrap();
    store.next_generation(5_000).unwrap();
    store.remember_lives(&lives(&[5_000])).unwrap();
    let error = snapshot.restore(directory, &identity(1)).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    drop(store);

    let file = directory.join("registry.redb");
    for number in 1..=2 {
        let before = fs::read(&file).unwrap();
        let former = snapshot.restore(directory, &identity(1)).unwrap().unwrap();
        let name = format!("registry.redb.before-restore-{number}");
        assert_eq!(former, directory.canonicalize().unwrap().join(name));
        assert_eq!(fs::read(former).unwrap(), before);
    }
    let store = Store::open(directory, identity(1)).unwrap();
    assert_eq!(store.lives().unwrap(), lives(&[1_000, 5_000]));
    assert_eq!(store.next_generation(1).unwrap(), 5_001);
    assert_eq!(store.take_remembered().unwrap().entries.len(), 2);
    drop(store);

    // A store that is damaged is why a snapshot is restored.
    fs::write(&file, "damaged").unwrap();
    snapshot.restore(directory, &identity(1)).unwrap();
    let store = Store::open(directory, identity(1)).unwrap();
    assert_eq!(store.next_generation(1).unwrap(), 1_001);
    drop(store);

    // One of another node is not replaced.
    let before = files(directory);
    let error = snapshot.restore(directory, &identity(2)).unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
    assert_eq!(files(directory), before);
}

/// Damages a value of a file in which it stands as text.
fn damage(file: &Path, text: &str) {
    let mut bytes = fs::read(file).unwrap();
    let found: Vec<_> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(text.as_bytes()))
        .collect();
    assert!(!found.is_empty(), "{text}");
    for at in found {
        bytes[at] ^= 1;
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn what_a_damaged_or_newer_store_has_used_is_never_set_back() {
    let (_directory, _store, bytes) = filled();
    let snapshot = StoreSnapshot::parse(&bytes).unwrap();
    let newer = |file: &Path| {
        let meta = Meta {
            format: FORMAT + 1,
            identity: identity(1),
        };
        let lives = lives(&[5_000]);
        let writes = [
            Write::Meta(&meta),
            Write::Generation(5_000),
            Write::Lives(&lives),
        ];
        fs::remove_file(file).unwrap();
        database::create(file, &writes).unwrap();
    };
    let entry = |file: &Path| damage(file, "cpu_cores");
    let labels = |file: &Path| damage(file, "a label");
    let generation = |file: &Path| damage(file, "5000");
    let cases: [(&str, Harm<'_>, u64, &[u64]); 4] = [
        ("a newer format", &newer, 5_001, &[1_000, 5_000]),
        ("a damaged entry", &entry, 5_001, &[1_000, 5_000]),
        ("damaged labels", &labels, 5_001, &[1_000, 5_000]),
        // Of what is lost, the snapshot has the last state.
        ("a damaged generation", &generation, 1_001, &[1_000]),
    ];
    for (case, harm, generation, used) in cases {
        let target = tempfile::tempdir().unwrap();
        let store = Store::open(target.path(), identity(1)).unwrap();
        let labels = Labels::from([("edge_cache".to_string(), "a label".to_string())]);
        let changes = Changes {
            put: (0..200).map(self::entry).collect(),
            own_labels: Some(labels),
            ..Changes::default()
        };
        store.commit(&changes).unwrap();
        store.next_generation(5_000).unwrap();
        store.remember_lives(&lives(&[5_000])).unwrap();
        drop(store);
        harm(&target.path().join("registry.redb"));
        Store::open(target.path(), identity(1)).unwrap_err();

        let error = snapshot.restore(target.path(), &identity(2)).unwrap_err();
        assert!(
            matches!(error, StoreError::Foreign { .. }),
            "{case}: {error}"
        );
        snapshot
            .restore(target.path(), &identity(1))
            .unwrap()
            .unwrap();
        let store = Store::open(target.path(), identity(1)).unwrap();
        assert_eq!(store.lives().unwrap(), lives(used), "{case}");
        assert_eq!(store.next_generation(1).unwrap(), generation, "{case}");
        assert_eq!(store.take_remembered().unwrap().entries.len(), 2, "{case}");
    }
}

#[test]
fn another_node_gets_the_registry_alone() {
    let (_directory, store, bytes) = filled();
    let expected = store.reopen().unwrap();
    let snapshot = StoreSnapshot::parse(&bytes).unwrap();
    let target = tempfile::tempdir().unwrap();
    snapshot.restore(target.path(), &identity(2)).unwrap();
    let store = Store::open(target.path(), identity(2)).unwrap();
    let restored = store.take_remembered().unwrap();
    assert_eq!(restored.own_labels, Labels::new());
    assert_eq!(
        restored,
        Remembered {
            own_labels: Labels::new(),
            ..expected
        }
    );
    assert_eq!(store.lives().unwrap(), UsedLives::default());
    assert_eq!(
        GossipMemory::members(&store).unwrap(),
        RememberedMembers::default()
    );
    assert_eq!(store.next_generation(1).unwrap(), 1);
}

#[test]
fn every_cut_and_every_flipped_byte_is_refused() {
    let (_directory, _store, bytes) = filled();
    for length in 0..bytes.len() {
        assert!(
            StoreSnapshot::parse(&bytes[..length]).is_err(),
            "cut to {length}"
        );
    }
    for at in 0..bytes.len() {
        for flip in [1, 0x20, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            assert!(
                StoreSnapshot::parse(&bytes).is_err(),
                "byte {at} flipped by {flip}"
            );
        }
    }
    let longer = [&bytes[..], b"\n"].concat();
    assert!(StoreSnapshot::parse(&longer).is_err());
    StoreSnapshot::parse(&bytes).unwrap();
}

/// Lines with a right digest that no agent has written.
#[test]
fn what_no_agent_has_written_is_refused_with_its_cause() {
    let (_directory, _store, bytes) = filled();
    let text = String::from_utf8(bytes).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let (about, lines) = body.split_once('\n').unwrap();
    let signed = |body: &str| format!("{}{body}", head(body.as_bytes()));
    let with = |line: &str| signed(&format!("{about}\n{lines}{line}\n"));
    StoreSnapshot::parse(with("meta loaded []").as_bytes()).unwrap();
    for (snapshot, said) in [
        (String::new(), "no snapshot"),
        ("PK\u{3}\u{4}".to_string(), "no snapshot"),
        (format!("{MAGIC} x"), "no snapshot"),
        (format!("{MAGIC} 2 7 ab\n"), "version 2"),
        (format!("{MAGIC} 1 7 ab"), "first line is cut"),
        (signed(""), "whose it is"),
        (signed("{}\n"), "missing field"),
        (
            signed(&body.replacen("\"format\":1", "\"format\":2", 1)),
            "format 2",
        ),
        (with("no"), "no value"),
        (with("other 1 {}"), "unknown table"),
        (with("entries x {}"), "invalid digit"),
        (with("entries 1 {}"), "node 1 of `entries`"),
        (with("records 1 {}"), "node 1 of `records`"),
        (with("sources x {}"), "source \"x\""),
        (with("labels own 7"), "`own` of `labels`"),
        (with("meta lives 7"), "`lives` of `meta`"),
    ] {
        let error = StoreSnapshot::parse(snapshot.as_bytes()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_directory_as_it_was() {
    let (directory, store, bytes) = filled();
    drop(store);
    let snapshot = StoreSnapshot::parse(&bytes).unwrap();
    let before = files(directory.path());
    // A directory in the place of the new file cannot be written.
    let blocked = directory.path().join("registry.redb.new");
    fs::create_dir(&blocked).unwrap();
    let error = snapshot
        .restore(directory.path(), &identity(1))
        .unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    fs::remove_dir(&blocked).unwrap();
    assert_eq!(files(directory.path()), before);
}

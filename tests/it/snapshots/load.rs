//! Snapshots while changes are made.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use edge_cache_tests::agent::{Agent, run_to_end};
use serde_json::Value;
use tokio::task::JoinSet;

use super::{NODES, disks, enable, restore, save, start, text};

/// The writers, each of which changes nodes of its own, one after the other.
const WRITERS: u64 = 16;
/// The nodes of a writer.
const NODES_EACH: u64 = 20;
/// The snapshots that are taken meanwhile.
const SNAPSHOTS: usize = 8;

/// The changes of one writer. Change `n` gives node `n % NODES_EACH` the disk `n`.
#[derive(Default)]
struct Changes {
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl Changes {
    async fn write(&self, agent: &Agent, writer: u64, stop: &AtomicBool) {
        let mut change = 0;
        while !stop.load(Ordering::SeqCst) {
            change += 1;
            self.begun.store(change, Ordering::SeqCst);
            enable(agent, node(writer, change), change).await;
            self.acknowledged.store(change, Ordering::SeqCst);
        }
    }
}

fn node(writer: u64, change: u64) -> u64 {
    1_000 * (writer + 1) + change % NODES_EACH
}

/// The nodes of a writer after a change.
fn after(writer: u64, last: u64) -> BTreeMap<u64, u64> {
    let first = last.saturating_sub(NODES_EACH) + 1;
    let changes = first..=last;
    changes
        .filter(|change| *change > 0)
        .map(|change| (node(writer, change), change))
        .collect()
}

/// Entries and decisions are in two tables, which one commit changes.
fn entries_follow_decisions(snapshot: &str) {
    let values = |table: &str| -> BTreeMap<String, Value> {
        let lines = snapshot.lines().skip(2);
        let lines = lines.filter_map(|line| line.strip_prefix(table)?.strip_prefix(' '));
        lines
            .map(|line| {
                let (key, value) = line.split_once(' ').unwrap();
                (key.to_string(), serde_json::from_str(value).unwrap())
            })
            .collect()
    };
    let (entries, records) = (values("entries"), values("records"));
    assert_eq!(entries.len(), records.len());
    for (node, record) in &records {
        let decision: Value = serde_json::from_str(record["decision"].as_str().unwrap()).unwrap();
        for field in ["capacity", "enabled_at_ms"] {
            assert_eq!(decision[field], entries[node][field], "node {node}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_among_changes_is_a_state_that_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let agent = Arc::new(start("1", &path("data"), &[]).await);
    let members = agent.get("/api/v1/cluster/members").await.unwrap();
    let generation = members["members"][0]["generation"].clone();
    let writers: Arc<[Changes]> = (0..WRITERS).map(|_| Changes::default()).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (agent, writers, stop) = (agent.clone(), writers.clone(), stop.clone());
        tasks.spawn(async move {
            let changes = &writers[usize::try_from(writer).unwrap()];
            changes.write(&agent, writer, &stop).await;
        });
    }
    let read = |counter: fn(&Changes) -> &AtomicU64| -> Vec<u64> {
        let counters = writers.iter().map(counter);
        counters.map(|it| it.load(Ordering::SeqCst)).collect()
    };
    let file = path("snapshot");
    let mut former = vec![0; writers.len()];
    for _ in 0..SNAPSHOTS {
        let acknowledged = read(|changes| &changes.acknowledged);
        let saved = save(&agent, &file).await;
        let begun = read(|changes| &changes.begun);
        assert_eq!(saved["snapshot"]["generation"], generation);
        entries_follow_decisions(&fs::read_to_string(&file).unwrap());
        let words = ["snapshot", "inspect", text(&file), "--nodes"];
        let nodes = run_to_end(&words).await.unwrap().stdout;
        let nodes = disks(&serde_json::from_str::<Value>(&nodes).unwrap());
        let mut last = Vec::new();
        for writer in 0..WRITERS {
            let own: BTreeMap<_, _> = nodes
                .iter()
                .filter(|(id, _)| **id / 1_000 == writer + 1)
                .map(|(id, disk)| (*id, *disk))
                .collect();
            let change = own.values().copied().max().unwrap_or(0);
            assert_eq!(own, after(writer, change), "writer {writer}");
            last.push(change);
        }
        for (writer, change) in last.iter().enumerate() {
            let range = acknowledged[writer]..=begun[writer];
            assert!(range.contains(change), "{change} is not in {range:?}");
        }
        assert!(last.iter().zip(&former).all(|(now, before)| now >= before));
        former = last;
    }
    stop.store(true, Ordering::SeqCst);
    tasks.join_all().await;
    let changes: u64 = read(|changes| &changes.acknowledged).iter().sum();
    let rate = changes as f64 / began.elapsed().as_secs_f64();
    println!("{SNAPSHOTS} snapshots among {changes} changes, {rate:.0} a second");

    let restored = path("restored");
    let ended = restore(&file, "1", &restored, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let agent = start("1", &restored, &[]).await;
    let nodes = disks(&agent.get(NODES).await.unwrap());
    let expected = (0..WRITERS).zip(former);
    let expected: BTreeMap<_, _> = expected
        .flat_map(|(writer, change)| after(writer, change))
        .collect();
    assert_eq!(nodes, expected);
}

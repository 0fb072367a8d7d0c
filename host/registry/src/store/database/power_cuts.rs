//! A database whose power is cut at each operation on its disk: what was acknowledged is there afterwards.
//!
//! One run of the script records every operation. For each of them a disk is made that has what was synced before, and
//! of the rest what a disk may have: all, nothing, or some, with writes that are torn.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::*;
use edge_cache_core::decision::{Decision, Timestamp};
use edge_cache_core::effective::EffectiveDecision;
use edge_cache_core::labels::Labels;
use edge_cache_core::{EdgeCacheNode, EdgeCacheStats, Entry, NodeCapacity, NodeId};

const SEED: u64 = 20_261_129;
const STEPS: u64 = 60;
const STEPS_LONG: u64 = 300;
/// Steps between two restarts of the agent, and between two swaps of the plugin.
const RESTART_EVERY: u64 = 25;
const SWAP_EVERY: u64 = 40;
const NODES: u64 = 40;

/// An operation that changes a disk.
#[derive(Debug, Clone)]
enum Operation {
    Write(usize, Vec<u8>),
    Resize(usize),
    Sync,
}

/// A disk in memory that records its operations.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, Vec<Operation>)>>);

/// The part of the operations that were not synced which a power cut leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    All,
    Nothing,
    Some,
}

/// The state after a step, and the number of operations at its acknowledgement.
#[derive(Debug)]
struct Acknowledged {
    operations: usize,
    content: Remembered,
    generation: u64,
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, Vec<Operation>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operate(&self, operation: Operation) {
        let (bytes, operations) = &mut *self.lock();
        apply(bytes, &operation);
        operations.push(operation);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.lock().0.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).unwrap();
        let bytes = &self.lock().0;
        let found = bytes.get(offset..offset + out.len());
        out.copy_from_slice(found.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), io::Error> {
        self.operate(Operation::Resize(usize::try_from(length).unwrap()));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.operate(Operation::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        let offset = usize::try_from(offset).unwrap();
        self.operate(Operation::Write(offset, data.to_vec()));
        Ok(())
    }
}

#[test]
fn nothing_acknowledged_is_lost_at_any_operation_of_the_disk() {
    let (acknowledged, operations) = record();
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut synced = Vec::new();
    let mut open = 0;
    for cut in 0..operations.len() {
        if matches!(operations[cut], Operation::Sync) {
            for operation in &operations[open..cut] {
                apply(&mut synced, operation);
            }
            open = cut;
        }
        let done = acknowledged.partition_point(|step| step.operations <= cut);
        let Some(last) = done.checked_sub(1) else {
            // The file has its name once it is written: a directory without one is begun anew.
            continue;
        };
        for left in [Left::All, Left::Nothing, Left::Some] {
            let disk = after_cut(&synced, &operations[open..=cut], left, &mut rng);
            let found = reopen(disk);
            let (content, generation) =
                found.unwrap_or_else(|error| panic!("operation {cut}, {left:?}: {error}"));
            let expected = &acknowledged[last..acknowledged.len().min(done + 1)];
            assert!(
                expected
                    .iter()
                    .any(|step| step.content == content && step.generation == generation),
                "operation {cut}, {left:?}: neither step {last} nor the next"
            );
        }
    }
    println!(
        "{} steps, {} operations of the disk, each cut in three ways",
        acknowledged.len(),
        operations.len()
    );
}

/// Plays the script, and returns the state after each step and all operations.
fn record() -> (Vec<Acknowledged>, Vec<Operation>) {
    let disk = Disk::default();
    let mut rng = fastrand::Rng::with_seed(SEED);
    let mut database = Some(connect(disk.clone()).unwrap());
    let meta = Meta {
        format: FORMAT,
        identity: identity(),
    };
    database
        .as_ref()
        .unwrap()
        .write(&Write::Meta(&meta))
        .unwrap();
    let mut acknowledged = Vec::new();
    let is_long = std::env::var_os("EDGE_CACHE_LONG_TESTS").is_some_and(|value| value == "1");
    for step in 0..if is_long { STEPS_LONG } else { STEPS } {
        if step % RESTART_EVERY == 0 {
            drop(database.take());
            database = Some(connect(disk.clone()).unwrap());
        }
        let database = database.as_ref().unwrap();
        if step % RESTART_EVERY == 0 {
            database.write(&Write::Generation(step + 1)).unwrap();
        } else {
            let changes = changes(step, &mut rng);
            database.write(&Write::Changes(&changes)).unwrap();
        }
        acknowledged.push(Acknowledged {
            operations: disk.lock().1.len(),
            content: content(&database.inner, Path::new("test"), &identity()).unwrap(),
            generation: database.generation().unwrap(),
        });
    }
    drop(database);
    let operations = disk.lock().1.clone();
    (acknowledged, operations)
}

/// Returns the changes of a step: of up to three nodes, and of the plugin where it is swapped.
fn changes(step: u64, rng: &mut fastrand::Rng) -> Changes {
    let mut changes = Changes::default();
    for node_id in (0..rng.u64(1..=3))
        .map(|_| rng.u64(1..=NODES))
        .collect::<BTreeSet<_>>()
    {
        let at = Timestamp::at_ms(step + 1);
        let decision = if rng.u8(0..10) < 7 {
            let entry = entry(node_id, step);
            let decision = Decision::enable(&entry.node, at, 1);
            changes.put.push(entry);
            decision
        } else {
            changes.remove.push(node_id);
            Decision::disable(node_id, at, 1)
        };
        changes.decisions.push(Arc::new(EffectiveDecision {
            decision,
            set_aside: None,
        }));
        let source = format!("{node_id}/cache").parse().unwrap();
        let counters = EdgeCacheStats {
            hits: step,
            misses: 1,
        };
        changes
            .sources
            .push((source, rng.bool().then_some(counters)));
    }
    let labels = [
        ("edge_cache".to_string(), "true".to_string()),
        ("step".to_string(), step.to_string()),
    ];
    changes.own_labels = Some(Labels::from(labels));
    if step % SWAP_EVERY == 1 {
        changes.loaded = Some(vec![format!("policy of step {step}")]);
    }
    changes
}

fn entry(node_id: NodeId, step: u64) -> Entry {
    Entry {
        node: EdgeCacheNode {
            node_id,
            capacity: NodeCapacity {
                cpu_cores: 4,
                ram_mib: step,
                disk_mib: 102_400,
                geo: Some("eu-central-1".repeat(1 + usize::try_from(step).unwrap() % 4)),
            },
            enabled_at: SystemTime::UNIX_EPOCH + Duration::from_millis(step),
        },
        stats: EdgeCacheStats::default(),
    }
}

fn identity() -> Identity {
    Identity {
        node_id: Some(1),
        cluster_id: "test".to_string(),
    }
}

fn connect(disk: Disk) -> Result<Database, StoreError> {
    let path = PathBuf::from("test");
    let inner = guarded(&path, || {
        let created = builder().create_with_backend(disk);
        created.map_err(|error| opening(&path, error))
    })?;
    Ok(Database { path, inner })
}

fn reopen(bytes: Vec<u8>) -> Result<(Remembered, u64), StoreError> {
    let disk = Disk(Arc::new(Mutex::new((bytes, Vec::new()))));
    let database = connect(disk)?;
    let content = guarded(&database.path, || {
        content(&database.inner, &database.path, &identity())
    })?;
    Ok((content, database.generation()?))
}

/// Returns the bytes of a disk after a power cut within the last operation.
fn after_cut(synced: &[u8], open: &[Operation], left: Left, rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = synced.to_vec();
    for operation in open {
        match (left, operation) {
            (Left::Nothing, _) => {}
            (Left::Some, Operation::Write(offset, data)) if rng.bool() => {
                let torn = Operation::Write(*offset, data[..rng.usize(..=data.len())].to_vec());
                apply(&mut bytes, &torn);
            }
            (Left::Some, Operation::Write(..)) => {}
            (Left::All | Left::Some, operation) => apply(&mut bytes, operation),
        }
    }
    bytes
}

fn apply(bytes: &mut Vec<u8>, operation: &Operation) {
    match operation {
        Operation::Write(offset, data) => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
        Operation::Resize(length) => bytes.resize(*length, 0),
        Operation::Sync => {}
    }
}

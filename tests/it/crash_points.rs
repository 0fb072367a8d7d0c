//! Every moment at which power may be lost while files are written: what was acknowledged is there afterwards, and whole.
//!
//! The store of decisions has such a test of its own, in `store::database::power_cuts`.

mod disk;
mod trace;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use edge_cache_distribution::{BlobStore, Lookup};
use edge_cache_host::{Identity, SnapshotOrigin, SnapshotPlugin, Store, StoreSnapshot};
use edge_cache_tests::agent::{Agent, binary, run_to_end};
use reqwest::Method;
use serde_json::json;
use tempfile::tempdir;

use self::disk::{Disk, Kept};
use self::trace::{Operation, trace};

/// More than the script's store ever takes.
const LARGE: u64 = 1 << 30;
/// The store's file in a data directory.
const STORE: &str = "registry.redb";

/// Applies the operations one by one, and looks at the disk after each, as every kind of crash leaves it. A state that was
/// looked at is skipped, unless more is acknowledged.
fn each_crash(
    mut disk: Disk,
    operations: &[Operation],
    mut look: impl FnMut(&Disk, &[Operation], Kept),
) {
    let mut seen = BTreeSet::new();
    for at in 0..=operations.len() {
        if let Some(operation) = at.checked_sub(1).map(|at| &operations[at]) {
            disk.apply(operation)
                .unwrap_or_else(|error| panic!("{operation:?}: {error:#}"));
        }
        let is_last = at == operations.len();
        for kept in Kept::ALL {
            let done = &operations[..at];
            if seen.insert((disk.after(kept), last_said(done), is_last)) {
                look(&disk, done, kept);
            }
        }
    }
}

/// Returns what the program said last.
fn last_said(done: &[Operation]) -> &str {
    let said = done.iter().rev().find_map(|operation| match operation {
        Operation::Said(line) => Some(line.as_str()),
        _ => None,
    });
    said.unwrap_or_default()
}

#[test]
fn a_store_of_plugins_keeps_what_it_has_acknowledged() {
    let place = tempdir().unwrap();
    let disk = Disk::of(place.path()).unwrap();
    let script = Path::new(env!("CARGO_BIN_EXE_blob-store"));
    let folder = place.path().join("plugins");
    let Some(operations) = trace(place.path(), script, &[folder.to_str().unwrap()]).unwrap() else {
        return;
    };
    let said = |operation: &Operation| matches!(operation, Operation::Said(_));
    let acknowledged = operations
        .iter()
        .filter(|operation| said(operation))
        .count();
    println!(
        "{} operations, {acknowledged} acknowledgements",
        operations.len()
    );
    assert!(acknowledged > 20, "{acknowledged}");
    each_crash(disk, &operations, |disk, done, kept| {
        let after = tempdir().unwrap();
        disk.write_after(kept, after.path()).unwrap();
        let (mut store, warning) = BlobStore::open(&after.path().join("plugins"), LARGE)
            .unwrap_or_else(|error| panic!("{kept:?} after {}: {error}", done.len()));
        assert_eq!(warning, None, "{kept:?} after {}", done.len());
        for digest in last_said(done).split_whitespace() {
            let found = store.get(&digest.parse().unwrap(), 0);
            assert!(
                matches!(found, Lookup::Found(..)),
                "{kept:?} after {} of {}: {digest} is {found:?}",
                done.len(),
                operations.len()
            );
        }
    });
}

/// Expects that a file has one of two contents after any crash, and the second one once the program has ended.
fn expect_whole(
    before: Disk,
    operations: &[Operation],
    file: &Path,
    contents: [&Option<Vec<u8>>; 2],
) {
    each_crash(before, operations, |disk, done, kept| {
        let found = disk.after(kept).get(file).cloned().flatten();
        let place = format!("{kept:?} after {} of {}", done.len(), operations.len());
        if done.len() == operations.len() {
            assert!(found == *contents[1], "acknowledged and lost: {place}");
        }
        let size = found.as_ref().map(Vec::len);
        assert!(
            contents.contains(&&found),
            "a part of {size:?} bytes: {place}"
        );
    });
}

fn agent() -> PathBuf {
    binary().unwrap().to_path_buf()
}

#[test]
fn a_new_key_is_durable_before_its_command_ends() {
    let place = tempdir().unwrap();
    let mut disk = Disk::of(place.path()).unwrap();
    let key = place.path().join("plugin.key");
    let args = ["plugin", "keygen", key.to_str().unwrap()];
    let Some(operations) = trace(place.path(), &agent(), &args).unwrap() else {
        return;
    };
    for operation in &operations {
        disk.apply(operation).unwrap();
    }
    for kept in Kept::ALL {
        let found = disk.after(kept);
        assert_eq!(found.len(), 2, "{kept:?}: {found:?}");
        for (name, content) in found {
            let written = fs::read(place.path().join(&name)).unwrap();
            assert_eq!(content, Some(written), "{kept:?}: {}", name.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_replaces_the_one_before_as_a_whole() {
    let data = tempdir().unwrap();
    let data = data.path().to_str().unwrap();
    let args = ["--node-id", "1", "--allow-local-admin", "--data-dir", data];
    let agent_of_one = Agent::start(&args).await.unwrap();
    let address = format!("http://{}", agent_of_one.http);
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let path = "/api/v1/nodes/1/edge-cache";
    agent_of_one
        .ask(Method::POST, path, Some(&body))
        .await
        .unwrap();

    let place = tempdir().unwrap();
    let file = place.path().join("state.snapshot");
    let args = [
        "snapshot",
        "save",
        file.to_str().unwrap(),
        "--addr",
        &address,
    ];
    let name = Path::new("state.snapshot");
    let mut before = None;
    for _ in 0..2 {
        let disk = Disk::of(place.path()).unwrap();
        let Some(operations) = trace(place.path(), &agent(), &args).unwrap() else {
            return;
        };
        let after = Some(fs::read(&file).unwrap());
        expect_whole(disk, &operations, name, [&before, &after]);
        before = after;
    }
}

/// Returns the eligible nodes of a store, as an agent would find them.
fn eligible(store: &[u8]) -> Vec<u64> {
    let directory = tempdir().unwrap();
    fs::write(directory.path().join(STORE), store).unwrap();
    let identity = Identity {
        node_id: Some(1),
        cluster_id: "default-cluster".to_string(),
    };
    let store = Store::open(directory.path(), identity).unwrap();
    let origin = SnapshotOrigin {
        taken_at_ms: 0,
        version: String::new(),
        plugin: SnapshotPlugin {
            source: String::new(),
            sha256: String::new(),
            policy: String::new(),
        },
    };
    let snapshot = store.snapshot(&origin).unwrap();
    let snapshot = StoreSnapshot::parse(&snapshot).unwrap();
    snapshot.nodes().map(|node| node.node_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_replaces_the_store_and_keeps_the_one_before() {
    let place = tempdir().unwrap();
    let data = place.path().join("data");
    let data = data.to_str().unwrap();
    let own = ["--node-id", "1", "--data-dir", data];
    let file = place.path().join("state.snapshot");
    let file = file.to_str().unwrap();
    let agent_of_one = Agent::start(&[&own[..], &["--allow-local-admin"]].concat())
        .await
        .unwrap();
    let address = format!("http://{}", agent_of_one.http);
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    for node_id in [1, 2] {
        let path = format!("/api/v1/nodes/{node_id}/edge-cache");
        let enabled = agent_of_one.ask(Method::POST, &path, Some(&body)).await;
        assert_eq!(enabled.unwrap().status, 204);
        if node_id == 1 {
            let args = ["snapshot", "save", file, "--addr", &address];
            assert_eq!(run_to_end(&args).await.unwrap().code, Some(0));
        }
    }
    assert_eq!(agent_of_one.terminate().await.unwrap(), Some(0));

    let disk = Disk::of(Path::new(data)).unwrap();
    let args = [&["snapshot", "restore", file][..], &own].concat();
    let Some(operations) = trace(Path::new(data), &agent(), &args).unwrap() else {
        return;
    };
    assert!(operations.len() > 10, "{operations:?}");
    each_crash(disk, &operations, |disk, done, kept| {
        let place = format!("{kept:?} after {} of {}", done.len(), operations.len());
        let files = disk.after(kept);
        let nodes = |name: &str| {
            files
                .get(Path::new(name))
                .cloned()
                .flatten()
                .map(|store| eligible(&store))
        };
        let (now, former) = (nodes(STORE), nodes("registry.redb.before-restore-1"));
        let (before, after) = (Some(vec![1, 2]), Some(vec![1]));
        if done.len() == operations.len() {
            assert_eq!(now, after, "acknowledged and lost: {place}");
        }
        assert!(
            now == before || (now == after && former == before),
            "{now:?}, {former:?}: {place}"
        );
    });
}

//! Snapshots that must not be restored, and directories that must stay as they are.

use std::fs;
use std::path::Path;

use edge_cache_tests::agent::{Ended, run_to_end};
use edge_cache_tests::small_disk::SmallDisk;
use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;

use super::{NODES, disable, disks, enable, files, restore, save, start, text};

/// A data directory of node 1 that no agent uses, and a snapshot of an earlier state.
async fn stopped() -> (TempDir, Vec<u8>) {
    let directory = tempfile::tempdir().unwrap();
    let agent = start("1", &directory.path().join("data"), &[]).await;
    enable(&agent, 7, 70).await;
    save(&agent, &directory.path().join("snapshot")).await;
    disable(&agent, 7).await;
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
    let bytes = fs::read(directory.path().join("snapshot")).unwrap();
    (directory, bytes)
}

/// Restores what must be refused in one line.
async fn refused(file: &Path, id: &str, data: &Path, more: &[&str]) -> Ended {
    let before = files(data);
    let ended = restore(file, id, data, more).await;
    assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.lines().count()),
        ("", 1)
    );
    assert_eq!(files(data), before, "{ended:?}");
    ended
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused_and_touches_nothing() {
    let (directory, bytes) = stopped().await;
    let data = directory.path().join("data");
    let file = directory.path().join("damaged");
    let length = bytes.len();
    let step = length / 12;
    let mut cases: Vec<(String, Vec<u8>)> = (0..length)
        .step_by(step)
        .map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            (format!("byte {at} flipped"), flipped)
        })
        .collect();
    let cuts = (0..length).step_by(step).chain([length - 1]);
    cases.extend(cuts.map(|at| (format!("cut to {at}"), bytes[..at].to_vec())));
    cases.push(("longer".to_string(), [&bytes[..], b"\n"].concat()));
    let store = fs::read(data.join("registry.redb")).unwrap();
    cases.push(("a store".to_string(), store));
    for (case, bytes) in cases {
        fs::write(&file, bytes).unwrap();
        let ended = refused(&file, "1", &data, &[]).await;
        assert_eq!(ended.code, Some(1), "{case}: {ended:?}");
        let said = "cannot use the snapshot ";
        assert!(ended.stderr.contains(said), "{case}: {ended:?}");
        let inspected = run_to_end(&["snapshot", "inspect", text(&file)]).await;
        assert_eq!(inspected.unwrap().code, Some(1), "{case}");
    }
    let ended = restore(&directory.path().join("snapshot"), "1", &data, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_full_disk_leaves_the_store_as_it_was() {
    let Some(disk) = SmallDisk::mount(4_096).unwrap() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (large, file) = (
        directory.path().join("large"),
        directory.path().join("file"),
    );
    let agent = start("1", &large, &[]).await;
    let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3, "geo": "e".repeat(64)});
    let node = |id: u64| json!({"node_id": id, "capacity": capacity});
    let body = json!({"nodes": (0..20_000).map(node).collect::<Vec<_>>()});
    let answer = agent.ask(Method::PUT, NODES, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 200);
    save(&agent, &file).await;
    drop(agent);

    let small = start("1", disk.path(), &[]).await;
    enable(&small, 7, 70).await;
    assert_eq!(small.terminate().await.unwrap(), Some(0));
    let ended = refused(&file, "1", disk.path(), &[]).await;
    assert!(ended.stderr.contains("No space left"), "{ended:?}");
    let small = start("1", disk.path(), &[]).await;
    let nodes = disks(&small.get(NODES).await.unwrap());
    assert_eq!(Vec::from_iter(nodes), [(7, 70)]);
}

#[tokio::test]
async fn a_snapshot_goes_only_where_it_belongs() {
    let (directory, _) = stopped().await;
    let path = |name: &str| directory.path().join(name);
    let (file, data) = (path("snapshot"), path("data"));
    let other = path("other");
    fs::create_dir(&other).unwrap();
    for (id, data, more, said) in [
        ("2", &other, &[][..], "`--from-node 1`"),
        ("2", &other, &["--from-node", "3"], "not of node 3"),
        (
            "1",
            &other,
            &["--cluster-id", "b"],
            "of the cluster \"default-cluster\"",
        ),
        ("2", &data, &["--from-node", "1"], "belongs to node 1"),
    ] {
        let ended = refused(&file, id, data, more).await;
        assert!(ended.stderr.contains(said), "{said}: {ended:?}");
        assert_eq!(fs::read_dir(&other).unwrap().count(), files(&other).len());
    }
    let nowhere = ["snapshot", "restore", text(&file), "--node-id", "1"];
    let ended = run_to_end(&nowhere).await.unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("`data_dir`"), "{ended:?}");
    let missing = refused(&path("missing"), "1", &data, &[]).await;
    assert!(missing.stderr.contains("missing"), "{missing:?}");

    let agent = start("1", &data, &[]).await;
    let ended = restore(&file, "1", &data, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("stop its agent first"), "{ended:?}");
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
}

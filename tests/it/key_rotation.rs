//! The keys of gossip as an operator sees them: made, given to an agent, exchanged while a cluster
//! is at work, and wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use edge_cache_tests::agent::{run_to_end, write_secret};
use edge_cache_tests::wait::until;
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use crate::gossip_node::{Node, enabled, expect_labels, expect_peers, keygen, meet, unread};

const NODES: u64 = 5;
/// Maximum time for agents to find each other.
const MET_WITHIN: Duration = Duration::from_secs(15);
/// Maximum time for labels to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(20);
/// Maximum time for an agent to reload its keys.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Minimum buffer space of a datagram in a socket, in bytes, including the system's overhead.
const DATAGRAM_ROOM_MIN: u64 = 512;
/// Maximum time for an agent to read the datagrams that waited in its socket.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);
/// Number of changes of each node between two steps of a rotation.
const CHANGES_A_STEP: u64 = 10;
/// Maximum time for the changes between two steps.
const CHANGED_WITHIN: Duration = Duration::from_secs(120);
/// Maximum time for a rotation: more than all its steps, whose own limits tell which was late.
const ROTATED_WITHIN: Duration = Duration::from_secs(900);

/// The file with a node's keys.
fn key_file(directory: &Path, id: u64) -> PathBuf {
    directory.join(format!("keys-{id}"))
}

async fn start(directory: &Path, id: u64, more: &[&str]) -> Node {
    let keys = key_file(directory, id);
    let place = ["--gossip-interval", "200ms", "--gossip-key-file"];
    let args = [&place[..], &[keys.to_str().unwrap()], more].concat();
    Node::start(id, &args).await.unwrap()
}

/// Starts nodes with numbers from 1 that know the first one's address.
async fn cluster(directory: &Path, nodes: u64) -> Vec<Node> {
    let first = start(directory, 1, &[]).await;
    let seed = first.gossip.to_string();
    let mut starting = JoinSet::new();
    for id in 2..=nodes {
        let (directory, seed) = (directory.to_owned(), seed.clone());
        starting.spawn(async move { start(&directory, id, &["--seed", &seed]).await });
    }
    let mut nodes = starting.join_all().await;
    nodes.push(first);
    nodes.sort_by_key(|node| node.id);
    meet(&nodes.iter().collect::<Vec<_>>(), MET_WITHIN).await;
    nodes
}

/// Returns the number of successful and of failed key reloads.
fn rereadings(node: &Node) -> (usize, usize) {
    let log = node.log();
    (
        log.matches("reloaded part=gossip-keys").count(),
        log.matches("goes on part=gossip-keys").count(),
    )
}

/// Lets an agent read its keys again, and waits until it has.
async fn reread(node: &Node, expected: (usize, usize)) {
    node.signal(Signal::HUP);
    let what = format!("node {}: keys taken over, refused", node.id);
    until(&what, READ_WITHIN, || async {
        let seen = rereadings(node);
        if seen == expected { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_rotation_loses_no_member() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (keygen().await, keygen().await);
    let write = |text: &str| {
        for id in 1..=NODES {
            write_secret(&key_file(directory.path(), id), text).unwrap();
        }
    };
    write(&old);
    let nodes: Vec<Arc<Node>> = cluster(directory.path(), NODES)
        .await
        .into_iter()
        .map(Arc::new)
        .collect();
    let formed: Vec<usize> = nodes.iter().map(|node| node.log().len()).collect();

    let over = Arc::new(AtomicBool::new(false));
    let changes: Arc<[AtomicU64]> = (0..NODES).map(|_| AtomicU64::new(0)).collect();
    let mut work = JoinSet::new();
    work.spawn({
        let (nodes, over, changes) = (nodes.clone(), over.clone(), changes.clone());
        async move {
            // All at once, and then all wait: faster than they are seen, changes would only fill the sockets.
            while !over.load(Ordering::Relaxed) {
                let others = nodes.iter().cycle().skip(1);
                let all = nodes.iter().zip(others).zip(changes.iter());
                join_all(all.map(|((node, other), made)| change(node, other, made))).await;
            }
        }
    });
    for node in nodes.iter().cloned() {
        let over = over.clone();
        work.spawn(async move {
            until("the end of the rotation", ROTATED_WITHIN, || async {
                let peers = node.peer_ids().await;
                let all = (1..=NODES).filter(|id| *id != node.id);
                assert!(peers.iter().copied().eq(all), "node {}: {peers:?}", node.id);
                if over.load(Ordering::Relaxed) {
                    Ok(())
                } else {
                    Err("not yet")
                }
            })
            .await;
        });
    }

    for (step, text) in [
        format!("{old}{new}"),
        format!("# the new one seals\n{new}\n{old}"),
        new.clone(),
    ]
    .iter()
    .enumerate()
    {
        write(text);
        for node in &nodes {
            reread(node, (step + 1, 0)).await;
        }
        // Until all that was sealed before has been read, some of it needs the key that goes next.
        for node in &nodes {
            let (bytes, _) = unread(node.gossip);
            let waiting = bytes / DATAGRAM_ROOM_MIN;
            let before = node.datagrams_received().await;
            until("what waited is read", DRAINED_WITHIN, || async {
                let read = node.datagrams_received().await - before;
                if read > waiting || unread(node.gossip).0 == 0 {
                    Ok(())
                } else {
                    Err((read, waiting))
                }
            })
            .await;
        }
        let before: Vec<u64> = changes.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        until("changes on all nodes", CHANGED_WITHIN, || async {
            let made = changes.iter().map(|n| n.load(Ordering::Relaxed));
            let made: Vec<u64> = made.zip(&before).map(|(now, then)| now - then).collect();
            if made.iter().all(|made| *made >= CHANGES_A_STEP) {
                Ok(())
            } else {
                Err(made)
            }
        })
        .await;
    }
    over.store(true, Ordering::Relaxed);
    // A task that panicked has seen a member missing.
    work.join_all().await;
    let made: Vec<u64> = changes.iter().map(|n| n.load(Ordering::Relaxed)).collect();
    println!("changes of each node: {made:?}");

    // What was changed last has arrived, sealed with the new key alone.
    for node in &nodes {
        node.enable(1000 + node.id).await;
    }
    for node in &nodes {
        for other in nodes.iter().filter(|other| other.id != node.id) {
            let labels = enabled(1000 + other.id);
            expect_labels(node, other.id, &labels, SEEN_WITHIN).await;
        }
    }
    // Between two checks no member was missing either, and no datagram was lost.
    for (node, formed) in nodes.iter().zip(formed) {
        let log = node.log();
        let (before, since) = log.split_at(formed);
        assert!(before.contains("topology changed peers=4"), "{before}");
        for peers in 0..4 {
            let lost = format!("topology changed peers={peers}");
            assert!(!since.contains(&lost), "node {}: {since}", node.id);
        }
        assert!(!since.contains("dropped a gossip datagram"), "{since}");
        for key in [&old, &new] {
            assert!(!log.contains(key.trim()), "a key is in the log");
        }
    }
}

/// Changes the labels of a node, and waits each time until another one has seen it.
async fn change(node: &Node, other: &Node, made: &AtomicU64) {
    let number = made.load(Ordering::Relaxed);
    node.enable(number).await;
    expect_labels(other, node.id, &enabled(number), SEEN_WITHIN).await;
    made.fetch_add(1, Ordering::Relaxed);
    node.disable().await;
    expect_labels(other, node.id, &json!({}), SEEN_WITHIN).await;
    made.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test]
async fn a_bad_key_file_leaves_the_old_keys_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let key = keygen().await;
    for id in [1, 2] {
        write_secret(&key_file(directory.path(), id), &key).unwrap();
    }
    let nodes = cluster(directory.path(), 2).await;
    let file = key_file(directory.path(), 1);
    let short = &keygen().await[..40];
    let mut refused = 0;
    for text in ["", short, "# nothing but words\n"] {
        write_secret(&file, text).unwrap();
        refused += 1;
        reread(&nodes[0], (0, refused)).await;
    }
    std::fs::remove_file(&file).unwrap();
    refused += 1;
    reread(&nodes[0], (0, refused)).await;
    let log = nodes[0].log();
    let errors: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), refused, "{log}");
    for error in errors {
        let name = file.to_str().unwrap();
        assert!(error.contains(name), "which file? {error}");
        assert!(!error.contains(&short[..8]), "a key is in the log");
    }

    // Both still hear each other, with the keys of before.
    for (node, other) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        node.enable(7).await;
        expect_labels(other, node.id, &enabled(7), SEEN_WITHIN).await;
    }
    meet(&[&nodes[0], &nodes[1]], SEEN_WITHIN).await;
}

#[tokio::test]
async fn an_agent_with_a_wrong_key_neither_sees_nor_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let key = keygen().await;
    for id in [1, 2] {
        write_secret(&key_file(directory.path(), id), &key).unwrap();
    }
    write_secret(&key_file(directory.path(), 3), keygen().await).unwrap();
    let nodes = cluster(directory.path(), 2).await;
    let seed = nodes[0].gossip.to_string();
    let stranger = start(directory.path(), 3, &["--seed", &seed]).await;
    stranger.enable(3).await;
    // It has knocked, and was not let in.
    until("a dropped datagram", MET_WITHIN, || async {
        let log = nodes[0].log();
        if log.contains("dropped a gossip datagram") && log.contains("unknown_key") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    // Meanwhile, changes travel between the others for longer than it takes to join.
    for cores in 1..40 {
        nodes[0].enable(cores).await;
        expect_labels(&nodes[1], 1, &enabled(cores), SEEN_WITHIN).await;
        expect_peers(&nodes[0], &[2], Duration::ZERO).await;
        expect_peers(&stranger, &[], Duration::ZERO).await;
    }
    meet(&[&nodes[0], &nodes[1]], Duration::ZERO).await;

    // With the right key it is one of them.
    write_secret(&key_file(directory.path(), 3), &key).unwrap();
    reread(&stranger, (1, 0)).await;
    meet(&[&nodes[0], &nodes[1], &stranger], MET_WITHIN).await;
    expect_labels(&nodes[1], 3, &enabled(3), SEEN_WITHIN).await;
}

#[tokio::test]
async fn keygen_prints_a_key_that_a_key_file_may_hold() {
    let directory = tempfile::tempdir().unwrap();
    let (key, other) = (keygen().await, keygen().await);
    assert_ne!(key, other);
    for key in [&key, &other] {
        assert_eq!(key.len(), 45, "{key:?}");
        assert!(key.ends_with('\n'), "{key:?}");
        assert!(key.trim_end().is_ascii(), "{key:?}");
    }
    write_secret(&key_file(directory.path(), 1), &key).unwrap();
    let node = start(directory.path(), 1, &[]).await;
    assert!(node.livez().await);
    let more = run_to_end(&["gossip", "keygen", "more"]).await.unwrap();
    assert_eq!(more.code, Some(2), "{}", more.stderr);
    let nothing = run_to_end(&["gossip"]).await.unwrap();
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
}

#[tokio::test]
async fn a_key_file_that_cannot_be_used_is_named_with_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let key = keygen().await;
    let key = key.trim_end();
    let missing = directory.path().join("missing");
    let place = directory.path().join("place");
    std::fs::create_dir(&place).unwrap();
    let written = |name: &str, text: &[u8]| {
        let file = directory.path().join(name);
        write_secret(&file, text).unwrap();
        file
    };
    let many: String = (0..2000).map(|_| format!("{key}\n")).collect();
    let cases = [
        (missing, "No such file"),
        (place, "regular file"),
        (written("empty", b""), "at least one key"),
        (written("words", b"# words\n\n"), "at least one key"),
        (
            written("short", &key.as_bytes()[..43]),
            "base64 of 32 bytes",
        ),
        (
            written("twice", format!("{key}\n{key}").as_bytes()),
            "repeats",
        ),
        (written("long", many.as_bytes()), "at most 16384 bytes"),
        (written("bytes", b"\xff\xfe"), "must be UTF-8 text"),
    ];
    for (file, said) in cases {
        let name = file.to_str().unwrap();
        let place = ["--gossip-listen", "127.0.0.1:0", "--gossip-key-file", name];
        let args = [&["--node-id", "1"][..], &place].concat();
        let ended = run_to_end(&args).await.unwrap();
        let stderr = &ended.stderr;
        assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
        assert!(stderr.contains(name), "which file? {stderr}");
        assert!(!stderr.contains(&key[..8]), "it shows a key: {stderr}");
    }
}

#[tokio::test]
async fn beyond_loopback_gossip_is_sealed_unless_it_is_said_otherwise() {
    let any = ["--node-id", "1", "--gossip-listen", "0.0.0.0:0"];
    let plain = run_to_end(&any).await.unwrap();
    assert_eq!(plain.code, Some(2), "{plain:?}");
    for flag in ["--gossip-key-file", "--insecure-gossip"] {
        assert!(plain.stderr.contains(flag), "{}", plain.stderr);
    }
    let listen = ["--gossip-listen", "0.0.0.0:0"];
    let address = ["--gossip-advertise", "192.0.2.1:0"];
    let insecure = [&listen[..], &address, &["--insecure-gossip"]].concat();
    let node = Node::start_with(&[], 1, &insecure).await.unwrap();
    assert!(node.livez().await);
    drop(node);

    let directory = tempfile::tempdir().unwrap();
    let keys = key_file(directory.path(), 1);
    write_secret(&keys, keygen().await).unwrap();
    let key_file = ["--gossip-key-file", keys.to_str().unwrap()];
    let sealed = [&listen[..], &address, &key_file].concat();
    let node = Node::start_with(&[], 1, &sealed).await.unwrap();
    assert!(node.livez().await);
    assert_eq!(node.peers().await, [(0, json!(null)); 0]);
}

//! One id, one node.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{self, Log, eventually, peers_when, stranger};
use super::virtual_time::{Net, address, always, is_ready, join, row, start, troubles, until};
use crate::info::NodeRecord;
use crate::{GossipMemory, GossipPool, PeerInfo, ProcessMemory, Trouble};

const TEN_INTERVALS: Duration = Duration::from_secs(10);

/// Returns the host at which a pool sees node 4.
fn host_of_four(pool: &GossipPool) -> Option<String> {
    let snapshot = pool.snapshot();
    snapshot.get(4)?.labels.get("host").cloned()
}

fn waits(pool: &GossipPool, host: u64) -> bool {
    let conflict = Trouble::IdConflict {
        address: address(host),
        waits: true,
    };
    pool.troubles().contains(&conflict)
}

/// Copies a data directory.
fn copy(memory: &Arc<dyn GossipMemory>) -> Arc<dyn GossipMemory> {
    let copy = ProcessMemory::default();
    copy.remember(&memory.members().unwrap()).unwrap();
    Arc::new(copy)
}

#[tokio::test(start_paused = true)]
async fn a_clone_waits_and_the_rightful_node_stays() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let config = net.config(4, &[1]);
    let (four, _) = join(&config).await;
    until("they meet", || host_of_four(&one).is_some()).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    for memory in [copy(&config.memory), Arc::new(ProcessMemory::default())] {
        let mut copied = net.config_at(4, 9, &[1]);
        copied.memory = memory;
        copied.seeds.clear();
        copied.seeds.push(address(1).to_string());
        let clone = start(&copied).await;
        let routed = || host_of_four(&one).as_deref() == Some("4");
        until("the clone waits", || waits(&clone, 4)).await;
        always("the clone is ignored", Duration::from_secs(60), || {
            routed() && waits(&clone, 4) && !is_ready(&clone) && is_ready(&four)
        })
        .await;
        clone.leave().await;
        always("the clone has left", Duration::from_secs(60), || {
            routed() && is_ready(&four)
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clone_takes_over_after_ten_still_intervals_and_gives_the_id_back() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let config = net.config(4, &[1]);
    let (four, _) = join(&config).await;
    until("they meet", || host_of_four(&one).is_some()).await;
    let clone = start(&net.config_at(4, 9, &[1])).await;
    until("the clone waits", || waits(&clone, 4)).await;
    four.shutdown().await;
    let took = until("the clone takes over", || is_ready(&clone)).await;
    assert!(took >= TEN_INTERVALS - Duration::from_secs(2), "{took:?}");
    until("it is listed", || {
        host_of_four(&one).as_deref() == Some("9")
    })
    .await;

    // At the address that it used last the node need not watch, and the later of two holders counts.
    let four = start(&config).await;
    let took = until("the clone withdraws", || waits(&clone, 4)).await;
    assert!(took < TEN_INTERVALS, "{took:?}");
    until("the node is listed", || {
        host_of_four(&one).as_deref() == Some("4")
    })
    .await;
    until("the conflict is over", || troubles(&four).is_empty()).await;
    four.leave().await;
    let took = until("a leave frees the id", || is_ready(&clone)).await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    until("it is listed", || {
        host_of_four(&one).as_deref() == Some("9")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn of_two_halves_with_one_id_each_the_later_counts_and_its_leave_restores_the_other() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let (four, _) = join(&net.config(4, &[1])).await;
    until("they meet", || host_of_four(&one).is_some()).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    until("they meet", || host_of_four(&two).is_some()).await;
    net.network
        .partition(&[vec![address(1), address(4)], vec![address(2), address(9)]]);
    let later = start(&net.config_at(4, 9, &[2])).await;
    until("it is listed", || {
        host_of_four(&two).as_deref() == Some("9")
    })
    .await;
    assert_eq!(host_of_four(&one).as_deref(), Some("4"));

    let log = Log::default();
    let collected = log.collect();
    net.network.heal();
    until("the earlier one withdraws", || {
        waits(&four, 9) && !is_ready(&four)
    })
    .await;
    // Each says it once in this time.
    let took = until("both and all peers say so", || {
        log.count("another member has this node's id") == 2
            && log.count("two members have the same node id") == 2
    })
    .await;
    assert!(took < Duration::from_secs(9), "{took:?}");
    drop(collected);
    for pool in [&one, &two] {
        until("the later one counts", || {
            host_of_four(pool).as_deref() == Some("9")
        })
        .await;
    }
    until("the conflict is over", || {
        is_ready(&later) && troubles(&later).is_empty()
    })
    .await;
    later.leave().await;
    for pool in [&one, &two] {
        let took = until("the earlier one is back", || {
            host_of_four(pool).as_deref() == Some("4")
        })
        .await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    assert!(is_ready(&four));
}

#[tokio::test(start_paused = true)]
async fn of_two_that_wait_the_earlier_goes_first() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let first = start(&net.config_at(4, 8, &[1])).await;
    let second = start(&net.config_at(4, 9, &[1])).await;
    assert!(first.generation() < second.generation());
    until("one has the id", || host_of_four(&one).is_some()).await;
    assert_eq!(host_of_four(&one).as_deref(), Some("8"));
    always("the other waits", Duration::from_secs(60), || {
        host_of_four(&one).as_deref() == Some("8") && !is_ready(&second)
    })
    .await;
    assert!(waits(&second, 8) && is_ready(&first));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_moves_is_listed_at_its_new_address() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let mut config = net.config(4, &[1]);
    let (four, _) = join(&config).await;
    until("they meet", || host_of_four(&one).is_some()).await;
    four.leave().await;
    let memory = Arc::clone(&config.memory);
    config = net.config_at(4, 9, &[1]);
    config.memory = memory;
    let (_moved, took) = join(&config).await;
    let watched = TEN_INTERVALS..TEN_INTERVALS + Duration::from_secs(2);
    assert!(watched.contains(&took), "a leave frees the id: {took:?}");
    until("it is listed", || {
        host_of_four(&one).as_deref() == Some("9")
    })
    .await;
    assert_eq!(row(&one, 4).unwrap().address, address(9));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_moves_after_a_crash_is_no_rival_of_itself() {
    let net = Net::new();
    let log = Log::default();
    let _collected = log.collect();
    let (one, _) = join(&net.config(1, &[])).await;
    let (four, _) = join(&net.config(4, &[1])).await;
    until("they meet", || host_of_four(&one).is_some()).await;
    four.shutdown().await;
    let _moved = start(&net.config_at(4, 9, &[1])).await;
    until("it is listed", || {
        host_of_four(&one).as_deref() == Some("9")
    })
    .await;
    assert_eq!(log.count("two members have the same node id"), 0);
}

/// The usual mistake when migrating: the native node still runs.
#[tokio::test]
async fn a_member_of_other_software_with_the_own_id_counts() {
    let a = harness::start(1, &[]).await;
    let record = NodeRecord::from(PeerInfo::placeholder(4)).encode().unwrap();
    let native = stranger("worker:4", 0, &[("worker:4", &record)], &a).await;
    peers_when(&a, |peers| peers.get(4).is_some()).await;
    let four = harness::start(4, &[&a]).await;
    eventually(|| !is_ready(&four) && troubles(&four) == ["id_conflict"]).await;
    eventually(|| a.metrics().received().0 > 100).await;
    assert_eq!(super::harness::node_ids(&a.snapshot()), [4]);
    assert_eq!(row(&a, 4).unwrap().generation, 0);
    native.shutdown().await.unwrap();
    eventually(|| is_ready(&four)).await;
    eventually(|| row(&a, 4).is_some_and(|row| row.generation == four.generation())).await;
}

//! Decisions and labels of agents of which some have their store, and others have lost it.

use std::time::Duration;

use edge_cache_host::NodeId;
use edge_cache_tests::simulation::{Cluster, Settings, Step};

use super::{MET_WITHIN, met, play, seconds};

/// Waits until all agents know the same decisions, those about disabled nodes included.
async fn decided(cluster: &Cluster, within: Duration) {
    let decisions = |by: NodeId| -> Vec<_> {
        let snapshot = cluster.registry(by).unwrap().snapshot();
        let decisions = snapshot.decisions();
        decisions.map(|it| it.decision.clone()).collect()
    };
    let look = || {
        let known: Vec<_> = cluster.running().into_iter().map(decisions).collect();
        match known.windows(2).all(|pair| pair[0] == pair[1]) {
            true => Ok(()),
            false => Err(known),
        }
    };
    cluster.until("the same decisions", within, look).await;
}

fn hashes(cluster: &Cluster) -> Vec<u64> {
    let running = cluster.running().into_iter();
    let registries = running.map(|by| cluster.registry(by).unwrap());
    registries.map(|it| it.snapshot().hash()).collect()
}

/// The agent that has its store is neither the author of all decisions nor chosen for all.
#[tokio::test(start_paused = true)]
async fn one_store_gives_its_disabled_nodes_to_agents_that_have_lost_theirs() {
    let settings = Settings {
        seeds: vec![1, 2],
        durable: true,
        ..Settings::default()
    };
    let mut cluster = met(settings, 1..=6).await;
    play(&mut cluster, (10..=29).map(|it| Step::EnableAt(2, it))).await;
    play(&mut cluster, (10..=27).map(|it| Step::DisableAt(2, it))).await;
    decided(&cluster, seconds(20)).await;
    play(&mut cluster, (1..=6).map(Step::Crash)).await;
    let anew = (2..=6).map(Step::StartAnew);
    play(&mut cluster, anew.chain([Step::Start(1)])).await;
    decided(&cluster, seconds(120)).await;
    assert_eq!(cluster.registry(4).unwrap().decision_counts().disabled, 18);
    let hashes = hashes(&cluster);
    assert!(hashes.iter().all(|it| *it == hashes[0]), "{hashes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_has_not_heard_of_disabled_nodes_has_the_same_hash() {
    let settings = Settings {
        seeds: vec![1],
        ..Settings::default()
    };
    let mut cluster = met(settings, 1..=2).await;
    let steps = [Step::Enable(1), Step::EnableAt(1, 7), Step::DisableAt(1, 7)];
    play(&mut cluster, steps).await;
    // Nobody carries it in gossip any more.
    play(&mut cluster, [Step::Wait(seconds(2 * 60 * 60))]).await;
    play(&mut cluster, [Step::Start(3)]).await;
    cluster.agree(MET_WITHIN).await;
    assert!(cluster.registry(2).unwrap().decision(7).is_some());
    assert!(cluster.registry(3).unwrap().decision(7).is_none());
    let before = hashes(&cluster);
    assert!(before.iter().all(|it| *it == before[0]), "{before:?}");
    play(&mut cluster, [Step::DisableAt(3, 1)]).await;
    cluster.agree(MET_WITHIN).await;
    let after = hashes(&cluster);
    assert!(after.iter().all(|it| *it == after[0]), "{after:?}");
    assert_ne!(before, after);
}

#[tokio::test(start_paused = true)]
async fn agents_with_a_store_come_back_with_their_labels() {
    let settings = Settings {
        seeds: vec![1],
        durable: true,
        ..Settings::default()
    };
    let mut cluster = met(settings, 1..=4).await;
    play(&mut cluster, (1..=4).map(Step::Enable)).await;
    play(&mut cluster, [Step::Disable(2)]).await;
    cluster.agree(seconds(5)).await;
    for node_id in 1..=4 {
        let before = cluster.pool(node_id).unwrap().generation();
        play(&mut cluster, [Step::Crash(node_id), Step::Start(node_id)]).await;
        assert!(cluster.pool(node_id).unwrap().generation() > before);
        assert_eq!(cluster.is_enabled(node_id), node_id != 2);
        cluster.agree(seconds(10)).await;
    }
    cluster.check_no_member_was_missed().unwrap();
    cluster.check_history().unwrap();
}

//! The first exchange: ready means a whole table, nobody waits for ever, and each member says what it lacks.

use std::time::Duration;

use super::virtual_time::{Net, always, is_ready, join, start, status, table, troubles, until};
use crate::{GossipConfig, JoinState, MemberStatus};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Restarts each of five members in turn, killed or with a leave. Whenever one has joined, its table is that of the
/// others.
async fn restart_one_of_five(times: usize, reset: impl Fn(&mut GossipConfig)) {
    let net = Net::new();
    let delays = Duration::from_millis(1)..=Duration::from_millis(30);
    net.network.delay(delays);
    let mut configs: Vec<_> = (1..=5).map(|node| net.config(node, &[1, 2, 3])).collect();
    let mut pools = Vec::new();
    for config in &configs {
        pools.push(start(config).await);
    }
    until("all meet", || {
        pools.iter().all(|pool| pool.snapshot().len() == 4)
    })
    .await;
    for time in 0..times {
        let index = time % 5;
        if time % 2 == 0 {
            pools[index].shutdown().await;
        } else {
            pools[index].leave().await;
        }
        reset(&mut configs[index]);
        let (pool, took) = join(&configs[index]).await;
        assert!(
            took < Duration::from_secs(16),
            "restart {time} took {took:?}"
        );
        assert_eq!(pool.join_state(), JoinState::Joined);
        assert!(is_ready(&pool), "{:?}", pool.troubles());
        let other = &pools[(index + 1) % 5];
        let others = table(other)
            .into_iter()
            .filter(|it| it.node_id != pool.node_id());
        assert_eq!(pool.peers(), others.collect::<Vec<_>>(), "restart {time}");
        pools[index] = pool;
        until("all meet", || {
            pools.iter().all(|pool| pool.snapshot().len() == 4)
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_fifty_restarts_with_data_the_table_is_whole_when_joined() {
    restart_one_of_five(50, |_| ()).await;
}

#[tokio::test(start_paused = true)]
async fn after_restarts_without_data_the_table_is_whole_when_joined() {
    restart_one_of_five(10, |config| {
        config.memory = std::sync::Arc::new(crate::ProcessMemory::default());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_seeds_do_not_answer_is_alone_after_the_timeout() {
    let net = Net::new();
    let (pool, took) = join(&net.config(1, &[8, 9])).await;
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(12),
        "{took:?}"
    );
    assert_eq!(pool.join_state(), JoinState::Alone);
    assert_eq!(troubles(&pool), ["alone"]);
    assert!(is_ready(&pool), "an agent that is alone works");
    // A seed comes up later.
    let (late, _) = join(&net.config(9, &[1])).await;
    assert_eq!(late.peers().len(), 1);
    until("it is not alone", || pool.join_state() == JoinState::Joined).await;
    assert!(troubles(&pool).is_empty());
}

/// Nothing wakes the topology then. Without another look, a peer that fails would be forgotten at once.
#[tokio::test(start_paused = true)]
async fn live_peers_count_as_seen_while_nothing_changes() {
    let net = Net::new();
    let [mut one, mut two] = [net.config(1, &[2]), net.config(2, &[1])];
    for config in [&mut one, &mut two] {
        config.interval = Duration::from_secs(5);
    }
    let (pool, _) = join(&one).await;
    let (other, _) = join(&two).await;
    until("both meet", || pool.peers().len() == 1).await;
    tokio::time::sleep(5 * HOUR / 2).await;
    assert_eq!(status(&pool, 2), Some(MemberStatus::Alive));
    pool.shutdown().await;
    let stored = one.memory.members().unwrap();
    let age_ms = crate::clock::now_ms().saturating_sub(stored.peers[0].seen_ms);
    assert!(Duration::from_millis(age_ms) <= HOUR, "{age_ms}");
    other.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn decisions_wait_for_the_first_exchange_or_the_timeout() {
    let net = Net::new();
    let (first, took) = join(&net.config(1, &[])).await;
    assert!(
        took < Duration::from_secs(2),
        "there is nobody to wait for: {took:?}"
    );
    assert!(first.join_state() == JoinState::Joined && troubles(&first).is_empty());
    let second = start(&net.config(2, &[9])).await;
    assert!(!second.has_waited() && troubles(&second) == ["joining"] && !is_ready(&second));
    let took = until("it may decide", || second.has_waited()).await;
    assert!(took >= Duration::from_secs(9), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_silent_in_the_cluster_delays_nobody_for_longer_than_15_intervals() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    let (three, _) = join(&net.config(3, &[1])).await;
    until("all meet", || one.snapshot().len() == 2).await;
    three.shutdown().await;
    until("it is missed", || {
        status(&one, 3) == Some(MemberStatus::Failed)
    })
    .await;
    let (four, took) = join(&net.config(4, &[1])).await;
    assert!(
        took > Duration::from_secs(10) && took < Duration::from_secs(18),
        "{took:?}"
    );
    let members: Vec<_> = table(&four).iter().map(|info| info.node_id).collect();
    assert_eq!(members, [1, 2, 4]);
    // Who left is not waited for.
    two.leave().await;
    let (five, took) = join(&net.config(5, &[1])).await;
    assert!(took < Duration::from_secs(18), "{took:?}");
    assert_eq!(status(&five, 2), Some(MemberStatus::Left));
}

#[tokio::test(start_paused = true)]
async fn who_left_is_neither_waited_for_nor_missed() {
    let net = Net::new();
    let config = net.config(1, &[]);
    let (one, _) = join(&config).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    let (three, _) = join(&net.config(3, &[1])).await;
    until("all meet", || one.snapshot().len() == 2).await;
    two.leave().await;
    let (four, took) = join(&net.config(4, &[1])).await;
    // It watches for its id only.
    assert!(took < Duration::from_secs(12), "{took:?}");
    // The cluster is scaled to one.
    three.leave().await;
    four.leave().await;
    until("all have left", || one.peers().is_empty()).await;
    for node_id in [2, 3, 4] {
        let status = status(&one, node_id).unwrap();
        assert!(matches!(status, MemberStatus::Leaving | MemberStatus::Left));
    }
    always("nobody is missed", HOUR, || {
        troubles(&one).is_empty() && one.join_state() == JoinState::Joined
    })
    .await;
    // Nor is anybody after a restart.
    one.shutdown().await;
    let (one, took) = join(&config).await;
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert!(troubles(&one).is_empty() && one.members().len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_starts_in_order_with_and_without_data() {
    let net = Net::new();
    let mut configs: Vec<_> = (1..=3).map(|node| net.config(node, &[1, 2, 3])).collect();
    for round in 0..4 {
        let mut pools = Vec::new();
        for config in &configs {
            let (pool, took) = join(config).await;
            let alone = pools.is_empty();
            let limit = Duration::from_secs(if alone { 12 } else { 16 });
            assert!(
                took < limit,
                "round {round}, member {}: {took:?}",
                pool.node_id()
            );
            assert!(is_ready(&pool), "{:?}", pool.troubles());
            assert_eq!(pool.join_state() == JoinState::Alone, alone);
            pools.push(pool);
        }
        assert_eq!(table(&pools[2]).len(), 3);
        for pool in pools {
            if round % 2 == 0 {
                pool.leave().await;
            } else {
                pool.shutdown().await;
            }
        }
        if round == 1 {
            configs = (1..=3).map(|node| net.config(node, &[1, 2, 3])).collect();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stale_seeds_do_no_harm_to_a_member_that_remembers_others() {
    let net = Net::new();
    let mut config = net.config(2, &[1]);
    let (_one, _) = join(&net.config(1, &[])).await;
    let (two, _) = join(&config).await;
    until("they meet", || two.snapshot().len() == 1).await;
    two.leave().await;
    config.seeds = vec![super::virtual_time::address(99).to_string()];
    let (two, took) = join(&config).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(two.peers().len(), 1);
    assert!(troubles(&two).is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_two_members_one_dies_and_the_other_says_so() {
    let net = Net::new();
    let config = net.config(1, &[2]);
    let one = start(&config).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    one.joined().await;
    until("they meet", || one.snapshot().len() == 1).await;
    two.shutdown().await;
    until("it is missed", || one.join_state() == JoinState::Alone).await;
    assert_eq!(status(&one, 2), Some(MemberStatus::Failed));
    assert_eq!(troubles(&one), ["alone"]);
    assert!(is_ready(&one));
    tokio::time::sleep(5 * HOUR).await;
    assert_eq!(
        status(&one, 2),
        Some(MemberStatus::Failed),
        "chitchat has forgotten it"
    );

    one.shutdown().await;
    let (one, took) = join(&config).await;
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(one.join_state(), JoinState::Alone);
    until("it is still failed", || {
        status(&one, 2) == Some(MemberStatus::Failed)
    })
    .await;
    assert!(!one.forget(1) && !one.forget(3));
    assert!(one.forget(2));
    until("it is forgotten", || status(&one, 2).is_none()).await;
    assert!(!one.forget(2));
}

#[tokio::test(start_paused = true)]
async fn a_planned_stop_never_shows_as_failed() {
    let net = Net::new();
    let (one, _) = join(&net.config(1, &[])).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    let (three, _) = join(&net.config(3, &[1])).await;
    until("all meet", || one.snapshot().len() == 2).await;
    let mut events = one.subscribe();
    two.leave().await;
    three.shutdown().await;
    always("node 2 has left", Duration::from_secs(600), || {
        !matches!(status(&one, 2), Some(MemberStatus::Failed))
    })
    .await;
    assert_eq!(
        events.next().await,
        Some(crate::TopologyEvent::Left { node_id: 2 })
    );
    assert_eq!(
        events.next().await,
        Some(crate::TopologyEvent::Failed { node_id: 3 })
    );
    assert_eq!(status(&one, 3), Some(MemberStatus::Failed));
    assert!(!one.forget(2));
}

#[tokio::test(start_paused = true)]
async fn below_the_least_number_of_peers_a_member_is_not_ready() {
    let net = Net::new();
    let mut config = net.config(1, &[]);
    config.peers_min = 1;
    let (one, _) = join(&config).await;
    assert_eq!(troubles(&one), ["few_peers"]);
    assert!(!is_ready(&one));
    let (two, _) = join(&net.config(2, &[1])).await;
    until("it is ready", || is_ready(&one)).await;
    two.leave().await;
    until("it is not ready", || !is_ready(&one)).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_says_that_the_states_of_all_are_too_large() {
    let net = Net::new();
    let mut config = net.config(1, &[]);
    config.state_bytes = 100_000;
    let (one, _) = join(&config).await;
    let (two, _) = join(&net.config(2, &[1])).await;
    until("they meet", || one.snapshot().len() == 1).await;
    assert!(troubles(&one).is_empty());
    let values = |count| (0..count).map(|node_id| (node_id, Some("x".repeat(100))));
    two.publish_decisions(values(100));
    until("it is nearly full", || troubles(&one) == ["state_full"]).await;
    assert!(is_ready(&one));
    let said = one.troubles()[0].to_string();
    assert!(said.contains("`limits.gossip_bytes` (100000)"), "{said}");
    assert!(troubles(&two).is_empty(), "its limit is larger");
}

use chitchat::transport::ChannelTransport;
use chitchat::{ChitchatHandle, spawn_chitchat};

use super::*;
use crate::known::KnownPeers;
use crate::view::ClusterView;
use crate::{ClusterMember, GossipConfig, MemberStatus, PeerInfo, ProcessMemory};

const INTERVAL: Duration = Duration::from_secs(1);

fn lives(used: UsedLives) -> Lives {
    let membership = Membership::new(KnownPeers::default(), true, Duration::ZERO, 0);
    Lives::new(
        Arc::new(ProcessMemory::default()),
        Arc::new(membership),
        used,
    )
}

fn limited(left: u32) -> Lives {
    lives(UsedLives {
        left,
        is_limited: true,
        ..UsedLives::default()
    })
}

fn record(leaving: bool) -> String {
    let mut record = NodeRecord::from(PeerInfo::placeholder(1));
    record.leaving = leaving;
    record.encode().unwrap()
}

fn id(generation: u64) -> ChitchatId {
    let port = u16::try_from(generation).unwrap();
    ChitchatId::new("worker:1", generation, ([127, 0, 0, 1], port).into())
}

/// Starts a member with the id of this node, which knows the member of generation 1.
async fn member(generation: u64, transport: &ChannelTransport) -> ChitchatHandle {
    let id = id(generation);
    let listen = id.gossip_advertise_addr;
    let mut config = GossipConfig::new(PeerInfo::placeholder(1), "test", listen);
    config.interval = INTERVAL;
    config.seeds = vec![self::id(1).gossip_advertise_addr.to_string()];
    let values = vec![("worker:1".to_owned(), record(false))];
    spawn_chitchat(config.chitchat(id), values, transport)
        .await
        .unwrap()
}

async fn is_buried(chitchat: &Mutex<Chitchat>, generation: u64) -> bool {
    let chitchat = chitchat.lock().await;
    let state = chitchat.node_state(&id(generation)).unwrap();
    state.get("worker:1") == Some("")
}

#[tokio::test(start_paused = true)]
async fn silent_former_lives_are_buried_and_nobody_else() {
    let transport = ChannelTransport::with_mtu(65_507);
    let own = member(1, &transport).await;
    let chitchat = own.chitchat();
    // This data directory has used the first two.
    let lives = lives(UsedLives {
        generations: vec![2, 3, 1],
        ..UsedLives::default()
    });
    let members = [member(2, &transport).await, member(3, &transport).await];
    let other = member(4, &transport).await;
    let bury = lives.bury(&chitchat, INTERVAL);
    let story = async {
        time::sleep(60 * INTERVAL).await;
        lives.bury_all(&chitchat).await;
        for generation in [2, 3, 4] {
            assert!(
                !is_buried(&chitchat, generation).await,
                "{generation} lives"
            );
        }
        let [silent, leaving] = members;
        leaving
            .with_chitchat(|it| it.self_node_state().set("worker:1", record(true)))
            .await;
        time::sleep(10 * INTERVAL).await;
        let begin = Instant::now();
        for member in [silent, leaving, other] {
            member.shutdown().await.unwrap();
        }
        while !is_buried(&chitchat, 2).await {
            time::sleep(INTERVAL).await;
            assert!(begin.elapsed() < 90 * INTERVAL);
        }
        assert!(begin.elapsed() >= 15 * INTERVAL, "{:?}", begin.elapsed());
        time::sleep(20 * INTERVAL).await;
        for generation in [3, 4] {
            assert!(!is_buried(&chitchat, generation).await, "{generation}");
        }
    };
    tokio::select! {
        () = bury => unreachable!(),
        () = story => {}
    }
    // Before this one ends, it does not wait for silence.
    lives.change(|used| used.generations.push(4)).await;
    lives.bury_all(&chitchat).await;
    assert!(is_buried(&chitchat, 4).await);
}

#[tokio::test(start_paused = true)]
async fn ten_lives_in_a_row_and_twenty_an_hour() {
    let lives = limited(LIVES_IN_A_ROW);
    let mut begun = 0;
    let end = Instant::now() + Duration::from_secs(60 * 60 - 1);
    while Instant::now() < end {
        if lives.may_begin() {
            lives.begin().await.unwrap();
            begun += 1;
        } else {
            let wait = end.saturating_duration_since(Instant::now());
            let _ = time::timeout(wait, lives.earn_one()).await;
        }
        assert!(begun >= LIVES_IN_A_ROW || lives.may_begin());
        assert!(begun <= 20);
    }
    assert!(begun >= 19, "{begun}");
    // Those that are earned later are no more than ten.
    let _ = time::timeout(24 * 60 * EARNED_IN, lives.earn()).await;
    assert_eq!(lives.used().left, LIVES_IN_A_ROW);
    assert_eq!(lives.memory.lives().unwrap(), lives.used());
}

#[tokio::test(start_paused = true)]
async fn where_no_node_of_zlayer_was_met_lives_are_free_and_few_are_remembered() {
    let lives = lives(UsedLives::default());
    for _ in 0..2 * USED_MAX {
        assert!(lives.may_begin());
        lives.begin().await.unwrap();
    }
    assert_eq!(lives.used().generations.len(), USED_MAX);

    let native = ClusterMember {
        node_id: 9,
        status: MemberStatus::Alive,
        address: id(9).gossip_advertise_addr,
        generation: 0,
        policy: None,
    };
    let view = ClusterView {
        members: vec![native],
        ..ClusterView::default()
    };
    lives.membership.view.store(Arc::new(view));
    lives.note_others().await;
    assert!(!lives.may_begin() && lives.memory.lives().unwrap().is_limited);
}

#[test]
fn merged_lives_know_the_generations_of_both_and_begin_no_more_than_either() {
    let one = UsedLives {
        generations: vec![1, 5],
        left: 3,
        is_limited: false,
    };
    let other = UsedLives {
        generations: vec![2, 5],
        left: 7,
        is_limited: true,
    };
    let both = UsedLives {
        generations: vec![1, 2, 5],
        left: 3,
        is_limited: true,
    };
    assert_eq!(one.merge(&other), both);
    assert_eq!(other.merge(&one), both);
    let many = UsedLives {
        generations: (10..10 + USED_MAX as u64).collect(),
        ..UsedLives::default()
    };
    assert_eq!(many.merge(&one).generations, many.generations);
}

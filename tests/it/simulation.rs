//! Whole clusters in virtual time: loss, partitions, restarts, and random walks.
//!
//! The registries are real ones on the reference component, the gossip is the agent's; only the network
//! is simulated. `EDGE_CACHE_LONG_TESTS=1` runs more seeds for longer.

use std::ops::RangeInclusive;
use std::time::Duration;

use edge_cache_host::NodeId;
use edge_cache_host::gossip::PushBudget;
use edge_cache_tests::simulation::{Cluster, Departure, Settings, Step};
use edge_cache_tests::{long_tests, seeds};
use tokio::time::Instant;

mod stores;

/// The first of the scripts.
const SEED: u64 = 20_260_101;
/// Maximum time for members that start one after the other to know each other.
const MET_WITHIN: Duration = seconds(20);
/// Maximum time that members list a dead member: the detector allows it five intervals more than its last three heartbeats
/// took, and each of them comes within an interval and its way.
const NOTICED_WITHIN: Duration = seconds(10);

/// The pause between two calls to missing peers.
const PAUSE: Duration = seconds(30);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cluster whose members know each other.
async fn met(settings: Settings, node_ids: RangeInclusive<NodeId>) -> Cluster {
    println!("seed {}", settings.seed);
    let mut within = MET_WITHIN;
    if settings.seeds.is_empty() {
        // A node that no other called calls again after the pause.
        within += PAUSE;
    }
    let mut cluster = Cluster::new(settings);
    let node_ids = Vec::from_iter(node_ids);
    cluster.start(node_ids.into_iter()).await.unwrap();
    cluster.agree(within).await;
    cluster
}

async fn play(cluster: &mut Cluster, steps: impl IntoIterator<Item = Step>) {
    for step in steps {
        cluster.play(step).await.unwrap();
    }
}

/// Waits until all that run but `of` have said that it left, and answers how long that took from `since`
/// on for the first and the last of them.
async fn all_miss(
    cluster: &Cluster,
    of: NodeId,
    since: Instant,
    within: Duration,
) -> (Duration, Duration) {
    let by = cluster.running().len();
    let missed = || -> Vec<Departure> {
        let mut departures = cluster.departures();
        departures.retain(|departure| departure.of == of && departure.at >= since);
        departures
    };
    cluster
        .until("its departure", within, || match missed().len() {
            seen if seen < by => Err(seen),
            _ => Ok(()),
        })
        .await;
    let missed = missed();
    assert_eq!(missed.len(), by, "each says so once");
    let times = || missed.iter().map(|departure| departure.at - since);
    (times().min().unwrap(), times().max().unwrap())
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_although_half_of_all_datagrams_are_lost() {
    const NODES: RangeInclusive<NodeId> = 1..=20;
    for seed in seeds(SEED, 1, 5) {
        let mut cluster = Cluster::new(Settings {
            seed,
            ..Settings::default()
        });
        play(&mut cluster, [Step::Lose(50), Step::Delay(1..=50)]).await;
        cluster
            .start(Vec::from_iter(NODES).into_iter())
            .await
            .unwrap();
        play(&mut cluster, NODES.map(Step::Enable)).await;
        cluster.agree(seconds(60)).await;

        play(&mut cluster, NODES.step_by(2).map(Step::Enable)).await;
        play(&mut cluster, NODES.step_by(3).map(Step::Disable)).await;
        cluster.agree(seconds(30)).await;

        for node_id in NODES {
            let steps = [Step::Enable(node_id), Step::Wait(seconds(1))];
            play(&mut cluster, steps).await;
        }
        cluster.agree(seconds(30)).await;
        if long_tests() {
            play(&mut cluster, [Step::Wait(seconds(600))]).await;
            cluster.agree(Duration::ZERO).await;
        }
        cluster.check_no_member_was_missed().unwrap();
        cluster.check_history().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_between_two_members_goes_unnoticed() {
    let mut cluster = met(Settings::default(), 1..=6).await;
    let steps = [Step::Cut(1, 4), Step::Cut(1, 5), Step::Enable(1)];
    play(&mut cluster, steps).await;
    cluster.agree(seconds(5)).await;
    play(&mut cluster, [Step::Wait(seconds(60)), Step::Enable(4)]).await;
    cluster.agree(seconds(5)).await;
    cluster.check_no_member_was_missed().unwrap();
    cluster.check_history().unwrap();
}

/// Members of which no seed knows, so that nothing heals by itself.
fn without_seeds(seed: u64) -> Settings {
    Settings {
        seed,
        seeds: Vec::new(),
        remembered: Vec::from_iter(1..=10),
        ..Settings::default()
    }
}

/// Five against five: the halves are cut off until all count each other as dead, and for `longer`; both sides
/// change everything that they have.
async fn fall_apart(cluster: &mut Cluster, longer: Duration) {
    let (left, right) = (Vec::from_iter(1..=5), Vec::from_iter(6..=10));
    play(cluster, (1..=10).map(Step::Enable)).await;
    cluster.agree(seconds(5)).await;
    let apart = Step::Partition(vec![left.clone(), right.clone()]);
    play(cluster, [apart, Step::Enable(2), Step::Disable(7)]).await;
    for side in [&left, &right] {
        cluster.agree_among(side, NOTICED_WITHIN).await;
    }
    let steps = [
        Step::Wait(longer),
        Step::Enable(1),
        Step::Disable(3),
        Step::Enable(6),
        Step::Enable(7),
        Step::Disable(8),
        Step::Disable(10),
        Step::Enable(10),
    ];
    play(cluster, steps).await;
    for side in [&left, &right] {
        cluster.agree_among(side, seconds(5)).await;
    }
    assert_eq!(cluster.departures().len(), 5 * 5 * 2);
    play(cluster, [Step::Heal]).await;
}

#[tokio::test(start_paused = true)]
async fn two_halves_agree_soon_after_they_are_joined_again() {
    for seed in seeds(SEED, 2, 10) {
        let mut cluster = met(without_seeds(seed), 1..=10).await;
        fall_apart(&mut cluster, seconds(20)).await;
        cluster.agree(seconds(10)).await;
        cluster.check_history().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn two_halves_find_each_other_that_have_been_apart_for_longer_than_they_remember_the_dead() {
    for seed in seeds(SEED, 1, 5) {
        let mut settings = without_seeds(seed);
        let grace = if long_tests() {
            seconds(4 * 60)
        } else {
            seconds(20)
        };
        settings.dead_node_grace_period = Some(grace);
        let mut cluster = met(settings, 1..=10).await;
        fall_apart(&mut cluster, grace + seconds(10)).await;
        cluster.agree(PAUSE + seconds(10)).await;
        cluster.check_history().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_at_once_is_never_missed_and_gets_its_decisions_back() {
    let mut cluster = met(Settings::default(), 1..=8).await;
    play(&mut cluster, [Step::Enable(5), Step::Enable(6)]).await;
    cluster.agree(seconds(5)).await;
    for _ in 0..3 {
        let before = cluster.pool(5).unwrap().generation();
        play(&mut cluster, [Step::Crash(5), Step::Start(5)]).await;
        assert!(cluster.pool(5).unwrap().generation() > before);
        assert!(!cluster.is_enabled(5));
        cluster.agree(seconds(10)).await;
        assert!(cluster.is_enabled(5));
        play(&mut cluster, [Step::Enable(5)]).await;
        cluster.agree(seconds(5)).await;
    }
    // Its former lives die meanwhile.
    play(&mut cluster, [Step::Wait(seconds(60))]).await;
    cluster.agree(Duration::ZERO).await;
    cluster.check_no_member_was_missed().unwrap();
    cluster.check_history().unwrap();
}

/// A node without its memory does not know that the id was its own, and waits until the former life fails.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_without_its_memory_is_missed_once_and_gets_its_decisions_back() {
    let mut cluster = met(Settings::default(), 1..=8).await;
    play(&mut cluster, [Step::Enable(5), Step::Enable(6)]).await;
    cluster.agree(seconds(5)).await;
    let since = Instant::now();
    play(&mut cluster, [Step::Crash(5), Step::StartAnew(5)]).await;
    cluster
        .until("its departure", NOTICED_WITHIN, || {
            let missed = cluster.departures().len();
            if missed == 7 { Ok(()) } else { Err(missed) }
        })
        .await;
    cluster.agree(seconds(10)).await;
    assert!(since.elapsed() < seconds(16), "{:?}", since.elapsed());
    assert!(cluster.is_enabled(5));
    play(&mut cluster, [Step::Enable(5), Step::Wait(seconds(60))]).await;
    cluster.agree(Duration::ZERO).await;
    let missed = cluster.departures();
    assert!(
        missed.iter().all(|departure| departure.of == 5),
        "{missed:?}"
    );
    assert_eq!(missed.len(), 7, "{missed:?}");
    cluster.check_history().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_went_back_counts_on_from_its_last_generation() {
    let mut cluster = met(Settings::default(), 1..=5).await;
    play(&mut cluster, [Step::Enable(4)]).await;
    cluster.agree(seconds(5)).await;
    let before = cluster.pool(4).unwrap().generation();
    let steps = [
        Step::Crash(4),
        Step::ClockBack(4, seconds(24 * 60 * 60)),
        Step::Start(4),
    ];
    play(&mut cluster, steps).await;
    assert_eq!(cluster.pool(4).unwrap().generation(), before + 1);
    cluster.agree(seconds(10)).await;
    play(&mut cluster, [Step::Enable(4)]).await;
    cluster.agree(seconds(5)).await;
    play(&mut cluster, [Step::Wait(seconds(60))]).await;
    cluster.agree(Duration::ZERO).await;
    cluster.check_no_member_was_missed().unwrap();
    cluster.check_history().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_late_is_missed_once_and_joins_again() {
    let mut cluster = met(Settings::default(), 1..=8).await;
    play(&mut cluster, [Step::Enable(5)]).await;
    cluster.agree(seconds(5)).await;
    let since = Instant::now();
    play(&mut cluster, [Step::Crash(5)]).await;
    all_miss(&cluster, 5, since, NOTICED_WITHIN).await;
    play(&mut cluster, [Step::Start(5), Step::Enable(5)]).await;
    cluster.agree(seconds(10)).await;
    play(&mut cluster, [Step::Wait(seconds(60))]).await;
    cluster.agree(Duration::ZERO).await;
    assert_eq!(cluster.departures().len(), 7);
    cluster.check_history().unwrap();
}

/// Of two lives that ended soon after each other, the first may count as live for longer than the second; chance decides at
/// how many members.
#[tokio::test(start_paused = true)]
async fn a_short_life_does_not_come_back_when_a_longer_one_after_it_ends() {
    for seed in seeds(SEED, 6, 20) {
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        let mut cluster = met(settings, 1..=6).await;
        let steps = [
            Step::Crash(5),
            Step::Start(5),
            Step::Enable(5),
            Step::Wait(seconds(4)),
            Step::Crash(5),
            Step::Start(5),
            Step::Wait(seconds(10)),
            Step::Enable(5),
            Step::Wait(seconds(2)),
        ];
        play(&mut cluster, steps).await;
        cluster.agree(Duration::ZERO).await;
        play(&mut cluster, [Step::Crash(5), Step::Wait(NOTICED_WITHIN)]).await;
        cluster.agree(Duration::ZERO).await;
        cluster.check_history().unwrap();
        assert_eq!(cluster.departures().len(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn thirty_members_hear_of_a_leave_within_a_second() {
    // Without eager push a leave is not passed on at once: the leaving node must have told all others.
    for (push, within) in [
        (PushBudget::default(), seconds(1)),
        (PushBudget::OFF, Duration::from_millis(100)),
    ] {
        for seed in seeds(SEED, 1, 5) {
            let settings = Settings {
                seed,
                push,
                ..Settings::default()
            };
            let mut cluster = met(settings, 1..=30).await;
            play(&mut cluster, [Step::Delay(1..=5), Step::Enable(9)]).await;
            cluster.agree(seconds(5)).await;
            for node_id in [9, 1] {
                let since = Instant::now();
                play(&mut cluster, [Step::Leave(node_id)]).await;
                let (_, last) = all_miss(&cluster, node_id, since, seconds(1)).await;
                assert!(last < within, "{last:?}");
            }
            cluster.agree(Duration::ZERO).await;
            cluster.check_no_member_was_missed().unwrap();
            cluster.check_history().unwrap();
        }
    }
}

/// Each change is pushed at once, and carries heartbeats: they come closer together than the interval.
#[tokio::test(start_paused = true)]
async fn members_notice_a_crash_in_time_and_no_sooner() {
    for (members, changes) in [(30, 0), (5, 0), (5, 60)] {
        for seed in seeds(SEED, 1, 5) {
            let settings = Settings {
                seed,
                ..Settings::default()
            };
            let mut cluster = met(settings, 1..=members).await;
            let steps = [Step::Delay(1..=5), Step::Wait(seconds(60))];
            play(&mut cluster, steps).await;
            for change in 0..changes {
                let node_id = 1 + change % 4;
                let wait = Step::Wait(Duration::from_millis(400));
                play(&mut cluster, [Step::Enable(node_id), wait]).await;
            }
            cluster.check_no_member_was_missed().unwrap();

            let since = Instant::now();
            play(&mut cluster, [Step::Crash(5)]).await;
            let (first, last) = all_miss(&cluster, 5, since, NOTICED_WITHIN).await;
            println!("{members} members, {changes} changes: first {first:?}, last {last:?}");
            // The last heartbeat may be an interval old.
            assert!(first > seconds(4), "{first:?}");
            cluster.agree(Duration::ZERO).await;
            cluster.check_no_member_was_missed().unwrap();
            cluster.check_history().unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_random_walk_all_agree() {
    const NODES: RangeInclusive<NodeId> = 1..=8;
    for seed in seeds(SEED, 3, 40) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let settings = Settings {
            seed,
            ..Settings::default()
        };
        let mut cluster = met(settings.clone(), NODES).await;
        for _ in 0..60 {
            let step = random_step(&mut rng, &cluster, NODES);
            let pause = Step::Wait(Duration::from_millis(rng.u64(0..4_000)));
            play(&mut cluster, [step, pause]).await;
        }
        let quiet = [Step::Heal, Step::Lose(0), Step::Delay(0..=0)];
        play(&mut cluster, quiet).await;
        // A node without memory finds no peer while no seed runs.
        for node_id in settings.seeds {
            if cluster.pool(node_id).is_err() {
                play(&mut cluster, [Step::Start(node_id)]).await;
            }
        }
        cluster.agree(seconds(120)).await;
        let running = cluster.running();
        play(&mut cluster, running.into_iter().map(Step::Enable)).await;
        cluster.agree(seconds(5)).await;
        cluster.check_history().unwrap();
    }
}

/// A step that makes sense now.
fn random_step(
    rng: &mut fastrand::Rng,
    cluster: &Cluster,
    node_ids: RangeInclusive<NodeId>,
) -> Step {
    let node_id = rng.u64(node_ids.clone());
    if cluster.pool(node_id).is_err() {
        return match rng.u32(0..6) {
            0 => Step::StartAnew(node_id),
            1 => Step::ClockBack(node_id, seconds(60)),
            _ => Step::Start(node_id),
        };
    }
    match rng.u32(0..20) {
        0..=6 => Step::Enable(node_id),
        7..=8 if cluster.is_enabled(node_id) => Step::Disable(node_id),
        9..=11 => Step::Crash(node_id),
        12 => Step::Leave(node_id),
        13 => {
            let (one, other) = node_ids.partition(|_| rng.bool());
            Step::Partition(vec![one, other])
        }
        14 => Step::Cut(node_id, rng.u64(node_ids)),
        15..=16 => Step::Heal,
        17 => Step::Lose(*rng.choice(&[0, 10, 50]).unwrap_or(&0)),
        18 => Step::Delay(*rng.choice(&[0, 10, 200]).unwrap_or(&0)..=300),
        _ => Step::Wait(seconds(rng.u64(1..30))),
    }
}

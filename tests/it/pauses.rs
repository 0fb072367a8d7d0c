//! Threads that pause at random system calls: writer, queue, swap, placement and shutdown in orders that are seldom else.
//!
//! The agent runs under strace, which delays every so-many-th call of a kind on its way back. Nothing acknowledged is lost,
//! nothing hangs, and each shutdown comes to its end.

use std::sync::Arc;
use std::time::Duration;

use edge_cache_tests::agent::Agent;
use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::debian::STRACE;
use edge_cache_tests::long_tests;
use reqwest::StatusCode;

use crate::power_cut::{CLIENTS, Ledger, check, load, own_of};

/// The calls at which threads pause, with the work that they are part of.
const CALLS: [(&str, &str); 5] = [
    ("futex", "locks and wake-ups of threads"),
    ("write", "wake-ups of tasks"),
    ("fdatasync,fsync", "commits"),
    ("recvfrom,sendto", "requests and answers"),
    ("epoll_wait", "gossip and timers"),
];
/// The longest pause, in microseconds.
const PAUSE_MAX_US: u64 = 20_000;
/// The most calls between two pauses.
const STEP_MAX: u64 = 40;
/// The latest moment of the end after the load began.
const END_WITHIN_MS: u64 = 2_000;

/// Counters of the rounds in which threads paused at one kind of calls.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    rounds: usize,
    changes: usize,
    swaps: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_hangs_wherever_threads_pause() {
    let Some(strace) = STRACE.program() else {
        return;
    };
    let rounds = if long_tests() { 100 } else { 5 };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let reference = reference_bytes().unwrap();
    let plugins = [b"1", b"2"].map(|note| with_section(reference, "note", note));
    let mut ledger = Ledger::new();
    let mut tallies = [Tally::default(); CALLS.len()];
    for round in 0..rounds {
        let (calls, _) = CALLS[round % CALLS.len()];
        let tally = &mut tallies[round % CALLS.len()];
        let (pause, step) = (random.u64(1..=PAUSE_MAX_US), random.u64(1..=STEP_MAX));
        let pauses = format!(
            "inject={calls}:delay_exit={pause}:when={}+{step}",
            random.u64(1..=step)
        );
        println!("round {round}: {pauses}");
        let trace = format!("trace={calls}");
        let launcher = [
            strace,
            "-D",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &trace,
            "-e",
            &pauses,
        ];
        let args = ["--node-id", "1", "--data-dir", data, "--allow-local-admin"];
        let agent = Arc::new(Agent::start_by(&launcher, &args).await.unwrap());
        check(&agent, &mut ledger, round).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| tokio::spawn(load(agent.clone(), own_of(client, &ledger), random.fork())))
            .collect();
        let swapper = tokio::spawn(swap(agent.clone(), plugins.clone()));
        // Nothing is waited for: the moment of the end is what the test is about.
        tokio::time::sleep(Duration::from_millis(random.u64(1..END_WITHIN_MS))).await;
        agent.ask_to_end().unwrap();
        for client in clients {
            let (own, made) = client.await.unwrap();
            ledger.extend(own);
            tally.changes += made;
        }
        tally.swaps += swapper.await.unwrap();
        tally.rounds += 1;
        let agent = Arc::into_inner(agent).unwrap();
        assert_eq!(agent.ended().await.unwrap(), Some(0), "round {round}");
    }
    let agent = Agent::start(&["--node-id", "1", "--data-dir", data])
        .await
        .unwrap();
    check(&agent, &mut ledger, rounds).await;
    for ((calls, what), tally) in CALLS.iter().zip(&tallies) {
        println!("pauses at {calls} ({what}): {tally:?}");
    }
    let changes: usize = tallies.iter().map(|tally| tally.changes).sum();
    assert!(changes > rounds, "next to no changes: {changes}");
}

/// Swaps one plugin for another until the agent is gone, or ends. Returns how often it did.
async fn swap(agent: Arc<Agent>, plugins: [Vec<u8>; 2]) -> usize {
    let mut swaps = 0;
    for plugin in plugins.iter().cycle() {
        let request = agent.request(reqwest::Method::PUT, "/api/v1/plugin");
        let request = request
            .header("content-type", "application/wasm")
            .body(plugin.clone());
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::OK => swaps += 1,
            Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => break,
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
    }
    swaps
}

//! Answers after changes: none is outdated.

use std::time::Duration;

use edge_cache_tests::agent::Agent;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

/// The agent's own node, and others of which an agent keeps answers in the same place.
const NODES: [u64; 4] = [1, 1 + 1_024, 1 + 2 * 1_024, 2];
const CHANGES: u32 = 200;
/// Maximum time for labels to follow a change.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// Maximum time for agents to find each other and each other's decisions.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

fn path(node: u64) -> String {
    format!("/api/v1/nodes/{node}/edge-cache")
}

/// Expected state of an enabled node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Expected {
    disk: u64,
    hits: u64,
}

async fn change(agent: &Agent, node: u64, random: &mut fastrand::Rng, now: &mut Option<Expected>) {
    let path = path(node);
    match random.u8(..4) {
        0 => {
            let status = agent.ask(Method::DELETE, &path, None).await.unwrap().status;
            assert_eq!(status, if now.take().is_some() { 204 } else { 404 });
        }
        1 => {
            let body = json!({"hits": 3, "misses": 0});
            let path = format!("{path}/stats");
            let answer = agent.ask(Method::POST, &path, Some(&body)).await;
            let status = answer.unwrap().status;
            assert_eq!(status, if now.is_some() { 200 } else { 404 });
            if let Some(now) = now {
                now.hits += 3;
            }
        }
        _ => {
            let disk = random.u64(1..1_000_000);
            let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": disk}});
            let answer = agent.ask(Method::POST, &path, Some(&body)).await.unwrap();
            assert_eq!(answer.status, 204);
            *now = Some(Expected { disk, hits: 0 });
        }
    }
}

/// Returns the agent's answer about a node.
async fn shown(agent: &Agent, node: u64) -> Option<Expected> {
    let first = agent.ask(Method::GET, &path(node), None).await.unwrap();
    if first.status == 404 {
        return None;
    }
    let decision = &first.body["decision"];
    let disk = first.body["capacity"]["disk_mib"].as_u64().unwrap();
    assert_eq!(first.body["node_id"], node);
    assert_eq!(decision["capacity"]["disk_mib"], disk, "{first:?}");
    let hits = first.body["stats"]["hits"].as_u64().unwrap();
    Some(Expected { disk, hits })
}

#[tokio::test]
async fn what_is_read_is_what_was_made_last() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let mut expected = [None; NODES.len()];
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..CHANGES {
        let changed = random.usize(..NODES.len());
        change(&agent, NODES[changed], &mut random, &mut expected[changed]).await;
        for (node, expected) in NODES.into_iter().zip(expected) {
            assert_eq!(shown(&agent, node).await, expected, "node {node}");
            assert_eq!(shown(&agent, node).await, expected, "node {node} once more");
        }
        let list = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
        let listed = list["nodes"].as_array().unwrap().iter();
        let disks: Vec<_> = listed
            .map(|node| node["capacity"]["disk_mib"].as_u64())
            .collect();
        let mut sorted: Vec<_> = NODES.into_iter().zip(expected).collect();
        sorted.sort_unstable_by_key(|(node, _)| *node);
        let wanted: Vec<_> = sorted
            .into_iter()
            .filter_map(|(_, expected)| Some(Some(expected?.disk)))
            .collect();
        assert_eq!(disks, wanted);
    }
}

#[tokio::test]
async fn labels_that_come_later_are_seen_in_the_entry_and_in_the_list() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    for round in 0..20 {
        let answer = agent.ask(Method::POST, &path(1), Some(&body)).await;
        assert_eq!(answer.unwrap().status, 204);
        until("both say `advertised`", SHOWN_WITHIN, async || {
            let entry = agent.get(&path(1)).await.unwrap();
            let list = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
            let said = [&entry["advertised"], &list["nodes"][0]["advertised"]].map(Value::as_bool);
            (said == [Some(true); 2]).then_some(()).ok_or(said)
        })
        .await;
        let answer = agent.ask(Method::DELETE, &path(1), None).await;
        assert_eq!(answer.unwrap().status, 204, "round {round}");
        assert_eq!(shown(&agent, 1).await, None);
    }
}

#[tokio::test]
async fn what_another_agent_does_is_seen_in_the_entry() {
    let gossip = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--gossip-interval",
        "100ms",
    ];
    let one = Agent::start(&[&["--node-id", "1"][..], &gossip].concat()).await;
    let one = one.unwrap();
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    for node in [2, 3] {
        let answer = one.ask(Method::POST, &path(node), Some(&body)).await;
        assert_eq!(answer.unwrap().status, 204);
    }
    let expect = async |node, shared, advertised| {
        let expected = [Some(shared), Some(advertised)];
        until("the other agent's part", FOUND_WITHIN, async || {
            let entry = one.get(&path(node)).await.unwrap();
            let said = [&entry["decision"]["replicated"], &entry["advertised"]].map(Value::as_bool);
            (said == expected).then_some(()).ok_or(said)
        })
        .await;
    };
    expect(2, false, false).await;
    // Of node 3, which has no agent, nothing changes but that another agent carries its decision.
    expect(3, false, false).await;
    let seed = one.gossip.unwrap().to_string();
    let args = [&["--node-id", "2", "--seed", &seed][..], &gossip].concat();
    let two = Agent::start(&args).await.unwrap();
    expect(2, true, true).await;
    expect(3, true, false).await;
    assert_eq!(two.terminate().await.unwrap(), Some(0));
    expect(2, true, false).await;
}

//! An agent killed at random moments under a load of changes: everything acknowledged is there afterwards,
//! and nothing that was answered with an error is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edge_cache_tests::agent::Agent;
use edge_cache_tests::long_tests;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

pub(crate) const CLIENTS: u64 = 4;
const NODES_EACH: u64 = 6;
/// The latest moment of a cut after the load began.
const CUT_WITHIN_MS: u64 = 250;

/// State of a node as a client knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The entry that was acknowledged last: cores and, where it could still be read, enabled-at.
    acknowledged: Option<(u64, Option<Value>)>,
    /// A change whose answer did not come: the cores it would have set, or none for a disable.
    unanswered: Option<Option<u64>>,
}

pub(crate) type Ledger = BTreeMap<u64, Known>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let rounds = if long_tests() { 200 } else { 10 };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap().to_string();
    let mut ledger = Ledger::new();
    let mut changes = 0_usize;

    for round in 0..rounds {
        let agent = Arc::new(start(&data).await);
        check(&agent, &mut ledger, round).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let own = own_of(client, &ledger);
                tokio::spawn(load(agent.clone(), own, random.fork()))
            })
            .collect();
        // Nothing is waited for: the moment of the cut is what the test is about.
        tokio::time::sleep(Duration::from_millis(random.u64(1..CUT_WITHIN_MS))).await;
        agent.cut_power().unwrap();
        for client in clients {
            let (own, made) = client.await.unwrap();
            ledger.extend(own);
            changes += made;
        }
    }
    let agent = start(&data).await;
    check(&agent, &mut ledger, rounds).await;
    println!("{changes} acknowledged changes in {rounds} rounds");
    assert!(
        changes > rounds,
        "the load made next to no changes: {changes}"
    );
}

/// Returns what is known of a client's own nodes.
pub(crate) fn own_of(client: u64, ledger: &Ledger) -> Ledger {
    (0..NODES_EACH)
        .map(|k| client * NODES_EACH + k)
        .map(|id| (id, ledger.get(&id).cloned().unwrap_or_default()))
        .collect()
}

async fn start(data: &str) -> Agent {
    Agent::start(&["--node-id", "1", "--data-dir", data])
        .await
        .unwrap()
}

/// Compares what the agent has with what the clients know, and settles what they did not.
pub(crate) async fn check(agent: &Agent, ledger: &mut Ledger, round: usize) {
    let list = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
    let mut found: BTreeMap<u64, Value> = list["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["node_id"].as_u64().unwrap(), node.clone()))
        .collect();
    for (id, known) in ledger.iter_mut() {
        let node = found.remove(id);
        let cores = node
            .as_ref()
            .map(|node| node["capacity"]["cpu_cores"].as_u64().unwrap());
        let acknowledged = known.acknowledged.as_ref().map(|(cores, _)| *cores);
        let as_unanswered = known.unanswered == Some(cores);
        assert!(
            cores == acknowledged || as_unanswered,
            "round {round}, node {id}: found {cores:?}, known {known:?}"
        );
        let enabled_at = node.map(|node| node["enabled_at"].clone());
        if let (false, Some((_, Some(at)))) = (as_unanswered, &known.acknowledged) {
            assert_eq!(enabled_at.as_ref(), Some(at), "round {round}, node {id}");
        }
        *known = Known {
            acknowledged: cores.map(|cores| (cores, enabled_at)),
            unanswered: None,
        };
    }
    assert!(found.is_empty(), "round {round}: nobody enabled {found:?}");
}

/// Changes nodes until the agent is gone, or ends.
pub(crate) async fn load(
    agent: Arc<Agent>,
    mut own: Ledger,
    mut random: fastrand::Rng,
) -> (Ledger, usize) {
    let mut made = 0;
    for cores in random.u64(1..1_000_000).. {
        let Some(id) = random.choice(own.keys().copied()) else {
            break;
        };
        let path = format!("/api/v1/nodes/{id}/edge-cache");
        let known = own.entry(id).or_default();
        let disable = known.acknowledged.is_some() && random.u8(..4) == 0;
        let answer = if disable {
            agent.ask(Method::DELETE, &path, None).await
        } else {
            // Every eighth is refused, and must leave no trace.
            let geo = if random.u8(..8) == 0 { "" } else { "eu" };
            let capacity = json!({"cpu_cores": cores, "ram_mib": 1, "disk_mib": 1, "geo": geo});
            let body = json!({ "capacity": capacity });
            agent.ask(Method::POST, &path, Some(&body)).await
        };
        match answer {
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => {
                made += 1;
                known.acknowledged = (!disable).then_some((cores, None));
            }
            Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => break,
            Ok(answer) => {
                assert_eq!(
                    answer.status,
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "{answer:?}"
                );
                continue;
            }
            Err(_) => {
                known.unanswered = Some((!disable).then_some(cores));
                break;
            }
        }
        // Only this client changes the node, so what is read now is what was acknowledged.
        let Ok(entry) = agent.get(&path).await else {
            if disable {
                continue;
            }
            break;
        };
        known.acknowledged = Some((cores, Some(entry["enabled_at"].clone())));
    }
    (own, made)
}

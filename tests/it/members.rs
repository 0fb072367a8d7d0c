//! Members of a cluster that live, leave and fail, as an agent lists them.

use std::time::Duration;

use edge_cache_tests::agent::Agent;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

/// Maximum time for a change of a member to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(40);
const GOSSIP: [&str; 5] = [
    "--allow-local-admin",
    "--gossip-listen",
    "127.0.0.1:0",
    "--gossip-interval",
    "100ms",
];

async fn members(agent: &Agent, query: &str) -> Vec<Value> {
    let answer = agent
        .get(&format!("/api/v1/cluster/members{query}"))
        .await
        .unwrap();
    answer["members"].as_array().unwrap().clone()
}

fn ids(members: &[Value]) -> Vec<u64> {
    members
        .iter()
        .map(|member| member["node_id"].as_u64().unwrap())
        .collect()
}

async fn expect(agent: &Agent, status: &str, expected: &[u64]) {
    let query = format!("?status={status}");
    until(&format!("{expected:?} {status}"), SEEN_WITHIN, || async {
        let found = ids(&members(agent, &query).await);
        if found == expected {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}

/// Returns the generation of a member, which travels as text.
fn generation(member: &Value) -> u64 {
    member["generation"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn members_are_listed_alive_leaving_left_and_failed() {
    let one = Agent::start(&[&["--node-id", "1"][..], &GOSSIP].concat())
        .await
        .unwrap();
    let seed = one.gossip.unwrap().to_string();
    let join = async |id| {
        let args = [&["--node-id", id, "--seed", &seed][..], &GOSSIP].concat();
        Agent::start(&args).await.unwrap()
    };
    let (two, three) = (join("2").await, join("3").await);
    expect(&one, "alive", &[1, 2, 3]).await;
    assert_eq!(members(&one, "?status=failed").await, [] as [Value; 0]);
    let all = members(&one, "").await;
    assert_eq!(ids(&all), [1, 2, 3]);
    let policy = &one.get("/api/v1/plugin").await.unwrap()["policy"];
    for (member, agent) in all.iter().zip([&one, &two, &three]) {
        assert_eq!(member["gossip_address"], agent.gossip.unwrap().to_string());
        assert_eq!(
            (&member["is_agent"], &member["policy"]),
            (&json!(true), policy)
        );
        assert!(generation(member) > 1_000_000_000_000_000_000);
    }

    three.kill().await.unwrap();
    let answer = two
        .ask(Method::POST, "/api/v1/agent/leave", None)
        .await
        .unwrap();
    assert_eq!(answer.status, 202);
    expect(&one, "leaving", &[2]).await;
    expect(&one, "left", &[2]).await;
    expect(&one, "failed", &[3]).await;
    assert_eq!(ids(&members(&one, "").await), [1, 2, 3]);

    // A node that comes back is listed in its new life only.
    let former = generation(&members(&one, "?status=failed").await[0]);
    let _three = join("3").await;
    expect(&one, "alive", &[1, 3]).await;
    expect(&one, "failed", &[]).await;
    expect(&one, "left", &[2]).await;
    let back = generation(&members(&one, "?status=alive").await[1]);
    assert!(back > former);
}

#[tokio::test]
async fn an_explicit_leave_overrides_the_settings() {
    let one = Agent::start(&[&["--node-id", "1"][..], &GOSSIP].concat())
        .await
        .unwrap();
    let seed = one.gossip.unwrap().to_string();
    let args = [
        "--node-id",
        "2",
        "--seed",
        &seed,
        "--leave-on-terminate",
        "false",
    ];
    let two = Agent::start(&[&args[..], &GOSSIP].concat()).await.unwrap();
    expect(&one, "alive", &[1, 2]).await;
    let answer = two
        .ask(Method::POST, "/api/v1/agent/leave", None)
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(two.ended().await.unwrap(), Some(0));
    expect(&one, "leaving", &[2]).await;
}

#[tokio::test]
async fn an_agent_without_gossip_is_its_only_member() {
    let agent = Agent::start(&["--node-id", "7", "--allow-local-admin"])
        .await
        .unwrap();
    let policy = agent.get("/api/v1/plugin").await.unwrap()["policy"].clone();
    let own =
        json!({"node_id": 7, "status": "alive", "labels": {}, "is_agent": true, "policy": policy});
    assert_eq!(members(&agent, "").await, [own]);
    assert_eq!(members(&agent, "?status=failed").await, [] as [Value; 0]);
    let logs = agent.get("/api/v1/plugin/logs").await.unwrap();
    assert_eq!(logs["dropped"], 0, "{logs}");
    assert!(logs["lines"].is_array(), "{logs}");
}

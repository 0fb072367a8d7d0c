//! All nodes listed under a tag, and replaced by another set.

use std::time::Duration;

use edge_cache_tests::agent::{Agent, Answer};
use edge_cache_tests::wait::until;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/edge-cache/nodes";
/// Maximum time for agents to find each other.
const MET_WITHIN: Duration = Duration::from_secs(20);

fn capacity(disk_mib: u64) -> Value {
    json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": disk_mib})
}

fn wanted(nodes: &[(u64, u64)]) -> Value {
    let node = |(id, disk): &(u64, u64)| json!({"node_id": id, "capacity": capacity(*disk)});
    json!({"nodes": nodes.iter().map(node).collect::<Vec<_>>()})
}

async fn put(agent: &Agent, body: &Value) -> Answer {
    agent.ask(Method::PUT, PATH, Some(body)).await.unwrap()
}

/// Sends a request under a condition.
async fn under(
    agent: &Agent,
    method: Method,
    name: HeaderName,
    tag: &str,
    body: Value,
) -> Response {
    let request = agent.request(method, PATH).header(name, tag).json(&body);
    request.send().await.unwrap()
}

async fn tag(agent: &Agent) -> String {
    let response = agent.request(Method::GET, PATH).send().await.unwrap();
    response.headers()[ETAG].to_str().unwrap().to_string()
}

fn results(answer: &Answer) -> Vec<(u64, &str)> {
    let nodes = answer.body["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            (
                node["node_id"].as_u64().unwrap(),
                node["result"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn only_what_differs_is_changed() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let first = put(&agent, &wanted(&[(3, 30), (1, 10), (2, 20)])).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(
        results(&first),
        [(1, "enabled"), (2, "enabled"), (3, "enabled")]
    );
    let before = agent.get(PATH).await.unwrap();

    let next = wanted(&[(1, 10), (2, 21), (4, 40)]);
    let second = put(&agent, &next).await;
    let expected = [
        (1, "untouched"),
        (2, "enabled"),
        (3, "disabled"),
        (4, "enabled"),
    ];
    assert_eq!(results(&second), expected);
    let counts = ["untouched", "enabled", "disabled", "failed"].map(|name| &second.body[name]);
    assert_eq!(counts, [&json!(1), &json!(2), &json!(1), &json!(0)]);
    let after = agent.get(PATH).await.unwrap();
    assert_eq!(
        after["nodes"][0], before["nodes"][0],
        "it was enabled when it was"
    );
    assert_eq!(after["nodes"][1]["capacity"], capacity(21));

    // What GET answers can be put back.
    let third = put(&agent, &after).await;
    assert_eq!(
        results(&third),
        [(1, "untouched"), (2, "untouched"), (4, "untouched")]
    );
    let fourth = put(&agent, &json!({"nodes": []})).await;
    assert_eq!(
        results(&fourth),
        [(1, "disabled"), (2, "disabled"), (4, "disabled")]
    );
    assert_eq!(agent.get(PATH).await.unwrap(), json!({"nodes": []}));
}

#[tokio::test]
async fn a_node_that_fails_leaves_the_others_done() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let mut body = wanted(&[(1, 10), (2, 20), (3, 30)]);
    body["nodes"][1]["capacity"]["geo"] = json!("");
    let answer = put(&agent, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        results(&answer),
        [(1, "enabled"), (2, "failed"), (3, "enabled")]
    );
    let problem = &answer.body["nodes"][1]["problem"];
    assert_eq!(problem["type"], "/problems/invalid-capacity", "{problem}");
    assert_eq!(answer.body["failed"], 1);
    body["nodes"][1]["capacity"]["geo"] = json!("eu");
    let again = put(&agent, &body).await;
    assert_eq!(
        results(&again),
        [(1, "untouched"), (2, "enabled"), (3, "untouched")]
    );
}

#[tokio::test]
async fn a_set_that_makes_no_sense_changes_nothing() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    put(&agent, &wanted(&[(1, 10)])).await;
    let before = agent.get(PATH).await.unwrap();
    let many: Vec<_> = (0..20_001).map(|id| (id, 1)).collect();
    for (body, said) in [
        (
            wanted(&[(2, 20), (3, 30), (2, 20)]),
            "node 2 is listed twice",
        ),
        (wanted(&many), "at most 20000"),
        (json!({"nodes": [[2, capacity(1)]]}), "expected an object"),
        (
            json!({"nodes": [{"node_id": 2}]}),
            "missing field `capacity`",
        ),
        (json!({}), "missing field `nodes`"),
        (json!({"nodes": [], "more": 1}), "unknown field `more`"),
        (
            json!({"nodes": [], "is_part": true}),
            "this is a part of a list, and would remove all other nodes",
        ),
        (json!({"nodes": [], "next": 3}), "this is a part of a list"),
    ] {
        let answer = put(&agent, &body).await;
        assert_eq!(answer.status, 422, "{said}: {answer:?}");
        assert_eq!(answer.body["type"], "/problems/invalid-body");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{detail:?} does not say {said:?}");
        assert_eq!(agent.get(PATH).await.unwrap(), before);
    }
}

#[tokio::test]
async fn twenty_thousand_nodes_are_replaced_in_one_request() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let all: Vec<_> = (0..20_000).map(|id| (id * 3, id)).collect();
    let answer = put(&agent, &wanted(&all)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.body["enabled"], &answer.body["failed"]),
        (&json!(20_000), &json!(0))
    );
    let listed = agent.get(PATH).await.unwrap();
    assert_eq!(listed["nodes"].as_array().unwrap().len(), 20_000);
    let again = put(&agent, &listed).await;
    assert_eq!(again.body["untouched"], 20_000);
}

#[tokio::test]
async fn a_tag_changes_with_the_list_and_guards_it() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let empty = tag(&agent).await;
    assert!(empty.starts_with('"'), "{empty} is not strong");
    let same = under(&agent, Method::GET, IF_NONE_MATCH, &empty, Value::Null).await;
    assert_eq!(same.status(), 304);
    assert_eq!(same.headers()[ETAG].to_str().unwrap(), empty);
    assert_eq!(same.bytes().await.unwrap().len(), 0);

    let done = under(&agent, Method::PUT, IF_MATCH, &empty, wanted(&[(7, 1)])).await;
    assert_eq!(done.status(), 200);
    let other = under(&agent, Method::GET, IF_NONE_MATCH, &empty, Value::Null).await;
    assert_eq!(other.status(), 200);
    let present = tag(&agent).await;
    assert_ne!(present, empty);

    let late = under(&agent, Method::PUT, IF_MATCH, &empty, wanted(&[(8, 1)])).await;
    assert_eq!(late.status(), 412);
    assert_eq!(late.headers()[ETAG].to_str().unwrap(), present);
    let late: Value = late.json().await.unwrap();
    assert_eq!(late["type"], "/problems/changed-meanwhile");
    assert_eq!(tag(&agent).await, present, "nothing changed");
    let any = under(&agent, Method::PUT, IF_MATCH, "*", wanted(&[])).await;
    assert_eq!(any.status(), 200);
    assert_eq!(tag(&agent).await, empty, "the same list has the same tag");
}

#[tokio::test]
async fn the_tag_of_a_compressed_list_is_known_again() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    assert_eq!(put(&agent, &wanted(&[(7, 1), (8, 1)])).await.status, 200);
    let plain = tag(&agent).await;
    let compressed = || {
        let request = agent.request(Method::GET, PATH);
        request.header(ACCEPT_ENCODING, "gzip")
    };
    let list = compressed().send().await.unwrap();
    assert_eq!(list.status(), 200);
    assert_eq!(list.headers()[CONTENT_ENCODING], "gzip");
    assert_eq!(list.headers()[ETAG].to_str().unwrap(), plain);
    let same = compressed().header(IF_NONE_MATCH, &plain).send().await;
    let same = same.unwrap();
    assert_eq!(same.status(), 304);
    assert_eq!(same.headers()[VARY], "accept-encoding");
}

#[tokio::test]
async fn an_agent_that_has_not_met_its_seeds_replaces_nothing() {
    let gossip = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--gossip-interval",
        "100ms",
    ];
    let seed = Agent::start(&[&["--node-id", "1"][..], &gossip].concat())
        .await
        .unwrap();
    assert_eq!(
        put(&seed, &wanted(&[(7, 1)])).await.status,
        200,
        "it has nobody to ask"
    );
    let address = seed.gossip.unwrap().to_string();

    let nobody = [&["--node-id", "2", "--seed", "127.0.0.1:9"][..], &gossip].concat();
    let lost = Agent::start(&nobody).await.unwrap();
    let request = lost.request(Method::PUT, PATH).json(&wanted(&[]));
    let held = request.send().await.unwrap();
    assert_eq!(held.status(), 503);
    assert_eq!(held.headers()[RETRY_AFTER], "1");
    let held: Value = held.json().await.unwrap();
    assert_eq!(held["type"], "/problems/not-met");

    let somebody = [&["--node-id", "3", "--seed", &address][..], &gossip].concat();
    let joined = Agent::start(&somebody).await.unwrap();
    until("the first exchange", MET_WITHIN, || async {
        let answer = put(&joined, &wanted(&[(8, 1)])).await;
        if answer.status == 200 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
    // It knew what there was to replace.
    until("the new set at the seed", MET_WITHIN, || async {
        let listed = seed.get(PATH).await.unwrap();
        let ids: Vec<_> = listed["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["node_id"].clone())
            .collect();
        if ids == [json!(8)] { Ok(()) } else { Err(ids) }
    })
    .await;
    // Nobody came within `gossip.join_timeout`: it decides alone.
    assert_eq!(put(&lost, &wanted(&[])).await.status, 200);
}

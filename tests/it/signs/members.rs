//! Members that are too few, leave, fail or are forgotten.

use std::collections::BTreeSet;

use edge_cache_tests::agent::run_to_end;
use edge_cache_tests::sse::{Events, about};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;

use super::cluster::{FAST, SOON, expect_health, is_health, text};
use crate::gossip_node::{Node, meet, metric};

/// Returns the ids of the members with a status, as an agent lists them.
async fn members(at: &Node, status: &str) -> Vec<u64> {
    let path = format!("/api/v1/cluster/members?status={status}");
    let answer = at.ask(Method::GET, &path, None).await;
    let members = answer.body["members"].as_array().unwrap();
    let ids = members.iter().map(|member| member["node_id"].as_u64());
    ids.map(Option::unwrap).collect()
}

async fn expect_members(at: &Node, status: &str, expected: &[u64]) {
    let what = format!("{expected:?} {status} at node {}", at.id);
    until(&what, SOON, || async {
        let seen = members(at, status).await;
        if seen == expected { Ok(()) } else { Err(seen) }
    })
    .await;
}

/// Waits for an event of this name about node 2, and for one about the readiness, in any order.
async fn expect_events(events: &mut Events, name: &str, is_ready: bool) {
    let mut missing = BTreeSet::from(["member", "health"]);
    while !missing.is_empty() {
        let event = events.next().await.unwrap().unwrap();
        if about(&event) == (name, Some(2)) {
            missing.remove("member");
        }
        if is_health(&event, is_ready, "") {
            missing.remove("health");
        }
    }
}

#[tokio::test]
async fn below_the_least_number_of_peers_an_agent_is_unready_and_each_change_is_an_event() {
    const FEW: &str = "0 live peers, gossip.peers_min is 1";
    let few_peers = "edge_cache_gossip_troubles{trouble=\"few_peers\"}";
    let args = [&FAST[..], &["--gossip-peers-min", "1"]].concat();
    let one = Node::start(1, &args).await.unwrap();
    expect_health(&one, 503, FEW).await;
    one.log_handle().expect(FEW, SOON).await;
    assert_eq!(metric(&one, few_peers).await, 1.0);
    assert_eq!(metric(&one, "edge_cache_ready").await, 0.0);
    assert!(one.livez().await);
    let mut events = Events::follow(one.http, None).await.unwrap();

    let seed = one.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let two = Node::start(2, &args).await.unwrap();
    expect_health(&one, 200, "").await;
    assert_eq!(metric(&one, few_peers).await, 0.0);
    expect_events(&mut events, "joined", true).await;
    two.signal(Signal::TERM);
    assert_eq!(two.ended().await, Some(0));
    expect_health(&one, 503, FEW).await;
    expect_events(&mut events, "left", false).await;
    expect_members(&one, "left", &[2]).await;
    let left = "/api/v1/cluster/members?status=left";
    let left = &one.ask(Method::GET, left, None).await.body["members"][0];
    assert_eq!(left["is_agent"], true, "{left}");
    assert!(left["policy"].is_string(), "{left}");

    let two = Node::start(2, &args).await.unwrap();
    expect_events(&mut events, "joined", true).await;
    two.signal(Signal::KILL);
    two.ended().await;
    expect_events(&mut events, "failed", false).await;
    expect_members(&one, "failed", &[2]).await;
    let failed = "edge_cache_gossip_members{status=\"failed\"}";
    assert_eq!(metric(&one, failed).await, 1.0);
}

#[tokio::test]
async fn a_failed_member_that_is_forgotten_does_not_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let data = ["--data-dir", text(directory.path())];
    let one = Node::start(1, &[&FAST[..], &data].concat()).await.unwrap();
    let seed = one.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let two = Node::start(2, &args).await.unwrap();
    let three = Node::start(3, &args).await.unwrap();
    meet(&[&one, &two, &three], SOON).await;
    let path = "/api/v1/cluster/gossip/peers/3";
    let forget = async |at: &Node| at.ask(Method::DELETE, path, None).await;
    let alive = forget(&one).await;
    assert_eq!(alive.status, 409, "{alive:?}");
    assert_eq!(alive.body["type"], "/problems/member-not-failed");
    let detail = alive.body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("the status of node 3 is `alive`"),
        "{detail}"
    );
    let own = "/api/v1/cluster/gossip/peers/1";
    assert_eq!(one.ask(Method::DELETE, own, None).await.status, 409);
    three.signal(Signal::KILL);
    three.ended().await;
    for node in [&one, &two] {
        expect_members(node, "failed", &[3]).await;
    }
    let at = one.http.to_string();
    let refused = run_to_end(&["forget", "2", "--addr", &at]).await.unwrap();
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(
        refused.stderr.contains("the status of node 2 is `alive`"),
        "{refused:?}"
    );
    let forgotten = run_to_end(&["forget", "3", "--addr", &at]).await.unwrap();
    assert_eq!(forgotten.code, Some(0), "{forgotten:?}");
    let again = run_to_end(&["forget", "3", "--addr", &at]).await;
    assert_eq!(again.unwrap().code, Some(3));
    let is_forgotten = async |by: &Node| {
        let all = by.ask(Method::GET, "/api/v1/cluster/members", None).await;
        let mut all = all.body["members"].as_array().unwrap().iter();
        all.all(|member: &Value| member["node_id"] != 3)
    };
    assert!(is_forgotten(&one).await);
    let again = forget(&one).await;
    assert_eq!(again.status, 404);
    assert_eq!(again.body["type"], "/problems/node-not-found");
    // Each agent remembers for itself.
    assert_eq!(members(&two, "failed").await, [3]);

    one.signal(Signal::TERM);
    assert_eq!(one.ended().await, Some(0));
    let seed = two.gossip.to_string();
    let args = [&FAST[..], &data, &["--seed", &seed]].concat();
    let one = Node::start(1, &args).await.unwrap();
    meet(&[&one, &two], SOON).await;
    expect_health(&one, 200, "").await;
    assert!(is_forgotten(&one).await);
    assert_eq!(forget(&two).await.status, 204);
}

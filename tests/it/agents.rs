//! Agents as processes on real sockets: flags, labels that travel, and a clean end.

mod starts;

use std::time::Duration;

use edge_cache_tests::agent::{Agent, run_to_end};
use edge_cache_tests::small_disk::SmallDisk;
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Maximum time for labels to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(3);
/// Maximum time for agents to find each other.
const MET_WITHIN: Duration = Duration::from_secs(15);

async fn member(node_id: &str, seed: Option<&Agent>, more: &[&str]) -> Agent {
    let seed = seed
        .and_then(|agent| agent.gossip)
        .map(|address| address.to_string());
    let mut args = vec!["--node-id", node_id, "--gossip-listen", "127.0.0.1:0"];
    if let Some(seed) = &seed {
        args.extend(["--seed", seed]);
    }
    args.extend(more);
    Agent::start(&args).await.unwrap()
}

async fn expect_labels(by: &Agent, of: u64, within: Duration, expected: &Value) {
    until(&format!("{expected} of node {of}"), within, || async {
        match by.labels_of(of).await.unwrap() {
            Some(labels) if labels == *expected => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

async fn enable(at: &Agent, node_id: u64, capacity: Value) {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let answer = at
        .ask(Method::POST, &path, Some(&json!({ "capacity": capacity })))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

#[tokio::test]
async fn labels_reach_the_peers_and_go_again() {
    let one = member("1", None, &[]).await;
    let two = member("2", Some(&one), &["--label", "zone=b", "--label", "rack=7"]).await;
    let three = member("3", Some(&one), &[]).await;
    let foreign = json!({ "zone": "b", "rack": "7" });
    for agent in [&one, &three] {
        expect_labels(agent, 2, MET_WITHIN, &foreign).await;
    }

    enable(
        &two,
        2,
        json!({"cpu_cores": 4, "ram_mib": 8192, "disk_mib": 102400, "geo": "eu-1"}),
    )
    .await;
    let five = json!({
        "zone": "b",
        "rack": "7",
        "edge_cache": "true",
        "edge_cache_cpu": "4",
        "edge_cache_ram_mib": "8192",
        "edge_cache_disk_mib": "102400",
        "edge_cache_geo": "eu-1",
    });
    for agent in [&one, &three] {
        expect_labels(agent, 2, SEEN_WITHIN, &five).await;
    }
    let entry = two.get("/api/v1/nodes/2/edge-cache").await.unwrap();
    assert_eq!(entry["advertised"], true, "{entry}");

    enable(
        &two,
        2,
        json!({"cpu_cores": 4, "ram_mib": 8192, "disk_mib": 102400}),
    )
    .await;
    let mut four = five;
    four.as_object_mut().unwrap().remove("edge_cache_geo");
    for agent in [&one, &three] {
        expect_labels(agent, 2, SEEN_WITHIN, &four).await;
    }

    let answer = two
        .ask(Method::DELETE, "/api/v1/nodes/2/edge-cache", None)
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    for agent in [&one, &three] {
        expect_labels(agent, 2, SEEN_WITHIN, &foreign).await;
    }
    for agent in [one, two, three] {
        assert_eq!(agent.terminate().await.unwrap(), Some(0));
    }
}

#[tokio::test]
async fn enabling_another_node_changes_nothing_in_the_own_labels() {
    let one = member("1", None, &["--label", "zone=a"]).await;
    let two = member("2", Some(&one), &[]).await;
    enable(
        &one,
        1,
        json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}),
    )
    .await;
    let own = json!({
        "zone": "a",
        "edge_cache": "true",
        "edge_cache_cpu": "1",
        "edge_cache_ram_mib": "2",
        "edge_cache_disk_mib": "3",
    });
    expect_labels(&two, 1, MET_WITHIN, &own).await;

    enable(
        &one,
        7,
        json!({"cpu_cores": 70, "ram_mib": 70, "disk_mib": 70, "geo": "far"}),
    )
    .await;
    let nodes = one.get("/api/v1/edge-cache/nodes").await.unwrap();
    let ids: Vec<&Value> = nodes["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["node_id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(7)]);
    assert_eq!(
        nodes["nodes"][1]["advertised"], false,
        "nobody speaks for node 7"
    );
    // A change of the own node comes after the one of node 7 in the same order; when it is seen, the
    // other would have been.
    enable(
        &one,
        1,
        json!({"cpu_cores": 9, "ram_mib": 2, "disk_mib": 3}),
    )
    .await;
    let mut changed = own;
    changed["edge_cache_cpu"] = json!("9");
    expect_labels(&two, 1, SEEN_WITHIN, &changed).await;
    assert_eq!(two.labels_of(7).await.unwrap(), None);
}

#[tokio::test]
async fn counters_add_up_over_http() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let path = "/api/v1/nodes/5/edge-cache/stats";
    assert_eq!(
        agent.get(path).await.unwrap(),
        json!({"hits": 0, "misses": 0, "counted_by": 1})
    );
    let more = json!({"hits": 2, "misses": 3});
    let answer = agent.ask(Method::POST, path, Some(&more)).await.unwrap();
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    enable(
        &agent,
        5,
        json!({"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}),
    )
    .await;
    for total in [
        json!({"hits": 2, "misses": 3, "counted_by": 1, "hit_ratio": 0.4}),
        json!({"hits": 4, "misses": 6, "counted_by": 1, "hit_ratio": 0.4}),
    ] {
        let answer = agent.ask(Method::POST, path, Some(&more)).await.unwrap();
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &total));
        assert_eq!(agent.get(path).await.unwrap(), total);
    }
}

#[tokio::test]
async fn state_and_labels_outlive_a_power_cut() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let agent = member("2", None, &["--data-dir", data]).await;
    enable(
        &agent,
        2,
        json!({"cpu_cores": 4, "ram_mib": 1, "disk_mib": 1}),
    )
    .await;
    enable(
        &agent,
        9,
        json!({"cpu_cores": 5, "ram_mib": 1, "disk_mib": 1, "geo": "x"}),
    )
    .await;
    let before = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
    agent.kill().await.unwrap();

    let agent = member("2", None, &["--data-dir", data]).await;
    assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);
    let other = member("1", Some(&agent), &[]).await;
    let labels = json!({
        "edge_cache": "true",
        "edge_cache_cpu": "4",
        "edge_cache_ram_mib": "1",
        "edge_cache_disk_mib": "1",
    });
    expect_labels(&other, 2, MET_WITHIN, &labels).await;

    let second = run_to_end(&["--node-id", "2", "--data-dir", data])
        .await
        .unwrap();
    assert_eq!(second.code, Some(1));
    assert!(
        second.stderr.contains("in use by a running agent"),
        "{}",
        second.stderr
    );
    agent.kill().await.unwrap();
    let other_node = run_to_end(&["--node-id", "3", "--data-dir", data])
        .await
        .unwrap();
    assert_eq!(other_node.code, Some(1));
    assert!(
        other_node
            .stderr
            .contains("belongs to node 2 of cluster \"default-cluster\""),
        "{}",
        other_node.stderr
    );
}

#[tokio::test]
async fn a_change_can_wait_for_the_labels_and_says_where_they_do_not_come() {
    let fast = ["--gossip-interval", "200ms"];
    let one = member("1", None, &fast).await;
    let two = member("2", Some(&one), &fast).await;
    expect_labels(&one, 2, MET_WITHIN, &json!({})).await;
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let ask = async |method: Method, path: &str, body| one.ask(method, path, body).await.unwrap();

    let path = "/api/v1/nodes/2/edge-cache?wait=10s";
    let done = ask(Method::POST, path, Some(&body)).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let entry = two.get("/api/v1/nodes/2/edge-cache").await.unwrap();
    assert_eq!(entry["advertised"], true, "{entry}");
    assert_eq!(entry["decision"]["op"], "enable");
    assert_eq!(entry["decision"]["by"], 1);
    let own = one.labels_of(1).await.unwrap();
    assert_eq!(own, None, "an agent does not list itself");

    let done = ask(Method::DELETE, path, None).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    assert_eq!(one.labels_of(2).await.unwrap(), Some(json!({})));
    assert_eq!(
        ask(Method::DELETE, path, None).await.status,
        StatusCode::NOT_FOUND
    );

    // Node 9 is not there.
    let absent = "/api/v1/nodes/9/edge-cache?wait=50ms";
    let pending = ask(Method::POST, absent, Some(&body)).await;
    assert_eq!(pending.status, StatusCode::ACCEPTED);
    let state = &pending.body;
    assert_eq!(
        (&state["registered"], &state["advertised"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(state["decision"]["capacity"]["disk_mib"], 3);

    for wrong in ["wait=5", "wait=61s", "wait=", "delay=5s", "wait=1s&wait=2s"] {
        let path = format!("/api/v1/nodes/8/edge-cache?{wrong}");
        let refused = ask(Method::POST, &path, Some(&body)).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{wrong}: {refused:?}"
        );
        assert_eq!(refused.body["type"], "/problems/invalid-query");
    }
    assert_eq!(
        ask(Method::GET, "/api/v1/nodes/8/edge-cache", None)
            .await
            .status,
        StatusCode::NOT_FOUND
    );

    // Others may see the labels of an agent that is silent here without having left.
    let path = "/api/v1/nodes/2/edge-cache";
    let done = ask(Method::POST, &format!("{path}?wait=10s"), Some(&body)).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    two.kill().await.unwrap();
    until("the other has failed", MET_WITHIN, || async {
        let members = one
            .get("/api/v1/cluster/members?status=failed")
            .await
            .unwrap();
        match members["members"][0]["node_id"].as_u64() {
            Some(2) => Ok(()),
            _ => Err(members),
        }
    })
    .await;
    let unheard = ask(Method::DELETE, &format!("{path}?wait=50ms"), None).await;
    assert_eq!(unheard.status, StatusCode::ACCEPTED, "{unheard:?}");
    assert_eq!(unheard.body["alive"], false);
    // Once it is forgotten, there is nobody who could have labels.
    let forgotten = ask(Method::DELETE, "/api/v1/cluster/gossip/peers/2", None).await;
    assert_eq!(forgotten.status, StatusCode::NO_CONTENT, "{forgotten:?}");
    let done = ask(Method::POST, path, Some(&body)).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    let gone = ask(Method::DELETE, &format!("{path}?wait=50ms"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
}

#[tokio::test]
async fn no_agent_that_is_cut_off_calls_labels_gone() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path().to_str().unwrap();
    let options = ["--data-dir", place, "--gossip-interval", "200ms"];
    let one = member("1", None, &options).await;
    let two = member("2", Some(&one), &["--gossip-interval", "200ms"]).await;
    expect_labels(&one, 2, MET_WITHIN, &json!({})).await;
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let path = |node: u64| format!("/api/v1/nodes/{node}/edge-cache");
    for node in [2, 9] {
        let done = one
            .ask(Method::POST, &path(node), Some(&body))
            .await
            .unwrap();
        assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");
    }
    let seed = two.gossip.unwrap().to_string();
    two.kill().await.unwrap();
    one.kill().await.unwrap();

    // Nobody answers the agent after its restart: others may hear node 2, and node 9, which it has never met.
    let one = member("1", None, &[&options[..], &["--seed", &seed]].concat()).await;
    for node in [2, 9] {
        let waiting = format!("{}?wait=50ms", path(node));
        let unheard = one.ask(Method::DELETE, &waiting, None).await.unwrap();
        assert_eq!(unheard.status, StatusCode::ACCEPTED, "{node}: {unheard:?}");
        assert_eq!(unheard.body["registered"], false);
        assert_eq!(unheard.body["alive"], false);
    }
}

#[tokio::test]
async fn an_agent_whose_store_fails_says_why_it_does_not_follow() {
    let Some(disk) = SmallDisk::mount(4_096).unwrap() else {
        return;
    };
    let data = disk.path().to_str().unwrap();
    let fast = ["--gossip-interval", "200ms"];
    let one = member("1", None, &fast).await;
    let two = member(
        "2",
        Some(&one),
        &[&fast[..], &["--data-dir", data]].concat(),
    )
    .await;
    expect_labels(&one, 2, MET_WITHIN, &json!({})).await;
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let path = "/api/v1/nodes/2/edge-cache";
    let ask = async |method: Method, path: &str, body| one.ask(method, path, body).await.unwrap();
    let done = ask(Method::POST, &format!("{path}?wait=10s"), Some(&body)).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{done:?}");

    disk.fill().unwrap();
    until("the store has failed", MET_WITHIN, || async {
        let other = "/api/v1/nodes/9/edge-cache";
        two.ask(Method::POST, other, Some(&body)).await.unwrap();
        two.ask(Method::DELETE, other, None).await.unwrap();
        let ready = two.ask(Method::GET, "/health/readyz", None).await.unwrap();
        match ready.body["reasons"].to_string() {
            failed if failed.contains("the store failed") => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let disabled = ask(Method::DELETE, &format!("{path}?wait=15s"), None).await;
    assert_eq!(disabled.status, StatusCode::ACCEPTED, "{disabled:?}");
    let reason = disabled.body["decision"]["refused_by_node"].to_string();
    assert!(reason.contains("No space left"), "{disabled:?}");
}

#[tokio::test]
async fn a_terminated_agent_is_dropped_by_its_peers_at_once() {
    let one = member("1", None, &[]).await;
    let two = member("2", Some(&one), &[]).await;
    let three = member("3", Some(&one), &["--leave-on-terminate", "false"]).await;
    for (by, of) in [(&one, 2), (&one, 3), (&two, 3)] {
        expect_labels(by, of, MET_WITHIN, &json!({})).await;
    }
    let gone = async |by: &Agent, of, within| {
        until("a peer less", within, || async {
            match by.labels_of(of).await.unwrap() {
                None => Ok(()),
                labels => Err(labels),
            }
        })
        .await;
    };
    assert_eq!(two.terminate().await.unwrap(), Some(0));
    gone(&one, 2, Duration::from_secs(1)).await;
    gone(&three, 2, Duration::from_secs(1)).await;
    assert_eq!(three.terminate().await.unwrap(), Some(0));
    assert!(
        one.labels_of(3).await.unwrap().is_some(),
        "it went without a word"
    );
}

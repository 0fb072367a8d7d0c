//! Snapshots of running agents, and data directories that are restored from them.

mod damage;
mod load;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use edge_cache_tests::agent::{Agent, Ended, run_to_end};
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Maximum time for agents to agree.
const SOON: Duration = Duration::from_secs(30);
const NODES: &str = "/api/v1/edge-cache/nodes";
const GOSSIP: [&str; 5] = [
    "--allow-local-admin",
    "--gossip-listen",
    "127.0.0.1:0",
    "--gossip-interval",
    "100ms",
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Starts agent `id` on a data directory.
async fn start(id: &str, data: &Path, more: &[&str]) -> Agent {
    let args = ["--node-id", id, "--data-dir", text(data)];
    Agent::start(&[&args, &GOSSIP[..], more].concat())
        .await
        .unwrap()
}

async fn enable(agent: &Agent, node_id: u64, disk_mib: u64) {
    let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": disk_mib});
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let body = json!({ "capacity": capacity });
    let answer = agent.ask(Method::POST, &path, Some(&body)).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

async fn disable(agent: &Agent, node_id: u64) {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    let answer = agent.ask(Method::DELETE, &path, None).await.unwrap();
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

/// Saves a snapshot of an agent.
async fn save(agent: &Agent, file: &Path) -> Value {
    let at = agent.http.to_string();
    let words = ["snapshot", "save", text(file), "--addr", &at];
    let ended = run_to_end(&[&words[..], &["--format", "json"]].concat())
        .await
        .unwrap();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Restores a data directory from a snapshot.
async fn restore(file: &Path, id: &str, data: &Path, more: &[&str]) -> Ended {
    let words = ["snapshot", "restore", text(file), "--node-id", id];
    let words = [&words, &["--data-dir", text(data)][..], more].concat();
    run_to_end(&words).await.unwrap()
}

/// The nodes of a list, each with its disk.
fn disks(list: &Value) -> BTreeMap<u64, u64> {
    let nodes = list["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            let disk = node["capacity"]["disk_mib"].as_u64().unwrap();
            (node["node_id"].as_u64().unwrap(), disk)
        })
        .collect()
}

async fn listed(agent: &Agent, expected: &[u64]) {
    until(&format!("the nodes {expected:?}"), SOON, || async {
        let found: Vec<_> = disks(&agent.get(NODES).await.unwrap())
            .into_keys()
            .collect();
        if found == expected {
            Ok(())
        } else {
            Err(found)
        }
    })
    .await;
}

/// The name and content of each file of a directory.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn an_old_snapshot_brings_nothing_back_that_the_cluster_has_decided_since() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let one = start("1", &path("one"), &[]).await;
    let seed = one.gossip.unwrap().to_string();
    let two = start("2", &path("two"), &["--seed", &seed]).await;
    enable(&one, 7, 70).await;
    enable(&one, 8, 80).await;
    listed(&two, &[7, 8]).await;
    let saved = save(&one, &path("snapshot")).await;
    assert_eq!(saved["snapshot"]["eligible_nodes"], 2, "{saved}");

    disable(&two, 7).await;
    enable(&two, 9, 90).await;
    enable(&two, 8, 81).await;
    listed(&one, &[8, 9]).await;
    assert_eq!(one.terminate().await.unwrap(), Some(0));
    let restored = restore(&path("snapshot"), "1", &path("one"), &[]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let former = "registry.redb.before-restore-1";
    assert!(restored.stdout.contains(former), "{restored:?}");
    assert!(path("one").join(former).exists());

    let seed = two.gossip.unwrap().to_string();
    let one = start("1", &path("one"), &["--seed", &seed]).await;
    listed(&one, &[8, 9]).await;
    for agent in [&one, &two] {
        let disks = disks(&agent.get(NODES).await.unwrap());
        assert_eq!(disks, BTreeMap::from([(8, 81), (9, 90)]));
    }
}

/// All agents have lost everything but the snapshot of one.
#[tokio::test]
async fn a_cluster_is_made_again_from_the_snapshot_of_one_node() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let agent = start("1", &path("lost"), &[]).await;
    enable(&agent, 1, 10).await;
    enable(&agent, 2, 20).await;
    disable(&agent, 1).await;
    save(&agent, &path("snapshot")).await;
    agent.kill().await.unwrap();

    let file = path("snapshot");
    let own = restore(&file, "1", &path("one"), &[]).await;
    assert_eq!(own.code, Some(0), "{own:?}");
    let other = restore(&file, "2", &path("two"), &["--from-node", "1"]).await;
    assert_eq!(other.code, Some(0), "{other:?}");
    let two = start("2", &path("two"), &[]).await;
    // It knows what it is to advertise, without having heard from anybody.
    listed(&two, &[2]).await;
    let wait = format!("/api/v1/nodes/{}/edge-cache", 2);
    until("its labels", SOON, || async {
        let node = two.get(&wait).await.unwrap();
        if node["advertised"] == true {
            Ok(())
        } else {
            Err(node)
        }
    })
    .await;
    let seed = two.gossip.unwrap().to_string();
    let one = start("1", &path("one"), &["--seed", &seed]).await;
    listed(&one, &[2]).await;
    assert_eq!(
        disks(&one.get(NODES).await.unwrap()),
        BTreeMap::from([(2, 20)])
    );
}

/// One agent has its snapshot, one has nothing, and one has a directory with an older decision.
#[tokio::test]
async fn disabled_nodes_of_a_snapshot_are_disabled_at_all_agents() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let one = start("1", &path("lost"), &[]).await;
    let seed = one.gossip.unwrap().to_string();
    let three = start("3", &path("three"), &["--seed", &seed]).await;
    enable(&one, 7, 70).await;
    enable(&one, 8, 80).await;
    listed(&three, &[7, 8]).await;
    assert_eq!(three.terminate().await.unwrap(), Some(0));
    enable(&one, 9, 90).await;
    disable(&one, 9).await;
    disable(&one, 7).await;
    save(&one, &path("snapshot")).await;
    one.kill().await.unwrap();

    let restored = restore(&path("snapshot"), "1", &path("one"), &[]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let one = start("1", &path("one"), &[]).await;
    let seed = one.gossip.unwrap().to_string();
    let two = start("2", &path("two"), &["--seed", &seed]).await;
    let three = start("3", &path("three"), &["--seed", &seed]).await;
    for agent in [&one, &two, &three] {
        let expected = BTreeMap::from([
            (7, ("disable".to_string(), true)),
            (8, ("enable".to_string(), true)),
            (9, ("disable".to_string(), true)),
        ]);
        until("replicated decisions", SOON, || async {
            let list = agent.get("/api/v1/edge-cache/decisions").await.unwrap();
            let nodes = list["nodes"].as_array().unwrap().iter();
            let decided = nodes.map(|node| {
                let decision = &node["decision"];
                let op = decision["op"].as_str().unwrap().to_string();
                let replicated = decision["replicated"].as_bool().unwrap();
                (node["node_id"].as_u64().unwrap(), (op, replicated))
            });
            if decided.collect::<BTreeMap<_, _>>() == expected {
                Ok(())
            } else {
                Err(list)
            }
        })
        .await;
        listed(agent, &[8]).await;
    }
    let hash = async |agent: &Agent| {
        let metrics = agent.ask(Method::GET, "/metrics", None).await.unwrap();
        let Value::String(text) = metrics.body else {
            unreachable!("metrics are text");
        };
        let mut lines = text.lines().map(str::to_string);
        let line = lines.find(|line| line.starts_with("edge_cache_registry_hash "));
        line.unwrap()
    };
    let expected = hash(&one).await;
    assert_eq!(hash(&two).await, expected);
    assert_eq!(hash(&three).await, expected);
}

#[tokio::test]
async fn what_a_snapshot_holds_is_shown_without_an_agent() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let agent = start("1", &path("data"), &[]).await;
    enable(&agent, 7, 70).await;
    enable(&agent, 8, 80).await;
    disable(&agent, 8).await;
    save(&agent, &path("snapshot")).await;
    let members = agent.get("/api/v1/cluster/members").await.unwrap();
    let plugin = agent.get("/api/v1/plugin").await.unwrap();
    agent.kill().await.unwrap();

    let file = path("snapshot");
    let inspect = async |more: &[&str]| {
        let words = ["snapshot", "inspect", text(&file)];
        let ended = run_to_end(&[&words, more].concat()).await.unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    let json: Value = serde_json::from_str(&inspect(&["--format", "json"]).await).unwrap();
    assert_eq!(
        (&json["node_id"], &json["cluster_id"]),
        (&json!(1), &json!("default-cluster"))
    );
    assert_eq!(json["generation"], members["members"][0]["generation"]);
    assert_eq!(json["plugin"]["sha256"], plugin["sha256"]);
    assert_eq!(json["plugin"]["policy"], plugin["policy"]);
    assert_eq!(
        (&json["eligible_nodes"], &json["disabling_decisions"]),
        (&json!(1), &json!(1))
    );
    let lines = inspect(&[]).await;
    for line in ["node                 1\n", "eligible nodes       1\n"] {
        assert!(lines.contains(line), "{lines}");
    }
    let nodes: Value = serde_json::from_str(&inspect(&["--nodes"]).await).unwrap();
    assert_eq!(disks(&nodes), BTreeMap::from([(7, 70)]));

    // What it prints is applied to another cluster.
    let list = path("list");
    fs::write(&list, nodes.to_string()).unwrap();
    let other = Agent::start(&["--node-id", "5"]).await.unwrap();
    let at = other.http.to_string();
    let applied = run_to_end(&["apply", text(&list), "--addr", &at]).await;
    assert_eq!(applied.unwrap().code, Some(0));
    listed(&other, &[7]).await;
}

#[tokio::test]
async fn an_agent_says_why_it_gives_no_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let refused = async |agent: &Agent| {
        let at = agent.http.to_string();
        let words = ["snapshot", "save", text(&file), "--addr", &at];
        let ended = run_to_end(&words).await.unwrap();
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(!file.exists());
        ended.stderr
    };
    let nothing = Agent::start(&["--node-id", "1", "--allow-local-admin"])
        .await
        .unwrap();
    let said = refused(&nothing).await;
    assert!(
        said.contains("409") && said.contains("`data_dir`"),
        "{said}"
    );
    let data = directory.path().join("data");
    let nobody = Agent::start(&["--node-id", "1", "--data-dir", text(&data)])
        .await
        .unwrap();
    let said = refused(&nobody).await;
    assert!(said.contains("403") && said.contains("`admin`"), "{said}");
}

/// The snapshot of 20,000 nodes is in memory while a slow client takes it.
#[tokio::test]
async fn one_snapshot_is_sent_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let agent = start("1", directory.path(), &[]).await;
    let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3, "geo": "e".repeat(64)});
    let node = |id: u64| json!({"node_id": id, "capacity": capacity});
    let body = json!({"nodes": (0..20_000).map(node).collect::<Vec<_>>()});
    let answer = agent.ask(Method::PUT, NODES, Some(&body)).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    let status = async || {
        let request = agent.request(Method::GET, "/api/v1/snapshot");
        let response = request.send().await.unwrap();
        let status = response.status();
        if status == StatusCode::OK {
            let bytes = response.bytes().await.unwrap();
            edge_cache_host::StoreSnapshot::parse(&bytes).unwrap();
        }
        status
    };
    assert_eq!(status().await, StatusCode::OK);
    let mut slow = TcpStream::connect(agent.http).await.unwrap();
    let head = "GET /api/v1/snapshot HTTP/1.1\r\nhost: localhost\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // The answer has begun, and does not fit into the buffers of the sockets.
    slow.readable().await.unwrap();
    assert_eq!(status().await, StatusCode::SERVICE_UNAVAILABLE);
    drop(slow);
    until("the end of the first", SOON, || async {
        match status().await {
            StatusCode::OK => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

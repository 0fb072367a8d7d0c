//! The list of nodes in pages and by geo, over HTTP and by the command `nodes`.

use edge_cache_tests::agent::{Agent, run_to_end};
use reqwest::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/edge-cache/nodes";

/// Starts an agent with the nodes 1 to 7: odd ones in `eu`, even ones in `us`, the last one nowhere.
async fn start() -> Agent {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let node = |id: u64| {
        let mut capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3});
        if id < 7 {
            capacity["geo"] = json!(if id % 2 == 1 { "eu" } else { "us" });
        }
        json!({"node_id": id, "capacity": capacity})
    };
    let body = json!({"nodes": (1..=7).map(node).collect::<Vec<_>>()});
    let answer = agent.ask(Method::PUT, PATH, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    agent
}

fn ids(list: &Value) -> Vec<u64> {
    let nodes = list["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["node_id"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_is_read_in_pages_and_by_geo() {
    let agent = start().await;
    let whole = agent.get(PATH).await.unwrap();
    assert_eq!(ids(&whole), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(whole.as_object().unwrap().len(), 1, "{whole}");
    let no_next = Value::Null;
    for (query, expected, next) in [
        ("?limit=3", vec![1, 2, 3], json!(3)),
        ("?limit=3&after=3", vec![4, 5, 6], json!(6)),
        ("?limit=3&after=6", vec![7], no_next.clone()),
        ("?limit=7", vec![1, 2, 3, 4, 5, 6, 7], no_next.clone()),
        ("?after=4", vec![5, 6, 7], no_next.clone()),
        ("?after=18446744073709551615", vec![], no_next.clone()),
        ("?geo=eu", vec![1, 3, 5], no_next.clone()),
        ("?geo=us&limit=2", vec![2, 4], json!(4)),
        ("?geo=us&limit=2&after=4", vec![6], no_next.clone()),
        ("?geo=mars", vec![], no_next),
    ] {
        let page = agent.get(&format!("{PATH}{query}")).await.unwrap();
        assert_eq!((ids(&page), &page["next"]), (expected, &next), "{query}");
        for node in page["nodes"].as_array().unwrap() {
            assert!(whole["nodes"].as_array().unwrap().contains(node), "{node}");
        }
    }
    for query in [
        "?limit=0",
        "?limit=10001",
        "?limit=x",
        "?limit=",
        "?after=-1",
        "?after=18446744073709551616",
        "?after=%2B1",
        "?geo=",
        "?geo=%00",
        "?page=2",
    ] {
        let path = format!("{PATH}{query}");
        let answer = agent.ask(Method::GET, &path, None).await.unwrap();
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_eq!(answer.body["type"], "/problems/invalid-query");
    }
}

/// The tag of a page names the page under `If-None-Match`, and the whole list under `If-Match`.
#[tokio::test]
async fn the_tag_of_a_page_guards_the_whole_list() {
    let agent = start().await;
    let tag = async |query: &str| {
        let response = agent.request(Method::GET, &format!("{PATH}{query}"));
        let response = response.send().await.unwrap();
        response.headers()[ETAG].to_str().unwrap().to_string()
    };
    let (whole, first, second) = (
        tag("").await,
        tag("?limit=2").await,
        tag("?limit=2&after=2").await,
    );
    assert_ne!(whole, first);
    assert_ne!(first, second);
    let asked = async |query: &str, tag: &str| {
        let request = agent.request(Method::GET, &format!("{PATH}{query}"));
        let request = request.header(IF_NONE_MATCH, tag);
        request.send().await.unwrap().status()
    };
    assert_eq!(asked("?limit=2", &first).await, StatusCode::NOT_MODIFIED);
    assert_eq!(asked("?limit=2&after=2", &first).await, StatusCode::OK);
    assert_eq!(asked("", &first).await, StatusCode::OK);

    let put = async |tag: &str| {
        let list = agent.get(PATH).await.unwrap();
        let request = agent.request(Method::PUT, PATH).header(IF_MATCH, tag);
        request.json(&list).send().await.unwrap().status()
    };
    assert_eq!(put(&second).await, StatusCode::OK);
    let gone = agent.ask(Method::DELETE, "/api/v1/nodes/7/edge-cache", None);
    assert_eq!(gone.await.unwrap().status, 204);
    // The first page is as it was; the list is not.
    assert_eq!(put(&first).await, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn the_command_pages_through_the_list() {
    let agent = start().await;
    let at = agent.http.to_string();
    let nodes = async |words: &[&str]| {
        let words = [&["nodes", "--addr", &at], words].concat();
        let ended = run_to_end(&words).await.unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout
    };
    let json = async |words: &[&str]| -> Value {
        let words = [&["--format", "json"], words].concat();
        serde_json::from_str(&nodes(&words).await).unwrap()
    };
    assert_eq!(json(&[]).await, agent.get(PATH).await.unwrap());
    let two = json(&["--geo", "eu", "--limit", "2"]).await;
    assert_eq!((ids(&two), &two["next"]), (vec![1, 3], &json!(3)));
    let rest = json(&["--geo", "eu", "--after", "3"]).await;
    assert_eq!((ids(&rest), &rest["next"]), (vec![5], &Value::Null));
    let table = nodes(&["--limit", "2"]).await;
    assert!(table.ends_with("(more follow: `--after 2`)\n"), "{table}");
    assert!(!nodes(&["--limit", "7"]).await.contains("--after"));
}

/// More nodes than one page has.
#[tokio::test]
async fn the_command_reads_more_than_one_page() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3});
    let node = |id: u64| json!({"node_id": id * 3, "capacity": capacity});
    let body = json!({"nodes": (0..10_050).map(node).collect::<Vec<_>>()});
    let answer = agent.ask(Method::PUT, PATH, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 200);
    let at = agent.http.to_string();
    for (limit, count, next) in [
        ("20000", 10_050, Value::Null),
        ("10001", 10_001, json!(30_000)),
    ] {
        let words = ["nodes", "--addr", &at, "--format", "json", "--limit", limit];
        let ended = run_to_end(&words).await.unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let list: Value = serde_json::from_str(&ended.stdout).unwrap();
        let expected: Vec<_> = (0..count).map(|id| id * 3).collect();
        assert_eq!((ids(&list), &list["next"]), (expected, &next));
    }
}

//! Envoy's endpoint discovery over REST, asked by hand.

use reqwest::header::ORIGIN;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use super::{Method, decide, expect_caches, metric, three};
use crate::gossip_node::Node;
use edge_cache_tests::agent::client;

async fn post(client: &Client, node: &Node, body: impl Into<reqwest::Body>) -> Response {
    let url = format!("http://{}/v3/discovery:endpoints", node.traffic.unwrap());
    client.post(url).body(body).send().await.unwrap()
}

async fn discover(client: &Client, node: &Node, request: &Value) -> (StatusCode, Value) {
    let answer = post(client, node, request.to_string()).await;
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[tokio::test]
async fn envoy_gets_every_cache_once() {
    let nodes = three(&["--traffic-fallback", "192.0.2.1:8080"]).await;
    let client = client(&[]).unwrap();
    let request = json!({"resource_names": ["edge-cache"], "node": {"id": "x", "extensions": []},
        "type_url": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"});
    let (status, first) = discover(&client, &nodes[0], &request).await;
    assert_eq!(status, 200);
    let version = first["version_info"].as_str().unwrap().to_string();
    let endpoint = |address: &str, port: u16| {
        json!({
            "endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}},
            "load_balancing_weight": 1,
        })
    };
    let mut shown = first.clone();
    for weight in [
        "/0/lb_endpoints/0",
        "/0/lb_endpoints/1",
        "/0/lb_endpoints/2",
    ] {
        let path = format!("/resources/0/endpoints{weight}/load_balancing_weight");
        assert!(shown.pointer(&path).unwrap().as_u64().unwrap() >= 1);
        *shown.pointer_mut(&path).unwrap() = json!(1);
    }
    *shown
        .pointer_mut("/resources/0/endpoints/0/load_balancing_weight")
        .unwrap() = json!(3);
    assert_eq!(
        shown,
        json!({
            "version_info": version,
            "type_url": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "resources": [{
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": "edge-cache",
                "endpoints": [
                    {
                        "locality": {},
                        "lb_endpoints": [
                            endpoint("127.0.0.1", 80), endpoint("127.0.0.2", 80), endpoint("127.0.0.3", 80),
                        ],
                        "load_balancing_weight": 3,
                        "priority": 0,
                    },
                    {
                        "locality": {},
                        "lb_endpoints": [endpoint("192.0.2.1", 8080)],
                        "load_balancing_weight": 1,
                        "priority": 1,
                    },
                ],
            }],
        })
    );
    // All agents answer the same, and nothing to a client that has it.
    for node in &nodes {
        assert_eq!(discover(&client, node, &request).await.1, first);
    }
    let known = json!({"versionInfo": version, "resourceNames": ["edge-cache"]});
    assert_eq!(discover(&client, &nodes[1], &known).await.0, 304);
    // A change has another version, and the former one again the first.
    decide(&nodes[0], Method::DELETE, 2).await;
    expect_caches(&nodes[1], 2).await;
    let (status, without) = discover(&client, &nodes[1], &known).await;
    assert_eq!(status, 200);
    let endpoints = &without["resources"][0]["endpoints"][0]["lb_endpoints"];
    assert_eq!(endpoints.as_array().unwrap().len(), 2);
    decide(&nodes[0], Method::POST, 2).await;
    expect_caches(&nodes[1], 3).await;
    assert_eq!(discover(&client, &nodes[1], &known).await.0, 304);
}

#[tokio::test]
async fn what_is_no_request_of_envoy_is_refused() {
    let [one, ..] = three(&[]).await;
    let client = client(&[]).unwrap();
    let (status, unknown) = discover(&client, &one, &json!({"resource_names": ["another"]})).await;
    assert_eq!(
        (status, &unknown["resources"]),
        (StatusCode::OK, &json!([]))
    );
    let again = json!({"resource_names": ["another"], "version_info": unknown["version_info"]});
    assert_eq!(discover(&client, &one, &again).await.0, 304);
    let other_type = json!({"type_url": "type.googleapis.com/envoy.config.cluster.v3.Cluster"});
    assert_eq!(discover(&client, &one, &other_type).await.0, 400);
    for body in [
        "",
        "nonsense",
        "[]",
        "{\"version_info\": 7}",
        "{\"resource_names\": \"edge-cache\"}",
        "\u{0}",
    ] {
        let answer = post(&client, &one, body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert!(answer.text().await.unwrap().contains("DiscoveryRequest"));
    }
    // As large as Envoy's, and far beyond.
    let large =
        json!({"resource_names": ["edge-cache"], "node": {"extensions": ["x".repeat(80_000)]}});
    assert_eq!(discover(&client, &one, &large).await.0, 200);
    let answer = post(&client, &one, "x".repeat(10 * 1024 * 1024)).await;
    assert_eq!(answer.status(), 413);
    assert!(answer.text().await.unwrap().contains("262144 bytes"));
    let url = format!("http://{}/v3/discovery:endpoints", one.traffic.unwrap());
    let browser = client.post(&url).header(ORIGIN, "https://evil.example");
    let answer = browser.body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 403);
    let answer = client.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(metric(&one, "edge_cache_traffic_caches").await, 3.0);
    assert!(!one.log().contains("discovery"), "{}", one.log());
}

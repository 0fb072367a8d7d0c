//! The page: its files as any client gets them, and what a person sees in a real browser.

mod access;
mod live;
mod many;
mod tab;

use std::time::Duration;

use edge_cache_tests::agent::{Agent, answer, client};
use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::access::{start, token, write};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(30);
/// Flags of agents that hear of each other soon.
const FAST: [&str; 4] = ["--gossip-interval", "200ms", "--gossip-join-timeout", "2s"];
/// Some files of the page with the beginning of their media types.
const FILES: [(&str, &str); 4] = [
    ("/", "text/html"),
    ("/page/app.js", "text/javascript"),
    ("/page/style.css", "text/css"),
    ("/page/icon.svg", "image/svg+xml"),
];

#[tokio::test]
async fn the_files_need_no_token_and_forbid_what_the_page_does_not_need() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let watcher = token("watcher", "read").await;
    write(&file, &[&watcher]);
    let node = start(&file, &[]).await;
    let client = client(&[]).unwrap();
    let url = |path: &str| format!("http://{}{path}", node.http);
    for (path, media_type) in FILES {
        let answer = client.get(url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let headers = answer.headers().clone();
        let said = |name: &str| headers[name].to_str().unwrap();
        assert!(
            said(CONTENT_TYPE.as_str()).starts_with(media_type),
            "{path}"
        );
        assert_eq!(said(CACHE_CONTROL.as_str()), "no-cache");
        let policy = said(CONTENT_SECURITY_POLICY.as_str());
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        for rule in [
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.contains(rule), "{rule}: {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains("data:"),
            "{policy}"
        );
        assert_eq!(said("x-content-type-options"), "nosniff");
        assert_eq!(said("referrer-policy"), "no-referrer");
        assert_eq!(said("cross-origin-opener-policy"), "same-origin");
        assert_eq!(said("cross-origin-resource-policy"), "same-origin");
        let body = answer.text().await.unwrap();
        assert!(!body.is_empty());

        let head = client.head(url(path)).send().await.unwrap();
        assert_eq!(
            (head.status(), &head.headers()[ETAG]),
            (StatusCode::OK, &headers[ETAG])
        );
        let again = client.get(url(path)).header(IF_NONE_MATCH, &headers[ETAG]);
        let again = again.send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(again.headers().contains_key(CONTENT_SECURITY_POLICY));
        let packed = client.get(url(path)).header(ACCEPT_ENCODING, "gzip");
        let packed = packed.send().await.unwrap();
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip", "{path}");
        let post = client.post(url(path)).send().await.unwrap();
        assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for (path, status) in [
        ("/page/none.js", 404),
        ("/page/index.html", 404),
        ("/?x=1", 400),
    ] {
        let answer = client.get(url(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert!(
            answer.headers().contains_key(CONTENT_SECURITY_POLICY),
            "{path}"
        );
    }
    let role = client
        .get(url("/api/v1/agent"))
        .bearer_auth(&watcher.secret);
    assert_eq!(answer(role).await.unwrap().body["role"], "read");
    let open = answer(client.get(url("/api/v1/agent"))).await.unwrap();
    assert_eq!(open.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_may_read_from_its_own_origin_and_change_nothing() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let origin = format!("http://{}", agent.http);
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let get = || agent.request(Method::GET, "/api/v1/agent");
    let post = || {
        agent
            .request(Method::POST, "/api/v1/nodes/7/edge-cache")
            .json(&capacity)
    };
    for (request, status) in [
        (get().header("origin", &origin), 200),
        (get().header("sec-fetch-site", "same-origin"), 200),
        (get().header("sec-fetch-site", "cross-site"), 403),
        (get().header("origin", "http://localhost:1"), 403),
        (post().header("origin", &origin), 403),
        (post().header("sec-fetch-site", "same-origin"), 403),
        (post(), 204),
    ] {
        let answer = answer(request).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    assert!(
        agent
            .get("/api/v1/agent")
            .await
            .unwrap()
            .get("role")
            .is_none()
    );
}

#[tokio::test]
async fn decisions_are_listed_with_how_far_each_has_come() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let list = async |query: &str| {
        let path = format!("/api/v1/edge-cache/decisions{query}");
        agent.ask(Method::GET, &path, None).await.unwrap()
    };
    assert_eq!(list("").await.body, json!({"nodes": [], "total_weight": 0}));
    let body =
        json!({"capacity": {"cpu_cores": 8, "ram_mib": 1024, "disk_mib": 2048, "geo": "eu-1"}});
    for node in [7, 1] {
        let path = format!("/api/v1/nodes/{node}/edge-cache?wait=100ms");
        agent.ask(Method::POST, &path, Some(&body)).await.unwrap();
    }
    let path = "/api/v1/nodes/7/edge-cache";
    agent.ask(Method::DELETE, path, None).await.unwrap();
    let listed = edge_cache_tests::wait::until("node 1 is routed", SOON, || async {
        let listed = list("").await.body;
        if listed["total_weight"] == 0 {
            Err(listed)
        } else {
            Ok(listed)
        }
    })
    .await;
    let nodes = listed["nodes"].as_array().unwrap();
    let ops: Vec<_> = nodes
        .iter()
        .map(|node| (node["node_id"].as_u64().unwrap(), &node["decision"]["op"]))
        .collect();
    assert_eq!(ops, [(7, &json!("disable")), (1, &json!("enable"))]);
    assert_eq!(nodes[0]["registered"], false);
    assert!(nodes[0].get("weight").is_none());
    let one = &nodes[1];
    assert_eq!(
        (&one["advertised"], &one["alive"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&one["weight"], &one["geo"]),
        (&listed["total_weight"], &json!("eu-1"))
    );
    assert_eq!(one["decision"]["by"], 1);
    let first = list("?limit=1").await.body;
    assert_eq!(first["nodes"], json!([nodes[0]]));
    assert_eq!(first["total_weight"], listed["total_weight"]);
    for wrong in ["?limit=0", "?limit=10001", "?limit=x", "?limit=-1"] {
        assert_eq!(list(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

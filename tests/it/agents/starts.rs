//! Starts of an agent: alone, with wrong flags, and with what cannot be used.

use edge_cache_tests::agent::{Agent, run_to_end};
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{MET_WITHIN, enable};

#[tokio::test]
async fn an_agent_on_its_own_is_ready_and_ends_cleanly() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    assert_eq!(agent.gossip, None);
    assert_eq!(
        agent.get("/health/livez").await.unwrap(),
        json!({"ok": true, "reasons": [], "warnings": []})
    );
    assert_eq!(
        agent.get("/health/readyz").await.unwrap(),
        json!({"ok": true, "reasons": [], "warnings": []})
    );
    assert_eq!(
        agent.get("/api/v1/cluster/gossip/peers").await.unwrap(),
        json!([])
    );
    enable(
        &agent,
        1,
        json!({"cpu_cores": 1, "ram_mib": 0, "disk_mib": 0}),
    )
    .await;
    let entry = agent.get("/api/v1/nodes/1/edge-cache").await.unwrap();
    assert_eq!(entry["advertised"], true, "{entry}");
    assert_eq!(agent.terminate().await.unwrap(), Some(0));
}

#[tokio::test]
async fn wrong_flags_are_status_2_and_one_line() {
    for (line, said) in [
        ("run", "--node-id"),
        (
            "--node-id abc",
            "a node id is a number from 0 to 18446744073709551615",
        ),
        ("--node-id 18446744073709551616", "a node id is a number"),
        (
            "--node-id 1 --http-listen 0.0.0.0:0",
            "(`--http-listen`) beyond loopback needs `api_token_file` (`--api-token-file`)",
        ),
        ("--node-id 1 --gossip-listen 0.0.0.0:0", "--insecure-gossip"),
        (
            "--node-id 1 --seed 127.0.0.1:1",
            "`gossip.seed` (`--seed`) needs `gossip.listen` (`--gossip-listen`)",
        ),
        (
            "--node-id 1 --gossip-listen 127.0.0.1:0 --seed nobody",
            "gossip seed \"nobody\" is not HOST:PORT (",
        ),
        ("--node-id 1 --label =x", "it must be KEY=VALUE"),
        ("--node-id 1 --label zone", "it must be KEY=VALUE"),
        ("--node-id 1 --gossip-interval 1", "200ms"),
        ("--node-id 1 --nonsense", "--nonsense"),
    ] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{line}: {}", ended.stderr);
        assert_eq!(
            ended.stderr.trim_end().lines().count(),
            1,
            "{line}: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_start_that_fails_is_status_1_and_says_why() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let taken = agent.http.to_string();
    for (args, said) in [
        (
            vec!["--node-id", "1", "--http-listen", &taken],
            "cannot listen for HTTP on",
        ),
        (
            vec!["--node-id", "1", "--plugin", "Cargo.toml"],
            "not a WebAssembly file",
        ),
        (
            vec!["--node-id", "1", "--plugin", "no-such-file"],
            "cannot read the plugin no-such-file",
        ),
    ] {
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn an_agent_whose_component_fails_stays_up_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.to_str().unwrap();
    let agent = Agent::start(&["--node-id", "1", "--data-dir", data])
        .await
        .unwrap();
    enable(
        &agent,
        1,
        json!({"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}),
    )
    .await;
    let before = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
    assert_eq!(agent.terminate().await.unwrap(), Some(0));

    let file = directory.path().join("trapping.wasm");
    std::fs::write(&file, edge_cache_tests::dummy::dummy().unwrap()).unwrap();
    let plugin = file.to_str().unwrap();
    let agent = Agent::start(&["--node-id", "1", "--data-dir", data, "--plugin", plugin])
        .await
        .unwrap();
    let degraded = until("a degraded component", MET_WITHIN, || async {
        let plugin = agent.get("/api/v1/plugin").await.unwrap();
        if plugin["state"] == "degraded" {
            Ok(plugin)
        } else {
            Err(plugin)
        }
    })
    .await;
    let reason = "load trapped: wasm trap: wasm `unreachable` instruction executed";
    assert_eq!(degraded["last_failure"], reason);
    let ready = agent
        .ask(Method::GET, "/health/readyz", None)
        .await
        .unwrap();
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        ready.body["reasons"],
        json!([
            format!("the plugin is not running: {reason}"),
            "the routing table of all members is being built"
        ])
    );
    let alive = agent.ask(Method::GET, "/health/livez", None).await.unwrap();
    assert_eq!(alive.status, StatusCode::OK);
    let path = "/api/v1/nodes/1/edge-cache";
    let change = agent.ask(Method::DELETE, path, None).await.unwrap();
    assert_eq!(change.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(change.body["type"], "/problems/plugin-failed");
    assert_eq!(
        agent.get("/api/v1/edge-cache/nodes").await.unwrap()["nodes"][0]["node_id"],
        1
    );
    assert_eq!(agent.terminate().await.unwrap(), Some(0));

    let agent = Agent::start(&["--node-id", "1", "--data-dir", data])
        .await
        .unwrap();
    assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);
}

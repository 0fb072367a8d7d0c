//! Bad requests to a running agent: each gets a problem document, and nothing changes.

use edge_cache_tests::agent::{Agent, answer};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/nodes/7/edge-cache";

/// An agent with node 7 enabled.
async fn agent() -> (Agent, Value) {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3, "geo": "x"}});
    agent.ask(Method::POST, PATH, Some(&body)).await.unwrap();
    let before = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
    assert_eq!(before["nodes"][0]["node_id"], 7);
    (agent, before)
}

async fn expect_problem(request: reqwest::RequestBuilder, status: u16, kind: &str, said: &str) {
    let found = answer(request).await.unwrap();
    assert_eq!(found.status.as_u16(), status, "{found:?}");
    assert_eq!(found.content_type, "application/problem+json", "{found:?}");
    assert_eq!(found.body["status"], status, "{found:?}");
    assert_eq!(found.body["type"], format!("/problems/{kind}"), "{found:?}");
    let detail = found.body["detail"].as_str().unwrap();
    assert!(detail.contains(said), "{detail:?} does not say {said:?}");
    assert!(
        detail.len() < 1_024 && !detail.contains(char::is_control),
        "{detail:?}"
    );
}

#[tokio::test]
async fn bodies_that_are_wrong_change_nothing() {
    let (agent, before) = agent().await;
    let with = |capacity: &str| format!(r#"{{"capacity":{capacity}}}"#);
    let geo = |geo: &str| {
        json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3, "geo": geo}}).to_string()
    };
    let (body, data, capacity) = ("malformed-json", "invalid-body", "invalid-capacity");
    let cases = [
        (String::new(), 400, body, "EOF"),
        ("{".to_string(), 400, body, "line 1 column 1"),
        ("nonsense".to_string(), 400, body, "line 1"),
        (
            with(r#"{"cpu_cores":1,"ram_mib":1,"disk_mib":1}"#) + "x",
            400,
            body,
            "trailing",
        ),
        ("[]".to_string(), 422, data, "expected an object"),
        ("{}".to_string(), 422, data, "missing field `capacity`"),
        (
            with(r#"{"cpu_cores":1,"ram_mib":1}"#),
            422,
            data,
            "missing field `disk_mib`",
        ),
        (
            with(r#"{"cpu_cores":1,"ram_mib":1,"disk_mib":1,"gpu":1}"#),
            422,
            data,
            "unknown field `gpu`",
        ),
        (
            r#"{"capacity":{"cpu_cores":1,"ram_mib":1,"disk_mib":1},"x":1}"#.to_string(),
            422,
            data,
            "unknown field `x`",
        ),
        (
            with(r#"{"cpu_cores":1,"cpu_cores":2,"ram_mib":1,"disk_mib":1}"#),
            422,
            data,
            "duplicate field",
        ),
        (
            with(r#"{"cpu_cores":-1,"ram_mib":1,"disk_mib":1}"#),
            422,
            data,
            "`capacity.cpu_cores`",
        ),
        (
            with(r#"{"cpu_cores":4294967296,"ram_mib":1,"disk_mib":1}"#),
            422,
            data,
            "a whole number from 0 to 4294967295",
        ),
        (
            with(r#"{"cpu_cores":1,"ram_mib":18446744073709551616,"disk_mib":1}"#),
            422,
            data,
            "`capacity.ram_mib`",
        ),
        (
            with(r#"{"cpu_cores":1.5,"ram_mib":1,"disk_mib":1}"#),
            422,
            data,
            "`capacity.cpu_cores`",
        ),
        (
            with(r#"{"cpu_cores":0,"ram_mib":0,"disk_mib":0}"#),
            422,
            capacity,
            "all zero",
        ),
        (geo(""), 422, capacity, "geo must be 1 to 64 bytes, got 0"),
        (
            geo(&"x".repeat(65)),
            422,
            capacity,
            "geo must be 1 to 64 bytes, got 65",
        ),
        (
            geo(&"x".repeat(10_000)),
            422,
            capacity,
            "geo must be 1 to 64 bytes, got 10000",
        ),
        (geo("a\u{1b}[2J"), 422, capacity, "geo must be printable"),
        (geo("\u{202e}x"), 422, capacity, "geo must be printable"),
        (
            "x".repeat(64 * 1024 + 1),
            413,
            "body-too-large",
            "65536 bytes",
        ),
        (
            "x".repeat(10 * 1024 * 1024),
            413,
            "body-too-large",
            "65536 bytes",
        ),
    ];
    for (body, status, kind, said) in cases {
        let request = agent
            .request(Method::POST, PATH)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        expect_problem(request, status, kind, said).await;
        assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);
    }
}

#[tokio::test]
async fn node_ids_that_are_wrong_are_named() {
    let (agent, before) = agent().await;
    for (id, said) in [
        ("abc", "`abc` is not a number"),
        ("-1", "`-1` is not a number"),
        ("+1", "is not a number"),
        ("1.0", "is not a number"),
        ("18446744073709551616", "is too large"),
        ("%1b%5b31m", "is not a number"),
        ("%ff", "not UTF-8"),
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let request = agent.request(method, &format!("/api/v1/nodes/{id}/edge-cache"));
            expect_problem(request, 400, "invalid-node-id", said).await;
        }
    }
    assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);
}

#[tokio::test]
async fn requests_that_are_wrong_as_a_whole_are_refused() {
    let (agent, before) = agent().await;
    let body = json!({"capacity": {"cpu_cores": 9, "ram_mib": 9, "disk_mib": 9}}).to_string();
    let post = || agent.request(Method::POST, PATH).body(body.clone());
    expect_problem(post(), 415, "not-json", "application/json").await;
    expect_problem(
        post().header(CONTENT_TYPE, "text/plain"),
        415,
        "not-json",
        "application/json",
    )
    .await;
    let json = || post().header(CONTENT_TYPE, "application/json");
    expect_problem(
        json().header("origin", "http://127.0.0.1"),
        403,
        "not-local",
        "Origin",
    )
    .await;
    expect_problem(
        json().header("host", "cache.example"),
        403,
        "not-local",
        "Host",
    )
    .await;
    expect_problem(
        agent.request(Method::GET, "/api/v1/nope"),
        404,
        "no-such-route",
        "`/api/v1/nope`",
    )
    .await;
    expect_problem(
        agent.request(Method::PUT, PATH),
        405,
        "no-such-method",
        "`PUT`",
    )
    .await;
    let unknown = agent.request(Method::DELETE, "/api/v1/nodes/8/edge-cache");
    expect_problem(
        unknown,
        404,
        "node-not-found",
        "node 8 is not registered as edge-cache eligible",
    )
    .await;
    let unknown = agent.request(Method::GET, "/api/v1/nodes/8/edge-cache");
    expect_problem(unknown, 404, "node-not-found", "node 8 is not registered").await;
    assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);

    let allowed = agent.request(Method::PUT, PATH).send().await.unwrap();
    assert_eq!(allowed.headers()["allow"], "GET,HEAD,POST,DELETE");
    let local = answer(json().header("host", "localhost:1")).await.unwrap();
    assert_eq!(local.status, StatusCode::NO_CONTENT);
}

/// Each is refused before its body has come, and the client goes on with the connection at once, many times over:
/// whether it could was a matter of luck once.
#[tokio::test]
async fn a_refusal_does_not_get_in_the_way_of_the_next_request() {
    const ROUNDS: usize = 100;
    let (agent, before) = agent().await;
    for _ in 0..ROUNDS {
        let upload = agent.request(Method::PUT, "/api/v1/plugin");
        let upload = upload.body(vec![0; 128 * 1024]);
        expect_problem(upload, 403, "forbidden", "--allow-local-admin").await;
        let found = agent.get("/api/v1/edge-cache/nodes").await.unwrap();
        assert_eq!(found, before);
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_by_name() {
    let (agent, before) = agent().await;
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0];
    let request = agent
        .request(Method::POST, PATH)
        .header(CONTENT_TYPE, "application/json")
        .header("content-encoding", "gzip")
        .body(gzip.to_vec());
    expect_problem(request, 415, "encoded-body", "content-encoding").await;
    assert_eq!(agent.get("/api/v1/edge-cache/nodes").await.unwrap(), before);
}

#[tokio::test]
async fn whole_numbers_have_no_fraction() {
    let (agent, _) = agent().await;
    let body = r#"{"capacity":{"cpu_cores":8.0,"ram_mib":1,"disk_mib":1}}"#;
    let request = agent
        .request(Method::POST, PATH)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let said = "`capacity.cpu_cores`: invalid type: floating point `8.0`, expected a whole number";
    expect_problem(request, 422, "invalid-body", said).await;
}

#[tokio::test]
async fn unknown_query_parameters_are_named_with_the_known_ones() {
    let (agent, before) = agent().await;
    let list = "/api/v1/edge-cache/nodes";
    let route = "/api/v1/edge-cache/route";
    for (method, path, said) in [
        (
            Method::GET,
            format!("{list}?limits=1"),
            "unknown query parameter `limits`; this operation takes `geo`, `after`, `limit`",
        ),
        (
            Method::GET,
            "/health/livez?x".to_string(),
            "unknown query parameter `x`; this operation takes none",
        ),
        (
            Method::DELETE,
            format!("{PATH}?wiat=5s"),
            "unknown query parameter `wiat`; this operation takes `wait`",
        ),
        (
            Method::GET,
            format!("{route}?key=a&Key=b"),
            "unknown query parameter `Key`; this operation takes `key`, `replicas`, `geo`",
        ),
        (
            Method::GET,
            format!("{route}?key=a&key=b"),
            "`key` is given twice",
        ),
        (
            Method::GET,
            route.to_string(),
            "the query parameter `key` is missing",
        ),
        (
            Method::GET,
            format!("{route}?key=a&geo=%ff"),
            "`geo` must be UTF-8",
        ),
    ] {
        let found = answer(agent.request(method, &path)).await.unwrap();
        assert_eq!(found.status.as_u16(), 400, "{found:?}");
        assert_eq!(found.body["detail"], said);
    }
    assert_eq!(agent.get(list).await.unwrap(), before);
}

/// Keys that are no text are taken too.
#[tokio::test]
async fn keys_may_be_any_bytes() {
    const KEYS: u8 = 64;
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let path = "/api/v1/edge-cache/route?key=";
    let mut answers = std::collections::BTreeSet::new();
    for key in 0..KEYS {
        let found = agent
            .get(&format!("{path}%{:02x}", 0x80 + key))
            .await
            .unwrap();
        answers.insert(found.to_string());
    }
    // No node advertises itself here: all answers are empty, and none is refused.
    assert_eq!(answers.len(), 1, "{answers:?}");
}

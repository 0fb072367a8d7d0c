//! The agent's metrics: their format, their values, and the page that lists them.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use edge_cache_tests::agent::{Agent, answer, client};
use edge_cache_tests::component::{hostile, reference_bytes, with_section};
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

use crate::access;
use crate::gossip_node::Node;

const METRICS: &str = "/metrics";
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const NODE: &str = "/api/v1/nodes/4711/edge-cache";
/// Node at which the hostile guest fails.
const TRIGGER: &str = "/api/v1/nodes/666/edge-cache";
/// Maximum time for gossip and the writer.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// Time after which a client goes away: long enough to send its request.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(2);
/// Page that lists all families. The test below compares it with an agent.
const LIST: &str = include_str!("../../host/docs/metrics.md");

fn capacity() -> Value {
    json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}})
}

async fn scrape(agent: &Agent) -> Scrape {
    let answer = agent.ask(Method::GET, METRICS, None).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &*answer.content_type),
        (200, MEDIA_TYPE)
    );
    let text = answer.body.as_str().unwrap();
    Scrape::parse(text).unwrap_or_else(|error| panic!("{error:#}\n{text}"))
}

async fn expect(agent: &Agent, method: Method, path: &str, body: Option<&Value>, status: u16) {
    let answer = agent.ask(method, path, body).await.unwrap();
    assert_eq!(answer.status.as_u16(), status, "{answer:?}");
}

/// Scrapes until a series is above a value.
async fn above(agent: &Agent, series: &str, value: f64) -> Scrape {
    until(series, SEEN_WITHIN, || async {
        let scrape = scrape(agent).await;
        let found = scrape.value(series);
        if found > value {
            Ok(scrape)
        } else {
            Err(found)
        }
    })
    .await
}

/// Starts an agent whose plugin fails when node 666 is enabled, with gossip and a store.
async fn start(data: &str) -> Agent {
    let plugin = hostile().unwrap();
    let args = [
        "--node-id",
        "1",
        "--gossip-listen",
        "127.0.0.1:0",
        "--data-dir",
        data,
        "--plugin",
        plugin.to_str().unwrap(),
        "--plugin-settings",
        "behaviour=trap@enable",
    ];
    Agent::start(&args).await.unwrap()
}

#[tokio::test]
async fn metrics_follow_events_and_are_listed() {
    let data = tempfile::tempdir().unwrap();
    let agent = start(data.path().to_str().unwrap()).await;
    let before = scrape(&agent).await;
    assert_eq!(before.value("edge_cache_nodes"), 0.0);
    assert_eq!(
        before.value(r#"edge_cache_plugin_state{state="running"}"#),
        1.0
    );
    assert_eq!(
        before.value(r#"edge_cache_plugin_state{state="degraded"}"#),
        0.0
    );
    assert_eq!(
        before.value(r#"edge_cache_gossip_members{status="alive"}"#),
        1.0
    );

    // Changes: one succeeds, the host refuses one, the plugin refuses one.
    expect(&agent, Method::POST, NODE, Some(&capacity()), 204).await;
    let nothing = json!({"capacity": {"cpu_cores": 0, "ram_mib": 0, "disk_mib": 0}});
    expect(&agent, Method::POST, NODE, Some(&nothing), 422).await;
    expect(
        &agent,
        Method::DELETE,
        "/api/v1/nodes/4712/edge-cache",
        None,
        404,
    )
    .await;
    let after = above(&agent, "edge_cache_batch_changes_count", 1.0).await;
    assert_eq!(after.value("edge_cache_nodes"), 1.0);
    assert_eq!(after.value(r#"edge_cache_decisions{op="enable"}"#), 1.0);
    let change = |operation: &str, result: &str| {
        let labels = format!(r#"{{operation="{operation}",result="{result}"}}"#);
        after.value(&format!("edge_cache_changes_total{labels}"))
    };
    assert_eq!(change("enable", "ok"), 1.0);
    assert_eq!(change("enable", "invalid-capacity"), 1.0);
    assert_eq!(change("disable", "node-not-found"), 1.0);
    assert_eq!(after.value("edge_cache_batch_changes_sum"), 2.0);
    assert!(after.value("edge_cache_store_commit_duration_seconds_count") >= 1.0);
    assert!(after.value("edge_cache_writer_busy_seconds_total") > 0.0);
    let calls = |export: &str| {
        let labels = format!(r#"{{export="{export}"}}"#);
        after.value(&format!(
            "edge_cache_plugin_call_duration_seconds_count{labels}"
        ))
    };
    assert_eq!((calls("enable"), calls("disable")), (1.0, 1.0));
    assert!(calls("load") >= 1.0 && calls("instantiation") >= 1.0);

    // A plugin that traps.
    expect(&agent, Method::POST, TRIGGER, Some(&capacity()), 503).await;
    let failed = r#"edge_cache_plugin_failures_total{export="enable",kind="trap"}"#;
    let after = above(&agent, failed, 0.0).await;
    assert_eq!(after.value(failed), 1.0);
    assert_eq!(
        after.value(r#"edge_cache_changes_total{operation="enable",result="plugin-failed"}"#),
        1.0
    );
    above(&agent, "edge_cache_plugin_restarts_total", 0.0).await;

    // An invalid datagram.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"nonsense", agent.gossip.unwrap()).unwrap();
    let dropped = r#"edge_cache_gossip_dropped_datagrams_total{reason="not_chitchat"}"#;
    assert_eq!(before.value(dropped), 0.0);
    above(&agent, dropped, 0.0).await;

    // Requests count by route, not by path.
    expect(&agent, Method::GET, NODE, None, 200).await;
    expect(&agent, Method::GET, "/4711", None, 404).await;
    expect(&agent, Method::PATCH, NODE, None, 405).await;
    let after = scrape(&agent).await;
    let request = |route: &str, method: &str, code: &str| {
        let labels = format!(r#"{{route="{route}",method="{method}",code="{code}"}}"#);
        after.value(&format!("edge_cache_http_requests_total{labels}"))
    };
    let node = "/api/v1/nodes/{id}/edge-cache";
    assert_eq!(request(node, "GET", "200"), 1.0);
    assert_eq!(request(node, "POST", "204"), 1.0);
    assert_eq!(request(node, "POST", "422"), 1.0);
    assert_eq!(request(node, "POST", "503"), 1.0);
    assert_eq!(request(node, "other", "405"), 1.0);
    assert_eq!(request("none", "GET", "404"), 1.0);
    assert!(request(METRICS, "GET", "200") >= 3.0);
    let families = after.families();
    for (name, family) in families {
        for label in family.labels() {
            for value in family.values(label) {
                assert!(!value.contains("471"), "{name}: {label} is {value}");
            }
        }
    }

    // Connections and the process.
    assert!(after.value(r#"edge_cache_http_connections{listener="api"}"#) >= 1.0);
    assert!(after.value(r#"edge_cache_http_connections_accepted_total{listener="api"}"#) >= 1.0);
    assert!(after.value("process_resident_memory_bytes") > 1e6);
    assert!(after.value("process_open_fds") > 4.0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - after.value("process_start_time_seconds");
    assert!((0.0..120.0).contains(&age), "{age}");

    let written = list(&after);
    let (listed, reasons) = LIST.split_once("\n## ").unwrap();
    assert!(
        listed == written,
        "host/docs/metrics.md must begin with:\n{written}"
    );
    for reason in families["edge_cache_gossip_dropped_datagrams_total"].values("reason") {
        assert!(reasons.contains(&format!("\n| `{reason}` | ")), "{reason}");
    }
}

/// Table of signs of trouble, in which a cell that begins with `…` goes on with the troubles of gossip.
const SIGNS: &str = include_str!("../../host/docs/operating.md");

#[tokio::test]
async fn every_sign_of_trouble_has_its_series_from_the_start() {
    let data = tempfile::tempdir().unwrap();
    let gossip = ["--node-id", "1", "--gossip-listen", "127.0.0.1:0"];
    let store = ["--data-dir", data.path().to_str().unwrap()];
    let agent = Agent::start(&[&gossip[..], &store].concat()).await.unwrap();
    let scrape = scrape(&agent).await;
    for (name, family) in scrape.families() {
        let is_there = family.kind == "histogram" || !family.is_empty();
        assert!(
            is_there || name.starts_with("edge_cache_http_request"),
            "{name}"
        );
    }
    let signs = SIGNS.split("## Signs of trouble").nth(1).unwrap();
    let signs = signs.split("\n## ").next().unwrap();
    let mut series = Vec::new();
    for row in signs.lines().filter(|line| line.starts_with('|')).skip(2) {
        let cell = row.split('|').nth(2).unwrap();
        let names = cell.split('`').skip(1).step_by(2);
        series.extend(names.map(|name| name.replace('…', "edge_cache_gossip_troubles")));
    }
    assert!(series.len() > 15, "{series:?}");
    // By label, where the table names the label alone.
    let reasons = ["refused", "failed", "full"];
    let reasons = reasons.map(|reason| format!("{{reason=\"{reason}\"}}"));
    let states = ["running", "restarting", "degraded"];
    let states = states.map(|state| format!("{{state=\"{state}\"}}"));
    for name in series {
        let labels: &[String] = match &*name {
            "reason" => continue,
            "edge_cache_decisions_set_aside" => &reasons,
            "edge_cache_plugin_state" => &states,
            _ => &[String::new()],
        };
        for labels in labels {
            let series = format!("{name}{labels}");
            let value = scrape.get(&series);
            let value = value.unwrap_or_else(|| panic!("{series} is not there"));
            let is_one = series.ends_with("running\"}")
                || name == "edge_cache_gossip_running"
                || name == "edge_cache_config_last_reload_successful";
            let is_limit = name == "edge_cache_nodes_max";
            assert!(
                is_limit || value == f64::from(u8::from(is_one)),
                "{series} {value}"
            );
        }
    }
    for counter in ["overruled", "forgotten"] {
        let series = format!("edge_cache_decisions_{counter}_total");
        assert_eq!(scrape.get(&series), Some(0.0));
    }
}

/// Returns the page `host/docs/metrics.md` for these families.
fn list(scrape: &Scrape) -> String {
    let mut text = "# Metrics\n\nMetrics that `GET /metrics` answers as Prometheus text. Times are in seconds, sizes in bytes. \
        Label values are fixed words,\nstatus codes, the agent's version and policy, or what its plugin says of itself: never a node, a key, a path or an \
        address. Counters and gauges are there from the\nstart; the series of HTTP requests appear with the first request.\n\n\
        | name | type | labels | meaning |\n|---|---|---|---|\n"
        .to_string();
    for (name, family) in scrape.families() {
        let labels: Vec<_> = family.labels().into_iter().collect();
        let labels = labels.join(", ");
        let (kind, help) = (&family.kind, &family.help);
        text.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
    }
    text
}

#[tokio::test]
async fn subscribers_are_counted_while_they_follow() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let series = "edge_cache_event_subscribers";
    assert_eq!(scrape(&agent).await.value(series), 0.0);
    let events = agent
        .request(Method::GET, "/api/v1/events")
        .send()
        .await
        .unwrap();
    let following = scrape(&agent).await;
    assert_eq!(following.value(series), 1.0);
    // Without gossip its metrics do not exist.
    let mut names = following.families().keys();
    assert!(names.all(|name| !name.contains("gossip")));
    drop(events);
    until("the end of the subscription", SEEN_WITHIN, || async {
        let found = scrape(&agent).await.value(series);
        if found == 0.0 { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test]
async fn the_api_asks_for_a_token_and_the_listener_for_health_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let reader = access::token("reader", "read").await;
    access::write(&file, &[&reader]);
    let args = [
        "--api-token-file",
        file.to_str().unwrap(),
        "--health-listen",
        "127.0.0.1:0",
    ];
    let node = Node::start(1, &args).await.unwrap();
    let ask = |address, token: Option<&str>| {
        let url = format!("http://{address}{METRICS}");
        let client = edge_cache_tests::agent::client(&[]).unwrap();
        let request = client.get(url);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async move { answer(request).await.unwrap() }
    };
    assert_eq!(ask(node.http, None).await.status.as_u16(), 401);
    assert_eq!(
        ask(node.http, Some(&reader.secret)).await.status.as_u16(),
        200
    );
    let open = ask(node.health.unwrap(), None).await;
    assert_eq!(
        (open.status.as_u16(), &*open.content_type),
        (200, MEDIA_TYPE)
    );
    let scrape = Scrape::parse(open.body.as_str().unwrap()).unwrap();
    assert!(scrape.value(r#"edge_cache_http_connections{listener="health"}"#) >= 1.0);
    let refused = r#"edge_cache_http_requests_total{route="/metrics",method="GET",code="401"}"#;
    assert_eq!(scrape.value(refused), 1.0);
}

#[tokio::test]
async fn a_request_whose_client_goes_away_is_logged_and_not_counted() {
    let node = Node::start(1, &[]).await.unwrap();
    // No agent has that node: the request would wait for its labels to the end.
    let url = format!("http://{}{NODE}?wait=60s", node.http);
    let request = client(&[]).unwrap().post(url).json(&capacity());
    let given_up = request.timeout(GIVEN_UP_AFTER).send().await;
    assert!(given_up.unwrap_err().is_timeout());
    let log = node.log_handle();
    log.expect("ended without an answer", SEEN_WITHIN).await;
    node.enable(1).await;
    let metrics = node.ask(Method::GET, METRICS, None).await;
    let scrape = Scrape::parse(metrics.body.as_str().unwrap()).unwrap();
    let answered = r#"edge_cache_http_requests_total{route="/api/v1/nodes/{id}/edge-cache",method="POST",code="204"}"#;
    assert_eq!(scrape.value(answered), 1.0, "{}", log.read());
    // The change was made nevertheless.
    let entry = node.ask(Method::GET, NODE, None).await;
    assert_eq!(entry.status.as_u16(), 200, "{entry:?}");
}

#[tokio::test]
async fn metrics_and_api_show_what_a_plugin_says_of_itself() {
    let (header, sections) = reference_bytes().unwrap().split_at(8);
    let version = with_section(header, "version", b"1\"} 7\nforged \\");
    let plugin = [&version, sections].concat();
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("plugin.wasm");
    std::fs::write(&file, plugin).unwrap();
    let agent = Agent::start(&["--node-id", "1", "--plugin", file.to_str().unwrap()])
        .await
        .unwrap();
    let shown = agent.get("/api/v1/plugin").await.unwrap();
    let description = "The reference edge-cache registry: a pure state machine, and its face as a WebAssembly component.";
    let metadata = json!({
        "name": "edge-cache-plugin",
        "version": "1\"} 7\u{fffd}forged \\",
        "licenses": "Apache-2.0",
        "description": description,
    });
    assert_eq!(
        (&shown["name"], &shown["metadata"]),
        (&json!("plugin.wasm"), &metadata)
    );
    // A label can neither end its series nor begin another.
    let answer = agent.ask(Method::GET, METRICS, None).await.unwrap();
    let line = format!(
        r#"edge_cache_plugin_info{{policy={},name="edge-cache-plugin",version="1\"}} 7{}forged \\",licenses="Apache-2.0"}} 1"#,
        shown["policy"], '\u{fffd}'
    );
    let text = answer.body.as_str().unwrap();
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

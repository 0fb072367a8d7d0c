//! Signs of trouble that an agent shows to operators: liveness, readiness, metrics and the log.

mod cluster;

use std::process::Stdio;
use std::time::Duration;

use edge_cache_agent::http::{self, AppState};
use edge_cache_agent::plugin_manager::PluginManager;
use edge_cache_agent::shutdown::Shutdown;
use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::sandbox::PluginConfig;
use edge_cache_tests::agent::{answer, binary, client};
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use tower::ServiceExt;

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_stalled_reader_of_the_log_stops_nothing() {
    // More lines than the pipe, the agent's queue and its writer hold together.
    const REQUESTS: usize = 6_000;
    let mut child = Command::new(binary().unwrap())
        .args(["run", "--node-id", "1", "--http-listen", "127.0.0.1:0"])
        .args(["--log-level", "debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap();
    let address = line.unwrap().strip_prefix("http=").unwrap().to_string();
    let client = client(&[]).unwrap();
    let get = async |path: &str| {
        let request = client.request(Method::GET, format!("http://{address}{path}"));
        timeout(SOON, answer(request)).await.unwrap().unwrap()
    };
    for _ in 0..REQUESTS {
        assert_eq!(get("/health/livez").await.status, 200);
    }
    let Value::String(text) = get("/metrics").await.body else {
        panic!("the metrics are text")
    };
    let scrape = Scrape::parse(&text).unwrap();
    assert!(scrape.value("edge_cache_log_dropped_lines_total") > 0.0);

    let pid = child.id().unwrap().try_into().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let status = timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_background_task_that_panics_ends_liveness() {
    let reference = edge_cache_build::build_reference_plugin().unwrap();
    let (plugins, plugin) = PluginManager::start(PluginConfig::default(), Some(reference)).unwrap();
    let registry = EdgeCacheRegistry::builder(plugin).start().await.unwrap();
    let stop = Shutdown::default();
    let state = AppState::new(registry, None, plugins, stop.clone());
    let livez = || async {
        let request = axum::http::Request::get("/health/livez");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let routes = http::health_routes(state.clone());
        let response = routes.oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4_096).await;
        let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        (status, body)
    };
    let (status, body) = livez().await;
    assert_eq!(status, 200, "{body}");
    stop.spawn("the task of this test", async { panic!("a defect") });
    let body = until("an agent that is not alive", SOON, || async {
        match livez().await {
            (status, body) if status == 503 => Ok(body),
            alive => Err(alive),
        }
    })
    .await;
    let reason = "the task of this test ended: see the log for a panic";
    assert_eq!(body["reasons"][0], reason, "{body}");
}

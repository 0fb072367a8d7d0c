//! Signs of trouble that an agent shows to operators: liveness, readiness, metrics and the log.

pub(crate) mod cluster;
mod full;
mod members;
mod tasks;

use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::agent::{answer, binary, client};
use edge_cache_tests::prometheus::Scrape;
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

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

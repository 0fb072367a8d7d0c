//! Thousands of clients that want nothing, or want it slowly, do not keep the others from being answered.

use std::net::SocketAddr;
use std::time::Duration;

use edge_cache_tests::agent::{answer, client};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::gossip_node::Node;

/// How many clients there are in the crowd.
const CROWD: usize = 5_000;
/// The smallest crowd that says anything.
const CROWD_MIN: usize = 1_000;
/// The files of this process beside the crowd's.
const OTHER_FILES: usize = 500;
/// How long an answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// Raises the limit of files as far as it goes, and answers how large a crowd it allows.
fn crowd() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let files = limit.maximum.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    let crowd = CROWD.min(files.saturating_sub(OTHER_FILES));
    assert!(crowd > CROWD_MIN, "at most {files} files may be open");
    crowd
}

/// Connections that have sent nothing, a part of a head, or a part of a body.
async fn gather(at: SocketAddr, size: usize) -> Vec<TcpStream> {
    let head = "POST /api/v1/nodes/7/edge-cache HTTP/1.1\r\nhost: localhost\r\n";
    let body = "content-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    let sent = [String::new(), head.to_string(), format!("{head}{body}")];
    let mut streams = Vec::with_capacity(size);
    for sent in sent.iter().cycle().take(size) {
        let mut stream = TcpStream::connect(at).await.unwrap();
        // One that was made room of says so here at the earliest.
        let _ = stream.write_all(sent.as_bytes()).await;
        streams.push(stream);
    }
    streams
}

/// Asks on a connection of its own, and answers how long that took.
async fn ask(method: Method, url: String, status: u16) -> Duration {
    let start = Instant::now();
    let mut request = client(&[]).unwrap().request(method.clone(), &url);
    if method == Method::POST {
        let capacity = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3});
        request = request.json(&json!({ "capacity": capacity }));
    }
    let found = timeout(ANSWERED_WITHIN, answer(request)).await;
    let found = found
        .unwrap_or_else(|_| panic!("no answer within {ANSWERED_WITHIN:?}: {url}"))
        .unwrap();
    assert_eq!(found.status.as_u16(), status, "{found:?}");
    start.elapsed()
}

async fn expect_answers(limit: usize) {
    let size = crowd();
    let connections = limit.to_string();
    let args = [
        "--http-connections",
        &connections,
        "--health-listen",
        "127.0.0.1:0",
    ];
    let node = Node::start(1, &args).await.unwrap();
    let (main, health) = (node.http, node.health.unwrap());
    let on_main = gather(main, size).await;
    // A crowd at the other door has less room, and is no more in the way.
    let on_health = gather(health, size / 20).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
    let open = open.count();
    if limit > size {
        assert!(open > size, "only {open} files are open");
    } else {
        assert!(open < limit + OTHER_FILES, "{open} files are open");
    }
    let mut took = Vec::new();
    for (method, url, status) in [
        (Method::GET, format!("http://{main}/health/livez"), 200),
        (Method::GET, format!("http://{health}/health/livez"), 200),
        (Method::GET, format!("http://{main}/api/v1/plugin"), 200),
        (
            Method::POST,
            format!("http://{main}/api/v1/nodes/9/edge-cache"),
            204,
        ),
        (Method::GET, format!("http://{main}/health/readyz"), 200),
        (Method::GET, format!("http://{health}/health/readyz"), 200),
        (Method::GET, format!("http://{health}/api/v1/plugin"), 404),
    ] {
        took.push(ask(method, url, status).await);
    }
    println!(
        "{} and {} in the crowd, limit {limit}: {took:?}",
        on_main.len(),
        on_health.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_beyond_the_limit_holds_nobody_up() {
    expect_answers(256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_within_the_limit_holds_nobody_up() {
    expect_answers(6_000).await;
}

#[tokio::test]
async fn a_limit_of_files_that_is_too_low_is_said_at_the_start() {
    let shell = ["sh", "-c", "ulimit -n 300; exec \"$0\" \"$@\""];
    let gossip = ["--gossip-listen", "127.0.0.1:0"];
    let node = Node::start_with(&shell, 1, &gossip).await.unwrap();
    until("the warning", ANSWERED_WITHIN, || async {
        let log = node.log();
        if log.contains("LimitNOFILE") && log.contains("limit=300 needed=320") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let fewer = ["--http-connections", "200"];
    let node = Node::start_with(&shell, 1, &[gossip, fewer].concat())
        .await
        .unwrap();
    assert!(node.livez().await);
    assert!(!node.log().contains("LimitNOFILE"), "{}", node.log());
}

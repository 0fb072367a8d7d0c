//! Thousands of connections that are idle or slow do not keep health from being answered, and all bodies together have
//! a bound.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_cache_tests::load::{Connection, request};
use edge_cache_tests::long_tests;
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::gossip_node::Node;

/// Number of idle connections in the long tests.
const CROWD_LONG: usize = 5_000;
/// Number of idle connections otherwise: beside other tests a larger crowd is closed as fast as it connects.
const CROWD: usize = 1_000;
/// The files of this process beside the crowd's.
const OTHER_FILES: usize = 500;
/// Connections that are opened at a time: more than the kernel queues for an agent are retried after seconds.
const CONNECTING_MAX: usize = 256;
/// Connections beside those of `--http-connections`: 64 event streams and 64 waits.
const LONG_REQUESTS: usize = 128;
/// Maximum time until the whole crowd is connected.
const GATHERED_WITHIN: Duration = Duration::from_secs(60);
/// Maximum time for an answer on the listener for health in the long tests, which run alone.
const HEALTH_WITHIN_LONG: Duration = Duration::from_millis(50);
/// Maximum time for such an answer beside other tests. A listener that is held up answers after 10 s, when idle connections are closed.
const HEALTH_WITHIN: Duration = Duration::from_secs(1);
/// Maximum time for any other answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// Answers of health of which the median counts: a busy machine delays single ones.
const ANSWERS: usize = 21;
/// Requests with unfinished bodies.
const BODIES: usize = 256;
/// The largest resident size with these bodies, in bytes.
const RSS_MAX: u64 = 400_000_000;

/// One crowd at a time.
static ONE_CROWD: Mutex<()> = Mutex::const_new(());

/// Raises the limit of open files as far as it goes, and returns the size of the crowd.
fn crowd_size() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).unwrap();
    let files = limit.maximum.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    let crowd = if long_tests() { CROWD_LONG } else { CROWD };
    assert!(
        files.saturating_sub(OTHER_FILES) >= crowd,
        "at most {files} files may be open, but a crowd of {crowd} takes more: raise the hard limit (`ulimit -n`)"
    );
    crowd
}

/// Opens connections, each a silent one, and keeps them open; a closed one is opened again.
fn gather(at: SocketAddr, size: usize) -> JoinSet<()> {
    let mut crowd = JoinSet::new();
    let connecting = Arc::new(Semaphore::new(CONNECTING_MAX));
    for _ in 0..size {
        let connecting = connecting.clone();
        crowd.spawn(async move {
            while let Ok(turn) = connecting.acquire().await {
                let connected = TcpStream::connect(at).await;
                drop(turn);
                if let Ok(mut stream) = connected {
                    let _ = stream.read(&mut [0]).await;
                }
            }
        });
    }
    crowd
}

/// Returns the open connections to the API, by the listener for health.
async fn open_connections(health: SocketAddr) -> usize {
    let mut connection = Connection::open(health).await.unwrap();
    let asked = request("GET", "/metrics", "");
    assert_eq!(connection.ask(&asked).await.unwrap(), 200);
    let text = std::str::from_utf8(connection.body()).unwrap();
    let scrape = Scrape::parse(text).unwrap();
    scrape.value(r#"edge_cache_http_connections{listener="api"}"#) as usize
}

/// Asks for health on connections of their own, and returns the median time.
async fn health_time(health: SocketAddr) -> Duration {
    let mut times = Vec::new();
    for path in ["/health/livez", "/health/readyz"]
        .into_iter()
        .cycle()
        .take(ANSWERS)
    {
        let start = Instant::now();
        let mut connection = Connection::open(health).await.unwrap();
        let request = request("GET", path, "");
        let asked = connection.ask(&request);
        let status = timeout(ANSWERED_WITHIN, asked).await.unwrap().unwrap();
        assert_eq!(status, 200);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    times[ANSWERS / 2]
}

async fn expect_health(limit: usize) {
    let size = crowd_size();
    let connections = limit.to_string();
    let args = [
        "--http-connections",
        &connections,
        "--health-listen",
        "127.0.0.1:0",
    ];
    let _alone = ONE_CROWD.lock().await;
    let node = Node::start(1, &args).await.unwrap();
    let health = node.health.unwrap();
    let crowd = gather(node.http, size);
    let expected = size.min(limit + LONG_REQUESTS);
    let open = until("the crowd", GATHERED_WITHIN, || async {
        let open = open_connections(health).await;
        if open >= expected * 9 / 10 {
            Ok(open)
        } else {
            Err(open)
        }
    })
    .await;
    assert!(open <= limit + LONG_REQUESTS, "{open} connections");
    let took = health_time(health).await;
    println!("{size} idle connections, {open} of them accepted: health took {took:?}");
    let limit_of_time = if long_tests() {
        HEALTH_WITHIN_LONG
    } else {
        HEALTH_WITHIN
    };
    assert!(took < limit_of_time, "{took:?}");
    if size < limit {
        let answer = node.ask(Method::GET, "/api/v1/plugin", None);
        assert_eq!(timeout(ANSWERED_WITHIN, answer).await.unwrap().status, 200);
    }
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_beyond_the_limit_do_not_delay_health() {
    expect_health(256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_within_the_limit_delay_no_other_client() {
    expect_health(6_000).await;
}

/// As many waits as there may be, and as many event streams: the API answers, and one more of each gets 503.
#[tokio::test]
async fn long_requests_do_not_use_up_the_connections_of_the_api() {
    const EACH: usize = 64;
    let node = Node::start(1, &["--http-connections", "32"]).await.unwrap();
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}}).to_string();
    // No agent has that node: its labels do not follow.
    let wait = "/api/v1/nodes/7/edge-cache?wait=60s";
    let mut held = Vec::new();
    for _ in 0..EACH {
        let mut stream = TcpStream::connect(node.http).await.unwrap();
        let asked = request("GET", "/api/v1/events", "");
        stream.write_all(&asked).await.unwrap();
        assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
        held.push(stream);
    }
    let hold = async || {
        let mut stream = TcpStream::connect(node.http).await.unwrap();
        let asked = request("POST", wait, &body);
        stream.write_all(&asked).await.unwrap();
        stream
    };
    for _ in 0..EACH {
        held.push(hold().await);
    }
    let fill = async {
        loop {
            let body = serde_json::from_str(&body).unwrap();
            let path = "/api/v1/nodes/8/edge-cache?wait=1ms";
            let answer = node.ask(Method::POST, path, Some(&body)).await;
            if answer.status == 503 {
                return answer;
            }
            // This request may have had the permit of a wait, which was refused then: another takes its place.
            held.push(hold().await);
        }
    };
    let refused = timeout(ANSWERED_WITHIN, fill).await.expect("all waits");
    assert_eq!(refused.body["type"], "/problems/too-many-waits");
    let events = node.ask(Method::GET, "/api/v1/events", None).await;
    assert_eq!(events.body["type"], "/problems/too-many-subscribers");
    let plain = serde_json::from_str(&body).unwrap();
    let changed = node.ask(Method::POST, "/api/v1/nodes/9/edge-cache", Some(&plain));
    assert_eq!(timeout(ANSWERED_WITHIN, changed).await.unwrap().status, 204);
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse()
        .unwrap();
    kib * 1024
}

/// Each client sends all of the largest body but its last byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unfinished_bodies_have_a_bound_together() {
    const PART: usize = 1024 * 1024;
    const PARTS: usize = 4;
    let _alone = ONE_CROWD.lock().await;
    let node = Node::start(1, &["--health-listen", "127.0.0.1:0"])
        .await
        .unwrap();
    let pid = node.pid();
    let sent = Arc::<AtomicUsize>::default();
    let mut clients = JoinSet::new();
    for _ in 0..BODIES {
        let (at, sent) = (node.http, sent.clone());
        clients.spawn(async move {
            let mut stream = TcpStream::connect(at).await.unwrap();
            let head = format!(
                "PUT /api/v1/edge-cache/nodes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n",
                PART * PARTS
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let part = vec![b' '; PART];
            for number in 0..PARTS {
                let part = if number + 1 == PARTS { &part[1..] } else { &part[..] };
                if stream.write_all(part).await.is_err() {
                    break;
                }
            }
            sent.fetch_add(1, Ordering::Relaxed);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        });
    }
    let most = until("all bodies but their ends", GATHERED_WITHIN, || async {
        let resident = resident(pid);
        assert!(resident < RSS_MAX, "{resident} bytes are resident");
        let sent = sent.load(Ordering::Relaxed);
        if sent == BODIES {
            Ok(resident)
        } else {
            Err(sent)
        }
    })
    .await;
    println!("{BODIES} unfinished bodies: {most} bytes are resident");
    assert!(health_time(node.health.unwrap()).await < Duration::from_secs(1));
    let mut refused = 0;
    while let Some(answer) = clients.join_next().await {
        let answer = answer.unwrap();
        refused += usize::from(answer.contains("/problems/too-many-bodies"));
    }
    assert!(refused > BODIES / 2, "{refused} were refused");
    let small = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let path = "/api/v1/nodes/9/edge-cache";
    assert_eq!(node.ask(Method::POST, path, Some(&small)).await.status, 204);
}

#[tokio::test]
async fn a_limit_of_files_that_is_too_low_is_said_at_the_start() {
    let shell = ["sh", "-c", "ulimit -n 300; exec \"$0\" \"$@\""];
    let gossip = ["--gossip-listen", "127.0.0.1:0"];
    let node = Node::start_with(&shell, 1, &gossip).await.unwrap();
    until("the warning", ANSWERED_WITHIN, || async {
        let log = node.log();
        if log.contains("LimitNOFILE") && log.contains("limit=300 needed=448") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    let fewer = ["--http-connections", "100"];
    let node = Node::start_with(&shell, 1, &[gossip, fewer].concat())
        .await
        .unwrap();
    assert!(node.livez().await);
    assert!(!node.log().contains("LimitNOFILE"), "{}", node.log());
}

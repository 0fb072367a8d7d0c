//! Thousands of clients that want nothing, or want it slowly, do not keep the others from being answered.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edge_cache_tests::agent::{answer, client};
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

/// Number of clients in the crowd.
const CROWD: usize = 5_000;
/// The smallest crowd that says anything, where fewer files may be open. The long tests want all of it.
const CROWD_MIN: usize = 1_000;
/// The files of this process beside the crowds'.
const OTHER_FILES: usize = 500;
/// Groups of three clients that connect at once. A listener's queue takes 128 clients, and a client that
/// finds it full waits for a second or more.
const THREES_AT_ONCE: usize = 32;
/// Maximum time until the whole crowd is connected.
const GATHERED_WITHIN: Duration = Duration::from_secs(60);
/// Maximum time for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// Allows one crowd at a time: each client must be accepted within ten seconds.
static ONE_CROWD: Mutex<()> = Mutex::const_new(());

/// Clients at one door.
struct Crowd {
    clients: JoinSet<()>,
    /// Number of accepted connections of each client.
    came: Arc<AtomicUsize>,
}

/// Reaction of a client to a closed connection.
#[derive(Clone, Copy)]
enum ShownOut {
    ComesAgain,
    /// Keeps its side of the connection, and does no more.
    Lingers,
}

/// Connection metrics of an agent's main listener.
#[derive(Debug)]
struct Connections {
    open: usize,
    evicted: usize,
}

impl Crowd {
    fn gather(at: SocketAddr, size: usize, then: ShownOut) -> Self {
        let door = Arc::new(Semaphore::new(THREES_AT_ONCE));
        let came = Arc::<AtomicUsize>::default();
        let mut clients = JoinSet::new();
        for _ in 0..size.div_ceil(3) {
            let (door, came) = (door.clone(), came.clone());
            clients.spawn(async move {
                loop {
                    let entering = door.acquire().await.unwrap();
                    let mut three = enter(at).await;
                    drop(entering);
                    came.fetch_add(three.len(), Ordering::Relaxed);
                    match then {
                        ShownOut::ComesAgain => shown_out(&mut three).await,
                        ShownOut::Lingers => pending().await,
                    }
                }
            });
        }
        Self { clients, came }
    }

    /// Waits until each has been inside.
    async fn all_came(&self, size: usize) {
        until("the whole crowd", GATHERED_WITHIN, || async {
            let came = self.came.load(Ordering::Relaxed);
            if came >= size { Ok(()) } else { Err(came) }
        })
        .await;
    }

    /// Has them go, and returns when their files are closed.
    async fn disperse(mut self) {
        self.clients.shutdown().await;
    }
}

/// Connections that have sent nothing, a part of a head, and a part of a body.
async fn enter(at: SocketAddr) -> [TcpStream; 3] {
    let silent = TcpStream::connect(at).await.unwrap();
    let head = "POST /api/v1/nodes/7/edge-cache HTTP/1.1\r\nhost: localhost\r\n";
    let mut in_head = TcpStream::connect(at).await.unwrap();
    let mut in_body = TcpStream::connect(at).await.unwrap();
    let rest = "content-type: application/json\r\ncontent-length: 1000\r\n\
        expect: 100-continue\r\n\r\n";
    // An error means that the connection was already evicted.
    let _ = in_head.write_all(head.as_bytes()).await;
    let _ = in_body.write_all(format!("{head}{rest}").as_bytes()).await;
    // The agent asks for the body of the last one: it has let all three in.
    let _ = in_body.read(&mut [0; 64]).await;
    let _ = in_body.write_all(b"{").await;
    [silent, in_head, in_body]
}

/// Waits until the agent has had enough of one of them.
async fn shown_out([silent, in_head, in_body]: &mut [TcpStream; 3]) {
    let mut read = [[0]; 3];
    let [a, b, c] = &mut read;
    tokio::select! {
        _ = silent.read(a) => {}
        _ = in_head.read(b) => {}
        _ = in_body.read(c) => {}
    }
}

/// Raises the limit of files as far as it goes, and answers how large a crowd it allows.
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
    // With each crowd is a tenth in addition.
    let crowd = CROWD.min(files.saturating_sub(OTHER_FILES) / 11 * 10);
    let least = if long_tests() { CROWD } else { CROWD_MIN };
    assert!(
        crowd >= least,
        "at most {files} files may be open, enough for a crowd of {crowd}, but it takes {least}: raise the hard \
         limit (`ulimit -n`)"
    );
    crowd
}

async fn connections(at: SocketAddr) -> Connections {
    let mut connection = Connection::open(at).await.unwrap();
    let asked = request("GET", "/metrics", "");
    assert_eq!(connection.ask(&asked).await.unwrap(), 200);
    let text = std::str::from_utf8(connection.body()).unwrap();
    let scrape = Scrape::parse(text).unwrap();
    let number = |name: &str| scrape.value(&format!(r#"{name}{{listener="api"}}"#)) as usize;
    Connections {
        open: number("edge_cache_http_connections"),
        evicted: number("edge_cache_http_connections_evicted_total"),
    }
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
    let size = crowd_size();
    let args = [
        "--http-connections",
        &limit.to_string(),
        "--health-listen",
        "127.0.0.1:0",
    ];
    let node = Node::start(1, &args).await.unwrap();
    let (main, health) = (node.http, node.health.unwrap());
    let _alone = ONE_CROWD.lock().await;
    let fits = limit > size;
    let then = if fits {
        ShownOut::ComesAgain
    } else {
        ShownOut::Lingers
    };
    // Some more, so that those who are just coming again leave no gap.
    let on_main = Crowd::gather(main, size + size / 20, then);
    // A crowd at the other listener has a lower limit, and is no obstacle either.
    let on_health = Crowd::gather(health, size / 20, ShownOut::Lingers);
    on_main.all_came(size).await;
    on_health.all_came(size / 20).await;
    let before = if fits {
        until("the whole crowd at one moment", GATHERED_WITHIN, || async {
            let connections = connections(main).await;
            // One more is the one that was asked on.
            if connections.open > size {
                Ok(connections)
            } else {
                Err(connections)
            }
        })
        .await
    } else {
        let open = std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap();
        let open = open.count();
        assert!(open < limit + OTHER_FILES, "{open} files are open");
        let connections = connections(main).await;
        assert!(connections.open <= limit, "{connections:?}");
        assert!(connections.evicted > 0, "{connections:?}");
        connections
    };
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
    let after = connections(main).await;
    println!(
        "a crowd of {size}, of {CROWD} that are wanted, limit {limit}: before {before:?}, answers after {took:?}, \
         then {after:?}"
    );
    on_main.disperse().await;
    on_health.disperse().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_beyond_the_limit_delays_no_other_client() {
    expect_answers(256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_within_the_limit_delays_no_other_client() {
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

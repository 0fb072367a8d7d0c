//! The life of an agent as a process and its service manager see it: ready, reloading, and the end within
//! its bound.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use edge_cache_tests::agent::binary;
use edge_cache_tests::component::{hostile, reference_bytes, sha256, with_section};
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;

use super::gossip_node::{Node, meet};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);
/// Maximum time for a process to exit on a busy machine.
const TO_END: Duration = Duration::from_secs(3);
/// A request whose body never comes.
const UNFINISHED: &str = "POST /api/v1/nodes/7/edge-cache HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/json\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n";

/// A request that the agent has begun with: it has asked for the body.
async fn begin(at: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(UNFINISHED.as_bytes()).await.unwrap();
    let mut asked = [0; 12];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    stream
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Tells whether a process has started others that run.
fn has_children(node: &Node) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap();
    let mut children = tasks.map(|task| std::fs::read(task.unwrap().path().join("children")));
    children.any(|children| children.is_ok_and(|children| !children.is_empty()))
}

/// A service manager's side of the socket.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message that begins with this, and answers it.
    async fn hears(&self, beginning: &str) -> String {
        let mut heard = Vec::new();
        let wait = async {
            loop {
                let mut bytes = vec![0; 4096];
                let length = self.0.recv(&mut bytes).await.unwrap();
                bytes.truncate(length);
                let message = String::from_utf8(bytes).unwrap();
                if message.starts_with(beginning) {
                    return message;
                }
                heard.push(message);
            }
        };
        match timeout(SOON, wait).await {
            Ok(message) => message,
            Err(_) => panic!("{beginning} did not come; heard {heard:?}"),
        }
    }
}

#[tokio::test]
async fn a_service_manager_is_notified_of_start_and_stop() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    let socket = format!("NOTIFY_SOCKET={}", text(&socket));
    let launcher = ["env", &socket, "WATCHDOG_USEC=200000"];
    let gossip = ["--gossip-listen", "127.0.0.1:0"];
    let node = Node::start_with(&launcher, 1, &gossip).await.unwrap();
    assert_eq!(manager.hears("READY=1").await, "READY=1\n");
    assert_eq!(manager.hears("STATUS=ready").await, "STATUS=ready\n");
    let start = Instant::now();
    for _ in 0..3 {
        manager.hears("WATCHDOG=1").await;
    }
    assert!(start.elapsed() < Duration::from_secs(2));

    node.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1").await;
    let time = reloading
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .unwrap();
    assert!(time.trim_end().parse::<u64>().unwrap() > 0);
    manager.hears("READY=1").await;

    node.signal(Signal::TERM);
    manager.hears("STOPPING=1").await;
    assert_eq!(node.ended().await, Some(0));
}

#[tokio::test]
async fn a_service_manager_hears_ready_once_all_reloads_are_complete() {
    let directory = tempfile::tempdir().unwrap();
    let (socket, file) = (
        directory.path().join("notify"),
        directory.path().join("p.wasm"),
    );
    let write = |bytes: &[u8]| {
        let new = file.with_extension("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    write(reference_bytes().unwrap());
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    let socket = format!("NOTIFY_SOCKET={}", text(&socket));
    let args = ["--gossip-listen", "127.0.0.1:0", "--plugin", text(&file)];
    let node = Node::start_with(&["env", &socket], 1, &args).await.unwrap();
    manager.hears("READY=1").await;
    let [second, third] = [b"2", b"3"].map(|note| {
        let reference = reference_bytes().unwrap();
        with_section(reference, "note", note)
    });
    write(&second);
    node.signal(Signal::HUP);
    manager.hears("RELOADING=1").await;
    until("a compiler, or its result", SOON, || async {
        let shown = node.ask(Method::GET, "/api/v1/plugin", None).await.body;
        if has_children(&node) || shown["sha256"] == sha256(&second) {
            Ok(())
        } else {
            Err(shown)
        }
    })
    .await;
    write(&third);
    node.signal(Signal::HUP);
    manager.hears("RELOADING=1").await;
    manager.hears("READY=1").await;
    let shown = node.ask(Method::GET, "/api/v1/plugin", None).await.body;
    assert_eq!(shown["sha256"], sha256(&third), "{shown}");
}

#[tokio::test]
async fn an_agent_stops_within_its_limit_while_requests_are_under_way() {
    let node = Node::start(1, &["--shutdown-timeout", "1s"]).await.unwrap();
    let _slow = begin(node.http).await;
    let log = node.log_handle();
    let start = Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(1));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1) + TO_END, "{took:?}");
    let said = "aborted after the shutdown timeout of 1s: requests";
    log.expect(said, SOON).await;
}

#[tokio::test]
async fn a_component_that_hangs_does_not_hold_up_the_end() {
    let plugin = hostile().unwrap();
    let one = Node::start(1, &["--gossip-interval", "200ms"])
        .await
        .unwrap();
    let seed = one.gossip.to_string();
    let args = [
        "--gossip-interval=200ms",
        "--shutdown-timeout=4s",
        "--limits-call-deadline=5m",
        "--limits-load-deadline=5m",
        "--plugin-settings=behaviour=loop@enable",
        "--plugin",
        text(plugin),
        "--seed",
        &seed,
    ];
    let two = Node::start(2, &args).await.unwrap();
    meet(&[&one, &two], SOON).await;
    // It is the node that the guest hangs for. Nobody waits for the answer.
    let mut hung = TcpStream::connect(two.http).await.unwrap();
    let body = r#"{"capacity":{"cpu_cores":1,"ram_mib":1,"disk_mib":1}}"#;
    let head = format!(
        "POST /api/v1/nodes/666/edge-cache HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    hung.write_all(head.as_bytes()).await.unwrap();
    let behind = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    until("a change that waits behind the hung one", SOON, || async {
        let change = two.ask(Method::POST, "/api/v1/nodes/7/edge-cache", Some(&behind));
        match timeout(Duration::from_millis(500), change).await {
            Ok(answer) => Err(answer),
            Err(_) => Ok(()),
        }
    })
    .await;

    let start = Instant::now();
    two.signal(Signal::TERM);
    let readyz = until("an agent that is not ready", SOON, || async {
        let answer = two.ask(Method::GET, "/health/readyz", None).await;
        if answer.status == StatusCode::SERVICE_UNAVAILABLE {
            Ok(answer)
        } else {
            Err(answer)
        }
    })
    .await;
    assert_eq!(readyz.body["reasons"], json!(["the agent is stopping"]));
    assert!(two.livez().await);
    // One that comes before the queue is closed waits behind the hung one, and is cut off with it.
    let refused = until("a change that is refused", SOON, || async {
        let change = two.ask(Method::POST, "/api/v1/nodes/7/edge-cache", Some(&behind));
        match timeout(Duration::from_millis(500), change).await {
            Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Ok(answer),
            answer => Err(answer),
        }
    })
    .await;
    assert_eq!(
        refused.body["type"], "/problems/shutting-down",
        "{refused:?}"
    );

    // Peers are told nevertheless.
    let gone = until("a peer less", SOON, || async {
        let peers = one.peer_ids().await;
        if peers.is_empty() {
            Ok(start.elapsed())
        } else {
            Err(peers)
        }
    })
    .await;
    assert!(gone < Duration::from_secs(4), "{gone:?}");
    let log = two.log_handle();
    assert_eq!(two.ended().await, Some(1));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(4) + TO_END, "{took:?}");
    log.expect("aborted after the shutdown timeout of 4s: writer", SOON)
        .await;
}

#[tokio::test]
async fn an_agent_that_is_still_starting_ends_at_once() {
    let plugin = hostile().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let place = [
        "--data-dir",
        text(directory.path()),
        "--plugin",
        text(plugin),
    ];
    let node = Node::start(1, &place).await.unwrap();
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let answer = node
        .ask(Method::POST, "/api/v1/nodes/666/edge-cache", Some(&body))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));

    // Now it hangs in the load of that very entry, for which there is all the time in the world.
    let mut child = tokio::process::Command::new(binary().unwrap())
        .args([
            "--node-id=1",
            "--http-listen=127.0.0.1:0",
            "--gossip-listen=127.0.0.1:0",
        ])
        .args([
            "--limits-load-deadline=10m",
            "--plugin-settings=behaviour=loop@load",
        ])
        .args(["--log-level=info"])
        .args(place)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut wait_for = async |said: &str| {
        timeout(SOON, async {
            while let Some(line) = log.next_line().await.unwrap() {
                if line.contains(said) {
                    return;
                }
            }
            panic!("it ended without {said}");
        })
        .await
        .unwrap();
    };
    wait_for("gossip started").await;
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    let start = Instant::now();
    kill_process(pid, Signal::TERM).unwrap();
    wait_for("stopped before it was ready").await;
    let status = timeout(SOON, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(start.elapsed() < TO_END, "{:?}", start.elapsed());
    let mut said = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "", "it was never ready");
}

#[tokio::test]
async fn a_second_signal_ends_an_agent_at_once() {
    let node = Node::start(1, &["--shutdown-timeout", "5m"]).await.unwrap();
    let _slow = begin(node.http).await;
    node.signal(Signal::TERM);
    until("an agent that serves no more", SOON, || async {
        match TcpStream::connect(node.http).await {
            Ok(_) => Err("it serves"),
            Err(_) => Ok(()),
        }
    })
    .await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(128 + 15));
}

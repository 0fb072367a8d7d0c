//! The settings of an agent where it runs as a process, and its life as a service manager sees it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use edge_cache_tests::agent::{Ended, binary, run_to_end};
use edge_cache_tests::wait::until;
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::timeout;

use super::gossip_node::{Node, meet};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);
/// What a process takes to end once it wants to, on a busy machine.
const TO_END: Duration = Duration::from_secs(3);

fn file(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("agent.toml");
    std::fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn check(path: &Path) -> Ended {
    run_to_end(&["config", "check", "--config", text(path)])
        .await
        .unwrap()
}

/// The reference component's file and its digest, as `sha256sum` has it.
fn component() -> (PathBuf, String) {
    let path = edge_cache_build::reference_component().unwrap();
    let digest = std::process::Command::new("sha256sum")
        .arg(&path)
        .output()
        .unwrap();
    let digest = String::from_utf8(digest.stdout).unwrap();
    (path, digest.split(' ').next().unwrap().to_string())
}

#[tokio::test]
async fn an_agent_takes_flags_over_variables_over_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let one = Node::start(1, &[]).await.unwrap();
    let path = file(
        directory.path(),
        &format!(
            "label = {{ zone = 'file' }}\nwg_pubkey = 'file'\noverlay_ip = 'file'\n\
             [gossip]\nlisten = '127.0.0.1:0'\ninterval = '200ms'\nseed = ['{}']\n\
             [limits]\ncall_deadline = '2s'\n[plugin.settings]\nweight = 'ram'",
            one.gossip
        ),
    );
    let config = format!("EDGE_CACHE_CONFIG={}", text(&path));
    let launcher = [
        "env",
        &config,
        "EDGE_CACHE_WG_PUBKEY=variable",
        "EDGE_CACHE_OVERLAY_IP=variable",
    ];
    let args = ["--overlay-ip", "flag"];
    let two = Node::start_with(&launcher, 2, &args).await.unwrap();
    meet(&[&one, &two], SOON).await;
    let peers = one
        .ask(Method::GET, "/api/v1/cluster/gossip/peers", None)
        .await;
    let two = &peers.body[0];
    assert_eq!(two["labels"], json!({"zone": "file"}));
    assert_eq!(two["wg_pubkey"], "variable");
    assert_eq!(two["overlay_ip"], "flag");
}

#[tokio::test]
async fn a_check_says_what_holds_and_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (plugin, digest) = component();
    let data = directory.path().join("data");
    let path = file(
        directory.path(),
        &format!(
            "node_id = 1\ndata_dir = '{}'\n[gossip]\nlisten = '127.0.0.1:1'\n\
             [plugin]\nfile = '{}'\nsha256 = '{digest}'",
            text(&data),
            text(&plugin)
        ),
    );
    let ended = check(&path).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&digest), "{ended:?}");
    assert!(ended.stdout.contains("as pinned"), "{ended:?}");
    assert!(!ended.stdout.contains("WRONG"), "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert!(!data.exists());

    let example = run_to_end(&["config", "example"]).await.unwrap();
    let example = example.stdout.replace("# node_id = NUMBER", "node_id = 1");
    let ended = check(&file(directory.path(), &example)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_check_names_everything_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let not_a_directory = directory.path().join("file");
    std::fs::write(&not_a_directory, "").unwrap();
    let path = file(
        directory.path(),
        &format!(
            "node_id = 1\ndata_dir = '{}'\n[http]\nlisten = '0.0.0.0:0'\n\
             [gossip]\nlisten = '127.0.0.1:0'\nkey_file = '/no/such/keys'\n\
             [plugin]\nfile = '/no/such/plugin'",
            text(&not_a_directory)
        ),
    );
    let ended = check(&path).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for said in [
        "right  settings:",
        "WRONG  together: `--http-listen` must be a loopback address",
        "/no/such/keys",
        "must be a directory",
        "cannot read the plugin /no/such/plugin",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let path = file(directory.path(), "[gossip]\nlisen = '127.0.0.1:0'");
    for ended in [
        check(&path).await,
        run_to_end(&["--config", text(&path)]).await.unwrap(),
    ] {
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let said = "agent.toml: there is no setting `gossip.lisen`; do you mean `gossip.listen`?";
        assert!(ended.stderr.contains(said), "{ended:?}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    }
}

#[tokio::test]
async fn a_component_that_is_not_the_pinned_one_is_refused() {
    let (plugin, digest) = component();
    let pinned = "ab".repeat(32);
    let args = ["--node-id", "1", "--plugin", text(&plugin)];
    let ended = run_to_end(&[&args[..], &["--plugin-sha256", &pinned]].concat())
        .await
        .unwrap();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for said in [&pinned, &digest] {
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
    let digest = digest.to_uppercase();
    let args = ["--plugin", text(&plugin), "--plugin-sha256", &digest];
    let node = Node::start(1, &args).await.unwrap();
    assert!(node.livez().await);
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
async fn a_service_manager_is_told_of_the_agents_life() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    let socket = format!("NOTIFY_SOCKET={}", text(&socket));
    let launcher = ["env", &socket, "WATCHDOG_USEC=200000"];
    let gossip = ["--gossip-listen", "127.0.0.1:0"];
    let node = Node::start_with(&launcher, 1, &gossip).await.unwrap();
    assert_eq!(manager.hears("READY=1").await, "READY=1\n");
    assert_eq!(manager.hears("STATUS=").await, "STATUS=ready\n");
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
async fn an_agent_ends_within_its_bound_whatever_is_under_way() {
    let node = Node::start(1, &["--shutdown-timeout", "1s"]).await.unwrap();
    // A request that never comes to its end.
    let mut slow = TcpStream::connect(node.http).await.unwrap();
    let head = "POST /api/v1/nodes/7/edge-cache HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    assert!(node.livez().await);
    let log = node.log_handle();
    let start = Instant::now();
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(1));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(1) + TO_END, "{took:?}");
    let said = "requests under way had not ended 1s after the stop was asked for";
    log.expect(said, SOON).await;
}

#[tokio::test]
async fn a_component_that_hangs_does_not_hold_up_the_end() {
    let plugin = edge_cache_build::guest_component("hostile").unwrap();
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
        text(&plugin),
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
    let refused = two
        .ask(Method::POST, "/api/v1/nodes/7/edge-cache", Some(&behind))
        .await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    assert_eq!(
        refused.body["type"], "/problems/shutting-down",
        "{refused:?}"
    );

    // Peers are told all the same.
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
    log.expect("the registry's writer", SOON).await;
}

#[tokio::test]
async fn an_agent_that_is_still_starting_ends_at_once() {
    let plugin = edge_cache_build::guest_component("hostile").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let place = [
        "--data-dir",
        text(directory.path()),
        "--plugin",
        text(&plugin),
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
    let mut slow = TcpStream::connect(node.http).await.unwrap();
    let head = "POST /api/v1/nodes/7/edge-cache HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/json\r\ncontent-length: 10\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    assert!(node.livez().await);
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

#[tokio::test]
async fn a_log_of_json_is_an_object_a_line() {
    let log = [
        "--log-format",
        "json",
        "--log-level",
        "info,edge_cache_host=debug",
    ];
    let node = Node::start(1, &log).await.unwrap();
    node.enable(1).await;
    assert!(node.livez().await);
    let handle = node.log_handle();
    handle.expect("/health/livez", SOON).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    handle.expect("\"stopped\"", SOON).await;
    let lines = objects(&handle.read());
    let answered = |route: &str| {
        let is_it = |line: &&Value| line["message"] == "answered" && line["route"] == route;
        lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{route}: {lines:?}"))
    };
    let change = answered("/api/v1/nodes/{id}/edge-cache");
    assert_eq!(change["level"], "INFO");
    assert_eq!(change["method"], "POST");
    assert_eq!(change["path"], "/api/v1/nodes/1/edge-cache");
    assert_eq!(change["status"], 204);
    assert!(change["time_us"].as_u64().unwrap() > 0);
    assert_eq!(answered("/health/livez")["level"], "DEBUG");

    let args = [
        "--node-id",
        "1",
        "--plugin",
        "no-such-file",
        "--log-format",
        "json",
    ];
    let failed = run_to_end(&args).await.unwrap();
    assert_eq!(failed.code, Some(1));
    let lines = objects(&failed.stderr);
    let last = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(
        last.contains("cannot read the plugin no-such-file"),
        "{last}"
    );
}

fn objects(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .inspect(|line: &Value| assert!(line.is_object(), "{line}"))
        .collect()
}

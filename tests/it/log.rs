//! The log of an agent and its audit lines, whatever happens to those who read them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use edge_cache_tests::agent::{answer, binary, client, command};
use edge_cache_tests::small_disk::SmallDisk;
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use super::access::{token, write};
use super::gossip_node::{Node, meet, metric};

/// The time limit of every condition here.
const SOON: Duration = Duration::from_secs(30);
const NODE: &str = "/api/v1/nodes/7/edge-cache";

/// A line of the audit file without what differs from run to run. Its capacities are JSON within JSON.
fn shown(line: &Value) -> Value {
    let mut line = line.clone();
    for field in ["before", "after"] {
        if let Some(text) = line[field].as_str() {
            line[field] = serde_json::from_str(text).unwrap();
        }
    }
    let fields = ["target", "message", "node_id", "before", "after"];
    fields
        .iter()
        .map(|field| (field.to_string(), line[*field].clone()))
        .collect()
}

#[tokio::test]
async fn each_change_is_audited_with_its_caller_and_what_was_before() {
    let directory = tempfile::tempdir().unwrap();
    let (tokens, file) = (
        directory.path().join("tokens"),
        directory.path().join("audit"),
    );
    let deploy = token("deploy", "write").await;
    write(&tokens, &[&deploy]);
    let args = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--api-token-file",
        tokens.to_str().unwrap(),
        "--log-audit-file",
        file.to_str().unwrap(),
        "--log-level",
        "off",
    ];
    let node = Node::start_with(&[], 1, &args).await.unwrap();
    let small = json!({"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3});
    let large = json!({"cpu_cores": 4, "ram_mib": 5, "disk_mib": 6, "geo": "eu"});
    let mut ids = Vec::new();
    let mut change = async |method: Method, body: Option<Value>, status: u16| {
        let url = format!("http://{}{NODE}", node.http);
        let mut request = client(&[]).unwrap().request(method, url);
        if let Some(capacity) = body {
            request = request.json(&json!({ "capacity": capacity }));
        }
        let response = request.bearer_auth(&deploy.secret).send().await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        ids.push(
            response.headers()["x-request-id"]
                .to_str()
                .unwrap()
                .to_string(),
        );
    };
    change(Method::POST, Some(small.clone()), 204).await;
    change(Method::POST, Some(large.clone()), 204).await;
    change(Method::DELETE, None, 204).await;
    // Refused changes are none.
    change(Method::DELETE, None, 404).await;
    change(
        Method::POST,
        Some(json!({"cpu_cores": 0, "ram_mib": 0, "disk_mib": 0, "geo": "no geo"})),
        422,
    )
    .await;

    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line = |message: &str, before: Value, after: Value| {
        json!({
            "target": "edge_cache_audit", "message": message, "node_id": 7,
            "before": before, "after": after,
        })
    };
    let found: Vec<Value> = lines.iter().map(shown).collect();
    let expected = [
        line("enable", Value::Null, small.clone()),
        line("enable", small, large.clone()),
        line("disable", large, Value::Null),
    ];
    assert_eq!(found, expected, "{text}");
    for (line, id) in lines.iter().zip(&ids) {
        assert_eq!(line["span"]["token"], "deploy", "{line}");
        assert_eq!(line["span"]["request_id"], **id, "{line}");
    }
    assert!(
        !text.contains(&deploy.secret[4..]),
        "a token is in the file"
    );
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
}

#[tokio::test]
async fn a_full_disk_under_the_log_costs_lines_that_are_counted() {
    let onto_full = ["sh", "-c", "exec \"$0\" \"$@\" 2>/dev/full"];
    let args = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--log-audit-file",
        "/dev/full",
    ];
    let node = Node::start_with(&onto_full, 1, &args).await.unwrap();
    node.enable(1).await;
    until("counted lines", SOON, || async {
        let dropped = metric(&node, "edge_cache_log_dropped_lines_total").await;
        (dropped > 0.0).then_some(()).ok_or(dropped)
    })
    .await;
    assert!(node.livez().await);
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
}

#[tokio::test]
async fn readiness_warns_while_audit_lines_are_lost() {
    let Some(disk) = SmallDisk::mount(64).unwrap() else {
        return;
    };
    let file = disk.path().join("audit");
    let args = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--log-audit-file",
        file.to_str().unwrap(),
    ];
    let node = Node::start_with(&[], 1, &args).await.unwrap();
    let warned = async |node_id, expected: bool| {
        node.enable(node_id).await;
        until("the warning", SOON, || async {
            let health = node.ask(Method::GET, "/health/readyz", None).await.body;
            let warnings = health["warnings"].to_string();
            let text = format!(
                "the last audit line was not written to {}: No space left on device (os error 28)",
                file.display()
            );
            (warnings.contains(&text) == expected)
                .then_some(())
                .ok_or(warnings)
        })
        .await;
    };
    warned(1, false).await;
    disk.fill().unwrap();
    // What is left of the last page takes some lines.
    for node_id in 2..40 {
        node.enable(node_id).await;
    }
    warned(40, true).await;
    disk.free().unwrap();
    warned(41, false).await;
}

#[tokio::test]
async fn an_agent_whose_output_nobody_reads_serves_and_says_which_agent_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(binary().unwrap())
        .args(["run", "--node-id", "9", "--http-listen", "127.0.0.1:0"])
        .args(["--data-dir", directory.path().to_str().unwrap()])
        .args(["--cluster-id", "here", "--log-format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let serving = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "serving" {
                return line;
            }
        }
        panic!("it ended")
    };
    let serving = timeout(SOON, serving).await.unwrap();
    assert_eq!(serving["node_id"], 9);
    assert_eq!(serving["cluster"], "here");
    assert_eq!(serving["nodes"], 0);
    assert_eq!(serving["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(serving["data_dir"], directory.path().to_str().unwrap());
    let digest = serving["plugin_sha256"].as_str().unwrap();
    assert_eq!(digest.len(), 64, "{digest}");
    let address = serving["address"].as_str().unwrap();
    let livez = client(&[])
        .unwrap()
        .get(format!("http://{address}/health/livez"));
    assert_eq!(answer(livez).await.unwrap().status, 200);
}

#[tokio::test]
async fn debug_shows_lines_of_this_program_only() {
    let args = ["--log-level", "debug", "--log-format", "json"];
    let node = Node::start(1, &args).await.unwrap();
    let log = node.log_handle();
    assert!(node.livez().await);
    log.expect("/health/livez", SOON).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    let log = log.read();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let verbose: Vec<_> = lines
        .iter()
        .filter(|line| line["level"] == "DEBUG")
        .collect();
    assert!(!verbose.is_empty(), "{log}");
    for line in verbose {
        let target = line["target"].as_str().unwrap();
        assert!(target.starts_with("edge_cache"), "{line}");
    }
}

#[tokio::test]
async fn members_that_come_leave_and_fail_are_logged() {
    let interval = ["--gossip-interval", "100ms", "--log-level", "info"];
    let one = Node::start(1, &interval).await.unwrap();
    let seed = one.gossip.to_string();
    let with_seed = [&interval[..], &["--seed", &seed]].concat();
    let two = Node::start(2, &with_seed).await.unwrap();
    let three = Node::start(3, &with_seed).await.unwrap();
    meet(&[&one, &two, &three], SOON).await;
    let log = one.log_handle();
    log.expect("members have joined", SOON).await;
    two.signal(Signal::TERM);
    assert_eq!(two.ended().await, Some(0));
    log.expect("members have left count=1 nodes=\"2\"", SOON)
        .await;
    three.signal(Signal::KILL);
    log.expect("members have failed count=1 nodes=\"3\"", SOON)
        .await;
    // Those that follow soon after are named together, later.
    let [four, five] = [4, 5].map(|id| Node::start(id, &with_seed));
    let (four, five) = (four.await.unwrap(), five.await.unwrap());
    meet(&[&one, &four, &five], SOON).await;
    four.signal(Signal::KILL);
    five.signal(Signal::KILL);
    until("both names", SOON, async || {
        let text = log.read();
        let lines = text
            .lines()
            .filter(|line| line.contains("members have failed"));
        let has = |node: &str| lines.clone().any(|line| line.contains(node));
        let are_named = (has("\"4") || has(",4")) && (has("5\"") || has("5,"));
        are_named.then_some(()).ok_or(text.clone())
    })
    .await;
}

#[tokio::test]
async fn the_log_has_colours_where_its_reader_shows_them() {
    for (variables, has_colours) in [
        (&[][..], false),
        (&["CLICOLOR_FORCE=1"], true),
        (&["CLICOLOR_FORCE=1", "NO_COLOR=1"], false),
        (&["CLICOLOR_FORCE=1", "NO_COLOR="], true),
    ] {
        let unset = ["env", "-u", "NO_COLOR", "-u", "CLICOLOR_FORCE"];
        let launcher = [&unset[..], variables].concat();
        let gossip = ["--gossip-listen", "127.0.0.1:0"];
        let node = Node::start_with(&launcher, 1, &gossip).await.unwrap();
        let line = until("the first line", SOON, || async {
            let log = node.log();
            let line = log.lines().find(|line| line.contains("gossip started"));
            line.map(str::to_string).ok_or(log)
        })
        .await;
        assert_eq!(
            line.contains('\u{1b}'),
            has_colours,
            "{variables:?}: {line:?}"
        );
    }
}

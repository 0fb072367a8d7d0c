//! The commands that ask a running agent, as scripts and people use them: what they print in both formats,
//! and how they end.

mod canned;
mod follow;
mod library;
mod secure;

use std::net::SocketAddr;
use std::time::Duration;

use edge_cache_tests::agent::{Agent, Ended, run_to_end};
use edge_cache_tests::wait::until;
use serde_json::{Value, json};

use canned::Canned;

/// Maximum time until a node's labels are assessed, or its leave is seen.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// A command to an agent, of words without blanks.
async fn ask(at: SocketAddr, command: &str) -> Ended {
    let at = at.to_string();
    let words: Vec<&str> = command.split_whitespace().chain(["--addr", &at]).collect();
    run_to_end(&words).await.unwrap()
}

/// Runs a command that must succeed and returns its JSON: one line and nothing else.
async fn json_of(at: SocketAddr, command: &str) -> Value {
    let ended = ask(at, &format!("{command} --format json")).await;
    assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
    assert_eq!(ended.stderr, "", "{command}");
    assert_eq!(ended.stdout.lines().count(), 1, "{command}: {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Runs a command that must succeed and returns its text output.
async fn text_of(at: SocketAddr, command: &str) -> String {
    let ended = ask(at, command).await;
    assert_eq!(ended.code, Some(0), "{command}: {ended:?}");
    assert_eq!(ended.stderr, "", "{command}");
    ended.stdout
}

/// The cells of a row that begins with this.
fn row<'a>(table: &'a str, first: &str) -> Vec<&'a str> {
    let cells = |line: &'a str| -> Vec<&'a str> {
        let cells = line.split(['│', '┆']).map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect()
    };
    let mut rows = table.lines().map(cells);
    rows.find(|cells| cells.first() == Some(&first))
        .unwrap_or_else(|| panic!("no row {first} in\n{table}"))
}

/// Waits until a key is routed to this number of nodes: labels are assessed a moment after they are seen.
async fn routed(at: SocketAddr, nodes: usize) {
    until("the routing", SEEN_WITHIN, || async {
        let route = json_of(at, "route /video").await;
        let found = route["nodes"].as_array().unwrap().len();
        if found == nodes { Ok(()) } else { Err(route) }
    })
    .await;
}

/// Two agents that know each other.
async fn two() -> (Agent, Agent) {
    let common = [
        "--allow-local-admin",
        "--gossip-interval",
        "100ms",
        "--gossip-listen",
        "127.0.0.1:0",
    ];
    let one = Agent::start(&[&["--node-id", "1"][..], &common].concat())
        .await
        .unwrap();
    let seed = one.gossip.unwrap().to_string();
    let two = ["--node-id", "2", "--seed", &seed];
    let two = Agent::start(&[&two[..], &common].concat()).await.unwrap();
    (one, two)
}

#[tokio::test]
async fn nodes_are_enabled_shown_routed_to_and_disabled() {
    let (one, two) = two().await;
    let at = one.http;
    let enable = "enable 2 --cpu-cores 8 --ram-mib 16384 --disk-mib 512000 --geo eu-west-1";
    assert_eq!(
        json_of(at, &format!("{enable} --wait 20s")).await,
        json!({"node_id": 2, "registered": true, "advertised": true})
    );
    assert_eq!(text_of(at, enable).await, "node 2 is enabled\n");
    assert_eq!(
        text_of(at, &format!("{enable} --wait")).await,
        "node 2 is enabled, and its labels are seen\n"
    );

    assert_eq!(
        json_of(at, "nodes").await,
        one.get("/api/v1/edge-cache/nodes").await.unwrap()
    );
    let table = text_of(at, "nodes").await;
    let cells = row(&table, "2");
    assert_eq!(
        cells[..6],
        ["2", "8", "16384", "512000", "eu-west-1", "yes"]
    );

    assert_eq!(
        json_of(at, "node 2").await,
        one.get("/api/v1/nodes/2/edge-cache").await.unwrap()
    );
    let table = text_of(at, "node 2").await;
    let capacity = "8 cores, 16384 MiB RAM, 512000 MiB disk, eu-west-1";
    assert_eq!(row(&table, "capacity"), ["capacity", capacity]);
    assert_eq!(row(&table, "advertised"), ["advertised", "yes"]);
    let decision = row(&table, "decision")[1];
    assert!(decision.ends_with("by the agent of node 1"), "{table}");

    let refused = ask(at, "stats 2 --add-hits 3").await;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(
        refused.stderr.contains("the agent of node 2"),
        "{refused:?}"
    );
    let own = two.http;
    let totals = json!({"hits": 3, "misses": 0, "counted_by": 2, "hit_ratio": 1.0});
    assert_eq!(json_of(own, "stats 2 --add-hits 3").await, totals);
    assert_eq!(json_of(own, "stats 2").await, totals);
    let table = text_of(own, "stats 2 --add-hits 1 --add-misses 2").await;
    assert_eq!(
        (row(&table, "hits")[1], row(&table, "misses")[1]),
        ("4", "2")
    );

    routed(at, 1).await;
    let route = json_of(at, "route /video?a=b&c --replicas 2 --geo eu-west-1").await;
    let replica = json!({"node_id": 2, "weight": 500, "geo": "eu-west-1"});
    assert_eq!(route, json!({ "nodes": [replica] }));
    let table = text_of(at, "route /video").await;
    assert_eq!(row(&table, "2"), ["2", "500", "eu-west-1", "-"]);

    assert_eq!(
        text_of(at, "disable 2 --wait 20s").await,
        "node 2 is disabled, and its labels are gone\n"
    );
    assert_eq!(json_of(at, "nodes").await, json!({"nodes": []}));
    routed(at, 0).await;
    json_of(at, &format!("{enable} --wait 20s")).await;
    assert_eq!(
        json_of(at, "disable 2").await,
        json!({"node_id": 2, "registered": false})
    );
}

/// The list of members without the times, which go on.
fn when_heard_left_out(mut list: Value) -> Value {
    let members = list["members"].as_array_mut().unwrap();
    for member in members.iter_mut().filter_map(Value::as_object_mut) {
        member.remove("last_heard");
    }
    list
}

#[tokio::test]
async fn members_the_component_and_the_end_of_an_agent() {
    let (one, two) = two().await;
    let at = one.http;
    json_of(
        at,
        "enable 2 --cpu-cores 1 --ram-mib 1 --disk-mib 1 --wait 20s",
    )
    .await;
    let printed = json_of(at, "peers --status alive").await;
    let served = one.get("/api/v1/cluster/members?status=alive").await;
    assert_eq!(
        when_heard_left_out(printed),
        when_heard_left_out(served.unwrap())
    );
    let table = text_of(at, "peers").await;
    let gossip = two.gossip.unwrap().to_string();
    assert_eq!(row(&table, "2")[..5], ["2", "alive", &gossip, "-", "agent"]);
    assert_eq!(row(&table, "1")[1], "alive");

    let plugin = one.get("/api/v1/plugin").await.unwrap();
    assert_eq!(json_of(at, "plugin show").await, plugin);
    let table = text_of(at, "plugin show").await;
    assert_eq!(row(&table, "sha256")[1], plugin["sha256"].as_str().unwrap());
    assert_eq!(row(&table, "state")[1], "running");
    let logs = json_of(at, "plugin logs").await;
    assert_eq!(logs, one.get("/api/v1/plugin/logs").await.unwrap());
    let lines = text_of(at, "plugin logs").await;
    for line in logs["lines"].as_array().unwrap() {
        assert!(lines.contains(line["message"].as_str().unwrap()), "{lines}");
    }

    assert_eq!(text_of(two.http, "leave").await, "the agent leaves\n");
    assert_eq!(two.ended().await.unwrap(), Some(0));
    until("the leaving member", SEEN_WITHIN, || async {
        let left = json_of(at, "peers --status leaving").await;
        if left["members"][0]["node_id"] == 2 {
            Ok(())
        } else {
            Err(left)
        }
    })
    .await;
    assert_eq!(json_of(at, "leave").await, json!({"leaving": true}));
    assert_eq!(one.ended().await.unwrap(), Some(0));
}

#[tokio::test]
async fn each_way_to_fail_has_its_exit_code_and_one_line() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let at = agent.http;
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = nobody.local_addr().unwrap();
    drop(nobody);
    let busy = Canned::new(&[canned::problem(503, "the queue is full")]).await;
    let failed = Canned::new(&[canned::answer(500, "text/html", "<p>oh</p>")]).await;
    let elsewhere = Canned::new(&[
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
            .to_string(),
    ])
    .await;
    let other = Canned::new(&[canned::answer(200, "text/html", "<p>hello</p>")]).await;
    let missing = Canned::new(&[canned::answer(404, "text/plain", "no such page")]).await;
    let silent = Canned::new(&[]).await;
    for (at, command, code, said) in [
        (
            closed,
            "nodes",
            1,
            "GET /api/v1/edge-cache/nodes at http://127.0.0.1",
        ),
        (closed, "nodes", 1, "refused"),
        (
            busy.at,
            "nodes",
            1,
            "503 Service Unavailable: the queue is full",
        ),
        (
            failed.at,
            "nodes",
            1,
            "500 Internal Server Error: <p>oh</p>",
        ),
        (elsewhere.at, "nodes", 1, "302 Found"),
        (other.at, "nodes", 1, "not that of an agent"),
        // Another listener: nobody said that the node does not exist.
        (missing.at, "disable 7", 1, "404 Not Found: no such page"),
        (
            silent.at,
            "nodes --timeout 100ms",
            1,
            "no response within 100ms",
        ),
        (closed, "events", 1, "GET /api/v1/events"),
        (at, "node", 2, "<NODE>"),
        (at, "node seven", 2, "a node id is a number"),
        (at, "enable 7 --cpu-cores 1", 2, "--ram-mib"),
        (
            at,
            "enable 7 --cpu-cores 1 --ram-mib 1 --disk-mib 1 --wait 2h",
            2,
            "from 0s to 1m",
        ),
        (at, "disable 7 --wait 61s", 2, "from 0s to 1m"),
        (at, "route /video --replicas 9", 2, "1 to 8"),
        (at, "nodes --status alive", 2, "--status"),
        (at, "nodes --token-file /nonexistent", 2, "/nonexistent"),
        (at, "node 7", 3, "node 7 is not registered"),
        (at, "disable 7", 3, "DELETE /api/v1/nodes/7/edge-cache"),
        (at, "stats 7 --add-hits 1", 3, "node 7 is not registered"),
        (at, "leave", 4, "403 Forbidden"),
        (
            at,
            "enable 7 --cpu-cores 0 --ram-mib 0 --disk-mib 0",
            4,
            "all zero",
        ),
    ] {
        for format in ["table", "json"] {
            let ended = ask(at, &format!("{command} --format {format}")).await;
            assert_eq!(ended.code, Some(code), "{command}: {ended:?}");
            assert!(ended.stderr.contains(said), "{command}: {ended:?}");
            assert_eq!(ended.stderr.lines().count(), 1, "{command}: {ended:?}");
            assert_eq!(ended.stdout, "", "{command}: {ended:?}");
        }
    }
    // Nobody speaks for node 99, so its labels never come.
    let enable = "enable 99 --cpu-cores 1 --ram-mib 1 --disk-mib 1 --wait 50ms";
    let ended = ask(at, enable).await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert_eq!(
        ended.stdout,
        "node 99 is enabled; its labels are not seen yet: no member with its id is alive\n"
    );
    let ended = ask(at, &format!("{enable} --format json")).await;
    assert_eq!(ended.code, Some(5), "{ended:?}");
    let pending: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(pending["registered"], true, "{pending}");
    assert_eq!(pending["advertised"], false, "{pending}");
    assert_eq!(pending["alive"], false, "{pending}");
    let shown = ask(at, "node 99").await.stdout;
    assert!(
        shown.contains("no: no member with its id is alive"),
        "{shown}"
    );
}

#[tokio::test]
async fn nothing_from_the_network_reaches_the_terminal_as_it_is() {
    let evil = "\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J";
    let member = json!({"node_id": 1, "status": "alive", "is_agent": true, "policy": evil});
    let body = json!({ "members": [member] }).to_string();
    let untyped = json!({ "members": [{"node_id": 1, "status": evil, "is_agent": true}] });
    let answers = [
        canned::answer(200, "application/json", &body),
        canned::answer(200, "application/json", &untyped.to_string()),
        canned::problem(409, evil),
    ];
    for answer in answers {
        let server = Canned::new(&[answer]).await;
        for format in ["table", "json"] {
            let ended = ask(server.at, &format!("peers --format {format}")).await;
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(said.contains("owned"), "{said:?}");
            let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!said.contains(raw), "{said:?}");
        }
    }
}

#[tokio::test]
async fn shells_can_read_the_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = run_to_end(&["completions", shell]).await.unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        for word in ["edge-cache-agent", "enable", "events", "token-file"] {
            assert!(ended.stdout.contains(word), "{shell}: no {word}");
        }
        if shell == "bash" {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("completions");
            std::fs::write(&file, &ended.stdout).unwrap();
            let checked = tokio::process::Command::new("bash")
                .arg("-n")
                .arg(&file)
                .output()
                .await
                .unwrap();
            assert!(checked.status.success(), "{checked:?}");
        }
    }
    let ended = run_to_end(&["completions", "sh"]).await.unwrap();
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[tokio::test]
async fn help_names_the_exit_codes() {
    for command in [
        &["--help"][..],
        &["enable", "--help"],
        &["plugin", "logs", "-h"],
    ] {
        let ended = run_to_end(command).await.unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains("\n  5  "), "{command:?}: {ended:?}");
    }
    let ended = run_to_end(&["enable", "--help"]).await.unwrap();
    assert!(ended.stdout.contains("EDGE_CACHE_ADDR"), "{ended:?}");
    assert!(
        ended
            .stdout
            .starts_with("Enable a node, or replace its capacity"),
        "{ended:?}"
    );
}

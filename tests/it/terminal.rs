//! Commands on real terminals: tables that fit, colours, help, and errors with advice.

mod errors;

use std::time::Duration;

use edge_cache_tests::agent::{Agent, binary, command, run_to_end};
use edge_cache_tests::component::reference_bytes;
use edge_cache_tests::terminal::{run, without_colours};
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

/// Maximum time for a state to be seen.
const SOON: Duration = Duration::from_secs(20);
const LARGE: u64 = u64::MAX;

/// Starts an agent with its own node and one with the longest id, both with all that a table shows.
async fn start() -> Agent {
    let args = [
        "--node-id",
        "1",
        "--allow-local-admin",
        "--gossip-listen",
        "127.0.0.1:0",
        "--cache-address",
        "192.0.2.1:8080",
    ];
    let agent = Agent::start(&args).await.unwrap();
    let capacity = json!({
        "cpu_cores": 128, "ram_mib": 1_048_576, "disk_mib": 104_857_600, "geo": "eu-central-1",
    });
    let node = |id: u64| json!({"node_id": id, "capacity": capacity});
    let body = json!({"nodes": [node(1), node(LARGE)]});
    let path = "/api/v1/edge-cache/nodes";
    let answer = agent.ask(Method::PUT, path, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    until("the labels and the policy", SOON, || async {
        let route = agent.get("/api/v1/edge-cache/route?key=a").await.unwrap();
        let members = agent.get("/api/v1/cluster/members").await.unwrap();
        if route["nodes"][0]["node_id"] == 1 && members["members"][0]["policy"].is_string() {
            Ok(())
        } else {
            Err((route, members))
        }
    })
    .await;
    agent
}

fn widest(text: &str) -> usize {
    let lines = text.lines().filter(|line| !line.starts_with('('));
    lines.map(|line| line.chars().count()).max().unwrap()
}

#[tokio::test]
async fn tables_fit_into_80_and_60_columns() {
    let agent = start().await;
    let at = agent.http.to_string();
    let plain = [("NO_COLOR", "1")];
    for columns in [80, 60, 40] {
        for command in [
            &["nodes"][..],
            &["peers"],
            &["route", "/video"],
            &["node", "1"],
            &["stats", "1"],
            &["plugin", "show"],
        ] {
            let words = [command, &["--addr", &at]].concat();
            let table = run(columns, &plain, &words).await.unwrap();
            let wide = widest(&table);
            assert!(wide <= columns.into(), "{columns}: {command:?}\n{table}");
        }
    }
    let nodes = ["nodes", "--addr", &at];
    let large = LARGE.to_string();
    let narrow = run(60, &plain, &nodes).await.unwrap();
    let row = narrow.lines().find(|line| line.contains(&large)).unwrap();
    assert!(row.contains("eu-central-1"), "{narrow}");
    let left_out = "(not shown: cores, RAM MiB, disk MiB, address, hit ratio, enabled; ";
    assert!(narrow.contains(left_out), "{narrow}");
    let wide = run(200, &plain, &nodes).await.unwrap();
    // Nothing is left out where there is no terminal.
    let piped = run_to_end(&nodes).await.unwrap().stdout;
    assert_eq!(piped, wide);
    assert!(
        wide.contains("104857600") && !wide.contains("not shown"),
        "{wide}"
    );
    // The variable decides, as in other programs.
    let set = run(200, &[plain[0], ("COLUMNS", "60")], &nodes).await;
    assert_eq!(set.unwrap(), narrow);
}

#[tokio::test]
async fn lines_break_where_the_terminal_ends() {
    let agent = start().await;
    let at = agent.http.to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let capacity = json!({
        "cpu_cores": 64, "ram_mib": 1_048_576, "disk_mib": 104_857_600, "geo": "eu-central-2",
    });
    let list = json!({"nodes": [{"node_id": 1, "capacity": capacity}]});
    std::fs::write(file("list"), list.to_string()).unwrap();
    std::fs::write(file("plugin.wasm"), reference_bytes().unwrap()).unwrap();
    let (list, plugin) = (file("list"), file("plugin.wasm"));
    for command in [
        &["apply", "--dry-run", &list, "--addr", &at][..],
        &["plugin", "check", &plugin],
    ] {
        let printed = run(60, &[("NO_COLOR", "1")], command).await.unwrap();
        for line in printed.lines() {
            assert!(line.chars().count() <= 60, "{command:?}: {line:?}");
        }
        assert!(printed.lines().count() > 4, "{printed}");
    }
}

#[tokio::test]
async fn states_have_colours_on_a_terminal_that_shows_them() {
    let agent = start().await;
    let at = agent.http.to_string();
    let peers = ["peers", "--addr", &at];
    let coloured = run(100, &[], &peers).await.unwrap();
    assert!(coloured.contains("\u{1b}[38;5;10m"), "{coloured:?}");
    let piped = run_to_end(&peers).await.unwrap().stdout;
    assert!(
        piped.contains("alive") && !piped.contains('\u{1b}'),
        "{piped:?}"
    );
    assert_eq!(without_colours(&coloured), piped);
    for variable in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = run(100, &[variable], &peers).await.unwrap();
        assert_eq!(plain, piped, "{variable:?}");
    }
}

#[tokio::test]
async fn help_wraps_at_the_width_of_the_terminal() {
    for columns in [60, 80] {
        for command in [&["--help"][..], &["enable", "--help"], &["run", "--help"]] {
            let help = run(columns, &[], command).await.unwrap();
            for line in help
                .lines()
                .filter(|line| line.chars().count() > columns.into())
            {
                // Only a word that has no room stands out.
                let words = line.split_whitespace().count();
                assert!(words <= 2, "{columns}: {command:?}: {line:?}");
            }
            assert!(help.lines().count() > 10, "{help}");
            assert!(help.contains("\nUsage: edge-cache-agent"), "{help}");
        }
    }
}

#[tokio::test]
async fn events_say_when_they_came() {
    let agent = start().await;
    let at = agent.http.to_string();
    for format in ["table", "json"] {
        let mut child = command(binary().unwrap())
            .args(["events", "--addr", &at, "--format", format])
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap();
        let line = line.unwrap();
        let time = if format == "json" {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(event["event"], "snapshot");
            event["at"].as_str().unwrap().to_string()
        } else {
            let (time, rest) = line.split_once("  ").unwrap();
            assert!(rest.starts_with("snapshot  nodes ["), "{line}");
            time.to_string()
        };
        time.parse::<edge_cache_api::Timestamp>().unwrap();
    }
}

//! The settings of an agent where it runs as a process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use edge_cache_build::cargo;
use edge_cache_tests::agent::{Agent, Ended, run_to_end, without_settings};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::gossip_node::{Node, meet};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);

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
    let path = edge_cache_build::build_reference_plugin().unwrap();
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

/// The hash is part of the interface: with another one every node would have another id after an upgrade.
#[tokio::test]
async fn a_name_is_hashed_to_an_id() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), "node_id = 'name:node-1'\n");
    let agent = Agent::start(&["--config", text(&file)]).await.unwrap();
    let about = agent.get("/api/v1/agent").await.unwrap();
    // The first 53 bits of what `printf node-1 | sha256sum` prints.
    assert_eq!(about["node_id"], 1_885_539_982_456_672_u64);
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
             [plugin]\nsource = '{}'\nsha256 = '{digest}'",
            text(&data),
            text(&plugin)
        ),
    );
    let ended = check(&path).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(&digest), "{ended:?}");
    assert!(ended.stdout.contains(", pinned"), "{ended:?}");
    assert!(!ended.stdout.contains("error  "), "{ended:?}");
    assert_eq!(ended.stderr, "");
    assert!(!data.exists());

    let example = run_to_end(&["config", "example"]).await.unwrap();
    let example = example.stdout.replace("# node_id = 1", "node_id = 1");
    let ended = check(&file(directory.path(), &example)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// A warning at each `cargo agent` would teach people to overlook warnings.
#[tokio::test]
async fn cargo_gives_an_agent_no_variable_that_looks_like_a_setting() {
    let mut command = without_settings(cargo().into());
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["run", "--quiet", "--bin", "edge-cache-agent", "--"])
        .args(["config", "check", "--node-id", "1"]);
    let checked = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
    assert!(!said.contains("is no setting"), "{said}");
}

#[tokio::test]
async fn a_check_names_everything_that_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let not_a_directory = directory.path().join("file");
    std::fs::write(&not_a_directory, "").unwrap();
    let path = file(
        directory.path(),
        &format!(
            "node_id = 1\ndata_dir = '{}'\napi_token_file = '/no/such/tokens'\n\
             [http]\nlisten = '0.0.0.0:0'\n\
             [gossip]\nlisten = '127.0.0.1:0'\nkey_file = '/no/such/keys'\n\
             [plugin]\nsource = '/no/such/plugin'",
            text(&not_a_directory)
        ),
    );
    let ended = check(&path).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for said in [
        "ok     settings:",
        "error  combination: `http.listen` (`--http-listen`) beyond loopback needs `http.tls_cert_file` ",
        "/no/such/tokens",
        "/no/such/keys",
        "is not a directory",
        "cannot read the plugin /no/such/plugin",
    ] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
    }
    let data = text(&not_a_directory);
    let run = run_to_end(&["--node-id", "1", "--data-dir", data]).await;
    let said = format!("cannot create the data directory {data}: it is not a directory");
    for text in [ended.stdout, run.unwrap().stderr] {
        assert!(text.contains(&said), "{text}");
    }
    let path = file(directory.path(), "[gossip]\nlisen = '127.0.0.1:0'");
    for ended in [
        check(&path).await,
        run_to_end(&["--config", text(&path)]).await.unwrap(),
    ] {
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let said = "agent.toml: there is no setting `gossip.lisen`; did you mean `gossip.listen`?";
        assert!(ended.stderr.contains(said), "{ended:?}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{ended:?}");
    }
}

#[tokio::test]
async fn a_check_has_the_plugin_take_its_settings() {
    let directory = tempfile::tempdir().unwrap();
    let text = "node_id = 1\n[plugin.settings]\nregions = 'x'";
    let ended = check(&file(directory.path(), text)).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for said in ["error  plugin: ", "refused to load", "regions"] {
        assert!(ended.stdout.contains(said), "{said}: {}", ended.stdout);
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

#[tokio::test]
async fn a_log_of_json_is_an_object_a_line() {
    let log = [
        "--log-format",
        "json",
        "--log-level",
        "info,edge_cache_agent=debug",
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

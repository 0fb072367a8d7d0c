//! The description of an agent: `status`, `GET /api/v1/agent`, `config show`, and what members tell of themselves.

use std::time::Duration;

use edge_cache_tests::agent::{run_to_end, write_secret};
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::Value;

use crate::gossip_node::{Node, keygen, meet};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(20);

/// The value and the source of a setting.
fn setting<'a>(agent: &'a Value, key: &str) -> (&'a Value, &'a str) {
    let mut settings = agent["settings"].as_array().unwrap().iter();
    let setting = settings.find(|setting| setting["key"] == key).unwrap();
    (&setting["value"], setting["source"].as_str().unwrap())
}

#[tokio::test]
async fn an_agent_says_which_one_it_is_and_where_its_settings_come_from() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let text =
        "[gossip]\ninterval = '200ms'\n[plugin.settings]\nweight = 'ram'\n[limits]\nnodes_max = 9";
    std::fs::write(path("agent.toml"), text).unwrap();
    write_secret(&directory.path().join("keys"), keygen().await).unwrap();
    let launcher = ["env", "EDGE_CACHE_LIMITS_NODES_MAX=8"];
    let flags = [
        "--config",
        &path("agent.toml"),
        "--gossip-key-file",
        &path("keys"),
        "--gossip-listen",
        "127.0.0.1:0",
        "--cluster-id",
        "status-test",
    ];
    let data = path("data");
    let one = [&flags[..], &["--data-dir", &data]].concat();
    let one = Node::start_with(&launcher, 1, &one).await.unwrap();
    let seed = one.gossip.to_string();
    let two = [&flags[..], &["--seed", &seed]].concat();
    let two = Node::start_with(&launcher, 2, &two).await.unwrap();
    meet(&[&one, &two], SOON).await;

    let agent = one.ask(Method::GET, "/api/v1/agent", None).await.body;
    assert_eq!(agent["node_id"], 1);
    assert_eq!(agent["cluster_id"], "status-test");
    assert_eq!(agent["addresses"]["gossip"], seed);
    assert_eq!(agent["data_dir"], data.as_str());
    assert!(agent["store_bytes"].as_u64().unwrap() > 0, "{agent}");
    assert_eq!(agent["plugin"]["state"], "running");
    assert_eq!(agent["health"]["reasons"], Value::Array(Vec::new()));
    assert_eq!(
        setting(&agent, "gossip.interval"),
        (&"200ms".into(), "file")
    );
    assert_eq!(
        setting(&agent, "limits.nodes_max"),
        (&"8".into(), "variable")
    );
    assert_eq!(
        setting(&agent, "cluster_id"),
        (&"status-test".into(), "flag")
    );
    assert_eq!(setting(&agent, "limits.batch").1, "default");
    assert_eq!(setting(&agent, "traffic.listen"), (&Value::Null, "default"));
    let hidden = (&"weight=(hidden)".into(), "file");
    assert_eq!(setting(&agent, "plugin.settings"), hidden);

    let at = one.http.to_string();
    let status = run_to_end(&["status", "--addr", &at]).await.unwrap();
    assert_eq!(status.code, Some(0), "{status:?}");
    for said in ["status-test", &*seed, "weight"] {
        assert!(status.stdout.contains(said), "{said}: {}", status.stdout);
    }
    for (key, value, source) in [
        ("gossip.interval", "200ms", "file"),
        ("limits.nodes_max", "8", "variable"),
    ] {
        let line = status.stdout.lines().find(|line| line.contains(key));
        let line = line.unwrap_or_else(|| panic!("no {key}: {}", status.stdout));
        assert!(line.contains(value) && line.contains(source), "{line}");
    }
    let show = [&["config", "show", "--node-id", "1"], &flags[..]].concat();
    let shown = run_to_end(&show).await.unwrap();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for said in [
        "gossip.interval = \"200ms\"  # file\n",
        "cluster_id = \"status-test\"  # flag\n",
        "# plugin.settings = [\"weight=(hidden)\"]  # file\n",
        "# traffic.listen is not set\n",
    ] {
        assert!(shown.stdout.contains(said), "{said}: {}", shown.stdout);
    }

    // A file of these lines means the same.
    std::fs::write(path("shown.toml"), &shown.stdout).unwrap();
    let again = ["config", "show", "--config", &path("shown.toml")];
    let again = run_to_end(&again).await.unwrap();
    assert_eq!(again.code, Some(0), "{again:?}");
    let values = |text: &str| -> Vec<String> {
        let set = text.lines().filter(|line| !line.starts_with('#'));
        set.filter_map(|line| Some(line.rsplit_once("  # ")?.0.to_string()))
            .collect()
    };
    assert_eq!(values(&again.stdout), values(&shown.stdout));
    assert!(values(&shown.stdout).len() > 50, "{}", shown.stdout);

    let other = until("what a member tells of itself", SOON, || async {
        let members = one.ask(Method::GET, "/api/v1/cluster/members", None).await;
        let other = members.body["members"][1].clone();
        if other["key_id"].is_string() && other["version"].is_string() {
            Ok(other)
        } else {
            Err(other)
        }
    })
    .await;
    assert_eq!(other["version"], agent["version"]);
    assert!(other["last_heard"].is_string(), "{other}");
    assert_eq!(other["key_id"].as_str().unwrap().len(), 8);
    assert!(other["gossip_address"].is_string() && other["labels"].is_object());
}

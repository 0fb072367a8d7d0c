use serde_json::json;

use super::*;

fn shown(name: &str, data: serde_json::Value) -> String {
    event(&Event {
        id: "1-1".to_string(),
        name: name.to_string(),
        data,
    })
}

#[test]
fn an_event_is_one_line() {
    let capacity = json!({"cpu_cores": 8, "ram_mib": 2, "disk_mib": 3, "geo": "eu"});
    let node = json!({"node_id": 7, "capacity": capacity, "enabled_at": "now"});
    let peer = json!({"node_id": 2, "labels": {"a": "1", "b": "2"}, "more": 1});
    for (name, data, line) in [
        (
            "enabled",
            node.clone(),
            "enabled   node 7  8 cores, 2 MiB RAM, 3 MiB disk, eu",
        ),
        ("disabled", json!({"node_id": 7}), "disabled  node 7"),
        ("joined", peer.clone(), "joined    peer 2  a=1 b=2"),
        (
            "updated",
            json!({"node_id": 2, "labels": {}}),
            "updated   peer 2",
        ),
        ("left", json!({"node_id": 2}), "left      peer 2"),
        (
            "snapshot",
            json!({"nodes": [node.clone(), node], "peers": [peer]}),
            "snapshot  nodes [7 7]  peers [2]",
        ),
        (
            "snapshot",
            json!({"nodes": [], "peers": []}),
            "snapshot  nodes []  peers []",
        ),
        ("moved", json!({"to": "mars"}), r#"moved     {"to":"mars"}"#),
        ("left", json!({"who": 2}), r#"left      {"who":2}"#),
    ] {
        assert_eq!(shown(name, data), line);
    }
}

#[test]
fn nothing_from_the_network_reaches_the_terminal_as_it_is() {
    let evil = "\u{1b}[2J\r\nroot\u{202e}\u{9b}1A";
    let peer = json!({"node_id": 2, "labels": {"a": evil}});
    let capacity = json!({"cpu_cores": 8, "ram_mib": 2, "disk_mib": 3, "geo": evil});
    let nodes: Nodes = serde_json::from_value(json!({"nodes": [
        {"node_id": 7, "capacity": capacity, "enabled_at": evil, "advertised": true}
    ]}))
    .unwrap();
    let logs: Logs = serde_json::from_value(json!({"dropped": 3, "lines": [
        {"at": evil, "level": evil, "context": evil, "message": evil}
    ]}))
    .unwrap();
    for text in [
        shown("joined", peer),
        shown(evil, json!({ evil: evil })),
        super::nodes(&nodes),
        super::logs(&logs),
    ] {
        let is_clean = |c: char| c == '\n' || !text::is_unprintable(c);
        assert!(text.chars().all(is_clean), "{text:?}");
        assert!(text.contains("root\u{fffd}"), "{text}");
    }
    assert!(super::logs(&logs).ends_with("\n(3 lines were dropped)"));
}

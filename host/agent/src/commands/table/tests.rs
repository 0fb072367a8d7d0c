use serde_json::{Value, json};

use super::*;

const AT: &str = "2026-11-28T12:00:01.000Z";

fn shown_on(screen: Screen, name: &str, data: Value) -> String {
    let received = ReceivedEvent {
        id: "1-1".to_string(),
        name: name.to_string(),
        data,
    };
    event(AT.parse().unwrap(), &received, screen)
}

fn shown(name: &str, data: Value) -> String {
    shown_on(Screen::default(), name, data)
}

fn peer(node_id: u64, labels: &Value) -> Value {
    json!({
        "node_id": node_id, "wg_pubkey": "", "wg_endpoint": "0.0.0.0:0", "overlay_ip": "",
        "labels": labels, "more": 1,
    })
}

#[test]
fn an_event_is_one_line() {
    let capacity = json!({"cpu_cores": 8, "ram_mib": 2, "disk_mib": 3, "geo": "eu"});
    let time = "2026-11-28T12:00:00.000Z";
    let node = json!({"node_id": 7, "capacity": capacity, "enabled_at": time});
    let two = peer(2, &json!({"a": "1", "b": "2"}));
    for (name, data, line) in [
        (
            "enabled",
            node.clone(),
            "enabled   node 7  8 cores, 2 MiB RAM, 3 MiB disk, eu",
        ),
        ("disabled", json!({"node_id": 7}), "disabled  node 7"),
        ("joined", two.clone(), "joined    peer 2  a=1 b=2"),
        ("updated", peer(2, &json!({})), "updated   peer 2"),
        ("left", json!({"node_id": 2}), "left      peer 2"),
        (
            "snapshot",
            json!({"nodes": [node.clone(), node], "peers": [two]}),
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
        assert_eq!(shown(name, data), format!("{AT}  {line}"));
    }
}

#[test]
fn the_names_of_events_have_colours() {
    let screen = Screen {
        has_colours: true,
        ..Screen::default()
    };
    let line = shown_on(screen, "failed", json!({"node_id": 2}));
    assert_eq!(line, format!("{AT}  \u{1b}[31mfailed  \u{1b}[0m  peer 2"));
}

#[test]
fn unprintable_text_does_not_reach_the_terminal() {
    let evil = "\u{1b}[2J\r\nroot\u{202e}\u{9b}1A";
    let time = "2026-11-28T12:00:00.000Z";
    let capacity = json!({"cpu_cores": 8, "ram_mib": 2, "disk_mib": 3, "geo": evil});
    let nodes: NodeList = serde_json::from_value(json!({"nodes": [
        {"node_id": 7, "capacity": capacity, "enabled_at": time, "advertised": true}
    ]}))
    .unwrap();
    let log: PluginLog = serde_json::from_value(json!({"dropped": 3, "lines": [
        {"at": time, "level": "info", "context": evil, "message": evil}
    ]}))
    .unwrap();
    for text in [
        shown("joined", peer(2, &json!({"a": evil}))),
        shown(evil, json!({ evil: evil })),
        super::nodes(&nodes, Screen::default()),
        super::logs(&log, Screen::default()),
    ] {
        let is_clean = |c: char| c == '\n' || !text::is_unprintable(c);
        assert!(text.chars().all(is_clean), "{text:?}");
        assert!(text.contains("root\u{fffd}"), "{text}");
    }
    assert!(super::logs(&log, Screen::default()).ends_with("\n(3 lines were dropped)"));
}

//! Agents as processes that miss each other: wrong keys, clusters, clocks and identities.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use edge_cache_tests::agent::{run_to_end, write_secret};
use edge_cache_tests::debian::FAKETIME;
use edge_cache_tests::long_tests;
use edge_cache_tests::sse::{Event, Events};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::gossip_node::{Node, keygen, meet, metric};

/// Beyond any of what is waited for here.
pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(super) const FAST: [&str; 4] = ["--gossip-interval", "200ms", "--gossip-join-timeout", "2s"];

/// Waits until the readiness of an agent has this status, and a reason or a warning with this text.
pub(super) async fn expect_health(node: &Node, status: u16, said: &str) -> Value {
    let what = format!("{status} with {said:?} of node {}", node.id);
    until(&what, SOON, || async {
        let answer = node.ask(Method::GET, "/health/readyz", None).await;
        let is_said = said.is_empty() || answer.body.to_string().contains(said);
        if answer.status.as_u16() == status && is_said {
            Ok(answer.body)
        } else {
            Err(answer)
        }
    })
    .await
}

/// Tells whether an event is about the readiness, with a reason or a warning of this text.
pub(super) fn is_health(event: &Event, ok: bool, said: &str) -> bool {
    let is_said = said.is_empty() || event.data.to_string().contains(said);
    event.name == "health" && event.data["ok"] == ok && is_said
}

async fn is_enabled(node: &Node, node_id: u64) -> bool {
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    node.ask(Method::GET, &path, None).await.status == 200
}

pub(crate) async fn decide(at: &Node, method: Method, node_id: u64) {
    let body = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1}});
    let body = (method == Method::POST).then_some(&body);
    let path = format!("/api/v1/nodes/{node_id}/edge-cache");
    until("a change that is taken", SOON, || async {
        let answer = at.ask(method.clone(), &path, body).await;
        if answer.status == 204 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .await;
}

/// Returns addresses of loopback that are free now, so that agents can name each other before they run.
fn free_addresses<const N: usize>() -> [String; N] {
    let sockets = [(); N].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().to_string())
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn an_agent_whose_seeds_do_not_answer_is_ready_and_says_that_it_is_alone() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let seed = silent.local_addr().unwrap().to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let node = Node::start(1, &args).await.unwrap();
    expect_health(
        &node,
        503,
        "the first exchange with the cluster is not complete",
    )
    .await;
    let health = expect_health(&node, 200, "this agent is alone").await;
    assert_eq!(health["reasons"], json!([]), "{health}");
    assert_eq!(
        metric(&node, "edge_cache_gossip_troubles{trouble=\"alone\"}").await,
        1.0
    );
    assert_eq!(metric(&node, "edge_cache_ready").await, 1.0);
    assert_eq!(metric(&node, "edge_cache_warnings").await, 1.0);
    node.log_handle()
        .expect("ready, but this agent is alone", SOON)
        .await;

    let seed = node.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed]].concat();
    let peer = Node::start(2, &args).await.unwrap();
    meet(&[&node, &peer], SOON).await;
    let health = expect_health(&node, 200, "").await;
    assert_eq!(health["warnings"], json!([]), "{health}");
    // A peer that fails is missed.
    peer.signal(Signal::KILL);
    peer.ended().await;
    expect_health(&node, 200, "this agent is alone").await;
}

#[tokio::test]
async fn agents_that_cannot_read_each_other_are_not_ready_and_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let [one_key, two_key] = ["one", "two"].map(|name| directory.path().join(name));
    write_secret(&one_key, keygen().await).unwrap();
    write_secret(&two_key, keygen().await).unwrap();
    let (one_key, two_key) = (text(&one_key), text(&two_key));
    let cases: [(&[&str], &[&str], &str); 3] = [
        (
            &["--gossip-key-file", one_key],
            &["--gossip-key-file", two_key],
            "give all agents the same keys",
        ),
        (
            &["--gossip-key-file", one_key],
            &[],
            "give all agents the same keys",
        ),
        (
            &["--cluster-id", "one"],
            &["--cluster-id", "two"],
            "its cluster id differs",
        ),
    ];
    for (one_args, two_args, said) in cases {
        let [one, two] = free_addresses();
        let start = async |id, listen: &str, seed: &str, args: &[&str]| {
            let place = ["--gossip-listen", listen, "--seed", seed];
            Node::start_with(&[], id, &[&FAST[..], &place, args].concat())
                .await
                .unwrap()
        };
        let nodes = [
            start(1, &one, &two, one_args).await,
            start(2, &two, &one, two_args).await,
        ];
        for node in &nodes {
            expect_health(node, 503, said).await;
            let refused = "edge_cache_gossip_troubles{trouble=\"refused\"}";
            assert_eq!(metric(node, refused).await, 1.0, "{said}");
            assert!(node.livez().await);
            node.log_handle().expect(said, SOON).await;
        }
    }
}

#[tokio::test]
async fn a_copied_data_directory_does_not_speak_for_the_node() {
    let directory = tempfile::tempdir().unwrap();
    let [original, copy] = ["original", "copy"].map(|name| directory.path().join(name));
    let peer = Node::start(1, &FAST).await.unwrap();
    let seed = peer.gossip.to_string();
    let args = [&FAST[..], &["--seed", &seed, "--data-dir", text(&original)]].concat();
    let node = Node::start(4, &args).await.unwrap();
    meet(&[&peer, &node], SOON).await;
    let listen = node.gossip.to_string();
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    let copied = Command::new("cp")
        .arg("-a")
        .args([&original, &copy])
        .status();
    assert!(copied.unwrap().success());

    let place = ["--gossip-listen", &listen];
    let placed = [&args[..], &place].concat();
    let node = Node::start_with(&[], 4, &placed).await.unwrap();
    meet(&[&peer, &node], SOON).await;
    expect_health(&node, 200, "").await;
    // It has no seeds: it rejoins by the addresses that the directory remembers.
    let args = [&FAST[..], &["--data-dir", text(&copy)]].concat();
    let clone = Node::start(4, &args).await.unwrap();
    expect_health(&clone, 503, "has this node's id").await;
    let conflict = "edge_cache_gossip_troubles{trouble=\"id_conflict\"}";
    assert_eq!(metric(&clone, conflict).await, 1.0);
    assert_eq!(peer.peer_ids().await, [4]);
    let members = peer.ask(Method::GET, "/api/v1/cluster/members", None).await;
    let addresses: Vec<_> = members.body["members"].as_array().unwrap().iter().collect();
    assert_eq!(
        addresses[1]["gossip_address"],
        json!(listen),
        "{addresses:?}"
    );
    expect_health(&node, 200, "").await;
    // A leave frees the id; the clone goes on, and says so.
    let mut events = Events::follow(clone.http, None).await.unwrap();
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await, Some(0));
    while !is_health(&events.next().await.unwrap().unwrap(), true, "") {}
    meet(&[&peer, &clone], SOON).await;
    assert_eq!(metric(&clone, conflict).await, 0.0);
}

/// Waits until an agent shows a decision by this node about another one, and returns it.
async fn decision_by(at: &Node, by: u64, node_id: u64) -> Value {
    let what = format!("a decision of node {by} about {node_id} at node {}", at.id);
    until(&what, SOON, || async {
        let path = format!("/api/v1/nodes/{node_id}/edge-cache");
        let shown = at.ask(Method::GET, &path, None).await.body["decision"].clone();
        if shown["by"] == by {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
    .await
}

#[tokio::test]
async fn an_agent_whose_decision_is_overruled_logs_counts_and_shows_it() {
    let one = Node::start(1, &FAST).await.unwrap();
    decide(&one, Method::POST, 7).await;
    decide(&one, Method::POST, 8).await;
    let two = Node::start(2, &FAST).await.unwrap();
    decide(&two, Method::POST, 7).await;
    decide(&two, Method::POST, 8).await;
    decide(&two, Method::DELETE, 8).await;
    let overruled = "edge_cache_decisions_overruled_total";
    assert_eq!(decision_by(&one, 1, 7).await["overruled"], Value::Null);
    let decided = Instant::now();
    until("decisions that are heard late", SOON, async || {
        let age = decided.elapsed();
        (age > Duration::from_secs(6)).then_some(()).ok_or(age)
    })
    .await;
    // Neither knows the other before the third.
    let seeds = [&one, &two].map(|node| node.gossip.to_string());
    let args = [&FAST[..], &["--seed", &seeds[0], "--seed", &seeds[1]]].concat();
    let three = Node::start(3, &args).await.unwrap();
    for (node_id, op) in [(7, "enable"), (8, "disable")] {
        let by_two = decision_by(&one, 2, node_id).await;
        assert_eq!(by_two["op"], op);
        assert!(by_two["overruled"].is_string(), "{by_two}");
    }
    assert_eq!(metric(&one, overruled).await, 2.0);
    let said = "overruled one that this agent made a short while ago";
    one.log_handle().expect(said, SOON).await;
    for other in [&two, &three] {
        assert_eq!(decision_by(other, 2, 7).await["overruled"], Value::Null);
        assert_eq!(metric(other, overruled).await, 0.0);
    }
}

#[tokio::test]
async fn a_key_file_that_others_can_read_or_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, keygen().await).unwrap();
    for mode in [0o666, 0o644, 0o660, 0o602] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let listen = ["--node-id", "1", "--gossip-listen", "127.0.0.1:0"];
        let key = ["--gossip-key-file", text(&key)];
        let ended = run_to_end(&[&["run"], &listen[..], &key].concat()).await;
        let ended = ended.unwrap();
        assert!(matches!(ended.code, Some(1 | 2)), "{mode:o}: {ended:?}");
        let said = format!("file mode {mode:04o}");
        assert!(ended.stderr.contains(&said), "{mode:o}: {ended:?}");
        assert!(ended.stderr.contains("chmod 600"), "{mode:o}: {ended:?}");
    }
}

#[tokio::test]
async fn an_agent_that_says_ready_routes_as_the_others_do() {
    const KEYS: usize = 1_000;
    let restarts = if long_tests() { 50 } else { 5 };
    let directory = tempfile::tempdir().unwrap();
    let one = Node::start(1, &FAST).await.unwrap();
    let seed = one.gossip.to_string();
    let mut nodes = vec![one];
    let paths: Vec<_> = (1..=5)
        .map(|id| directory.path().join(format!("{id}")))
        .collect();
    let args = |id: u64| {
        let path = &paths[usize::try_from(id - 1).unwrap()];
        [&FAST[..], &["--seed", &seed, "--data-dir", text(path)]].concat()
    };
    for id in 2..=5 {
        nodes.push(Node::start(id, &args(id)).await.unwrap());
    }
    let all: Vec<&Node> = nodes.iter().collect();
    meet(&all, SOON).await;
    for id in 1..=5 {
        decide(&nodes[0], Method::POST, id).await;
    }
    let routes = async |node: &Node| {
        let mut routes = Vec::with_capacity(KEYS);
        for key in 0..KEYS {
            let path = format!("/api/v1/edge-cache/route?key=key-{key}");
            let answer = node.ask(Method::GET, &path, None).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            routes.push(answer.body);
        }
        routes
    };
    let whole = async |node: &Node| {
        until("five candidates", SOON, || async {
            let candidates = metric(node, "edge_cache_routing_candidates").await;
            if candidates == 5.0 {
                Ok(())
            } else {
                Err(candidates)
            }
        })
        .await;
    };
    for node in &nodes {
        whole(node).await;
    }
    let expected = routes(&nodes[0]).await;
    let mut last = nodes.pop().unwrap();
    let listen = last.gossip.to_string();
    for restart in 0..restarts {
        let signal = if restart % 2 == 0 {
            Signal::KILL
        } else {
            Signal::TERM
        };
        last.signal(signal);
        last.ended().await;
        let place = ["--gossip-listen", &listen];
        let placed = [&args(5)[..], &place].concat();
        last = Node::start_with(&[], 5, &placed).await.unwrap();
        expect_health(&last, 200, "").await;
        let first = routes(&last).await;
        let differing = (0..KEYS)
            .filter(|key| first[*key] != expected[*key])
            .count();
        assert_eq!(differing, 0, "keys differ after restart {restart}");
    }
}

/// Returns the words that run an agent with its clock moved by this, `None` where faketime is not installed.
///
/// The command `faketime` would be the parent of the agent, and take its signals.
pub(crate) fn with_clock(offset: &str) -> Option<[String; 4]> {
    let words = ["-f", "+0", "printenv", "LD_PRELOAD"];
    let output = Command::new(FAKETIME.program()?).args(words).output();
    let library = String::from_utf8(output.unwrap().stdout).unwrap();
    Some([
        "env".to_string(),
        format!("LD_PRELOAD={}", library.trim()),
        format!("FAKETIME={offset}"),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_string(),
    ])
}

#[tokio::test]
async fn decisions_made_by_clocks_an_hour_ahead_are_no_obstacle_later() {
    let Some(ahead) = with_clock("+1h") else {
        return;
    };
    let ahead: Vec<&str> = ahead.iter().map(String::as_str).collect();
    let directory = tempfile::tempdir().unwrap();
    let [one_data, two_data] = ["one", "two"].map(|name| directory.path().join(name));
    let [one, two]: [String; 2] = free_addresses();
    let start = async |launcher: &[&str]| {
        let start = async |id, listen: &str, seed: &str, data: &Path| {
            let place = [
                "--gossip-listen",
                listen,
                "--seed",
                seed,
                "--data-dir",
                text(data),
            ];
            Node::start_with(launcher, id, &[&FAST[..], &place].concat())
                .await
                .unwrap()
        };
        let nodes = (
            start(1, &one, &two, &one_data).await,
            start(2, &two, &one, &two_data).await,
        );
        meet(&[&nodes.0, &nodes.1], SOON).await;
        nodes
    };
    let seen = async |node: &Node, node_id: u64, expected: bool| {
        until("a decision that travels", SOON, || async {
            let seen = is_enabled(node, node_id).await;
            if seen == expected { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    let (one, two) = start(&ahead).await;
    decide(&one, Method::POST, 7).await;
    decide(&two, Method::POST, 8).await;
    seen(&two, 7, true).await;
    seen(&one, 8, true).await;
    for node in [one, two] {
        node.signal(Signal::TERM);
        assert_eq!(node.ended().await, Some(0));
    }
    let (one, two) = start(&[]).await;
    decide(&one, Method::DELETE, 8).await;
    decide(&two, Method::POST, 9).await;
    seen(&two, 8, false).await;
    seen(&one, 9, true).await;
    decide(&two, Method::DELETE, 7).await;
    seen(&one, 7, false).await;
}

#[tokio::test]
async fn a_clock_that_is_too_far_off_is_named() {
    let Some(ahead) = with_clock("+10m") else {
        return;
    };
    let ahead: Vec<&str> = ahead.iter().map(String::as_str).collect();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    write_secret(&key, keygen().await).unwrap();
    let [one, two]: [String; 2] = free_addresses();
    let start = async |launcher: &[&str], id, listen: &str, seed: &str| {
        let place = ["--gossip-listen", listen, "--seed", seed];
        let key = ["--gossip-key-file", text(&key)];
        Node::start_with(launcher, id, &[&FAST[..], &place, &key].concat())
            .await
            .unwrap()
    };
    let nodes = [
        start(&[], 1, &one, &two).await,
        start(&ahead, 2, &two, &one).await,
    ];
    for node in &nodes {
        let health = expect_health(node, 503, "clock").await;
        assert_eq!(health["ok"], false);
        assert!(node.livez().await);
    }
}

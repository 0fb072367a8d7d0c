//! Another component takes the place of the one that runs, between two changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheStats, Limits, PluginState};
use edge_cache_tests::agent::{Agent, answer, run_to_end};
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::cluster_of_one::{ClusterOfOne, OWN, capacity, labels};
use edge_cache_tests::component::{reference_bytes, reference_plugin_with, sha256, with_section};
use edge_cache_tests::reference_plugin;
use edge_cache_tests::wait::until;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hostile;

mod files;
mod load;

const SEEN_WITHIN: Duration = Duration::from_secs(20);
const ONE: EdgeCacheStats = EdgeCacheStats { hits: 1, misses: 0 };

/// The reference component, told apart from the other by a setting.
fn weighing(by: &str) -> Plugin {
    let settings = [("weight".to_string(), by.to_string())].into();
    let config = PluginConfig {
        settings,
        ..PluginConfig::default()
    };
    reference_plugin_with(config).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_keeps_everything_and_assesses_all_members_again() {
    let one = Member::start(weighing("disk"), Settings::new(1, &[]))
        .await
        .unwrap();
    let two = Member::start(weighing("disk"), Settings::new(2, &[&one]))
        .await
        .unwrap();
    one.registry.enable(1, disk(20_480)).await.unwrap();
    one.registry.enable(7, disk(1)).await.unwrap();
    one.registry.add_stats(7, ONE).await.unwrap();
    let weight = |member: &Member| {
        let table = member.registry.router().unwrap().table();
        table.candidate(1).map(|candidate| candidate.weight)
    };
    let weighs = async |member: &Member, expected| {
        until("the weight", SEEN_WITHIN, || async {
            let seen = weight(member);
            if seen == Some(expected) {
                Ok(())
            } else {
                Err(seen)
            }
        })
        .await;
    };
    weighs(&two, 20).await;
    let entries = [1, 7].map(|id| one.registry.entry(id).unwrap());
    let shown = one.pool.self_info().labels.clone();

    one.registry.swap(weighing("ram")).await.unwrap();
    assert_eq!(one.registry.plugin().policy(), weighing("ram").policy());
    assert_eq!([1, 7].map(|id| one.registry.entry(id).unwrap()), entries);
    assert_eq!(one.pool.self_info().labels, shown);
    assert_eq!(one.registry.status().restarts, 0);
    // It assesses with other settings now, and tells other agents.
    weighs(&one, 8).await;
    weighs(&two, 20).await;
    until("agents that judge otherwise", SEEN_WITHIN, || async {
        let seen = (one.pool.policy_mismatches(), two.pool.policy_mismatches());
        if *seen.0 == [2] && *seen.1 == [1] {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    two.registry.swap(weighing("ram")).await.unwrap();
    weighs(&two, 8).await;
    until("agents that judge alike", SEEN_WITHIN, || async {
        let seen = (one.pool.policy_mismatches(), two.pool.policy_mismatches());
        if seen.0.is_empty() && seen.1.is_empty() {
            Ok(())
        } else {
            Err(seen)
        }
    })
    .await;
    // The new one takes changes.
    assert_eq!(
        one.registry.add_stats(7, ONE).await.unwrap(),
        EdgeCacheStats { hits: 2, misses: 0 }
    );
}

/// A plugin cannot pass its trial and then hang on the writer's thread for longer than one call may take: the instance
/// that was tried takes over, and applies what has changed since.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_hangs_when_it_takes_over_costs_one_call() {
    let node = ClusterOfOne::start(reference_plugin().unwrap(), labels([]))
        .await
        .unwrap();
    let registry = node.registry.clone();
    let is_over = Arc::new(AtomicBool::new(false));
    let changing = tokio::spawn({
        let (registry, is_over) = (registry.clone(), is_over.clone());
        async move {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                registry.enable(666, capacity()).await.unwrap();
                longest = longest.max(begun.elapsed());
            }
            longest
        }
    });
    let hostile = hostile::plugin("loop@apply", Limits::default()).unwrap();
    // It hangs where something has changed since its trial, which on a busy machine may take several swaps.
    let refused = async {
        loop {
            if let Err(error) = registry.swap(hostile.clone()).await {
                return error.to_string();
            }
        }
    };
    let error = timeout(SEEN_WITHIN, refused).await.unwrap();
    assert!(
        error.contains("apply ran for longer than 250 ms"),
        "{error}"
    );
    is_over.store(true, Ordering::Relaxed);
    let longest = changing.await.unwrap();
    assert!(longest < Duration::from_secs(10), "{longest:?}");
    assert_eq!(registry.status().state, PluginState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_refuses_hangs_or_lies_does_not_take_over() {
    let foreign = labels([("edge_cache_rack", "b4")]);
    let node = ClusterOfOne::start(reference_plugin().unwrap(), foreign)
        .await
        .unwrap();
    node.registry.enable(OWN, capacity()).await.unwrap();
    node.registry.enable(666, capacity()).await.unwrap();
    node.registry.add_stats(666, ONE).await.unwrap();
    let before = node.shown().await.unwrap();
    let policy = node.registry.plugin().policy();
    let limits = Limits {
        load_deadline: Duration::from_secs(2),
        ..Limits::default()
    };
    for (behaviour, said) in [
        ("escaped-error@load", "refuses to take over"),
        (
            "say-publish-other-key@load",
            "granted are `edge_cache` and `edge_cache_*`; it logged: logged | printed",
        ),
        ("trap@load", "load trapped"),
        ("loop@load", "load ran for longer than 2000 ms"),
        ("grow@load", "load ran out of memory"),
        (
            "forgotten@list-eligible",
            "list-eligible broke the contract",
        ),
    ] {
        let hostile = hostile::plugin(behaviour, limits.clone()).unwrap();
        let registry = node.registry.clone();
        // Changes go on while it is tried.
        let swapping = tokio::spawn(async move { registry.swap(hostile).await });
        node.registry
            .add_stats(OWN, EdgeCacheStats::default())
            .await
            .unwrap();
        if behaviour == "loop@load" {
            assert!(!swapping.is_finished(), "the change waited for the trial");
        }
        let error = swapping.await.unwrap().unwrap_err();
        assert!(error.to_string().contains(said), "{behaviour}: {error}");
        assert_eq!(node.shown().await.unwrap(), before, "{behaviour}");
        assert_eq!(node.registry.plugin().policy(), policy, "{behaviour}");
        let status = node.registry.status();
        assert_eq!((status.state, status.restarts), (PluginState::Running, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_brings_a_degraded_registry_back() {
    let plugin = hostile::plugin("trap@enable", Limits::default()).unwrap();
    let node = ClusterOfOne::start(plugin, BTreeMap::new()).await.unwrap();
    node.registry.enable(7, capacity()).await.unwrap();
    for n in 0..10 {
        let mut capacity = capacity();
        capacity.disk_mib += n;
        node.registry.enable(666, capacity).await.unwrap_err();
    }
    assert_eq!(node.registry.status().state, PluginState::Degraded);
    node.registry
        .swap(reference_plugin().unwrap())
        .await
        .unwrap();
    assert_eq!(node.registry.status().state, PluginState::Running);
    assert!(node.registry.is_enabled(7));
    node.registry.enable(666, capacity()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_decision_is_asked_again_after_a_swap() {
    let one = Member::start(reference_plugin().unwrap(), Settings::new(1, &[]))
        .await
        .unwrap();
    let refusing = hostile::plugin("escaped-error@apply", Limits::default()).unwrap();
    let two = Member::start(refusing, Settings::new(2, &[&one]))
        .await
        .unwrap();
    one.registry.enable(666, capacity()).await.unwrap();
    until("a refused decision", SEEN_WITHIN, || async {
        let effective = two.registry.decision(666);
        match &effective {
            Some(effective) if effective.set_aside.is_some() => Ok(()),
            _ => Err(effective),
        }
    })
    .await;
    assert!(!two.registry.is_enabled(666));
    two.registry
        .swap(reference_plugin().unwrap())
        .await
        .unwrap();
    assert!(two.registry.is_enabled(666));
    assert_eq!(two.registry.decision(666).unwrap().set_aside, None);
}

#[tokio::test]
async fn a_component_is_swapped_in_over_http_and_pinned() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("first.wasm");
    std::fs::write(&file, reference_bytes().unwrap()).unwrap();
    let plugin = file.to_str().unwrap();
    let pin = sha256(reference_bytes().unwrap());
    let other = with_section(reference_bytes().unwrap(), "note", b"2");
    let other_pin = sha256(&other);
    let flags = ["--node-id", "1", "--allow-local-admin", "--plugin", plugin];
    let agent = Agent::start(&[&flags[..], &["--plugin-sha256", &pin]].concat())
        .await
        .unwrap();
    let put = async |query: &str, body: &[u8]| {
        let request = agent.request(Method::PUT, &format!("/api/v1/plugin{query}"));
        let request = request.header(CONTENT_TYPE, "application/wasm");
        answer(request.body(body.to_vec())).await.unwrap()
    };
    let enable = json!({"capacity": {"cpu_cores": 1, "ram_mib": 2, "disk_mib": 3}});
    let path = "/api/v1/nodes/7/edge-cache";
    let enabled = agent.ask(Method::POST, path, Some(&enable)).await.unwrap();
    assert_eq!(enabled.status, 204);

    let refused = put("", &other).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail.contains(&pin) && detail.contains(&other_pin),
        "{detail}"
    );
    let refused = put(&format!("?sha256={pin}"), &other).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(put("?sha256=abc", &other).await.status, 400);
    assert_eq!(put("", b"no component").await.status, 422);
    let shown = agent.get("/api/v1/plugin").await.unwrap();
    assert_eq!(
        (&shown["sha256"], &shown["name"]),
        (&json!(pin), &json!("first.wasm"))
    );

    let swapped = put(&format!("?sha256={other_pin}"), &other).await;
    assert_eq!(swapped.status, 200, "{swapped:?}");
    assert_eq!(swapped.body["sha256"], other_pin);
    assert_eq!(swapped.body["name"], "uploaded");
    // Back again, by the command line.
    let address = agent.http.to_string();
    let swap = ["plugin", "swap", plugin, "--addr", &address];
    let back = run_to_end(&[&swap[..], &["--sha256", &other_pin]].concat())
        .await
        .unwrap();
    assert_eq!(back.code, Some(4), "{back:?}");
    assert!(back.stderr.contains(&pin), "{back:?}");
    let back = run_to_end(&[&swap[..], &["--sha256", &pin]].concat())
        .await
        .unwrap();
    assert_eq!(back.code, Some(0), "{back:?}");
    assert!(back.stdout.contains(&pin), "{back:?}");
    assert_eq!(agent.get(path).await.unwrap()["node_id"], 7);

    // Without admin rights there is no swap.
    let closed = Agent::start(&["--node-id", "2"]).await.unwrap();
    let request = closed.request(Method::PUT, "/api/v1/plugin");
    let request = request.header(CONTENT_TYPE, "application/wasm").body(other);
    assert_eq!(answer(request).await.unwrap().status, 403);
}

#[tokio::test]
async fn an_upload_that_takes_its_time_holds_up_no_other() {
    let agent = Agent::start(&["--node-id", "1", "--allow-local-admin"])
        .await
        .unwrap();
    let plugin = reference_bytes().unwrap();
    let mut slow = TcpStream::connect(agent.http).await.unwrap();
    let head = format!(
        "PUT /api/v1/plugin HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/wasm\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        plugin.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut is_read = [0; 12];
    slow.read_exact(&mut is_read).await.unwrap();
    assert_eq!(&is_read, b"HTTP/1.1 100");
    let request = agent.request(Method::PUT, "/api/v1/plugin");
    let request = request.header(CONTENT_TYPE, "application/wasm");
    let swapped = answer(request.body(plugin.to_vec())).await.unwrap();
    assert_eq!(swapped.status, 200, "{swapped:?}");
}

#[tokio::test]
async fn the_next_start_runs_the_declared_plugin_and_ignores_a_kept_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (plugin, data) = (
        directory.path().join("registry.wasm"),
        directory.path().join("data"),
    );
    let declared = reference_bytes().unwrap();
    std::fs::write(&plugin, declared).unwrap();
    let (plugin, data_dir) = (plugin.to_str().unwrap(), data.to_str().unwrap());
    let flags = ["--node-id", "1", "--allow-local-admin", "--plugin", plugin];
    let flags = [&flags[..], &["--data-dir", data_dir]].concat();
    let runs = async |agent: &Agent| agent.get("/api/v1/plugin").await.unwrap()["sha256"].clone();
    let agent = Agent::start(&flags).await.unwrap();
    let uploaded = with_section(declared, "note", b"2");
    let request = agent.request(Method::PUT, "/api/v1/plugin");
    let request = request.header(CONTENT_TYPE, "application/wasm");
    let swapped = answer(request.body(uploaded.clone())).await.unwrap();
    assert_eq!(swapped.status, 200, "{swapped:?}");
    assert_eq!(runs(&agent).await, sha256(&uploaded));
    agent.kill().await.unwrap();

    // An earlier version of the agent left this behind.
    let (kept, digest) = (data.join("kept"), sha256(&uploaded));
    let which = json!({"sha256": digest, "in_place_of": sha256(declared), "pin": null});
    std::fs::create_dir(&kept).unwrap();
    std::fs::write(kept.join("which.json"), which.to_string()).unwrap();
    std::fs::write(kept.join(format!("{digest}.wasm")), &uploaded).unwrap();
    let agent = Agent::start(&flags).await.unwrap();
    assert_eq!(runs(&agent).await, sha256(declared));
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 2);
}

//! Settings of the traffic listener that would misroute, and addresses of peers that are none.

use edge_cache_host::gossip::GossipPool;
use edge_cache_tests::agent::run_to_end;
use edge_cache_tests::cluster::Settings;
use edge_cache_tests::wait::until;
use reqwest::Method;
use serde_json::{Value, json};

use super::{SOON, cache_of, decide, expect_caches, meet, metric, pick, start};

#[tokio::test]
async fn settings_that_would_misroute_are_refused() {
    let beyond = ["--gossip-listen", "10.1.2.3:7946", "--insecure-gossip"];
    for (args, said) in [
        (
            &["--traffic-listen", "0.0.0.0:0"][..],
            "needs `traffic.allow` (`--traffic-allow`)",
        ),
        (
            &["--traffic-allow", "10.0.0.0/33"],
            "a network is IP/BITS or IP",
        ),
        (
            &["--cache-address", "cache.example:80"],
            "it must be IP:PORT",
        ),
        (&["--cache-address", "0.0.0.0:80"], "0.0.0.0 is unspecified"),
        (&["--cache-address", "169.254.169.254:80"], "is link-local"),
        (
            &[
                "--traffic-networks",
                "10.0.0.0/8",
                "--cache-address",
                "192.0.2.1:80",
            ],
            "in none of the networks",
        ),
        (
            &["--label", "cache_address=192.0.2.1:80"],
            "`cache.address` (`--cache-address`) sets it",
        ),
        (&["--traffic-fallback", "origin:80"], "it must be IP:PORT"),
        (&["--traffic-key", "url"], "possible values: path"),
        (&["--traffic-replicas", "9"], "from 1 to 8"),
        (
            &[&beyond[..], &["--cache-address", "127.0.0.1:80"]].concat(),
            "is a loopback address",
        ),
    ] {
        let args = [
            &["run", "--node-id", "1", "--http-listen", "127.0.0.1:0"],
            args,
        ]
        .concat();
        let ended = run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

/// A peer's address is not trusted: what is no unicast address counts as none, and is shown and counted.
#[tokio::test]
async fn addresses_of_peers_that_are_none_are_refused_and_shown() {
    let one = start(
        1,
        cache_of(1),
        None,
        &[
            "--traffic-networks",
            "127.0.0.0/8",
            "--cache-default-port",
            "8080",
        ],
    )
    .await;
    let labels = [
        (2, "cache.example:80", "IP:PORT"),
        (3, "127.0.0.3:80,127.0.0.4:80", "IP:PORT"),
        (4, "127.0.0.4:80\r\nx-evil: 1", "IP:PORT"),
        (5, "169.254.169.254:80", "link-local"),
        (6, "127.0.0.1:80", "node 1 has the address"),
        (7, "[2001:db8::7]:80", "`traffic.networks`"),
        (8, "127.0.0.8:80", ""),
        // Like a node of ZLayer: no label, and an overlay address.
        (9, "", ""),
    ];
    let mut pools = Vec::new();
    for (node_id, label, _) in labels {
        let mut gossip = Settings::new(node_id, &[]).gossip;
        gossip.cluster_id = "default-cluster".into();
        gossip.seeds = vec![one.gossip.to_string()];
        gossip
            .self_info
            .labels
            .insert("edge_cache".into(), "true".into());
        for (key, value) in [("cpu", "1"), ("ram_mib", "1"), ("disk_mib", "1")] {
            gossip
                .self_info
                .labels
                .insert(format!("edge_cache_{key}"), value.into());
        }
        if label.is_empty() {
            gossip.self_info.overlay_ip = format!("127.0.0.{node_id}");
        } else {
            gossip
                .self_info
                .labels
                .insert("cache_address".into(), label.into());
        }
        pools.push(GossipPool::start(gossip).await.unwrap());
    }
    decide(&one, Method::POST, 1).await;
    expect_caches(&one, 3).await;
    let members = one
        .ask(Method::GET, "/api/v1/cluster/members", None)
        .await
        .body;
    for (index, (node_id, label, reason)) in (1..).zip(labels) {
        let member: &Value = &members["members"][index];
        assert_eq!(member["node_id"], json!(node_id), "{members}");
        let refused = member["address_refused"].as_str();
        assert_eq!(refused.is_some(), !reason.is_empty(), "{label}: {member}");
        assert!(
            refused.is_none_or(|refused| refused.contains(reason)),
            "{label}: {member}"
        );
    }
    assert_eq!(
        metric(&one, "edge_cache_traffic_addresses_refused").await,
        6.0
    );
    let mut named = std::collections::BTreeSet::new();
    for key in 0..100 {
        let answer = pick(&one, &format!("/pick/{key}"), "").await;
        assert_eq!(
            (answer.status, answer.hosts().len()),
            (200, 3),
            "{answer:?}"
        );
        named.extend(answer.hosts().into_iter().map(str::to_string));
    }
    assert_eq!(
        named.into_iter().collect::<Vec<_>>(),
        ["127.0.0.1:80", "127.0.0.8:80", "127.0.0.9:8080"]
    );
    assert_eq!(
        metric(&one, "edge_cache_traffic_nodes_without_address").await,
        6.0
    );
    one.log_handle()
        .expect("the address of a cache is refused", SOON)
        .await;
}

/// Agents that would make other keys or other addresses see it, as they see another plugin.
#[tokio::test]
async fn agents_compare_the_settings_that_make_keys_and_addresses() {
    let other = [
        "--traffic-key",
        "host-path-and-query",
        "--cache-default-port",
        "8080",
    ];
    let one = start(1, cache_of(1), None, &[]).await;
    let two = start(2, cache_of(2), Some(&one), &["--traffic-key", "path"]).await;
    let three = start(3, cache_of(3), Some(&one), &other[..2]).await;
    let four = start(4, cache_of(4), Some(&one), &other[2..]).await;
    let five = start(5, cache_of(5), Some(&one), &other).await;
    let six = start(6, cache_of(6), Some(&one), &other).await;
    let nodes = [&one, &two, &three, &four, &five, &six];
    meet(&nodes, SOON).await;
    let suffixes = [
        "",
        "",
        "+key=host-path-and-query",
        "+port=8080",
        "+key=host-path-and-query+port=8080",
        "+key=host-path-and-query+port=8080",
    ];
    for (node, differing) in nodes.into_iter().zip([4.0, 4.0, 5.0, 5.0, 4.0, 4.0]) {
        until("agents with other settings", SOON, async || {
            let seen = metric(node, "edge_cache_policy_mismatches").await;
            if seen == differing {
                Ok(())
            } else {
                Err((node.id, seen))
            }
        })
        .await;
        let said = "agents use another plugin or other settings";
        node.log_handle().expect(said, SOON).await;
        let plugin = node.ask(Method::GET, "/api/v1/plugin", None).await;
        let policy = plugin.body["policy"].as_str().unwrap();
        assert_eq!(policy.len(), 12, "{policy}");
        let members = node.ask(Method::GET, "/api/v1/cluster/members", None).await;
        let members = members.body["members"].as_array().unwrap().iter();
        let seen: Vec<_> = members.map(|member| member["policy"].clone()).collect();
        let expected = suffixes.map(|suffix| json!(format!("{policy}{suffix}")));
        assert_eq!(seen, expected, "seen by node {}", node.id);
    }
}

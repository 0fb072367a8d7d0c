//! Feeders of real caches: what every agent shows equals what the caches say.

mod programs;

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use edge_cache_core::EdgeCacheStats;
use edge_cache_tests::agent::{client, write_secret};
use edge_cache_tests::debian::{NGINX, VARNISH};
use edge_cache_tests::proxies::{Origin, Server, block, get_all};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::access;
use crate::gossip_node::{Node, meet};
use programs::{FakeStat, Feeder, Piped, Twice, feed_varnish};

/// Beyond any of what is waited for here.
const SOON: Duration = Duration::from_secs(60);
const GOSSIP: [&str; 2] = ["--gossip-interval", "200ms"];
const REQUESTS: usize = 5_000;
const KEYS: usize = 400;

/// Asks Varnish itself, until it has counted this number of requests. Its threads count for themselves at first.
async fn varnish_says(varnish: &Server, requests: usize) -> EdgeCacheStats {
    until("the counters of Varnish", SOON, || async {
        let stats = varnishstat(varnish).await;
        let is_whole = stats.hits + stats.misses == requests as u64;
        if is_whole { Ok(stats) } else { Err(stats) }
    })
    .await
}

async fn varnishstat(varnish: &Server) -> EdgeCacheStats {
    let output = Command::new("varnishstat")
        .args(["-j", "-n"])
        .arg(varnish.instance())
        .output()
        .await
        .unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let value = |name: &str| said["counters"][name]["value"].as_u64().unwrap();
    EdgeCacheStats {
        hits: value("MAIN.cache_hit"),
        misses: value("MAIN.cache_miss"),
    }
}

/// Sends requests and returns what the responses say in the header `x-cache`.
async fn ask(server: &Server, requests: usize) -> EdgeCacheStats {
    let urls = (0..requests).map(|number| server.url(&format!("/{}", number * 7 % KEYS)));
    let client = client(&[]).unwrap();
    let statuses = get_all(&client, urls, async |response| {
        let status = response.headers().get("x-cache").cloned();
        response.bytes().await?;
        Ok(status)
    });
    let statuses = statuses.await.unwrap();
    let count = |name: &str| {
        let named = |status: &&Option<_>| status.as_ref().is_some_and(|status| status == name);
        statuses.iter().filter(named).count() as u64
    };
    EdgeCacheStats {
        hits: count("HIT"),
        misses: count("MISS"),
    }
}

/// Waits until every agent shows these counters of nodes 1 and 2, and the ratio in its list.
async fn expect_everywhere(agents: &[&Node], what: &str, expected: [EdgeCacheStats; 2]) {
    for agent in agents {
        let what = format!("{what}: {expected:?} at agent {}", agent.id);
        until(&what, SOON, || async {
            let mut seen = Vec::new();
            for node_id in [1, 2] {
                let path = format!("/api/v1/nodes/{node_id}/edge-cache/stats");
                seen.push(agent.ask(Method::GET, &path, None).await.body);
            }
            let list = agent
                .ask(Method::GET, "/api/v1/edge-cache/nodes", None)
                .await
                .body;
            let are_equal = expected
                .iter()
                .zip(&seen)
                .enumerate()
                .all(|(place, (stats, seen))| {
                    // Reading a number in JSON may change its last bit.
                    let is_ratio = |shown: &Value| {
                        let ratios = shown.as_f64().zip(stats.hit_ratio());
                        ratios.is_some_and(|(shown, ratio)| (shown - ratio).abs() < 1e-9)
                    };
                    seen["hits"] == stats.hits
                        && seen["misses"] == stats.misses
                        && is_ratio(&seen["hit_ratio"])
                        && is_ratio(&list["nodes"][place]["hit_ratio"])
                });
            if are_equal { Ok(()) } else { Err((seen, list)) }
        })
        .await;
    }
    let [nginx, varnish] = expected.map(|stats| {
        let percent = stats.hit_ratio().unwrap_or_default() * 100.0;
        format!(
            "{} hits, {} misses, {percent:.2} %",
            stats.hits, stats.misses
        )
    });
    println!(
        "{what}: nginx {nginx}; Varnish {varnish}; at {} agents",
        agents.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_real_caches_are_the_same_at_every_agent_over_all_restarts() {
    let (Some(nginx), Some(varnish)) = (NGINX.program(), VARNISH.program()) else {
        return;
    };
    let origin = Origin::start().await.unwrap();
    let http = format!(
        "log_format status '$upstream_cache_status';
         proxy_cache_path FOLDER/cache keys_zone=edge:10m;
         server {{
             listen LISTEN;
             access_log FOLDER/status.log status;
             location / {{
                 proxy_pass http://{};
                 proxy_cache edge;
                 add_header x-cache $upstream_cache_status;
             }}
         }}",
        origin.address
    );
    let mut nginx = Server::nginx(nginx, &http).await.unwrap();
    let (host, port) = (origin.address.ip(), origin.address.port());
    let vcl = block("Varnish as cache")
        .unwrap()
        .replace("127.0.0.1", &host.to_string())
        .replace("9000", &port.to_string());
    let mut varnish = Server::varnish(varnish, &vcl).await.unwrap();
    let health = varnish.url("/edge-cache-health");
    let health = client(&[]).unwrap().get(health).send().await.unwrap();
    assert_eq!(
        (health.status(), origin.requests()),
        (reqwest::StatusCode::OK, 0)
    );

    let data = tempfile::tempdir().unwrap();
    let start = async |id: u64, listen: &str, seed: &str| {
        let place = data.path().join(id.to_string());
        let place = [
            "--data-dir",
            place.to_str().unwrap(),
            "--gossip-listen",
            listen,
        ];
        let seed: &[&str] = if seed.is_empty() {
            &[]
        } else {
            &["--seed", seed]
        };
        let args = [&GOSSIP[..], &place, seed].concat();
        Node::start_with(&[], id, &args).await.unwrap()
    };
    let mut one = start(1, "127.0.0.1:0", "").await;
    let seed = one.gossip.to_string();
    let mut two = start(2, "127.0.0.1:0", &seed).await;
    let three = start(3, "127.0.0.1:0", &seed).await;
    meet(&[&one, &two, &three], SOON).await;
    one.enable(1).await;
    two.enable(1).await;
    let (to_one, to_two) = (Twice::start(one.http).await, Twice::start(two.http).await);
    let mut log_feeder = Piped::start(&nginx, &to_one, "+1");
    let mut varnish_feeder = feed_varnish(&varnish, &to_two);

    let mut by_nginx = ask(&nginx, REQUESTS).await;
    assert_eq!(by_nginx.hits + by_nginx.misses, REQUESTS as u64);
    ask(&varnish, REQUESTS).await;
    let first_life = varnish_says(&varnish, REQUESTS).await;
    let mut by_varnish = first_life;
    let all = [&one, &two, &three];
    expect_everywhere(&all, "at first", [by_nginx, by_varnish]).await;

    nginx.stop().await.unwrap();
    varnish.stop().await.unwrap();
    nginx.start_again().await.unwrap();
    varnish.start_again().await.unwrap();
    // More than before: the counters of the new life do not look lower.
    by_nginx = by_nginx.plus(ask(&nginx, 1_000).await);
    ask(&varnish, REQUESTS + 1_000).await;
    let mut asked = REQUESTS + 1_000;
    by_varnish = first_life.plus(varnish_says(&varnish, asked).await);
    expect_everywhere(&all, "after restarts of the caches", [by_nginx, by_varnish]).await;

    assert_eq!(log_feeder.ended().await, Some(0));
    assert_eq!(varnish_feeder.terminate().await, Some(0));
    ask(&varnish, 1_000).await;
    log_feeder = Piped::start(&nginx, &to_one, "0");
    varnish_feeder = feed_varnish(&varnish, &to_two);
    let start_of_log = || async {
        // Its first put says that it follows the log.
        let said = log_feeder.feeder.said();
        if said.is_empty() { Ok(()) } else { Err(said) }
    };
    until("a feeder without complaints", SOON, start_of_log).await;
    by_nginx = by_nginx.plus(ask(&nginx, 1_000).await);
    ask(&varnish, 1_000).await;
    asked += 2_000;
    by_varnish = first_life.plus(varnish_says(&varnish, asked).await);
    expect_everywhere(
        &all,
        "after restarts of the feeders",
        [by_nginx, by_varnish],
    )
    .await;

    let places = [one.gossip.to_string(), two.gossip.to_string()];
    one.signal(Signal::KILL);
    two.signal(Signal::KILL);
    one.ended().await;
    two.ended().await;
    by_nginx = by_nginx.plus(ask(&nginx, 1_000).await);
    ask(&varnish, 1_000).await;
    let peer = three.gossip.to_string();
    let complains = || async {
        let said = [log_feeder.feeder.said(), varnish_feeder.said()];
        let are_loud = said.iter().all(|said| said.contains("trying again"));
        if are_loud { Ok(()) } else { Err(said) }
    };
    until("complaints of the feeders", SOON, complains).await;
    one = start(1, &places[0], &peer).await;
    two = start(2, &places[1], &peer).await;
    *to_one.agent.lock().unwrap() = one.http;
    *to_two.agent.lock().unwrap() = two.http;
    by_nginx = by_nginx.plus(ask(&nginx, 1_000).await);
    ask(&varnish, 1_000).await;
    asked += 2_000;
    by_varnish = first_life.plus(varnish_says(&varnish, asked).await);
    let all = [&one, &two, &three];
    expect_everywhere(&all, "after restarts of the agents", [by_nginx, by_varnish]).await;
    assert_eq!(log_feeder.ended().await, Some(0));
    assert_eq!(varnish_feeder.terminate().await, Some(0));
}

#[tokio::test]
async fn a_feeder_of_a_log_counts_while_the_agent_is_down_and_ends_with_its_input() {
    let directory = tempfile::tempdir().unwrap();
    let free = edge_cache_tests::proxies::free_address().unwrap();
    let address = free.to_string();
    let args = ["--node", "1", "--addr", &address, "--source", "edge-1"];
    let mut feeder = Feeder::start("log", &args, directory.path(), Stdio::piped());
    let mut input = feeder.child.stdin.take().unwrap();
    input.write_all(b"HIT /a\nMISS /b\n").await.unwrap();
    until("a complaint", SOON, || async {
        let said = feeder.said();
        if said.contains("trying again") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    input
        .write_all(b"EXPIRED /a\nSTALE /b\nBYPASS")
        .await
        .unwrap();
    let node = Node::start(1, &["--http-listen", &address]).await.unwrap();
    node.enable(1).await;
    let stats = async || {
        let path = "/api/v1/nodes/1/edge-cache/stats";
        node.ask(Method::GET, path, None).await.body
    };
    until("the counters so far", SOON, || async {
        let seen = stats().await;
        let is_whole = seen["hits"] == 2 && seen["misses"] == 2;
        if is_whole { Ok(()) } else { Err(seen) }
    })
    .await;
    until("the end of the trouble", SOON, || async {
        let said = feeder.said();
        if said.contains("takes the counters again") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
    drop(input);
    assert_eq!(feeder.ended().await, Some(0));
    let seen = stats().await;
    assert_eq!(
        (&seen["hits"], &seen["misses"]),
        (&json!(2), &json!(3)),
        "the last line has no end"
    );

    // Another life of the feeder counts from zero, even if it has counted more when it is first heard.
    let mut feeder = Feeder::start("log", &args, directory.path(), Stdio::piped());
    let mut input = feeder.child.stdin.take().unwrap();
    input.write_all(&b"HIT\n".repeat(1_000)).await.unwrap();
    drop(input);
    assert_eq!(feeder.ended().await, Some(0));
    let seen = stats().await;
    assert_eq!((&seen["hits"], &seen["misses"]), (&json!(1_002), &json!(3)));
}

/// Returns the time in seconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[tokio::test]
async fn lives_of_a_cache_that_the_agent_did_not_hear_count_too() {
    let directory = tempfile::tempdir().unwrap();
    let stat = FakeStat::new(directory.path());
    let address = edge_cache_tests::proxies::free_address().unwrap();
    let address = address.to_string();
    let program = stat.program.to_str().unwrap();
    let args = ["--node", "1", "--addr", &address, "--varnishstat", program];
    let feeder = Feeder::start("varnish", &args, directory.path(), Stdio::null());
    stat.say("100", now() - 1_000).await;
    // It has restarted, and counted more than before; and once more.
    stat.say("150", now()).await;
    let last = now();
    stat.say("170", last).await;
    let said = feeder.said();
    assert!(said.contains("trying again"), "{said}");
    let node = Node::start(1, &["--http-listen", &address]).await.unwrap();
    node.enable(1).await;
    let hits = async |expected: u64| {
        until("the hits of all lives", SOON, || async {
            let path = "/api/v1/nodes/1/edge-cache/stats";
            let seen = node.ask(Method::GET, path, None).await.body;
            let is_seen = seen["hits"] == expected;
            if is_seen { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    hits(100 + 150 + 170).await;
    stat.say("none", last).await;
    stat.say("180", last).await;
    hits(100 + 150 + 180).await;
    assert!(
        feeder.said().contains("printed something else"),
        "{}",
        feeder.said()
    );
    assert_eq!(feeder.terminate().await, Some(0));
}

#[tokio::test]
async fn a_feeder_that_cannot_work_as_it_was_started_says_so_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let reader = access::token("reader", "read").await;
    access::write(&file, &[&reader]);
    let node = access::start(&file, &[]).await;
    let secret = directory.path().join("secret");
    write_secret(&secret, &reader.secret).unwrap();
    let (address, secret) = (node.http.to_string(), secret.to_str().unwrap());
    let connection = ["--node", "1", "--addr", &address, "--token-file", secret];
    let missing = [&connection[..], &["--varnishstat", "/nowhere/varnishstat"]].concat();
    for (kind, args, code, said) in [
        ("log", &connection[..], 4, "`stats`"),
        ("log", &connection[..4], 4, "`Authorization` is missing"),
        ("varnish", &missing, 2, "install Varnish"),
    ] {
        let feeder = Feeder::start(kind, args, directory.path(), Stdio::null());
        let told = feeder.said.clone();
        assert_eq!(feeder.ended().await, Some(code), "{kind} {args:?}");
        let told = std::fs::read_to_string(told).unwrap();
        assert!(told.contains(said) && told.lines().count() == 1, "{told}");
    }
}

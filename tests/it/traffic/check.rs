//! The check of a node's cache: real caches that die and come back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use edge_cache_tests::debian::NGINX;
use edge_cache_tests::long_tests;
use edge_cache_tests::prometheus::Scrape;
use edge_cache_tests::proxies::{Server, free_address};
use edge_cache_tests::wait::until;
use reqwest::Method;
use rustix::process::Signal;

use super::proxies::site::{Kind, Site, firsts, paths};
use super::{Node, SOON, decide, expect_caches, meet, metric, pick, start};

static MOVES: AtomicUsize = AtomicUsize::new(0);
const HEALTH: &str = "server { listen LISTEN; location / { return 204; } }";

/// Returns the reason of a node's agent for not advertising, as another agent shows it.
async fn reason(at: &Node, of: u64) -> Option<String> {
    let path = format!("/api/v1/nodes/{of}/edge-cache");
    let shown = at.ask(Method::GET, &path, None).await.body;
    let reason = shown["decision"]["refused_by_node"].as_str();
    assert!(reason.is_none() || shown["advertised"] == false, "{shown}");
    reason.map(str::to_string)
}

async fn expect_reason(at: &Node, of: u64, said: &str) {
    let what = format!("{said:?} of node {of}, seen by node {}", at.id);
    until(&what, SOON, || async {
        match reason(at, of).await {
            Some(reason) if reason.contains(said) => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

#[tokio::test]
async fn labels_wait_for_the_first_success() {
    let cache = free_address().unwrap();
    let one = start(1, cache, None, &["--cache-check", "tcp"]).await;
    let two = start(2, super::cache_of(2), Some(&one), &[]).await;
    meet(&[&one, &two], SOON).await;
    decide(&two, Method::POST, 1).await;
    expect_reason(&two, 1, "the check of its cache failed").await;
    let health = one.ask(Method::GET, "/health/readyz", None).await;
    assert_eq!(health.status, 200, "the agent itself is ready");
    assert!(
        health.body["warnings"]
            .to_string()
            .contains("this node advertises nothing"),
        "{health:?}"
    );
    assert_eq!(pick(&two, "/pick/a", "").await.status, 503);
    let listener = tokio::net::TcpListener::bind(cache).await.unwrap();
    expect_caches(&two, 1).await;
    assert_eq!(pick(&two, "/pick/a", "").await.hosts(), [cache.to_string()]);
    assert_eq!(reason(&two, 1).await, None);
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_cache_is_withdrawn_and_comes_back() {
    let Some(mut site) = Site::start(&["--cache-check", "tcp"]).await else {
        return;
    };
    let Some(proxy) = Kind::Nginx
        .start(site.agents[0].traffic.unwrap(), &site.addresses())
        .await
    else {
        return;
    };
    site.expect_followed(Kind::Nginx, &proxy).await;
    let paths = paths("withdrawn", 200);
    let routes = site.routes(&paths).await;
    let killed = Instant::now();
    site.caches[1].kill().await.unwrap();
    for agent in &site.agents {
        expect_caches(agent, 2).await;
    }
    println!(
        "all agents route elsewhere {:?} after the end of a cache",
        killed.elapsed()
    );
    expect_reason(&site.agents[0], 2, "Connection refused").await;
    // Only its keys have moved, each to its second.
    let left = |nodes: &Vec<u64>| if nodes[0] == 2 { nodes[1] } else { nodes[0] };
    let expected: Vec<_> = routes.iter().map(left).collect();
    assert_eq!(firsts(&site.routes(&paths).await), expected);
    assert_eq!(site.ask(&proxy, &paths).await.unwrap(), expected);
    assert_eq!(
        metric(&site.agents[1], "edge_cache_cache_withdrawals_total").await,
        1.0
    );
    // The decision stands.
    let listed = site.agents[0]
        .ask(Method::GET, "/api/v1/edge-cache/nodes", None)
        .await
        .body;
    assert_eq!(listed["nodes"].as_array().unwrap().len(), 3);

    let back = Instant::now();
    site.caches[1].start_again().await.unwrap();
    for agent in &site.agents {
        expect_caches(agent, 3).await;
    }
    println!("its keys are back {:?} after its start", back.elapsed());
    assert_eq!(site.routes(&paths).await, routes);
    assert_eq!(site.ask(&proxy, &paths).await.unwrap(), firsts(&routes));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_everywhere_withdraws_nothing() {
    let Some(program) = NGINX.program() else {
        return;
    };
    let mut health = Server::nginx(program, HEALTH).await.unwrap();
    let url = health.url("/");
    let nodes = super::three(&["--cache-check", &url]).await;
    health.stop().await.unwrap();
    let kept = "edge_cache_cache_withdrawals_refused_total";
    for node in &nodes {
        until("the labels are kept", SOON, || async {
            let kept = metric(node, kept).await;
            if kept == 1.0 { Ok(()) } else { Err(kept) }
        })
        .await;
    }
    // Nodes that have decided go on like that.
    let failures = "edge_cache_cache_check_failures_total";
    let before = metric(&nodes[0], failures).await;
    until("more checks fail", SOON, || async {
        let failures = metric(&nodes[0], failures).await;
        if failures >= before + 3.0 {
            Ok(())
        } else {
            Err(failures)
        }
    })
    .await;
    for node in &nodes {
        assert_eq!(metric(node, "edge_cache_traffic_caches").await, 3.0);
        assert_eq!(
            metric(node, "edge_cache_cache_withdrawals_total").await,
            0.0
        );
        expect_reason(node, 2, "the check of its cache failed").await;
        let health = node.ask(Method::GET, "/health/readyz", None).await;
        let warnings = health.body["warnings"].to_string();
        assert!(
            warnings.contains("this node advertises its labels although its cache fails"),
            "{health:?}"
        );
        node.log_handle()
            .expect("the checks of most caches fail at once", SOON)
            .await;
    }
    health.start_again().await.unwrap();
    for of in 1..=3 {
        until(
            "it is advertised again",
            Duration::from_secs(60),
            || async {
                let reason = reason(&nodes[0], of).await;
                reason.map_or(Ok(()), Err)
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_wrong_check_does_not_empty_the_routing_when_all_agents_restart() {
    let place = tempfile::tempdir().unwrap();
    let places = [1, 2, 3].map(|id| place.path().join(format!("node-{id}")));
    let stored = |id: u64| {
        let place = places[id as usize - 1].to_str().unwrap();
        ["--data-dir", place, "--leave-on-terminate", "false"]
    };
    let one = start(1, super::cache_of(1), None, &stored(1)).await;
    let two = start(2, super::cache_of(2), Some(&one), &stored(2)).await;
    let three = start(3, super::cache_of(3), Some(&one), &stored(3)).await;
    meet(&[&one, &two, &three], SOON).await;
    let mut nodes = std::collections::VecDeque::from([one, two, three]);
    for id in 1..=3 {
        decide(&nodes[0], Method::POST, id).await;
    }
    for node in &nodes {
        expect_caches(node, 3).await;
    }

    // Bound, so that no agent gets the port, and not listening.
    let refuses = tokio::net::TcpSocket::new_v4().unwrap();
    refuses.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let dead = format!("http://{}/", refuses.local_addr().unwrap());
    for id in 1..=3 {
        let old = nodes.pop_front().unwrap();
        old.signal(Signal::TERM);
        assert_eq!(old.ended().await, Some(0));
        let args = [&stored(id)[..], &["--cache-check", &dead]].concat();
        let new = start(id, super::cache_of(id), Some(&nodes[0]), &args).await;
        nodes.push_back(new);
        let mut all: Vec<_> = nodes.iter().collect();
        all.sort_by_key(|node| node.id);
        meet(&all, SOON).await;
    }
    // One of three may wait for a success: the others show that not all checks are wrong.
    let kept = "edge_cache_cache_withdrawals_refused_total";
    until("most labels are kept", SOON, || async {
        let mut all = 0.0;
        for node in &nodes {
            all += metric(node, kept).await;
        }
        if all >= 2.0 { Ok(()) } else { Err(all) }
    })
    .await;
    for node in &nodes {
        until("most caches are routed", SOON, || async {
            let caches = metric(node, "edge_cache_traffic_caches").await;
            if caches >= 2.0 { Ok(()) } else { Err(caches) }
        })
        .await;
    }
}

/// Waits until so much time is over since `start`.
async fn at(start: Instant, seconds: u64) {
    until("the time", Duration::from_secs(120), || async {
        let elapsed = start.elapsed();
        (elapsed >= Duration::from_secs(seconds))
            .then_some(())
            .ok_or(elapsed)
    })
    .await;
}

/// Takes a minute, so it is left out of the normal mode; the phases are tested there in virtual time.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_flaps_moves_its_keys_at_most_twice_in_a_minute() {
    if !long_tests() {
        return;
    }
    let Some(mut site) = Site::start(&["--cache-check", "tcp"]).await else {
        return;
    };
    let (client, url) = (
        site.client.clone(),
        format!("http://{}/metrics", site.agents[0].http),
    );
    let watched = tokio::spawn(async move {
        let (mut moves, mut last) = (0, 3.0);
        loop {
            let text = client.get(&url).send().await.unwrap().text().await.unwrap();
            let now = Scrape::parse(&text)
                .unwrap()
                .value("edge_cache_traffic_caches");
            moves += usize::from(now != last);
            last = now;
            MOVES.store(moves, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let start = Instant::now();
    for round in 0..3 {
        site.caches[1].kill().await.unwrap();
        at(start, 20 * round + 10).await;
        site.caches[1].start_again().await.unwrap();
        at(start, 20 * round + 20).await;
    }
    watched.abort();
    let moves = MOVES.load(Ordering::Relaxed);
    println!("its keys moved {moves} times");
    assert!((1..=2).contains(&moves), "{moves}");
}

#[tokio::test]
async fn a_check_without_an_address_is_refused() {
    for (args, said) in [
        (
            &["--cache-check", "tcp"][..],
            "needs `cache.address` (`--cache-address`)",
        ),
        (
            &["--cache-check", "https://127.0.0.1/"],
            "a check is `tcp`, or an http URL",
        ),
        (
            &["--cache-check", "udp"],
            "a check is `tcp`, or an http URL",
        ),
    ] {
        let args = [
            &["run", "--node-id", "1", "--http-listen", "127.0.0.1:0"],
            args,
        ]
        .concat();
        let ended = edge_cache_tests::agent::run_to_end(&args).await.unwrap();
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}

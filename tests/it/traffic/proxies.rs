//! Real proxies in front of real caches, configured as the page `traffic.md` says.

pub(super) mod site;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use edge_cache_tests::proxies::{Origin, free_address};
use edge_cache_tests::wait::until;
use rustix::process::Signal;

use self::site::{CACHE, Kind, Site, firsts, paths};
use super::{Node, SOON, decide};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_goes_to_the_cache_that_route_names_first() {
    const KEYS: usize = 1_000;
    const ROUNDS: usize = 10;
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let agent = site.agents[index].traffic.unwrap();
        let Some(proxy) = kind.start(agent, &site.addresses()).await else {
            continue;
        };
        let paths = paths(&format!("{kind:?}"), KEYS);
        let expected = firsts(&site.routes(&paths).await);
        assert_eq!(expected.iter().collect::<BTreeSet<_>>().len(), 3);
        site.expect_followed(kind, &proxy).await;
        for round in 0..ROUNDS {
            let seen = site.ask(&proxy, &paths).await.unwrap();
            assert_eq!(seen, expected, "{kind:?}, round {round}");
        }
        let seen = site.origin.seen();
        let asked: BTreeMap<_, _> = seen
            .iter()
            .filter(|(path, _)| path.starts_with(&format!("/{kind:?}/")))
            .collect();
        assert_eq!(asked.len(), KEYS);
        let twice: Vec<_> = asked.iter().filter(|(_, count)| ***count != 1).collect();
        assert!(twice.is_empty(), "{kind:?}: {twice:?}");
    }
}

/// The cache of a node dies while its agent lives on: its requests go to the second of the list without an error.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_cache_answers_where_the_first_is_dead() {
    let Some(mut site) = Site::start(&[]).await else {
        return;
    };
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let agent = site.agents[index].traffic.unwrap();
        let Some(proxy) = kind.start(agent, &site.addresses()).await else {
            continue;
        };
        site.expect_followed(kind, &proxy).await;
        let paths = paths(&format!("dead-{kind:?}"), 300);
        let routes = site.routes(&paths).await;
        let dead = u64::try_from(index + 1).unwrap();
        site.caches[index].kill().await.unwrap();
        let alive = |nodes: &Vec<u64>| if nodes[0] == dead { nodes[1] } else { nodes[0] };
        let expected: Vec<_> = routes.iter().map(alive).collect();
        assert_eq!(
            site.ask(&proxy, &paths).await.unwrap(),
            expected,
            "{kind:?}"
        );
        site.caches[index].start_again().await.unwrap();
        assert_eq!(
            site.ask(&proxy, &paths).await.unwrap(),
            firsts(&routes),
            "{kind:?}"
        );
    }
}

/// A node is disabled: its keys go to their second within a second.
#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_disabled_node_move_within_a_second() {
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    let agent = site.agents[0].traffic.unwrap();
    let proxies = site.proxies(agent).await;
    let paths = paths("moved", 60);
    let routes = site.routes(&paths).await;
    let left = |nodes: &Vec<u64>| if nodes[0] == 3 { nodes[1] } else { nodes[0] };
    let expected: Vec<_> = routes.iter().map(left).collect();
    let start = Instant::now();
    decide(&site.agents[1], super::Method::DELETE, 3).await;
    for (kind, proxy) in &proxies {
        let what = format!("the keys move at {kind:?}");
        until(&what, SOON, async || match site.ask(proxy, &paths).await {
            Ok(seen) if seen == expected => Ok(()),
            seen => Err(seen.map_err(|error| error.to_string())),
        })
        .await;
    }
    println!("all keys have moved after {:?}", start.elapsed());
}

/// The proxy's agent dies, or is cut off: requests go on, and follow again when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_goes_on_without_its_agent() {
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    let traffic = free_address().unwrap();
    let agent = site.ask_at(traffic).await;
    let proxies = site.proxies(traffic).await;
    agent.signal(Signal::KILL);
    agent.ended().await;
    let paths = paths("without", 200);
    let firsts = firsts(&site.routes(&paths).await);
    for (kind, proxy) in &proxies {
        let seen = site.ask(proxy, &paths).await.unwrap();
        let elsewhere = seen
            .iter()
            .zip(&firsts)
            .filter(|(seen, first)| seen != first)
            .count();
        println!(
            "{kind:?} without its agent: {elsewhere} of {} requests went elsewhere",
            paths.len()
        );
    }
    let _agent = site.ask_at(traffic).await;
    for (kind, proxy) in &proxies {
        site.expect_followed(*kind, proxy).await;
    }
}

/// Whatever a client sends, its request goes to the cache of its real URL, and nowhere that it names.
#[tokio::test(flavor = "multi_thread")]
async fn no_client_chooses_its_cache_through_a_proxy() {
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    let traffic = free_address().unwrap();
    let agent = site.ask_at(traffic).await;
    // A server that no request may reach.
    let trap = Origin::start().await.unwrap();
    let proxies = site.proxies(traffic).await;
    let key = "/real/path".to_string();
    let first = site.routes(std::slice::from_ref(&key)).await[0][0];
    let others = paths("other", 50);
    let routes = site.routes(&others).await;
    let other = routes.iter().position(|nodes| nodes[0] != first).unwrap();
    let other = &others[other];
    let evil = format!(
        "x-edge-cache-hosts: {trap}\r\nx-edge-cache-host: {trap}\r\nx-edge-cache-host-2: {trap}\r\n\
         X-Edge-Cache-Nodes: 1\r\n",
        trap = trap.address
    );
    let uris =
        format!("x-original-uri: {other}\r\nx-original-uri: /b\r\nx-forwarded-uri: {other}\r\n");
    let requests = [
        ("GET", "", evil.clone()),
        ("GET", "", uris),
        ("GET", "?key=%2Fother&header=x-original-uri", String::new()),
        ("GET", "", "authorization: Bearer x\r\n".to_string()),
        ("GET", "", "range: bytes=0-3\r\n".to_string()),
        ("GET", "", "expect: 100-continue\r\n".to_string()),
        ("GET", "", "if-none-match: *\r\n".to_string()),
        ("HEAD", "", evil.clone()),
        ("OPTIONS", "", evil.clone()),
        ("POST", "", format!("{evil}content-length: 0\r\n")),
        (
            "POST",
            "",
            format!(
                "{}content-length: 5\r\n\r\nhello",
                "x-many: 1\r\n".repeat(80)
            ),
        ),
    ];
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    // An agent of another cluster that waits for its seed: it answers 503.
    let listen = traffic.to_string();
    let waiting = [
        "--gossip-join-timeout",
        "5m",
        "--seed",
        &silent,
        "--traffic-listen",
        &listen,
    ];
    let mut agent = Some(agent);
    for state in ["up", "down", "503"] {
        let is_up = state == "up";
        for (kind, proxy) in &proxies {
            for (method, query, headers) in &requests {
                let request = format!(
                    "{method} {key}{query} HTTP/1.1\r\nhost: site.example\r\n{headers}\r\n"
                );
                let answer = super::exchange(proxy.address, request.as_bytes())
                    .await
                    .expect("an answer");
                let named = answer.header(CACHE).map(str::to_string);
                let case = format!("{state} {kind:?} {method} {query} {headers:.40} {answer:?}");
                assert!(answer.status < 400, "{case}");
                assert!(named.is_some(), "{case}");
                if is_up {
                    assert_eq!(named, Some(first.to_string()), "{case}");
                }
            }
        }
        if let Some(agent) = agent.take() {
            agent.signal(Signal::KILL);
            agent.ended().await;
        }
        if state == "down" {
            agent = Some(Node::start(9, &waiting).await.unwrap());
            let answer = super::exchange(traffic, b"GET /pick/a HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert_eq!(answer.unwrap().status, 503);
        }
    }
    assert_eq!(trap.requests(), 0, "{:?}", trap.seen());
}

/// Two sites with the same paths on one cache: their keys and their copies are apart.
#[tokio::test(flavor = "multi_thread")]
async fn several_sites_share_the_caches() {
    let Some(site) = Site::start(&["--traffic-key", "host-and-path"]).await else {
        return;
    };
    for kind in Kind::ALL {
        let agent = site.agents[0].traffic.unwrap();
        let Some(proxy) = kind.start(agent, &site.addresses()).await else {
            continue;
        };
        let mut differ = 0;
        let paths = paths(&format!("site-{kind:?}"), 30);
        for path in &paths {
            let mut nodes = BTreeSet::new();
            for host in ["a.example", "b.example:8080", "B.Example"] {
                let name = host.to_lowercase().replace(":8080", "");
                let (ids, _) = super::route(&site.agents[1], &format!("{name}{path}")).await;
                let first = ids.split(',').next().map(str::to_string);
                let request = format!("GET {path}?v=1 HTTP/1.1\r\nhost: {host}\r\n\r\n");
                let what = format!("{kind:?} follows for {host}{path}");
                // Envoy has no endpoints before its first poll.
                until(&what, SOON, async || {
                    let answer = super::exchange(proxy.address, request.as_bytes()).await;
                    let answer = answer.ok_or("no answer")?;
                    let node = answer.header(CACHE).map(str::to_string);
                    if answer.status == 200 && node == first {
                        Ok(())
                    } else {
                        Err("another cache")
                    }
                })
                .await;
                nodes.insert(ids);
            }
            differ += usize::from(nodes.len() > 1);
        }
        assert!(differ > 0, "the host makes no difference");
        // Each site's copy was fetched once, but for the first one, before Envoy has its endpoints.
        let seen = site.origin.seen();
        for path in &paths[1..] {
            let fetched = seen.get(&format!("{path}?v=1"));
            assert_eq!(fetched, Some(&2), "{kind:?} {path}");
        }
    }
}

/// A disabled node leaves Envoy's endpoints at its next poll.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_forgets_a_disabled_node() {
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    let agent = site.agents[0].traffic.unwrap();
    let Some(proxy) = Kind::Envoy.start(agent, &site.addresses()).await else {
        return;
    };
    site.expect_followed(Kind::Envoy, &proxy).await;
    let config = fs::read_to_string(proxy.folder().join("envoy.yaml")).unwrap();
    let admin = config.split("admin: ").nth(1).unwrap();
    let port = admin.split("port_value: ").nth(1).unwrap();
    let port: u16 = port.split(' ').next().unwrap().parse().unwrap();
    let endpoints = async || {
        let url = format!("http://127.0.0.1:{port}/clusters");
        let text = site
            .client
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let of = |address: &SocketAddr| text.contains(&format!("edge-cache::{address}::"));
        site.addresses().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(endpoints().await, [true; 3]);
    decide(&site.agents[2], super::Method::DELETE, 2).await;
    until("Envoy forgets it", SOON, async || match endpoints().await {
        seen if seen == [true, false, true] => Ok(()),
        seen => Err(seen),
    })
    .await;
}

/// Paths as they come on the wire: long ones, and bytes that are no text.
#[tokio::test(flavor = "multi_thread")]
async fn odd_paths_get_no_error_from_the_agent() {
    let Some(site) = Site::start(&[]).await else {
        return;
    };
    let long = format!("/{}", "p".repeat(7_000));
    for kind in Kind::ALL {
        let agent = site.agents[0].traffic.unwrap();
        let Some(proxy) = kind.start(agent, &site.addresses()).await else {
            continue;
        };
        site.expect_followed(kind, &proxy).await;
        for path in ["/%ff%fe", "/a%2Fb", "/a//b/../c", &long] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
            let answer = super::exchange(proxy.address, request.as_bytes())
                .await
                .unwrap();
            assert!(
                answer.status == 200 && answer.header(CACHE).is_some(),
                "{kind:?} {path:.40} {answer:?}"
            );
        }
        // Envoy itself takes no bytes beyond ASCII, and so never asks the agent.
        for path in [&b"/caf\xc3\xa9"[..], b"/a\xff\xfe"] {
            let request = [b"GET ", path, b" HTTP/1.1\r\nhost: x\r\n\r\n"].concat();
            let answer = super::exchange(proxy.address, &request).await.unwrap();
            // The origin of these tests refuses what is no UTF-8; the request has reached a cache.
            let is_sent = answer.header(CACHE).is_some();
            assert_eq!(is_sent, kind != Kind::Envoy, "{kind:?} {path:?} {answer:?}");
        }
    }
}

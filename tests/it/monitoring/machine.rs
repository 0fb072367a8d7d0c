//! Agents in trouble with their disk, cache, log, plugin and files.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use edge_cache_tests::agent::{binary, client, command};
use edge_cache_tests::component::hostile;
use edge_cache_tests::small_disk::SmallDisk;
use edge_cache_tests::wait::until;
use futures_util::future::join_all;
use reqwest::Method;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::prometheus::{FIRES_WITHIN, Prometheus, target};
use crate::gossip_node::{Node, meet};
use crate::reload::files::{Files, Pair};
use crate::signs::cluster::{SOON, decide};
use crate::traffic::expect_caches;

/// Alerts that the agents of these tests are brought to.
pub(super) const ALERTS: &[&str] = &[
    STORE_FAILED,
    CACHE_FAILED,
    TRAFFIC_HELD,
    CHANGES_WAIT,
    UNASSESSED,
    LINES_DROPPED,
    RELOAD_FAILED,
    CERTIFICATE_EXPIRES,
];
const STORE_FAILED: &str = "EdgeCacheStoreFailed";
const CACHE_FAILED: &str = "EdgeCacheCacheFailed";
const TRAFFIC_HELD: &str = "EdgeCacheTrafficHeld";
const CHANGES_WAIT: &str = "EdgeCacheChangesWait";
const UNASSESSED: &str = "EdgeCacheMembersUnassessed";
const LINES_DROPPED: &str = "EdgeCacheLogLinesDropped";
const RELOAD_FAILED: &str = "EdgeCacheReloadFailed";
const CERTIFICATE_EXPIRES: &str = "EdgeCacheCertificateExpires";
/// Node at which the hostile guest does what its settings say.
const TRIGGER: u64 = 666;
/// Changes of 200 ms each, so that the last waits for seconds.
const CHANGES: u64 = 20;
/// Requests between two looks, each of which is a line in the log.
const REQUESTS: usize = 1_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_full_disk() -> Result<()> {
    let Some(disk) = SmallDisk::mount(4096)? else {
        return Ok(());
    };
    let data = disk.path().to_str().context("no text")?;
    let node = Node::start(1, &["--data-dir", data]).await?;
    let Some(server) = Prometheus::start(&[target(&node)]).await? else {
        return Ok(());
    };
    disk.fill()?;
    let change = async || {
        let path = "/api/v1/nodes/7/edge-cache";
        node.ask(Method::DELETE, path, None).await;
        node.ask(Method::POST, path, Some(&capacity(7))).await;
    };
    server.expect_doing(&[STORE_FAILED], change).await;
    Ok(())
}

fn capacity(disk_mib: u64) -> serde_json::Value {
    serde_json::json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": disk_mib}})
}

#[tokio::test]
async fn a_cache_that_ends_and_members_that_are_silent() -> Result<()> {
    let cache = TcpListener::bind("127.0.0.1:0").await?;
    let address = cache.local_addr()?.to_string();
    let fast = ["--gossip-interval", "200ms", "--cache-address"];
    let traffic = ["127.0.0.1:81", "--traffic-listen", "127.0.0.1:0"];
    let one = Node::start(1, &[&fast[..], &traffic].concat()).await?;
    let seed = one.gossip.to_string();
    let checks = [&address, "--cache-check", "tcp", "--seed", &seed];
    let two = Node::start(2, &[&fast[..], &checks].concat()).await?;
    let three = ["127.0.0.1:83", "--seed", &seed];
    let three = Node::start(3, &[&fast[..], &three].concat()).await?;
    meet(&[&one, &two, &three], SOON).await;
    for id in 1..=3 {
        decide(&one, Method::POST, id).await;
    }
    expect_caches(&one, 3).await;
    let Some(server) = Prometheus::start(&[target(&one), target(&two)]).await? else {
        return Ok(());
    };
    drop(cache);
    server.expect(&[CACHE_FAILED]).await;
    // Both at once are more than half of the members.
    two.signal(Signal::STOP);
    three.signal(Signal::STOP);
    server.expect(&[TRAFFIC_HELD]).await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_is_slow_or_fails_on_labels() -> Result<()> {
    let plugin = hostile()?.to_str().context("no text")?;
    let slow = ["--plugin-settings", "behaviour=nap@enable"];
    let calls = ["--limits-call-deadline", "2s", "--limits-batch", "1"];
    let slow = Node::start(1, &[&["--plugin", plugin], &slow[..], &calls].concat()).await?;
    let failing = ["--plugin-settings", "behaviour=trap@assess"];
    let failing = Node::start(2, &[&["--plugin", plugin], &failing[..]].concat()).await?;
    let seed = failing.gossip.to_string();
    let deadly = Node::start(TRIGGER, &["--seed", &seed]).await?;
    let Some(server) = Prometheus::start(&[target(&slow), target(&failing)]).await? else {
        return Ok(());
    };
    let path = format!("/api/v1/nodes/{TRIGGER}/edge-cache");
    let change = async || {
        let changes = (1..=CHANGES).map(async |disk_mib| {
            let body = capacity(disk_mib);
            slow.ask(Method::POST, &path, Some(&body)).await.status
        });
        let statuses = join_all(changes).await;
        assert!(statuses.iter().all(|it| *it == 204), "{statuses:?}");
    };
    server
        .expect_doing(&[CHANGES_WAIT, UNASSESSED], change)
        .await;
    drop(deadly);
    Ok(())
}

#[tokio::test]
async fn a_reader_of_the_log_that_stalls() -> Result<()> {
    let mut child = command(binary()?)
        .args(["run", "--node-id", "1", "--http-listen", "127.0.0.1:0"])
        .args(["--log-level", "debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no pipe")?).lines();
    let line = timeout(SOON, lines.next_line()).await??;
    let line = line.context("it ended")?;
    let address = line.strip_prefix("http=").context("no address")?.parse()?;
    let Some(server) = Prometheus::start(&[address]).await? else {
        return Ok(());
    };
    let client = client(&[])?;
    let log = async || {
        for _ in 0..REQUESTS {
            let asked = client.get(format!("http://{address}/health/livez")).send();
            assert_eq!(asked.await.unwrap().status(), 200);
        }
    };
    server.expect_doing(&[LINES_DROPPED], log).await;
    Ok(())
}

#[tokio::test]
async fn a_certificate_that_ends_and_a_reload_that_fails() -> Result<()> {
    let files = Files::new().await?;
    let flags = files.flags();
    let flags = flags.each_ref().map(String::as_str);
    let health = ["--health-listen", "127.0.0.1:0"];
    let agent = files
        .start_with(&["env"], &[&flags[..], &health].concat())
        .await?;
    let Some(server) = Prometheus::start(&[target(&agent.node)]).await? else {
        return Ok(());
    };
    for name in [CERTIFICATE_EXPIRES, RELOAD_FAILED] {
        ensure!(!server.firing().await.contains(name), "{name}");
    }
    let soon = Pair::until(SystemTime::now() + 13 * DAY)?;
    files.certificate(&soon, &soon)?;
    agent.node.signal(Signal::HUP);
    server.expect(&[CERTIFICATE_EXPIRES]).await;
    std::fs::write(files.path("tokens"), "nonsense")?;
    agent.node.signal(Signal::HUP);
    server.expect(&[RELOAD_FAILED]).await;
    // A good one ends both.
    files.tokens(&[&files.admin]);
    files.certificate(&files.first, &files.first)?;
    agent.node.signal(Signal::HUP);
    until("silence", FIRES_WITHIN, || async {
        let firing = server.firing().await;
        let fires = [CERTIFICATE_EXPIRES, RELOAD_FAILED].map(|name| firing.contains(name));
        if fires == [false; 2] {
            Ok(())
        } else {
            Err(firing)
        }
    })
    .await;
    Ok(())
}

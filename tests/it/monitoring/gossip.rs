//! Agents in trouble as members of a cluster.

use std::net::UdpSocket;

use anyhow::{Context, Result, bail};
use edge_cache_tests::agent::write_secret;
use rustix::process::Signal;

use super::prometheus::{Prometheus, target};
use crate::gossip_node::{Node, expect_peers, keygen, meet, metric};
use crate::hostile_gossip::wire::{Member, syn};
use crate::signs::cluster::{SOON, with_clock};
use crate::zlayer_peers::{CLUSTER, ZLayerNode};

/// Alerts that the agents of these tests are brought to.
pub(super) const ALERTS: &[&str] = &[CLOCK_OFF, DIGEST_LARGE, GOSSIP_STOPPED];
const CLOCK_OFF: &str = "EdgeCacheClockOff";
const DIGEST_LARGE: &str = "EdgeCacheDigestLarge";
const GOSSIP_STOPPED: &str = "EdgeCacheGossipStopped";
/// Starts of an agent, more than nodes of ZLayer can bear within an hour.
const STARTS_MAX: usize = 25;
/// Members whose digest takes more than three quarters of a datagram, and less than agents send.
const MEMBERS: u64 = 800;

#[tokio::test]
async fn a_clock_that_is_a_minute_ahead() -> Result<()> {
    let Some(ahead) = with_clock("+60s") else {
        return Ok(());
    };
    let ahead = ahead.each_ref().map(String::as_str);
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    write_secret(&keys, keygen().await)?;
    let keys = keys.to_str().context("no text")?;
    let sealed = ["--gossip-listen", "127.0.0.1:0", "--gossip-key-file", keys];
    let one = Node::start_with(&[], 1, &sealed).await?;
    let seed = one.gossip.to_string();
    let joins = [&sealed[..], &["--seed", &seed]].concat();
    let two = Node::start_with(&ahead, 2, &joins).await?;
    let Some(server) = Prometheus::start(&[target(&one)]).await? else {
        return Ok(());
    };
    server.expect(&[CLOCK_OFF]).await;
    drop(two);
    Ok(())
}

#[tokio::test]
async fn more_members_than_fit_well() -> Result<()> {
    let cluster = ["--cluster-id", "large"];
    let one = Node::start(1, &cluster).await?;
    let seed = one.gossip.to_string();
    let two = Node::start(2, &[&cluster[..], &["--seed", &seed]].concat()).await?;
    meet(&[&one, &two], SOON).await;
    let Some(server) = Prometheus::start(&[target(&one)]).await? else {
        return Ok(());
    };
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let invented: Vec<_> = (0..MEMBERS)
        .map(|n| (Member::new(format!("worker:{}", u64::MAX - n), 1), 1, 0))
        .collect();
    let tell = async || {
        for part in invented.chunks(MEMBERS as usize / 2) {
            socket.send_to(&syn("large", part), one.gossip).unwrap();
        }
    };
    server.expect_doing(&[DIGEST_LARGE], tell).await;
    Ok(())
}

#[tokio::test]
async fn an_agent_that_was_started_too_often_among_nodes_of_zlayer() -> Result<()> {
    let other = ZLayerNode::start(2, &[], serde_json::json!({})).await;
    let folder = tempfile::tempdir()?;
    let data = folder.path().to_str().context("no text")?;
    let seed = other.address.to_string();
    let place = ["--cluster-id", CLUSTER, "--data-dir", data, "--seed", &seed];
    let args = [&place[..], &["--gossip-interval", "200ms"]].concat();
    let mut node = Node::start(1, &args).await?;
    for _ in 0..STARTS_MAX {
        if metric(&node, "edge_cache_gossip_running").await == 0.0 {
            let Some(server) = Prometheus::start(&[target(&node)]).await? else {
                return Ok(());
            };
            server.expect(&[GOSSIP_STOPPED]).await;
            return Ok(());
        }
        // A life that ends before it knows the other counts for nothing.
        expect_peers(&node, &[2], SOON).await;
        node.signal(Signal::TERM);
        node.ended().await;
        node = Node::start(1, &args).await?;
    }
    bail!("it was never too often")
}

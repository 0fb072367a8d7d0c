//! All of WASI, where a component finds nothing.

use std::time::{Duration, Instant};

use anyhow::Result;
use edge_cache_host::Limits;
use insta::assert_snapshot;

use super::{answers, misbehave, node};

#[tokio::test]
async fn there_is_nothing_in_wasi() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "surroundings@enable",
        "network@enable",
        "http@enable",
    ]).await?, @r"
    surroundings@enable: gossip label push failed: environment [], arguments [], working directory None, folders [], input Err(StreamError::Closed)
    network@enable: gossip label push failed: tcp access-denied, udp access-denied, names permanent-resolver-failure
    http@enable: gossip label push failed: header Some(HeaderError::Forbidden), authority Err(()), body refused true, request Some(ErrorCode::HttpRequestDenied)
    ");
    Ok(())
}

/// A wait within the deadline of a call is none of its failures, and a longer one fails before it begins.
#[tokio::test]
async fn a_plugin_may_wait_until_its_deadline() -> Result<()> {
    for behaviour in ["nap@enable", "nap-in-poll@enable"] {
        let node = node(behaviour, Limits::default()).await?;
        let begun = Instant::now();
        misbehave(&node.registry, behaviour).await?;
        assert!(begun.elapsed() >= Duration::from_millis(200), "{behaviour}");
    }
    let long_nap = node("long-nap@enable", Limits::default()).await?;
    let failure = misbehave(&long_nap.registry, "long-nap@enable").await;
    assert_snapshot!(failure.unwrap_err(), @"the plugin failed: enable waits for longer than 250 ms, the limit `call_deadline`");
    // A deadline that is longer than a busy machine takes for the call.
    let limits = Limits {
        call_deadline: Duration::from_secs(20),
        ..Limits::default()
    };
    let sleep = node("sleep@enable", limits.clone()).await?;
    let begun = Instant::now();
    let failure = misbehave(&sleep.registry, "sleep@enable").await;
    assert!(begun.elapsed() < limits.call_deadline, "it waited");
    assert_snapshot!(failure.unwrap_err(), @"the plugin failed: enable waits for longer than 20000 ms, the limit `call_deadline`");
    Ok(())
}

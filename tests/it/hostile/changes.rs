//! Misdeeds in the changes of a registry.

use anyhow::Result;
use edge_cache_host::{EdgeCacheError, Limits};
use edge_cache_tests::cluster_of_one::{capacity, capacity_in};
use insta::assert_snapshot;

use super::{OTHER, TRIGGER, answers, excerpt, node, roomy, survived};

#[tokio::test]
async fn a_change_that_does_not_end() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "loop@enable",
        "loop@disable",
        "loop@add-stats",
        "sleep@enable",
        "sleep@disable",
        "sleep@add-stats",
        "sleep-in-poll@enable",
    ]).await?, @r"
    loop@enable: the plugin failed: enable ran for longer than 250 ms, the limit `call_deadline`
    loop@disable: the plugin failed: disable ran for longer than 250 ms, the limit `call_deadline`
    loop@add-stats: the plugin failed: add-stats ran for longer than 250 ms, the limit `call_deadline`
    sleep@enable: the plugin failed: enable waits for longer than 250 ms, the limit `call_deadline`
    sleep@disable: the plugin failed: disable waits for longer than 250 ms, the limit `call_deadline`
    sleep@add-stats: the plugin failed: add-stats waits for longer than 250 ms, the limit `call_deadline`
    sleep-in-poll@enable: the plugin failed: enable waits for longer than 250 ms, the limit `call_deadline`
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_that_calls_the_host_ten_million_times() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "many-clocks@enable",
        "many-settings@disable",
        "many-random@add-stats",
        "many-lines@enable",
        "many-labels@enable",
    ]).await?, @r"
    many-clocks@enable: the plugin failed: enable ran for longer than 250 ms, the limit `call_deadline`
    many-settings@disable: the plugin failed: disable ran for longer than 250 ms, the limit `call_deadline`
    many-random@add-stats: the plugin failed: add-stats ran for longer than 250 ms, the limit `call_deadline`
    many-lines@enable: the plugin failed: enable ran for longer than 250 ms, the limit `call_deadline`; it logged 16 lines
    many-labels@enable: the plugin failed: enable ran for longer than 250 ms, the limit `call_deadline`
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_that_traps_or_exits() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "trap@enable",
        "trap@disable",
        "trap@add-stats",
        "exit@enable",
        "exit-well@disable",
    ]).await?, @r"
    trap@enable: the plugin failed: enable trapped: wasm trap: wasm `unreachable` instruction executed
    trap@disable: the plugin failed: disable trapped: wasm trap: wasm `unreachable` instruction executed
    trap@add-stats: the plugin failed: add-stats trapped: wasm trap: wasm `unreachable` instruction executed
    exit@enable: the plugin failed: enable trapped: it exited with status 1
    exit-well@disable: the plugin failed: disable trapped: it exited with status 0
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_that_wants_more_than_there_is() -> Result<()> {
    let limits = Limits {
        memory_bytes: Limits::default().memory_bytes,
        ..roomy()
    };
    assert_snapshot!(answers(&limits, &[
        "grow@enable",
        "grow@add-stats",
        "recurse@enable",
        "recurse@disable",
        "handles@enable",
        "random-huge@add-stats",
        "zeroes@enable",
        "poll-many@enable",
"publish-nodes@enable",
    ]).await?, @r"
    grow@enable: the plugin failed: enable ran out of memory at 67108864 bytes, the limit `memory_bytes`
    grow@add-stats: the plugin failed: add-stats ran out of memory at 67108864 bytes, the limit `memory_bytes`
    recurse@enable: the plugin failed: enable used up its stack of 524288 bytes, the limit `stack_bytes`
    recurse@disable: the plugin failed: disable used up its stack of 524288 bytes, the limit `stack_bytes`
    handles@enable: the plugin failed: enable holds more than 1000 handles, the limit `handles`
    random-huge@add-stats: the plugin failed: add-stats asked for more than 65536 random bytes at once, the limit `random_bytes`
    zeroes@enable: the plugin failed: enable trapped: cannot write more zeroes than `check_write` allows
    poll-many@enable: the plugin failed: enable handed over more than 1048576 bytes, the limit `call_data_bytes`
    publish-nodes@enable: gossip label push failed: denied: labels for more than 20000 nodes in one call, the limit `nodes_max`
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_that_answers_too_much() -> Result<()> {
    assert_snapshot!(answers(&roomy(), &[
        "huge@enable",
        "huge-error@enable",
        "huge@disable",
        "huge@add-stats",
    ]).await?, @r"
    huge@enable: the plugin failed: enable handed over more than 1048576 bytes, the limit `call_data_bytes`
    huge-error@enable: the plugin failed: enable handed over more than 1048576 bytes, the limit `call_data_bytes`
    huge@disable: the plugin failed: disable handed over more than 1048576 bytes, the limit `call_data_bytes`
    huge@add-stats: the plugin failed: add-stats handed over more than 1048576 bytes, the limit `call_data_bytes`
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_that_lies() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "other-node@enable",
        "escapes@enable",
        "long-geo@enable",
        "nothing@enable",
        "exact-time@enable",
        "late@enable",
        "down@add-stats",
        "up@add-stats",
        "say-up@add-stats",
        "not-found@disable",
        "other-not-found@disable",
        "not-found@add-stats",
        "other-not-found@add-stats",
    ]).await?, @r"
    other-node@enable: the plugin failed: enable broke the contract: asked to enable node 666, it answered node 667
    escapes@enable: the plugin failed: enable broke the contract: the capacity of node 666 is invalid: geo must be printable: no control characters and no direction marks
    long-geo@enable: the plugin failed: enable broke the contract: the capacity of node 666 is invalid: geo must be 1 to 64 bytes, got 65
    nothing@enable: the plugin failed: enable broke the contract: the capacity of node 666 is invalid: cpu_cores, ram_mib and disk_mib are all zero; at least one must not be
    exact-time@enable: the plugin failed: enable broke the contract: enabled-at of node 666 must be whole milliseconds, got 1 nanoseconds
    late@enable: the plugin failed: enable broke the contract: enabled-at of node 666 must be before the year 10000
    down@add-stats: the plugin failed: add-stats broke the contract: the totals of node 666 must be 1 hits and 1 misses, it answered 0 and 1
    up@add-stats: the plugin failed: add-stats broke the contract: the totals of node 666 must be 1 hits and 1 misses, it answered 1 and 2
    say-up@add-stats: the plugin failed: add-stats broke the contract: the totals of node 666 must be 1 hits and 1 misses, it answered 1 and 2; it logged 3 lines
    not-found@disable: the plugin failed: disable broke the contract: it did not find node 666, which is registered
    other-not-found@disable: the plugin failed: disable broke the contract: asked for node 666, it did not find node 667
    not-found@add-stats: the plugin failed: add-stats broke the contract: it did not find node 666, which is registered
    other-not-found@add-stats: the plugin failed: add-stats broke the contract: asked for node 666, it did not find node 667
    ");
    Ok(())
}

#[tokio::test]
async fn a_change_whose_error_is_meant_for_a_terminal() -> Result<()> {
    let node = node("escaped-error@enable", Limits::default()).await?;
    let error = survived(&node, "escaped-error@enable").await?;
    assert_snapshot!(excerpt(&error), @"gossip label push failed: �[2J�[31mall is well����[2J�[31mal .. ��… | 1052 bytes");
    Ok(())
}

/// The two calls before it are kept, and a fresh instance counts from zero.
#[tokio::test]
async fn a_change_that_traps_on_the_third_call() -> Result<()> {
    let behaviour = "trap-on-third@add-stats";
    let node = node(behaviour, Limits::default()).await?;
    for _ in 0..2 {
        node.registry.add_stats(TRIGGER, super::ONE).await?;
    }
    let error = survived(&node, behaviour).await?;
    assert_snapshot!(error, @"the plugin failed: add-stats trapped: wasm trap: wasm `unreachable` instruction executed");
    assert_eq!(node.registry.stats(TRIGGER).hits, 2);
    Ok(())
}

/// Repeating it would use up the restarts of all callers.
#[tokio::test]
async fn the_same_deadly_change_again_is_refused_without_a_call() -> Result<()> {
    let behaviour = "trap@enable";
    let node = node(behaviour, Limits::default()).await?;
    survived(&node, behaviour).await?;
    let again = node.registry.enable(TRIGGER, capacity()).await;
    assert_snapshot!(again.unwrap_err(), @"the plugin failed: this very change made it fail a short while ago; it is tried again after a minute");
    assert_eq!(node.registry.status().restarts, 1);
    // Another one for the same node is tried.
    let other = node.registry.enable(TRIGGER, capacity_in("eu")).await;
    assert!(matches!(other, Err(EdgeCacheError::PluginFailed(_))));
    // The next change waits for the fresh instance.
    node.registry.enable(OTHER, capacity()).await?;
    assert_eq!(node.registry.status().restarts, 2);
    Ok(())
}

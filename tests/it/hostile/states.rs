//! A state that its component can't take: the registry is degraded, shows all of it, and says why.

use std::time::Duration;

use anyhow::Result;
use edge_cache_host::{EdgeCacheError, PluginState};
use edge_cache_tests::cluster_of_one::capacity;
use edge_cache_tests::wait;
use insta::assert_snapshot;

use super::{TRIGGER, check_memory, hasty, misbehave, node};

/// The restarts of a component that hangs take 4 s in all.
const DEGRADED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_fresh_instance_that_can_not_be_loaded() -> Result<()> {
    // They mostly wait, so they do it together.
    let (hangs, traps, refuses) = tokio::try_join!(
        degraded("loop@load,trap@add-stats"),
        degraded("trap@load,trap@add-stats"),
        degraded("surroundings@load,trap@add-stats"),
    )?;
    assert_snapshot!(hangs, @"load ran for longer than 250 ms, the limit `load_deadline`");
    assert_snapshot!(traps, @"load trapped: wasm trap: wasm `unreachable` instruction executed");
    assert_snapshot!(refuses, @"the component refused to load: environment [], arguments [], working directory None, folders [], input Err(StreamError::Closed)");
    Ok(())
}

#[tokio::test]
async fn a_fresh_instance_that_lists_what_is_not_so() -> Result<()> {
    let (twice, unsorted, forgotten) = tokio::try_join!(
        degraded("twice@list-eligible,trap@add-stats"),
        degraded("unsorted@list-eligible,trap@add-stats"),
        degraded("forgotten@list-eligible,trap@add-stats"),
    )?;
    assert_snapshot!(twice, @"list-eligible broke the contract: node 666 is listed twice");
    assert_snapshot!(unsorted, @"list-eligible broke the contract: node 7 is listed after node 666, the list must be ascending");
    assert_snapshot!(forgotten, @"list-eligible broke the contract: it lists other entries than it was loaded with");
    Ok(())
}

/// Answers why the registry is degraded.
async fn degraded(behaviour: &str) -> Result<String> {
    let node = node(behaviour, hasty()).await?;
    let before = node.shown().await?;
    let error = misbehave(&node.registry, behaviour).await.unwrap_err();
    assert!(matches!(error, EdgeCacheError::PluginFailed(_)), "{error}");
    let status = wait::until("the end of the restarts", DEGRADED_WITHIN, || async {
        let status = node.registry.status();
        if status.state == PluginState::Degraded {
            Ok(status)
        } else {
            Err(status)
        }
    })
    .await;
    let reason = status.last_failure.unwrap_or_default();
    let refused = node.registry.enable(TRIGGER + 1, capacity()).await;
    assert_eq!(refused, Err(EdgeCacheError::PluginFailed(reason.clone())));
    assert_eq!(node.shown().await?, before, "{behaviour}");
    check_memory()?;
    Ok(reason)
}

//! Labels that may not be published: the plugin gets an error, and nothing is published.

use anyhow::Result;
use edge_cache_host::Limits;
use edge_cache_host::labels::Labels;
use edge_cache_tests::cluster_of_one::{capacity, labels};
use insta::assert_snapshot;

use super::{OTHER, TRIGGER, answers, instance, misbehave, node, plugin};

#[tokio::test]
async fn labels_that_are_refused() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "publish-17@enable",
        "publish-twice@enable",
        "publish-long-key@enable",
        "publish-long-value@enable",
        "publish-much@disable",
        "publish-other-key@enable",
        "publish-lookalike@disable",
        "publish-escape@enable",
        "publish-strange-key@enable",
        "publish-taken@enable",
        "publish@add-stats",
    ]).await?, @r"
    publish-17@enable: gossip label push failed: denied: more than 16 labels for a node, the limit `labels.count`
    publish-twice@enable: gossip label push failed: denied: key `edge_cache` is given twice
    publish-long-key@enable: gossip label push failed: too large: 64
    publish-long-value@enable: gossip label push failed: too large: 256
    publish-much@disable: gossip label push failed: too large: 2048
    publish-other-key@enable: gossip label push failed: denied: key `zone` is not granted; granted are `edge_cache` and `edge_cache_*`
    publish-lookalike@disable: gossip label push failed: denied: key `edge_cacheable` is not granted; granted are `edge_cache` and `edge_cache_*`
    publish-escape@enable: gossip label push failed: denied: the value of `edge_cache` must be printable: no control characters and no direction marks
    publish-strange-key@enable: gossip label push failed: denied: a key must be of the characters A-Z a-z 0-9 _ . - and not empty
    publish-taken@enable: gossip label push failed: denied: key `edge_cache_rack` is set by other software on this node
    publish@add-stats: gossip label push failed: denied: labels are published from enable, disable, load and apply only
    ");
    Ok(())
}

/// Calls that change nothing can only log the refusal.
#[test]
fn labels_from_an_export_that_may_not_publish() -> Result<()> {
    let behaviour = "publish@is-enabled,publish@stats,publish@list-eligible,publish@assess";
    let (mut instance, log) = instance(&plugin(behaviour, Limits::default())?)?;
    instance.load(&[])?;
    assert!(instance.enable(TRIGGER, &capacity())?.is_ok());
    assert!(instance.is_enabled(TRIGGER)?);
    instance.stats(TRIGGER)?;
    assert_eq!(instance.list_eligible()?.len(), 1);
    assert!(instance.assess(TRIGGER, &Labels::new())?.is_none());
    let learned: Vec<String> = log.latest().into_iter().map(|line| line.message).collect();
    assert_snapshot!(learned.join("\n"), @r"
    denied: labels are published from enable, disable, load and apply only
    denied: labels are published from enable, disable, load and apply only
    denied: labels are published from enable, disable, load and apply only
    denied: labels are published from enable, disable, load and apply only
    ");
    Ok(())
}

/// Labels of other nodes are accepted and not published: only a node's own agent publishes its labels.
#[tokio::test]
async fn labels_for_another_node_are_not_shown() -> Result<()> {
    let node = node("publish-for-other@enable", Limits::default()).await?;
    let before = node.labels().await?;
    misbehave(&node.registry, "publish-for-other@enable").await?;
    assert_eq!(node.labels().await?, before);
    assert!(!node.registry.is_advertised(OTHER));
    Ok(())
}

#[tokio::test]
async fn labels_of_a_call_that_traps_are_not_shown() -> Result<()> {
    let shown = labels([("edge_cache", "true"), ("edge_cache_rack", "b4")]);
    let behaviour = "publish-then-trap@enable";
    let node = node(behaviour, Limits::default()).await?;
    assert_eq!(node.labels().await?, shown);
    misbehave(&node.registry, behaviour).await.unwrap_err();
    assert_eq!(node.labels().await?, shown);
    Ok(())
}

//! All of WASI, where a component finds nothing.

use anyhow::Result;
use edge_cache_host::Limits;
use insta::assert_snapshot;

use super::answers;

#[tokio::test]
async fn there_is_nothing_in_wasi() -> Result<()> {
    assert_snapshot!(answers(&Limits::default(), &[
        "surroundings@enable",
        "network@enable",
    ]).await?, @r"
    surroundings@enable: gossip label push failed: environment [], arguments [], working directory None, folders [], input Err(StreamError::Closed)
    network@enable: gossip label push failed: tcp access-denied, udp access-denied, names permanent-resolver-failure
    ");
    Ok(())
}

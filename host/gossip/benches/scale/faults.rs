//! Loss, a partition, crashes and restarts: all members meet again, and no change is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use edge_cache_gossip::GossipPool;
use tokio::time::{Instant, sleep, sleep_until};

use crate::cluster::{Cluster, INTERVAL, address};
use crate::meter::{Reading, digest_bytes};
use crate::{FEW, Scale, in_virtual_time, spread};

/// One datagram of ten is lost.
pub(crate) fn loss(scale: Scale) -> Result<()> {
    const LOSS: f64 = 0.1;
    const CHANGES: usize = 10;
    in_virtual_time(async {
        let mut cluster = Cluster::started(scale).await?;
        cluster.network.lose(LOSS);
        let reading = Reading::take(&cluster);
        spread::changes(&mut cluster, CHANGES).await?;
        println!("  with the changes {}", reading.cost(&cluster));
        let missed = misjudged(&cluster);
        ensure!(missed == 0, "{missed} live members count as failed");
        cluster.end().await;
        Ok(())
    })
}

/// Half of the members cannot reach the other half for thirty minutes. In tests it is five, in which each half forgets
/// the other one too.
pub(crate) fn partition(scale: Scale) -> Result<()> {
    const CHANGES: usize = 3;
    let minutes = if scale.members > FEW { 30 } else { 5 };
    let lasting = Duration::from_secs(minutes * 60);
    in_virtual_time(async {
        let mut cluster = Cluster::started(scale).await?;
        let half: Vec<_> = (1..=scale.members / 2).map(address).collect();
        let others = half.len() - 1;
        let begin = Instant::now();
        cluster.network.partition(&[half]);
        let apart = cluster
            .until("the halves miss each other", |pool| {
                pool.snapshot().len() == others
            })
            .await?;
        println!("  each half sees itself alone after {apart:.1?}");
        while begin.elapsed() < lasting {
            sleep(INTERVAL).await;
            cluster.progress(|| "the network is divided".to_string());
        }
        let reading = Reading::take(&cluster);
        cluster.network.heal();
        let took = cluster.until_all_know_all().await?;
        println!("  after {minutes} minutes: all know all again {took:.1?} after the end");
        println!("  until then {}", reading.cost(&cluster));
        spread::changes(&mut cluster, CHANGES).await?;
        cluster.end().await;
        Ok(())
    })
}

/// One member of twenty stops at the same moment, without a word, and starts again later.
pub(crate) fn crash(scale: Scale) -> Result<()> {
    let crashed: Vec<_> = (1..=scale.members).step_by(20).collect();
    in_virtual_time(async {
        let mut cluster = Cluster::started(scale).await?;
        let pools: Result<Vec<_>> = crashed
            .iter()
            .map(|node_id| cluster.take(*node_id))
            .collect();
        futures_util::future::join_all(pools?.iter().map(GossipPool::shutdown)).await;
        let reading = Reading::take(&cluster);
        let took = cluster.until_all_know_all().await?;
        println!(
            "  {} crashed: missed by all after {took:.1?}",
            crashed.len()
        );
        println!("  until then {}", reading.cost(&cluster));
        for node_id in &crashed {
            cluster.start(*node_id).await?;
        }
        let took = cluster.until_all_know_all().await?;
        println!(
            "  started again: all know all after {took:.1?}, digest {} B",
            digest_bytes(&cluster)
        );
        cluster.end().await;
        Ok(())
    })
}

/// Each member leaves and starts again, a thirtieth of them in each interval.
pub(crate) fn rolling_restart(scale: Scale) -> Result<()> {
    const ROUNDS: usize = 30;
    in_virtual_time(async {
        let mut cluster = Cluster::started(scale).await?;
        let (reading, begin) = (Reading::take(&cluster), Instant::now());
        let nodes: Vec<_> = (1..=scale.members).collect();
        let mut digest = 0;
        for (nodes, round) in nodes.chunks(nodes.len().div_ceil(ROUNDS)).zip(1..) {
            let pools: Result<Vec<_>> =
                nodes.iter().map(|node_id| cluster.take(*node_id)).collect();
            futures_util::future::join_all(pools?.iter().map(GossipPool::leave)).await;
            for node_id in nodes {
                cluster.start(*node_id).await?;
            }
            sleep_until(begin + INTERVAL * round).await;
            digest = digest.max(digest_bytes(&cluster));
            cluster.progress(|| format!("round {round} of {ROUNDS} restarted"));
        }
        let restarted = begin.elapsed();
        let took = cluster.until_all_know_all().await?;
        println!(
            "  restarted within {restarted:.0?}: all know all {took:.1?} later, digest up to {digest} B"
        );
        println!("  until then {}", reading.cost(&cluster));
        cluster.end().await;
        Ok(())
    })
}

/// Returns how often a member that runs misses another one.
fn misjudged(cluster: &Cluster) -> usize {
    let others = cluster.len() - 1;
    let missed = cluster
        .pools()
        .map(|pool| others.saturating_sub(pool.snapshot().len()));
    missed.sum()
}

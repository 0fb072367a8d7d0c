//! Costs that grow with the number of members, and the start of a whole cluster.

use std::time::Duration;

use anyhow::Result;

use crate::cluster::{Cluster, Past};
use crate::meter::{Reading, digest_bytes, idle, resident_bytes};
use crate::{Scale, in_virtual_time, spread};

/// All members start at one moment; then nothing happens for a while, and then single changes.
pub(crate) fn run(scale: Scale) -> Result<()> {
    const IDLE: Duration = Duration::from_secs(4);
    const CHANGES: usize = 20;
    in_virtual_time(async {
        let mut cluster = Cluster::new(scale)?;
        let reading = Reading::take(&cluster);
        cluster.start_all(Past::Known, Duration::ZERO).await?;
        let took = cluster.until_all_know_all().await?;
        println!("  all at once: all know all after {took:.1?}");
        println!("  until then {}", reading.cost(&cluster));
        cluster.rest().await;
        let cost = idle(&cluster, IDLE).await;
        println!("  idle: {cost}, digest {} B", digest_bytes(&cluster));
        let memory = resident_bytes()? / scale.members;
        println!("  resident memory: {} KB a member", memory / 1_000);
        spread::changes(&mut cluster, CHANGES).await?;
        cluster.end().await;
        Ok(())
    })
}

/// New members start one after the other.
pub(crate) fn one_by_one(scale: Scale) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    in_virtual_time(async {
        let mut cluster = Cluster::new(scale)?;
        let reading = Reading::take(&cluster);
        cluster.start_all(Past::New, PAUSE).await?;
        let took = cluster.until_all_know_all().await?;
        println!("  one each {PAUSE:?}: all know all {took:.1?} after the last start");
        println!("  until then {}", reading.cost(&cluster));
        cluster.end().await;
        Ok(())
    })
}

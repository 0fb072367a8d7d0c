//! The time until all members see a change.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, Kind};
use crate::meter::Reading;
use crate::{Scale, in_virtual_time};

/// Times at which members saw changes.
pub(crate) struct Spread {
    /// Over all members and changes.
    half: Duration,
    most: Duration,
    /// At the last member: the median and the largest of all changes.
    last: Duration,
    slowest: Duration,
}

/// Makes changes apart from each other, each of labels and a decision as `enable` makes it, waits until all members have
/// seen all, and prints when they did.
pub(crate) async fn changes(cluster: &mut Cluster, number: usize) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(150);
    let mut made = BTreeMap::new();
    for _ in 0..number {
        let changes = cluster.change(&[Kind::Labels, Kind::Decision])?;
        made.extend(changes.into_iter().map(|change| (change, Instant::now())));
        sleep(PAUSE).await;
    }
    let seen = cluster.seen(&made).await?;
    for (first, what) in ["labels", "decisions"].into_iter().enumerate() {
        let spread = Spread::of(seen.iter().skip(first).step_by(2));
        println!("  {what} of {number} changes: {spread}");
    }
    Ok(())
}

/// Two hundred decisions a second, anywhere.
pub(crate) fn storm(scale: Scale) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    const LASTING: Duration = Duration::from_secs(3);
    in_virtual_time(async {
        let mut cluster = Cluster::started(scale).await?;
        let (reading, begin) = (Reading::take(&cluster), Instant::now());
        let mut made = BTreeMap::new();
        while begin.elapsed() < LASTING {
            let changes = cluster.change(&[Kind::Decision])?;
            made.extend(changes.into_iter().map(|change| (change, Instant::now())));
            sleep(PAUSE).await;
        }
        println!("  storm: {}", reading.cost(&cluster));
        let spread = Spread::of(cluster.seen(&made).await?.iter());
        println!("  {} decisions: {spread}", made.len());
        println!(
            "  all settled {:.1?} after the last one",
            begin.elapsed().saturating_sub(LASTING)
        );
        cluster.end().await;
        Ok(())
    })
}

impl Spread {
    fn of<'a>(changes: impl Iterator<Item = &'a Vec<Duration>> + Clone) -> Self {
        let mut last: Vec<_> = changes
            .clone()
            .filter_map(|it| it.last().copied())
            .collect();
        last.sort_unstable();
        let mut all: Vec<_> = changes.flatten().copied().collect();
        all.sort_unstable();
        Self {
            half: at(&all, 0.5),
            most: at(&all, 0.99),
            last: at(&last, 0.5),
            slowest: at(&last, 1.0),
        }
    }
}

/// Returns the value at a share of the way through sorted ones.
fn at(sorted: &[Duration], share: f64) -> Duration {
    let place = (sorted.len().saturating_sub(1) as f64 * share).round();
    sorted.get(place as usize).copied().unwrap_or_default()
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            half,
            most,
            last,
            slowest,
        } = self;
        write!(
            f,
            "half of the members {half:.0?}, 99 % {most:.0?}, the last one {last:.0?}, of the slowest change {slowest:.0?}"
        )
    }
}

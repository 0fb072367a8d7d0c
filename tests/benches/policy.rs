//! The cost of a policy: `enable` and `assess` of a plugin that is composed with one, beside the reference.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_core::labels::Labels;
use edge_cache_host::sandbox::{
    Failure, GuestLog, Instance, InstanceConfig, LabelPolicy, Plugin, PluginConfig, WallClock,
};
use edge_cache_tests::bench::capacity;
use edge_cache_tests::component::{policy, reference_plugin};
use edge_cache_tests::policies::composed;

/// Rounds, in which both plugins take turns.
const ROUNDS: usize = 200;
/// Calls that are timed together.
const CALLS: u32 = 100;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let file = runtime.block_on(composed(policy()?, folder.path()))?;
    let mut reference = instance(&reference_plugin()?)?;
    let mut composed = instance(&Plugin::from_file(&file, PluginConfig::default())?)?;
    let (_, published) = reference.enable(1, &capacity(1))??;
    let labels = published.get(&1).cloned().context("no labels")?;
    compare("enable", [&mut reference, &mut composed], enable)?;
    compare("assess", [&mut reference, &mut composed], |it| {
        assess(it, &labels)
    })
}

fn instance(plugin: &Plugin) -> Result<Instance> {
    let limits = &plugin.config().limits;
    let config = InstanceConfig {
        policy: LabelPolicy::detached(plugin.config().labels.clone()),
        log: Arc::new(GuestLog::new(limits)),
        clock: WallClock::default(),
    };
    let mut instance = Instance::start(plugin, config)?;
    instance.load(&[])?;
    Ok(instance)
}

fn enable(instance: &mut Instance) -> Result<(), Failure> {
    instance.enable(1, &capacity(1)).map(drop)
}

fn assess(instance: &mut Instance, labels: &Labels) -> Result<(), Failure> {
    instance.assess(1, labels).map(drop)
}

/// Prints the median times of a call, and their ratio.
fn compare(
    name: &str,
    [reference, composed]: [&mut Instance; 2],
    call: impl Fn(&mut Instance) -> Result<(), Failure>,
) -> Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (instance, times) in [&mut *reference, &mut *composed]
            .into_iter()
            .zip(&mut times)
        {
            let begun = Instant::now();
            for _ in 0..CALLS {
                call(instance)?;
            }
            times.push(begun.elapsed() / CALLS);
        }
    }
    let [reference, composed] = times.map(median);
    println!(
        "{name}: reference p50 {reference:.1?}, with a policy p50 {composed:.1?}, ratio {:.2}",
        composed.as_secs_f64() / reference.as_secs_f64()
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

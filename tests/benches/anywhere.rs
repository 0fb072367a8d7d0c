//! Decisions that travel: from one agent to the labels of another seen everywhere, and many at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edge_cache_host::NodeId;
use edge_cache_host::gossip::PushBudget;
use edge_cache_tests::cluster::{Member, Settings, disk};
use edge_cache_tests::reference_plugin;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const AGENTS: u64 = 50;
const ROUNDS: u64 = 60;
/// Without eager push a round takes seconds.
const ROUNDS_WITHOUT: u64 = 15;
const FEW_AGENTS: u64 = 10;
const SEEDS: u64 = 3;
const REGISTRATIONS: u64 = 2_000;
const AT_ONCE: usize = 64;
/// Interval between two checks whether all members see a change.
const LOOK_EVERY: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let with = rounds(PushBudget::default(), ROUNDS).await?;
    let without = rounds(PushBudget::OFF, ROUNDS_WITHOUT).await?;
    println!(
        "from enable at one agent to another node's labels seen by all {AGENTS}: p50 {:.0?}, p99 {:.0?}, \
         worst {:.0?} with eager push; p50 {:.0?}, worst {:.0?} without",
        at(&with, 50),
        at(&with, 99),
        at(&with, 100),
        at(&without, 50),
        at(&without, 100),
    );
    println!(
        "ratio: with eager push / without at p50 = {:.3}",
        at(&with, 50).as_secs_f64() / at(&without, 50).as_secs_f64()
    );
    registrations().await
}

/// A cluster whose members know each other. All but the seeds start at once: each watches ten intervals before it takes
/// its id.
async fn cluster(agents: u64, push: PushBudget) -> Result<Vec<Member>> {
    let mut members: Vec<Member> = Vec::new();
    let settings = |node_id, seeds: &[&Member]| {
        let mut settings = Settings::new(node_id, seeds);
        settings.gossip.interval = Duration::from_secs(1);
        settings.gossip.push = push;
        settings
    };
    for node_id in 1..=SEEDS {
        let seeds: Vec<_> = members.iter().collect();
        let settings = settings(node_id, &seeds);
        members.push(Member::start(reference_plugin()?, settings).await?);
    }
    let mut starts = JoinSet::new();
    for node_id in SEEDS + 1..=agents {
        let seeds: Vec<_> = members.iter().collect();
        starts.spawn(Member::start(
            reference_plugin()?,
            settings(node_id, &seeds),
        ));
    }
    while let Some(member) = starts.join_next().await {
        members.push(member??);
    }
    all("the members meet", || {
        let others = members.len() - 1;
        members
            .iter()
            .all(|member| member.pool.snapshot().len() == others)
    })
    .await?;
    Ok(members)
}

async fn rounds(push: PushBudget, rounds: u64) -> Result<Vec<Duration>> {
    let members = cluster(AGENTS, push).await?;
    let mut times = Vec::new();
    for round in 1..=rounds {
        // An agent, and a node that is neither it nor the one of the last round.
        let at = usize::try_from(round * 7 % AGENTS)?;
        let of: NodeId = (round * 11 + 3) % AGENTS + 1;
        let at = members.get(at).context("no such member")?;
        let expected = round.to_string();
        let start = Instant::now();
        at.registry.enable(of, disk(round)).await?;
        all("the labels are seen", || {
            let sees = |member: &Member| member.label(of, "edge_cache_disk_mib");
            members
                .iter()
                .all(|member| sees(member).as_deref() == Some(&expected))
        })
        .await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    end(members).await;
    Ok(times)
}

async fn registrations() -> Result<()> {
    let members = cluster(FEW_AGENTS, PushBudget::default()).await?;
    let bytes = || -> u64 { members.iter().map(|m| m.pool.metrics().sent().1).sum() };
    let (rss, sent, start) = (memory()?, bytes(), Instant::now());
    let first = &members.first().context("no members")?.registry;
    let mut asked = JoinSet::new();
    for node_id in 1..=REGISTRATIONS {
        let registry = first.clone();
        asked.spawn(async move { registry.enable(1_000 + node_id, disk(node_id)).await });
        while asked.len() >= AT_ONCE {
            asked.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(answer) = asked.join_next().await {
        answer??;
    }
    let answered = start.elapsed();
    let expected = usize::try_from(REGISTRATIONS)?;
    all("all agents list them", || {
        members
            .iter()
            .all(|member| member.registry.list_eligible().len() == expected)
    })
    .await?;
    let took = start.elapsed();
    let (sent, rss) = (bytes() - sent, memory()? - rss);
    println!(
        "{REGISTRATIONS} registrations at one of {FEW_AGENTS} agents: answered after {answered:.1?}, listed by all \
         after {took:.1?}; {:.1} MiB sent by all, {:.1} MiB more memory for all",
        mib(sent),
        mib(rss),
    );
    ensure!(took < DEADLINE);
    end(members).await;
    Ok(())
}

async fn end(members: Vec<Member>) {
    for member in members {
        member.crash().await;
    }
}

async fn all(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    timeout(DEADLINE, async {
        while !is_so() {
            sleep(LOOK_EVERY).await;
        }
    })
    .await
    .with_context(|| format!("{what} did not come to be"))
}

/// A percentile of sorted times.
fn at(times: &[Duration], percent: usize) -> Duration {
    let place = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(place).copied().unwrap_or_default()
}

/// The memory in use by this process, in bytes.
fn memory() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("no VmRSS")?.parse::<u64>()? * 1024)
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

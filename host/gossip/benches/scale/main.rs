//! Large clusters in virtual time: what they cost, and how soon all members know a change.
//!
//! `cargo bench -p edge-cache-gossip --features simulation --bench scale -- PART… SIZE…` runs single parts, and single
//! sizes of them; without arguments, all. The program without `--bench` takes few members, for the outcome.
//!
//! A part ends with an error if members do not meet, or a change does not arrive. Nothing here fails on a time.

mod cluster;
mod faults;
mod growth;
mod meter;
mod spread;

use anyhow::{Result, ensure};
use edge_cache_gossip::Protocol;

/// Number of members where no figures are wanted.
const FEW: u64 = 30;

/// A cluster to measure.
#[derive(Debug, Clone, Copy)]
struct Scale {
    members: u64,
    protocol: Protocol,
    /// Number of nodes about which there is a decision.
    decided: u64,
    /// Number of decisions that each member carries.
    carried: u64,
}

type Part = (&'static str, fn(Scale) -> Result<()>, &'static [Scale]);

/// Clusters of agents alone, which compress the digest.
const fn agents(members: u64) -> Scale {
    Scale {
        members,
        protocol: Protocol::V1,
        decided: members,
        carried: 4,
    }
}

/// Clusters with ZLayer's nodes, which do not.
const fn mixed(members: u64) -> Scale {
    Scale {
        protocol: Protocol::V0,
        ..agents(members)
    }
}

/// Three agents of each of ten clusters of 1,000, as members of a cluster that joins these: each carries the decisions of
/// its own cluster.
const BRIDGES: Scale = Scale {
    decided: 10_000,
    carried: 1_000,
    ..agents(30)
};

/// Clusters of agents alone, in the sizes of the tables.
const AGENTS: &[Scale] = &[agents(100), agents(300), agents(1_000)];

/// The parts with the clusters that they measure, small ones first: memory is that of the process. The time that a part
/// takes grows with the square of their size.
const PARTS: &[Part] = &[
    (
        "growth",
        growth::run,
        &[
            agents(100),
            agents(300),
            mixed(300),
            mixed(600),
            agents(1_000),
        ],
    ),
    ("join", growth::one_by_one, AGENTS),
    ("storm", spread::storm, AGENTS),
    ("loss", faults::loss, AGENTS),
    ("crash", faults::crash, AGENTS),
    ("restart", faults::rolling_restart, AGENTS),
    ("partition", faults::partition, AGENTS),
    ("bridges", bridges, &[BRIDGES]),
];

/// The members that join several clusters, with one datagram of ten lost and with crashes too.
fn bridges(scale: Scale) -> Result<()> {
    growth::run(scale)?;
    faults::loss(scale)?;
    faults::crash(scale)
}

/// Runs a part on one thread, whose clock goes on whenever nothing is left to do.
fn in_virtual_time(part: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?
        .block_on(part)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = args.iter().any(|arg| arg == "--bench");
    let words = || args.iter().filter(|arg| !arg.starts_with('-'));
    let sizes: Vec<u64> = words().filter_map(|word| word.parse().ok()).collect();
    let parts: Vec<_> = words()
        .filter(|word| word.parse::<u64>().is_err())
        .collect();
    let mut taken = 0;
    for (name, run, scales) in PARTS {
        if !parts.is_empty() && !parts.iter().any(|part| part == name) {
            continue;
        }
        let few = [agents(FEW)];
        let scales = if is_bench { *scales } else { &few };
        let asked = |scale: &&Scale| sizes.is_empty() || sizes.contains(&scale.members);
        for scale in scales.iter().filter(asked) {
            let begin = std::time::Instant::now();
            println!("{name}: {} members, {:?}", scale.members, scale.protocol);
            run(*scale)?;
            taken += 1;
            println!("  the part took {:.0} s", begin.elapsed().as_secs_f64());
        }
    }
    let names: Vec<_> = PARTS.iter().map(|(name, ..)| *name).collect();
    ensure!(
        taken > 0,
        "no part has this name and size; there are {}",
        names.join(", ")
    );
    Ok(())
}

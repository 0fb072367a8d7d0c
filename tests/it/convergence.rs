//! The property that all agents converge: random decisions, clocks, restarts and partitions in virtual time. In the end
//! all registries are the same, and an agent that differs says so.
//!
//! `EDGE_CACHE_LONG_TESTS=1` runs 300 scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{Decision, EdgeCacheNode, EdgeCacheRegistry, Limits, NodeId, SetAside};
use edge_cache_tests::component::{PATIENCE, hostile, reference_plugin_with};
use edge_cache_tests::seeds;
use edge_cache_tests::simulation::{Cluster, Settings, Step};

/// The first of the scripts.
const SEED: u64 = 20_261_101;
const SEEDS: u64 = 30;
const SEEDS_LONG: u64 = 300;
const AGENTS: [NodeId; 4] = [1, 2, 3, 4];
/// Half of the nodes have no agent.
const NODES: u64 = 8;
const NODES_MAX: usize = 4;
const STEPS: usize = 30;
/// Maximum time for all agents to agree once the network is whole and still.
const AGREED_WITHIN: Duration = seconds(60);
/// The agent whose plugin refuses decisions of others about one node.
const REFUSING: NodeId = 4;
const REFUSED: NodeId = 3;
const HOUR: Duration = seconds(60 * 60);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn config(settings: &[(&str, &str)]) -> PluginConfig {
    PluginConfig {
        limits: Limits {
            nodes_max: NODES_MAX,
            call_deadline: PATIENCE,
            load_deadline: PATIENCE,
            ..Limits::default()
        },
        settings: settings
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        ..PluginConfig::default()
    }
}

fn refusing() -> Plugin {
    let trigger = REFUSED.to_string();
    let settings = [("behaviour", "escaped-error@apply"), ("trigger", &trigger)];
    let bytes = std::fs::read(hostile().unwrap()).unwrap();
    Plugin::from_bytes(&bytes, config(&settings)).unwrap()
}

/// Agents of which everybody remembers all others.
fn settings(seed: u64, plugin: Plugin) -> Settings {
    Settings {
        seed,
        seeds: vec![1, 2],
        remembered: AGENTS.to_vec(),
        durable: true,
        plugin: Some(plugin),
        ..Settings::default()
    }
}

async fn play(cluster: &mut Cluster, step: Step) {
    cluster.play(step).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_agents_end_with_the_same_registry_and_who_differs_says_so() {
    let (plugin, refusing) = (reference_plugin_with(config(&[])).unwrap(), refusing());
    for seed in seeds(SEED, SEEDS, SEEDS_LONG) {
        println!("seed {seed}");
        let mut settings = settings(seed, plugin.clone());
        if seed % 2 == 0 {
            settings.plugins.insert(REFUSING, refusing.clone());
        }
        walk(settings).await;
    }
}

async fn walk(settings: Settings) {
    let mut rng = fastrand::Rng::with_seed(settings.seed);
    let mut cluster = Cluster::new(settings);
    cluster.start(AGENTS.into_iter()).await.unwrap();
    for _ in 0..STEPS {
        random_step(&mut rng, &mut cluster).await;
    }
    play(&mut cluster, Step::Heal).await;
    play(&mut cluster, Step::Lose(0)).await;
    for agent in AGENTS {
        if cluster.pool(agent).is_err() {
            play(&mut cluster, Step::Start(agent)).await;
        }
    }
    agree(&cluster).await;
    // Whatever the clocks say, everything can be changed at any agent.
    for node_id in [1, 2, 5, 6] {
        let at = *rng.choice(&AGENTS).unwrap();
        if node_id % 2 == 0 {
            // A full registry refuses it.
            let _ = cluster.play(Step::EnableAt(at, node_id)).await;
        } else if cluster.registry(at).unwrap().is_enabled(node_id) {
            play(&mut cluster, Step::DisableAt(at, node_id)).await;
        }
        agree(&cluster).await;
    }
}

async fn random_step(rng: &mut fastrand::Rng, cluster: &mut Cluster) {
    let running = cluster.running();
    let at = *rng.choice(&running).unwrap();
    let agent = *rng.choice(&AGENTS).unwrap();
    let node_id = rng.u64(1..=NODES);
    let step = match rng.u32(0..100) {
        0..35 => {
            // A full registry refuses it.
            let _ = cluster.play(Step::EnableAt(at, node_id)).await;
            return;
        }
        35..50 => {
            // Another decision may have been quicker.
            let _ = cluster.play(Step::DisableAt(at, node_id)).await;
            return;
        }
        50..60 => clock_step(rng, agent),
        60..63 => Step::Lose(rng.u8(0..=50)),
        63..68 => {
            let mut agents = AGENTS;
            rng.shuffle(&mut agents);
            let (one, other) = agents.split_at(rng.usize(1..AGENTS.len()));
            Step::Partition(vec![one.to_vec(), other.to_vec()])
        }
        68..73 => Step::Heal,
        73..80 if running.len() > 1 => Step::Crash(at),
        80..86 if !running.contains(&agent) => Step::Start(agent),
        // What nobody else has heard goes with the data.
        86..88 if !running.contains(&agent) => Step::StartAnew(agent),
        _ => Step::Wait(Duration::from_millis(rng.u64(10..8_000))),
    };
    play(cluster, step).await;
}

/// A clock that goes ahead or back by minutes, days or years.
fn clock_step(rng: &mut fastrand::Rng, agent: NodeId) -> Step {
    let unit = *rng
        .choice(&[HOUR / 60, HOUR, 24 * HOUR, 365 * 24 * HOUR])
        .unwrap();
    let by = unit * rng.u32(1..20);
    if rng.bool() {
        Step::ClockAhead(agent, by)
    } else {
        Step::ClockBack(agent, by)
    }
}

async fn agree(cluster: &Cluster) {
    cluster
        .until("agreement", AGREED_WITHIN, || disagreement(cluster))
        .await;
}

/// Returns the first disagreement of the registries that does not say so.
fn disagreement(cluster: &Cluster) -> Result<(), String> {
    let registries: Vec<_> = cluster
        .running()
        .into_iter()
        .map(|agent| (agent, cluster.registry(agent).unwrap()))
        .collect();
    let mut expected = BTreeMap::new();
    for (agent, registry) in &registries {
        let decisions = decisions(registry);
        let first = expected.entry(()).or_insert_with(|| decisions.clone());
        if *first != decisions {
            return Err(format!(
                "decisions at {agent}: {decisions:?}, not {first:?}"
            ));
        }
        let counts = registry.decision_counts();
        let set_aside = registry.set_aside();
        if counts.set_aside() != set_aside.len() {
            return Err(format!("counts at {agent}: {counts:?}, not {set_aside:?}"));
        }
        let lowest: BTreeMap<NodeId, EdgeCacheNode> = decisions
            .iter()
            .filter_map(|(node_id, decision)| Some((*node_id, decision.enabled()?)))
            .take(NODES_MAX)
            .collect();
        for node_id in 1..=NODES {
            let entry = registry.entry(node_id).map(|entry| entry.node);
            let effective = registry.decision(node_id);
            let set_aside = effective.as_ref().and_then(|it| it.set_aside.as_ref());
            let is_right = match set_aside {
                // It keeps the former entry, and says so.
                Some(SetAside::Refused(_)) => (*agent, node_id) == (REFUSING, REFUSED),
                Some(SetAside::Full) => entry.is_none() && !lowest.contains_key(&node_id),
                Some(SetAside::Failed(_)) => false,
                None => entry.as_ref() == lowest.get(&node_id),
            };
            if !is_right {
                return Err(format!(
                    "node {node_id} at {agent}: {entry:?}, {effective:?}; lowest are {lowest:?}"
                ));
            }
        }
    }
    Ok(())
}

/// The enabled nodes. Who has begun without data need not know of disabled ones.
fn decisions(registry: &EdgeCacheRegistry) -> BTreeMap<NodeId, Decision> {
    (1..=NODES)
        .filter_map(|node_id| {
            let decision = registry.decision(node_id)?.decision.clone();
            decision.enabled().map(|_| (node_id, decision))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_was_away_for_hours_drops_nothing_and_enables_nothing_again() {
    let mut cluster = Cluster::new(settings(SEED, reference_plugin_with(config(&[])).unwrap()));
    cluster.start(AGENTS.into_iter()).await.unwrap();
    for node_id in [5, 6, 7] {
        play(&mut cluster, Step::EnableAt(1, node_id)).await;
    }
    agree(&cluster).await;
    play(&mut cluster, Step::Crash(4)).await;
    play(&mut cluster, Step::DisableAt(1, 5)).await;
    agree(&cluster).await;
    // Nobody carries the decision any more; one of those who know of it has started again.
    play(&mut cluster, Step::Wait(2 * HOUR)).await;
    play(&mut cluster, Step::Crash(1)).await;
    play(&mut cluster, Step::Start(1)).await;
    agree(&cluster).await;
    assert!(!cluster.registry(2).unwrap().is_replicated(8));

    play(&mut cluster, Step::Start(4)).await;
    assert!(cluster.registry(4).unwrap().is_enabled(5), "it was away");
    agree(&cluster).await;
    let listed: Vec<_> = cluster.registry(4).unwrap().list_eligible().to_vec();
    let listed: Vec<_> = listed.iter().map(|node| node.node_id).collect();
    assert_eq!(listed, [6, 7]);

    // All others lose their data: who was away still has what it had.
    for agent in [1, 2, 3] {
        play(&mut cluster, Step::Crash(agent)).await;
    }
    play(&mut cluster, Step::Wait(2 * HOUR)).await;
    for agent in [1, 2, 3] {
        play(&mut cluster, Step::StartAnew(agent)).await;
    }
    cluster
        .until("nodes 6 and 7", AGREED_WITHIN, || {
            disagreement(&cluster)?;
            let registry = cluster.registry(1).map_err(|error| error.to_string())?;
            match [6, 7].map(|node_id| registry.is_enabled(node_id)) {
                [true, true] => Ok(()),
                seen => Err(format!("{seen:?}")),
            }
        })
        .await;
}

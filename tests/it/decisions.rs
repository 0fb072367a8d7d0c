//! Decisions at random agents of a cluster in virtual time, while datagrams are lost, the network is
//! divided and agents come and go: in the end all agents agree, on what the rule says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use edge_cache_host::{Decision, NodeId, Timestamp};
use edge_cache_tests::seeds;
use edge_cache_tests::simulation::{Cluster, Settings, Step};

/// The first of the scripts.
const SEED: u64 = 20_260_501;
const SEEDS: u64 = 20;
const SEEDS_LONG: u64 = 200;
const AGENTS: [NodeId; 5] = [1, 2, 3, 4, 5];
/// Two of the nodes have no agent.
const NODES: u64 = 7;
const STEPS: usize = 40;
/// After a divided time, remembered addresses are called every 30 s.
const AGREED_WITHIN: Duration = Duration::from_secs(120);

/// The order of decisions about one node, as the design gives it.
type Rank = (Timestamp, NodeId);

/// Model of all decisions and of those that a second agent received.
#[derive(Default)]
struct Model {
    taken: BTreeMap<NodeId, BTreeMap<Rank, Decision>>,
    reached: BTreeMap<NodeId, BTreeSet<Rank>>,
}

impl Model {
    fn take(&mut self, decision: Decision) {
        let rank = (decision.at, decision.by);
        let taken = self.taken.entry(decision.node_id).or_default();
        taken.insert(rank, decision);
    }

    /// Notes which decisions stand at an agent that has not taken them.
    fn look(&mut self, cluster: &Cluster) {
        for by in cluster.running() {
            for node_id in 1..=NODES {
                let effective = cluster.registry(by).unwrap().decision(node_id);
                let Some(effective) = effective.filter(|effective| effective.decision.by != by)
                else {
                    continue;
                };
                let rank = (effective.decision.at, effective.decision.by);
                self.reached.entry(node_id).or_default().insert(rank);
            }
        }
    }

    /// Forgets the decisions that only a crashed agent had: without a store nothing else remembers them.
    fn forget_lost(&mut self, cluster: &Cluster) {
        for (node_id, reached) in &mut self.reached {
            let held = cluster.running().into_iter().filter_map(|by| {
                let effective = cluster.registry(by).unwrap().decision(*node_id)?;
                Some((effective.decision.at, effective.decision.by))
            });
            let newest = held.max();
            reached.retain(|rank| Some(rank) <= newest.as_ref());
        }
    }

    /// Checks a node's effective decision: the highest that a second agent received, or a higher
    /// one that was taken later.
    fn check(&self, node_id: NodeId, stands: Option<&Decision>) {
        let reached = self.reached.get(&node_id).and_then(BTreeSet::last);
        let rank = stands.map(|decision| (decision.at, decision.by));
        assert!(
            rank.as_ref() >= reached,
            "node {node_id}: {rank:?} stands, {reached:?} had reached a second agent"
        );
        if let Some(stands) = stands {
            let taken = self
                .taken
                .get(&node_id)
                .and_then(|taken| taken.get(&rank.unwrap()));
            assert_eq!(Some(stands), taken, "nobody has taken what stands");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_agents_come_to_what_the_rule_says() {
    for seed in seeds(SEED, SEEDS, SEEDS_LONG) {
        println!("seed {seed}");
        walk(seed).await;
    }
}

async fn walk(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut cluster = Cluster::new(Settings {
        seed,
        seeds: vec![1, 2],
        remembered: AGENTS.to_vec(),
        ..Settings::default()
    });
    let mut model = Model::default();
    cluster.start(AGENTS.into_iter()).await.unwrap();
    for _ in 0..STEPS {
        let running = cluster.running();
        let at = *rng.choice(&running).unwrap();
        let node_id = rng.u64(1..=NODES);
        match rng.u32(0..100) {
            0..40 => decide(&mut cluster, &mut model, Step::EnableAt(at, node_id)).await,
            40..55 => decide(&mut cluster, &mut model, Step::DisableAt(at, node_id)).await,
            55..60 => play(&mut cluster, Step::Lose(rng.u8(0..=50))).await,
            60..65 => play(&mut cluster, Step::Partition(split(&mut rng))).await,
            65..70 => play(&mut cluster, Step::Heal).await,
            70..75 if running.len() > 3 => {
                model.look(&cluster);
                play(&mut cluster, Step::Crash(at)).await;
                model.forget_lost(&cluster);
            }
            75..80 => match AGENTS.iter().find(|agent| !running.contains(agent)) {
                // With its data directory, or without.
                Some(agent) if rng.bool() => play(&mut cluster, Step::Start(*agent)).await,
                Some(agent) => play(&mut cluster, Step::StartAnew(*agent)).await,
                None => {}
            },
            _ => {
                let pause = Duration::from_millis(rng.u64(10..5_000));
                play(&mut cluster, Step::Wait(pause)).await;
            }
        }
        model.look(&cluster);
    }
    play(&mut cluster, Step::Heal).await;
    play(&mut cluster, Step::Lose(0)).await;
    for agent in AGENTS {
        if !cluster.running().contains(&agent) {
            play(&mut cluster, Step::Start(agent)).await;
        }
    }
    check_agreement(&cluster, &mut model).await;
}

/// Agents that disabled a node hold equal entries, namely none, before they hold the same decision.
#[tokio::test(start_paused = true)]
async fn agents_that_disable_a_node_at_once_keep_one_decision() {
    let mut cluster = Cluster::new(Settings {
        seeds: vec![1],
        remembered: AGENTS.to_vec(),
        ..Settings::default()
    });
    let mut model = Model::default();
    cluster.start(AGENTS.into_iter()).await.unwrap();
    decide(&mut cluster, &mut model, Step::EnableAt(1, 1)).await;
    cluster.agree(AGREED_WITHIN).await;
    let halves = vec![vec![1, 2, 3], vec![4, 5]];
    play(&mut cluster, Step::Partition(halves)).await;
    for at in [5, 2] {
        decide(&mut cluster, &mut model, Step::DisableAt(at, 1)).await;
    }
    assert_eq!(model.taken[&1].len(), 3, "both took a decision");
    play(&mut cluster, Step::Heal).await;
    check_agreement(&cluster, &mut model).await;
}

/// Waits for the same entries and decisions everywhere, and every node's labels as its entry says.
async fn check_agreement(cluster: &Cluster, model: &mut Model) {
    cluster.agree(AGREED_WITHIN).await;
    cluster
        .until("the same decisions", AGREED_WITHIN, || {
            let all = AGENTS.map(|agent| decisions(cluster, agent));
            if all.iter().all(|one| *one == all[0]) {
                Ok(())
            } else {
                Err(all)
            }
        })
        .await;
    model.look(cluster);
    let decisions = decisions(cluster, AGENTS[0]);
    for node_id in 1..=NODES {
        let stands = decisions.get(&node_id);
        model.check(node_id, stands);
        let enabled = stands.and_then(Decision::enabled);
        let listed = cluster.registry(AGENTS[0]).unwrap().entry(node_id);
        assert_eq!(listed.map(|entry| entry.node), enabled);
    }
}

/// Returns the effective decision about each node at an agent.
fn decisions(cluster: &Cluster, agent: NodeId) -> BTreeMap<NodeId, Decision> {
    let registry = cluster.registry(agent).unwrap();
    (1..=NODES)
        .filter_map(|node_id| Some((node_id, registry.decision(node_id)?.decision.clone())))
        .collect()
}

async fn play(cluster: &mut Cluster, step: Step) {
    cluster.play(step).await.unwrap();
}

/// Has an agent decide. A node that is not enabled, as far as it knows, can't be disabled.
async fn decide(cluster: &mut Cluster, model: &mut Model, step: Step) {
    let (Step::EnableAt(at, node_id) | Step::DisableAt(at, node_id)) = step else {
        unreachable!("only decisions come here");
    };
    if matches!(step, Step::DisableAt(..)) && !cluster.registry(at).unwrap().is_enabled(node_id) {
        return;
    }
    let played = cluster.play(step.clone()).await;
    let registry = cluster.registry(at).unwrap();
    if played.is_err() && matches!(step, Step::DisableAt(..)) && !registry.is_enabled(node_id) {
        // Another agent's decision was quicker.
        return;
    }
    played.unwrap();
    let effective = registry.decision(node_id).unwrap();
    model.take(effective.decision.clone());
}

fn split(rng: &mut fastrand::Rng) -> Vec<Vec<NodeId>> {
    let mut agents = AGENTS;
    rng.shuffle(&mut agents);
    let (one, other) = agents.split_at(rng.usize(1..AGENTS.len()));
    vec![one.to_vec(), other.to_vec()]
}

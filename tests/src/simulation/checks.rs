//! Conditions that a simulated cluster waits for or keeps: agreement, departures and history.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use edge_cache_host::NodeId;
use edge_cache_host::labels::Labels;
use tokio::time::Instant;

use super::step::Nodes;
use super::{Agent, Cluster, Departure, LIFE, LOOK_EVERY, REAL_MAX};

impl Cluster {
    /// Waits until every node that runs lists all others that run, with the labels that their registries
    /// hold and no others, and until all registries are equal. Returns the time it took.
    ///
    /// # Panics
    ///
    /// If it takes longer than `within`.
    pub async fn agree(&self, within: Duration) -> Duration {
        self.agree_among(&self.running(), within).await
    }

    /// Waits for agreement within a partition of the cluster.
    ///
    /// # Panics
    ///
    /// If it takes longer than `within`.
    pub async fn agree_among(&self, node_ids: &[NodeId], within: Duration) -> Duration {
        let took = self
            .until("agreement", within, || self.disagreement(node_ids))
            .await;
        self.witness
            .tell(&format_args!("{} agree after {took:?}", Nodes(node_ids)));
        took
    }

    /// Waits for something that can be looked at. Answers how long that took.
    ///
    /// # Panics
    ///
    /// The condition does not come within `within`; the text says what was seen last.
    #[allow(
        clippy::panic,
        reason = "a condition that does not come is the test's failure"
    )]
    pub async fn until<S: Debug>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> Result<(), S>,
    ) -> Duration {
        let (start, really) = (Instant::now(), std::time::Instant::now());
        while let Err(seen) = look() {
            let (took, really) = (start.elapsed(), really.elapsed());
            if took > within || really > REAL_MAX {
                panic!(
                    "{what} did not come within {within:?}, but {took:?} and really {really:?} have \
                     passed; seen last: {seen:?}"
                );
            }
            self.pass(LOOK_EVERY).await;
        }
        start.elapsed()
    }

    /// Everybody who was said to have left so far.
    #[must_use]
    pub fn departures(&self) -> Vec<Departure> {
        self.witness.seen().departures.clone()
    }

    /// Fails if a member ever listed a node twice, or a record that was older than one that it had seen.
    ///
    /// # Errors
    ///
    /// All that was wrong.
    pub fn check_history(&self) -> Result<()> {
        let seen = self.witness.seen();
        if !seen.wrongs.is_empty() {
            bail!("wrong: {:#?}", seen.wrongs);
        }
        Ok(())
    }

    /// Fails if a node was said to have left while it ran.
    ///
    /// # Errors
    ///
    /// All such cases.
    pub fn check_no_member_was_missed(&self) -> Result<()> {
        let mut departures = self.departures();
        departures.retain(|departure| departure.ran);
        ensure!(
            departures.is_empty(),
            "said to have left while they ran: {departures:#?}"
        );
        Ok(())
    }

    /// Returns the first obstacle to agreement in a partition of the cluster.
    fn disagreement(&self, node_ids: &[NodeId]) -> Result<(), String> {
        let agents = || {
            self.agents()
                .filter(|(node_id, _)| node_ids.contains(node_id))
        };
        let expected = agents()
            .map(|(node_id, agent)| (node_id, self.expected(node_id, agent)))
            .collect();
        let mut registries = agents().map(|(by, agent)| (by, agent.registry.list_eligible()));
        if let Some((first, list)) = registries.next() {
            for (other, other_list) in registries {
                if !list.iter().eq(other_list.iter()) {
                    let (list, other_list) = (list.to_vec(), other_list.to_vec());
                    return Err(format!(
                        "the registry of node {first} holds {list:?}, that of node {other} {other_list:?}"
                    ));
                }
            }
        }
        agents().try_for_each(|(node_id, _)| self.sees(node_id, &expected))
    }

    /// The labels that others are to see of a node: those of other software, and those that follow from
    /// its registry's entry.
    fn expected(&self, node_id: NodeId, agent: &Agent) -> Labels {
        let lives = self.nodes.get(&node_id).map_or(0, |node| node.lives);
        let mut labels = Labels::from([(LIFE.to_string(), lives.to_string())]);
        if let Some(entry) = agent.registry.entry(node_id) {
            let capacity = entry.node.capacity;
            labels.extend([
                ("edge_cache".into(), "true".into()),
                ("edge_cache_cpu".into(), capacity.cpu_cores.to_string()),
                ("edge_cache_ram_mib".into(), capacity.ram_mib.to_string()),
                ("edge_cache_disk_mib".into(), capacity.disk_mib.to_string()),
            ]);
        }
        labels
    }

    /// Compares a node's view with the expected one. Returns the first difference as the error.
    fn sees(&self, by: NodeId, expected: &BTreeMap<NodeId, Labels>) -> Result<(), String> {
        let peers = self.pool(by).map_err(|e| e.to_string())?.snapshot();
        for peer in peers.iter() {
            if !expected.contains_key(&peer.node_id) {
                return Err(format!("node {by} still lists node {}", peer.node_id));
            }
        }
        for (node_id, labels) in expected.iter().filter(|(node_id, _)| **node_id != by) {
            match peers.get(*node_id) {
                None => return Err(format!("node {by} does not list node {node_id}")),
                Some(peer) if peer.labels != *labels => {
                    let seen = &peer.labels;
                    return Err(format!(
                        "node {by} sees {seen:?} of node {node_id}, not {labels:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

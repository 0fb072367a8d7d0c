//! Exchange of decisions with other agents: synchronisation over gossip, and the choice of who keeps replicas.

mod replicas;
mod sync;

pub(crate) use sync::DecisionSync;

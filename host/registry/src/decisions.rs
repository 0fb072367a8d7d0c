//! Decisions of this agent and of others: synchronisation over gossip, and which agents keep a copy.

mod replicas;
mod sync;

pub(crate) use sync::DecisionSync;

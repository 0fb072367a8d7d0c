//! Steps of a simulated cluster, and their description.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use edge_cache_host::NodeId;

/// Something that happens to a cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A node that does not run starts, as the one that it was before.
    Start(NodeId),
    /// A node that does not run starts and has forgotten its generations, addresses and labels.
    StartAnew(NodeId),
    /// A node stops without a leave.
    Crash(NodeId),
    /// A node says goodbye and stops.
    Leave(NodeId),
    /// A node's registry marks it as eligible, each time with another capacity.
    Enable(NodeId),
    /// A node's registry forgets it.
    Disable(NodeId),
    /// The registry at the first node marks the second as eligible, each time with another capacity.
    EnableAt(NodeId, NodeId),
    /// The registry at the first node forgets the second.
    DisableAt(NodeId, NodeId),
    /// A node's clock goes back.
    ClockBack(NodeId, Duration),
    /// A node's clock goes ahead.
    ClockAhead(NodeId, Duration),
    /// Nodes reach only those of their own group.
    Partition(Vec<Vec<NodeId>>),
    /// Two nodes don't reach each other.
    Cut(NodeId, NodeId),
    /// All partitions and cuts end.
    Heal,
    /// Loses this share of all datagrams, in percent.
    Lose(u8),
    /// Delays every datagram by this time, in milliseconds.
    Delay(RangeInclusive<u64>),
    /// Time passes.
    Wait(Duration),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(node_id) => write!(f, "node {node_id} starts"),
            Self::StartAnew(node_id) => write!(f, "node {node_id} starts without its memory"),
            Self::Crash(node_id) => write!(f, "node {node_id} crashes"),
            Self::Leave(node_id) => write!(f, "node {node_id} leaves"),
            Self::Enable(node_id) => write!(f, "node {node_id} is enabled"),
            Self::Disable(node_id) => write!(f, "node {node_id} is disabled"),
            Self::EnableAt(at, node_id) => write!(f, "node {node_id} is enabled at node {at}"),
            Self::DisableAt(at, node_id) => write!(f, "node {node_id} is disabled at node {at}"),
            Self::ClockBack(node_id, by) => {
                write!(f, "the clock of node {node_id} goes back by {by:?}")
            }
            Self::ClockAhead(node_id, by) => {
                write!(f, "the clock of node {node_id} goes ahead by {by:?}")
            }
            Self::Partition(groups) => {
                f.write_str("the network falls apart into")?;
                groups
                    .iter()
                    .try_for_each(|group| write!(f, " {}", Nodes(group)))
            }
            Self::Cut(one, other) => write!(f, "the link of nodes {one} and {other} is cut"),
            Self::Heal => f.write_str("the network is whole again"),
            Self::Lose(percent) => write!(f, "{percent} % of all datagrams are lost from now on"),
            Self::Delay(millis) => write!(
                f,
                "datagrams take {} to {} ms from now on",
                millis.start(),
                millis.end()
            ),
            Self::Wait(duration) => write!(f, "{duration:?} pass"),
        }
    }
}

/// Several nodes, as a story has them.
pub(super) struct Nodes<'a>(pub(super) &'a [NodeId]);

impl fmt::Display for Nodes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0).finish()
    }
}

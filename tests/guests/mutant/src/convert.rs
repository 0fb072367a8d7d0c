//! Between the types of `wit/` and those of the reference registry.

use edge_cache_plugin as core;

use crate::bindings::exports::zlayer::edge_cache::{placement, state};
use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::zlayer::edge_cache::{gossip_labels, types};

pub(crate) fn capacity(capacity: types::NodeCapacity) -> core::NodeCapacity {
    core::NodeCapacity {
        cpu_cores: capacity.cpu_cores,
        ram_mib: capacity.ram_mib,
        disk_mib: capacity.disk_mib,
        geo: capacity.geo,
    }
}

pub(crate) fn wit_node(node: core::EdgeCacheNode) -> types::EdgeCacheNode {
    types::EdgeCacheNode {
        node_id: node.node_id,
        capacity: types::NodeCapacity {
            cpu_cores: node.capacity.cpu_cores,
            ram_mib: node.capacity.ram_mib,
            disk_mib: node.capacity.disk_mib,
            geo: node.capacity.geo,
        },
        enabled_at: Datetime {
            seconds: node.enabled_at.seconds(),
            nanoseconds: node.enabled_at.nanoseconds(),
        },
    }
}

pub(crate) fn stats(stats: types::EdgeCacheStats) -> core::EdgeCacheStats {
    core::EdgeCacheStats {
        hits: stats.hits,
        misses: stats.misses,
    }
}

pub(crate) fn wit_stats(stats: core::EdgeCacheStats) -> types::EdgeCacheStats {
    types::EdgeCacheStats {
        hits: stats.hits,
        misses: stats.misses,
    }
}

pub(crate) fn entry(entry: types::Entry) -> Result<core::Entry, String> {
    let Datetime {
        seconds,
        nanoseconds,
    } = entry.node.enabled_at;
    let enabled_at = core::Timestamp::exact(seconds, nanoseconds)
        .ok_or_else(|| format!("node {}: enabled-at is no time", entry.node.node_id))?;
    Ok(core::Entry {
        node: core::EdgeCacheNode {
            node_id: entry.node.node_id,
            capacity: capacity(entry.node.capacity),
            enabled_at,
        },
        stats: stats(entry.stats),
    })
}

pub(crate) fn change(change: state::Change) -> Result<core::Change, String> {
    Ok(match change {
        state::Change::Put(put) => core::Change::Put(entry(put)?),
        state::Change::Remove(node_id) => core::Change::Remove(node_id),
    })
}

pub(crate) fn label(label: types::Label) -> core::Label {
    core::Label {
        key: label.key,
        value: label.value,
    }
}

pub(crate) fn wit_label(label: &core::Label) -> types::Label {
    types::Label {
        key: label.key.clone(),
        value: label.value.clone(),
    }
}

pub(crate) fn wit_candidate(candidate: core::Candidate) -> placement::Candidate {
    placement::Candidate {
        weight: candidate.weight,
        geo: candidate.geo,
    }
}

pub(crate) fn label_error(error: gossip_labels::LabelError) -> core::LabelError {
    match error {
        gossip_labels::LabelError::Denied(reason) => core::LabelError::Denied(reason),
        gossip_labels::LabelError::TooLarge(limit) => core::LabelError::TooLarge(limit),
        gossip_labels::LabelError::Unavailable(reason) => core::LabelError::Unavailable(reason),
    }
}

pub(crate) fn wit_error(error: core::EdgeCacheError) -> types::EdgeCacheError {
    match error {
        core::EdgeCacheError::Gossip(reason) => types::EdgeCacheError::Gossip(reason),
        core::EdgeCacheError::NodeNotFound(node_id) => types::EdgeCacheError::NodeNotFound(node_id),
        core::EdgeCacheError::InvalidCapacity(reason) => {
            types::EdgeCacheError::InvalidCapacity(reason)
        }
    }
}

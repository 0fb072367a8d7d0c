"""A registry written from `wit/` alone: its exports, and the state behind them.

It decides as the reference component does, so agents that run either route alike. Nothing here talks
to the host while the module is loaded: that happens when the component is built.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import gossip_labels, logging, types, wall_clock
from wit_world.imports.gossip_labels import LabelError_Denied, LabelError_TooLarge

import capacities
import settings

U64_MAX = 2**64 - 1
NANOS_PER_MILLI = 1_000_000
# Nodes that are complained about; a hostile cluster can invent any number.
COMPLAINTS_MAX = 1_000

ZERO = types.EdgeCacheStats(hits=0, misses=0)

# Every registered node, as a `types.Entry` by node id.
entries = {}
# The nodes whose labels were complained about.
complaints = set()


class Registry(exports.Registry):
    def enable(self, node_id, capacity):
        if fault := capacities.fault(capacity):
            raise Err(types.EdgeCacheError_InvalidCapacity(fault))
        node = types.EdgeCacheNode(node_id, capacity, now())
        publish(node_id, capacities.labels(capacity))
        entries[node_id] = types.Entry(node, ZERO)
        return node

    def disable(self, node_id):
        if node_id not in entries:
            raise Err(types.EdgeCacheError_NodeNotFound(node_id))
        publish(node_id, [])
        del entries[node_id]

    def is_enabled(self, node_id):
        return node_id in entries

    def list_eligible(self):
        return [entries[node_id].node for node_id in sorted(entries)]

    def stats(self, node_id):
        return entries[node_id].stats if node_id in entries else ZERO

    def add_stats(self, node_id, delta):
        if node_id not in entries:
            raise Err(types.EdgeCacheError_NodeNotFound(node_id))
        entry = entries[node_id]
        hits = min(entry.stats.hits + delta.hits, U64_MAX)
        misses = min(entry.stats.misses + delta.misses, U64_MAX)
        entry.stats = types.EdgeCacheStats(hits, misses)
        return entry.stats


class State(exports.State):
    def load(self, loaded):
        if isinstance(settings.weight(), settings.Wrong):
            raise Err(settings.weight().why)
        wanted = {entry.node.node_id: entry for entry in loaded}
        if len(wanted) < len(loaded):
            raise Err("a node is named twice")
        commit(wanted)

    def apply(self, changes):
        wanted = {}
        for change in changes:
            put = isinstance(change, exports.state.Change_Put)
            node_id = change.value.node.node_id if put else change.value
            # The last change of a node holds; an earlier one must be possible all the same.
            if put:
                check(change.value)
            wanted[node_id] = change.value if put else None
        commit(wanted)


class Placement(exports.Placement):
    def assess(self, peer):
        if isinstance(settings.weight(), settings.Wrong):
            return None
        try:
            return capacities.candidate(peer.labels, settings.weight())
        except capacities.Unreadable as fault:
            complain(peer.node_id, fault)
            return None


def commit(wanted):
    """Makes each node what is wanted, an entry or nothing: all of them or, with a reason, none."""
    for entry in wanted.values():
        if entry is not None:
            check(entry)
    for node_id, entry in wanted.items():
        if entry is None and node_id not in entries:
            continue
        try:
            publish(node_id, capacities.labels(entry.node.capacity) if entry else [])
        except Err as refusal:
            raise Err(f"node {node_id}: gossip label push failed: {refusal.value.value}")
    for node_id, entry in wanted.items():
        if entry is None:
            entries.pop(node_id, None)
        else:
            entries[node_id] = entry


def check(entry):
    if fault := capacities.fault(entry.node.capacity):
        raise Err(f"node {entry.node.node_id}: {fault}")


def publish(node_id, labels):
    """Labels come first: where they are not taken, the entry stays as it was."""
    try:
        gossip_labels.publish(node_id, [types.Label(*label) for label in labels])
    except Err as refusal:
        raise Err(types.EdgeCacheError_Gossip(reason(refusal.value)))


def reason(error):
    if isinstance(error, LabelError_Denied):
        return f"denied: {error.value}"
    if isinstance(error, LabelError_TooLarge):
        return f"larger than the limit of {error.value} bytes"
    return f"unavailable: {error.value}"


def now():
    time = wall_clock.now()
    return wall_clock.Datetime(time.seconds, time.nanoseconds - time.nanoseconds % NANOS_PER_MILLI)


def complain(node_id, fault):
    """Once a node: its labels are judged again and again."""
    if node_id in complaints or len(complaints) == COMPLAINTS_MAX:
        return
    complaints.add(node_id)
    message = f"node {node_id} is not eligible: {fault}"
    logging.log(logging.Level.WARN, "placement", message)

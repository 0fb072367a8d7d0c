"""A registry of nodes with enough cores: traffic follows their number."""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import gossip_labels, logging, store, types, wall_clock

U64_MAX = 2**64 - 1
ZERO = types.EdgeCacheStats(hits=0, misses=0)

entries = {}


class Registry(exports.Registry):
    def enable(self, node_id, capacity):
        if capacity.cpu_cores < (least := least_cores()):
            raise Err(types.EdgeCacheError_InvalidCapacity(f"cpu_cores must be at least {least}"))
        now = wall_clock.now()
        now.nanoseconds -= now.nanoseconds % 1_000_000
        show(node_id, capacity)
        node = types.EdgeCacheNode(node_id, capacity, now)
        entries[node_id] = types.Entry(node, ZERO)
        return node

    def disable(self, node_id):
        known(node_id)
        show(node_id, None)
        del entries[node_id]

    def is_enabled(self, node_id):
        return node_id in entries

    def list_eligible(self):
        return [entries[node_id].node for node_id in sorted(entries)]

    def stats(self, node_id):
        return entries[node_id].stats if node_id in entries else ZERO

    def add_stats(self, node_id, delta):
        entry = known(node_id)
        hits = min(entry.stats.hits + delta.hits, U64_MAX)
        entry.stats = types.EdgeCacheStats(hits, min(entry.stats.misses + delta.misses, U64_MAX))
        return entry.stats


class State(exports.State):
    def load(self, loaded):
        least_cores()  # An operator sees a wrong setting here, before the component serves anything.
        commit({entry.node.node_id: entry for entry in loaded})

    def apply(self, changes):
        wanted = {}
        for change in changes:
            if isinstance(change, exports.state.Change_Put):
                wanted[change.value.node.node_id] = change.value
            else:
                wanted[change.value] = None
        commit(wanted)


class Placement(exports.Placement):
    def assess(self, peer):
        found = {label.key: label.value for label in peer.labels}
        if found.get("edge_cache") != "true":
            return None
        # Labels come from other nodes, and may hold anything.
        cores = found.get("edge_cache_cpu", "")
        if not (cores.isascii() and cores.isdigit() and len(cores) <= 10):
            line = f"node {peer.node_id} is not eligible: it names no cores"
            logging.log(logging.Level.WARN, "placement", line)
            return None
        return exports.placement.Candidate(weight=min(max(int(cores), 1), 65_535), geo=None)


def commit(wanted):
    """Publish all, then commit all. What was published before a refusal, the host forgets."""
    for node_id, entry in wanted.items():
        try:
            show(node_id, entry and entry.node.capacity)
        except Err as refusal:
            raise Err(refusal.value.value)
    for node_id, entry in wanted.items():
        entries.pop(node_id, None)
        if entry:
            entries[node_id] = entry


def known(node_id):
    if node_id not in entries:
        raise Err(types.EdgeCacheError_NodeNotFound(node_id))
    return entries[node_id]


def show(node_id, capacity):
    """The complete labels of a node; none of them where it is no edge cache."""
    labels = {}
    if capacity:
        labels["edge_cache"] = "true"
        labels["edge_cache_cpu"] = str(capacity.cpu_cores)
        labels["edge_cache_ram_mib"] = str(capacity.ram_mib)
        labels["edge_cache_disk_mib"] = str(capacity.disk_mib)
        if capacity.geo is not None:
            labels["edge_cache_geo"] = capacity.geo
    try:
        gossip_labels.publish(node_id, [types.Label(*pair) for pair in labels.items()])
    except Err as refusal:
        raise Err(types.EdgeCacheError_Gossip(str(refusal.value)))


def least_cores():
    """The setting `least_cores`: a node with fewer is refused. At least 1, and 1 where it is not given."""
    text = store.get("least_cores")
    if text is None:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) > 0):
        raise Err(f"least_cores must be a number from 1 on, not {text!r}")
    return int(text)

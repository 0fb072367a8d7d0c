//! The registry of the guide in Zig, over the bindings for C: nodes with enough cores, traffic follows their number.

const std = @import("std");
const c = @import("c.zig");

const Text = c.edge_cache_plugin_string_t;
const Capacity = c.zlayer_edge_cache_types_node_capacity_t;
const Node = c.zlayer_edge_cache_types_edge_cache_node_t;
const Stats = c.zlayer_edge_cache_types_edge_cache_stats_t;
const Error = c.zlayer_edge_cache_types_edge_cache_error_t;
const Entry = c.zlayer_edge_cache_types_entry_t;
const Label = c.zlayer_edge_cache_types_label_t;
const Change = c.exports_zlayer_edge_cache_state_change_t;

const heap = std.heap.c_allocator;
const nanos_per_milli = 1_000_000;
const weight_max = 65_535;

/// Every registered node, ascending by its id.
var entries: std.ArrayList(Entry) = .empty;

fn place(node_id: u64) usize {
    const order = struct {
        fn of(id: u64, entry: Entry) std.math.Order {
            return std.math.order(id, entry.node.node_id);
        }
    }.of;
    return std.sort.lowerBound(Entry, entries.items, node_id, order);
}

fn find(node_id: u64) ?*Entry {
    const at = place(node_id);
    if (at == entries.items.len or entries.items[at].node.node_id != node_id) return null;
    return &entries.items[at];
}

fn takeOut(node_id: u64) void {
    if (find(node_id) == null) return;
    var entry = entries.orderedRemove(place(node_id));
    c.zlayer_edge_cache_types_entry_free(&entry);
}

fn put(entry: Entry) void {
    takeOut(entry.node.node_id);
    entries.insert(heap, place(entry.node.node_id), entry) catch @panic("no memory");
}

fn slice(of: Text) []const u8 {
    return of.ptr[0..of.len];
}

/// Borrows a text for a call of the host.
fn borrowed(of: []const u8) Text {
    return .{ .ptr = @constCast(of.ptr), .len = of.len };
}

/// Copies a text for whoever frees it.
fn owned(of: []const u8) Text {
    const copied = heap.dupe(u8, of) catch @panic("no memory");
    return .{ .ptr = copied.ptr, .len = copied.len };
}

fn copy(of: Node) Node {
    var other = of;
    if (of.capacity.geo.is_some) other.capacity.geo.val = owned(slice(of.capacity.geo.val));
    return other;
}

/// Publishes the complete labels of a node; none of them where it is no edge cache.
fn show(node_id: u64, of: ?*const Capacity, why: *Text) bool {
    var texts: [3][20]u8 = undefined;
    var labels: [5]Label = undefined;
    var list: c.zlayer_edge_cache_gossip_labels_list_label_t = .{ .ptr = &labels, .len = 0 };
    if (of) |capacity| {
        const numbers = [_]u64{ capacity.cpu_cores, capacity.ram_mib, capacity.disk_mib };
        const keys = [_][]const u8{ "edge_cache_cpu", "edge_cache_ram_mib", "edge_cache_disk_mib" };
        labels[0] = .{ .key = borrowed("edge_cache"), .value = borrowed("true") };
        for (numbers, keys, &texts, labels[1..4]) |number, key, *text, *label| {
            const digits = std.fmt.bufPrint(text, "{d}", .{number}) catch unreachable;
            label.* = .{ .key = borrowed(key), .value = borrowed(digits) };
        }
        labels[4] = .{ .key = borrowed("edge_cache_geo"), .value = capacity.geo.val };
        list.len = if (capacity.geo.is_some) 5 else 4;
    }
    var refusal: c.zlayer_edge_cache_gossip_labels_label_error_t = undefined;
    if (c.zlayer_edge_cache_gossip_labels_publish(node_id, &list, &refusal)) return true;
    const is_too_large = refusal.tag == c.ZLAYER_EDGE_CACHE_GOSSIP_LABELS_LABEL_ERROR_TOO_LARGE;
    // `unavailable` is a text at the same place.
    why.* = if (is_too_large) owned("labels that are too large") else refusal.val.denied;
    return false;
}

/// The setting `least_cores`: a node with fewer is refused. At least 1, and 1 where it is not given.
fn leastCores(why: *Text) ?u32 {
    var key = borrowed("least_cores");
    var given: c.edge_cache_plugin_option_string_t = undefined;
    var refusal: c.wasi_config_store_error_t = undefined;
    if (!c.wasi_config_store_get(&key, &given, &refusal)) {
        why.* = refusal.val.io; // `upstream` is a text at the same place.
        return null;
    }
    if (!given.is_some) return 1;
    defer c.edge_cache_plugin_option_string_free(&given);
    const least = std.fmt.parseInt(u32, slice(given.val), 10) catch 0;
    if (least > 0) return least;
    why.* = owned("least_cores must be a number from 1 on");
    return null;
}

fn isAdmitted(node_id: u64, given: *const Capacity, err: *Error) bool {
    err.tag = c.ZLAYER_EDGE_CACHE_TYPES_EDGE_CACHE_ERROR_INVALID_CAPACITY;
    const least = leastCores(&err.val.invalid_capacity) orelse return false;
    if (given.cpu_cores < least) {
        const why = std.fmt.allocPrint(heap, "cpu_cores must be at least {d}", .{least}) catch @panic("no memory");
        err.val.invalid_capacity = borrowed(why);
        return false;
    }
    err.tag = c.ZLAYER_EDGE_CACHE_TYPES_EDGE_CACHE_ERROR_GOSSIP;
    return show(node_id, given, &err.val.gossip);
}

export fn exports_zlayer_edge_cache_registry_enable(node_id: u64, given: *Capacity, ret: *Node, err: *Error) bool {
    // What an export is given belongs to it.
    if (!isAdmitted(node_id, given, err)) {
        c.zlayer_edge_cache_types_node_capacity_free(given);
        return false;
    }
    var node: Node = .{ .node_id = node_id, .capacity = given.* };
    c.wasi_clocks_wall_clock_now(&node.enabled_at);
    node.enabled_at.nanoseconds -= node.enabled_at.nanoseconds % nanos_per_milli;
    put(.{ .node = node });
    ret.* = copy(node);
    return true;
}

fn known(node_id: u64, err: *Error) ?*Entry {
    err.tag = c.ZLAYER_EDGE_CACHE_TYPES_EDGE_CACHE_ERROR_NODE_NOT_FOUND;
    err.val.node_not_found = node_id;
    return find(node_id);
}

export fn exports_zlayer_edge_cache_registry_disable(node_id: u64, err: *Error) bool {
    _ = known(node_id, err) orelse return false;
    var why: Text = undefined;
    if (!show(node_id, null, &why)) {
        err.tag = c.ZLAYER_EDGE_CACHE_TYPES_EDGE_CACHE_ERROR_GOSSIP;
        err.val.gossip = why;
        return false;
    }
    takeOut(node_id);
    return true;
}

export fn exports_zlayer_edge_cache_registry_is_enabled(node_id: u64) bool {
    return find(node_id) != null;
}

export fn exports_zlayer_edge_cache_registry_list_eligible(
    ret: *c.exports_zlayer_edge_cache_registry_list_edge_cache_node_t,
) void {
    const list = heap.alloc(Node, entries.items.len) catch @panic("no memory");
    for (list, entries.items) |*node, entry| node.* = copy(entry.node);
    // Zig's pointer to nothing is outside of the memory.
    ret.* = .{ .ptr = if (list.len > 0) list.ptr else null, .len = list.len };
}

export fn exports_zlayer_edge_cache_registry_stats(node_id: u64, ret: *Stats) void {
    ret.* = if (find(node_id)) |entry| entry.stats else .{};
}

export fn exports_zlayer_edge_cache_registry_add_stats(node_id: u64, delta: *Stats, ret: *Stats, err: *Error) bool {
    const entry = known(node_id, err) orelse return false;
    entry.stats.hits +|= delta.hits;
    entry.stats.misses +|= delta.misses;
    ret.* = entry.stats;
    return true;
}

export fn exports_zlayer_edge_cache_state_load(loaded: *c.exports_zlayer_edge_cache_state_list_entry_t, err: *Text) bool {
    const all = loaded.ptr[0..loaded.len];
    // An operator sees a wrong setting here, before the plugin serves anything.
    var good = leastCores(err) != null;
    // Publish all, then commit all. What was published before a refusal, the host forgets.
    for (all) |*entry| good = good and show(entry.node.node_id, &entry.node.capacity, err);
    if (!good) {
        c.exports_zlayer_edge_cache_state_list_entry_free(loaded);
        return false;
    }
    for (all) |entry| put(entry);
    if (all.len > 0) std.c.free(loaded.ptr);
    return true;
}

fn isPut(change: *const Change) bool {
    return change.tag == c.EXPORTS_ZLAYER_EDGE_CACHE_STATE_CHANGE_PUT;
}

export fn exports_zlayer_edge_cache_state_apply(changes: *c.exports_zlayer_edge_cache_state_list_change_t, err: *Text) bool {
    const all = changes.ptr[0..changes.len];
    var good = true;
    for (all) |*change| {
        const entry = &change.val.put;
        good = good and if (isPut(change))
            show(entry.node.node_id, &entry.node.capacity, err)
        else
            show(change.val.remove, null, err);
    }
    if (!good) {
        c.exports_zlayer_edge_cache_state_list_change_free(changes);
        return false;
    }
    for (all) |*change| {
        if (isPut(change)) put(change.val.put) else takeOut(change.val.remove);
    }
    if (all.len > 0) std.c.free(changes.ptr);
    return true;
}

export fn exports_zlayer_edge_cache_placement_assess(
    peer: *c.exports_zlayer_edge_cache_placement_peer_t,
    ret: *c.exports_zlayer_edge_cache_placement_candidate_t,
) bool {
    defer c.exports_zlayer_edge_cache_placement_peer_free(peer);
    var is_marked = false;
    var cores: ?u32 = null;
    for (peer.labels.ptr[0..peer.labels.len]) |label| {
        const value = slice(label.value);
        if (std.mem.eql(u8, slice(label.key), "edge_cache")) is_marked = std.mem.eql(u8, value, "true");
        // Labels come from other nodes, and may hold anything.
        if (std.mem.eql(u8, slice(label.key), "edge_cache_cpu")) cores = std.fmt.parseInt(u32, value, 10) catch null;
    }
    if (is_marked and cores == null) std.debug.print("node {d} is not eligible: it names no cores\n", .{peer.node_id});
    ret.* = .{ .weight = std.math.clamp(cores orelse 1, 1, weight_max) };
    return is_marked and cores != null;
}

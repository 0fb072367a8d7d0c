// A registry of nodes with enough cores: traffic follows their number. A 64-bit number is a BigInt here, and
// an expected error is thrown as its plain value.

import { publish } from "zlayer:edge-cache/gossip-labels@0.1.0";
import { now } from "wasi:clocks/wall-clock@0.2.0";
import { get } from "wasi:config/store@0.2.0-rc.1";
import { log } from "wasi:logging/logging";

const U64_MAX = 2n ** 64n - 1n;
const ZERO = { hits: 0n, misses: 0n };

const entries = new Map();

export const registry = {
  enable(nodeId, capacity) {
    const least = orThrow("invalid-capacity", leastCores);
    if (capacity.cpuCores < least) {
      throw { tag: "invalid-capacity", val: `cpu_cores must be at least ${least}` };
    }
    orThrow("gossip", () => show(nodeId, capacity));
    const { seconds, nanoseconds } = now();
    const enabledAt = { seconds, nanoseconds: nanoseconds - (nanoseconds % 1_000_000) };
    const node = { nodeId, capacity, enabledAt };
    entries.set(nodeId, { node, stats: ZERO });
    return node;
  },

  disable(nodeId) {
    known(nodeId);
    orThrow("gossip", () => show(nodeId, undefined));
    entries.delete(nodeId);
  },

  isEnabled: (nodeId) => entries.has(nodeId),

  listEligible() {
    const nodes = [...entries.values()].map((entry) => entry.node);
    return nodes.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  },

  stats: (nodeId) => entries.get(nodeId)?.stats ?? ZERO,

  addStats(nodeId, delta) {
    const entry = known(nodeId);
    const { hits, misses } = entry.stats;
    entry.stats = { hits: add(hits, delta.hits), misses: add(misses, delta.misses) };
    return entry.stats;
  },
};

export const state = {
  load(loaded) {
    leastCores(); // An operator sees a wrong setting here, before the plugin serves anything.
    commit(loaded.map((entry) => [entry.node.nodeId, entry]));
  },

  apply(changes) {
    commit(changes.map(({ tag, val }) => (tag === "put" ? [val.node.nodeId, val] : [val])));
  },
};

export const placement = {
  assess({ nodeId, labels }) {
    const found = new Map(labels.map(({ key, value }) => [key, value]));
    if (found.get("edge_cache") !== "true") {
      return undefined;
    }
    // Labels come from other nodes, and may hold anything.
    const cores = found.get("edge_cache_cpu") ?? "";
    if (!/^[0-9]{1,10}$/.test(cores)) {
      log("warn", "placement", `node ${nodeId} is not eligible: it names no cores`);
      return undefined;
    }
    return { weight: Math.min(Math.max(Number(cores), 1), 65_535), geo: undefined };
  },
};

// Publish all, then commit all. What was published before a refusal, the host forgets.
function commit(wanted) {
  for (const [nodeId, entry] of wanted) {
    show(nodeId, entry?.node.capacity);
  }
  for (const [nodeId, entry] of wanted) {
    entry ? entries.set(nodeId, entry) : entries.delete(nodeId);
  }
}

function known(nodeId) {
  if (!entries.has(nodeId)) {
    throw { tag: "node-not-found", val: nodeId };
  }
  return entries.get(nodeId);
}

// Publishes the complete labels of a node; none of them where it is no edge cache.
function show(nodeId, capacity) {
  const labels = [];
  if (capacity) {
    labels.push({ key: "edge_cache", value: "true" });
    labels.push({ key: "edge_cache_cpu", value: `${capacity.cpuCores}` });
    labels.push({ key: "edge_cache_ram_mib", value: `${capacity.ramMib}` });
    labels.push({ key: "edge_cache_disk_mib", value: `${capacity.diskMib}` });
    if (capacity.geo !== undefined) {
      labels.push({ key: "edge_cache_geo", value: capacity.geo });
    }
  }
  try {
    publish(nodeId, labels);
  } catch ({ payload }) {
    throw `${payload.tag}: ${payload.val}`;
  }
}

// The setting `least_cores`: a node with fewer is refused. At least 1, and 1 where it is not given.
function leastCores() {
  const text = get("least_cores");
  if (text === undefined) {
    return 1;
  }
  if (!/^[0-9]{1,10}$/.test(text) || Number(text) === 0) {
    throw `least_cores must be a number from 1 on, not ${JSON.stringify(text)}`;
  }
  return Number(text);
}

function orThrow(tag, call) {
  try {
    return call();
  } catch (val) {
    throw { tag, val };
  }
}

function add(total, delta) {
  return total + delta > U64_MAX ? U64_MAX : total + delta;
}

// A registry written from `wit/` alone. It decides as the reference component does, so agents that run
// either route alike. A 64-bit number is a BigInt here, an expected error is thrown as its plain value.

import { publish } from "zlayer:edge-cache/gossip-labels@0.1.0";
import { now } from "wasi:clocks/wall-clock@0.2.0";
import { getAll } from "wasi:config/store@0.2.0-rc.1";
import { log } from "wasi:logging/logging";

const U32_MAX = 2n ** 32n - 1n;
const U64_MAX = 2n ** 64n - 1n;
const GEO_BYTES_MAX = 64;
const WEIGHT_MAX = 65_535n;
const MIB_PER_GIB = 1_024n;
const NANOS_PER_MILLI = 1_000_000;
const EXCERPT_CHARS = 40;
// Nodes that are complained about; a hostile cluster can invent any number.
const COMPLAINTS_MAX = 1_000;

const WEIGHTS = ["disk", "ram", "cpu", "equal"];
const UTF8 = new TextEncoder();
// What the interface `types` says is not printable.
const UNPRINTABLE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const ZERO = { hits: 0n, misses: 0n };

// Every registered node, as an `entry` by node id.
const entries = new Map();
// The nodes whose labels were complained about.
const complaints = new Set();
// The settings: `{ weight }` or `{ wrong }`; read when they are needed first.
let settings;

export const registry = {
  enable(nodeId, capacity) {
    const fault = capacityFault(capacity);
    if (fault) {
      throw { tag: "invalid-capacity", val: fault };
    }
    const { seconds, nanoseconds } = now();
    const enabledAt = { seconds, nanoseconds: nanoseconds - (nanoseconds % NANOS_PER_MILLI) };
    const node = { nodeId, capacity, enabledAt };
    show(nodeId, labelsOf(capacity));
    entries.set(nodeId, { node, stats: ZERO });
    return node;
  },

  disable(nodeId) {
    if (!entries.has(nodeId)) {
      throw { tag: "node-not-found", val: nodeId };
    }
    show(nodeId, []);
    entries.delete(nodeId);
  },

  isEnabled(nodeId) {
    return entries.has(nodeId);
  },

  listEligible() {
    const nodes = [...entries.values()].map((entry) => entry.node);
    return nodes.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  },

  stats(nodeId) {
    return entries.get(nodeId)?.stats ?? ZERO;
  },

  addStats(nodeId, delta) {
    const entry = entries.get(nodeId);
    if (!entry) {
      throw { tag: "node-not-found", val: nodeId };
    }
    const { hits, misses } = entry.stats;
    entry.stats = { hits: add(hits, delta.hits), misses: add(misses, delta.misses) };
    return entry.stats;
  },
};

export const state = {
  load(loaded) {
    if (readSettings().wrong) {
      throw settings.wrong;
    }
    const wanted = new Map(loaded.map((entry) => [entry.node.nodeId, entry]));
    if (wanted.size < loaded.length) {
      throw "a node is named twice";
    }
    loaded.forEach(check);
    commit(wanted);
  },

  apply(changes) {
    // The last change of a node holds; an earlier one must be possible all the same.
    const wanted = new Map();
    for (const { tag, val } of changes) {
      if (tag === "put") {
        check(val);
        wanted.set(val.node.nodeId, val);
      } else {
        wanted.set(val, undefined);
      }
    }
    commit(wanted);
  },
};

export const placement = {
  assess({ nodeId, labels }) {
    if (readSettings().wrong) {
      return undefined;
    }
    const found = new Map(labels.map(({ key, value }) => [key, value]));
    if (found.get("edge_cache") !== "true") {
      return undefined;
    }
    const { candidate, fault } = candidateOf(found);
    if (fault) {
      complain(nodeId, fault);
    }
    return candidate;
  },
};

// Makes each node what is wanted, an entry or nothing: all of them or, with a reason, none.
function commit(wanted) {
  for (const [nodeId, entry] of wanted) {
    if (entry || entries.has(nodeId)) {
      try {
        show(nodeId, entry ? labelsOf(entry.node.capacity) : []);
      } catch (error) {
        throw `node ${nodeId}: gossip label push failed: ${error.val}`;
      }
    }
  }
  for (const [nodeId, entry] of wanted) {
    if (entry) {
      entries.set(nodeId, entry);
    } else {
      entries.delete(nodeId);
    }
  }
}

function check({ node }) {
  const fault = capacityFault(node.capacity);
  if (fault) {
    throw `node ${node.nodeId}: ${fault}`;
  }
}

// Labels come first: where they are not taken, the entry stays as it was.
function show(nodeId, labels) {
  try {
    publish(nodeId, labels);
  } catch (error) {
    throw { tag: "gossip", val: reason(error.payload) };
  }
}

function reason({ tag, val }) {
  return tag === "too-large" ? `larger than the limit of ${val} bytes` : `${tag}: ${val}`;
}

function capacityFault({ cpuCores, ramMib, diskMib, geo }) {
  if (cpuCores === 0 && ramMib === 0n && diskMib === 0n) {
    return "cpu_cores, ram_mib and disk_mib are all zero; at least one must not be";
  }
  return geo === undefined ? undefined : geoFault(geo);
}

function geoFault(geo) {
  const length = UTF8.encode(geo).length;
  if (length < 1 || length > GEO_BYTES_MAX) {
    return `geo must be 1 to ${GEO_BYTES_MAX} bytes, got ${length}`;
  }
  const found = UNPRINTABLE.exec(geo);
  if (found) {
    const code = found[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return `geo must be printable, got the character U+${code}`;
  }
  return undefined;
}

function labelsOf({ cpuCores, ramMib, diskMib, geo }) {
  const labels = [
    { key: "edge_cache", value: "true" },
    { key: "edge_cache_cpu", value: `${cpuCores}` },
    { key: "edge_cache_disk_mib", value: `${diskMib}` },
    { key: "edge_cache_ram_mib", value: `${ramMib}` },
  ];
  if (geo !== undefined) {
    labels.push({ key: "edge_cache_geo", value: geo });
  }
  return labels;
}

// What a node with these labels is worth, or why they can't be read.
function candidateOf(found) {
  for (const [key, largest] of [
    ["edge_cache_cpu", U32_MAX],
    ["edge_cache_ram_mib", U64_MAX],
    ["edge_cache_disk_mib", U64_MAX],
  ]) {
    if (!found.has(key)) {
      return { fault: `label ${key} is missing` };
    }
    if (!isNumber(found.get(key), largest)) {
      return { fault: `label ${key} is not a decimal integer within its range` };
    }
  }
  const geo = found.get("edge_cache_geo");
  const fault = geo === undefined ? undefined : geoFault(geo);
  if (fault) {
    return { fault: `label edge_cache_geo: ${fault}` };
  }
  const share = {
    disk: BigInt(found.get("edge_cache_disk_mib")) / MIB_PER_GIB,
    ram: BigInt(found.get("edge_cache_ram_mib")) / MIB_PER_GIB,
    cpu: BigInt(found.get("edge_cache_cpu")),
    equal: 1n,
  }[settings.weight];
  const weight = Number(share < 1n ? 1n : share > WEIGHT_MAX ? WEIGHT_MAX : share);
  return { candidate: { weight, geo } };
}

// Digits only and without leading zeros: two readers can't disagree about such a number.
function isNumber(text, largest) {
  return /^(0|[1-9][0-9]{0,19})$/.test(text) && BigInt(text) <= largest;
}

function add(total, delta) {
  const sum = total + delta;
  return sum > U64_MAX ? U64_MAX : sum;
}

// A slip in the settings is an error: the default would change the routes of a whole cluster unseen.
function readSettings() {
  settings ??= settingsOf(getAll());
  return settings;
}

function settingsOf(pairs) {
  const given = new Map(pairs);
  const unknown = [...given.keys()].find((key) => key !== "weight");
  if (unknown !== undefined) {
    return { wrong: `unknown setting "${excerpt(unknown)}": the only setting is "weight"` };
  }
  const weight = given.get("weight") ?? "disk";
  if (!WEIGHTS.includes(weight)) {
    const known = '"disk", "ram", "cpu" or "equal"';
    return { wrong: `setting "weight" must be ${known}, got "${excerpt(weight)}"` };
  }
  return { weight };
}

// The beginning of a text that somebody else wrote, without what could change how it is shown.
function excerpt(foreign) {
  const characters = [...foreign];
  const shown = characters.slice(0, EXCERPT_CHARS).map((c) => (UNPRINTABLE.test(c) ? "\ufffd" : c));
  return shown.join("") + (characters.length > EXCERPT_CHARS ? "..." : "");
}

// Once a node: its labels are judged again and again.
function complain(nodeId, fault) {
  if (complaints.has(nodeId) || complaints.size === COMPLAINTS_MAX) {
    return;
  }
  complaints.add(nodeId);
  log("warn", "placement", `node ${nodeId} is not eligible: ${fault}`);
}

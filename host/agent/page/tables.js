// The two large tables, nodes and members, and the shares by geo.

import { progress } from "./progress.js";
import { Rows, share, stage, text } from "./rows.js";
import { capacity, count, labels, percent } from "./words.js";

const NODE_COLUMNS = [
  { name: "id", label: "Node", cell: text((view) => view.id) },
  { name: "decided", label: "Decided", cell: stage((view) => view.decided) },
  { name: "advertised", label: "Advertised", cell: stage((view) => view.advertised) },
  { name: "routed", label: "Routed", cell: stage((view) => view.routed) },
  { name: "share", label: "Share of keys", cell: share((view) => view.share, (view) => view.largest, percent) },
  { name: "hits", label: "Hit ratio", cell: text((view) => percent(view.hits)) },
  { name: "geo", label: "Geo", cell: text((view) => view.geo) },
  { name: "address", label: "Cache address", cell: text((view) => view.address) },
  { name: "capacity", label: "Capacity", cell: text((view) => view.capacity) },
  { name: "labels", label: "Labels", cell: text((view) => view.labels) },
  { name: "reason", label: "Why it stops", cell: text((view) => view.reason) },
];

const MEMBER_COLUMNS = [
  { name: "id", label: "Node", cell: text((view) => view.id) },
  { name: "status", label: "State", cell: stage((view) => view.status) },
  { name: "kind", label: "Kind", cell: text((view) => view.kind) },
  { name: "policy", label: "Policy", cell: stage((view) => view.policy) },
  { name: "gossip", label: "Gossip", cell: text((view) => view.gossip) },
  { name: "api", label: "API", cell: text((view) => view.api) },
];

const GEO_COLUMNS = [
  { name: "id", label: "Geo", cell: text((view) => view.geo) },
  { name: "nodes", label: "Nodes", cell: text((view) => view.nodes) },
  { name: "share", label: "Share", cell: share((view) => view.share, (view) => view.largest, percent) },
];

export const STATES = { alive: "ok", leaving: "wait", left: "none", failed: "bad", conflict: "bad" };

export class Tables {
  #nodes;
  #members;
  #geos;
  #geoKeys = new Set();
  #largest = 0;
  #totalWeight = 0;

  constructor(find) {
    this.#nodes = new Rows(find("nodes"), "Nodes", NODE_COLUMNS);
    this.#members = new Rows(find("members"), "Members", MEMBER_COLUMNS);
    this.#geos = new Rows(find("geos"), "Share of keys by geo", GEO_COLUMNS, (a, b) => a.localeCompare(b));
    this.find = find;
  }

  // Shows what has changed; all nodes where their shares may have.
  show(mesh) {
    const largest = Math.max(0, ...[...mesh.nodes.values()].map((node) => node.weight ?? 0)) / (mesh.totalWeight || 1);
    const isScaled = largest !== this.#largest || mesh.totalWeight !== this.#totalWeight;
    [this.#largest, this.#totalWeight] = [largest, mesh.totalWeight];
    const nodes = isScaled ? new Set([...mesh.nodes.keys(), ...mesh.changed.nodes]) : mesh.changed.nodes;
    if (nodes.size > 0) {
      this.#nodes.show([...nodes].map((id) => [id, this.#node(mesh, id)]));
      this.count();
    }
    if (mesh.changed.members.size > 0) {
      this.#members.show([...mesh.changed.members].map((id) => [id, member(mesh, id)]));
      this.find("members-count").textContent = count(this.#members.counts.all, "member");
    }
    mesh.changed.nodes.clear();
    mesh.changed.members.clear();
  }

  filter(words, isStoppedOnly) {
    const wanted = words.trim().toLowerCase();
    this.#nodes.filter((view) => (!isStoppedOnly || view.isStopped) && view.searched.includes(wanted));
    this.count();
  }

  count() {
    const { all, shown } = this.#nodes.counts;
    this.find("nodes-count").textContent = shown === all ? count(all, "node") : `${shown} of ${count(all, "node")}`;
    this.find("nodes-none").hidden = all > 0;
    this.find("nodes").hidden = all === 0;
  }

  #node(mesh, id) {
    const node = mesh.nodes.get(id);
    const stages = node && progress(node);
    if (!stages?.isShown) return null;
    const geo = node.geo ?? node.decision?.capacity?.geo;
    return {
      ...stages,
      id,
      share: node.weight === undefined ? undefined : node.weight / mesh.totalWeight,
      largest: this.#largest,
      hits: node.hit_ratio,
      geo,
      address: node.address,
      capacity: capacity(node.decision?.capacity),
      labels: labels(mesh.members.get(id)?.labels),
      searched: `${id} ${geo ?? ""} ${node.address ?? ""}`.toLowerCase(),
    };
  }

  // Shows the sums by geo.
  showGeos(mesh) {
    const geos = new Map();
    for (const { weight, geo } of mesh.nodes.values()) {
      if (weight === undefined) continue;
      const key = geo ?? "";
      const sum = geos.get(key) ?? { geo: geo ?? "no geo", nodes: 0, share: 0 };
      geos.set(key, { ...sum, nodes: sum.nodes + 1, share: sum.share + weight / mesh.totalWeight });
    }
    const largest = Math.max(0, ...[...geos.values()].map((view) => view.share));
    const gone = [...this.#geoKeys].filter((key) => !geos.has(key)).map((key) => [key, null]);
    this.#geoKeys = new Set(geos.keys());
    this.#geos.show([...gone, ...[...geos].map(([key, view]) => [key, { ...view, largest }])]);
    this.find("geos").hidden = geos.size === 0;
    this.find("geos-none").hidden = geos.size > 0;
  }
}

function member(mesh, id) {
  const member = mesh.members.get(id);
  if (!member) return null;
  const status = statusOf(mesh, id);
  return {
    id,
    status: { state: STATES[status] ?? "wait", word: status },
    kind: kindOf(member),
    policy: policy(mesh, member),
    gossip: member.gossip_address,
    api: member.api,
  };
}

// Returns the kind of a member, which is unknown of one that is silent.
function kindOf(member) {
  if (member.is_agent) return "agent";
  return ["alive", "leaving"].includes(member.status) ? "other" : "–";
}

// Returns the state of a member; that of this agent is `conflict` while another one has its id.
export function statusOf(mesh, id) {
  const isConflict = id === String(mesh.agent?.node_id) && mesh.hasConflict;
  return isConflict ? "conflict" : (mesh.members.get(id)?.status ?? "unknown");
}

function policy(mesh, { policy: text }) {
  if (!text) return { state: "none", word: "" };
  return text === mesh.ownPolicy ? { state: "ok", word: text } : { state: "bad", word: `${text} differs` };
}

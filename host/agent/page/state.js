// The state of the mesh as this page knows it: events and lists go in, nothing else happens.

const CONFLICT = /^another member .* has this node's id/;

export class Mesh {
  agent = null;
  health = null;
  plugin = null;
  totalWeight = 0;
  nodes = new Map();
  members = new Map();
  // The ids of nodes and members that have changed since they were drawn.
  changed = { nodes: new Set(), members: new Set() };
  // The policy of this agent as members compare it, and whether another member has its id.
  ownPolicy;
  hasConflict = false;
  // When, in events, a node or member was last named by an event.
  #named = { nodes: new Map(), members: new Map() };
  #events = 0;

  // The moment to hand to `takeNodes` and `takeMembers` with a list that is asked for now.
  get moment() {
    return this.#events;
  }

  // Takes an event. Returns what it leaves unsaid: `nodes`, `members` or both.
  event(name, data) {
    this.#events += 1;
    switch (name) {
      case "snapshot":
        for (const node of data.nodes) this.#enabled(node);
        for (const peer of data.peers) this.#peer(peer);
        return ["nodes", "members"];
      case "enabled":
        this.#enabled(data);
        return ["nodes"];
      case "disabled":
        this.#node(String(data.node_id), (node) => ({ ...node, registered: false, decision: { ...node.decision, op: "disable" } }));
        return ["nodes"];
      case "joined":
        this.#peer(data);
        return ["nodes", "members"];
      case "updated":
        this.#peer(data);
        return ["nodes"];
      case "left":
      case "failed":
        this.#gone(String(data.node_id), name);
        return ["nodes", "members"];
      case "health":
        this.health = data;
        return [];
      default:
        return [];
    }
  }

  // Works out what concerns all members; all of them have changed where it has.
  settle() {
    const { reasons = [], warnings = [] } = this.health ?? {};
    const hasConflict = [...reasons, ...warnings].some((text) => CONFLICT.test(text));
    const ownPolicy = this.members.get(String(this.agent?.node_id))?.policy;
    if (hasConflict === this.hasConflict && ownPolicy === this.ownPolicy) return;
    Object.assign(this, { hasConflict, ownPolicy });
    for (const id of this.members.keys()) this.changed.members.add(id);
  }

  takeNodes(list, asked) {
    const now = new Map(list.nodes.map((node) => [String(node.node_id), node]));
    this.totalWeight = list.total_weight;
    this.#take("nodes", now, asked);
  }

  takeMembers(list, asked) {
    const now = new Map(list.members.map((member) => [String(member.node_id), member]));
    this.#take("members", now, asked);
    for (const id of this.changed.members) this.changed.nodes.add(id);
  }

  // Replaces what differs, except what an event has named since the list was asked for: the event is newer.
  #take(kind, now, asked) {
    const [kept, named, changed] = [this[kind], this.#named[kind], this.changed[kind]];
    const isNewer = (id) => (named.get(id) ?? 0) > asked;
    for (const [id, value] of now) {
      if (isNewer(id) || isSame(kept.get(id), value)) continue;
      kept.set(id, value);
      changed.add(id);
    }
    for (const id of kept.keys()) {
      if (now.has(id) || isNewer(id)) continue;
      kept.delete(id);
      changed.add(id);
    }
    for (const [id, at] of named) if (at <= asked) named.delete(id);
  }

  #set(kind, id, value) {
    this[kind].set(id, value);
    this.changed[kind].add(id);
    this.#named[kind].set(id, this.#events);
  }

  #node(id, next) {
    const node = this.nodes.get(id);
    if (node) this.#set("nodes", id, next(node));
  }

  #enabled({ node_id, capacity, enabled_at }) {
    const id = String(node_id);
    const before = this.nodes.get(id);
    if (before?.decision?.op === "enable" && before.decision.at === enabled_at) return;
    const alive = this.members.get(id)?.status === "alive";
    const decision = { op: "enable", at: enabled_at, capacity };
    this.#set("nodes", id, { ...before, node_id, registered: true, advertised: false, alive, geo: capacity.geo, decision });
  }

  #peer({ node_id, labels }) {
    const id = String(node_id);
    this.#set("members", id, { ...this.members.get(id), node_id, status: "alive", labels });
    this.changed.nodes.add(id);
  }

  #gone(id, status) {
    const member = this.members.get(id) ?? { node_id: id };
    this.#set("members", id, { ...member, status, labels: undefined });
    this.#node(id, (node) => ({ ...node, alive: false, advertised: false, weight: undefined }));
    this.changed.nodes.add(id);
  }
}

function isSame(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => isSame(a[key], b[key]));
}

// The small panels: readiness, totals, plugin, last decisions, and where a key is routed.

import { progress } from "./progress.js";
import { element } from "./rows.js";
import { STATES, statusOf } from "./tables.js";
import { capacity, count, percent, short, time } from "./words.js";

const DECISIONS_SHOWN = 20;
const DISAGREEING_SHOWN = 12;
const PLUGIN_STATES = { running: "ok", degraded: "bad", failed: "bad" };

export function showIdentity(find, { agent }) {
  if (!agent) return;
  setText(find("identity"), `node ${agent.node_id}, version ${agent.version}`);
  document.title = `Edge cache: node ${agent.node_id}`;
}

export function showHealth(find, { health }) {
  if (!health) return;
  const { ok, reasons, warnings = [] } = health;
  const state = !ok ? "bad" : warnings.length > 0 ? "wait" : "ok";
  const title = !ok ? "Not ready" : warnings.length > 0 ? `Ready, with ${count(warnings.length, "warning")}` : "Ready";
  find("health").dataset.state = state;
  setText(find("health-title"), title);
  const lines = [...reasons.map((text) => ["reason", text]), ...warnings.map((text) => ["warning", text])];
  replace(find("health-list"), lines.map(([kind, text]) => {
    const line = element("li", { class: kind });
    line.append(element("b", {}, kind), ` ${text}`);
    return line;
  }));
}

export function showTotals(find, mesh) {
  const members = { alive: 0, leaving: 0, left: 0, failed: 0, conflict: 0 };
  for (const id of mesh.members.keys()) {
    const status = statusOf(mesh, id);
    if (status in members) members[status] += 1;
  }
  const nodes = { decided: 0, advertised: 0, routed: 0, stopped: 0 };
  for (const node of mesh.nodes.values()) {
    nodes.decided += node.decision?.op === "enable" ? 1 : 0;
    nodes.advertised += node.advertised ? 1 : 0;
    nodes.routed += node.weight === undefined ? 0 : 1;
    nodes.stopped += progress(node).isStopped ? 1 : 0;
  }
  replace(find("totals"), [totals("members", members, STATES), totals("nodes", nodes, { stopped: "wait" })]);
}

function totals(group, numbers, states) {
  const list = element("dl", { class: group, "aria-label": group });
  for (const [name, number] of Object.entries(numbers)) {
    const box = element("div", { "data-state": number > 0 ? (states[name] ?? "ok") : "none", "data-total": `${group}-${name}` });
    box.append(element("dt", {}, name), element("dd", {}, number.toLocaleString("en")));
    list.append(box);
  }
  const box = element("div", { class: "group" });
  box.append(element("h2", {}, `${group[0].toUpperCase()}${group.slice(1)}`), list);
  return box;
}

export function showPlugin(find, mesh) {
  const { plugin } = mesh;
  if (!plugin) return;
  const { origin, declared, metadata = {} } = plugin;
  find("plugin-state").dataset.state = PLUGIN_STATES[plugin.state] ?? "wait";
  setText(find("plugin-state"), plugin.state);
  const others = [...mesh.members.values()].filter((member) => member.policy && member.policy !== mesh.ownPolicy);
  const ids = others.slice(0, DISAGREEING_SHOWN).map((member) => member.node_id);
  const rest = others.length - ids.length;
  const facts = [
    ["Running", [metadata.name ?? plugin.name, metadata.version].filter(Boolean).join(" ")],
    ["Source", origin.source],
    ["Digest", short(origin.digest ?? `sha256:${origin.sha256}`)],
    ["Declared", plugin.is_declared ? "the same" : `${declared.source}, ${short(declared.digest ?? `sha256:${declared.sha256}`)}`],
    ["Let in by", origin.rule && [origin.rule, ...(origin.keys ?? [])].join(", ")],
    ["Refused by trust rules", plugin.refusal],
    ["Restarts", plugin.restarts],
    ["Last failure", plugin.last_failure],
    ["Policy", mesh.ownPolicy ?? plugin.policy],
    ["Who disagrees", ids.length === 0 ? "nobody" : `node ${ids.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`],
  ];
  const shown = facts.filter(([, value]) => value !== undefined && value !== null && value !== "");
  replace(find("plugin"), shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

export function showDecisions(find, { nodes }) {
  const decided = [...nodes.values()].filter((node) => node.decision);
  decided.sort((a, b) => (a.decision.at < b.decision.at ? 1 : a.decision.at > b.decision.at ? -1 : 0));
  const lines = decided.slice(0, DECISIONS_SHOWN).map((node) => {
    const { decision } = node;
    const line = element("li");
    const what = element("p", { class: "what" });
    what.append(element("b", {}, decision.op), ` node ${node.node_id}`);
    what.append(element("span", { class: "by" }, decision.by === undefined ? "" : `by the agent of node ${decision.by}`));
    const at = element("time", { datetime: decision.at }, time(decision.at));
    const detail = [capacity(decision.capacity), decision.capacity?.geo, decision.replicated === false && "not replicated yet"];
    line.append(what, at, element("p", { class: "detail" }, detail.filter(Boolean).join(", ")));
    const refused = decision.refused ?? decision.refused_by_node;
    if (refused) line.append(element("p", { class: "refused" }, `refused: ${refused}`));
    return line;
  });
  replace(find("decisions"), lines);
  find("decisions-none").hidden = lines.length > 0;
}

export function showRoute(find, { nodes }, totalWeight) {
  setText(find("route-said"), nodes.length === 0 ? "No node is eligible." : `${count(nodes.length, "node")}, best first`);
  replace(find("route-nodes"), nodes.map((node) => {
    const line = element("li");
    const rest = [node.geo, node.address, totalWeight && `${percent(node.weight / totalWeight)} of all keys`];
    line.append(element("b", {}, `node ${node.node_id}`), ` ${rest.filter(Boolean).join(", ")}`);
    return line;
  }));
}

export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

// Replaces the children unless they are the same, so that what is selected or read aloud stays.
function replace(place, children) {
  const now = element("div");
  now.append(...children);
  const isSame = place.childNodes.length === now.childNodes.length && [...place.childNodes].every((child, at) => child.isEqualNode(now.childNodes[at]));
  if (!isSame) place.replaceChildren(...now.childNodes);
}

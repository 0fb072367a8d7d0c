// The page: asks for a token where one is needed, follows the agent, and draws what has changed.

import { read, Refused, token } from "./api.js";
import * as panels from "./panels.js";
import { Refresh } from "./refresh.js";
import { Mesh } from "./state.js";
import { follow } from "./stream.js";
import { Tables } from "./tables.js";
import { time } from "./words.js";

// A frame is drawn at most this often, however many events come.
const FRAME_MS = 250;
// The panels sum up all nodes, so they are drawn more seldom than the rows that have changed.
const PANELS_MS = 1_000;
// The most decisions that are asked for.
const DECISIONS = 5_000;

const find = (id) => document.getElementById(id);
let tables = new Tables(find);
let mesh = new Mesh();
let ending = new AbortController();
let drawn = 0;
let isDue = false;
let summed = 0;
let isSumDue = false;

const refresh = new Refresh({
  nodes: async () => {
    const [now, asked] = [mesh, mesh.moment];
    now.takeNodes(await read(`api/v1/edge-cache/decisions?limit=${DECISIONS}`), asked);
    drawSoon();
  },
  members: async () => {
    const [now, asked] = [mesh, mesh.moment];
    now.takeMembers(await read("api/v1/cluster/members"), asked);
    drawSoon();
  },
  plugin: async () => {
    mesh.plugin = await read("api/v1/plugin");
    drawSoon();
  },
});

// Draws in the next frame, and not before the last one is some time ago.
function drawSoon() {
  if (isDue) return;
  isDue = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawn + FRAME_MS - performance.now()));
}

function draw() {
  isDue = false;
  drawn = performance.now();
  mesh.settle();
  tables.show(mesh);
  panels.showHealth(find, mesh);
  if (isSumDue) return;
  isSumDue = true;
  setTimeout(drawPanels, Math.max(0, summed + PANELS_MS - drawn));
}

function drawPanels() {
  isSumDue = false;
  summed = performance.now();
  panels.showIdentity(find, mesh);
  tables.showGeos(mesh);
  panels.showTotals(find, mesh);
  panels.showPlugin(find, mesh);
  panels.showDecisions(find, mesh);
}

function link(state, words) {
  find("link").dataset.state = state;
  panels.setText(find("link"), words);
}

async function start(secret = token.get()) {
  ending.abort();
  refresh.stop();
  try {
    const agent = await read("api/v1/agent", { secret });
    if (agent.role && agent.role !== "read") throw new Refused(403, `this token has the role ${agent.role}: the page takes one of the role read only`);
    if (secret && agent.role) token.keep(secret);
    show(agent);
  } catch (error) {
    if (error instanceof Refused && (error.status === 401 || error.status === 403)) return signIn(secret && error.message);
    link("bad", "Not connected");
    setTimeout(start, 2_000, secret);
  }
}

function show(agent) {
  tables = new Tables(find);
  filter();
  mesh = new Mesh();
  mesh.agent = agent;
  ending = new AbortController();
  find("sign-in").hidden = true;
  find("mesh").hidden = false;
  find("sign-out").hidden = !agent.role;
  let lost = null;
  follow({
    open() {
      lost = null;
      link("ok", "Live");
      refresh.start();
    },
    event(name, data) {
      refresh.after(mesh.event(name, data));
      if (name === "health") refresh.after(["plugin"]);
      drawSoon();
    },
    lost(reason) {
      lost ??= new Date();
      refresh.stop();
      link("bad", `Not connected since ${time(lost)}: ${reason}. What is shown may be old.`);
    },
    denied: (error) => signIn(error.message),
  }, ending.signal);
  drawSoon();
}

function signIn(said) {
  ending.abort();
  refresh.stop();
  token.forget();
  find("mesh").hidden = true;
  find("sign-in").hidden = false;
  find("sign-out").hidden = true;
  link("wait", "Waiting for a token");
  panels.setText(find("sign-in-error"), said ? `Refused: ${said}` : "");
  find("token").value = "";
  find("token").focus();
}

find("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  start(find("token").value.trim());
});

find("sign-out").addEventListener("click", () => signIn(""));

find("route-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = new URLSearchParams({ key: find("route-key").value });
  const geo = find("route-geo").value.trim();
  if (geo) query.set("geo", geo);
  try {
    panels.showRoute(find, await read(`api/v1/edge-cache/route?${query}`), mesh.totalWeight);
  } catch (error) {
    panels.setText(find("route-said"), `Not routed: ${error.message}`);
    find("route-nodes").replaceChildren();
  }
});

function filter() {
  tables.filter(find("nodes-filter").value, find("nodes-stopped").checked);
}
find("nodes-filter").addEventListener("input", filter);
find("nodes-stopped").addEventListener("change", filter);

start();

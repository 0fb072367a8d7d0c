// How far the decision about a node has come: decided, advertised by its agent, routed by this one.

// Returns the three stages, each with a state and a word, and the reason where it stops.
export function progress(node) {
  const { decision, advertised, alive, weight } = node;
  const isRouted = weight !== undefined && weight !== null;
  if (!decision) return foreign(isRouted);
  if (decision.op === "disable") return disabled(node, isRouted);
  const stages = {
    decided: decision.refused ? stage("bad", "refused") : stage("ok", "enabled"),
    advertised: advertised === null ? stage("none", "not an agent") : advertised ? stage("ok", "advertised") : stage("wait", "no"),
    routed: isRouted ? stage("ok", "routed") : stage("wait", "no"),
  };
  if (decision.refused_by_node) stages.advertised = stage("bad", "refused");
  if (!alive) stages.advertised = stage("bad", "not alive");
  return { ...stages, reason: reasons(node, isRouted).join("; "), isStopped: !isRouted || Boolean(decision.refused), isShown: true };
}

function reasons({ decision, advertised, alive, address_refused }, isRouted) {
  const all = [];
  if (decision.refused) all.push(`this agent sets the decision aside: ${decision.refused}`);
  if (!alive) all.push("no live member has this id, so nobody advertises its labels");
  else if (decision.refused_by_node) all.push(`its own agent does not follow: ${decision.refused_by_node}`);
  else if (advertised === false) all.push("its own agent has not followed yet");
  else if (!isRouted) all.push("its labels do not make it eligible here");
  if (address_refused) all.push(`its cache has no address: ${address_refused}`);
  return all;
}

// A node that is disabled is shown while something of it is left.
function disabled({ decision, alive }, isRouted) {
  const why = decision.refused ?? decision.refused_by_node;
  const left = isRouted ? "its labels are still seen" : "";
  return {
    decided: decision.refused ? stage("bad", "refused") : stage("none", "disabled"),
    advertised: isRouted && alive ? stage("wait", "still there") : stage("none", "withdrawn"),
    routed: isRouted ? stage("wait", "still routed") : stage("none", "no"),
    reason: [why && `the node is not disabled: ${why}`, left].filter(Boolean).join("; "),
    isStopped: Boolean(why) || isRouted,
    isShown: Boolean(why) || isRouted,
  };
}

// A node that other software enabled by labels alone.
function foreign(isRouted) {
  return {
    decided: stage("none", "by no agent"),
    advertised: stage("none", "other software"),
    routed: isRouted ? stage("ok", "routed") : stage("none", "no"),
    reason: "",
    isStopped: false,
    isShown: isRouted,
  };
}

function stage(state, word) {
  return { state, word };
}

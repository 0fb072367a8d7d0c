// The event stream of the agent, read with `fetch`, since `EventSource` sends no token. It reconnects for ever.

import { ask, Refused } from "./api.js";
import { parseJson } from "./json.js";

// The agent sends a comment after 15 s of silence.
const SILENT_MS = 40_000;
const PAUSE_MIN_MS = 300;
const PAUSE_MAX_MS = 10_000;

// Follows events. `on` has `event(name, data)`, `open()`, `lost(reason)` and `denied(error)`, after which it ends.
export async function follow(on, signal) {
  let last = null;
  let pause = PAUSE_MIN_MS;
  while (!signal.aborted) {
    let reason = "the stream has ended";
    const silence = new AbortController();
    try {
      const either = AbortSignal.any([signal, silence.signal]);
      const headers = last === null ? {} : { "last-event-id": last };
      const answer = await ask("api/v1/events", { headers, signal: either });
      pause = PAUSE_MIN_MS;
      on.open();
      for await (const event of events(answer.body, silence)) {
        if (event.id) last = event.id;
        if (event.data) on.event(event.name, parseJson(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) return on.denied(error);
      reason = error instanceof Refused ? error.message : "the agent cannot be reached";
    }
    if (signal.aborted) return;
    on.lost(reason);
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    pause = Math.min(pause * 2, PAUSE_MAX_MS);
  }
}

// Splits a body into events. Aborts the request when nothing comes for too long.
async function* events(body, silence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => silence.abort(), SILENT_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) yield event(part);
  }
}

function event(text) {
  const fields = { id: "", event: "message", data: "" };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon);
    if (colon > 0 && name in fields) fields[name] = line.slice(colon + 2);
  }
  return { id: fields.id, name: fields.event, data: fields.data };
}

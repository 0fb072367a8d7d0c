// Requests to the agent that serves this page, with the token of this tab. They only read.

import { parseJson } from "./json.js";

const TOKEN = "edge-cache-token";

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  keep: (secret) => sessionStorage.setItem(TOKEN, secret),
  forget: () => sessionStorage.removeItem(TOKEN),
};

// Sends a request to a path below the page's own address. Throws `Refused` for an answer that is no success.
export async function ask(path, { secret = token.get(), headers = {}, signal } = {}) {
  if (secret) headers = { ...headers, authorization: `Bearer ${secret}` };
  const answer = await fetch(new URL(path, document.baseURI), { headers, signal, cache: "no-store", redirect: "error" });
  if (answer.ok) return answer;
  const text = await answer.text();
  let detail = `the agent answered ${answer.status}`;
  try {
    detail = String(parseJson(text).detail ?? detail);
  } catch {
    // No problem document: something between the page and the agent has answered.
  }
  throw new Refused(answer.status, detail);
}

export async function read(path, options) {
  const answer = await ask(path, options);
  return parseJson(await answer.text());
}

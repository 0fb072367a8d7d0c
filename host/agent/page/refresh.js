// Asks again for lists that events only announce: soon after an event, and never more often than the page can bear.

const AFTER_EVENT_MS = 120;
// What an event announces may take a moment: labels travel, tables are built.
const LATER_MS = 1_000;
const EVERY_MS = 10_000;
// The pause after a list, which doubles while events go on.
const REST_MIN_MS = 250;
const REST_MAX_MS = 4_000;

export class Refresh {
  #asks;
  #wanted = new Set();
  #timer = 0;
  #due = Infinity;
  #notBefore = 0;
  #rest = REST_MIN_MS;
  #isBusy = false;
  #every = 0;

  // `asks` has a function for each kind of list.
  constructor(asks) {
    this.#asks = asks;
  }

  start() {
    clearInterval(this.#every);
    this.#every = setInterval(() => document.hidden || this.#want(Object.keys(this.#asks), 0), EVERY_MS);
    this.#want(Object.keys(this.#asks), 0);
  }

  stop() {
    clearInterval(this.#every);
    clearTimeout(this.#timer);
    this.#wanted.clear();
    this.#due = Infinity;
  }

  // Asks for these lists soon, and again when what an event announces should have happened.
  after(kinds) {
    if (kinds.length === 0) return;
    this.#want(kinds, AFTER_EVENT_MS);
    clearTimeout(this.later);
    this.later = setTimeout(() => this.#every && this.#want(kinds, 0), LATER_MS);
  }

  #want(kinds, inMs) {
    for (const kind of kinds) this.#wanted.add(kind);
    const due = Math.max(performance.now() + inMs, this.#notBefore);
    if (this.#isBusy || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#run(), due - performance.now());
  }

  async #run() {
    const kinds = [...this.#wanted];
    this.#wanted.clear();
    this.#isBusy = true;
    // One that fails is asked for again later; the stream tells whether the agent is there.
    await Promise.allSettled(kinds.map((kind) => this.#asks[kind]()));
    const goesOn = this.#wanted.size > 0;
    this.#rest = goesOn ? Math.min(this.#rest * 2, REST_MAX_MS) : REST_MIN_MS;
    this.#notBefore = performance.now() + this.#rest;
    this.#isBusy = false;
    this.#due = Infinity;
    if (this.#wanted.size > 0) this.#want([], 0);
  }
}

// A table of rows with keys, of which only what has changed is touched.
//
// A column is `{ name, label, cell }`: `cell(element)` builds a cell and returns the function that shows a value in it.

import { compareIds } from "./json.js";

// The rows of a group are drawn together, and not at all while the group is out of sight.
const GROUP_ROWS = 25;

export class Rows {
  #columns;
  #compare;
  #rows = new Map();
  #place;
  #groups = [];
  #keep = () => true;

  constructor(place, caption, columns, compare = compareIds) {
    this.#columns = columns;
    this.#compare = compare;
    const head = element("div", { role: "row", class: "row heading" });
    for (const { name, label } of columns) head.append(element("div", { role: "columnheader", class: name }, label));
    const group = element("div", { role: "rowgroup", class: "headings" });
    group.append(head);
    set(place, { role: "table", "aria-label": caption, tabindex: "0" });
    place.replaceChildren(group);
    this.#place = place;
  }

  // The number of rows, and of those that are shown.
  get counts() {
    let shown = 0;
    for (const row of this.#rows.values()) shown += row.element.hidden ? 0 : 1;
    return { all: this.#rows.size, shown };
  }

  // Shows these views, `[key, view]`; a row without a view is removed. Rows are in the order of their keys.
  show(views) {
    let isNew = false;
    for (const [key, view] of views) {
      let row = this.#rows.get(key);
      if (!view) {
        row?.element.remove();
        this.#rows.delete(key);
        continue;
      }
      if (!row) {
        row = this.#row(key);
        isNew = true;
      }
      row.view = view;
      for (const update of row.updates) update(view);
      row.element.hidden = !this.#keep(view);
    }
    if (isNew) this.#order();
  }

  filter(keep) {
    this.#keep = keep;
    for (const row of this.#rows.values()) row.element.hidden = !keep(row.view);
  }

  #row(key) {
    const row = { element: element("div", { role: "row", class: "row", "data-key": key }), updates: [] };
    for (const { name, label, cell } of this.#columns) {
      const place = element("div", { role: "cell", class: name, "data-label": label });
      row.updates.push(cell(place));
      row.element.append(place);
    }
    this.#rows.set(key, row);
    return row;
  }

  // Moves only the rows that are not where they belong.
  #order() {
    const keys = [...this.#rows.keys()].sort(this.#compare);
    while (this.#groups.length * GROUP_ROWS < keys.length) {
      const group = element("div", { role: "rowgroup", class: "rows" });
      this.#groups.push(group);
      this.#place.append(group);
    }
    for (const [at, group] of [...this.#groups.entries()].reverse()) {
      let next = null;
      for (const key of keys.slice(at * GROUP_ROWS, (at + 1) * GROUP_ROWS).reverse()) {
        const { element } = this.#rows.get(key);
        if (element.parentNode !== group || element.nextSibling !== next) group.insertBefore(element, next);
        next = element;
      }
    }
  }
}

// A cell of plain text.
export function text(pick) {
  return (place) => {
    const shown = place.appendChild(document.createTextNode(""));
    return (view) => {
      const now = String(pick(view) ?? "");
      if (shown.data !== now) shown.data = now;
      place.classList.toggle("empty", now === "");
    };
  };
}

// A cell with a state that has a mark and a word: `pick` returns both.
export function stage(pick) {
  return (place) => {
    const mark = place.appendChild(element("span", { class: "stage" }));
    const show = text((view) => pick(view).word)(mark);
    return (view) => {
      const { state } = pick(view);
      if (mark.dataset.state !== state) mark.dataset.state = state;
      show(view);
    };
  };
}

// A cell with a share as a number and as a bar, which is full at `whole(view)`.
export function share(pick, whole, words) {
  return (place) => {
    const bar = svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" });
    const fill = svg("rect", { class: "fill", height: "6", width: "0" });
    bar.append(fill);
    place.append(element("span", { class: "number" }), bar);
    const show = text((view) => words(pick(view)))(place.firstChild);
    return (view) => {
      const width = String(Math.round((1000 * (pick(view) ?? 0)) / (whole(view) || 1)) / 10);
      if (fill.getAttribute("width") !== width) fill.setAttribute("width", width);
      show(view);
      place.classList.toggle("empty", pick(view) === undefined);
    };
  };
}

export function element(name, attributes = {}, content = "") {
  const made = set(document.createElement(name), attributes);
  made.textContent = content;
  return made;
}

function svg(name, attributes) {
  return set(document.createElementNS("http://www.w3.org/2000/svg", name), attributes);
}

function set(target, attributes) {
  for (const [key, value] of Object.entries(attributes)) target.setAttribute(key, value);
  return target;
}

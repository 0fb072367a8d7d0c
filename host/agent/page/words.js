// The words for what the page shows: plain values go in, texts come out.

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

export function percent(share) {
  if (share === undefined || share === null || Number.isNaN(share)) return "";
  const value = share * 100;
  if (value > 0 && value < 0.1) return "< 0.1 %";
  return `${value >= 99.95 ? 100 : value.toFixed(1)} %`;
}

export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

export function time(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? String(text ?? "") : TIME.format(at);
}

export function capacity({ cpu_cores, ram_mib, disk_mib } = {}) {
  if (cpu_cores === undefined) return "";
  return `${count(Number(cpu_cores), "core")}, ${size(ram_mib)} RAM, ${size(disk_mib)} disk`;
}

function size(mib) {
  const units = ["MiB", "GiB", "TiB", "PiB"];
  let value = Number(mib);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} ${units[unit]}`;
}

export function labels(all) {
  return Object.entries(all ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join("  ");
}

// Shortens a digest for a cell.
export function short(digest) {
  const text = String(digest ?? "");
  return text.replace(/^(?:sha256:)?([0-9a-f]{12})[0-9a-f]{20,}$/, "$1…");
}

// JSON with whole numbers that a floating-point number cannot hold: ids above 2^53 become texts.

const LONG = /"(?:[^"\\]|\\.)*"|(?<![\d.])-?\d{16,}(?![\d.eE])/g;

export function parseJson(text) {
  if (/\d{16}/.test(text)) {
    text = text.replace(LONG, (part) => (part[0] === '"' ? part : `"${part}"`));
  }
  return JSON.parse(text);
}

// Orders ids, each a text of digits, as numbers.
export function compareIds(a, b) {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

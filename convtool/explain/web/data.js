// The run as it stands in this file, words in the language of the page, and numbers as text.
"use strict";

const KINDS = {
  uint8: Uint8Array, int8: Int8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array,
};
const GAPS = { inf: Infinity, "-inf": -Infinity, nan: NaN };

function unpack(packed) {
  // Plain loops: this is most of what opening a large page takes.
  const text = atob(packed.data), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  const numbers = new KINDS[packed.type](bytes.buffer), { times, over, plus } = packed;
  const values = new Float64Array(numbers.length);
  for (let at = 0; at < numbers.length; at++) values[at] = Math.fround((numbers[at] * times) / over + plus);
  for (const [at, word] of Object.entries(packed.gaps || {})) values[at] = GAPS[word];
  return values;
}

function loadRun() {
  const run = JSON.parse(document.getElementById("run").textContent);
  run.names = run.planes.map((plane) => plane.name);
  run.planes = run.planes.map((plane) => unpack(plane.samples));
  run.ends = Conv.extent(run.planes);
  for (const filter of run.filters) {
    filter.weights = Float64Array.from(filter.weights.flat(2));
    filter.area = filter.kernel[0] * filter.kernel[1];
    filter.values = filter.values && filter.values.map(unpack);
  }
  for (const map of run.maps) {
    map.range = { how: map.range.how, text: map.range.text, gain: map.range.gain };
    map.values = map.values && map.values.map(unpack);
    map.written = map.written.map(unpack);
  }
  return run;
}

const WORDS = JSON.parse(document.getElementById("words").textContent);

// A sentence of the page's language with {names} filled in.
function say(key, values = {}) {
  if (!(key in WORDS)) throw new Error(`no words for ${key}`);
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

// A number with at most `digits` significant digits, without an exponent where that stays short.
function fmt(value, digits = 7) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (Number.isInteger(value) && size < 1e9) text = String(size);
  else if (size >= 1e9 || size < 1e-4) text = size.toExponential(Math.min(digits, 4) - 1).replace("e+", "e");
  else {
    text = size >= 10 ** digits ? String(Math.round(size)) : size.toPrecision(digits);
    if (text.includes("e")) text = String(Number(text));
    if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  }
  return (value < 0 ? "−" : "") + text;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function vector(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const byId = (id) => document.getElementById(id);

// Two pictures of what makes a layer convolutional: shared weights, and windows that overlap.
"use strict";

const count = (number) => number.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 0 });

function wires(title, connected) {
  const inputs = 8, outputs = 6, x1 = 40, x2 = 200, step = 24;
  const drawn = vector("svg", { viewBox: "0 0 240 220", role: "img", "aria-label": title });
  const inY = (at) => 26 + at * step, outY = (at) => 26 + (at + 1) * step;
  for (let to = 0; to < outputs; to++) {
    for (let from = 0; from < inputs; from++) {
      const kind = connected(from, to);
      if (kind) drawn.append(vector("line", { x1, x2, y1: inY(from), y2: outY(to), class: `wire ${kind}` }));
    }
  }
  for (let at = 0; at < inputs; at++) drawn.append(vector("circle", { cx: x1, cy: inY(at), r: 6, class: "node" }));
  for (let at = 0; at < outputs; at++) drawn.append(vector("circle", { cx: x2, cy: outY(at), r: 6, class: "node out" }));
  return drawn;
}

// How many numbers the run's layer has to learn, and how many a fully connected one of the same size.
function parameterCounts(run, filters) {
  const seen = new Set(filters.flatMap((filter) => filter.inputs.flat()));
  const inputs = seen.size * run.size[0] * run.size[1];
  const outputs = filters.reduce((sum, filter) => sum + filter.inputs.length * filter.rows.out * filter.columns.out, 0);
  const shared = filters.reduce((sum, filter) => sum + filter.weights.length + 1, 0);
  return { inputs, outputs, shared, full: (inputs + 1) * outputs };
}

function drawSharing(host, run, filters) {
  const { inputs, outputs, shared, full } = parameterCounts(run, filters);
  const taps = ["first", "second", "third"];
  const bar = (value, kind) => {
    const share = Math.max(Math.log10(value) / Math.log10(full), 0.02);
    return element("div", { class: "bar-line" }, element("i", { class: kind, style: `width:${share * 100}%` }));
  };
  const panel = (key, drawn, value, kind) =>
    element("figure", { class: "pair" }, drawn, element("figcaption", {},
      element("strong", { text: say(key) }), element("span", { class: "count", text: count(value) }),
      element("span", { text: say(`${key}Text`, { inputs: count(inputs), outputs: count(outputs) }) }), bar(value, kind)));
  host.replaceChildren(
    panel("shared", wires(say("sharedAlt"), (from, to) => taps[from - to] || ""), shared, "few"),
    panel("connected", wires(say("connectedAlt"), () => "any"), full, "many"),
  );
  byId("sharing-line").textContent = say("sharingLine", { times: count(full / shared) });
}

function overlapOf(axisTaps, stride) {
  const first = new Set(axisTaps);
  return axisTaps.filter((at) => first.has(at + stride)).length;
}

function drawWindows(host, filter, stride, key) {
  const taps = (axis) => Array.from({ length: axis.kernel }, (_, tap) => tap * axis.dilation);
  const up = taps(filter.rows), across = taps(filter.columns);
  const columns = stride + filter.columns.span, rows = filter.rows.span, cell = 240 / Math.max(columns, 6);
  const drawn = vector("svg", { viewBox: `-3 -3 ${columns * cell + 6} ${rows * cell + 6}`, role: "img" });
  drawn.style.maxWidth = `${Math.min(columns * 34, 260)}px`;
  const one = new Set(across), two = new Set(across.map((at) => at + stride)), tall = new Set(up);
  const fine = rows * columns <= 900;
  for (let r = 0; r < rows && fine; r++) {
    for (let c = 0; c < columns; c++) {
      const inside = tall.has(r) && (one.has(c) + two.has(c));
      const kind = ["empty", "once", "twice"][inside || 0];
      drawn.append(vector("rect", { x: c * cell, y: r * cell, width: cell, height: cell, class: `sample ${kind}` }));
    }
  }
  const frame = (at, kind) => drawn.append(vector("rect", {
    x: at * cell, y: 0, width: filter.columns.span * cell, height: rows * cell, rx: 3, class: `frame-${kind}`,
  }));
  frame(stride, "second");
  frame(0, "first");
  const shared = overlapOf(across, stride) * up.length;
  const text = say("overlapText", { stride, shared, area: filter.area, share: percent(shared, filter.area) });
  drawn.setAttribute("aria-label", text);
  host.append(element("figure", { class: "pair" }, drawn, element("figcaption", {}, element("strong", { text: say(key) }), element("span", { text }))));
}

function drawOverlap(host, filter) {
  host.replaceChildren();
  drawWindows(host, filter, filter.columns.stride, "thisRun");
  drawWindows(host, filter, filter.columns.kernel, "asContrast");
}

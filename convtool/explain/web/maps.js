// Every feature map in one row each: its kernel, its signed planes, the pixels that are saved, and how they are spread.
"use strict";

const BINS = 48;

function picture(host, label, size, data) {
  host.setAttribute("role", "img");
  host.setAttribute("aria-label", label);
  const grid = new Grid(host, { size: { cell: 24, width: size, height: size, measured: true } });
  grid.show(data);
  return grid;
}

// A picture with a caption; it is measured and drawn when it stands in the page.
function captioned(title, label, size, data) {
  const host = element("div"), holder = element("div", { class: "holder" }, host);
  const figure = element("figure", {}, holder, element("figcaption", { text: title }));
  figure.measure = () => (figure.room = Math.min(holder.clientWidth || size, size));
  figure.draw = () => picture(host, label, figure.room, data);
  return figure;
}

let waiting = 0;

// Measures all figures before it draws the first, or the browser would lay the page out anew for each. Draws them bit
// by bit, so that the page answers meanwhile, or at once.
function drawFigures(atOnce) {
  const figures = [...document.querySelectorAll("figure")].filter((figure) => figure.draw);
  figures.forEach((figure) => figure.measure());
  clearTimeout(waiting);
  const some = () => {
    const begin = performance.now();
    while (figures.length && (atOnce || performance.now() - begin < 12)) figures.shift().draw();
    if (figures.length) waiting = setTimeout(some, 0);
    else performance.mark("drawn");
  };
  some();
}

// The name of a plane without what was done to it.
const bare = (name) => name.replace(/^linear /, "");

// The saved samples as a picture: in colour where the planes are red, green and blue.
function savedData(map) {
  const [height, width] = map.size, planes = map.written, rgb = map.names.slice(0, 3).map(bare).join("") === "RGB";
  const ends = map.type.name === "float32" ? Conv.extent(planes) : [0, map.type.full];
  const grey = (value) => greyColour(value, ends)[0];
  return {
    rows: height, columns: width,
    colour: (i, j) => (rgb ? planes.slice(0, 3) : [planes[0], planes[0], planes[0]]).map((plane) => grey(plane[i * width + j])),
    text: (i, j) => (rgb ? "" : fmt(planes[0][i * width + j], 3)),
  };
}

function signedData(values, [height, width], peak) {
  return {
    rows: height, columns: width,
    colour: (i, j) => signedColour(values[i * width + j], peak),
    text: (i, j) => fmt(values[i * width + j], 3),
  };
}

function peakOf(planes) {
  const [low, high] = Conv.extent(planes);
  return Math.max(-low, high, 0);
}

function percent(part, whole) {
  const share = whole ? (100 * part) / whole : 0;
  return share && share < 0.1 ? "<\u00a00.1\u00a0%" : `${fmt(share, share < 10 ? 2 : 3)}\u00a0%`;
}

function histogram(map, from) {
  const [low, high] = map.ends, counts = new Array(BINS).fill(0);
  for (const plane of map.values) {
    for (const y of plane) {
      const at = high > low ? Math.floor(((y - low) / (high - low)) * BINS) : 0;
      if (at >= 0) counts[Math.min(at, BINS - 1)]++;
    }
  }
  const most = Math.max(...counts, 1), width = 240 / BINS;
  const drawn = vector("svg", { viewBox: "0 0 240 72", class: "histogram", role: "img" });
  drawn.setAttribute("aria-label", say("histogramText", { low: fmt(low, 5), high: fmt(high, 5) }));
  counts.forEach((count, at) => {
    const centre = low + ((at + 0.5) / BINS) * (high - low);
    const steps = Conv.toneSteps(centre, map.range, from, map.type.name, map.ends, map.lights[0]);
    const lost = steps.length > 0 && steps[steps.length - 1][0] === "clip";
    const height = count ? Math.max((count / most) ** 0.5 * 56, 1) : 0;
    drawn.append(vector("rect", {
      x: at * width, y: 58 - height, width: width - 0.6, height, class: lost ? "bar lost" : "bar",
    }));
  });
  drawn.append(vector("line", { x1: 0, x2: 240, y1: 58.5, y2: 58.5, class: "axis" }));
  if (low < 0 && high > 0) {
    const zero = (-low / (high - low)) * 240;
    drawn.append(vector("line", { x1: zero, x2: zero, y1: 0, y2: 58, class: "zero" }));
    if (zero > 40 && zero < 200) drawn.append(vector("text", { x: zero, y: 70, "text-anchor": "middle", text: "0" }));
  }
  drawn.append(vector("text", { x: 0, y: 70, text: fmt(low, 4) }));
  drawn.append(vector("text", { x: 240, y: 70, "text-anchor": "end", text: fmt(high, 4) }));
  return drawn;
}

function kernelPicture(filter) {
  const [kh, kw] = filter.kernel, slices = filter.weights.length / filter.area;
  const peak = Math.max(...filter.weights.map(Math.abs));
  const box = element("div", { class: "kernels" });
  for (let c = 0; c < slices; c++) {
    const at = (i, j) => filter.weights[c * filter.area + i * kw + j];
    const label = say("sliceText", { number: c + 1, count: slices, weights: weightsText(filter, c) });
    const data = { rows: kh, columns: kw, colour: (i, j) => signedColour(at(i, j), peak), text: (i, j) => fmt(at(i, j), 3) };
    box.append(captioned(filter.channelNames[c] || "", label, slices > 1 ? 76 : 104, data));
  }
  return box;
}

function weightsText(filter, c) {
  if (filter.area > EDITABLE) return `${filter.kernel[0]}×${filter.kernel[1]}`;
  const weights = [...filter.weights.slice(c * filter.area, (c + 1) * filter.area)].map((w) => fmt(w, 5));
  return Array.from({ length: filter.kernel[0] }, (_, u) => weights.slice(u * filter.kernel[1], (u + 1) * filter.kernel[1]).join(" ")).join("; ");
}

function mapRow(map, filter, run, onChoose) {
  const peak = peakOf(map.values);
  const total = map.written.length * map.size[0] * map.size[1];
  const many = map.names.length > 1, side = 132;
  const figures = map.values.map((values, p) =>
    captioned(
      many ? `${say("answers")} ${planeName(map.names[p])}` : say("answers"),
      say("mapText", { label: map.label, plane: planeName(map.names[p]), rows: map.size[0], columns: map.size[1] }),
      side, signedData(values, map.size, peak),
    ));
  figures.push(captioned(say("saved"), say("savedText", { label: map.label }), side, savedData(map)));
  const facts = element(
    "dl", { class: "facts" },
    ...[
      ...(filter ? [[say("bias"), fmt(filter.bias, 6)]] : []), [say("range"), map.range.text], [say("least"), fmt(map.ends[0], 6)], [say("most"), fmt(map.ends[1], 6)],
      [say("clippedShare"), `${percent(map.clipped, total)} (${map.clipped}/${total})`],
    ].flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]),
  );
  const title = element("h3", {}, filter && onChoose
    ? element("button", { type: "button", class: "plain", text: map.label, onclick: onChoose, title: say("chooseMap") })
    : map.label);
  const head = element("header", {}, title, element("p", { text: map.merge ? say("mergedBy", { how: say(`merge_${map.merge}`) }) : filter ? filter.summary : "" }));
  const kernels = filter ? kernelPicture(filter) : null;
  const spread = element("div", { class: "spread" }, histogram(map, run.type.name), facts);
  return element("article", { class: "map" }, head, element("div", { class: "strip" }, ...(kernels ? [kernels] : []), ...figures, spread));
}

// The picture itself, as the kernels see it: in colour if there are red, green and blue planes.
function inputData(run) {
  const [height, width] = run.size, rgb = ["R", "G", "B"].map((name) => run.names.map(bare).indexOf(name));
  const planes = rgb.every((at) => at >= 0) ? rgb.map((at) => run.planes[at]) : [0, 0, 0].map(() => run.planes[0]);
  const full = run.type.name === "float32" ? run.ends[1] || 1 : run.type.full;
  const ends = [Math.min(run.ends[0], 0), run.ends[1] > 0 && run.ends[1] < full / 16 ? run.ends[1] : full];
  const light = run.maps[0].lights[0], seen = (value) => (light ? Conv.coded(light, value / full) * full : value);
  return { rows: height, columns: width, colour: (i, j) => planes.map((plane) => greyColour(seen(plane[i * width + j]), ends)[0]) };
}

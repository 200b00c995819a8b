// The page comes to life: the cursor, the walk through the outputs, and who draws what when.
"use strict";

class App {
  constructor() {
    this.run = loadRun();
    this.layer = new Layer(this.run);
    this.f = 0;
    this.p = 0;
    this.timer = null;
    this.walk = null;
    this.controls = new Controls({
      onChange: (settings) => this.change(() => this.layer.take(settings)),
      onFlip: () => this.change(() => this.layer.flip()),
      onReset: () => this.change(() => this.layer.reset()),
    });
    this.sum = new SumPanel(byId("slices"), {
      onWeight: (c, tap, field) => this.edit(field, (value) => (this.layer.weights[this.f][c * this.filter.area + tap] = value)),
      onInput: (c, i, j, how) => this.showFeeds(c, i, j, how),
      onLeave: () => this.showOutput("quiet"),
    });
    this.output = new Grid(byId("output"), {
      label: say("outputGrid"),
      size: { cell: 64, width: 400, height: 400 },
      onMove: (i, j, how) => this.moveTo(i, j, how),
      onPress: () => this.play(),
      describe: (i, j) => say("outputCell", { row: i, column: j, value: fmt(this.valueAt(i, j)) }),
    });
    byId("bias").addEventListener("change", (event) => this.edit(event.target, (value) => (this.layer.bias[this.f] = value)));
    this.bindWalk();
    this.makeTabs();
    this.redraw();
    const [i, j] = strongest(this.filter.values[this.p], this.filter.columns.out);
    this.moveTo(i, j, "load");
    this.watch();
  }

  get filter() {
    return this.layer.filters[this.f];
  }

  get map() {
    return this.layer.maps.find((map) => map.filters.includes(this.f));
  }

  valueAt(i, j) {
    return this.filter.values[this.p][i * this.filter.columns.out + j];
  }

  watch() {
    const redraw = () => {
      cancelAnimationFrame(this.waiting);
      this.waiting = requestAnimationFrame(() => this.redraw());
    };
    let width = window.innerWidth;
    window.addEventListener("resize", () => {
      if (window.innerWidth !== width) redraw();
      width = window.innerWidth;
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    matchMedia("print").addEventListener("change", () => {
      this.redraw();
      this.drawRest(true);
    });
  }

  // Somebody edits a number: take it, or put the old one back.
  edit(field, take) {
    const text = field.value.trim().replace("−", "-").replace(",", "."), [top, bottom, more] = text.split("/");
    const value = Number(top) / (bottom === undefined ? 1 : Number(bottom));
    const good = text !== "" && more === undefined && Number.isFinite(value) && Math.abs(value) <= 1e30;
    field.toggleAttribute("aria-invalid", !good);
    if (!good) return void (byId("problem").textContent = say("notNumber", { text: field.value }));
    this.change(() => {
      take(value);
      this.layer.compute();
    });
    field.whole = field.value = fmt(value).replace("−", "-");
  }

  change(act) {
    this.pause();
    this.walk = null;
    const problem = act() || "";
    byId("problem").textContent = problem;
    this.redraw("change");
  }

  choose(f, p) {
    this.pause();
    [this.f, this.p] = [f, p];
    this.redraw("change");
  }

  makeTabs() {
    const radio = (group, at, text, checked, onchange) =>
      element("label", { class: "tab" }, element("input", { type: "radio", name: group, value: at, checked, onchange }), element("span", { text }));
    byId("filters").replaceChildren(
      element("legend", { text: say("kernels") }),
      ...this.layer.filters.map((filter, at) => radio("filter", at, filter.label, at === this.f, () => this.choose(at, Math.min(this.p, filter.inputs.length - 1)))),
    );
    const { inputs, names } = this.filter;
    byId("planes").hidden = inputs.length < 2;
    byId("planes").replaceChildren(
      element("legend", { text: say("channel") }),
      ...names.map((name, at) => radio("plane", at, planeName(name), at === this.p, () => this.choose(this.f, at))),
    );
  }

  redraw(how = "quiet") {
    const { filter, layer, run } = this;
    PAINTS.clear();
    if (byId("planes").childElementCount - 1 !== filter.inputs.length) this.makeTabs();
    for (const input of document.querySelectorAll("input[name=filter]")) input.checked = Number(input.value) === this.f;
    this.controls.write(layer.settings, filter);
    byId("changed").hidden = !layer.changed;
    byId("note").textContent = layer.changed ? say("changed") : say(filter.engine ? "engine" : "tooLarge");
    drawFormula(byId("size"), filter);
    this.sum.build(run, filter, this.p);
    const bias = byId("bias");
    if (bias !== document.activeElement) bias.value = fmt(filter.bias).replace("−", "-");
    const peak = peakOf(filter.values), size = [filter.rows.out, filter.columns.out];
    byId("output-title").textContent = say("outputTitle", { label: filter.label, rows: size[0], columns: size[1] });
    byId("least").textContent = fmt(-peak, 4);
    byId("most").textContent = fmt(peak, 4);
    this.output.show(signedData(filter.values[this.p], size, peak));
    const walk = byId("scrub");
    walk.max = size[0] * size[1] - 1;
    this.showOutput(how);
    // What stands further down may wait for the next picture of the screen.
    clearTimeout(this.later);
    this.later = setTimeout(() => this.drawRest(), 0);
  }

  drawRest(atOnce = false) {
    const { filter, layer, run } = this;
    drawSharing(byId("sharing"), run, layer.filters);
    drawOverlap(byId("overlap"), filter);
    const rows = layer.maps.map((map) => {
      const single = !map.merge;
      return mapRow(map, single ? layer.filters[map.filters[0]] : null, run, single ? () => this.choose(map.filters[0], 0) : null);
    });
    if (layer.merged) rows.push(mapRow(layer.merged, null, run, null));
    const source = captioned(run.source.name, say("pictureText", { name: run.source.name }), 150, inputData(run));
    byId("picture").replaceChildren(source);
    byId("maps").replaceChildren(...rows);
    drawFigures(atOnce);
    byId("merge-box").hidden = !layer.merged;
    byId("merge").value = layer.mergeHow;
    if (layer.merged) rows[rows.length - 1].classList.add("merged");
  }

  // ---- the cursor ----

  moveTo(i, j, how) {
    if (how === "pointermove" && this.timer) return;
    if (how !== "load" && how !== "walk") this.walk = null;
    if (how === "key" || how === "pointerdown") this.pause();
    if (how !== "walk" && this.output.at[0] === i && this.output.at[1] === j && this.drawn) return;
    this.output.place(i, j);
    this.showOutput(how);
  }

  showOutput(how) {
    const { filter, run } = this, { rows, columns } = filter;
    const i = Math.min(this.output.at[0], rows.out - 1), j = Math.min(this.output.at[1], columns.out - 1);
    this.drawn = true;
    this.output.place(i, j);
    this.output.mark([{ rows: [i], columns: [j], box: true }], this.walk === null ? null : [i, j]);
    const seen = this.sum.show(run, filter, this.p, i, j);
    this.showResult(seen, i, j);
    const walk = byId("scrub");
    walk.value = i * columns.out + j;
    walk.setAttribute("aria-valuetext", say("position", { row: i, column: j }));
    byId("position").textContent = say("positionShort", { row: i, column: j });
    if (how !== "quiet") byId("feeds").textContent = say("feedsHint");
  }

  showResult(seen, i, j) {
    const { filter, map } = this, { activation } = this.layer.settings, at = i * filter.columns.out + j;
    const chain = [], add = (name, value, kind = "") => chain.push([name, fmt(value), kind]);
    if (seen.slices.length > 1) seen.slices.forEach((slice, c) => add(planeName(this.run.names[filter.inputs[this.p][c]]), slice.subtotal, "part"));
    add(say("sum"), seen.total);
    if (filter.scale !== 1) add(say("times", { scale: filter.scale_text }), seen.total * filter.scale);
    // Where the engine's value is known, it is the one that is shown.
    const plain = filter.engine ? filter.values[this.p][at] : seen.raw;
    add(say("plusBias", { bias: fmt(filter.bias) }), plain, activation === "none" ? "raw" : "");
    let raw = plain;
    if (activation !== "none") add(say(`activation_${activation}`), (raw = Conv.activate(activation, plain)), "raw");
    if (map.merge) add(say("mergedBy", { how: say(`merge_${map.merge}`) }), (raw = map.values[this.p][at]));
    const steps = Conv.toneSteps(raw, map.range, this.run.type.name, map.type.name, map.ends, map.lights[this.p]);
    for (const [name, value] of steps) add(say(`step_${name}`, { gain: fmt(map.range.gain) }), value);
    const written = map.written[this.p][at];
    add(say("written"), written, "written");
    byId("chain").replaceChildren(...chain.map(([name, value, kind]) =>
      element("li", { class: kind }, element("span", { text: name }), element("b", { text: value }))));
    byId("words-line").textContent = this.inWords(seen, i, j, plain, raw, steps, written);
  }

  inWords(seen, i, j, plain, raw, steps, written) {
    const { filter } = this, { rows, columns } = filter, { activation } = this.layer.settings;
    const reach = (axis, index) => {
      const from = index * axis.stride - axis.before;
      return [from, from + axis.span - 1].map((at) => fmt(at));
    };
    const [top, bottom] = reach(rows, i), [left, right] = reach(columns, j);
    const padded = seen.slices[0].cells.filter((cell) => cell.padded).length;
    const parts = seen.slices.map((slice, c) =>
      say("wordsSlice", { name: planeName(this.run.names[filter.inputs[this.p][c]]), value: fmt(slice.subtotal) }));
    const list = [
      say("wordsWindow", { label: filter.label, row: i, column: j, top, bottom, left, right }),
      padded ? say("wordsPadded", { count: padded, area: filter.area }) : "",
      say(parts.length > 1 ? "wordsSum" : "wordsSumOne", { parts: parts.join(say("comma")), total: fmt(seen.total) }),
      say("wordsRaw", { scale: filter.scale === 1 ? "" : say("wordsScale", { scale: filter.scale_text }), bias: fmt(filter.bias), raw: fmt(plain) }),
      activation === "none" ? "" : say("wordsActivation", { name: say(`activation_${activation}`), value: fmt(raw) }),
      say("wordsWritten", { steps: steps.map(([name]) => say(`step_${name}`, { gain: fmt(this.map.range.gain) }) + say("comma")).join(""), value: fmt(written) }),
    ];
    return list.filter(Boolean).join(say("space"));
  }

  // An input sample and the outputs that it feeds: its projective field.
  showFeeds(c, i, j, how) {
    if (this.timer) return;
    const slice = this.sum.slices[c], { filter } = this, fed = Conv.feeds(filter, i, j);
    slice.grid.place(i, j);
    this.sum.slices.forEach((each, at) => at !== c || each.grid.mark([{ rows: [i], columns: [j], box: true }]));
    this.output.mark([{ rows: fed.rows, columns: fed.columns, box: true, fill: 0.34 }]);
    const name = planeName(this.run.names[filter.inputs[this.p][c]]), number = fed.rows.length * fed.columns.length;
    const text = { name, row: i, column: j, value: fmt(slice.value(i, j)), count: number };
    byId("feeds").textContent = number
      ? say(number === 1 ? "feedsOne" : "feedsMany", { ...text, top: fed.rows[0], bottom: fed.rows[fed.rows.length - 1], left: fed.columns[0], right: fed.columns[fed.columns.length - 1] })
      : say("feedsNone", text);
  }

  // ---- the walk ----

  bindWalk() {
    byId("play").addEventListener("click", () => this.play());
    byId("next").addEventListener("click", () => this.step(1));
    byId("back").addEventListener("click", () => this.step(-1));
    byId("scrub").addEventListener("input", (event) => {
      this.pause();
      this.goTo(Number(event.target.value));
    });
    byId("speed").addEventListener("change", () => {
      if (this.timer) this.pause(), this.play();
    });
    byId("merge").addEventListener("change", (event) => {
      this.layer.mergeHow = event.target.value;
      this.layer.merged = this.layer.merging();
      this.drawRest();
    });
    // Slow steps are wished for where motion is not.
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) byId("speed").value = "1";
  }

  get index() {
    return this.output.at[0] * this.filter.columns.out + this.output.at[1];
  }

  goTo(index) {
    const width = this.filter.columns.out;
    this.walk = index;
    this.moveTo(Math.floor(index / width), index % width, "walk");
  }

  step(by) {
    this.pause();
    const last = Number(byId("scrub").max);
    this.goTo(Math.min(Math.max(this.index + by, 0), last));
  }

  play() {
    if (this.timer) return this.pause();
    const speed = Number(byId("speed").value), last = Number(byId("scrub").max);
    // A reader could not follow fast steps; the last one is read out.
    byId("words-line").setAttribute("aria-live", speed > 2 ? "off" : "polite");
    this.goTo(this.index >= last || this.walk === null ? 0 : this.index);
    byId("play").setAttribute("aria-pressed", "true");
    byId("play").querySelector("span").textContent = say("pause");
    this.timer = setInterval(() => {
      if (this.index >= last) this.pause();
      else this.goTo(this.index + 1);
    }, 1000 / speed);
  }

  pause() {
    if (!this.timer) return;
    clearInterval(this.timer);
    this.timer = null;
    byId("words-line").setAttribute("aria-live", "polite");
    byId("play").setAttribute("aria-pressed", "false");
    byId("play").querySelector("span").textContent = say("play");
    if (this.index >= Number(byId("scrub").max)) this.walk = null;
    this.showOutput("quiet");
  }
}

function strongest(values, width) {
  let best = 0;
  values.forEach((y, at) => {
    if (Math.abs(y) > Math.abs(values[best])) best = at;
  });
  return [Math.floor(best / width), best % width];
}

const app = new App();
// For whoever wants to look inside, from the console or a test.
window.convtool = { app, Conv };
document.documentElement.dataset.ready = "yes";
performance.mark("ready");

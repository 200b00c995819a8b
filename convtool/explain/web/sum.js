// The sum of one output laid open: window x weights = products for each channel, then what becomes of the total.
"use strict";

const EDITABLE = 121;  // weights of one slice that are still shown as numbers, and can be edited
const LONG = 7;  // columns that still fit a narrow screen

class SumPanel {
  // onWeight(slice, tap, value) and onBias(value) are called when somebody edits; onInput(plane, i, j, how) on input pixels.
  constructor(host, handlers) {
    this.host = host;
    this.handlers = handlers;
    this.shape = "";
  }

  // Makes the panel anew if the kernel or the planes have changed, and draws the input planes.
  build(run, filter, plane) {
    const inputs = filter.inputs[plane];
    const shape = JSON.stringify([filter.label, filter.kernel, inputs, plane]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.slices = inputs.map((at, c) => this.makeSlice(run, filter, at, c));
      this.host.replaceChildren(...this.slices.map((slice) => slice.host));
    }
    const { rows, columns, border } = filter;
    inputs.forEach((at, c) => {
      const slice = this.slices[c], samples = run.planes[at], width = columns.size;
      const value = (i, j) => {
        const r = Conv.place(i, rows.size, border.mode), k = Conv.place(j, columns.size, border.mode);
        return r < 0 || k < 0 ? border.value : samples[r * width + k];
      };
      slice.value = value;
      slice.grid.show({
        rows: rows.before + rows.size + rows.tail,
        columns: columns.before + columns.size + columns.tail,
        first: [-rows.before, -columns.before],
        inner: [rows.size, columns.size],
        padded: (i, j) => i < 0 || j < 0 || i >= rows.size || j >= columns.size,
        colour: (i, j) => this.colour(run, value(i, j)),
        text: (i, j) => fmt(value(i, j), 3),
      });
      slice.fields.forEach((field, tap) => {
        field.whole = fmt(filter.weights[c * filter.area + tap]).replace("−", "-");
        if (field !== document.activeElement) fit(field, filter.weights[c * filter.area + tap]);
      });
    });
  }

  colour(run, value) {
    const full = run.type.name === "float32" ? Math.max(run.ends[1], 0) || 1 : run.type.full;
    // Small whole numbers, as in the demonstrations, would all be black on the scale of their type.
    const top = run.ends[1] > 0 && run.ends[1] < full / 16 ? run.ends[1] : full;
    if (run.ends[0] < 0) return signedColour(value, Math.max(-run.ends[0], run.ends[1]));
    return greyColour(value, [0, top]);
  }

  makeSlice(run, filter, at, c) {
    const [kh, kw] = filter.kernel, name = planeName(run.names[at]);
    const canvas = element("div");
    const grid = new Grid(canvas, {
      label: say("inputGrid", { name }),
      size: { cell: 34, width: 270, height: 270 },
      onMove: (i, j, how) => this.handlers.onInput(c, i, j, how),
      onLeave: () => this.handlers.onLeave(),
      describe: (i, j) => say("inputCell", { row: i, column: j, value: fmt(this.slices[c].value(i, j)) }),
    });
    const many = filter.area > EDITABLE, long = !many && kw > LONG;
    const table = (kind, make) => {
      const box = element("div", { class: `taps ${kind}`, style: `--columns:${kw}` });
      for (let tap = 0; tap < kh * kw; tap++) box.append(make(tap));
      return box;
    };
    const plain = () => element("span");
    const field = (tap) =>
      element("input", {
        type: "text", inputmode: "text", autocomplete: "off", spellcheck: "false",
        "aria-label": say("weightLabel", { name, row: Math.floor(tap / kw), column: tap % kw }),
        onfocus: ({ target }) => {
          if (!target.hasAttribute("aria-invalid")) target.value = target.whole;
          target.select();
        },
        onblur: (event) => event.target.hasAttribute("aria-invalid") || fit(event.target, Number(event.target.whole)),
        onchange: (event) => this.handlers.onWeight(c, tap, event.target),
      });
    const heat = () => element("div", { class: "heat" }, element("div"));
    const [window_, weights, products] = many
      ? [heat(), heat(), heat()] : [table("window", plain), table("weights", field), table("products", plain)];
    const subtotal = element("output", { class: "subtotal" });
    const operator = (sign) => element("span", { class: "operator", "aria-hidden": "true", text: sign });
    // What has to be scrolled must have the keyboard.
    const part = (title, box) => element(
      "div", { class: "part", ...(long ? { tabindex: "0", role: "group", "aria-label": title } : {}) },
      element("h4", { text: title }), box,
    );
    const sum = element(
      "div", { class: "product" },
      part(say("window"), window_), operator("×"), part(say("weights"), weights), operator("="), part(say("products"), products),
    );
    const swatch = element("i", { class: `swatch plane-${bare(run.names[at])}`, "aria-hidden": "true" });
    const host = element(
      "section", { class: "slice" + (kw > 5 && !many ? " wide" : "") },
      element("div", { class: "plane" }, element("h3", {}, swatch, say("inputPlane", { name })), element("div", { class: "holder" }, canvas)),
      element("div", { class: "working" }, sum, element("p", { class: "line" }, say("subtotal", { name }) + " ", subtotal)),
    );
    const slice = { host, grid, subtotal, fields: many ? [] : [...weights.children] };
    if (many) {
      const map = (box, title) => {
        box.firstChild.setAttribute("role", "img");
        box.firstChild.setAttribute("aria-label", say("heatText", { title, rows: kh, columns: kw }));
        return new Grid(box.firstChild, { size: { cell: 24, width: 120, height: 120, measured: true } });
      };
      slice.heat = [map(window_, say("window")), map(weights, say("weights")), map(products, say("products"))];
    }
    return Object.assign(slice, { window_: [...window_.children], products: [...products.children] });
  }

  // Kernels too large for numbers: window, weights and products as three small pictures.
  showHeat(run, filter, slice, cells, peak, steepest) {
    const [rows, columns] = filter.kernel, at = (u, v) => cells[u * columns + v];
    const [window_, weights, products] = slice.heat;
    window_.show({ rows, columns, colour: (u, v) => this.colour(run, at(u, v).value), padded: (u, v) => at(u, v).padded });
    weights.show({ rows, columns, colour: (u, v) => signedColour(at(u, v).weight, steepest) });
    products.show({ rows, columns, colour: (u, v) => signedColour(at(u, v).product, peak) });
  }

  // Shows the window of output (i, j).
  show(run, filter, plane, i, j) {
    const planes = filter.inputs[plane].map((at) => run.planes[at]);
    const seen = Conv.windowOf(planes, filter, i, j);
    const peak = Math.max(...seen.slices.flatMap((slice) => slice.cells.map((cell) => Math.abs(cell.product))), 0);
    const steepest = Math.max(...filter.weights.map(Math.abs));
    seen.slices.forEach((slice, c) => {
      const { window_, products, subtotal, grid, fields, heat } = this.slices[c];
      if (heat) this.showHeat(run, filter, this.slices[c], slice.cells, peak, steepest);
      else slice.cells.forEach((cell, tap) => {
        fit(window_[tap], cell.value);
        window_[tap].classList.toggle("padded", cell.padded);
        tint(window_[tap], this.colour(run, cell.value));
        fit(products[tap], cell.product, 40);
        tint(products[tap], signedColour(cell.product, peak));
        tint(fields[tap], signedColour(cell.weight, steepest));
      });
      subtotal.textContent = fmt(slice.subtotal);
      const { rows, columns } = filter, taps = (axis, index) =>
        Array.from({ length: axis.kernel }, (_, tap) => index * axis.stride + tap * axis.dilation - axis.before);
      grid.mark([{ rows: taps(rows, i), columns: taps(columns, j), box: true }]);
    });
    return seen;
  }
}

function tint(node, rgb) {
  node.style.background = `rgb(${rgb.map(Math.round).join(" ")})`;
  node.style.color = isDark(rgb) ? "#fff" : "#000";
}

// Writes a number into a cell of so many pixels: fractions as long as there is room, whole numbers always whole, in
// smaller type.
function fit(node, value, room = 32) {
  const digits = [4, 3, 2].find((count) => fmt(value, count).length <= 5) || 2, text = fmt(value, digits);
  if (node.value === undefined) node.textContent = text;
  else node.value = text.replace("−", "-");
  const most = room / (text.length * 0.62), size = most < 12.5 ? `${Math.max(most, 6)}px` : "";
  if (node.style.fontSize !== size) node.style.fontSize = size;
}

// The name of a plane in the language of the page.
function planeName(name) {
  if (name.startsWith("linear ")) return say("linearPlane", { name: planeName(name.slice(7)) });
  if (name.startsWith("channel ")) return say("channelPlane", { number: name.slice(8) });
  const key = `plane_${name}`;
  return key in WORDS ? say(key) : name;
}

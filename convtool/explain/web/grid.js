// A grid of samples on a canvas: crisp cells, numbers where they fit, and one cell that has the keyboard.
"use strict";

// Colours of the style sheet, read once until the page looks different.
const PAINTS = new Map();
function paint(name) {
  if (!PAINTS.has(name)) PAINTS.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return PAINTS.get(name);
}
const RED = [178, 24, 43], BLUE = [27, 92, 170], NEITHER = [255, 0, 255];

// Signed values: zero is white, the strongest answer full red or full blue; what is no number is pink.
function signedColour(value, peak) {
  if (value !== value) return NEITHER;
  const t = peak ? Math.min(Math.abs(value) / peak, 1) : 0, [r, g, b] = value < 0 ? BLUE : RED;
  return [255 + (r - 255) * t, 255 + (g - 255) * t, 255 + (b - 255) * t];
}

function greyColour(value, [low, high]) {
  if (value !== value) return NEITHER;
  const t = high > low ? 255 * Math.min(Math.max((value - low) / (high - low), 0), 1) : 0;
  return [t, t, t];
}

// Where white type has more contrast than black (relative luminance of WCAG 2); either then has 4.5 at least.
const LUMINANCE = Float64Array.from({ length: 256 }, (_, at) => (at <= 10 ? at / 3294.6 : ((at / 255 + 0.055) / 1.055) ** 2.4));
function isDark(rgb) {
  const [r, g, b] = rgb.map((each) => LUMINANCE[Math.round(each)]);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.179;
}

class Grid {
  // options: label, onMove(row, column, how), describe(row, column), size {cell, width, height}; all but label optional.
  constructor(host, options) {
    this.options = options;
    this.host = host;
    this.marks = [];
    host.classList.add("grid");
    this.base = element("canvas", { "aria-hidden": "true" });
    this.over = element("canvas", { "aria-hidden": "true" });
    host.replaceChildren(this.base, this.over);
    if (options.onMove) this.makeCell();
  }

  makeCell() {
    this.cell = element("div", { class: "cell", role: "gridcell", tabindex: "0" });
    const row = element("div", { role: "row" }, this.cell);
    this.frame = element("div", { class: "frame", role: "grid", "aria-label": this.options.label }, row);
    this.row = row;
    this.host.append(this.frame);
    this.cell.addEventListener("keydown", (event) => this.onKey(event));
    this.cell.addEventListener("focus", () => this.options.onMove(this.at[0], this.at[1], "focus"));
    const pointed = (event) => {
      const box = this.base.getBoundingClientRect(), { first, rows, columns } = this.data;
      const i = Math.floor(((event.clientY - box.top) / box.height) * rows) + first[0];
      const j = Math.floor(((event.clientX - box.left) / box.width) * columns) + first[1];
      if (this.inside(i, j)) this.options.onMove(i, j, event.type);
    };
    this.host.addEventListener("pointermove", pointed);
    this.host.addEventListener("pointerdown", pointed);
    this.host.addEventListener("pointerleave", () => this.options.onLeave && this.options.onLeave());
    this.at = [0, 0];
  }

  inside(i, j) {
    return i >= 0 && j >= 0 && i < this.data.inner[0] && j < this.data.inner[1];
  }

  onKey(event) {
    const [height, width] = this.data.inner, page = Math.max(Math.round(height / 4), 1);
    let [i, j] = this.at;
    if (event.altKey || event.metaKey) return;
    if (event.key === "ArrowLeft") j--;
    else if (event.key === "ArrowRight") j++;
    else if (event.key === "ArrowUp") i--;
    else if (event.key === "ArrowDown") i++;
    else if (event.key === "PageUp") i -= page;
    else if (event.key === "PageDown") i += page;
    else if (event.key === "Home") [i, j] = event.ctrlKey ? [0, 0] : [i, 0];
    else if (event.key === "End") [i, j] = event.ctrlKey ? [height - 1, width - 1] : [i, width - 1];
    else if (!((event.key === " " || event.key === "Enter") && this.options.onPress)) return;
    event.preventDefault();
    if (event.key === " " || event.key === "Enter") return void this.options.onPress();
    this.options.onMove(Math.min(Math.max(i, 0), height - 1), Math.min(Math.max(j, 0), width - 1), "key");
  }

  // data: rows, columns of all cells; first [row, column] of the top left one; inner [height, width] of the picture
  // itself; colour(row, column); text(row, column) or nothing; padded(row, column).
  show(data) {
    this.data = { first: [0, 0], inner: [data.rows, data.columns], ...data };
    if (this.at && !this.inside(...this.at)) this.at = [0, 0];
    this.draw();
  }

  get edge() {
    const { rows, columns } = this.data, { cell = 40, height = 360 } = this.options.size || {};
    const { width: most = 1e4, measured = false } = this.options.size || {};
    const width = measured ? most : Math.min(this.host.parentElement.clientWidth || 300, most);
    const ratio = Math.min(window.devicePixelRatio || 1, 3), fit = Math.min(cell, width / columns, height / rows);
    // Whole device pixels look even; cells of a few pixels would lose too much of the room by that.
    return fit * ratio < 3 ? fit : Math.floor(fit * ratio) / ratio;
  }

  draw() {
    const { rows, columns } = this.data, edge = this.edge, ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.size = edge;
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(columns * edge * ratio);
      canvas.height = Math.round(rows * edge * ratio);
    }
    Object.assign(this.host.style, { width: `${columns * edge}px`, height: `${rows * edge}px` });
    const pen = this.base.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (edge < 8) this.drawPixels(pen, edge);
    else this.drawCells(pen, edge);
    this.drawMarks();
    if (this.cell) this.place(...this.at);
  }

  drawPixels(pen, edge) {
    const { rows, columns, first, colour, padded } = this.data, small = new OffscreenCanvas(columns, rows);
    const ink = small.getContext("2d"), image = ink.createImageData(columns, rows);
    for (let r = 0, at = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++, at += 4) {
        image.data.set(colour(r + first[0], c + first[1]), at);
        image.data[at + 3] = padded && padded(r + first[0], c + first[1]) ? 70 : 255;
      }
    }
    ink.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = edge < 1;
    pen.drawImage(small, 0, 0, columns * edge, rows * edge);
    if (!padded) return;
    const { inner } = this.data, width = columns * edge, height = rows * edge;
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, width, height);
    pen.rect(-first[1] * edge, -first[0] * edge, inner[1] * edge, inner[0] * edge);
    pen.clip("evenodd");
    pen.strokeStyle = paint("--hatch");
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = -height; at < width; at += 4) pen.moveTo(at, height), pen.lineTo(at + height, 0);
    pen.stroke();
    pen.restore();
  }

  drawCells(pen, edge) {
    const { rows, columns, first, colour, text, padded } = this.data, texts = [];
    const hatch = paint("--hatch"), line = paint("--cell-line");
    let longest = 1;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        const at = [r + first[0], c + first[1]], outside = Boolean(padded && padded(...at)), rgb = colour(...at);
        pen.globalAlpha = outside ? 0.2 : 1;
        pen.fillStyle = `rgb(${rgb.map(Math.round).join(" ")})`;
        pen.fillRect(c * edge, r * edge, edge, edge);
        pen.globalAlpha = 1;
        if (outside) this.hatchCell(pen, c * edge, r * edge, edge, hatch);
        if (text && edge >= 20) {
          const word = text(...at);
          longest = Math.max(longest, word.length);
          texts.push([word, c, r, outside, isDark(rgb)]);
        }
      }
    }
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let r = 0; r <= rows; r++) pen.moveTo(0, r * edge), pen.lineTo(columns * edge, r * edge);
    for (let c = 0; c <= columns; c++) pen.moveTo(c * edge, 0), pen.lineTo(c * edge, rows * edge);
    pen.stroke();
    const size = Math.min(edge * 0.42, (edge * 1.55) / longest, 14);
    if (!texts.length || size < 8) return;
    pen.font = `${size}px ${paint("--sans")}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [word, c, r, outside, dark] of texts) {
      pen.fillStyle = outside ? paint("--muted") : dark ? "#fff" : "#000";
      pen.fillText(word, (c + 0.5) * edge, (r + 0.53) * edge);
    }
  }

  hatchCell(pen, x, y, edge, colour) {
    pen.save();
    pen.beginPath();
    pen.rect(x, y, edge, edge);
    pen.clip();
    pen.strokeStyle = colour;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = -edge; at < edge; at += 6) pen.moveTo(x + at, y + edge), pen.lineTo(x + at + edge, y);
    pen.stroke();
    pen.restore();
  }

  // marks: {rows: [...], columns: [...], fill, box} in positions of the picture; rest: cells from there on are veiled.
  mark(marks, rest = null) {
    this.marks = marks;
    this.rest = rest;
    this.drawMarks();
  }

  drawMarks() {
    const pen = this.over.getContext("2d"), ratio = Math.min(window.devicePixelRatio || 1, 3), edge = this.size;
    const { first, rows, columns } = this.data;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, columns * edge, rows * edge);
    if (this.rest) {
      const [i, j] = this.rest;
      pen.fillStyle = paint("--veil");
      pen.fillRect((j + 1) * edge, i * edge, (columns - j - 1) * edge, edge);
      pen.fillRect(0, (i + 1) * edge, columns * edge, (rows - i - 1) * edge);
    }
    const accent = paint("--accent-mark");
    for (const { rows: up, columns: across, box, fill = 0.16 } of this.marks) {
      if (!up.length || !across.length) continue;
      if (up.length * across.length <= 4096) {
        pen.fillStyle = accent;
        pen.globalAlpha = fill;
        for (const r of up) for (const c of across) pen.fillRect((c - first[1]) * edge, (r - first[0]) * edge, edge, edge);
        pen.globalAlpha = 1;
      }
      if (!box) continue;
      const x = (Math.min(...across) - first[1]) * edge, y = (Math.min(...up) - first[0]) * edge;
      const w = (Math.max(...across) - Math.min(...across) + 1) * edge, h = (Math.max(...up) - Math.min(...up) + 1) * edge;
      pen.lineJoin = "round";
      pen.strokeStyle = "#fff";
      pen.lineWidth = 5;
      pen.strokeRect(x, y, w, h);
      pen.strokeStyle = accent;
      pen.lineWidth = 3;
      pen.strokeRect(x, y, w, h);
    }
  }

  place(i, j) {
    this.at = [i, j];
    const { first, inner } = this.data, edge = this.size;
    this.frame.setAttribute("aria-rowcount", inner[0]);
    this.frame.setAttribute("aria-colcount", inner[1]);
    this.row.setAttribute("aria-rowindex", i + 1);
    this.cell.setAttribute("aria-colindex", j + 1);
    this.cell.setAttribute("aria-label", this.options.describe(i, j));
    const side = Math.max(edge, 10), shift = (side - edge) / 2;
    Object.assign(this.cell.style, {
      left: `${(j - first[1]) * edge - shift}px`, top: `${(i - first[0]) * edge - shift}px`, width: `${side}px`, height: `${side}px`,
    });
  }
}

// The arithmetic of one convolutional layer in double precision: pure functions that know nothing of the page.
// Planes and maps are flat arrays, row after row; rows come before columns everywhere.
"use strict";

const Conv = (() => {
  const FULL = { uint8: 255, uint16: 65535, float32: 1 };
  const MIDDLE = { uint8: 128, uint16: 32768, float32: 0.5 };

  // Where a position on an axis of `size` samples takes its sample from; -1 is the border's constant.
  function place(position, size, mode) {
    if (position >= 0 && position < size) return position;
    if (mode === "zeros" || mode === "constant") return -1;
    if (mode === "replicate") return position < 0 ? 0 : size - 1;
    if (mode === "circular") return ((position % size) + size) % size;
    if (mode === "symmetric") {
      const folded = ((position % (2 * size)) + 2 * size) % (2 * size);
      return Math.min(folded, 2 * size - 1 - folded);
    }
    if (size === 1) return 0;
    const period = 2 * (size - 1);
    const folded = ((position % period) + period) % period;
    return Math.min(folded, period - folded);
  }

  // Padding of one axis, [before, after]: numbers as they are, names resolved.
  function padding(asked, size, kernel, stride, dilation) {
    const reach = dilation * (kernel - 1);
    if (asked === "valid") return [0, 0];
    if (asked === "full") return [reach, reach];
    if (asked !== "same") return asked;
    const out = Math.ceil(size / stride);
    const total = Math.max((out - 1) * stride + reach + 1 - size, 0);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  }

  // One axis of a sliding window; `out` below 1 means that the kernel does not fit.
  function axis(size, kernel, stride, dilation, [before, after]) {
    const span = dilation * (kernel - 1) + 1;
    const out = Math.floor((size + before + after - span) / stride) + 1;
    const tail = Math.max((out - 1) * stride + span - before - size, 0);
    return { size, kernel, stride, dilation, before, after, span, out, tail };
  }

  // Every slice of the weights turned by 180 degrees; the order of the slices stays.
  function flipped(weights, area) {
    return weights.map((_, at) => weights[at - (at % area) + area - 1 - (at % area)]);
  }

  function sources(axis, mode) {
    const found = new Int32Array(Math.max(axis.out, 0) * axis.kernel);
    for (let index = 0, at = 0; index < axis.out; index++) {
      for (let tap = 0; tap < axis.kernel; tap++) {
        found[at++] = place(index * axis.stride + tap * axis.dilation - axis.before, axis.size, mode);
      }
    }
    return found;
  }

  // One output plane: `planes` are the input planes that the slices of `weights` meet, in that order.
  function correlate(planes, filter) {
    const { weights, rows, columns, border, scale, bias } = filter;
    const kh = rows.kernel, kw = columns.kernel, width = columns.size;
    const up = sources(rows, border.mode), across = sources(columns, border.mode);
    const y = new Float64Array(rows.out * columns.out);
    for (let i = 0; i < rows.out; i++) {
      for (let j = 0; j < columns.out; j++) {
        let total = 0, at = 0;
        for (let c = 0; c < planes.length; c++) {
          const plane = planes[c];
          let subtotal = 0;
          for (let u = 0; u < kh; u++) {
            const row = up[i * kh + u];
            for (let v = 0; v < kw; v++) {
              const weight = weights[at++], column = across[j * kw + v];
              if (weight) subtotal += weight * (row < 0 || column < 0 ? border.value : plane[row * width + column]);
            }
          }
          total += subtotal;
        }
        y[i * columns.out + j] = total * scale + bias;
      }
    }
    return y;
  }

  // The sum of output (i, j) laid open: one slice per input plane, cells in reading order.
  function windowOf(planes, filter, i, j) {
    const { weights, rows, columns, border, scale, bias } = filter;
    const area = rows.kernel * columns.kernel;
    const slices = planes.map((plane, c) => {
      const cells = [];
      let subtotal = 0;
      for (let at = 0; at < area; at++) {
        const row = i * rows.stride + Math.floor(at / columns.kernel) * rows.dilation - rows.before;
        const column = j * columns.stride + (at % columns.kernel) * columns.dilation - columns.before;
        const r = place(row, rows.size, border.mode), k = place(column, columns.size, border.mode);
        const value = r < 0 || k < 0 ? border.value : plane[r * columns.size + k];
        const weight = weights[c * area + at], product = weight ? weight * value : 0;
        subtotal += product;
        cells.push({ row, column, value, weight, product, padded: r < 0 || k < 0 || r !== row || k !== column });
      }
      return { cells, subtotal };
    });
    const total = slices.reduce((sum, slice) => sum + slice.subtotal, 0);
    return { slices, total, raw: total * scale + bias };
  }

  function hits(axis, at, mode) {
    const found = [];
    for (let index = 0; index < axis.out; index++) {
      for (let tap = 0; tap < axis.kernel; tap++) {
        const position = index * axis.stride + tap * axis.dilation - axis.before;
        if (place(position, axis.size, mode) === at) {
          found.push(index);
          break;
        }
      }
    }
    return found;
  }

  // The projective field: rows and columns of the outputs that the input sample (row, column) feeds.
  function feeds(filter, row, column) {
    const { rows, columns, border } = filter;
    return { rows: hits(rows, row, border.mode), columns: hits(columns, column, border.mode) };
  }

  const ACTIVATIONS = {
    none: (y) => y,
    relu: (y) => Math.max(y, 0),
    leaky: (y) => (y < 0 ? 0.01 * y : y),
    abs: Math.abs,
    sigmoid: (y) => 1 / (1 + Math.exp(-y)),
    tanh: Math.tanh,
  };

  const activate = (name, y) => ACTIVATIONS[name](y);

  // Maps of one shape joined sample by sample.
  function merge(maps, how) {
    return maps[0].map((_, at) => {
      const values = maps.map((map) => map[at]);
      if (how === "max") return Math.max(...values);
      if (how === "magnitude") return Math.sqrt(values.reduce((sum, y) => sum + y * y, 0));
      const total = values.reduce((sum, y) => sum + y, 0);
      return how === "mean" ? total / values.length : total;
    });
  }

  // Smallest and largest finite value of planes.
  function extent(planes) {
    let low = Infinity, high = -Infinity;
    for (const plane of planes) {
      for (const y of plane) {
        if (y < low && y > -Infinity) low = y;
        if (y > high && y < Infinity) high = y;
      }
    }
    return low <= high ? [low, high] : [0, 0];
  }

  function roundEven(y) {
    const near = Math.round(y);
    return near - y === 0.5 && near % 2 !== 0 ? near - 1 : near;
  }

  // Linear light coded again, as a share of the full scale: by sRGB's curve (IEC 61966-2-1), or by a profile's, given
  // at the squares of evenly spaced numbers because curves are steep at 0.
  function coded(light, share) {
    const linear = Math.abs(share);
    let found = linear;
    if (light === "sRGB") found = linear <= 0.0031308 ? linear * 12.92 : 1.055 * linear ** (1 / 2.4) - 0.055;
    else if (linear < 1) {
      const at = Math.sqrt(linear) * (light.length - 1), low = Math.floor(at);
      found = light[low] + (light[low + 1] - light[low]) * (at - low);
    }
    return share < 0 ? -found : found;
  }

  // The steps from a raw value to the sample that is written: [name, value] each, the last value being written.
  // `light` codes values in linear light again.
  function toneSteps(raw, range, from, to, [least, most], light = null) {
    const steps = [], full = FULL[from], middle = MIDDLE[from];
    let y = raw;
    const then = (name, value) => {
      y = value;
      steps.push([name, value]);
    };
    if (range.gain !== 1) then("gain", y * range.gain);
    const [low, high] = [least * range.gain, most * range.gain].sort((a, b) => a - b);
    const peak = Math.max(Math.abs(low), Math.abs(high));
    if (range.how === "abs") then("abs", Math.abs(y));
    else if (range.how === "shift") then("shift", y + middle);
    else if (range.how === "stretch" && low !== high) then("stretch", ((y - low) / (high - low)) * full);
    else if (range.how === "symmetric") then("symmetric", (peak ? (y * (full - middle)) / peak : 0) + middle);
    const top = FULL[to === "float32" ? from : to];
    if (top !== full) then("units", y * (top / full));
    if (light && Number.isFinite(y)) then("coded", coded(light, y / top) * top);
    if (to === "float32") return steps;
    if (!Number.isInteger(y) && Number.isFinite(y)) then("round", roundEven(y));
    if (!(y >= 0 && y <= FULL[to])) then("clip", y > 0 ? FULL[to] : 0);
    return steps;
  }

  // A whole map toned: its samples and how many of them clipping changed.
  function tone(planes, range, from, to, ends, lights) {
    let clipped = 0;
    const samples = planes.map((plane, p) =>
      plane.map((raw) => {
        const steps = toneSteps(raw, range, from, to, ends, lights[p]);
        if (!steps.length) return raw;
        const [name, value] = steps[steps.length - 1];
        if (name === "clip") clipped++;
        return value;
      }),
    );
    return { samples, clipped };
  }

  return {
    FULL, ACTIVATIONS, place, padding, axis, flipped, correlate, windowOf, feeds, activate, merge, extent,
    roundEven, coded, toneSteps, tone,
  };
})();

if (typeof module !== "undefined") module.exports = Conv;

// What the page is about: the layer with its settings, and what it makes of the planes.
"use strict";

class Layer {
  constructor(run) {
    this.run = run;
    this.reset();
  }

  reset() {
    const { stride, dilation, padding, border, flip, merge } = this.run.settings;
    this.settings = { stride, dilation, pad: padding, border, flip, activation: "none" };
    this.weights = this.run.filters.map((filter) => Float64Array.from(filter.weights));
    this.bias = this.run.filters.map((filter) => filter.bias);
    this.mergeHow = merge || "mean";
    this.changed = false;
    this.compute();
  }

  // Takes settings over; says why not if a kernel does not fit.
  take(settings) {
    const before = this.settings;
    this.settings = { ...before, ...settings };
    const misfit = this.run.filters.findIndex((_, at) => this.axes(at).some((axis) => axis.out < 1));
    if (misfit >= 0) {
      const axis = this.axes(misfit).find((each) => each.out < 1);
      this.settings = before;
      return say("misfit", { label: this.run.filters[misfit].label, span: axis.span, size: axis.size + axis.before + axis.after });
    }
    this.compute();
    return "";
  }

  flip() {
    this.settings = { ...this.settings, flip: !this.settings.flip };
    this.weights = this.weights.map((weights, at) => Conv.flipped(weights, this.run.filters[at].area));
    this.compute();
  }

  axes(at) {
    const { stride, dilation, pad } = this.settings, { size, filters } = this.run;
    return [0, 1].map((way) => {
      const kernel = filters[at].kernel[way], asked = typeof pad === "string" ? pad : pad[way];
      const edges = Conv.padding(asked, size[way], kernel, stride[way], dilation[way]);
      return Conv.axis(size[way], kernel, stride[way], dilation[way], edges);
    });
  }

  // Whether a filter is still what was run; then the engine's own values are shown.
  same(at) {
    const { settings, filters } = this.run, now = this.settings;
    const asked = [settings.stride, settings.dilation, settings.padding, settings.border.mode, settings.border.value];
    const have = [now.stride, now.dilation, now.pad, now.border.mode, now.border.value];
    return JSON.stringify(asked) === JSON.stringify(have) && now.activation === "none"
      && this.bias[at] === filters[at].bias && this.weights[at].every((weight, tap) => weight === filters[at].weights[tap]);
  }

  compute() {
    const { run } = this, same = run.filters.map((_, at) => this.same(at));
    this.changed = same.includes(false);
    this.filters = run.filters.map((filter, at) => {
      const [rows, columns] = this.axes(at);
      const own = {
        ...filter, rows, columns, border: this.settings.border, weights: this.weights[at], bias: this.bias[at],
        channelNames: filter.inputs.length === 1 && filter.inputs[0].length > 1 ? filter.inputs[0].map((p) => planeName(run.names[p])) : [],
        engine: same[at] && Boolean(filter.values),
      };
      own.values = own.engine ? filter.values : filter.inputs.map((inputs) => {
        const plane = Conv.correlate(inputs.map((p) => run.planes[p]), own);
        return plane.map((y) => Conv.activate(this.settings.activation, y));
      });
      return own;
    });
    this.maps = run.maps.map((map) => {
      const members = map.filters.map((at) => this.filters[at]);
      if (map.filters.every((at) => same[at])) {
        const values = (map.merge ? map.values : members[0].values) || this.joined(members, map.merge);
        return { ...map, values, ends: [map.low, map.high] };
      }
      return this.toned({ ...map, values: this.joined(members, map.merge) }, members[0]);
    });
    this.merged = this.merging();
  }

  joined(members, how) {
    if (!how) return members[0].values;
    if (!alike(members)) return members[0].values;
    return members[0].values.map((_, p) => Conv.merge(members.map((filter) => filter.values[p]), how));
  }

  toned(map, filter) {
    const ends = Conv.extent(map.values), size = [filter.rows.out, filter.columns.out];
    const { samples, clipped } = Conv.tone(map.values, map.range, this.run.type.name, map.type.name, ends, map.lights);
    return { ...map, size, ends, written: samples, clipped };
  }

  // All maps joined into one picture at the end, unless the run has done that itself.
  merging() {
    const { maps } = this.run;
    if (maps.length < 2 || maps.some((map) => map.merge)) return null;
    if (!alike(this.filters)) return null;
    const how = this.mergeHow, values = this.joined(this.filters, how);
    const agreed = maps.every((map) => map.range.text === maps[0].range.text) && how !== "magnitude";
    const range = agreed ? maps[0].range : { how: "clip", text: "clip", gain: 1 };
    return this.toned({ ...maps[0], label: say("mergedLabel"), merge: how, range, values }, this.filters[0]);
  }
}

function alike(filters) {
  const shape = (filter) => [filter.rows.out, filter.columns.out, filter.inputs.length].join();
  return filters.every((filter) => shape(filter) === shape(filters[0]));
}

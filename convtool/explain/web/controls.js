// The settings of the layer as fields, and the size formula with their numbers.
"use strict";

class Controls {
  // onChange(settings) is called with what the fields say; onFlip() when the weights are to be turned.
  constructor({ onChange, onFlip, onReset }) {
    this.onChange = onChange;
    for (const id of ["stride-r", "stride-c", "dilation-r", "dilation-c", "border", "border-value", "activation"]) {
      byId(id).addEventListener("change", () => this.read());
    }
    byId("pad").addEventListener("change", () => this.read());
    for (const id of ["pad-t", "pad-r", "pad-b", "pad-l"]) {
      byId(id).addEventListener("change", () => {
        byId("pad").value = "number";
        this.read();
      });
    }
    byId("flip").addEventListener("change", onFlip);
    byId("reset").addEventListener("click", onReset);
    byId("controls").addEventListener("submit", (event) => event.preventDefault());
  }

  read() {
    const whole = (id, least) => {
      const field = byId(id), value = Math.round(Number(field.value));
      field.value = Number.isFinite(value) ? Math.min(Math.max(value, least), 99) : least;
      return Number(field.value);
    };
    const named = byId("pad").value;
    const pad = named === "number"
      ? [[whole("pad-t", 0), whole("pad-b", 0)], [whole("pad-l", 0), whole("pad-r", 0)]] : named;
    const value = Number(byId("border-value").value.replace("−", "-"));
    const mode = byId("border").value;
    byId("border-value-box").hidden = mode !== "constant";
    this.onChange({
      stride: [whole("stride-r", 1), whole("stride-c", 1)],
      dilation: [whole("dilation-r", 1), whole("dilation-c", 1)],
      pad,
      border: { mode, value: mode === "constant" && Number.isFinite(value) ? value : 0 },
      activation: byId("activation").value,
    });
  }

  // Puts settings into the fields; the resolved padding of the filter stands in the four numbers.
  write(settings, filter) {
    const set = (id, value) => {
      if (byId(id) !== document.activeElement || byId(id).type !== "text") byId(id).value = value;
    };
    set("stride-r", settings.stride[0]);
    set("stride-c", settings.stride[1]);
    set("dilation-r", settings.dilation[0]);
    set("dilation-c", settings.dilation[1]);
    set("pad", typeof settings.pad === "string" ? settings.pad : "number");
    const { rows, columns } = filter;
    set("pad-t", rows.before);
    set("pad-b", rows.after);
    set("pad-l", columns.before);
    set("pad-r", columns.after);
    set("border", settings.border.mode);
    set("border-value", settings.border.value);
    byId("border-value-box").hidden = settings.border.mode !== "constant";
    set("activation", settings.activation);
    byId("flip").checked = settings.flip;
  }
}

// floor((size + before + after - dilation*(k - 1) - 1) / stride) + 1, every number with its name below.
function drawFormula(host, filter) {
  const line = (axis, name) => {
    const number = (value, word) => element("span", { class: "number" }, element("b", { text: value }), element("small", { text: say(word) }));
    const sign = (text) => element("span", { class: "sign", text });
    return element(
      "div", { class: "formula" }, element("strong", { text: say(name) }),
      number(axis.out, "outputs"), sign("= ⌊ ("), number(axis.size, "samples"), sign("+"), number(axis.before, "before"),
      sign("+"), number(axis.after, "after"), sign("−"), number(axis.dilation, "dilationWord"), sign("· ("),
      number(axis.kernel, "kernelWord"), sign("− 1) − 1) /"), number(axis.stride, "strideWord"), sign("⌋ + 1"),
    );
  };
  const same = JSON.stringify(filter.rows) === JSON.stringify(filter.columns);
  host.replaceChildren(...(same ? [line(filter.rows, "bothAxes")] : [line(filter.rows, "rows"), line(filter.columns, "columns")]));
}

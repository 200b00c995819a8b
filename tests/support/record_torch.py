"""Writes tests/data/torch.json: what torch answers to a few dozen small layers; and tests/data/trained.json: what it
answers to a photograph with a trained layer. Needs torch; run from the repository.

    python -m tests.support.record_torch

Samples and weights are not stored: ``naive.numbers`` makes them from a seed, the same ones for ever.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support import naive, trained

Array = NDArray[Any]
RECORD = Path(__file__).parents[1] / "data" / "torch.json"
TRAINED = Path(__file__).parents[1] / "data" / "trained.json"

LAYERS: tuple[dict[str, Any], ...] = (
    {"x": (1, 8, 8), "w": (1, 1, 3, 3)},
    {"x": (1, 8, 8), "w": (1, 1, 3, 3), "padding": 1},
    {"x": (1, 8, 8), "w": (1, 1, 3, 3), "stride": 2},
    {"x": (1, 8, 8), "w": (1, 1, 3, 3), "stride": 3, "padding": 2, "bias": True},
    {"x": (1, 1, 1), "w": (1, 1, 1, 1), "bias": True},
    {"x": (1, 1, 1), "w": (2, 1, 3, 3), "padding": 1},
    {"x": (1, 1, 6), "w": (2, 1, 1, 4)},
    {"x": (1, 7, 1), "w": (2, 1, 5, 1), "padding": (2, 0)},
    {"x": (3, 5, 5), "w": (2, 3, 3, 3), "stride": 2, "padding": 1, "bias": True},
    {"x": (3, 5, 5), "w": (2, 3, 1, 1), "bias": True},
    {"x": (3, 6, 7), "w": (4, 3, 3, 2), "stride": (2, 1), "bias": True},
    {"x": (3, 6, 7), "w": (4, 3, 2, 3), "stride": (1, 2), "padding": (0, 1)},
    {"x": (2, 6, 7), "w": (3, 2, 2, 2), "padding": 1},
    {"x": (2, 6, 7), "w": (3, 2, 4, 4), "padding": 3, "stride": 2},
    {"x": (2, 9, 9), "w": (2, 2, 3, 3), "dilation": 2},
    {"x": (2, 9, 9), "w": (2, 2, 3, 3), "dilation": (2, 3), "padding": (2, 3), "bias": True},
    {"x": (2, 9, 9), "w": (2, 2, 2, 3), "dilation": (3, 1), "stride": (2, 3), "padding": 1},
    {"x": (1, 4, 4), "w": (1, 1, 5, 5), "padding": 2},
    {"x": (1, 3, 2), "w": (1, 1, 7, 7), "padding": (3, 4)},
    {"x": (4, 6, 6), "w": (4, 2, 3, 3), "groups": 2, "padding": 1},
    {"x": (4, 6, 6), "w": (6, 2, 3, 2), "groups": 2, "stride": 2, "bias": True},
    {"x": (4, 6, 6), "w": (4, 1, 3, 3), "groups": 4, "padding": 1, "bias": True},
    {"x": (3, 6, 6), "w": (6, 1, 2, 2), "groups": 3, "dilation": 2},
    {"x": (6, 5, 4), "w": (3, 2, 3, 3), "groups": 3, "padding": 2, "stride": (1, 2), "bias": True},
    {"x": (1, 8, 8), "w": (1, 1, 3, 3), "padding": "same"},
    {"x": (2, 7, 6), "w": (2, 2, 4, 2), "padding": "same", "bias": True},
    {"x": (2, 7, 6), "w": (2, 2, 3, 2), "padding": "same", "dilation": (2, 3)},
    {"x": (2, 7, 6), "w": (2, 2, 3, 2), "padding": "valid", "stride": 2},
    {"x": (1, 5, 6), "w": (2, 1, 3, 3), "padding": 1, "mode": "reflect"},
    {"x": (2, 5, 6), "w": (2, 2, 5, 5), "padding": (4, 5), "mode": "reflect", "bias": True},
    {"x": (2, 7, 6), "w": (2, 2, 3, 3), "padding": 2, "stride": 2, "dilation": 2, "mode": "reflect"},
    {"x": (2, 7, 6), "w": (2, 2, 4, 3), "padding": "same", "mode": "reflect"},
    {"x": (1, 5, 6), "w": (2, 1, 3, 3), "padding": 1, "mode": "replicate"},
    {"x": (2, 3, 2), "w": (2, 2, 5, 5), "padding": (7, 6), "mode": "replicate", "bias": True},
    {"x": (4, 5, 6), "w": (4, 2, 2, 3), "padding": 2, "groups": 2, "stride": (3, 1), "mode": "replicate"},
    {"x": (2, 7, 6), "w": (2, 2, 2, 4), "padding": "same", "mode": "replicate"},
    {"x": (1, 5, 6), "w": (2, 1, 3, 3), "padding": 1, "mode": "circular"},
    {"x": (2, 5, 6), "w": (2, 2, 4, 4), "padding": (5, 6), "mode": "circular", "bias": True},
    {"x": (3, 5, 6), "w": (3, 1, 3, 3), "padding": 3, "groups": 3, "dilation": 2, "mode": "circular"},
    {"x": (2, 7, 6), "w": (2, 2, 2, 2), "padding": "same", "mode": "circular", "bias": True},
)
KINDS = {"whole": 1.0, "float": 7.0}
"""Whole numbers, whose sums are exact anywhere, and sevenths in single precision, whose sums are not."""


def inputs(number: int, layer: dict[str, Any], kind: str) -> tuple[Array, Array, Array | None]:
    """Samples, weights and biases of a layer, float32."""
    divisor = np.float32(KINDS[kind])
    x = naive.numbers(3 * number, *layer["x"], low=-20, high=20).astype(np.float32) / divisor
    w = naive.numbers(3 * number + 1, *layer["w"]).astype(np.float32) / divisor
    b = naive.numbers(3 * number + 2, layer["w"][0]).astype(np.float32) / divisor
    return x, w, b if layer.get("bias") else None


def options(layer: dict[str, Any]) -> dict[str, Any]:
    """The layer in the words of conv2d."""
    return {
        "stride": layer.get("stride", 1),
        "padding": layer.get("padding", 0),
        "dilation": layer.get("dilation", 1),
        "groups": layer.get("groups", 1),
        "padding_mode": layer.get("mode", "zeros"),
    }


def by_torch(x: Array, w: Array, b: Array | None, asked: dict[str, Any]) -> Array:
    """The answer of torch.nn.Conv2d, (N, H', W')."""
    import torch

    channels, filters = x.shape[0], w.shape[0]
    layer = torch.nn.Conv2d(channels, filters, w.shape[2:], bias=b is not None, **asked)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
        if b is not None:
            layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
        found: Array = layer(torch.from_numpy(np.ascontiguousarray(x))[None])[0].numpy()
    return found


PLAIN: dict[str, Any] = {}
"""Stride 1, no padding."""


def main() -> None:
    import torch

    cases = []
    for number, layer in enumerate(LAYERS):
        for kind in KINDS:
            y = by_torch(*inputs(number, layer, kind), options(layer))
            values = [int(v) if kind == "whole" else float(f"{v:.9g}") for v in y.ravel()]
            cases.append({"layer": number, "kind": kind, "shape": list(y.shape), "values": values})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    RECORD.parent.mkdir(exist_ok=True)
    version = torch.__version__.partition("+")[0]
    RECORD.write_text(f'{{"torch": "{version}", "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    nets = {}
    for net in trained.NETS:
        maps = trained.sample(by_torch(trained.scaled(), *trained.first_layer(net), PLAIN))
        nets[net] = [[[float(f"{v:.9g}") for v in row] for row in plane] for plane in maps]
    text = json.dumps({"torch": version, **nets}, separators=(",", ":")).replace("]],", "]],\n")
    TRAINED.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

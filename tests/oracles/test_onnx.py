"""ONNX's own tests of the operator Conv: through ``conv2d``, and through the command line, npy in and out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from convtool import conv2d
from convtool.cli import main

Array = NDArray[Any]


class Case(NamedTuple):
    """One run of the operator: its attributes, x (B, C, H, W), weight and bias, and what must come out."""

    name: str
    attributes: dict[str, Any]
    x: Array
    weight: Array
    bias: Array | None
    y: Array

    def pads(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right; automatic ones worked out by the operator's own words."""
        how = self.attributes.get("auto_pad", b"NOTSET").decode()
        if how in ("NOTSET", "VALID"):
            top, left, bottom, right = self.attributes.get("pads", [0, 0, 0, 0])
            return top, left, bottom, right
        before, after = [], []
        for n, k, s, d in zip(self.x.shape[2:], self.weight.shape[2:], self.stride, self.dilation, strict=True):
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            more, less = total - total // 2, total // 2
            before.append(more if how == "SAME_LOWER" else less)
            after.append(less if how == "SAME_LOWER" else more)
        return before[0], before[1], after[0], after[1]

    @property
    def stride(self) -> tuple[int, int]:
        rows, columns = self.attributes.get("strides", [1, 1])
        return rows, columns

    @property
    def dilation(self) -> tuple[int, int]:
        rows, columns = self.attributes.get("dilations", [1, 1])
        return rows, columns

    @property
    def groups(self) -> int:
        return int(self.attributes.get("group", 1))


def node_cases() -> list[Case]:
    """The node tests, as the package makes them."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other operators, on purpose
        found = [case for case in collect_testcases("Conv") if case.model.graph.node[0].op_type == "Conv"]
    return [
        made for case in found for inputs, (y,) in case.data_sets if (made := _case(case.name, case.model, inputs, y))
    ]


def stored_cases() -> list[Case]:
    """The tests that the package has as files: layers exported from torch, with their weights."""
    root = Path(onnx.__file__).parent / "backend" / "test" / "data"
    found = []
    for path in sorted(root.glob("*/*/model.onnx")):
        folder = path.parent / "test_data_set_0"
        if "conv" not in path.parent.name.lower() or not folder.is_dir():
            continue
        model = onnx.load(path)
        if [node.op_type for node in model.graph.node] != ["Conv"]:
            continue
        given = {v.name: numpy_helper.to_array(v) for v in model.graph.initializer}
        names = [v.name for v in model.graph.input if v.name not in given]
        for name, file in zip(names, sorted(folder.glob("input_*.pb")), strict=False):
            given[name] = numpy_helper.to_array(onnx.load_tensor(file))
        y = numpy_helper.to_array(onnx.load_tensor(folder / "output_0.pb"))
        inputs = [given[name] for name in model.graph.node[0].input]
        if made := _case(path.parent.name, model, inputs, y):
            found.append(made)
    return found


def _case(name: str, model: Any, inputs: list[Array], y: Array) -> Case | None:
    x, weight, *rest = inputs
    if x.ndim != 4:  # signals and volumes
        return None
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in model.graph.node[0].attribute}
    return Case(name, attributes, x, weight, rest[0] if rest else None, y)


NODES = node_cases()
CASES = NODES + stored_cases()
IMAGES = [case for case in CASES if case.x.shape[1] <= 4]


def test_the_cases_are_there() -> None:
    """A package that hides its tests elsewhere must not make this file pass."""
    assert len(NODES) >= 6
    assert len(CASES) >= 14
    assert len(IMAGES) >= 10


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conv2d(case: Case) -> None:
    top, left, bottom, right = case.pads()
    for x, expected in zip(case.x, case.y, strict=True):
        y = conv2d(
            x,
            case.weight,
            case.bias,
            stride=case.stride,
            padding=((top, bottom), (left, right)),
            dilation=case.dilation,
            groups=case.groups,
        )
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6 * float(np.abs(expected).max()))


@pytest.mark.parametrize("case", IMAGES, ids=lambda case: case.name)
def test_command_line(case: Case, tmp_path: Path) -> None:
    top, left, bottom, right = case.pads()
    bias = np.zeros(len(case.weight)) if case.bias is None else case.bias
    np.savez(tmp_path / "layer.npz", weight=case.weight, bias=bias)
    paths = []
    for at, x in enumerate(case.x):
        paths.append(tmp_path / f"x{at}.npy")
        np.save(paths[-1], x.transpose(1, 2, 0))
    arguments = ["apply", *map(str, paths), "-k", f"{tmp_path}/layer.npz#weight", "-o", f"{tmp_path}/out/"]
    arguments += ["-s", "x".join(map(str, case.stride)), "--dilation", "x".join(map(str, case.dilation))]
    arguments += ["-p", f"{top},{right},{bottom},{left}", "--groups", str(case.groups)]
    arguments += ["--alpha", "filter", "-q", "-j", "1"]  # two and four channels are channels here
    if case.bias is not None:
        arguments += ["--bias-from", f"{tmp_path}/layer.npz#bias"]
    with pytest.raises(SystemExit) as left_with:
        main(arguments)
    assert left_with.value.code == 0
    count = len(case.weight)
    names = ["weight"] if count == 1 else [f"weight-{n:02}" for n in range(count)]
    for path, expected in zip(paths, case.y, strict=True):
        maps = [np.load(tmp_path / "out" / f"{path.stem}_{name}.npy") for name in names]
        np.testing.assert_allclose(np.stack(maps), expected, rtol=1e-4, atol=1e-6 * float(np.abs(expected).max()))

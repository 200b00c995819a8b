"""A few hundred sums that must come out with the same bytes for ever: on every machine, in NumPy and in the core.

Samples and weights come from whole numbers and the four operations alone, which are the same everywhere; random
generators and functions such as ``exp`` may change from one version of NumPy to the next.

Every kernel meets every border and every type of samples; the other options are drawn, once and for all.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convtool.engine.bank import Bank, bank_from_array, bank_of
from convtool.engine.border import MODES, Border
from convtool.engine.geometry import Geometry, Padding, resolve
from convtool.engine.plan import Plan, make_plan
from convtool.errors import GeometryError
from convtool.kernels.kernel import make_kernel
from convtool.tone.rounding import Finish

Array = NDArray[Any]
RECORD = Path(__file__).parents[1] / "data" / "golden_sums.json"

DTYPES = ("uint8", "uint16", "int16", "float32", "uint8", "whole int16", "int32", "wide int32")
"""``whole int16`` is of the whole range of the type; ``wide int32`` holds numbers that float32 rounds."""

STRIDES = ((1, 1), (1, 1), (2, 2), (2, 3), (1, 1))
DILATIONS = ((1, 1), (1, 1), (1, 1), (2, 1), (1, 3), (2, 2), (1, 1), (1, 1))
PADDINGS: tuple[Padding, ...] = ("same", "same", "full", ((2, 0), (1, 3)), "valid", "same", "same")
SIZES = (
    *((37, 64), (1, 1), (61, 131), (7, 5), (6, 2311), (64, 47), (1, 9), (257, 131), (2, 3), (9, 1), (16, 33)),
    *((5, 1100), (33, 40), (18, 77), (65, 30)),
)
"""The wide ones are more than one chunk of outputs."""

LAYOUTS = ("plain", "plain", "colour of four", "planes", "plain", "backwards", "gaps")
"""How samples lie in memory; it changes nothing."""

FINISHES = {
    "values": None,
    "sums": None,
    "integer 8": Finish("integer", add=3, full=255),
    "single 8": Finish("single", multiply=0.125, add=0.5, full=255),
    "double 8": Finish("double", multiply=5, divide=9, add=2, full=255),
    "integer abs 16": Finish("integer", add=-40, absolute=True, full=65535),
    "single divide abs 8": Finish("single", divide=9, add=-1.25, absolute=True, full=255),
    "double abs 16": Finish("double", multiply=-7, divide=3, absolute=True, full=65535),
    "single float": Finish("single", multiply=0.1, add=-3),
    "integer 16": Finish("integer", full=65535),
    "integer abs 8": Finish("integer", absolute=True, full=255),
    "single divide 16": Finish("single", multiply=3, divide=7, full=65535),
    "double abs 8": Finish("double", divide=2, add=1, absolute=True, full=255),
    "single abs 16": Finish("single", multiply=0.5, absolute=True, full=65535),
    "double float": Finish("double", multiply=-3, divide=7),
    "single abs 8": Finish("single", multiply=0.25, add=-16, absolute=True, full=255),
    "double 16": Finish("double", multiply=1.5, add=-0.5, full=65535),
    "single divide 8": Finish("single", multiply=-2, divide=3, add=100, full=255),
    "double abs float": Finish("double", multiply=0.3, add=0.7, absolute=True),
    "negative float": Finish("single", multiply=-0.3),
}

FUSED = ", fused"
"""Ends the name of a result that machines with fused multiply-adds have instead: some of banks."""

ROUNDS = 9
"""Cases of one kernel: more than there are types of samples and borders."""


def noise(seed: int, *shape: int) -> NDArray[np.uint64]:
    """Numbers of 64 bits that look random (splitmix64)."""
    count = int(np.prod(shape))
    z = (np.arange(count, dtype=np.uint64) + np.uint64(seed * 1_000_003 + 1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed.reshape(shape)


def whole(seed: int, top: int, *shape: int) -> NDArray[np.float64]:
    """Whole numbers -top..top."""
    return (noise(seed, *shape) % np.uint64(2 * top + 1)).astype(np.float64) - top


def real(seed: int, *shape: int) -> NDArray[np.float64]:
    """Numbers -1..1 with 50 binary digits: too many for whole numbers times a factor."""
    return ((noise(seed, *shape) >> np.uint64(14)).astype(np.float64) - 2.0**49) * 2.0**-49


BELL = np.array([3 / 7, 0.3713, 0.2417, 0.1201, 0.0561, 1 / 43, 0.0091, 1 / 307, 0.0011, 0.0003])
"""Half a bell, from its middle on."""

HAT = np.array([-0.771, -0.503, 2 / 17, 0.3123, 0.1871, 0.0652, 0.0173, 0.0031, 0.0007, 0.0001])
"""Half of its second derivative, roughly."""


def _line(half: Array, count: int) -> NDArray[np.float64]:
    return np.concatenate([half[count - 1 : 0 : -1], half[:count]])


def _log(count: int) -> NDArray[np.float64]:
    bell, hat = _line(BELL, count), _line(HAT, count)
    return np.outer(bell, hat) + np.outer(hat, bell)


def _some(weights: Array, seed: int) -> Array:
    """About a third of the weights; the others are 0."""
    return np.where(noise(seed, *weights.shape) % np.uint64(3) == 0, weights, 0.0)


KERNELS: dict[str, Array] = {
    "1x1 whole": np.array([[-3.0]]),
    "3x3 whole": np.array([[1.0, -2, 3], [-4, 5, -6], [7, -8, 2]]),
    "sobel": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "3x3": real(1, 3, 3),
    "5x5": real(2, 5, 5),
    "5x4 whole": whole(3, 30, 5, 4),
    "9x9": real(4, 9, 9),
    "33x17": real(5, 33, 17),
    "1x7": real(6, 1, 7),
    "9x1": real(7, 9, 1),
    "1x4 whole": whole(8, 9, 1, 4),
    "5x1 whole": whole(9, 9, 5, 1),
    "gaussian 5": np.outer(_line(BELL, 3), _line(BELL, 3)),
    "gaussian 19": np.outer(_line(BELL, 10), _line(BELL, 10)),
    "box 3": np.ones((3, 3)) / 9,
    "box 5x7": np.ones((5, 7)),
    "prewitt": np.outer([1.0, 2, 1], [-1.0, 0, 1]),
    "log 7": _log(4),
    "log 17": _log(9),
    "sparse": _some(real(10, 5, 6), 11),
    "sparse whole": _some(whole(12, 5, 7, 7), 13),
    "depth": real(14, 1, 3, 3, 3),
    "depth whole": whole(15, 4, 1, 3, 3, 2),
    "depth of one": real(16, 1, 1, 5, 3),
    "bank of 4": real(17, 4, 3, 3, 3),
    "bank of 5": real(18, 5, 1, 5, 5),
    "bank of 9": real(19, 9, 4, 3, 2),
    "bank of 5 whole": whole(20, 3, 5, 3, 3, 3) * np.array([1, 0.5, 1, 1, 1 / 3]).reshape(5, 1, 1, 1),
    "bank of 2 whole": whole(21, 5, 2, 1, 3, 3),
}
"""Two axes: used on every channel alike. Four: filters that span the depth."""

SEPARABLE = ("gaussian 5", "gaussian 19", "box 3", "box 5x7", "prewitt", "log 7", "log 17", "sobel", "9x1")


class Case(NamedTuple):
    """One result: what is summed, and what becomes of the sums."""

    kernel: str
    method: str
    dtype: str
    mode: str
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding
    shape: tuple[int, int, int]
    layout: str
    finish: str

    def __str__(self) -> str:
        height, width, channels = self.shape
        sides = self.padding if isinstance(self.padding, str) else "pads {}+{} {}+{}".format(*sum(self.padding, ()))
        words = (f"{height}x{width}x{channels} {self.dtype}", self.kernel, self.method, self.mode, sides)
        steps = "stride {}x{}, dilation {}x{}".format(*self.stride, *self.dilation)
        return ", ".join((*words, steps, self.layout, self.finish))

    @property
    def geometry(self) -> Geometry:
        kernel = KERNELS[self.kernel].shape[-2:]
        return resolve(
            self.shape[:2], (kernel[0], kernel[1]), stride=self.stride, padding=self.padding, dilation=self.dilation
        )

    @property
    def bank(self) -> Bank:
        weights = KERNELS[self.kernel]
        if weights.ndim == 4:
            return bank_from_array(weights)
        return bank_of(make_kernel("k", weights), self.shape[2], summed=False)

    @property
    def plan(self) -> Plan:
        border = Border(self.mode, 7.0 if self.mode == "constant" else 0.0)
        peak = {"uint8": 255.0, "uint16": 65535.0, "int16": 3000.0, "int32": 2.0**20}.get(self.dtype, 2.0**30)
        return make_plan(
            *(self.bank, self.geometry, border, self.shape[2]),
            peak=2.0**15 if self.dtype == "whole int16" else peak,
            whole="float" not in self.dtype,
            method=self.method,
        )

    @property
    def image(self) -> Array:
        return laid_out(samples(self.dtype, self.shape), self.layout)


def samples(dtype: str, shape: tuple[int, int, int]) -> Array:
    """Random samples of a type, (H, W, C)."""
    z = noise(sum(shape), *shape)
    if "float32" in dtype:
        numbers = (z >> np.uint64(40)).astype(np.float64) - 2.0**23
        found = np.ldexp(numbers, -(z & np.uint64(31)).astype(np.int32)).astype(np.float32)
        if dtype == "wild float32":
            strange = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, 0.0, -0.0], dtype=np.float32)
            found = np.where(z & np.uint64(0x700) == 0, strange[(z >> np.uint64(20)) & np.uint64(7)], found)
        return found
    if dtype == "no uint16":
        return np.zeros(shape, dtype=np.uint16)
    if dtype in ("uint8", "uint16", "whole int16"):
        return (z >> np.uint64(48)).astype(np.uint16).astype({"whole int16": "int16"}.get(dtype, dtype))
    top = {"int16": 3000, "int32": 2**20, "wide int32": 2**30}[dtype]
    return (((z >> np.uint64(8)) % np.uint64(2 * top + 1)).astype(np.int64) - top).astype(dtype.split()[-1])


def laid_out(samples: Array, layout: str) -> Array:
    """The same samples, otherwise in memory; what lies between them is the byte 0xA5."""
    height, width, channels = samples.shape
    if layout == "plain":
        return samples
    shape, part = {
        "colour of four": ((height, width, channels + 1), np.s_[:, :, :channels]),
        "planes": ((channels, height + 1, width), np.s_[:, 1:]),
        "backwards": ((height, width, channels), np.s_[::-1, ::-1, ::-1]),
        "gaps": ((2 * height, 3 * width, 2 * channels), np.s_[1::2, 2::3, ::2]),
    }[layout]
    room = np.full(int(np.prod(shape)) * samples.itemsize, 0xA5, dtype=np.uint8).view(samples.dtype).reshape(shape)
    view: Array = room[part]
    if layout == "planes":
        view = view.transpose(1, 2, 0)
    view[...] = samples
    return view


def _fits(case: Case) -> bool:
    try:
        return bool(case.geometry)
    except GeometryError:
        return False


def _cases() -> dict[str, Case]:
    found: list[Case] = []
    drawn = iter(noise(99, len(KERNELS) * ROUNDS, 5))
    for k, (name, weights) in enumerate(KERNELS.items()):
        for r in range(ROUNDS):
            size, stride, dilation, padding, layout = next(drawn).tolist()
            channels = weights.shape[1] if weights.ndim == 4 else (1, 3, 4, 3)[(k + r) % 4]
            case = Case(
                kernel=name,
                method="separable" if name in SEPARABLE and r % 3 else "taps",
                dtype=DTYPES[(k + r) % len(DTYPES)],
                mode=MODES[(k + 5 * r) % len(MODES)],
                stride=STRIDES[stride % len(STRIDES)],
                dilation=DILATIONS[dilation % len(DILATIONS)],
                padding=PADDINGS[padding % len(PADDINGS)],
                shape=(*SIZES[size % len(SIZES)], channels),
                layout=LAYOUTS[layout % len(LAYOUTS)],
                finish=list(FINISHES)[(k * ROUNDS + r) % len(FINISHES)],
            )
            found.append(case if _fits(case) else case._replace(padding="full"))
    # What is not a number is finished as 0, which is the same everywhere; a NaN by itself has bits of its own.
    for kernel in ("3x3", "9x9", "gaussian 19", "bank of 9"):
        channels = KERNELS[kernel].shape[1] if KERNELS[kernel].ndim == 4 else 3
        for finish in ("single 8", "single divide abs 8", "double 16"):
            shape = (31, 70, channels)
            found.append(
                Case(kernel, "separable", "wild float32", "reflect", (1, 1), (1, 1), "same", shape, "plain", finish)
            )
    # A sum of 0 times a negative number is a negative 0.
    for kernel in ("3x3", "3x3 whole", "5x4 whole"):
        for finish in ("double float", "negative float"):
            found.append(Case(kernel, "taps", "no uint16", "zeros", (1, 1), (1, 1), "same", (3, 5, 1), "plain", finish))
    return {str(case): case for case in found}


CASES = _cases()


def result(case: Case, step: int | None = None, layout: str = "plain") -> tuple[Array, int, str]:
    """What comes out, in strips of ``step`` rows: the output, how many samples were clipped, and the plan."""
    plan, image = case.plan, case.image
    finish = _finish(FINISHES[case.finish], plan.dtype)
    if finish is None:
        dtype = plan.dtype if case.finish == "sums" else np.dtype(np.float32)
    else:
        dtype = np.dtype({0: "float32", 255: "uint8"}.get(finish.full, "uint16"))
    out = laid_out(np.zeros(plan.shape, dtype=dtype), layout)
    lost, step = 0, step or plan.shape[0]
    for first in range(0, plan.shape[0], step):
        last = min(first + step, plan.shape[0])
        part = out[first:last]
        if finish is not None:
            lost += plan.store(image, first, last, finish, part)
        elif case.finish == "sums":
            part[...] = plan.sums(image, first, last)
        else:
            plan.write(image, first, last, part)
    return out, lost, str(plan)


def _finish(finish: Finish | None, dtype: np.dtype[Any]) -> Finish | None:
    """The finish as these sums can have it: of whole numbers only what is whole and fits."""
    if finish is None or finish.arithmetic != "integer":
        return finish
    if dtype.kind == "f":
        return finish._replace(arithmetic="single")
    return finish._replace(full=1023) if dtype == np.int16 and finish.full > 255 else finish


def entry(case: Case, step: int | None = None, layout: str = "plain") -> list[str | int]:
    """What is recorded of a result: the plan, how many samples were clipped, and a digest of everything."""
    out, lost, plan = result(case, step, layout)
    digest = hashlib.sha256(f"{out.dtype.name} {out.shape} {lost} ".encode() + out.tobytes())
    return [plan, lost, digest.hexdigest()]


def recorded(*, fused: bool = False) -> dict[str, list[str | int]]:
    """The results as they were recorded, by the name of the case; or those of machines with fused multiply-adds."""
    found: dict[str, list[str | int]] = json.loads(RECORD.read_text("utf-8"))
    chosen = {name: found.get(name + FUSED, result) for name, result in found.items()}
    return {name: (chosen if fused else found)[name] for name in found if not name.endswith(FUSED)}

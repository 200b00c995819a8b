"""conv2d equals the definition, whatever it is asked: thousands of layers made by Hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convtool import conv2d
from convtool.engine import reference
from convtool.engine.border import MODES, Border
from convtool.engine.choice import METHODS
from convtool.engine.geometry import resolve
from convtool.errors import GeometryError
from convtool.kernels.kernel import factor
from tests.support import naive

Array = NDArray[Any]

EXAMPLES = 350
"""For each of the six borders; the same ones in every run."""

stable = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

SAMPLES = ("uint8", "int8", "bool", "uint16", "int16", "int32", "int64", "float32", "float64")
SCALES = tuple(Fraction(text) for text in ("1", "2", "1/16", "1/9", "1/10", "3/7", "1/1000", "299/1000", "9/16"))
FFT_TOLERANCE = 5e-6


@dataclass(frozen=True, eq=False)
class Case:
    """One call of conv2d. Filter n is ``whole[n] * scales[n]`` where whole is there, else ``weight[n]``."""

    x: Array
    weight: Array
    whole: Array | None
    scales: tuple[Fraction, ...]
    layer: naive.Layer

    @property
    def exact(self) -> bool:
        """Whether the contract promises exact sums, rounded once after the scale."""
        if self.whole is None or self.x.dtype.kind not in "biu":
            return False
        if self.layer.mode == "constant" and self.layer.value != round(self.layer.value):
            return False
        sums = np.abs(self.whole).sum(axis=(1, 2, 3))
        return bool(sums.max() * naive.reach(self.x, self.layer) < naive.EXACT_LIMIT)


def samples(draw: st.DrawFn, dtype: str, shape: tuple[int, int, int]) -> Array:
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    found: Array
    if kind.kind == "f":
        found = random.normal(size=shape) * 10.0 ** draw(st.integers(-3, 5))
    else:
        bits = np.iinfo(kind) if kind.kind != "b" else None
        low, high = (0, 1) if bits is None else (max(bits.min, -(10**6)), min(bits.max, 10**6))
        if draw(st.booleans()):  # all at the ends of the range, where sums overflow if they can
            found = random.choice([low, high], size=shape)
        else:
            found = random.integers(low, high, size=shape, endpoint=True)
    x = found.astype(kind)
    if draw(st.booleans()):
        return x
    spread = np.zeros((shape[0], shape[1] * 2, shape[2] + 1), dtype=kind)  # any strides, negative ones too
    view = spread[:, ::-2, 1:]
    view[...] = x
    return view


@st.composite
def cases(draw: st.DrawFn, mode: str) -> Case:
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    depth, filters = draw(st.integers(1, 3 if groups == 1 else 2)), draw(st.integers(1, 3 if groups == 1 else 2))
    size = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    kernel = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    side = st.tuples(st.integers(0, 5), st.integers(0, 5))
    padding = draw(st.one_of(st.sampled_from(["same", "valid", "full"]), st.tuples(side, side)))
    step = st.integers(1, 3)
    layer = naive.Layer(
        stride=(draw(step), draw(step)),
        padding=padding,
        dilation=(draw(step), draw(step)),
        mode=mode,
        value=float(draw(st.sampled_from([0, 7, -300, 0.25]))) if mode == "constant" else 0.0,
        groups=groups,
    )
    x = samples(draw, draw(st.sampled_from(SAMPLES)), (depth * groups, *size))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (filters * groups, depth, *kernel)
    kind = draw(st.sampled_from(["small", "large", "sparse", "float32", "float64", "tiny"]))
    if kind in ("small", "large", "sparse"):
        limit = {"small": 9, "large": 5000, "sparse": 2}[kind]
        whole = random.integers(-limit, limit, size=shape, endpoint=True)
        if kind == "sparse":
            whole *= random.integers(0, 1, size=shape, endpoint=True)
        one = draw(st.booleans())
        chosen = [draw(st.sampled_from(SCALES)) for _ in range(1 if one else shape[0])]
        scales = tuple(chosen * (shape[0] if one else 1))
        weight = np.stack([w * s.numerator / s.denominator for w, s in zip(whole, scales, strict=True)])
        return Case(x, weight, whole, scales, layer)
    weight = random.normal(size=shape) * {"float32": 1.0, "float64": 100.0, "tiny": 1e-6}[kind]
    return Case(x, weight.astype(np.float32 if kind == "float32" else np.float64), None, (), layer)


def fits(case: Case) -> bool:
    size, kernel = case.x.shape[1:], case.weight.shape[2:]
    return min(case.layer.out((size[0], size[1]), (kernel[0], kernel[1]))) >= 1


def check(case: Case, y: Array, method: str) -> None:
    assert y.dtype == np.float32
    if case.exact:
        assert case.whole is not None
        sums = naive.correlate(case.x, case.whole, case.layer)
        for found, total, scale in zip(y, sums, case.scales, strict=True):
            np.testing.assert_array_equal(found, naive.rounded_once(total, scale))
        return
    allowed = naive.allowance(case.x, case.weight, case.layer)
    if method == "fft":
        allowed = allowed * (FFT_TOLERANCE / naive.TOLERANCE)
    difference = np.abs(y - naive.correlate(case.x, case.weight, case.layer))
    assert (difference <= allowed).all(), f"off by {(difference / np.maximum(allowed, 1e-300)).max():.3g} allowances"


@pytest.mark.parametrize("mode", MODES)
def test_every_method_gives_the_defined_sum(mode: str) -> None:
    seen: list[bool] = []

    @settings(stable, max_examples=EXAMPLES)
    @given(cases(mode), st.sampled_from([1, 2, 3]))
    def compare(case: Case, threads: int) -> None:
        if not fits(case):
            with pytest.raises(GeometryError):
                conv2d(case.x, case.weight, **case.layer.options())
            return
        seen.append(case.exact)
        before = case.x.copy()
        for method in METHODS:
            y = conv2d(case.x, case.weight, **case.layer.options(), method=method)
            check(case, y, method)
            again = conv2d(case.x, case.weight, **case.layer.options(), method=method, threads=threads)
            np.testing.assert_array_equal(again, y)
        np.testing.assert_array_equal(case.x, before)

    compare()
    assert sum(seen) >= EXAMPLES // 10  # both halves of the contract were looked at
    assert len(seen) - sum(seen) >= EXAMPLES // 10


@pytest.mark.parametrize("mode", MODES)
def test_the_oracle_is_the_definition(mode: str) -> None:
    """What the tests compare with is itself compared with the plain loops, whole images of it."""

    @settings(stable, max_examples=60)
    @given(cases(mode))
    def compare(case: Case) -> None:
        assume(fits(case))
        size, kernel = case.x.shape[1:], case.weight.shape[2:]
        assume(case.weight.size * np.prod(case.layer.out((size[0], size[1]), (kernel[0], kernel[1]))) < 20_000)
        padding: Any = case.layer.padding
        geometry = resolve(
            (size[0], size[1]),
            (kernel[0], kernel[1]),
            stride=case.layer.stride,
            padding=padding,
            dilation=case.layer.dilation,
        )
        border = Border(mode, case.layer.value)
        share, depth = len(case.weight) // case.layer.groups, case.weight.shape[1]
        parts = [
            reference.correlate(
                case.x[group * depth : (group + 1) * depth],
                case.weight[group * share : (group + 1) * share].astype(np.float64),
                np.zeros(share),
                geometry,
                border,
            )
            for group in range(case.layer.groups)
        ]
        slow, fast = np.concatenate(parts), naive.correlate(case.x, case.weight, case.layer)
        slack = float(naive.allowance(case.x, case.weight, case.layer).max()) * 1e-6
        np.testing.assert_allclose(fast, slow, rtol=0, atol=slack)
        if case.whole is not None and case.x.dtype.kind in "iu" and set(case.scales) == {Fraction(1)}:
            np.testing.assert_array_equal(fast, slow)

    compare()


@settings(stable, max_examples=150)
@given(cases("reflect"), st.sampled_from(METHODS))
def test_bias_is_added_after_the_sum(case: Case, method: str) -> None:
    assume(fits(case))
    bias = naive.numbers(case.x.size, len(case.weight), low=-400, high=400) / 8
    plain = conv2d(case.x, case.weight, **case.layer.options(), method=method)
    moved = conv2d(case.x, case.weight, bias, **case.layer.options(), method=method)
    want = plain.astype(np.float64) + bias[:, None, None]
    np.testing.assert_allclose(moved, want, rtol=2.0**-23, atol=0)


@settings(stable, max_examples=150)
@given(cases("symmetric"), st.sampled_from(METHODS))
def test_out_is_filled_and_returned(case: Case, method: str) -> None:
    assume(fits(case))
    plain = conv2d(case.x, case.weight, **case.layer.options(), method=method)
    out = np.full(plain.shape, np.nan, dtype=np.float32)
    assert conv2d(case.x, case.weight, **case.layer.options(), method=method, out=out) is out
    np.testing.assert_array_equal(out, plain)


SIZES = st.integers(1, 12)


@settings(stable, max_examples=400)
@given(st.sampled_from(MODES), SIZES, st.lists(st.integers(-60, 70), min_size=1, max_size=40))
@example("reflect", 1, [-2, -1, 0, 1, 2])
@example("symmetric", 1, [-2, -1, 0, 1, 2])
@example("circular", 1, [-2, -1, 0, 1, 2])
def test_where_border_samples_come_from(mode: str, size: int, positions: list[int]) -> None:
    """Index arithmetic against np.pad, which both the engine and the plain loops have to agree with."""
    line = np.arange(1, size + 1)
    reach = 80
    layer = naive.Layer(padding=((0, 0), (reach, reach)), mode=mode, value=-7.0)
    around = naive.padded(line[None, None], layer, (1, 1))[0, 0]
    outside = -7 if mode == "constant" else 0
    fast = Border(mode, -7.0).source(np.array(positions), size)
    for position, source in zip(positions, fast.tolist(), strict=True):
        slow = reference.place(position, size, mode)
        assert (outside if slow is None else line[slow]) == around[reach + position]
        assert (outside if source == -1 else line[source]) == around[reach + position]


@settings(stable, max_examples=500)
@given(
    st.lists(st.integers(-60, 60), min_size=1, max_size=12).filter(any),
    st.sampled_from(SCALES),
    st.sampled_from([np.float64, np.float32]),
)
@example([6, 9, 8], Fraction(1, 10), np.float64)  # no two of these share their common factor
@example([299, 587, 114], Fraction(1, 1000), np.float64)
@example([25, -2], Fraction(1, 9), np.float32)
def test_whole_numbers_times_a_scale_are_found_again(numbers: list[int], scale: Fraction, kind: type[Any]) -> None:
    """Bare weights, as conv2d gets them and banks store them, keep the exactness of the numbers they were made of."""
    whole = np.array(numbers).reshape(1, -1)
    weights = (whole * scale.numerator / scale.denominator).astype(kind).astype(np.float64)
    found = factor(weights)
    assert found is not None
    integers, unit = found
    wanted = [number * scale for number in numbers]
    if kind is np.float64:
        assert [int(v) * unit for v in integers.ravel()] == wanted
    else:  # rounded to single precision, the same up to that rounding
        assert [float(v * unit) for v in integers.ravel().tolist()] == pytest.approx(
            list(map(float, wanted)), rel=2.0**-23
        )

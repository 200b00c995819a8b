"""Every method against the definition, borders first, on small images of all shapes."""

from __future__ import annotations

import numpy as np
import pytest

from convtool.engine.border import MODES
from convtool.engine.geometry import resolve
from convtool.errors import GeometryError
from tests.support.engine_cases import CONSTANT, KINDS, METHODS, definition, run, samples, tolerance, weights

DTYPES = ("uint8", "uint16", "int16", "int32", "float32")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_random_cases(method: str, mode: str) -> None:
    rng = np.random.default_rng([METHODS.index(method), MODES.index(mode)])
    done = 0
    while done < 60:
        c, n = int(rng.choice([1, 1, 2, 3])), int(rng.choice([1, 1, 2, 5]))
        height, width, kh, kw = (int(v) for v in rng.integers(1, [12, 12, 7, 7]))
        sh, sw, dh, dw = (int(v) for v in rng.integers(1, 4, 4))
        top, bottom, left, right = (int(v) for v in rng.integers(0, 6, 4))
        padding = (top, bottom), (left, right)
        try:
            geometry = resolve((height, width), (kh, kw), stride=(sh, sw), padding=padding, dilation=(dh, dw))
        except GeometryError:
            continue
        if geometry.out[0] * geometry.out[1] * n * c * kh * kw > 4000:
            continue
        dtype, kind = str(rng.choice(DTYPES)), str(rng.choice(KINDS))
        x, w = samples(dtype, (c, height, width), rng), weights(kind, (n, c, kh, kw), rng)
        expected = definition(x, w, (sh, sw), padding, (dh, dw), mode)
        found = run(x, w, method, (sh, sw), padding, (dh, dw), mode)
        peak = max(float(np.abs(x.astype(np.float64)).max()), CONSTANT)
        case = f"{method} {mode} x {x.shape} {dtype} w {w.shape} {kind} stride {sh, sw} pad {padding} dilation {dh, dw}"
        error = np.abs(found - expected).max()
        assert error <= tolerance(method, w, peak), f"{case}: off by {error}"
        if w.any() and np.array_equal(w, np.rint(w)) and dtype != "float32" and np.abs(expected).max() < 2**24:
            bound = np.abs(w).sum(axis=(1, 2, 3)).max() * peak
            if bound < 2**24:
                np.testing.assert_array_equal(found, expected, err_msg=case)
        done += 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("padding", ["same", "full", 2], ids=str)
def test_kernels_larger_than_the_image(method: str, mode: str, padding: object) -> None:
    rng = np.random.default_rng(3)
    for height, width in ((1, 1), (1, 4), (3, 1), (2, 3)):
        x, w = samples("uint8", (1, height, width), rng), weights("whole", (1, 1, 5, 5), rng)
        geometry_padding = {"same": ((2, 2), (2, 2)), "full": ((4, 4), (4, 4))}.get(str(padding), ((2, 2), (2, 2)))
        expected = definition(x, w, (1, 1), geometry_padding, (1, 1), mode)
        np.testing.assert_array_equal(run(x, w, method, (1, 1), padding, (1, 1), mode), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(kh, kw) for kh in (1, 2, 4, 5) for kw in (1, 2, 3, 6)])
def test_an_impulse_gives_the_kernel_back(method: str, size: tuple[int, int]) -> None:
    kernel = np.arange(1.0, size[0] * size[1] + 1).reshape(1, 1, *size)
    x = np.zeros((1, 15, 17), dtype=np.uint8)
    x[0, 7, 8] = 1
    found = run(x, kernel, method, padding="full", mode="zeros")
    np.testing.assert_array_equal(found[0, 7 : 7 + size[0], 8 : 8 + size[1]], kernel[0, 0, ::-1, ::-1])
    assert found.sum() == kernel.sum()


@pytest.mark.parametrize("method", METHODS)
def test_all_weights_zero(method: str) -> None:
    x = np.full((2, 6, 7), 200, dtype=np.uint8)
    assert not run(x, np.zeros((3, 2, 3, 3)), method).any()
    assert not run(x[:1], np.zeros((1, 1, 3, 3)), method).any()


@pytest.mark.parametrize("method", METHODS)
def test_groups_and_any_strides_of_the_input(method: str) -> None:
    rng = np.random.default_rng(8)
    image, w = samples("uint8", (9, 10, 4), rng), weights("dense", (4, 2, 3, 3), rng)
    x = image[::-1, ::2].transpose(2, 0, 1)
    from convtool import conv2d

    found = conv2d(x, w, padding=1, groups=2, method=method)
    for group in range(2):
        part = slice(group * 2, group * 2 + 2)
        expected = definition(x[part], w[part], (1, 1), ((1, 1), (1, 1)), (1, 1), "zeros")
        assert np.abs(found[part] - expected).max() <= tolerance(method, w, 255)

"""From a map to samples: every policy by hand on three 3x3 pictures, ties, odd maps, and exact rounding.

The pictures and their map y = right - left (kernel -1 0 1, columns replicated outside):

    uint8   10  50  90      y =  40  80   40
            20  20 200            0 180  180
             0 255   5          255   5 -250        min -250, max 255, max|y| 255; M 255, Z 128

    uint16      0 1000 3000      y =   1000   3000 2000
             5000 5000 5514              0    514  514
            65535    0  257         -65535 -65278  257    min -65535, max 3000, max|y| 65535; M 65535, Z 32768

    float32  0     0.25  0.5     y =  0.25  0.5   0.25
             1     1     0.5          0    -0.5  -0.5
             0.75 -0.5   2           -1.25  1.25  2.5     min -1.25, max 2.5, max|y| 2.5; M 1, Z 0.5
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from convtool import apply
from convtool.kernels.library import Library
from convtool.layers.filtering import FeatureMap, filter_map
from convtool.layers.maps import list_maps
from convtool.layers.plan import plan_map
from convtool.layers.settings import Settings
from convtool.pictures.picture import picture_from_array
from convtool.tone.extent import Extent
from convtool.tone.ranges import Range, parse_range
from convtool.tone.toner import FULL, MIDDLE, Toner, tone_alpha

Array = NDArray[Any]

PICTURES: dict[str, Array] = {
    "uint8": np.array([[10, 50, 90], [20, 20, 200], [0, 255, 5]], dtype=np.uint8),
    "uint16": np.array([[0, 1000, 3000], [5000, 5000, 5514], [65535, 0, 257]], dtype=np.uint16),
    "float32": np.array([[0, 0.25, 0.5], [1, 1, 0.5], [0.75, -0.5, 2]], dtype=np.float32),
}


def difference(picture: Array, policy: str | None, dtype: str | None, kernel: str = "-1 0 1") -> FeatureMap:
    chosen = Settings(border=("replicate", 0.0), range=parse_range(policy) if policy else None, dtype=dtype)
    made = picture_from_array(picture)
    (spec,) = list_maps([Library().load(kernel)], chosen)
    return filter_map(plan_map(spec, made.layout, chosen), made, extent=True)


def test_the_maps_are_those_of_the_text() -> None:
    assert difference(PICTURES["uint8"], "raw", "float32").samples[..., 0].tolist() == [
        [40, 80, 40],
        [0, 180, 180],
        [255, 5, -250],
    ]
    assert difference(PICTURES["uint16"], "raw", "float32").samples[..., 0].tolist() == [
        [1000, 3000, 2000],
        [0, 514, 514],
        [-65535, -65278, 257],
    ]
    assert difference(PICTURES["float32"], "raw", "float32").samples[..., 0].tolist() == [
        [0.25, 0.5, 0.25],
        [0, -0.5, -0.5],
        [-1.25, 1.25, 2.5],
    ]


# (input, range, output, samples, clipped samples)
BY_HAND: list[tuple[str, str, str, list[list[float]], int]] = [
    # 8 bits in, 8 bits out. clip: y, and -250 is lost
    ("uint8", "clip", "uint8", [[40, 80, 40], [0, 180, 180], [255, 5, 0]], 1),
    ("uint8", "raw", "uint8", [[40, 80, 40], [0, 180, 180], [255, 5, 0]], 1),
    # 2y = 80 160 80, 0 360 360, 510 10 -500
    ("uint8", "clip:2", "uint8", [[80, 160, 80], [0, 255, 255], [255, 10, 0]], 4),
    ("uint8", "abs", "uint8", [[40, 80, 40], [0, 180, 180], [255, 5, 250]], 0),
    ("uint8", "abs:-1", "uint8", [[40, 80, 40], [0, 180, 180], [255, 5, 250]], 0),
    # |y|/4 = 10 20 10, 0 45 45, 63.75 1.25 62.5: the tie goes to the even 62
    ("uint8", "abs:1/4", "uint8", [[10, 20, 10], [0, 45, 45], [64, 1, 62]], 0),
    # y + 128 = 168 208 168, 128 308 308, 383 133 -122
    ("uint8", "shift", "uint8", [[168, 208, 168], [128, 255, 255], [255, 133, 0]], 4),
    # y/2 + 128 = 148 168 148, 128 218 218, 255.5 130.5 3: ties go to 256 (lost: 255 is left) and to 130
    ("uint8", "shift:1/2", "uint8", [[148, 168, 148], [128, 218, 218], [255, 130, 3]], 1),
    # (y + 250)/505*255 = 146.44 166.63 146.44, 126.24 217.13 217.13, 255 128.76 0
    ("uint8", "stretch", "uint8", [[146, 167, 146], [126, 217, 217], [255, 129, 0]], 0),
    # a gain cancels: (7y + 1750)/3535*255
    ("uint8", "stretch:7", "uint8", [[146, 167, 146], [126, 217, 217], [255, 129, 0]], 0),
    # (-y + 255)/505*255 = 108.56 88.37 108.56, 128.76 37.87 37.87, 0 126.24 255
    ("uint8", "stretch:-1", "uint8", [[109, 88, 109], [129, 38, 38], [0, 126, 255]], 0),
    # y/255*127 + 128 = 147.92 167.84 147.92, 128 217.65 217.65, 255 130.49 3.49
    ("uint8", "symmetric", "uint8", [[148, 168, 148], [128, 218, 218], [255, 130, 3]], 0),
    # -y/255*127 + 128 = 108.08 88.16 108.08, 128 38.35 38.35, 1 125.51 252.51
    ("uint8", "symmetric:-1", "uint8", [[108, 88, 108], [128, 38, 38], [1, 126, 253]], 0),
    # 8 bits in, 16 out: all times 65535/255 = 257 before the rounding
    ("uint8", "clip", "uint16", [[10280, 20560, 10280], [0, 46260, 46260], [65535, 1285, 0]], 1),
    ("uint8", "raw", "uint16", [[10280, 20560, 10280], [0, 46260, 46260], [65535, 1285, 0]], 1),
    # 63.75*257 = 16383.75, 1.25*257 = 321.25, 62.5*257 = 16062.5: to the even 16062
    ("uint8", "abs:1/4", "uint16", [[2570, 5140, 2570], [0, 11565, 11565], [16384, 321, 16062]], 0),
    # (y + 128)*257
    ("uint8", "shift", "uint16", [[43176, 53456, 43176], [32896, 65535, 65535], [65535, 34181, 0]], 4),
    # (y/2 + 128)*257: 255.5*257 = 65663.5, 130.5*257 = 33538.5
    ("uint8", "shift:1/2", "uint16", [[38036, 43176, 38036], [32896, 56026, 56026], [65535, 33538, 771]], 1),
    # (y + 250)/505*65535 = 37633.96 42824.85 .., 32443.07 55802.08 .., 65535 33091.93 0
    ("uint8", "stretch", "uint16", [[37634, 42825, 37634], [32443, 55802, 55802], [65535, 33092, 0]], 0),
    # (y/255*127 + 128)*257 = 38015.84 43135.69 .., 32896 55935.29 .., 65535 33535.98 896.98
    ("uint8", "symmetric", "uint16", [[38016, 43136, 38016], [32896, 55935, 55935], [65535, 33536, 897]], 0),
    # 8 bits in, float out: units of the input, nothing rounded, nothing clipped
    ("uint8", "clip", "float32", [[40, 80, 40], [0, 180, 180], [255, 5, -250]], 0),
    ("uint8", "raw", "float32", [[40, 80, 40], [0, 180, 180], [255, 5, -250]], 0),
    ("uint8", "abs:1/4", "float32", [[10, 20, 10], [0, 45, 45], [63.75, 1.25, 62.5]], 0),
    ("uint8", "shift:1/2", "float32", [[148, 168, 148], [128, 218, 218], [255.5, 130.5, 3]], 0),
    (
        "uint8",
        "stretch",
        "float32",
        [[146.4356436, 166.6336634, 146.4356436], [126.2376238, 217.1287129, 217.1287129], [255, 128.7623762, 0]],
        0,
    ),
    (
        "uint8",
        "symmetric",
        "float32",
        [[147.9215686, 167.8431373, 147.9215686], [128, 217.6470588, 217.6470588], [255, 130.4901961, 3.4901961]],
        0,
    ),
    # 16 bits in, 16 out
    ("uint16", "clip", "uint16", [[1000, 3000, 2000], [0, 514, 514], [0, 0, 257]], 2),
    ("uint16", "raw", "uint16", [[1000, 3000, 2000], [0, 514, 514], [0, 0, 257]], 2),
    # |y|/4: 514/4 = 128.5 to the even 128, 65278/4 = 16319.5 to the even 16320, 65535/4 = 16383.75, 257/4 = 64.25
    ("uint16", "abs:1/4", "uint16", [[250, 750, 500], [0, 128, 128], [16384, 16320, 64]], 0),
    # y + 32768
    ("uint16", "shift", "uint16", [[33768, 35768, 34768], [32768, 33282, 33282], [0, 0, 33025]], 2),
    # y/2 + 32768: 0.5 to 0, 32896.5 to 32896
    ("uint16", "shift:1/2", "uint16", [[33268, 34268, 33768], [32768, 33025, 33025], [0, 129, 32896]], 0),
    # (y + 65535)/68535*65535 = 63622.55 65535 64578.77, 62666.32 63157.82 63157.82, 0 245.75 62912.07
    ("uint16", "stretch", "uint16", [[63623, 65535, 64579], [62666, 63158, 63158], [0, 246, 62912]], 0),
    # y/65535*32767 + 32768 = 33267.992 34267.977 33767.985, 32768 33024.996 33024.996, 1 129.498 32896.498
    ("uint16", "symmetric", "uint16", [[33268, 34268, 33768], [32768, 33025, 33025], [1, 129, 32896]], 0),
    # 16 bits in, 8 out: all over 257. y/257 = 3.89 11.67 7.78, 0 2 2, -255 -254 1
    ("uint16", "clip", "uint8", [[4, 12, 8], [0, 2, 2], [0, 0, 1]], 2),
    ("uint16", "abs", "uint8", [[4, 12, 8], [0, 2, 2], [255, 254, 1]], 0),
    # |y|/4/257: 514/1028 = 0.5 to 0, 65278/1028 = 63.5 to 64, 257/1028 = 0.25
    ("uint16", "abs:1/4", "uint8", [[1, 3, 2], [0, 0, 0], [64, 64, 0]], 0),
    # (y + 32768)/257 = 131.39 139.18 135.28, 127.502 129.502 129.502, -127.5 -126.5 128.502
    ("uint16", "shift", "uint8", [[131, 139, 135], [128, 130, 130], [0, 0, 129]], 2),
    # (y + 65535)/68535*255 = 247.56 255 251.28, 243.84 245.75 245.75, 0 0.96 244.79
    ("uint16", "stretch", "uint8", [[248, 255, 251], [244, 246, 246], [0, 1, 245]], 0),
    # (y/65535*32767 + 32768)/257 = 129.45 133.34 131.39, 127.502 128.502 128.502, 0.004 0.504 128.002
    ("uint16", "symmetric", "uint8", [[129, 133, 131], [128, 129, 129], [0, 1, 128]], 0),
    # 16 bits in, float out
    ("uint16", "clip", "float32", [[1000, 3000, 2000], [0, 514, 514], [-65535, -65278, 257]], 0),
    ("uint16", "abs:1/4", "float32", [[250, 750, 500], [0, 128.5, 128.5], [16383.75, 16319.5, 64.25]], 0),
    ("uint16", "shift", "float32", [[33768, 35768, 34768], [32768, 33282, 33282], [-32767, -32510, 33025]], 0),
    (
        "uint16",
        "stretch",
        "float32",
        [[63622.5465, 65535, 64578.7733], [62666.3198, 63157.8203, 63157.8203], [0, 245.7503, 62912.0700]],
        0,
    ),
    (
        "uint16",
        "symmetric",
        "float32",
        [
            [33267.9923705, 34267.9771115, 33767.984741],
            [32768, 33024.9960784, 33024.9960784],
            [1, 129.4980392, 32896.4980392],
        ],
        0,
    ),
    # float in: full scale is 1. y*255 = 63.75 127.5 63.75, 0 -127.5 -127.5, -318.75 318.75 637.5
    ("float32", "clip", "uint8", [[64, 128, 64], [0, 0, 0], [0, 255, 255]], 5),
    ("float32", "raw", "uint8", [[64, 128, 64], [0, 0, 0], [0, 255, 255]], 5),
    ("float32", "abs", "uint8", [[64, 128, 64], [0, 128, 128], [255, 255, 255]], 3),
    # |y|/4*255 = 15.94 31.88 15.94, 0 31.88 31.88, 79.69 79.69 159.38
    ("float32", "abs:1/4", "uint8", [[16, 32, 16], [0, 32, 32], [80, 80, 159]], 0),
    # (y + 0.5)*255 = 191.25 255 191.25, 127.5 0 0, -191.25 446.25 765
    ("float32", "shift", "uint8", [[191, 255, 191], [128, 0, 0], [0, 255, 255]], 3),
    # (y + 1.25)/3.75*255 = 102 119 102, 85 51 51, 0 170 255
    ("float32", "stretch", "uint8", [[102, 119, 102], [85, 51, 51], [0, 170, 255]], 0),
    # (y/2.5*0.5 + 0.5)*255 = 140.25 153 140.25, 127.5 102 102, 63.75 191.25 255
    ("float32", "symmetric", "uint8", [[140, 153, 140], [128, 102, 102], [64, 191, 255]], 0),
    # y*65535 = 16383.75 32767.5 .., 0 -32767.5 .., -81918.75 81918.75 163837.5
    ("float32", "clip", "uint16", [[16384, 32768, 16384], [0, 0, 0], [0, 65535, 65535]], 5),
    ("float32", "shift", "uint16", [[49151, 65535, 49151], [32768, 0, 0], [0, 65535, 65535]], 3),
    ("float32", "stretch", "uint16", [[26214, 30583, 26214], [21845, 13107, 13107], [0, 43690, 65535]], 0),
    ("float32", "symmetric", "uint16", [[36044, 39321, 36044], [32768, 26214, 26214], [16384, 49151, 65535]], 0),
    ("float32", "clip", "float32", [[0.25, 0.5, 0.25], [0, -0.5, -0.5], [-1.25, 1.25, 2.5]], 0),
    ("float32", "abs:1/4", "float32", [[0.0625, 0.125, 0.0625], [0, 0.125, 0.125], [0.3125, 0.3125, 0.625]], 0),
    ("float32", "shift", "float32", [[0.75, 1, 0.75], [0.5, 0, 0], [-0.75, 1.75, 3]], 0),
    ("float32", "stretch", "float32", [[0.4, 7 / 15, 0.4], [1 / 3, 0.2, 0.2], [0, 2 / 3, 1]], 0),
    ("float32", "symmetric", "float32", [[0.55, 0.6, 0.55], [0.5, 0.4, 0.4], [0.25, 0.75, 1]], 0),
]


@pytest.mark.parametrize(("source", "policy", "dtype", "samples", "clipped"), BY_HAND)
def test_by_hand(source: str, policy: str, dtype: str, samples: list[list[float]], clipped: int) -> None:
    found = difference(PICTURES[source], policy, dtype)
    assert found.samples.dtype == dtype
    tolerance = 2e-7 if dtype == "float32" else 0.0
    np.testing.assert_allclose(found.samples[..., 0], np.array(samples), rtol=tolerance, atol=0)
    assert found.clipped == clipped


@pytest.mark.parametrize(("source", "low", "high"), [("uint8", -250, 255), ("float32", -1.25, 2.5)])
@pytest.mark.parametrize("policy", ["clip", "stretch", "symmetric:2", "abs:1/4"])
def test_the_extent_is_the_maps_before_gain_and_policy(source: str, low: float, high: float, policy: str) -> None:
    extent = difference(PICTURES[source], policy, None).extent
    assert (extent.low, extent.high) == (low, high)


# Odd maps


@pytest.mark.parametrize(("dtype", "sample"), [("uint8", 200), ("uint16", 51400), ("float32", 200)])
def test_a_constant_map_under_stretch_is_clipped(dtype: str, sample: int) -> None:
    flat = np.full((3, 3), 200, dtype=np.uint8)
    assert (difference(flat, "stretch", dtype, kernel="1").samples == sample).all()
    # 200*3 = 600 is beyond 8 bits: clipped nine times
    found = difference(flat, "stretch", "uint8", kernel="3")
    assert (found.samples == 255).all()
    assert found.clipped == 9
    assert (difference(flat, "stretch:1/16", "uint8", kernel="1").samples == 12).all()  # 12.5 to the even 12


@pytest.mark.parametrize(
    ("source", "dtype", "middle"),
    [
        ("uint8", "uint8", 128),
        ("uint8", "uint16", 32896),  # 128*257
        ("uint8", "float32", 128),
        ("uint16", "uint8", 128),  # 32768/257 = 127.502
        ("uint16", "uint16", 32768),
        ("float32", "uint8", 128),  # 127.5, the tie goes to the even 128
        ("float32", "uint16", 32768),
        ("float32", "float32", 0.5),
    ],
)
def test_an_all_zero_map_under_symmetric_is_the_middle(source: str, dtype: str, middle: float) -> None:
    flat = np.full((3, 3), 1, dtype=source)
    found = difference(flat, "symmetric:3", dtype)
    assert (found.samples == middle).all()
    assert found.clipped == 0


def test_min_and_max_are_over_the_colour_channels_together() -> None:
    # Channels run over 0..1, 0..10 and 0..100: y/100*255 puts their tops at 2.55, 25.5 (to 26) and 255.
    picture = np.zeros((1, 2, 3), dtype=np.uint8)
    picture[0, 1] = 1, 10, 100
    assert difference(picture, "stretch", None, kernel="1").samples.tolist() == [[[0, 0, 0], [3, 26, 255]]]
    # Alpha has no say: 3 and 7 are stretched although alpha is 255.
    grey = np.array([[[3, 255], [7, 255]]], dtype=np.uint8)
    assert difference(grey, "stretch", None, kernel="1").samples.tolist() == [[[0, 255], [255, 255]]]


def test_halves_go_to_the_even_neighbour() -> None:
    # (x[j] + x[j+1])/2 over 0 1 2 3 4 5 is 0.5 1.5 2.5 3.5 4.5
    row = np.arange(6, dtype=np.uint8)[None]
    assert apply(row, "1 1 / 2", pad="valid", range="clip")["inline"].tolist() == [[0, 2, 2, 4, 4]]
    assert apply(row, "-1 -1 / 2", pad="valid", range="abs")["inline"].tolist() == [[0, 2, 2, 4, 4]]
    # -0.5 + 128 = 127.5, 126.5, 125.5 ...
    assert apply(row, "-1 -1 / 2", pad="valid", range="shift")["inline"].tolist() == [[128, 126, 126, 124, 124]]
    # on 16 bits in 8: 257*(0.5 1.5 2.5) is the tie
    wide = np.array([[0, 257, 514, 771]], dtype=np.uint16)
    assert apply(wide, "1 1 / 2", pad="valid", range="clip", dtype="uint8")["inline"].tolist() == [[0, 2, 2]]


def test_ties_under_stretch_are_seen_as_ties() -> None:
    # 0..90 to 0..255: 3 is 8.5 and 9 is 25.5, exactly; a gain of 2.8333 computed first would miss one of them
    row = np.array([[0, 3, 9, 15, 21, 27, 33, 39, 45, 90]], dtype=np.uint8)
    # 8.5 25.5 42.5 59.5 76.5 93.5 110.5 127.5
    expected = [0, 8, 26, 42, 60, 76, 94, 110, 128, 255]
    assert apply(row, "1", range="stretch")["inline"].tolist() == [expected]
    # A third of the map, which float32 cannot hold, is stretched to the same samples.
    assert apply(row, "1/3", range="stretch")["inline"].tolist() == [expected]


def test_ties_that_a_rounded_gain_would_miss() -> None:
    # 0..50 to 0..255: 25 is 127.5 and 45 is 229.5; 25*5.1 and 45*5.1 are a trifle less in double precision
    row = np.array([[0, 25, 45, 50]], dtype=np.uint8)
    assert apply(row, "1", range="stretch")["inline"].tolist() == [[0, 128, 230, 255]]
    assert apply(row, "1 / 9", range="stretch:3")["inline"].tolist() == [[0, 128, 230, 255]]
    # The same as the larger of two maps.
    assert apply(row, ["1", "-1"], merge="max", range="stretch")["merged"].tolist() == [[0, 128, 230, 255]]


def test_bias_moves_the_map_and_gain_multiplies_it_with_the_bias() -> None:
    # |(x - 3)|*2 over 1 3 7
    row = np.array([[1, 3, 7]], dtype=np.uint8)
    assert apply(row, "1", bias=-3, range="abs:2")["inline"].tolist() == [[4, 0, 8]]
    # (x + 0.5)/3: 0.5, 1.17, 2.5: scale and bias meet in a tie that neither has by itself
    assert apply(row, "1", bias=0.5, range="clip:1/3")["inline"].tolist() == [[0, 1, 2]]
    # x/3 + 0.1
    assert apply(row, "1 / 3", bias=0.1, range="clip:10")["inline"].tolist() == [[4, 11, 24]]


# Exactness

SCALES = [Fraction(1, 16), Fraction(1, 9), Fraction(1, 6), Fraction(3, 7), Fraction(4, 15), Fraction(1)]
BOUND = 2**24 - 1


def toned(y: Fraction, policy: Range, source: str, dtype: str, low: Fraction, high: Fraction) -> int:
    """Section 3, "Values", in fractions."""
    full, middle = FULL[source], MIDDLE[source]
    y = y * policy.gain
    low, high = sorted((low * policy.gain, high * policy.gain))
    if policy.how == "abs":
        y = abs(y)
    elif policy.how == "shift":
        y += middle
    elif policy.how == "stretch" and low != high:
        y = (y - low) / (high - low) * full
    elif policy.how == "symmetric":
        peak = max(-low, high)
        y = y / peak * (full - middle) + middle if peak else middle
    return min(max(round(y * FULL[dtype] / full), 0), int(FULL[dtype]))


def check_sums(
    values: list[int], policy: Range, scale: Fraction, bias: Fraction, source: str, dtype: str, kind: str
) -> None:
    sums = np.array(values, dtype=kind)
    maps = [Fraction(v) * scale + bias for v in values]
    low, high = min(maps), max(maps)
    toner = Toner(policy, source, dtype, Extent(float(low), float(high), (low, high)))
    out = np.empty(sums.shape, dtype=dtype)
    bound = float(max(map(abs, values)) or 1)
    toner.sums(sums, toner.finish_for(sums.dtype, scale, bias, exact=True, bound=bound), out)
    assert out.tolist() == [toned(y, policy, source, dtype, low, high) for y in maps]


@st.composite
def near_ties(draw: st.DrawFn, scale: Fraction, step: Fraction) -> int:
    """A sum whose scaled value lies as near as can be to the middle between two samples, ``step`` apart."""
    half = step * (draw(st.integers(0, 66_000)) + Fraction(1, 2))
    return max(-BOUND, min(round(half / scale) + draw(st.integers(-1, 1)), BOUND))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_exact_sums_are_rounded_once(data: st.DataObject) -> None:
    scale = data.draw(st.sampled_from(SCALES))
    source = data.draw(st.sampled_from(["uint8", "uint16"]))
    dtype = data.draw(st.sampled_from(["uint8", "uint16"]))
    how = data.draw(st.sampled_from(["clip", "abs", "shift", "stretch", "symmetric", "raw"]))
    gain = data.draw(st.sampled_from([Fraction(1), Fraction(1, 4), Fraction(4, 15), Fraction(-2), Fraction(1, 3)]))
    bias = data.draw(st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(-3), Fraction(1, 10)]))
    step = FULL[source] / FULL[dtype] / abs(gain)
    any_sum = st.one_of(near_ties(scale, step), st.integers(-BOUND, BOUND), st.integers(-1000, 5000))
    values = data.draw(st.lists(any_sum, min_size=1, max_size=40))
    kinds = ["int32", "float32"] + (["int16"] if max(map(abs, values)) < 2**15 else [])
    check_sums(values, Range(how, gain), scale, bias, source, dtype, data.draw(st.sampled_from(kinds)))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("source", "dtype"), [("uint8", "uint8"), ("uint8", "uint16"), ("uint16", "uint8")])
@pytest.mark.parametrize("how", ["clip", "abs", "shift"])
def test_every_sum_that_shows(scale: Fraction, source: str, dtype: str, how: str) -> None:
    # All sums within the samples' range and a bit beyond; with 16 bits in every 7th, which meets every rest of 257.
    last = int(FULL[source] / scale * Fraction(11, 10))
    step = 1 if source == "uint8" else max(1, last // 9001)
    check_sums(list(range(-last // 4, last, step)), Range(how), scale, Fraction(0), source, dtype, "int32")


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("source", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kind", ["int32", "float32"])
def test_values_far_outside_never_wrap(scale: Fraction, dtype: str, source: str, kind: str) -> None:
    far = np.array([-BOUND, -70_000, -257, 257 * 65536 - 65535, BOUND], dtype=kind)
    toner = Toner(Range("clip", Fraction(1000)), source, dtype)
    out = np.empty(far.shape, dtype=dtype)
    toner.sums(far, toner.finish_for(far.dtype, scale, Fraction(0), exact=True, bound=float(BOUND)), out)
    assert out.tolist() == [0, 0, 0, FULL[dtype], FULL[dtype]]
    assert toner.clipped == 5


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_narrow_sums_survive_shift_and_bias(dtype: str) -> None:
    far = np.array([-(2**15) + 1, 2**15 - 1], dtype=np.int16)
    for bias in (Fraction(0), Fraction(32_000), Fraction(-32_000)):
        toner = Toner(Range("shift"), "uint8", dtype)
        out = np.empty(2, dtype=dtype)
        finish = toner.finish_for(far.dtype, Fraction(1), bias, exact=True, bound=2.0**15 - 1)
        toner.sums(far.copy(), finish, out)
        assert out.tolist() == [
            toned(Fraction(int(v)) + bias, Range("shift"), "uint8", dtype, Fraction(0), Fraction(0)) for v in far
        ]


# Not a number

ODD = np.array([[np.nan, np.inf, 0.5], [-np.inf, 1.0, 0.25], [3e38, -3e38, 0.0]], dtype=np.float32)


@pytest.mark.parametrize("policy", ["clip", "abs", "shift", "stretch", "symmetric", "raw", "abs:1000", "stretch:1/7"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("kernel", ["1", "-1 0 1", "box:size=2", "sobel-x"])
def test_nan_and_infinity_neither_crash_nor_warn(policy: str, dtype: str, kernel: str) -> None:
    for picture in (ODD, np.full((3, 3), np.nan), np.full((3, 3), -np.inf), np.dstack([ODD, np.ones_like(ODD)])):
        found = difference(picture, policy, dtype, kernel)
        assert np.isfinite(found.extent.low)
        assert np.isfinite(found.extent.high)


def test_nan_is_black_and_infinity_the_nearest_sample() -> None:
    found = difference(ODD, "clip", "uint8", kernel="1")
    assert found.samples[..., 0].tolist() == [[0, 255, 128], [0, 255, 64], [255, 0, 0]]
    assert found.clipped == 5
    raw = difference(ODD, "raw", "float32", kernel="1").samples[..., 0]
    np.testing.assert_array_equal(raw, ODD)
    # One NaN does not take the extent from the others: 0..1 becomes 0..255.
    one = np.array([[np.nan, 0.0, 0.5, 1.0]])
    assert difference(one, "stretch", "uint8", kernel="1").samples[..., 0].tolist() == [[0, 0, 128, 255]]


def test_stretch_needs_an_extent() -> None:
    for how in ("stretch", "symmetric"):
        with pytest.raises(ValueError, match="needs the extent"):
            Toner(Range(how), "uint8", "uint8")


@pytest.mark.parametrize(
    ("source", "dtype", "alpha", "expected"),
    [
        ("uint8", "uint8", [0.0, 0.5, 1.5, 254.6, 255.0], [0, 0, 2, 255, 255]),
        ("uint8", "uint16", [0.0, 0.5, 1.0, 255.0], [0, 128, 257, 65535]),  # 128.5 to the even 128
        ("uint16", "uint8", [0.0, 128.5, 385.5, 65535.0], [0, 0, 2, 255]),  # halves of 257
        ("float32", "uint8", [0.0, 0.1, 1.0, 1.5, -0.5, np.nan], [0, 26, 255, 255, 0, 0]),  # 25.5 and a bit
        ("uint8", "float32", [0.0, 127.5, 255.0], [0, 127.5, 255]),
    ],
)
def test_alpha_by_hand(source: str, dtype: str, alpha: list[float], expected: list[float]) -> None:
    plane = np.array(alpha, dtype=np.float32)
    out = np.empty(plane.shape, dtype=dtype)
    tone_alpha(plane, source, dtype, out)
    assert out.tolist() == expected

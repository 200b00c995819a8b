"""Weights that follow from parameters: small cases by hand, symmetry to the bit, and other people's answers."""

from __future__ import annotations

import math
import re
import tracemalloc
from collections import Counter
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from convtool.errors import KernelError
from convtool.kernels import kernel
from convtool.kernels.generators import EXACT_BELOW, GENERATORS, MAX_SIDE, Generated, generate

KERNELS = Path(__file__).parents[2] / "kernels"
FILES = sorted(KERNELS.glob("*.yaml"))


def weights(name: str, **values: float | Fraction) -> NDArray[np.float64]:
    return generate(name, values).weights


def exact(made: Generated) -> tuple[list[list[int]], Fraction]:
    assert made.integers is not None
    assert made.scale is not None
    np.testing.assert_array_equal(made.weights, made.integers * made.scale.numerator / made.scale.denominator)
    rows: list[list[int]] = made.integers.tolist()
    return rows, made.scale


# By hand


@pytest.mark.parametrize(
    ("name", "values", "rows", "scale"),
    [
        ("box", {"size": 1}, [[1]], Fraction(1)),
        ("box", {"size": 2}, [[1, 1], [1, 1]], Fraction(1, 4)),
        ("box", {"size": 3}, [[1, 1, 1]] * 3, Fraction(1, 9)),
        ("binomial", {"size": 1}, [[1]], Fraction(1)),
        ("binomial", {"size": 3}, [[1, 2, 1], [2, 4, 2], [1, 2, 1]], Fraction(1, 16)),
        (
            "binomial",
            {"size": 4},
            [[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]],
            Fraction(1, 64),
        ),
        ("pyramid", {"size": 3}, [[1, 2, 1], [2, 4, 2], [1, 2, 1]], Fraction(1, 16)),
        (
            "pyramid",
            {"size": 5},
            [[1, 2, 3, 2, 1], [2, 4, 6, 4, 2], [3, 6, 9, 6, 3], [2, 4, 6, 4, 2], [1, 2, 3, 2, 1]],
            Fraction(1, 81),
        ),
        (
            "pyramid",
            {"size": 4},
            [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]],
            Fraction(1, 36),
        ),
        ("high-boost", {"amount": 0}, [[0, 0, 0], [0, 1, 0], [0, 0, 0]], Fraction(1)),
        ("high-boost", {"amount": 2}, [[-2, -2, -2], [-2, 25, -2], [-2, -2, -2]], Fraction(1, 9)),
        ("high-boost", {"amount": 9}, [[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]], Fraction(1)),
        ("high-boost", {"amount": 0.3}, [[-1, -1, -1], [-1, 38, -1], [-1, -1, -1]], Fraction(1, 30)),
        ("high-boost", {"amount": Fraction(1, 3)}, [[-1, -1, -1], [-1, 35, -1], [-1, -1, -1]], Fraction(1, 27)),
        ("motion", {"length": 3, "angle": 0}, [[0, 0, 0], [1, 1, 1], [0, 0, 0]], Fraction(1, 3)),
        ("motion", {"length": 3, "angle": 90}, [[0, 1, 0], [0, 1, 0], [0, 1, 0]], Fraction(1, 3)),
        ("motion", {"length": 3, "angle": -180}, [[0, 0, 0], [1, 1, 1], [0, 0, 0]], Fraction(1, 3)),
        ("motion", {"length": 2, "angle": 0}, [[0, 0, 0], [1, 2, 1], [0, 0, 0]], Fraction(1, 4)),
        ("motion", {"length": 1, "angle": 0}, [[1]], Fraction(1)),
    ],
)
def test_exact_weights_by_hand(
    name: str, values: dict[str, float | Fraction], rows: list[list[int]], scale: Fraction
) -> None:
    assert exact(generate(name, values)) == (rows, scale)


@pytest.mark.parametrize(("name", "last"), [("box", 1023), ("binomial", 12), ("pyramid", 126)])
def test_integers_are_kept_as_long_as_their_sum_is_small(name: str, last: int) -> None:
    made = generate(name, {"size": last})
    assert made.integers is not None
    assert np.abs(made.integers).sum() < EXACT_BELOW
    if last < MAX_SIDE:
        beyond = generate(name, {"size": last + 1})
        assert (beyond.integers, beyond.scale) == (None, None)
        assert beyond.weights.sum() == pytest.approx(1, abs=1e-14)


def test_high_boost_of_an_awkward_amount_is_right_without_integers() -> None:
    made = generate("high-boost", {"amount": math.pi})
    assert made.integers is None
    assert made.weights[0, 0] == pytest.approx(-math.pi / 9, rel=1e-15)
    assert made.weights[1, 1] == pytest.approx(1 + math.pi * 8 / 9, rel=1e-15)


def test_gaussian_by_hand() -> None:
    row = np.exp([-4.5, -2.0, -0.5, 0.0, -0.5, -2.0, -4.5])
    row /= row.sum()
    np.testing.assert_allclose(weights("gaussian", sigma=1), np.outer(row, row), rtol=1e-14)
    even = np.exp([-1.125, -0.125, -0.125, -1.125])
    even /= even.sum()
    np.testing.assert_allclose(weights("gaussian", sigma=1, size=4), np.outer(even, even), rtol=1e-14)


@pytest.mark.parametrize(
    ("sigma", "side"), [(0.1, 3), (Fraction(1, 3), 3), (0.34, 5), (1, 7), (1.1, 9), (2.5, 17), (Fraction(7, 3), 15)]
)
def test_gaussian_radius_is_three_sigma_rounded_up(sigma: float | Fraction, side: int) -> None:
    for name in ("gaussian", "unsharp", "log"):
        assert weights(name, sigma=sigma).shape == (side, side)
    assert weights("dog", sigma1=0.2, sigma2=sigma).shape == (side, side)
    assert weights("dog", sigma1=sigma, sigma2=0.2).shape == (side, side)


def test_unsharp_is_the_identity_and_so_much_of_what_the_blur_takes_away() -> None:
    identity = np.zeros((13, 13))
    identity[6, 6] = 1
    expected = identity + 1.5 * (identity - weights("gaussian", sigma=2))
    np.testing.assert_allclose(weights("unsharp", sigma=2, amount=Fraction(3, 2)), expected, atol=1e-15)
    np.testing.assert_array_equal(weights("unsharp", sigma=2, amount=0), identity)


def test_log_by_hand() -> None:
    # sigma 1/2: gaussian exp(-2 r^2), curvature (r^2 - 1/2)*16, then less the mean
    r2 = np.add.outer(np.arange(-2, 3) ** 2, np.arange(-2, 3) ** 2)
    gauss = np.exp(-2.0 * r2)
    expected = gauss / gauss.sum() * (r2 - 0.5) * 16
    expected -= expected.mean()
    np.testing.assert_allclose(weights("log", sigma=0.5), expected, atol=1e-14)


def test_dog_is_the_difference() -> None:
    wide = weights("gaussian", sigma=2)
    narrow = weights("gaussian", sigma=1, size=13)
    np.testing.assert_allclose(weights("dog", sigma1=1, sigma2=2), narrow - wide, atol=1e-15)
    np.testing.assert_array_equal(weights("dog", sigma1=2, sigma2=1), -weights("dog", sigma1=1, sigma2=2))


def test_small_disks_by_hand() -> None:
    np.testing.assert_array_equal(weights("disk", radius=0.5), [[1.0]])
    # Radius 1: the quarter circle beyond x = 1/2 is split by y = 1/2 into half an edge pixel and a corner.
    above = (math.sqrt(3) / 4 + math.pi / 6) / 2
    edge = 2 * (above - 0.25)
    corner = math.pi / 4 - 0.25 - edge
    expected = np.array([[corner, edge, corner], [edge, 1, edge], [corner, edge, corner]]) / math.pi
    np.testing.assert_allclose(weights("disk", radius=1), expected, rtol=1e-13)


@pytest.mark.parametrize("radius", [0.7, 1.5, 2.0, 3.2, 8.0])
def test_disk_covers_what_counting_finds(radius: float) -> None:
    made = weights("disk", radius=radius)
    side, fine = made.shape[0], 200
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = np.add.outer(at**2, at**2) <= radius**2
    counted = inside.reshape(side, fine, side, fine).mean(axis=(1, 3)) / (math.pi * radius**2)
    np.testing.assert_allclose(made, counted, atol=1e-3 / radius**2)
    assert made[side // 2, 0] > 0, "no empty ring around the disk"


@pytest.mark.parametrize(("length", "angle"), [(5, 30), (9, 45), (4, 100), (7.5, -20), (1, 10), (12, 179)])
def test_motion_covers_what_counting_finds(length: float, angle: float) -> None:
    made = weights("motion", length=length, angle=angle)
    side, fine = made.shape[0], 100
    x = (np.arange(side * fine) + 0.5) / fine - side / 2
    y = -x[:, None]
    t = math.radians(angle)
    along, across = x * math.cos(t) + y * math.sin(t), y * math.cos(t) - x * math.sin(t)
    inside = (np.abs(along) <= length / 2) & (np.abs(across) <= 0.5)
    counted = inside.reshape(side, fine, side, fine).mean(axis=(1, 3)) / length
    np.testing.assert_allclose(made, counted, atol=2e-2 / length)
    assert made.sum() == pytest.approx(1, abs=1e-14)


def test_motion_at_45_looks_like_a_slash() -> None:
    made = weights("motion", length=9, angle=45)
    assert made.shape == (9, 9)
    slash, backslash = np.fliplr(made).diagonal(), made.diagonal()
    assert slash[1:-1].min() > 10 * max(backslash[:3].max(), backslash[-3:].max())
    assert slash.sum() > 0.6
    np.testing.assert_allclose(weights("motion", length=9, angle=135), np.fliplr(made), atol=1e-15)
    np.testing.assert_allclose(weights("motion", length=9, angle=225), made, atol=1e-15)


def test_motion_smears_a_point_along_its_angle() -> None:
    point = np.zeros((21, 21))
    point[10, 10] = 1
    smeared = ndimage.correlate(point, weights("motion", length=11, angle=30), mode="constant")
    assert smeared[8, 14] > 0.02, "up and to the right"
    assert smeared[12, 14] == 0


# Against others


@pytest.mark.parametrize("size", [1, 3, 7, 31])  # odd: OpenCV takes exp(0) for both middle taps of an even one
@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7, 40.0])
def test_gaussian_agrees_with_opencv(size: int, sigma: float) -> None:
    row = cv2.getGaussianKernel(size, sigma, cv2.CV_64F)
    np.testing.assert_allclose(weights("gaussian", sigma=sigma, size=size), row @ row.T, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.7])
def test_gaussian_and_dog_agree_with_scipy(sigma: float) -> None:
    image = np.random.default_rng(1).random((40, 50))
    radius = math.ceil(3 * sigma)
    blurred = ndimage.gaussian_filter(image, sigma, mode="mirror", radius=radius)
    ours = ndimage.correlate(image, weights("gaussian", sigma=sigma), mode="mirror")
    np.testing.assert_allclose(ours, blurred, atol=1e-12)
    narrow = ndimage.gaussian_filter(image, sigma / 2, mode="mirror", radius=radius)
    difference = ndimage.correlate(image, weights("dog", sigma1=sigma / 2, sigma2=sigma), mode="mirror")
    np.testing.assert_allclose(difference, narrow - blurred, atol=1e-12)


def test_log_agrees_with_scipy_where_sampling_no_longer_matters() -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(2).random((80, 80)), 3)
    ours = ndimage.correlate(image, weights("log", sigma=4), mode="mirror")
    theirs = ndimage.gaussian_laplace(image, 4, mode="mirror", truncate=6)
    assert np.abs(ours - theirs).max() < 0.05 * np.abs(theirs).max()


@pytest.mark.parametrize("theta", [0.0, 22.5, 45.0, 90.0, 130.0, -30.0])
def test_gabor_agrees_with_opencv_but_for_the_sign_of_theta_and_the_norm(theta: float) -> None:
    ours = weights("gabor", theta=theta, wavelength=7, sigma=2.5, gamma=0.8, phase=0)
    side = ours.shape[0]
    theirs = cv2.getGaborKernel((side, side), 2.5, math.radians(-theta), 7, 0.8, 0, cv2.CV_64F)
    envelope = cv2.getGaborKernel((side, side), 2.5, math.radians(-theta), 1e9, 0.8, 0, cv2.CV_64F)
    np.testing.assert_allclose(ours, theirs / envelope.sum(), atol=1e-12)


# What they are for


def stripes(angle: float, wavelength: float, side: int) -> NDArray[np.float64]:
    """A wave running towards ``angle`` on the screen, with a crest in the middle pixel."""
    x = np.arange(side) - side // 2
    up = -x[:, None]
    t = math.radians(angle)
    return np.cos(2 * math.pi * (x * math.cos(t) + up * math.sin(t)) / wavelength)


@pytest.mark.parametrize("angle", [0.0, 22.5, 45.0, 67.5, 90.0, 112.5, 135.0, 157.5])
def test_gabor_answers_to_stripes_of_its_own_direction(angle: float) -> None:
    answers = {}
    for theta in np.arange(0, 180, 22.5).tolist():
        made = weights("gabor", theta=theta)
        answers[theta] = float((made * stripes(angle, 6, made.shape[0])).sum())
    assert max(answers, key=lambda theta: abs(answers[theta])) == angle
    assert answers[angle] == pytest.approx(0.5, abs=0.01), "half the amplitude"


def test_gabor_at_0_has_upright_stripes_and_at_45_a_wave_up_and_to_the_right() -> None:
    upright = weights("gabor", theta=0, wavelength=6, sigma=3, gamma=1)
    middle = upright.shape[0] // 2
    assert (upright[middle - 3 : middle + 4, middle] > 0).all()
    assert (upright[middle - 3 : middle + 4, middle + 3] < 0).all()
    slanted = weights("gabor", theta=45, wavelength=8.485, sigma=4, gamma=1)
    middle = slanted.shape[0] // 2
    assert slanted[middle - 3, middle + 3] < 0, "half a wave away along the wave vector"
    assert slanted[middle + 3, middle + 3] > 0, "on the same crest"


def test_gabor_phase_90_is_odd_and_nearly_blind_to_flat_areas() -> None:
    made = weights("gabor", theta=30, phase=90)
    np.testing.assert_allclose(made, -made[::-1, ::-1], atol=1e-16)
    assert abs(made.sum()) < 1e-15
    assert weights("gabor").sum() == pytest.approx(0.002, abs=2e-4)


def test_gabor_sigma_follows_the_wavelength_and_the_size_holds_the_longer_axis() -> None:
    np.testing.assert_array_equal(weights("gabor", wavelength=10), weights("gabor", wavelength=10, sigma=5.6))
    assert weights("gabor", sigma=2, gamma=1).shape == (13, 13)
    assert weights("gabor", sigma=2, gamma=0.5).shape == (25, 25)
    assert weights("gabor", sigma=2, gamma=2).shape == (13, 13)


# Symmetry and sums


ROUND = [
    ("box", {"size": 4}),
    ("gaussian", {"sigma": 0.77}),
    ("gaussian", {"sigma": 23.4}),
    ("gaussian", {"sigma": 3, "size": 4}),
    ("gaussian", {"sigma": 200, "size": 1023}),
    ("binomial", {"size": 40}),
    ("binomial", {"size": 1023}),
    ("pyramid", {"size": 300}),
    ("disk", {"radius": 4.3}),
    ("disk", {"radius": 100.1}),
    ("unsharp", {"sigma": 1.3, "amount": 0.7}),
    ("high-boost", {"amount": 0.7}),
    ("log", {"sigma": 1.4}),
    ("log", {"sigma": 31.0}),
    ("dog", {"sigma1": 1.0, "sigma2": 1.6}),
]


@pytest.mark.parametrize(("name", "values"), ROUND)
def test_round_kernels_are_symmetric_to_the_bit(name: str, values: dict[str, float]) -> None:
    made = weights(name, **values)
    for other in (made.T, made[::-1], made[:, ::-1]):
        np.testing.assert_array_equal(made, other)


@pytest.mark.parametrize(("name", "values"), ROUND)
def test_sums(name: str, values: dict[str, float]) -> None:
    made = weights(name, **values)
    if name in ("log", "dog"):
        assert made.sum() == 0
    else:
        assert math.fsum(made.ravel()) == pytest.approx(1, abs=1e-12)
    if name in ("box", "gaussian", "binomial", "pyramid", "disk"):
        assert made.min() >= 0


@pytest.mark.parametrize("values", [{"sigma": 0.1}, {"sigma": 0.5}, {"sigma": 1.4}, {"sigma": 3.3}, {"sigma": 60}])
def test_log_sums_to_zero_in_any_order_and_has_its_pit_in_the_middle(values: dict[str, float]) -> None:
    made = weights("log", **values)
    shuffled = np.random.default_rng(3).permutation(made.ravel())
    assert sum(shuffled.tolist()) == 0
    assert sum(made.T.ravel().tolist()) == 0
    middle = made.shape[0] // 2
    assert made[middle, middle] == made.min() < 0


@pytest.mark.parametrize("angle", [0.0, 17.0, 45.0, 90.0, 123.4])
def test_motion_is_unchanged_by_half_a_turn_and_never_negative(angle: float) -> None:
    made = weights("motion", length=10.5, angle=angle)
    np.testing.assert_array_equal(made, made[::-1, ::-1])
    assert made.min() >= 0
    assert made.shape[0] % 2 == 1


@pytest.mark.parametrize("name", sorted(GENERATORS))
def test_defaults_make_a_kernel_and_make_it_again(name: str) -> None:
    first, second = generate(name, {}), generate(name, {})
    assert first.weights.dtype == np.float64
    assert np.isfinite(first.weights).all()
    np.testing.assert_array_equal(first.weights, second.weights)


# Refusals


LIMIT = "; a kernel's side is at most 1023, and that limit is fixed"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("gausian", {}, "there is no generator 'gausian'; did you mean 'gaussian'?"),
        ("box", {"sise": 3}, "box has no parameter 'sise'; did you mean 'size'?"),
        ("box", {"angle": 3}, "box has no parameter 'angle'; there is: size"),
        ("box", {"size": 2.5}, "box: size (side in pixels) must be a whole number from 1 to 1023, not 2.5"),
        ("box", {"size": 0}, "box: size (side in pixels) must be a whole number from 1 to 1023, not 0"),
        (
            "binomial",
            {"size": 1024},
            f"binomial: size (side in pixels) must be a whole number from 1 to 1023, not 1024{LIMIT}",
        ),
        (
            "gaussian",
            {"sigma": math.nan},
            "gaussian: sigma (standard deviation in pixels) must be a number from 0.1 to 10000, not nan",
        ),
        (
            "gaussian",
            {"sigma": math.inf},
            "gaussian: sigma (standard deviation in pixels) must be a number from 0.1 to 10000, not inf",
        ),
        (
            "gaussian",
            {"sigma": Fraction(-5, 2)},
            "gaussian: sigma (standard deviation in pixels) must be a number from 0.1 to 10000, not -2.5",
        ),
        (
            "unsharp",
            {"amount": Fraction(10**400)},
            "unsharp: amount (strength, 0 changes nothing) must be a number from 0 to 1000,"
            " not 100000000000000000000000000...",
        ),
        (
            "motion",
            {"angle": 361},
            "motion: angle (direction of the motion in degrees counter-clockwise, 0 to the right)"
            " must be a number from -360 to 360, not 361",
        ),
        ("gaussian", {"sigma": 171}, f"gaussian: sigma 171 would need a kernel of side 1027{LIMIT}"),
        ("log", {"sigma": 170.5}, f"log: sigma 170.5 would need a kernel of side 1025{LIMIT}"),
        ("dog", {"sigma2": 5000}, f"dog: sigma1 1 and sigma2 5000 would need a kernel of side 30001{LIMIT}"),
        ("motion", {"length": 1200}, f"motion: length 1200 and angle 0 would need a kernel of side 1201{LIMIT}"),
        ("gabor", {"sigma": 100}, f"gabor: sigma 100 and gamma 0.5 would need a kernel of side 1201{LIMIT}"),
        ("gabor", {"wavelength": 900}, f"gabor: sigma 504 and gamma 0.5 would need a kernel of side 6049{LIMIT}"),
        ("dog", {"sigma1": 2, "sigma2": 2}, "dog: sigma1 2 and sigma2 2 leave only weights of 0"),
    ],
)
def test_refusals_say_what_and_why_in_one_line(name: str, values: dict[str, float | Fraction], message: str) -> None:
    with pytest.raises(KernelError) as caught:
        generate(name, values)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [True, "3", None])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(KernelError, match=r"size .* must be a whole number"):
        generate("box", {"size": value})  # type: ignore[dict-item]


def test_the_largest_side_is_allowed_and_more_is_refused_before_allocating() -> None:
    largest: list[tuple[str, dict[str, float]]] = [
        ("box", {"size": 1023}),
        ("disk", {"radius": 511.5}),
        ("gaussian", {"sigma": 3, "size": 1023}),
    ]
    for name, values in largest:
        assert weights(name, **values).shape == (1023, 1023)
    assert weights("motion", length=1023).shape == (1023, 1023)
    assert weights("motion", length=1400, angle=45).shape == (991, 991)
    tracemalloc.start()
    for name in ("gaussian", "unsharp", "log", "gabor"):
        with pytest.raises(KernelError, match="limit is fixed"):
            generate(name, {"sigma": 10_000})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_limits_are_those_of_every_kernel() -> None:
    assert (MAX_SIDE, EXACT_BELOW) == (kernel.MAX_SIDE, kernel.EXACT_LIMIT)


def test_registry_is_consistent() -> None:
    for name, generator in GENERATORS.items():
        assert generator.name == name
        assert generator.make.__doc__
        names = [parameter.name for parameter in generator.parameters]
        assert len(set(names)) == len(names)
        for parameter in generator.parameters:
            assert parameter.meaning
            assert parameter.name in generator.make.__doc__
            if parameter.default is not None:
                assert parameter.minimum <= parameter.default <= parameter.maximum


# The files


def test_families_are_the_nine_of_the_contract() -> None:
    families = "basic blur colour edge laplace layers relief sharpen texture"
    assert [path.stem for path in FILES] == families.split()


def test_every_name_is_given_once_in_all_the_files() -> None:
    names = [name for path in FILES for name in re.findall(r"^([^\s#:]+):", path.read_text(), re.MULTILINE)]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert {"identity", "blur", "sobel-x", "laws-r5r5", "teaching-layer"} <= set(names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_plain(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "correlation" in text
    assert text.endswith("\n")
    assert "\t" not in text
    for definition in re.split(r"^(?=[^\s#])", text, flags=re.MULTILINE)[1:]:
        keys = re.findall(r"^  ([a-z]+):", definition, re.MULTILINE)
        assert len({"weights", "generator", "maps"} & set(keys)) == 1, definition
        assert {"summary", "source"} <= set(keys), definition
        assert ("range" in keys) != ("maps" in keys), definition


def test_the_files_and_the_generators_agree_on_defaults() -> None:
    pattern = r"^([^\s#:]+):\n(?:  .*\n)*?  generator: (\S+)\n  parameters: \{(.*)\}"
    found = [match for path in FILES for match in re.findall(pattern, path.read_text(), re.MULTILINE)]
    assert {generator for _, generator, _ in found} == set(GENERATORS)
    for name, generator, typed in found:
        if generator == "laws":  # whose kernels are all of them shipped
            continue
        assert name == generator
        written = {key: float(value) for key, value in re.findall(r"(\w+): ([\d.]+)", typed)}
        defaults = {p.name: p.default for p in GENERATORS[generator].parameters if p.default is not None}
        assert written == defaults

"""--linear: filtered in linear light, coded again, against the formulas of IEC 61966-2-1 and of ICC.1."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

import convtool
from convtool.tone.icc import tone_curve
from convtool.tone.light import SRGB
from tests.support.pictures import Array, Run, noise, samples, saved, srgb_profile


def linear(coded: Array) -> Array:
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def coded(light: Array) -> Array:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def filtered(values: Array, spec: str, full: int = 255, absolute: bool = False) -> Array:
    """The definition: decode, filter in double precision, encode."""
    light = linear(values.astype(np.float64) / full)
    y = convtool.apply(light.astype(np.float32), spec)
    found = next(iter(y.values())).astype(np.float64)
    return coded(np.abs(found) if absolute else found) * full


def near(actual: Array, expected: Array, slack: float = 0.51) -> bool:
    return bool(np.abs(actual.astype(np.float64) - expected).max() <= slack)


def gamma_profile(curve: bytes) -> bytes:
    """A profile with nothing but three tone curves, which share one tag."""
    tags = [(name, 132 + 12 * 3, len(curve)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    body = struct.pack(">I", 3) + b"".join(struct.pack(">4sII", *tag) for tag in tags) + curve
    head = struct.pack(">I", 128 + len(body)) + bytes(12) + b"RGB XYZ " + bytes(12) + b"acsp" + bytes(88)
    return head + body


@pytest.mark.parametrize("spec", ["blur", "gaussian:sigma=2", "sharpen"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_photograph_is_filtered_in_linear_light(apply: Run, spec: str, dtype: str) -> None:
    grey = data.camera()[:90, :70].astype(dtype) * (257 if dtype == "uint16" else 1)
    saved("a.png", grey)
    assert apply("a.png", "-k", spec, "--linear", "-o", "out.png", "-q")[0] == 0
    full = 255 if dtype == "uint8" else 65535
    assert near(samples("out.png"), filtered(grey, spec, full), 0.51 if dtype == "uint8" else 0.6)


def test_colours_too(apply: Run) -> None:
    values = data.astronaut()[:60, :50]
    saved("a.png", values)
    assert apply("a.png", "-k", "blur", "--linear", "-o", "out.png", "-q")[0] == 0
    assert near(samples("out.png"), filtered(values, "blur"))
    assert apply("a.png", "-k", "blur", "-o", "plain.png", "-q")[0] == 0
    assert not np.array_equal(samples("out.png"), samples("plain.png"))


def test_black_and_white_meet_in_the_middle_of_light(apply: Run) -> None:
    """Half of the light of white is 188, not 128."""
    saved("a.png", np.tile(np.array([[0, 255]], np.uint8), (1, 4)))
    assert apply("a.png", "-k", "1 1 / 2", "-p", "valid", "--linear", "-o", "out.png")[0] == 0
    assert (samples("out.png") == 188).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_sample_survives_identity(apply: Run, dtype: str) -> None:
    ramp = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(-1, 256)
    saved("ramp.png", ramp)
    assert apply("ramp.png", "-k", "identity", "--linear", "-o", "out.png") == (0, "", "")
    assert np.array_equal(samples("out.png"), ramp)


@pytest.mark.parametrize("border", ["reflect", "replicate", "symmetric", "circular"])
def test_a_constant_stays_constant(apply: Run, border: str) -> None:
    saved("flat.png", np.full((9, 9, 3), 100, np.uint8))
    code, _, _ = apply("flat.png", "-k", "blur", "-k", "gaussian:sigma=2", "--linear", "-b", border, "-o", "out/", "-q")
    assert code == 0
    assert all((samples(path) == 100).all() for path in Path("out").iterdir())


def test_abs_is_coded_too(apply: Run) -> None:
    grey = data.camera()[200:240, 200:240]
    saved("a.png", grey)
    assert apply("a.png", "-k", "sobel-x", "--linear", "-o", "out.png", "-q")[0] == 0
    assert near(samples("out.png"), filtered(grey, "sobel-x", absolute=True))


@pytest.mark.parametrize("how", ["shift", "stretch", "symmetric", "raw"])
def test_other_ranges_are_refused_before_any_pixel(apply: Run, how: str) -> None:
    saved("a.png", noise(4, 4))
    code, _, err = apply("a.png", "-k", "blur", "--linear", "--range", how)
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"blur is shown by {how}" in err
    assert apply("a.png", "-k", "emboss", "--linear")[0] == 2, "the kernel's own range counts"
    assert apply("a.png", "-k", "emboss", "--linear", "--range", "clip")[0] == 0


def test_luma_has_the_weights_of_linear_light(apply: Run) -> None:
    values = noise(6, 7, 3)
    saved("a.png", values)
    assert apply("a.png", "-k", "identity", "--linear", "--channels", "luma", "-o", "out.png")[0] == 0
    light = linear(values / 255) @ [0.2126, 0.7152, 0.0722]
    assert near(samples("out.png"), coded(light) * 255)


def test_bias_and_constant_are_in_linear_units(apply: Run) -> None:
    saved("a.png", np.zeros((3, 3), np.uint8))
    assert apply("a.png", "-k", "identity", "--linear", "--bias", "127.5", "-o", "out.png")[0] == 0
    assert (samples("out.png") == 188).all()
    border = ("-b", "constant=255", "-p", "1")
    assert apply("a.png", "-k", "box:size=3", "--linear", *border, "-o", "edge.png", "-q")[0] == 0
    assert samples("edge.png")[0, 0] == round(float(coded(np.array(5 / 9))) * 255)


@pytest.mark.parametrize("alpha", ["weighted", "keep", "filter"])
def test_alpha_is_no_light(apply: Run, alpha: str) -> None:
    values = np.full((6, 6, 4), 100, np.uint8)
    values[..., 3] = np.array([255] * 3 + [51] * 3)
    saved("a.png", values)
    assert apply("a.png", "-k", "blur", "--linear", "--alpha", alpha, "-o", "out.png", "-q")[0] == 0
    out = samples("out.png")
    assert (out[..., :3] == 100).all()
    expected = {"keep": [255, 51], "weighted": [204, 102], "filter": [204, 102]}[alpha]
    assert out[3, 2:4, 3].tolist() == expected
    assert apply("a.png", "-k", "identity", "--linear", "--channels", "a", "-o", "a2.png")[0] == 0
    assert np.array_equal(samples("a2.png"), values[..., 3])


@pytest.mark.parametrize("picture", ["grey", "colour", "alpha"])
def test_verify_finds_nothing(apply: Run, picture: str) -> None:
    values = noise(20, 20, *{"grey": (), "colour": (3,), "alpha": (4,)}[picture])
    saved("a.png", values)
    for spec in ("blur", "sharpen", "sobel-x"):
        code, _, err = apply("a.png", "-k", spec, "--linear", "--verify", 50, "-o", "out.png", "--force")
        assert code == 0
        assert "largest difference from the definition: 0" in err


def test_a_merge_is_coded_once(apply: Run) -> None:
    grey = data.camera()[200:230, 200:230]
    saved("a.png", grey)
    assert apply("a.png", "-k", "sobel", "--merge", "magnitude", "--linear", "-o", "out.png", "-q")[0] == 0
    light = linear(grey / 255).astype(np.float32)
    expected = convtool.apply(light, "sobel", merge="magnitude")["sobel"]
    assert near(samples("out.png"), coded(expected.astype(np.float64)) * 255)


def test_the_python_twin(apply: Run) -> None:
    values = noise(9, 9, 3)
    saved("a.png", values)
    assert apply("a.png", "-k", "blur", "--linear", "-o", "out.png")[0] == 0
    assert np.array_equal(
        convtool.apply(values, "blur", linear=True, range="clip", dtype="uint8")["blur"], samples("out.png")
    )


# Profiles


def test_the_curve_of_the_profile_counts(apply: Run) -> None:
    gamma = gamma_profile(b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0")
    saved("a.png", np.array([[0, 255]], np.uint8).repeat(3).reshape(1, 2, 3), icc_profile=gamma)
    code, _, err = apply("a.png", "-k", "1 1 / 2", "-p", "valid", "--linear", "-o", "out.png")
    assert (code, err) == (0, "")
    assert samples("out.png").tolist() == [[[round(255 * 0.5 ** (256 / round(2.2 * 256)))] * 3]]


def test_a_profile_without_a_simple_curve_is_said(apply: Run) -> None:
    saved("a.png", noise(4, 4, 3), icc_profile=gamma_profile(b"mft2" + bytes(20)))
    code, _, err = apply("a.png", "-k", "blur", "--linear", "-o", "out.png")
    assert (code, err) == (
        0,
        "convtool: a.png: its colour profile has no simple curve; --linear took the sRGB curve\n",
    )
    assert apply("a.png", "-k", "blur", "-o", "out2.png")[2] == ""


def test_the_curve_of_a_real_srgb_profile_is_srgb() -> None:
    curve = tone_curve(srgb_profile(), 65536)
    assert curve is not None
    assert np.abs(curve - linear(np.linspace(0, 1, 65536))).max() < 2e-5


PARAMETRIC: dict[int, tuple[list[float], Callable[[Array], Array]]] = {
    0: ([2.0], lambda x: x**2),
    1: ([2.0, 0.9, 0.1], lambda x: (0.9 * x + 0.1) ** 2),
    3: ([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045], linear),
    4: ([2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0.0, 0.0], linear),
}


@pytest.mark.parametrize("number", [0, 3, 4])
def test_parametric_curves(number: int) -> None:
    values, function = PARAMETRIC[number]
    tag = b"para\0\0\0\0" + struct.pack(f">HH{len(values)}i", number, 0, *(round(v * 65536) for v in values))
    curve = tone_curve(gamma_profile(tag), 256)
    assert curve is not None
    assert np.abs(curve - function(np.linspace(0, 1, 256))).max() < 1e-3


@pytest.mark.parametrize(
    "tag", [b"", b"curv", b"curv\0\0\0\0\0\0\xff\xff", b"para\0\0\0\0\0\x09\0\0", b"curv\0\0\0\0" + bytes(4)]
)
def test_broken_curves_are_none(tag: bytes) -> None:
    curve = tone_curve(gamma_profile(tag), 256)
    assert curve is None or (tag.endswith(bytes(8)) and np.array_equal(curve, np.linspace(0, 1, 256)))
    assert tone_curve(b"", 256) is None


def test_a_curve_without_entries_is_linear() -> None:
    curve = tone_curve(gamma_profile(b"curv" + bytes(8)), 256)
    assert curve is not None
    assert np.array_equal(curve, np.linspace(0, 1, 256))


def test_the_curve_goes_on_beyond_its_ends() -> None:
    values = np.array([-0.5, -0.001, 0.0, 0.5, 1.0, 1.5], dtype=np.float32)
    again = SRGB.encoded(SRGB.decoded(values, 1), 1)
    assert np.abs(again - values).max() < 1e-6


def test_grey_profiles(apply: Run) -> None:
    body = struct.pack(">I4sII", 1, b"kTRC", 144, 14) + b"curv\0\0\0\0" + struct.pack(">IH", 1, 256)
    head = struct.pack(">I", 128 + len(body)) + bytes(12) + b"GRAYXYZ " + bytes(12) + b"acsp" + bytes(88)
    saved("a.png", np.array([[0, 200]], np.uint8), icc_profile=head + body)
    assert apply("a.png", "-k", "1 1 / 2", "-p", "valid", "--linear", "-o", "out.png") == (0, "", "")
    assert samples("out.png").tolist() == [[100]], "a profile with gamma 1 is linear already"


def test_lab_pictures_do_not_crash(apply: Run) -> None:
    lab = ImageCms.applyTransform(
        Image.fromarray(noise(4, 4, 3)),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert lab is not None
    lab.save("lab.tif")
    code, _, err = apply("lab.tif", "-k", "blur", "-o", "out.png")
    assert code in (0, 1)
    assert len(err.splitlines()) == code

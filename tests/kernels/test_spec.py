"""The grammar of --kernel: what a spec means, what it is called, and how a wrong one is told."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from convtool.errors import KernelError
from convtool.kernels.generators import GENERATORS
from convtool.kernels.kernel import KernelSet
from convtool.kernels.library import Library
from convtool.kernels.spec import parse_spec
from convtool.layers.maps import list_maps
from convtool.layers.settings import Settings

KERNEL_FILE = """\
one:
  weights: [[1, 2, 3], [4, 5, 6]]
soft:
  generator: gaussian
pair:
  maps: [one, soft]
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)


def load(spec: str) -> KernelSet:
    return Library().load(spec)


def labels(*specs: str) -> list[str]:
    return [kernel.label for found in Library().load_all(specs) for kernel in found.kernels]


def rows(spec: str) -> list[list[float]]:
    kernels = load(spec).kernels
    assert len(kernels) == 1
    found: list[list[float]] = kernels[0].weights.tolist()
    return found


def refusal(*specs: str) -> str:
    with pytest.raises(KernelError) as caught:
        list_maps(Library().load_all(specs), Settings())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Inline

SOBEL = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


@pytest.mark.parametrize(
    "spec",
    [
        "-1 0 1; -2 0 2; -1 0 1",
        "-1,0,1;-2,0,2;-1,0,1",
        "-1, 0, 1; -2, 0, 2; -1, 0, 1",
        "-1 0 1\n-2 0 2\n-1 0 1",
        "-1 0 1;\n-2 0 2;\n-1 0 1;\n",
        "-1 0 1;  \n  -2 0 2 \n -1 0 1",
        "  -1\t0\t1 ; -2 0 2 ; -1 0 1 ;",
        "-1 0 1,; -2 0 2,; -1 0 1,",
        "[-1 0 1; -2 0 2; -1 0 1]",
        "[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]",
        "[[-1 0 1] [-2 0 2] [-1 0 1]]",
        "[[-1, 0, 1]; [-2, 0, 2]; [-1, 0, 1]]",
        "[[-1., 0., 1.],\n [-2., 0., 2.],\n [-1., 0., 1.]]",
        " [ [ -1 , 0 , 1 ] , [ -2 , 0 , 2 ] , [ -1 , 0 , 1 ] ] ",
        "-1e0 0 +1; -20e-1 0 2.0; -1/1 0 2/2",
        "-2 0 2; -4 0 4; -2 0 2 / 2",
        "[[-2, 0, 2], [-4, 0, 4], [-2, 0, 2]] / 2",
        "[[-2, 0, 2], [-4, 0, 4], [-2, 0, 2]]/2",
        "-1/2 0 1/2; -1 0 1; -.5 0 .5 / 1/2",
    ],
)
def test_inline_rows(spec: str) -> None:
    assert rows(spec) == SOBEL
    assert labels(spec) == ["inline"]


def test_inline_shapes() -> None:
    assert rows("5") == [[5]]
    assert rows("1 2 3") == [[1, 2, 3]]
    assert rows("1;2;3") == [[1], [2], [3]]
    assert rows(".5 -.5") == [[0.5, -0.5]]
    assert rows("+1 1") == [[1, 1]]
    depth = load("[[[1, 2]], [[3, 4]], [[5, 6]]]").kernels[0]
    assert depth.depth == 3
    assert depth.weights.tolist() == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert load("[[[299]], [[587]], [[114]]] / 1000").kernels[0].scale == Fraction(1, 1000)


def test_a_slash_without_blanks_is_a_fraction_and_with_them_divides_all() -> None:
    fraction = parse_spec("1 2 1/16").inline
    divided = parse_spec("1 2 1 / 16").inline
    assert fraction is not None
    assert divided is not None
    assert fraction.values == (Fraction(1), Fraction(2), Fraction(1, 16))
    assert divided.values == (Fraction(1, 16), Fraction(1, 8), Fraction(1, 16))
    binomial = load("1 2 1; 2 4 2; 1 2 1 / 16").kernels[0]
    assert binomial.integers is not None
    assert (binomial.integers.tolist(), binomial.scale) == ([[1, 2, 1], [2, 4, 2], [1, 2, 1]], Fraction(1, 16))
    assert rows("1/9") == [[1 / 9]]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("1 2; 3", "row 2 has 1 weights, row 1 has 2"),
        ("1 2; 3 x", "row 2, column 2: 'x' is not a number (write 3, -0.5, 1e-3 or 1/16)"),
        ("1 nan", "row 1, column 2: 'nan' is not a number"),
        ("1 inf", "row 1, column 2: 'inf' is not a number"),
        ("1 010", "row 1, column 2: '010' is not a number"),
        ("1 1:30", "row 1, column 2: '1:30' is not a number"),
        ("1 2;;3 4", "row 2 is empty"),
        ("1,,2", "row 1, column 2: a weight is missing"),
        ("[,1]", "row 1, column 1: a weight is missing"),
        ("1 2 / 0", "the divisor is 0"),
        ("1 2 / x", "'x' is not a number"),
        ("1 1/0", "row 1, column 2: '1/0' divides by zero"),
        ("[1 2; 3 4", "the brackets do not match"),
        ("[[1, 2], [3, 4]", "the brackets do not match"),
        ("[[[[1]]]]", "the brackets do not match"),
        ("[[1, [2]]]", "the brackets do not match"),
        ("[[[1, 2]], [[3]]]", "the channels differ in size"),
        ("[]", "row 1 is empty"),
        ("", "a kernel spec is empty"),
        ("   ", "a kernel spec is empty"),
    ],
)
def test_wrong_inline_specs(spec: str, reason: str) -> None:
    assert refusal(spec).startswith(f"kernel {spec!r}: {reason}")


def test_long_inline_specs_are_cut_in_messages_and_capped() -> None:
    assert len(refusal("1 " * 1000 + "x")) < 200
    assert refusal("1 " * 1024) == "the kernel is 1x1024; the largest side is 1023, which is fixed"


def test_inline_kernels_are_numbered_if_several() -> None:
    assert labels("1 2", "sobel-x", "3 4") == ["inline-1", "sobel-x", "inline-2"]
    assert labels("1 2; 3 4@90", "3 4") == ["inline-1-turn90", "inline-2"]
    assert labels("1 2; 3 4@90") == ["inline-turn90"]


def test_a_kernel_called_inline_something_keeps_its_name() -> None:
    Path("mine.yaml").write_text("inline-sharp:\n  weights: [[1]]\n")
    assert labels("mine.yaml", "1 2") == ["inline-sharp", "inline"]
    assert labels("mine.yaml", "1 2", "3 4") == ["inline-sharp", "inline-1", "inline-2"]


# Names and parameters


def test_names_are_found_by_casefold_and_labelled_as_written() -> None:
    assert labels("SOBEL-X") == ["sobel-x"]
    assert labels("Gaussian:sigma=2") == ["gaussian-sigma2"]
    Path("锐化.yaml").write_text("锐化:\n  weights: [[2]]\nStraße:\n  weights: [[3]]\né:\n  weights: [[4]]\n", "utf-8")
    assert labels("锐化.yaml#锐化", "锐化.yaml#STRASSE") == ["锐化", "Straße"]
    assert rows("锐化.yaml#" + unicodedata.normalize("NFD", "É")) == [[4]]


def test_parameters_and_their_labels() -> None:
    assert labels("gaussian:sigma=2.5") == ["gaussian-sigma2.5"]
    assert labels("gaussian:sigma=2.5,size=9") == ["gaussian-sigma2.5-size9"]
    assert labels("gaussian:size=9,sigma=2.5") == ["gaussian-size9-sigma2.5"]
    assert labels("gaussian: sigma = +2.5 , size=9") == ["gaussian-sigma2.5-size9"]
    assert labels("gaussian:sigma=1/2") == ["gaussian-sigma0.5"]
    assert labels("motion:length=9,angle=-30") == ["motion-length9-angle-30"]
    assert load("gaussian:sigma=2.5").kernels[0].size == (17, 17)
    assert load("gaussian:sigma=2.5,size=9").kernels[0].size == (9, 9)
    assert load("box:size=4").kernels[0].size == (4, 4)
    half = [load(f"gaussian:sigma={text}").kernels[0].weights for text in ("0.5", "1/2", "5e-1", ".5")]
    assert all(np.array_equal(half[0], other) for other in half)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("box:5", "kernel 'box:5': write box:size=5"),
        ("BOX:5", "kernel 'BOX:5': write BOX:size=5"),
        ("gaussian:2.5", "kernel 'gaussian:2.5': write gaussian:sigma=2.5"),
        ("motion:9,angle=3", "kernel 'motion:9,angle=3': write motion:length=9"),
        ("sobel-x:3", "kernel 'sobel-x:3': parameters are written name=value, as in gaussian:sigma=2.5"),
        ("gaussian:", "kernel 'gaussian:': parameters are written name=value"),
        ("gaussian:sigma=", "kernel 'gaussian:sigma=': '' is not a number"),
        ("gaussian:sigma=2,", "kernel 'gaussian:sigma=2,': parameters are written name=value"),
        ("gaussian:sigma=2,sigma=3", "kernel 'gaussian:sigma=2,sigma=3': sigma is given twice"),
        ("gaussian:sigma=two", "kernel 'gaussian:sigma=two': 'two' is not a number"),
        ("gaussian:sgima=2", "kernel 'gaussian:sgima=2': gaussian has no parameter 'sgima'; did you mean 'sigma'?"),
        ("gaussian:sigma=-1", "kernel 'gaussian:sigma=-1': gaussian: sigma (standard deviation in pixels) must be"),
        ("box:size=2.5", "kernel 'box:size=2.5': box: size (side in pixels) must be a whole number from 1 to 1023"),
        ("box:size=1024", "kernel 'box:size=1024': box: size (side in pixels) must be a whole number from 1 to 1023"),
        ("sobel-x:size=3", "kernel 'sobel-x:size=3': sobel-x takes no parameters"),
        ("sobel:size=3", "kernel 'sobel:size=3': sobel is a set; parameters belong to one of its kernels"),
        ("sobelx", "there is no kernel 'sobelx'; did you mean sobel"),
        ("sobel-z", "there is no kernel 'sobel-z'; did you mean sobel"),
        ("Guassian", "there is no kernel 'Guassian'; did you mean gaussian?"),
        ("@90", "kernel '@90': names no kernel; begin with a name, a file or weights"),
        (":sigma=2", "kernel ':sigma=2': names no kernel"),
        ("#glow", "kernel '#glow': names no kernel"),
        ("qqqqq", "there is no kernel 'qqqqq'; `convtool kernels` lists the names"),
    ],
)
def test_wrong_names_and_parameters(spec: str, reason: str) -> None:
    assert refusal(spec).startswith(reason)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_bare_number_names_the_first_parameter(name: str) -> None:
    first = GENERATORS[name].parameters[0].name
    assert refusal(f"{name}:5") == f"kernel '{name}:5': write {name}:{first}=5"


def test_the_same_map_twice_is_refused() -> None:
    assert refusal("sobel-x", "SOBEL-X") == "the kernel sobel-x is given twice"
    assert refusal("sobel", "sobel-y") == "the kernel sobel-y is given twice"
    assert labels("gaussian:sigma=1", "gaussian:sigma=2", "gaussian") == [
        "gaussian-sigma1",
        "gaussian-sigma2",
        "gaussian",
    ]


def test_merged_sets_may_share_a_kernel() -> None:
    maps = list_maps(Library().load_all(["sobel", "sobel-x"]), Settings(merge="magnitude"))
    assert [each.label for each in maps] == ["sobel", "sobel-x"]


def test_noise_is_refused_with_a_reason() -> None:
    library = Library()
    pieces = [*"0123456789 .,;/[]@#:=-+e", "sobel", "gaussian", "sigma", "size", "my.yaml", ".npz", "1/16", "锐", "\0"]
    noise = np.random.default_rng(5)
    for _ in range(1000):
        spec = "".join(noise.choice(pieces, noise.integers(0, 9)))
        try:
            assert library.load(spec).kernels
        except KernelError as error:
            reason = str(error)
            assert reason
            assert "\n" not in reason


# Turning


def test_turning_by_90_is_for_every_kernel() -> None:
    assert rows("sobel-x@90") == (-np.array(rows("sobel-y"))).tolist()
    assert rows("sobel-x@180") == (-np.array(rows("sobel-x"))).tolist()
    assert rows("sobel-x@-90") == rows("sobel-y") == rows("sobel-x@270")
    assert rows("sobel-x@360") == rows("sobel-x@0") == rows("sobel-x")
    assert rows("1 2 3; 4 5 6@90") == [[3, 6], [2, 5], [1, 4]]
    assert rows("central-x@90") == [[0.5], [0], [-0.5]]
    assert rows("roberts-1@90") == [[0, -1], [1, 0]]


def test_turning_by_45_goes_ring_by_ring() -> None:
    assert rows("1 2 3; 8 9 4; 7 6 5@45") == [[2, 3, 4], [1, 9, 5], [8, 7, 6]]
    assert rows("line-0@45") == rows("line-45")
    assert rows("line-0@135") == rows("line-135")
    five = [
        [1, 2, 3, 4, 5],
        [16, 21, 22, 23, 6],
        [15, 28, 0, 24, 7],
        [14, 27, 26, 25, 8],
        [13, 12, 11, 10, 9],
    ]
    spec = "; ".join(" ".join(map(str, row)) for row in five)
    assert rows(f"{spec}@45") == [
        [3, 4, 5, 6, 7],
        [2, 22, 23, 24, 8],
        [1, 21, 0, 25, 9],
        [16, 28, 27, 26, 10],
        [15, 14, 13, 12, 11],
    ]
    assert rows("5@45") == [[5]]


def test_eight_eighths_are_a_whole_turn() -> None:
    kernel = load("gabor:theta=20,wavelength=3,sigma=1").kernels[0]
    turned = kernel
    for _ in range(8):
        turned = turned.turned(45)
    np.testing.assert_array_equal(turned.weights, kernel.weights)
    np.testing.assert_array_equal(kernel.turned(45).turned(45).weights, np.rot90(kernel.weights))


def test_labels_of_turned_kernels() -> None:
    assert labels("sobel-x@90") == ["sobel-x-turn90"]
    assert labels("sobel@90") == ["sobel-x-turn90", "sobel-y-turn90"]
    assert load("sobel@90").label == "sobel-turn90"
    assert labels("box:size=5@90") == ["box-size5-turn90"]
    assert labels("kirsch") == [f"kirsch-{angle}" for angle in (0, 45, 90, 135, 180, 225, 270, 315)]
    assert labels("kirsch@45")[0] == "kirsch-0-turn45"
    assert labels("teaching-layer@90") == ["teaching-layer-1-turn90", "teaching-layer-2-turn90"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("sobel-x@30", "@30: kernels turn by multiples of 90 degrees, odd squares also by 45"),
        ("sobel@30", "@30: kernels turn by multiples of 90 degrees, odd squares also by 45"),
        ("central-x@45", "@45: only odd square kernels turn by 45 degrees, and this one is 1x3"),
        ("roberts-1@45", "@45: only odd square kernels turn by 45 degrees, and this one is 2x2"),
        ("1 2; 3 4@45", "@45: only odd square kernels turn by 45 degrees, and this one is 2x2"),
        ("motion@30", "@30: kernels turn by multiples of 90 degrees, odd squares also by 45; motion has its own:"
         " motion:angle=30"),
        ("gabor@20", "@20: kernels turn by multiples of 90 degrees, odd squares also by 45; gabor has its own:"
         " gabor:theta=20"),
        ("sobel-x@", "@ is not a whole number of degrees, as in sobel-x@90"),
        ("sobel-x@north", "@north is not a whole number of degrees, as in sobel-x@90"),
        ("sobel-x@22.5", "@22.5 is not a whole number of degrees, as in sobel-x@90"),
    ],
)  # fmt: skip
def test_turns_that_cannot_be(spec: str, reason: str) -> None:
    assert refusal(spec) == f"kernel {spec!r}: {reason}"


# Files


@pytest.mark.parametrize(
    "name",
    [
        "my.yaml",
        "my.YAML",
        "my.yml",
        "3x3.yaml",
        "-1.yaml",
        "[1].yaml",
        "a@b.yaml",
        "a@90.yaml",
        "a#b.yaml",
        "dir with spaces/my kernels.yaml",
        "dir@90/my.yaml",
        "d:1/my.yaml",
        ".hidden.yaml",
        "my.yaml.yaml",
        "锐化.yaml",
        "1 2 3.yaml",
    ],
)
def test_awkward_names_of_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(KERNEL_FILE)
    for spec in (name, f"./{name}", str(path)):
        assert labels(f"{spec}#one") == ["one"]
        assert rows(f"{spec}#ONE@90") == [[3, 6], [2, 5], [1, 4]]
        assert labels(f"{spec}#soft:sigma=2@45") == ["soft-sigma2-turn45"]
        assert labels(spec) == ["one", "soft"]


def test_a_file_of_one_kernel_needs_no_name() -> None:
    Path("mine.yaml").write_text("glow:\n  generator: gaussian\n  parameters: {sigma: 2}\n")
    assert labels("mine.yaml") == ["glow"]
    assert labels("mine.yaml@90") == ["glow-turn90"]
    assert labels("mine.yaml:sigma=3@90") == ["glow-sigma3-turn90"]
    assert labels("../" + Path.cwd().name + "/mine.yaml#glow") == ["glow"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("my.yaml#two", "my.yaml: has no kernel 'two'; it has one, soft, pair"),
        ("my.yaml#onee", "my.yaml: has no kernel 'onee'; did you mean one?"),
        ("my.yaml:sigma=2", "kernel 'my.yaml:sigma=2': parameters go with one kernel; write my.yaml#name:..."),
        ("my.yaml#one:sigma=2", "kernel 'my.yaml#one:sigma=2': one takes no parameters"),
        ("my.yaml#soft:2", "kernel 'my.yaml#soft:2': parameters are written name=value"),
        ("missing.yaml", "missing.yaml: No such file or directory"),
        ("missing.npy", "missing.npy: no such file"),
        (
            "./missing",
            "kernel './missing': a path to a kernel ends in one of .yaml, .yml, .npy, .npz, .safetensors, not ''",
        ),
        ("kernels/my.txt", "kernel 'kernels/my.txt': a path to a kernel ends in one of .yaml, .yml, .npy, .npz"),
        ("..\\my.txt", "kernel '..\\\\my.txt': a path to a kernel ends in one of .yaml, .yml, .npy, .npz"),
    ],
)
def test_wrong_files(spec: str, reason: str) -> None:
    Path("my.yaml").write_text(KERNEL_FILE)
    assert refusal(spec).startswith(reason)


def test_order_is_name_parameters_angle() -> None:
    found = parse_spec("dir/my.yaml#soft:sigma=2,size=9@90")
    assert (found.file, found.name, found.angle) == ("dir/my.yaml", "soft", 90)
    assert found.parameters == {"sigma": 2, "size": 9}
    assert found.typed == ("sigma2", "size9")
    for spec in ("sobel-x@90:size=3", "my.yaml@90#one"):
        assert refusal(spec) == f"kernel {spec!r}: @angle comes last, after #name and :parameters"
    assert refusal("gaussian:sigma=2#x").startswith("kernel 'gaussian:sigma=2#x': '2#x' is not a number")

"""Names of outputs: every rule of the contract is a row; nothing here reads or writes a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from convtool.errors import ConvtoolError, OutputError, UsageError
from convtool.kernels.library import Library
from convtool.layers.settings import Settings
from convtool.layers.stack import Layer, make_stack
from convtool.runs import naming
from convtool.runs.batch import Options, plan_run
from convtool.runs.inputs import find_inputs
from convtool.runs.naming import STDIO, MapName, Source, check_collisions, make_naming
from convtool.tone.ranges import parse_range

KERNELS = """\
name:
  weights: [[0, 1, 0]]
other:
  weights: [[1, 0, 0]]
soft:
  generator: gaussian
  parameters: {sigma: 1.0}
four:
  weights: [[1, 0], [0, 0]]
  rotations: 4
锐化:
  weights: [[0, 2, 0]]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with kernel files, an existing output folder and a tree of inputs; none of the inputs is an image."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)
    (tmp_path / "my.yaml").write_text(KERNELS, encoding="utf-8")
    (tmp_path / "one.yaml").write_text("lonely: {weights: [[1, 1]]}\n")
    np.save(tmp_path / "conv1.npy", np.arange(12.0).reshape(3, 2, 2))
    np.save(tmp_path / "single.npy", np.ones((2, 2)))
    np.save(tmp_path / "deep.npy", np.ones((2, 3, 2, 2)))
    np.save(tmp_path / "many.npy", np.arange(1, 102.0).reshape(101, 1, 1))
    np.savez(tmp_path / "bank.npz", conv1=np.ones((2, 3, 3)), last=np.ones((1, 3, 3)))
    for path in ("exists", "exists.png", "tree/sub/deeper"):
        (tmp_path / path).mkdir(parents=True)
    for path in ("tree/a.png", "tree/sub/b.jpg", "tree/sub/deeper/c.png"):
        (tmp_path / path).touch()
    return tmp_path


def planned(
    inputs: str | Sequence[str],
    kernels: str | Sequence[str],
    output: str | None = None,
    format_name: str | None = None,
    *,
    merge: str | None = None,
    range_: str | None = None,
    dtype: str | None = None,
    recursive: bool = False,
    force: bool = False,
) -> list[str]:
    """The output names of a run, in order."""
    inputs = [inputs] if isinstance(inputs, str) else inputs
    kernels = [kernels] if isinstance(kernels, str) else kernels
    settings = Settings(merge=merge, range=parse_range(range_) if range_ else None, dtype=dtype)
    raw = range_ == "raw" or dtype == "float32"
    rule = make_naming(output, format_name, stdin=STDIO in inputs, raw=raw)
    sources = find_inputs(inputs, recursive=recursive, output_folder=None).sources
    stack = make_stack([Layer(tuple(Library().load_all(kernels)), settings)])
    jobs = plan_run(sources, stack, Options(rule, force=force))
    return [work.target.path for job in jobs for work in job.works]


def labels(kernels: str | Sequence[str], merge: str | None = None) -> list[str]:
    """The map labels of a run."""
    return [name.removeprefix("i_").removesuffix(".png") for name in planned("i.png", kernels, merge=merge)]


# Map labels


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        ("sharpen", ["sharpen"]),
        ("sobel", ["sobel-x", "sobel-y"]),
        (["blur", "sobel", "edge"], ["blur", "sobel-x", "sobel-y", "edge"]),
        ("gaussian", ["gaussian"]),
        ("gaussian:sigma=2.5", ["gaussian-sigma2.5"]),
        ("gaussian:sigma=2.5,size=7", ["gaussian-sigma2.5-size7"]),
        ("gaussian:size=7,sigma=2.5", ["gaussian-size7-sigma2.5"]),
        (["gaussian:sigma=1", "gaussian:sigma=2"], ["gaussian-sigma1", "gaussian-sigma2"]),
        ("gaussian:sigma=1/2", ["gaussian-sigma0.5"]),
        ("sobel-x@90", ["sobel-x-turn90"]),
        ("sobel-x@-90", ["sobel-x-turn-90"]),
        ("sobel@45", ["sobel-x-turn45", "sobel-y-turn45"]),
        ("motion:length=5@90", ["motion-length5-turn90"]),
        ("kirsch", [f"kirsch-{angle}" for angle in range(0, 360, 45)]),
        ("kirsch@90", [f"kirsch-{angle}-turn90" for angle in range(0, 360, 45)]),
        ("my.yaml#four", ["four-0", "four-90", "four-180", "four-270"]),
        ("1 2 1", ["inline"]),
        ("1 2 1; 2 4 2; 1 2 1 / 16", ["inline"]),
        (["1 2 1", "blur", "1 0 -1"], ["inline-1", "blur", "inline-2"]),
        ("1 2 1@90", ["inline-turn90"]),
        (["1 2 1@90", "1 2 1"], ["inline-1-turn90", "inline-2"]),
        ("my.yaml#name", ["name"]),
        ("my.yaml#锐化", ["锐化"]),
        ("my.yaml#name@90", ["name-turn90"]),
        ("my.yaml#soft:sigma=2", ["soft-sigma2"]),
        ("my.yaml", ["name", "other", "soft", "four-0", "four-90", "four-180", "four-270", "锐化"]),
        ("one.yaml", ["lonely"]),
        ("conv1.npy", ["conv1-00", "conv1-01", "conv1-02"]),
        ("bank.npz#conv1", ["conv1-00", "conv1-01"]),
        ("bank.npz#last", ["last"]),
        ("single.npy", ["single"]),
        ("deep.npy", ["deep-00", "deep-01"]),
        ("conv1.npy@90", ["conv1-00-turn90", "conv1-01-turn90", "conv1-02-turn90"]),
        ("many.npy", [f"many-{at:03}" for at in range(101)]),
    ],
)
def test_label(kernels: str | list[str], expected: list[str]) -> None:
    assert labels(kernels) == expected


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        ("sobel", ["sobel"]),
        ("kirsch", ["kirsch"]),
        ("conv1.npy", ["conv1"]),
        ("my.yaml", ["my"]),
        (["sobel", "kirsch"], ["sobel", "kirsch"]),
        (["sobel", "blur"], ["sobel", "blur"]),
        (["sobel-x", "sobel-y"], ["merged"]),
        (["1 0 -1", "1; 0; -1"], ["merged"]),
        ("sobel@90", ["sobel-turn90"]),
    ],
)
def test_merged_label(kernels: str | list[str], expected: list[str]) -> None:
    assert labels(kernels, merge="mean") == expected


@pytest.mark.parametrize(
    ("kernels", "named"),
    [
        (["blur", "blur"], "blur"),
        (["sobel", "sobel-x"], "sobel-x"),
        (["blur", "BLUR"], "blur"),
        (["my.yaml#name", "my.yaml#name"], "name"),
        (["gaussian:sigma=2", "gaussian:sigma=2"], "gaussian-sigma2"),
        (["conv1.npy", "bank.npz#conv1"], "conv1-00"),
    ],
)
def test_equal_labels_are_refused(kernels: list[str], named: str) -> None:
    with pytest.raises(ConvtoolError, match=f"^the kernel {named} is given twice$") as caught:
        planned("i.png", kernels)
    assert caught.value.exit_code == 2


# File names

OUT_MEANS_A_FOLDER = ["out/i_blur.png"]


@pytest.mark.parametrize(
    ("inputs", "kernels", "output", "format_name", "expected"),
    [
        # beside the input
        ("img.png", "sobel", None, None, ["img_sobel-x.png", "img_sobel-y.png"]),
        ("deep/er/img.png", "blur", None, None, ["deep/er/img_blur.png"]),
        ("../img.png", "blur", None, None, ["../img_blur.png"]),
        ("a.b.c.png", "blur", None, None, ["a.b.c_blur.png"]),
        ("with space.png", "blur", None, None, ["with space_blur.png"]),
        ("{stem}.png", "blur", None, None, ["{stem}_blur.png"]),
        ("写真.png", "my.yaml#锐化", None, None, ["写真_锐化.png"]),
        ("plain", "blur", None, None, ["plain_blur.png"]),
        (".hidden", "blur", None, None, [".hidden_blur.png"]),
        # the input's suffix decides the format, as it is written
        ("img.jpg", "blur", None, None, ["img_blur.jpg"]),
        ("img.JPEG", "blur", None, None, ["img_blur.JPEG"]),
        ("img.tiff", "blur", None, None, ["img_blur.tiff"]),
        ("img.webp", "blur", None, None, ["img_blur.webp"]),
        ("img.npy", "blur", None, None, ["img_blur.npy"]),
        # what is only read becomes png, with the old suffix in the stem
        ("hopper.gif", "sharpen", None, None, ["hopper_gif_sharpen.png"]),
        ("hopper.ico", "sharpen", None, None, ["hopper_ico_sharpen.png"]),
        ("hopper.GIF", "sharpen", None, None, ["hopper_GIF_sharpen.png"]),
        (["hopper.gif", "hopper.png"], "sharpen", None, None, ["hopper_gif_sharpen.png", "hopper_sharpen.png"]),
        # -f
        ("img.png", "blur", None, "jpg", ["img_blur.jpg"]),
        ("img.jpeg", "blur", None, "jpg", ["img_blur.jpeg"]),
        ("img.png", "blur", None, "npy", ["img_blur.npy"]),
        ("img.png", "blur", "exists", "webp", ["exists/img_blur.webp"]),
        # -o in its forms
        ("i.png", "blur", "-", None, ["-"]),
        ("i.png", "blur", "exists", None, ["exists/i_blur.png"]),
        ("i.png", "blur", "exists.png", None, ["exists.png/i_blur.png"]),
        ("i.png", "blur", "out/", None, OUT_MEANS_A_FOLDER),
        ("i.png", "blur", "out", None, OUT_MEANS_A_FOLDER),
        ("i.png", "blur", "out.png/", None, ["out.png/i_blur.png"]),
        ("i.png", "blur", "out.d", None, ["out.d/i_blur.png"]),
        ("i.png", "blur", "out/new/", None, ["out/new/i_blur.png"]),
        ("i.png", "blur", "out.png", None, ["out.png"]),
        ("i.png", "blur", "sub/out.tif", None, ["sub/out.tif"]),
        ("i.png", "blur", "OUT.PNG", None, ["OUT.PNG"]),
        ("some/i.png", "blur", "out/", None, OUT_MEANS_A_FOLDER),
        ("i.png", "sobel", "{stem}-{map}.png", None, ["i-sobel-x.png", "i-sobel-y.png"]),
        # the fields of a template
        ("i.png", "sobel", "{index}.png", None, ["0.png", "1.png"]),
        ("i.png", "sobel", "{kernel}/{map}.png", None, ["sobel/sobel-x.png", "sobel/sobel-y.png"]),
        ("i.png", "gaussian:sigma=2", "{kernel}.png", None, ["gaussian-sigma2.png"]),
        ("i.jpg", "blur", "{suffix}/{stem}.{ext}", None, ["jpg/i.jpg"]),
        ("i.jpg", "blur", "{stem}.{ext}", "png", ["i.png"]),
        ("i.jpg", "blur", "{stem}_{suffix}.{ext}", "png", ["i_jpg.png"]),
        ("d/i.jpg", "blur", "x/{parent}/{stem}.{ext}", None, ["x/i.jpg"]),
        ("hopper.gif", "blur", "{stem}_{map}.{ext}", None, ["hopper_gif_blur.png"]),
        ("hopper.gif", "blur", "{stem}.{suffix}.png", None, ["hopper.gif.png"]),
        ("i.png", "blur", "{{{stem}}}.png", None, ["{i}.png"]),
        ("i.png", "blur", "{{}}{map}.png", None, ["{}blur.png"]),
        ("i.png", "blur", "{{stem}}.png", None, ["{stem}.png"]),
        ("{map}.png", "blur", "{stem}_{map}.png", None, ["{map}_blur.png"]),
        ("i.png", "blur", "new/deep/{stem}_{map}.webp", None, ["new/deep/i_blur.webp"]),
        # staying inside: dots that go nowhere
        ("..i.png", "blur", "{stem}_{map}.{ext}", None, ["..i_blur.png"]),
        ("i.png", "blur", "../{stem}_{map}.{ext}", None, ["../i_blur.png"]),
        ("i.png", "blur", "out/{map}/../{stem}.{ext}", None, ["out/i.png"]),
        # stdin
        ("-", "blur", None, None, ["-"]),
        ("-", "blur", "-", None, ["-"]),
        ("-", "blur", "out/", None, ["out/stdin_blur.png"]),
        ("-", "blur", "{stem}.{ext}", None, ["stdin.png"]),
        ("-", "blur", "{stem}.{ext}", "jpg", ["stdin.jpg"]),
        ("-", "blur", "out.tif", None, ["out.tif"]),
    ],
)
def test_name(
    inputs: str | list[str], kernels: str, output: str | None, format_name: str | None, expected: list[str]
) -> None:
    assert planned(inputs, kernels, output, format_name) == expected


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("out", ["out/a_blur.png", "out/sub/b_blur.jpg", "out/sub/deeper/c_blur.png"]),
        ("out/{parent}/{stem}.{ext}", ["out/a.png", "out/sub/b.jpg", "out/sub/deeper/c.png"]),
        ("out/{stem}.{ext}", ["out/a.png", "out/b.jpg", "out/c.png"]),
    ],
)
def test_a_tree_is_kept_below_a_folder_and_where_the_template_says(output: str, expected: list[str]) -> None:
    assert planned("tree", "blur", output, recursive=True) == expected


@pytest.mark.parametrize(
    ("name", "range_", "dtype", "format_name", "expected"),
    [
        ("i.png", "raw", None, None, "i_blur.tif"),
        ("i.png", None, "float32", None, "i_blur.tif"),
        ("i.gif", "raw", None, None, "i_blur.tif"),
        ("i.tiff", "raw", None, None, "i_blur.tiff"),
        ("i.npy", "raw", None, None, "i_blur.npy"),
        ("i.png", "raw", None, "npy", "i_blur.npy"),
        ("i.png", "abs", "uint16", None, "i_blur.png"),
    ],
)
def test_float_maps_become_tif_unless_a_format_is_named(
    name: str, range_: str | None, dtype: str | None, format_name: str | None, expected: str
) -> None:
    assert planned(name, "blur", None, format_name, range_=range_, dtype=dtype) == [expected]


@pytest.mark.parametrize(
    ("path", "stdin", "raw", "format_name", "expected"),
    [
        ("i.png", False, False, None, "png"),
        ("i.jpg", False, False, None, "png"),
        ("i.npy", False, False, None, "npy"),
        ("i.jpg", False, False, "jpg", "jpg"),
        ("-", True, False, None, "png"),
        ("-", True, False, "webp", "webp"),
        ("-", True, True, None, "tif"),
    ],
)
def test_format_of_stdout(path: str, stdin: bool, raw: bool, format_name: str | None, expected: str) -> None:
    rule = make_naming("-", format_name, stdin=stdin, raw=raw)
    (target,) = rule.targets(Source(path), [MapName("m", "k", 0)])
    assert (target.path, target.stdout, target.format) == ("-", True, expected)


@pytest.mark.parametrize(
    ("output", "expected"),
    [("x.jpeg", "jpg"), ("x.TIFF", "tif"), ("x.pnm", "ppm"), ("x.pgm", "pgm"), ("{stem}.npy", "npy"), ("d/", "webp")],
)
def test_the_output_suffix_decides_the_format(output: str, expected: str) -> None:
    (target,) = make_naming(output, None, stdin=False).targets(Source("i.webp"), [MapName("m", "k", 0)])
    assert target.format == expected


# Refusals


@pytest.mark.parametrize(
    ("output", "format_name", "parts"),
    [
        ("{stme}.png", None, ["{stme}", "did you mean stem?"]),
        ("{kernels}.png", None, ["{kernels}", "did you mean kernel?"]),
        ("{zzz}.png", None, ["{zzz}", "{stem}", "{suffix}", "{ext}", "{kernel}", "{map}", "{index}", "{parent}"]),
        ("{}.png", None, ["{}", "{stem}"]),
        ("{0}.png", None, ["{0}"]),
        ("{stem.__class__}.png", None, ["{stem.__class__}"]),
        ("{stem[0]}.png", None, ["{stem[0]}"]),
        ("{index:03}.png", None, ["{index}"]),
        ("{stem!r}.png", None, ["{stem}"]),
        ("{stem.png", None, ["{{", "}}"]),
        ("stem}{map}.png", None, ["{{", "}}"]),
        ("{stem}/", None, ["{stem}_{map}.{ext}"]),
        ("{stem}_{map}", None, ["no image suffix", ".png"]),
        ("{stem}.txt", None, ["no image suffix", ".png"]),
        ("{stem}.gif", None, ["read, not written"]),
        ("out.gif", None, ["read, not written"]),
        ("out.pgn", None, [".pgn files are not written; did you mean", "png", "out.pgn/"]),
        ("new/out.PDF", None, [".PDF files are not written; png jpg", "new/out.PDF/"]),
        ("out.png", "jpg", ["out.png", "-f jpg", "contradict"]),
        ("{stem}.png", "jpg", ["-f jpg", "contradict"]),
        ("", None, ["-o is empty"]),
    ],
)
def test_outputs_that_cannot_be_meant(output: str, format_name: str | None, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        make_naming(output, format_name, stdin=False)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is new and looks like a picture has to end with a slash."""
    monkeypatch.chdir(tmp_path)
    Path("there.pgn").mkdir()
    for output in ("out.pgn/", "there.pgn", "maps.d", "v1.2", "2026.11", "out"):
        assert make_naming(output, None, stdin=False).kind == "folder"


def test_a_suffix_filled_in_against_the_format_is_refused() -> None:
    with pytest.raises(OutputError, match=r"i_blur\.jpg: .*-f png contradict"):
        planned("i.jpg", "blur", "{stem}_{map}.{suffix}", "png")


def test_a_suffix_filled_in_that_is_not_written_is_refused() -> None:
    with pytest.raises(OutputError, match=r"i\.gif: has no image suffix that can be written"):
        planned("i.gif", "blur", "{stem}.{suffix}")


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("i.png", "out/{map}/../../{stem}_{map}.png"),
        ("i.png", "out/{map}/../../../{stem}_{map}.png"),
        ("i.png", "{map}/../../{stem}_{map}.png"),
        ("i.png", "./{map}/../../x.png"),
        ("i.png", "../out/{map}/../../{stem}_{map}.png"),
    ],
)
def test_leaving_the_output_folder_is_refused(name: str, output: str) -> None:
    with pytest.raises(OutputError, match="leaves the output folder") as caught:
        planned(name, "blur", output)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("inputs", "kernels", "output", "parts"),
    [
        ("i.png", "sobel", "out.png", ["out.png", "2 maps", "--merge", "-o out/"]),
        ("i.png", "sobel", "-", ["stdout", "2 maps", "--merge", "-o out/"]),
        (["a.png", "b.png"], "blur", "out.png", ["out.png", "2 inputs", "-o out/"]),
        (["a.png", "b.png"], "blur", "-", ["stdout", "2 inputs", "-o out/"]),
        ("-", "sobel", None, ["stdout", "2 maps"]),
    ],
)
def test_one_file_for_several(inputs: str | list[str], kernels: str, output: str | None, parts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        planned(inputs, kernels, output)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


# Collisions

SUFFIX = "OUT/{stem}_{suffix}_{map}.{ext}"
PARENT = "OUT/{parent}/{stem}_{map}.{ext}"


@pytest.mark.parametrize(
    ("inputs", "output", "format_name", "template"),
    [
        (["a.png", "a.jpg"], "out/", "png", SUFFIX),
        (["a.png", "a.jpg"], None, "png", SUFFIX),
        (["d1/a.png", "d2/a.png"], "out/", None, PARENT),
        (["d1/a.png", "d2/a.png"], "{stem}_{map}.{ext}", None, PARENT),
    ],
)
def test_a_collision_names_both_inputs_and_the_template_that_parts_them(
    inputs: list[str], output: str | None, format_name: str | None, template: str
) -> None:
    with pytest.raises(OutputError) as caught:
        planned(inputs, "blur", output, format_name)
    text = str(caught.value)
    assert all(name in text for name in inputs)
    assert template in text
    assert "\n" not in text
    assert caught.value.exit_code == 2


def test_the_template_of_a_suffix_collision_works() -> None:
    found = planned(["a.png", "a.jpg"], "blur", SUFFIX, "png")
    assert found == ["OUT/a_png_blur.png", "OUT/a_jpg_blur.png"]


def test_the_template_of_a_tree_collision_works(folder: Path) -> None:
    (folder / "tree/sub/a.png").touch()
    with pytest.raises(OutputError) as caught:
        planned("tree", "blur", "out/{stem}.{ext}", recursive=True)
    assert PARENT in str(caught.value)
    assert "--recursive" not in str(caught.value)
    assert "OUT/sub/a_blur.png" in planned("tree", "blur", PARENT, recursive=True)


def test_files_named_one_by_one_are_told_to_come_as_a_folder(folder: Path) -> None:
    """{parent} is relative to a folder argument, so for them it parts nothing."""
    for name in ("tree/sub/a.png", "tree/sub/deeper/a.png"):
        (folder / name).touch()
    with pytest.raises(OutputError, match="--recursive"):
        planned(["tree/sub/a.png", "tree/sub/deeper/a.png"], "blur", "out")
    found = planned("tree/sub", "blur", PARENT, recursive=True)
    assert {"OUT/a_blur.png", "OUT/deeper/a_blur.png"} <= set(found)


def test_maps_of_one_input_collide() -> None:
    with pytest.raises(OutputError, match=r"several maps of i\.png would go here; put \{map\} in the template"):
        planned("i.png", "sobel", "{stem}.png")


@pytest.mark.parametrize("again", ["i.png", "./i.png", "tree/../i.png"])
def test_an_input_given_twice(again: str) -> None:
    with pytest.raises(OutputError, match="given twice"):
        planned(["i.png", again], "blur", "out")


def test_further_collisions_are_counted() -> None:
    with pytest.raises(OutputError, match=r"\(and 1 more like this\)"):
        planned(["a.png", "a.jpg", "b.png", "b.jpg"], "blur", "out", "png")


def test_names_that_differ_by_case_collide_where_the_disk_folds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = make_naming("out/", None, stdin=False)
    pairs = [(source, rule.targets(source, [MapName("m", "k", 0)])[0]) for source in (Source("A.png"), Source("a.png"))]
    monkeypatch.setattr(naming, "_folds_case", lambda path: False)
    assert check_collisions(pairs) == []
    monkeypatch.setattr(naming, "_folds_case", lambda path: True)
    (message,) = check_collisions(pairs)
    assert "A.png" in message
    assert "a.png" in message


def test_this_disk_is_asked_whether_it_folds_case(folder: Path) -> None:
    (folder / "case").touch()
    assert naming._folds_case(folder / "no/such/x.png") == (folder / "CASE").exists()


# Purity


def test_names_do_not_depend_on_content(folder: Path) -> None:
    """Missing, empty and foreign files get the names that a picture would get."""
    (folder / "text.png").write_text("no picture")
    (folder / "link.png").symlink_to(folder / "nowhere")
    expected = ["missing_blur.png", "text_blur.png", "link_blur.png"]
    assert planned(["missing.png", "text.png", "link.png"], "blur") == expected


def test_planning_creates_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    planned("i.png", "blur", "brand/new/")
    assert sorted(folder.iterdir()) == before


def test_a_path_too_long_to_look_up_is_no_folder() -> None:
    assert make_naming("x" * 300, None, stdin=False).kind == "folder"
    assert make_naming("x" * 300 + ".png", None, stdin=False).kind == "file"

"""Where kernels come from: the order of folders, what they may do to each other, and banks of weights."""

from __future__ import annotations

import io
import os
import pickle
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convtool import load_kernel
from convtool.cli import main
from convtool.errors import KernelError
from convtool.kernels.folders import BuiltinFolder, builtin_path
from convtool.kernels.kernel import MAX_MAPS, KernelSet
from convtool.kernels.library import Library
from convtool.kernels.yaml_nodes import parse_yaml

MINE = "sobel-x:\n  weights: [[-7, 7]]\nglow:\n  weights: [[2]]\n"
SOBEL_X = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)


def folder(name: str, **files: str) -> str:
    Path(name).mkdir(parents=True, exist_ok=True)
    for stem, text in files.items():
        (Path(name) / f"{stem}.yaml").write_text(text, "utf-8")
    return name


def one(weight: int, *names: str) -> str:
    return "".join(f"{name}:\n  weights: [[{weight}]]\n" for name in names)


def weights(library: Library, spec: str) -> Any:
    return library.load(spec).kernels[0].weights.tolist()


def labels(spec: str) -> list[str]:
    return [kernel.label for kernel in Library().load(spec).kernels]


def refusal(spec: str, kernel_dir: str | None = None) -> str:
    with pytest.raises(KernelError) as caught:
        Library(kernel_dir).load(spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


# Folders


def test_folders_are_asked_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    folder("given", mine=one(1, "a", "sobel-x"))
    folder("first", mine=one(2, "a", "b"))
    folder("second", mine=one(3, "a", "b", "c"))
    folder("kernels", mine=one(4, "a", "b", "c", "d"))
    monkeypatch.setenv("CONVTOOL_KERNELS", os.pathsep.join(["first", "", "second"]))
    library = Library("given")
    assert [weights(library, name) for name in ("a", "b", "c", "d")] == [[[1]], [[2]], [[3]], [[4]]]
    assert weights(library, "sobel-x") == [[1]]
    assert weights(library, "sobel-y") == [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    assert library.notes == [], "a folder that was asked for may hide names"
    assert weights(Library(), "a") == [[2]]
    monkeypatch.delenv("CONVTOOL_KERNELS")
    assert weights(Library(), "a") == [[4]]


@pytest.mark.parametrize("way", ["--kernel-dir", "$CONVTOOL_KERNELS"])
def test_a_bad_file_in_a_folder_that_was_asked_for_is_exit_2(
    way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder("given", good=one(1, "glow"), other="version: 3\nservices: [a, b]\n")
    arguments = ["apply", "img.png", "-k", "sobel"]
    if way == "--kernel-dir":
        arguments += ["--kernel-dir", "given"]
    else:
        monkeypatch.setenv("CONVTOOL_KERNELS", "given")
    assert run(*arguments) == 2
    where = Path("given/other.yaml")
    assert capsys.readouterr().err == (
        f"convtool: {where}:1: version: a definition has keys, one of weights, generator or maps\n"
    )


@pytest.mark.parametrize("name", ["missing", "file.yaml", ""])
def test_what_is_no_folder_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file.yaml").write_text(MINE)
    assert refusal("sobel", name) == f"--kernel-dir: {name or 'an empty name'} is not a folder"
    if name:
        monkeypatch.setenv("CONVTOOL_KERNELS", name)
        assert refusal("sobel") == f"$CONVTOOL_KERNELS: {name} is not a folder"


def test_a_foreign_file_in_kernels_is_skipped_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    folder("kernels", mine=one(1, "glow"), other="version: 3\n", broken="a: [1\n")
    Path("kernels/notes.txt").write_text("no kernel")
    Path("kernels/.hidden.yaml").write_text("[")
    Path("kernels/folder.yaml").mkdir()
    library = Library()
    assert weights(library, "glow") == [[1]]
    assert weights(library, "sobel-x") == SOBEL_X
    assert [note.partition("yaml")[0] for note in library.notes] == [
        f"skipped a file that is no kernel file: kernels{os.sep}{stem}." for stem in ("broken", "folder", "other")
    ]
    assert run("kernels", "show", "glow") == 0
    assert capsys.readouterr().err.count("convtool: skipped a file that is no kernel file: kernels") == 3
    assert run("kernels") == 0
    assert capsys.readouterr().err.count("convtool: skipped a file that is no kernel file: kernels") == 3


def test_a_folder_of_kernels_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    folder("kernels", mine=MINE)
    real = Path.iterdir

    def closed(path: Path) -> Any:
        if path.name == "kernels" and not path.is_absolute():
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(Path, "iterdir", closed)
    library = Library()
    assert weights(library, "sobel-x") == SOBEL_X
    assert library.notes == ["skipped a folder of kernels: kernels: Permission denied"]
    assert refusal("sobel-x", "kernels") == "kernels: Permission denied"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_kernels_does_not_hang() -> None:
    os.mkfifo(Path(folder("kernels")) / "pipe.yaml")
    library = Library()
    assert weights(library, "sobel-x") == SOBEL_X
    assert "pipe.yaml: is not a regular file" in library.notes[0]


def test_a_kernel_that_hides_a_built_in_one_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    folder("kernels", mine=MINE)
    library = Library()
    assert weights(library, "sobel-x") == [[-7, 7]]
    library.load("SOBEL-X@90")
    library.load("glow")
    note = f"sobel-x is the one of {Path('kernels/mine.yaml')}, which hides the built-in kernel of that name"
    assert library.notes == [note]
    assert run("kernels", "show", "sobel-x") == 0
    assert capsys.readouterr().err == f"convtool: {note}\n"
    with pytest.warns(UserWarning, match="hides the built-in kernel"):
        load_kernel("sobel-x")


def test_a_set_that_uses_a_kernel_that_hides_a_built_in_one_says_so() -> None:
    folder("kernels", mine="sobel-x:\n  weights: [[-7, 7]]\nboth:\n  maps: [sobel-x, sobel-y]\n")
    library = Library()
    library.load("both")
    assert [note.split()[0] for note in library.notes] == ["sobel-x"]


def test_the_same_definition_again_is_no_surprise() -> None:
    """A copy of the built-in files, as in a checkout, hides nothing, wherever in its file a kernel stands."""
    folder("kernels")
    for path in builtin_path().glob("*.yaml"):
        (Path("kernels") / path.name).write_text(
            "# A comment that moves all lines\n" + path.read_text("utf-8"), "utf-8"
        )
    library = Library()
    assert library.folders[0].path == Path("kernels")
    for name in ("sobel", "sobel-x", "gaussian", "kirsch", "gabor-bank", "teaching-layer", "contour"):
        assert library.load(name).kernels
    assert library.notes == []


@pytest.mark.parametrize(
    "changed",
    [
        "weights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 2]]",
        "weights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]\n  bias: 1",
        "weights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]\n  scale: 1/4",
        "weights: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]\n  range: clip",
        "maps: [sobel-y]",
        "generator: log",
    ],
)
def test_any_other_meaning_is_said(changed: str) -> None:
    folder("kernels", mine=f"sobel-x:\n  {changed}\n")
    library = Library()
    library.load("sobel-x")
    assert len(library.notes) == 1


def test_a_name_in_two_files_of_a_folder_is_refused() -> None:
    folder("given", a=one(1, "glow"), b="first:\n  weights: [[1]]\nGLOW:\n  weights: [[2]]\n")
    a, b = Path("given/a.yaml"), Path("given/b.yaml")
    assert refusal("glow", "given") == f"{b}:3: GLOW: is also defined in {a}"


def test_sets_look_in_their_own_file_then_in_the_folders_in_order() -> None:
    folder("given", a="both:\n  maps: [sobel-x, glow, sobel-y]\nsobel-x:\n  weights: [[5]]\n", b=one(6, "glow"))
    folder("kernels", mine=one(7, "glow", "sobel-x"))
    found = Library("given").load("both").kernels
    assert [kernel.weights.tolist() for kernel in found[:2]] == [[[5]], [[6]]]
    assert found[2].size == (3, 3)


def test_a_built_in_set_keeps_its_own_kernels() -> None:
    folder("kernels", mine=MINE)
    assert Library().load("sobel").kernels[0].weights.tolist() == SOBEL_X


def test_a_set_may_name_files_and_other_sets() -> None:
    Path("mine.yaml").write_text("all:\n  maps: [other.yaml#glow, sobel, bank.npy]\n")
    Path("other.yaml").write_text(one(3, "glow", "dim"))
    np.save("bank.npy", np.ones((2, 3, 3)))
    assert labels("mine.yaml") == ["glow", "sobel-x", "sobel-y", "bank-00", "bank-01"]


def test_sets_of_two_files_in_a_circle_end_in_a_message() -> None:
    Path("a.yaml").write_text("one:\n  maps: [b.yaml#two]\n")
    Path("b.yaml").write_text("two:\n  maps: [a.yaml#one]\n")
    message = refusal("a.yaml")
    assert message.endswith("a.yaml:2: one: maps: maps go in a circle: one -> two -> one")


def test_only_the_entries_that_are_named_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counted(text: str, path: Path) -> Any:
        read.extend(line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha())
        return parse_yaml(text, path)

    monkeypatch.setattr("convtool.kernels.folders.parse_yaml", counted)
    Library().load("sobel")
    assert read == ["sobel", "sobel-x", "sobel-y"]
    read.clear()
    Library().load("LUMA")
    assert read == ["luma"]
    read.clear()
    Library().load("four-views")
    assert read == ["four-views", "edge", "blur", "sharpen", "emboss"]
    read.clear()
    Library().load("1 2 3")
    assert read == []


def test_an_entry_parsed_alone_is_the_entry_of_its_file() -> None:
    builtin = BuiltinFolder()
    for definition in builtin.definitions():
        assert builtin.find(definition.name) == definition


def test_a_mention_is_no_definition() -> None:
    assert BuiltinFolder().find("sobel-x") is not None
    assert BuiltinFolder().find("sobel-") is None
    assert BuiltinFolder().find("summary") is None
    assert BuiltinFolder().find("sobel.x") is None


# Banks


def bank(name: str, **arrays: Any) -> str:
    if name.endswith(".npy"):
        np.save(name, arrays["array"])
    else:
        np.savez(name, **arrays)
    return name


def ramp(*shape: int, dtype: Any = np.float64) -> NDArray[Any]:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "expected", "depth", "size"),
    [
        ((3, 5), ["bank"], None, (3, 5)),
        ((1, 3, 5), ["bank"], None, (3, 5)),
        ((2, 3, 5), ["bank-00", "bank-01"], None, (3, 5)),
        ((2, 4, 3, 5), ["bank-00", "bank-01"], 4, (3, 5)),
        ((1, 1, 1, 1), ["bank"], 1, (1, 1)),
        ((120, 1, 1), [f"bank-{at:03}" for at in range(120)], None, (1, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_shapes_and_labels_of_banks(
    kind: str, shape: tuple[int, ...], expected: list[str], depth: int | None, size: tuple[int, int]
) -> None:
    array = ramp(*shape)
    spec = bank("bank.npy", array=array) if kind == "npy" else bank("all.npz", bank=array)
    found = Library().load(spec)
    assert [kernel.label for kernel in found.kernels] == expected
    assert found.label == "bank"
    assert {(kernel.depth, kernel.size) for kernel in found.kernels} == {(depth, size)}
    stacked = np.stack([kernel.weights for kernel in found.kernels])
    np.testing.assert_array_equal(stacked, array if array.ndim > 2 else array[None])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", ">f4", ">i2", "longdouble"])
def test_real_types_are_taken(dtype: str) -> None:
    array = ramp(2, 3, 3, dtype=dtype)
    found = Library().load(bank("bank.npy", array=array))
    np.testing.assert_array_equal(found.kernels[1].weights, array[1].astype(np.float64))


def test_layout_in_memory_does_not_matter() -> None:
    array = np.asfortranarray(ramp(2, 3, 4, 5))
    found = Library().load(bank("bank.npy", array=array))
    np.testing.assert_array_equal(found.kernels[1].weights, array[1])


def test_arrays_of_an_npz_are_named() -> None:
    bank("net.npz", **{"conv1": ramp(2, 3, 3), "conv2/kernel:0": ramp(3, 3), "conv3": ramp(1, 2, 3, 3)})
    assert labels("net.npz#conv1") == ["conv1-00", "conv1-01"]
    assert labels("net.npz#conv1@90") == ["conv1-00-turn90", "conv1-01-turn90"]
    assert labels("net.npz#conv3") == ["conv3"]
    assert labels("net.npz#conv2/kernel:0") == ["conv2_kernel_0"]
    assert refusal("net.npz") == ("net.npz: holds 3 arrays; write file#name with one of conv1, conv2/kernel:0, conv3")
    assert refusal("net.npz#conv11") == "net.npz: has no array 'conv11'; did you mean conv1 or conv3?"
    assert refusal("net.npz#qq") == "net.npz: has no array 'qq'; it has conv1, conv2/kernel:0, conv3"
    np.save("one.npy", ramp(3, 3))
    assert refusal("one.npy#conv1") == "one.npy: #conv1: an .npy file holds one array without a name"
    assert refusal("one.npy:size=3") == "kernel 'one.npy:size=3': weights from a file take no parameters"


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (ramp(3, 3, dtype=complex), "has dtype complex128; weights are real numbers"),
        (np.array([["1", "2"]]), "has dtype <U1; weights are real numbers"),
        (np.zeros((2, 2), dtype="datetime64[s]"), "has dtype datetime64[s]; weights are real numbers"),
        (np.zeros((2, 2), dtype=[("a", "f4")]), "has dtype [('a', '<f4')]; weights are real numbers"),
        (ramp(9), "has shape (9,); weights are (kh, kw), (N, kh, kw) or (N, C, kh, kw)"),
        (np.float64(3), "has shape (); weights are (kh, kw), (N, kh, kw) or (N, C, kh, kw)"),
        (ramp(1, 1, 1, 3, 3), "has shape (1, 1, 1, 3, 3); weights are (kh, kw)"),
        (ramp(0, 3, 3), "has shape (0, 3, 3); weights are (kh, kw)"),
        (ramp(3, 0), "has shape (3, 0); weights are (kh, kw)"),
        (ramp(1, 1024), "has shape (1, 1024); the largest kernel side is 1023, which is fixed"),
        (ramp(MAX_MAPS + 1, 1, 1), "has shape (4097, 1, 1); a bank gives at most 4096 maps, a fixed limit"),
        (np.array([[1.0, np.nan]]), "has weights that are not finite numbers"),
        (np.array([[[1.0, np.inf]]]), "has weights that are not finite numbers"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "array",
)
def test_arrays_that_are_no_weights(array: Any, reason: str) -> None:
    assert refusal(bank("bank.npy", array=array)).startswith(f"bank.npy: {reason}")
    assert refusal(bank("all.npz", bank=array)).startswith(f"all.npz: {reason}")


class Trap:
    """Writes a file if it is ever unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("pwned"),))


def test_pickled_arrays_are_refused_and_not_run() -> None:
    pickled = np.empty((2, 2), dtype=object)
    pickled[:] = Trap()
    assert refusal(bank("bank.npy", array=pickled)) == "bank.npy: has dtype object; weights are real numbers"
    assert refusal(bank("all.npz", bank=pickled)) == "all.npz: has dtype object; weights are real numbers"
    Path("bare.npy").write_bytes(pickle.dumps(Trap()))
    assert refusal("bare.npy").startswith("bare.npy: is no .npy file; numpy.save writes one")
    assert not Path("pwned").exists()


def header(text: str, data: bytes = b"") -> bytes:
    line = text.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + data


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("(1000000000, 1000, 1000)", "a bank gives at most 4096 maps, a fixed limit"),
        ("(4096, 1000000, 1000, 1000)", "has 4096000000000000 weights; at most 67108864 are read, a fixed limit"),
        ("(4096, 1023, 1023)", "has 4286582784 weights; at most 67108864 are read, a fixed limit"),
        ("(99999999, 99999999)", "the largest kernel side is 1023, which is fixed"),
        ("(64, 1023, 1023)", "is cut short: 8 bytes of weights, 535822848 announced"),
        ("(-1, 3, 3)", "has shape (-1, 3, 3); weights are"),
        ("(-3, -3)", "has shape (-3, -3); weights are"),
        ("(" + "9" * 5000 + ", 3)", "Cannot parse header"),
        ("(" * 3000 + ")" * 3000, "Cannot parse header"),
        ("(" + "-" * 6000 + "1, 3)", ""),
        ("('3', 3)", "shape is not valid"),
    ],
)
def test_lying_headers_are_refused_without_allocating(shape: str, reason: str) -> None:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    Path("bank.npy").write_bytes(header(text, bytes(8)))
    with zipfile.ZipFile("all.npz", "w") as archive:
        archive.write("bank.npy", "bank.npy")
    start = time.process_time()
    messages = {name: refusal(name) for name in ("bank.npy", "all.npz")}
    assert time.process_time() - start < 1
    tracemalloc.start()
    refusal("bank.npy")
    refusal("all.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000
    for name, message in messages.items():
        assert message.startswith(f"{name}: ")
        assert reason in message
        assert len(message) < 200


def test_a_truncated_file_is_told_at_every_length() -> None:
    whole = io.BytesIO()
    np.save(whole, ramp(2, 3, 3))
    data = whole.getvalue()
    for length in range(len(data)):
        Path("bank.npy").write_bytes(data[:length])
        message = refusal("bank.npy")
        assert message.startswith("bank.npy: ")
        assert len(message) > len("bank.npy: ")
    assert message == "bank.npy: is cut short: 143 bytes of weights, 144 announced"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_npz_is_told_at_every_length(*, compressed: bool) -> None:
    (np.savez_compressed if compressed else np.savez)("whole.npz", conv1=ramp(2, 3, 3))
    data = Path("whole.npz").read_bytes()
    for length in range(len(data)):
        Path("all.npz").write_bytes(data[:length])
        assert refusal("all.npz").startswith("all.npz: ")
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0xFF
        Path("all.npz").write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found: KernelSet | None = Library().load("all.npz#conv1")
            except KernelError as error:
                found = None
                reason = str(error)
        assert found is not None or (reason.startswith("all.npz: ") and "\n" not in reason)


def test_what_is_no_bank_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.npz").write_text("no zip")
    Path("empty.npy").write_bytes(b"")
    Path("dir.npy").mkdir()
    with zipfile.ZipFile("other.npz", "w") as archive:
        archive.writestr("notes.txt", "no array")
    assert refusal("text.npz") == "text.npz: is no .npz file, or cut short; numpy.savez writes one"
    assert refusal("empty.npy").startswith("empty.npy: ")
    assert refusal("dir.npy") == "dir.npy: is not a regular file"
    assert refusal("other.npz") == "other.npz: holds no arrays"
    assert run("kernels", "check", "text.npz") == 1
    assert capsys.readouterr().err == "convtool: text.npz: is no .npz file, or cut short; numpy.savez writes one\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_named_as_a_bank_does_not_hang() -> None:
    os.mkfifo("bank.npy")
    assert refusal("bank.npy") == "bank.npy: is not a regular file"


def test_banks_keep_whole_numbers_exact() -> None:
    kernel = Library().load(bank("bank.npy", array=np.full((3, 3), 1 / 9, dtype=np.float32))).kernels[0]
    assert kernel.integers is not None
    assert kernel.integers.tolist() == [[1, 1, 1]] * 3

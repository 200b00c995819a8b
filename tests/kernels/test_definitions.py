"""Kernel files, good and bad: what is refused, where the message points, and that nothing is run or waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from convtool.cli import main
from convtool.errors import KernelError
from convtool.kernels.definitions import KEYS, check_name, fold, read_definitions
from convtool.kernels.kernel import MAX_SIDE, KernelSet
from convtool.kernels.library import Library
from convtool.kernels.yaml_nodes import MAX_BYTES, read_yaml
from convtool.tone.ranges import Range

DATA = Path(__file__).parents[1] / "data" / "kernels"
GOOD = sorted((DATA / "good").glob("*.yaml"))
BAD = sorted((DATA / "bad").glob("*.yaml"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONVTOOL_KERNELS", raising=False)


def build_all(path: Path) -> dict[str, KernelSet]:
    library = Library()
    return {definition.name: library.build(definition) for definition in library.read(path).values()}


def refusal(path: Path) -> str:
    """The one-line reason for which a file is refused, in under a second (of this process: machines are busy)."""
    start = time.process_time()
    with pytest.raises(KernelError) as caught:
        build_all(path)
    assert time.process_time() - start < 1
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path)), "an error names the file first"
    assert message.count(str(path)) == 1, message
    return message


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# Collected files


def expected(path: Path) -> str:
    first = path.read_bytes().split(b"\n", 1)[0].decode("utf-8")
    assert first.startswith("# expect: "), path
    return first.removeprefix("# expect: ")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files_are_refused_where_they_are_wrong(path: Path) -> None:
    assert f"{path}{expected(path)}" in refusal(path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files_are_one_line_and_exit_2_on_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("img.png").write_bytes(b"never read")
    assert run("apply", "img.png", "-k", str(path)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"convtool: {path}:")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    assert list(Path().iterdir()) == [Path("img.png")]


def test_an_unknown_border_is_exit_2_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("apply", "img.png", "-k", str(DATA / "good" / "names.yaml"), "--border", "refelct") == 2
    assert "did you mean reflect" in capsys.readouterr().err


def test_a_bad_file_in_a_process_of_its_own(tmp_path: Path) -> None:
    bad = DATA / "bad" / "python-tag.yaml"
    command = [sys.executable, "-m", "convtool", "apply", "img.png", "-k", str(bad)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == [], "no code was run, nothing written"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_are_read_and_made(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = build_all(path)
    assert found
    assert all(kernels.kernels for kernels in found.values())
    assert run("kernels", "check", str(path)) == 0
    assert "good" in capsys.readouterr().out


def test_every_key_is_tried_by_a_good_file() -> None:
    keys = {key.text for path in GOOD for _, node in read_yaml(path).pairs for key, _ in node.pairs}  # type: ignore[union-attr]
    assert keys == set(KEYS)


# Good files, in numbers


def test_numbers_are_what_was_written() -> None:
    found = build_all(DATA / "good" / "numbers.yaml")
    np.testing.assert_array_equal(found["plain"].kernels[0].weights, [[1, -2, 3], [0, 0.5, 0.25], [0.001, 200, 1]])
    read = read_definitions(DATA / "good" / "numbers.yaml")
    assert read["fractions"].weights == (Fraction(1, 16), Fraction(-1, 3), Fraction(1, 4), Fraction(1, 30))
    assert read["quoted-text-is-fine"].summary == "yes: 010, 1:30"
    assert read["quoted-text-is-fine"].source == "2001"


def test_an_even_size_works() -> None:
    found = build_all(DATA / "good" / "even-size.yaml")
    np.testing.assert_array_equal(found["two"].kernels[0].weights, [[0.25, 0.25], [0.25, 0.25]])
    np.testing.assert_array_equal(found["four"].kernels[0].weights, [[0.125, 0.375, 0.375, 0.125]])
    assert found["four"].kernels[0].scale == Fraction(1, 8)


def test_depth_bias_and_range() -> None:
    found = build_all(DATA / "good" / "depth.yaml")
    grey, pair = found["grey"].kernels[0], found["pair"].kernels[0]
    assert (grey.depth, grey.size, grey.scale) == (3, (1, 1), Fraction(1, 3))
    assert (pair.depth, pair.bias, pair.range) == (2, -0.5, Range("symmetric"))
    np.testing.assert_array_equal(pair.weights, [[[1, 0], [0, 1]], [[0, 2], [2, 0]]])


def test_every_key_of_a_generated_kernel_counts() -> None:
    made = build_all(DATA / "good" / "all-keys.yaml")["made"].kernels[0]
    assert made.size == (5, 5)
    assert made.weights.sum() == pytest.approx(1, abs=1e-15), "scaled first, then divided by the sum"
    assert made.weights[2, 1] / made.weights[2, 2] == pytest.approx(np.exp(-0.5 / 1.5**2))
    assert (made.bias, made.range, made.source) == (128, Range("abs", Fraction(1, 4)), "Nowhere")
    assert made.summary == "Every key that goes with a generator"


def test_sets_look_in_their_own_file_first_and_then_elsewhere() -> None:
    found = build_all(DATA / "good" / "sets.yaml")
    labels = [kernel.label for kernel in found["both"].kernels]
    assert labels == ["sobel-x", "sobel-y", "sobel-x-turn90", "gaussian-sigma2", "inline-1", "inline-2"]
    np.testing.assert_array_equal(found["both"].kernels[0].weights, [[-7, 7]])
    np.testing.assert_array_equal(found["both"].kernels[1].weights, [[-1, -2, -1], [0, 0, 0], [1, 2, 1]])
    np.testing.assert_array_equal(found["both"].kernels[2].weights, [[7], [-7]])
    assert [kernel.label for kernel in found["outer"].kernels] == labels


def test_rotations_turn_counter_clockwise_by_45_degrees() -> None:
    turns = build_all(DATA / "good" / "sets.yaml")["turns"].kernels
    assert [kernel.label for kernel in turns] == [f"turns-{angle}" for angle in range(0, 360, 45)]
    np.testing.assert_array_equal(turns[1].weights, [[2, 3, 4], [1, 0, 5], [8, 7, 6]])
    np.testing.assert_array_equal(turns[7].weights, [[8, 1, 2], [7, 0, 3], [6, 5, 4]])


def test_a_byte_order_mark_and_dos_line_ends_are_no_fault() -> None:
    found = build_all(DATA / "good" / "bom.yaml")
    np.testing.assert_array_equal(found["blob"].kernels[0].weights, [[1, 2], [3, 4]])


def test_unicode_names_are_kept_as_written_and_found_by_casefold() -> None:
    found = read_definitions(DATA / "good" / "names.yaml")
    assert found[fold("STRASSE")].name == "Straße"
    assert found[fold("nai\u0308ve")].name == "naïve"
    assert found["锐化"].weights[4] == 5
    assert "com10" in found


# Files that cannot lie in a repository


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.write(b"blob:\n  weights: [[1]]\n")
        file.truncate(50_000_000)
    assert refusal(path).endswith("big.yaml: has 50000000 bytes; YAML files hold at most 262144, a fixed limit")


def test_50_mb_of_numbers_are_refused_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "big.yaml", b"blob:\n  weights: [[" + b"1, " * 16_700_000 + b"1]]\n")
    assert "at most 262144, a fixed limit" in refusal(path)


def test_exactly_the_limit_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    text = b"blob:\n  weights: [[1]]\n#"
    path = write(tmp_path / "full.yaml", text + b"x" * (MAX_BYTES - len(text)))
    assert list(read_definitions(path)) == ["blob"]
    write(path, text + b"x" * (MAX_BYTES - len(text) + 1))
    assert f"has {MAX_BYTES + 1} bytes" in refusal(path)


def test_a_row_of_100_000_numbers_is_refused_before_they_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.yaml", b"blob:\n  weights: [[" + b"1," * 120_000 + b"1]]\n")
    assert refusal(path) == f"{path}:2: blob: weights: is 1x120001; the largest side is 1023, which is fixed"


def test_a_chain_of_3000_sets_ends_in_a_message(tmp_path: Path) -> None:
    chain = "".join(f"s{at}:\n  maps: [s{at + 1}]\n" for at in range(3000))
    path = write(tmp_path / "chain.yaml", chain + "s3000:\n  weights: [[1]]\n")
    message = refusal(path)
    assert message == f"{path}:66: s32: maps: sets of sets are more than 32 deep, a fixed limit"


def test_a_set_of_giants_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtool.kernels.library.MAX_WEIGHTS", 100)
    path = write(tmp_path / "giants.yaml", "giants:\n  maps: [box:size=7, box:size=8]\n")
    assert refusal(path) == f"{path}:2: giants: maps: gives more than 100 weights, a fixed limit"


def primes(below: int) -> Iterator[int]:
    sieve = np.ones(below, dtype=bool)
    for number in range(2, below):
        if sieve[number]:
            sieve[number * number :: number] = False
            yield number


@pytest.mark.parametrize("normalise", [False, True])
def test_thousands_of_unlike_fractions_do_not_take_forever(tmp_path: Path, *, normalise: bool) -> None:
    numbers = list(primes(200_000))[-16_000:]
    rows = [numbers[at : at + 1000] for at in range(0, 16_000, 1000)]
    text = ",\n".join("[" + ", ".join(f"1/{number}" for number in row) + "]" for row in rows)
    path = write(tmp_path / "primes.yaml", f"blob:\n  weights: [{text}]\n  normalise: {str(normalise).lower()}\n")
    start = time.process_time()
    kernel = build_all(path)["blob"].kernels[0]
    assert time.process_time() - start < 5
    values = 1 / np.array(rows)
    np.testing.assert_allclose(kernel.weights, values / values.sum() if normalise else values, rtol=1e-12)


def test_the_largest_kernel_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.yaml", f"blob:\n  weights: [[{', '.join(['1'] * MAX_SIDE)}]]\n")
    assert build_all(path)["blob"].kernels[0].size == (1, MAX_SIDE)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert refusal(tmp_path / "pipe.yaml").endswith("pipe.yaml: is not a regular file")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_device_does_not_hang(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = tmp_path / "zero.yaml"
    link.symlink_to("/dev/zero")
    assert refusal(link).endswith("zero.yaml: is not a regular file")
    assert run("kernels", "check", "/dev/zero") == 1
    assert capsys.readouterr().err == "convtool: /dev/zero: is not a regular file\n"


def test_a_folder_and_a_missing_file_say_so(tmp_path: Path) -> None:
    (tmp_path / "dir.yaml").mkdir()
    with pytest.raises(KernelError, match=r"dir\.yaml: is a folder; name a file in it, or use --kernel-dir /"):
        read_yaml(tmp_path / "dir.yaml")
    assert refusal(tmp_path / "missing.yaml").endswith("missing.yaml: No such file or directory")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert "loop.yaml: " in refusal(tmp_path / "loop.yaml")
    with pytest.raises(KernelError, match="null"):
        read_yaml(tmp_path / "a\0b.yaml")


@pytest.mark.parametrize(
    ("encoding", "expect"),
    [
        ("utf-16", ":1: is not UTF-8 text; save it as UTF-8"),
        ("utf-16-le", r":1: holds the control character '\x00'; a kernel file is plain text"),
        ("utf-32", ":1: is not UTF-8 text; save it as UTF-8"),
        ("latin-1", ":2: is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_other_encodings(tmp_path: Path, encoding: str, expect: str) -> None:
    path = write(
        tmp_path / "other.yaml", f"blob:\n  summary: {'caf' if encoding == 'utf-16-le' else 'café'}\n".encode(encoding)
    )
    assert refusal(path) == f"{path}{expect}"


def test_a_file_of_noise_is_one_line(tmp_path: Path) -> None:
    messages = []
    for seed in range(200):
        noise = np.random.default_rng(seed)
        path = write(tmp_path / "noise.yaml", bytes(noise.choice(list(b"a:1 -[]{},\n\"'&*!|>%@#?\t."), 60).tolist()))
        try:
            build_all(path)
        except KernelError as error:
            messages.append(str(error))
    assert len(messages) > 150, "nearly all noise is refused"
    assert all(message.startswith(str(path)) and "\n" not in message for message in messages)


def test_names_are_normalised() -> None:
    assert check_name("e\u0301") == "é"
    assert check_name("l" + "x" * 63) == "l" + "x" * 63

"""Arguments turned into pictures: folders, trees, what is passed over, and what must never hang."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convtool.cli import main
from convtool.pictures.limits import Limits
from convtool.pictures.picture import Picture
from convtool.pictures.reader import read_picture
from convtool.runs.inputs import Found, find_inputs

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(arguments))
        out, err = capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, out, err

    return call


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a user whom permissions bind: where the tests run as root, they run as nobody for a while."""
    place = Path(tempfile.mkdtemp())
    monkeypatch.chdir(place)
    root = os.geteuid() == 0
    if root:
        os.chown(place, 65534, -1)
        os.seteuid(65534)
    try:
        yield place
    finally:
        if root:
            os.seteuid(0)
        for path in [place, *place.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(place)


def picture(path: str | Path) -> None:
    """A small grey picture, its folder made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)


def touch(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()


def find(*arguments: str, recursive: bool = False, output: str | None = None) -> Found:
    return find_inputs(arguments, recursive=recursive, output_folder=Path(output) if output else None)


def paths(found: Found) -> list[str]:
    return [source.path for source in found.sources]


def names(folder: str) -> list[str]:
    """Everything in a tree but folders, hidden files too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir())


# Which files


def test_a_file_is_always_tried() -> None:
    touch("text.txt", ".hidden.png", ".convtool-x.png")
    given = ["text.txt", ".hidden.png", ".convtool-x.png", "missing.png", "-"]
    assert paths(find(*given)) == given


def test_arguments_keep_their_order_and_the_way_they_are_written() -> None:
    touch("d/b.png", "d/a.png", "z.png")
    assert paths(find("z.png", "./d", "d/b.png")) == ["z.png", "d/a.png", "d/b.png", "d/b.png"]


@pytest.mark.parametrize(
    "suffix",
    [
        "png",
        "jpg",
        "jpeg",
        "jpe",
        "tif",
        "tiff",
        "webp",
        "bmp",
        "ppm",
        "pgm",
        "pnm",
        "npy",
        "gif",
        "ico",
        "PNG",
        "JpEg",
    ],
)
def test_image_suffixes_are_taken_from_a_folder(suffix: str) -> None:
    touch(f"d/x.{suffix}")
    assert paths(find("d")) == [f"d/x.{suffix}"]


def test_other_files_are_counted() -> None:
    touch("d/a.png", "d/b.txt", "d/c", "d/d.png.bak", "d/e.yaml")
    found = find("d")
    assert paths(found) == ["d/a.png"]
    assert found.others == 4


def test_hidden_and_temporary_files_are_neither_taken_nor_counted() -> None:
    touch("d/a.png", "d/.b.png", "d/.convtool-1234.png", "d/.git/c.png", "d/.txt")
    found = find("d", recursive=True)
    assert paths(found) == ["d/a.png"]
    assert found.others == 0


def test_subfolders_only_with_recursive() -> None:
    touch("d/a.png", "d/sub/b.png", "d/sub/deep/c.png")
    assert paths(find("d")) == ["d/a.png"]
    assert find("d").others == 0
    assert paths(find("d", recursive=True)) == ["d/a.png", "d/sub/b.png", "d/sub/deep/c.png"]


def test_order_is_by_path_whatever_order_files_came_in() -> None:
    touch("d/b.png", "d/sub/z.png", "d/sub.png", "d/a.png", "d/sub/a.png", "d/Z.png", "d/10.png", "d/9.png")
    found = [Path(path) for path in paths(find("d", recursive=True))]
    assert found == sorted(found)
    assert len(found) == 8


def test_parent_is_relative_to_the_folder_argument() -> None:
    touch("x/d/a.png", "x/d/sub/deep/c.png", "f.png")
    found = find("x/d", "f.png", recursive=True)
    assert [(source.path, source.parent) for source in found.sources] == [
        ("x/d/a.png", ""),
        ("x/d/sub/deep/c.png", "sub/deep"),
        ("f.png", ""),
    ]


def test_the_output_folder_is_passed_over() -> None:
    touch("d/a.png", "d/out/a_blur.png", "d/sub/b.png")
    assert paths(find("d", recursive=True, output="d/out")) == ["d/a.png", "d/sub/b.png"]
    assert paths(find("d", recursive=True, output="d/sub/../out/")) == ["d/a.png", "d/sub/b.png"]


def test_the_output_folder_is_passed_over_through_a_link() -> None:
    touch("d/a.png", "real/a_blur.png")
    Path("d/out").symlink_to(Path("real").resolve())
    assert paths(find("d", recursive=True, output="real")) == ["d/a.png"]


def test_a_folder_that_is_also_the_output_is_read_and_nothing_else_changes() -> None:
    touch("d/a.png", "e/b.png", "e/d/c.png")
    Path("e/d2").symlink_to(Path("d").resolve())
    assert paths(find("d", "e", recursive=True, output="d")) == ["d/a.png", "e/b.png", "e/d/c.png"]


# What may lie in a folder


def test_pipes_sockets_and_devices_are_passed_over() -> None:
    touch("d/a.png")
    os.mkfifo("d/fifo.png")
    Path("d/null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("d/socket.png")
        found = find("d")
    assert paths(found) == ["d/a.png"]
    assert found.others == 3
    assert found.failures == []


def test_a_loop_of_folders_ends() -> None:
    touch("d/a.png", "d/sub/b.png")
    Path("d/sub/up").symlink_to("..")
    Path("d/sub/self").symlink_to(".")
    assert paths(find("d", recursive=True)) == ["d/a.png", "d/sub/b.png"]


def test_a_link_that_leads_to_itself_is_a_failure_of_its_own() -> None:
    touch("d/a.png")
    Path("d/loop.png").symlink_to("loop.png")
    Path("d/loop").symlink_to("loop")
    found = find("d", recursive=True)
    assert paths(found) == ["d/a.png", "d/loop.png"]
    assert found.others == 1


def test_linked_pictures_are_taken_dangling_ones_too() -> None:
    touch("real.png", "d/a.png")
    Path("d/link.png").symlink_to(Path("real.png").resolve())
    Path("d/dangling.png").symlink_to("nowhere.png")
    assert paths(find("d")) == ["d/a.png", "d/dangling.png", "d/link.png"]


def test_a_name_too_long_is_tried_like_any_other() -> None:
    name = "x" * 300 + ".png"
    assert paths(find(name)) == [name]


def test_an_unreadable_folder_is_a_failure_and_the_rest_goes_on(ordinary_user: Path) -> None:
    for name in ("a.png", "locked/b.png", "z/c.png"):
        touch(str(ordinary_user / name))
    (ordinary_user / "locked").chmod(0)
    found = find(str(ordinary_user), recursive=True)
    assert paths(found) == [str(ordinary_user / "a.png"), str(ordinary_user / "z/c.png")]
    assert found.failures == [(str(ordinary_user / "locked"), "Permission denied")]


# The same from the command line


def test_a_tree_is_kept_in_the_output(run: Run) -> None:
    for path in ("d/a.png", "d/sub/a.png", "d/sub/deep/a.png"):
        picture(path)
    assert run("apply", "d", "-k", "blur", "-o", "out", "--recursive") == (0, "", "")
    assert names("out") == ["a_blur.png", "sub/a_blur.png", "sub/deep/a_blur.png"]


@pytest.mark.parametrize("output", ["d/out", "d/out/", "d/out/{parent}/{stem}_{map}.{ext}", "d/out/x-{stem}.{ext}"])
def test_an_output_folder_inside_the_input_folder_twice(run: Run, output: str) -> None:
    picture("d/a.png")
    picture("d/sub/b.png")
    arguments = ("apply", "d", "-k", "blur", "-o", output, "--recursive")
    assert run(*arguments)[0] == 0
    first = names("d")
    assert len(first) == 4
    code, _, err = run(*arguments)
    assert code == 2
    assert "--force" in err
    assert run(*arguments, "--force") == (0, "", "")
    assert run(*arguments, "--skip-existing") == (0, "", "")
    assert names("d") == first


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["d"], ["no pictures in d", "(2 other files)", "--recursive"]),
        (["empty"], ["no pictures in empty", "--recursive"]),
        (["empty", "--recursive"], ["no pictures in empty"]),
    ],
)
def test_nothing_matched(run: Run, arguments: list[str], parts: list[str]) -> None:
    touch("d/a.txt", "d/b.md", "d/sub/c.png")
    Path("empty").mkdir()
    code, out, err = run("apply", *arguments, "-k", "blur", "-o", "out")
    assert (code, out) == (2, "")
    assert all(part in err for part in parts), err
    assert err.count("\n") == 1
    assert not Path("out").exists()


def test_a_folder_needs_an_output(run: Run) -> None:
    picture("d/a.png")
    code, _, err = run("apply", "d", "-k", "blur")
    assert code == 2
    assert err == "convtool: d is a folder; say where its maps go with -o, as in -o out/\n"


def test_others_are_told_in_the_summary(run: Run) -> None:
    picture("d/a.png")
    touch("d/b.txt", "d/c.txt")
    code, out, err = run("apply", "d", "-k", "blur", "-o", "out", "--verbose")
    assert (code, out) == (0, "")
    assert "convtool: 2 other files passed over: d/b.txt, d/c.txt\n" in err
    touch("d/a.doc", "d/e.txt")
    _, _, err = run("apply", "d", "-k", "blur", "-o", "out2", "--verbose")
    assert "convtool: 4 other files passed over: d/a.doc, d/b.txt, d/c.txt and so on\n" in err


def test_a_fifo_named_on_the_command_line_does_not_hang(run: Run) -> None:
    os.mkfifo("fifo.png")
    picture("a.png")
    code, _, err = run("apply", "fifo.png", "a.png", "-k", "blur")
    assert code == 1
    assert err.splitlines()[0] == "convtool: fifo.png: is not a regular file"
    assert Path("a_blur.png").exists()


def test_an_endless_device_does_not_hang(run: Run) -> None:
    code, _, err = run("apply", "/dev/zero", "-k", "blur", "-o", "out/")
    assert (code, err) == (1, "convtool: /dev/zero: is not a regular file\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.png", "no such file"),
        ("no/such/folder.png", "no such file"),
        ("a.png/x.png", "Not a directory"),
        ("loop.png", "Too many levels of symbolic links"),
        ("x" * 300 + ".png", "File name too long"),
    ],
)
def test_an_input_that_is_not_there_fails_alone(run: Run, name: str, reason: str) -> None:
    picture("a.png")
    Path("loop.png").symlink_to("loop.png")
    code, _, err = run("apply", name, "a.png", "-k", "blur", "-o", "out")
    assert code == 1
    assert err.splitlines()[0] == f"convtool: {name}: {reason}"
    assert names("out") == ["a_blur.png"]


def test_an_unreadable_file_fails_alone(run: Run, ordinary_user: Path) -> None:
    for name in ("a.png", "b.png"):
        picture(ordinary_user / name)
    (ordinary_user / "a.png").chmod(0)
    code, _, err = run("apply", str(ordinary_user), "-k", "blur", "-o", str(ordinary_user / "out"))
    assert code == 1
    assert err.splitlines()[0] == f"convtool: {ordinary_user / 'a.png'}: Permission denied"
    assert names(str(ordinary_user / "out")) == ["b_blur.png"]


@pytest.mark.parametrize("dry", [False, True])
def test_an_unreadable_folder_fails_alone(run: Run, ordinary_user: Path, dry: bool) -> None:
    picture(ordinary_user / "a.png")
    (ordinary_user / "locked").mkdir(mode=0)
    arguments = ["apply", str(ordinary_user), "-k", "blur", "-o", str(ordinary_user / "out"), "--recursive"]
    code, out, err = run(*arguments, *(["--dry-run"] if dry else []))
    assert code == 1
    assert err.splitlines()[0] == f"convtool: {ordinary_user / 'locked'}: Permission denied"
    assert ("2 inputs, 1 output, 0 collisions" in out) == dry


def test_a_file_behind_a_closed_folder_fails_alone(run: Run, ordinary_user: Path) -> None:
    picture(ordinary_user / "a.png")
    (ordinary_user / "locked").mkdir(mode=0)
    hidden = str(ordinary_user / "locked/b.png")
    out = str(ordinary_user / "out")
    code, stdout, err = run("apply", hidden, str(ordinary_user / "a.png"), "-k", "blur", "-o", out, "--json")
    assert code == 1
    assert err.splitlines()[0] == f"convtool: {hidden}: Permission denied"
    assert json.loads(stdout.splitlines()[0]) == {"input": hidden, "error": "Permission denied"}
    assert names(out) == ["a_blur.png"]


def test_an_input_that_vanishes_fails_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("d/a.png", "d/b.png", "d/c.png"):
        picture(name)

    def reading(origin: Path | bytes, limits: Limits) -> Picture:
        Path("d/b.png").unlink(missing_ok=True)
        return read_picture(origin, limits)

    monkeypatch.setattr("convtool.runs.task.read_picture", reading)
    code, _, err = run("apply", "d", "-k", "blur", "-o", "out")
    assert code == 1
    assert err.splitlines() == [
        "convtool: d/b.png: no such file",
        "convtool: 2 maps written, 1 of 3 inputs failed",
    ]
    assert names("out") == ["a_blur.png", "c_blur.png"]


HOSTILE = ["[bold].png", "[/red].png", "new\nline.png", "\x1b[31mred.png", "-k.png", "a b.png", "\u202egnp.png"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_filtered_and_shown_on_one_line(run: Run, name: str) -> None:
    picture(Path("d", name))
    touch("d/bad" + name)
    code, out, err = run("apply", "d", "-k", "blur", "-o", "out", "--recursive")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 2
    assert not any(ord(character) < 32 for character in err.replace("\n", ""))
    assert "\u202e" not in err
    assert Path("out", name.removesuffix(".png") + "_blur.png").exists()


def test_a_name_that_is_no_text_is_filtered_and_shown(run: Run) -> None:
    name = os.fsdecode(b"bad\xff.png")
    picture("a.png")
    Path("a.png").rename(name)
    touch(os.fsdecode(b"empty\xff.png"))
    code, out, err = run("apply", name, os.fsdecode(b"empty\xff.png"), "-k", "blur", "--json")
    assert code == 1
    assert Path(os.fsdecode(b"bad\xff_blur.png")).exists()
    assert err.splitlines()[0] == r"convtool: empty\xff.png: is empty"
    assert out.isascii()
    assert [json.loads(line)["input"] for line in out.splitlines()] == [name, os.fsdecode(b"empty\xff.png")]

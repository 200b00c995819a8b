"""Full disks, limits and kills: a target is its old bytes or a complete new file, and nothing else is left."""

from __future__ import annotations

import io
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from convtool.runs.atomic import PREFIX, replacing
from tests.support.pictures import Run, noise, samples, saved

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX limits and signals")

OLD = b"the old bytes"
FORMATS = [("png", "fast"), ("png", "small"), ("tif", "fast"), ("tif", "small"), ("bmp", "fast"), ("ppm", "fast"),
           ("npy", "fast"), ("jpg", "fast"), ("webp", "fast")]  # fmt: skip


def left(folder: str | Path = ".") -> list[str]:
    """All names below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    mounted = shutil.which("mount") and subprocess.run(options, capture_output=True, text=True, check=False)
    if not mounted or mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip() if mounted else 'there is no mount'}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of a user whom permissions bind."""
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
        for path in [place, *(path for path in place.rglob("*") if path.is_dir())]:
            path.chmod(0o700)
        shutil.rmtree(place)


def convtool(line: str, *, setup: str = "", unbuffered: str = "") -> subprocess.CompletedProcess[bytes]:
    """A line of bash after ``setup``, with this ``convtool``."""
    command = f"{setup}\n{shlex.join([sys.executable, '-m', 'convtool'])} {line}"
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    return subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False, env=environment)


# A full disk


@pytest.mark.parametrize(("suffix", "compress"), FORMATS)
def test_a_disk_of_64_kb_that_is_full(apply: Run, small_disk: Path, suffix: str, compress: str) -> None:
    saved("in.png", noise(400, 400, 3))
    target = small_disk / f"out.{suffix}"
    target.write_bytes(OLD)
    code, out, err = apply(
        "in.png",
        "-k",
        "identity",
        "-o",
        target,
        "--force",
        "--compress",
        compress,
        "--quality",
        100,
        "--dtype",
        "uint8",
    )
    assert (code, out) == (1, "")
    assert err == f"convtool: in.png: cannot write {target}: No space left on device\n"
    assert target.read_bytes() == OLD
    assert left(small_disk) == [target.name]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_in_a_process_of_its_own(apply: Run, small_disk: Path, unbuffered: str) -> None:
    """What fits is written, the rest fails by name; libtiff and buffers keep quiet, too."""
    saved("a.png", noise(10, 10, 3))
    saved("b.png", noise(300, 300, 3))
    saved("c.png", noise(12, 12, 3))
    (small_disk / "b.tif").write_bytes(OLD)
    output = small_disk / "{stem}.tif"
    done = convtool(
        f"apply a.png b.png c.png -k identity -o '{output}' --force --compress small", unbuffered=unbuffered
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines() == [
        f"convtool: b.png: cannot write {small_disk}/b.tif: No space left on device",
        "convtool: 2 maps written, 1 of 3 inputs failed",
    ]
    assert left(small_disk) == ["a.tif", "b.tif", "c.tif"]
    assert (small_disk / "b.tif").read_bytes() == OLD
    assert samples(small_disk / "c.tif").shape == (12, 12, 3)


def test_a_full_disk_without_an_old_file(apply: Run, small_disk: Path) -> None:
    saved("in.png", noise(400, 400, 3))
    code, _, err = apply("in.png", "-k", "sobel", "-o", f"{small_disk}/")
    assert code == 1
    assert err.endswith("No space left on device\n")
    assert left(small_disk) == []


def test_frames_on_a_full_disk(apply: Run, small_disk: Path) -> None:
    frames = [Image.fromarray(noise(120, 120, 3, seed=seed)) for seed in range(4)]
    frames[0].save("in.tif", save_all=True, append_images=frames[1:])
    for suffix in ("png", "webp", "tif"):
        target = small_disk / f"out.{suffix}"
        target.write_bytes(OLD)
        for compress in ("fast", "small"):
            options = ("--force", "--quality", "100", "--compress", compress)
            code, _, err = apply("in.tif", "-k", "identity", "-o", target, *options)
            assert (code, err.count("\n")) == (1, 1)
            assert err.endswith("No space left on device\n")
            assert target.read_bytes() == OLD
        target.unlink()
        assert left(small_disk) == []


@pytest.mark.parametrize(("suffix", "compress"), FORMATS)
@pytest.mark.parametrize("existing", [True, False])
def test_a_limit_on_the_size_of_files(apply: Run, suffix: str, compress: str, existing: bool) -> None:
    saved("in.png", noise(200, 200, 3))
    target = Path(f"out.{suffix}")
    if existing:
        target.write_bytes(OLD)
    options = f"--force --compress {compress} --quality 100 --dtype uint8"
    done = convtool(f"apply in.png -k identity -o {target} {options}", setup="ulimit -f 16")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"convtool: in.png: cannot write {target}: File too large\n"
    assert left() == (["in.png", str(target)] if existing else ["in.png"])
    if existing:
        assert target.read_bytes() == OLD


# Links


@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_and_its_target_survive_a_write_that_fails(apply: Run, small_disk: Path, dangling: bool) -> None:
    saved("in.png", noise(400, 400, 3))
    real = small_disk / "real.png"
    if not dangling:
        real.write_bytes(OLD)
    Path("out.png").symlink_to(real)
    code, _, err = apply("in.png", "-k", "identity", "-o", "out.png", "--force")
    assert (code, err) == (1, "convtool: in.png: cannot write out.png: No space left on device\n")
    assert Path("out.png").readlink() == real
    assert left(small_disk) == ([] if dangling else ["real.png"])
    assert dangling or real.read_bytes() == OLD
    assert left() == sorted([*(f"disk/{name}" for name in left(small_disk)), "in.png", "out.png"])


def test_a_link_into_another_folder_is_followed_and_the_temporary_file_lies_there(apply: Run) -> None:
    """A rename never crosses from one file system into another."""
    Path("far").mkdir()
    Path("out.png").symlink_to("far/real.png")
    with replacing(Path("out.png")) as file:
        file.write(b"new")
        assert next(name for name in left() if PREFIX in name).startswith("far/")
    assert Path("out.png").is_symlink()
    assert Path("far/real.png").read_bytes() == b"new"
    assert left() == ["far/real.png", "out.png"]


def test_a_dangling_link_into_no_folder_fails_by_name(apply: Run) -> None:
    saved("in.png", noise(4, 4, 3))
    Path("out.png").symlink_to("nowhere/real.png")
    code, _, err = apply("in.png", "-k", "blur", "-o", "out.png", "--force")
    assert (code, err) == (1, "convtool: in.png: cannot write out.png: No such file or directory\n")
    assert left() == ["in.png", "out.png"]


# Folders


def test_a_folder_that_cannot_be_written_fails_before_the_work(
    apply: Run, unprivileged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved("in.png", noise(4, 4, 3))
    Path("locked").mkdir()
    Path("locked/out.png").write_bytes(OLD)
    Path("locked").chmod(0o555)
    monkeypatch.setattr("convtool.runs.task.read_picture", None)
    for output, reason in (
        ("locked/", "locked: cannot be written to"),
        ("locked/out.png", "locked: cannot be written to"),
        ("locked/new/{stem}.png", "locked/new: cannot be made a folder (Permission denied)"),
    ):
        assert apply("in.png", "-k", "blur", "-o", output, "--force") == (2, "", f"convtool: {reason}\n")
    assert left() == ["in.png", "locked/out.png"]
    assert Path("locked/out.png").read_bytes() == OLD


@pytest.mark.parametrize("output", ["out/{map}/../../{stem}.png", "{map}/../../{stem}_{map}.png"])
def test_a_template_that_leaves_the_folder(apply: Run, output: str) -> None:
    Path("in").mkdir()
    saved("in/a.png", noise(4, 4, 3))
    os.chdir("in")
    code, out, err = apply("a.png", "-k", "blur", "-o", output)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "leaves the output folder" in err
    assert left("..") == ["in/a.png"]


def test_a_file_that_was_there_survives_rgba_to_jpeg_in_a_folder(apply: Run) -> None:
    """The others of the run are written."""
    Path("in").mkdir()
    Path("out").mkdir()
    saved("in/a.png", noise(6, 6, 4))
    saved("in/b.png", noise(6, 6, 3))
    for name in ("a", "b"):
        Path(f"out/{name}_blur.jpg").write_bytes(OLD)
    code, _, err = apply("in", "-k", "blur", "-o", "out/", "-f", "jpg", "--force")
    assert code == 1
    assert "in/a.png: jpg cannot hold alpha" in err
    assert Path("out/a_blur.jpg").read_bytes() == OLD
    assert samples("out/b_blur.jpg").shape == (6, 6, 3)
    assert left("out") == ["a_blur.jpg", "b_blur.jpg"]


# Kills

ROUNDS = 250
WRITER = """
import os, random, sys, time
from pathlib import Path
from typing import Any
from convtool.runs.atomic import replacing
target, size, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random.seed(11)

def write_on():
    number = 0
    while True:
        number = number % 255 + 1
        with replacing(target) as file:
            for _ in range(16):
                file.write(bytes([number]) * (size // 16))

within = 0
for _ in range(rounds):
    child = os.fork()
    if not child:
        try:
            write_on()
        finally:
            os._exit(1)
    time.sleep(random.random() * 0.012)
    os.kill(child, 9)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == 9, status
    data = target.read_bytes()
    assert len(data) == size and len(set(data)) == 1, "a target that is neither old nor new"
    temporary = [name for name in os.listdir(target.parent) if name.startswith(".convtool-")]
    assert len(temporary) <= 1, temporary
    within += bool(temporary)
print(within, len(set(data)))
"""


def test_killed_at_random_moments_of_a_loop_of_writes(tmp_path: Path) -> None:
    """A real SIGKILL in each of 250 rounds, every one amid writes; the target is looked at each time."""
    target = tmp_path / "target.bin"
    target.write_bytes(bytes(1 << 18))
    command = [sys.executable, "-c", WRITER, str(target), str(1 << 18), str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > ROUNDS // 10, "kills have to fall amid writes"
    with replacing(target) as file:
        file.write(b"new")
    assert left(tmp_path) == ["target.bin"], "what the dead left is gone"


def decoded(data: bytes) -> NDArray[Any]:
    """The pixels of a PNG that is whole to its last chunk."""
    assert data.endswith(b"IEND\xaeB`\x82")
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def test_the_command_killed_at_random_moments(apply: Run) -> None:
    """The command itself, over an old file and several new ones."""
    saved("in.png", noise(500, 600, 3))
    source = Path("in.png").read_bytes()
    arguments = ["in.png", "-k", "four-views", "-o", "out/", "--force", "--compress", "fast"]
    assert apply(*arguments)[0] == 0
    complete = {name: Path("out", name).read_bytes() for name in left("out")}
    old = noise(3, 3)
    moments = random.Random(5)
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "convtool", "apply", *arguments], capture_output=True, check=True)
    lasts = time.monotonic() - begun
    for _ in range(12):
        for name in complete:
            saved(f"out/{name}", old)
        before = {name: Path("out", name).read_bytes() for name in complete}
        with subprocess.Popen(
            [sys.executable, "-m", "convtool", "apply", *arguments], stderr=subprocess.DEVNULL
        ) as run:
            time.sleep(lasts * moments.uniform(0.3, 1.1))
            run.send_signal(signal.SIGKILL)
        for name in complete:
            # Old bytes or a whole new file: its chunks are checked, and its pixels have to be those of a full run.
            if Path("out", name).read_bytes() != before[name]:
                np.testing.assert_array_equal(decoded(Path("out", name).read_bytes()), decoded(complete[name]))
        assert Path("in.png").read_bytes() == source
    assert apply(*arguments)[0] == 0
    assert set(left("out")) == set(complete)


def test_stale_temporary_files_go_and_those_of_others_stay(apply: Run) -> None:
    """What a dead process left for this very target; a file that merely looks so is nobody's business."""
    saved("in.png", noise(30, 30, 3))
    code = f"""
import os
from pathlib import Path
from typing import Any
from convtool.runs.atomic import replacing
with replacing(Path("in_blur.png")) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), {int(signal.SIGKILL)})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    stale = [name for name in left() if name.startswith(PREFIX)]
    assert len(stale) == 1
    Path(f"{PREFIX}of-somebody.png").write_bytes(b"theirs")
    assert apply("in.png", "-k", "sharpen") == (0, "", "")
    assert stale[0] in left(), "another target"
    assert apply("in.png", "-k", "blur") == (0, "", "")
    assert left() == [f"{PREFIX}of-somebody.png", "in.png", "in_blur.png", "in_sharpen.png"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_it_writes(tmp_path: Path, number: int) -> None:
    """The signal comes from within the encoder, so it falls amid the write."""
    saved(str(tmp_path / "in.png"), noise(30, 30, 3))
    (tmp_path / "out.png").write_bytes(OLD)
    code = f"""
import os
import convtool.runs.frame_maps
from convtool.cli import main

def encode(*given):
    given[-1].write(b"half")
    given[-1].flush()
    os.kill(os.getpid(), {int(number)})

convtool.runs.frame_maps.encode_strips = encode
main(["apply", "in.png", "-k", "blur", "-o", "out.png", "--force"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == "convtool: interrupted: 0 of 1 done\n"
    assert left(tmp_path) == ["in.png", "out.png"]
    assert (tmp_path / "out.png").read_bytes() == OLD


# Pipes


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_stdout_decodes_beside_every_kind_of_warning(apply: Run, unbuffered: str) -> None:
    """Notes of the picture, of libtiff and of the metadata go to stderr, the picture to stdout."""
    saved("cmyk.tif", Image.fromarray(noise(40, 40, 3)).convert("CMYK"))
    frames = [Image.fromarray(noise(40, 40, seed=seed)) for seed in range(3)]
    frames[0].save("frames.png", format="GIF", save_all=True, append_images=frames[1:])
    whole = saved("whole.png", noise(40, 40, 3)).read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) * 3 // 4])
    for name, options, words in (
        ("cmyk.tif", "-f png", ["CMYK"]),
        ("frames.png", "-f jpg", ["3 frames", "is a gif file, whatever its name says"]),
        ("cut.png", "--lenient -f png", ["is cut short"]),
    ):
        done = convtool(f"apply {name} -k identity -o - -v {options}", unbuffered=unbuffered)
        assert done.returncode == 0, done.stderr
        assert all(word in done.stderr.decode() for word in words), done.stderr
        with Image.open(io.BytesIO(done.stdout)) as image:
            assert np.asarray(image).shape[:2] == (40, 40)

"""Those that filter a folder of pictures, each in its fastest usual way, and what they need to be here."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

SCRIPTS = Path(__file__).parent / "scripts"
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


SOBEL_X, SOBEL_Y = "-1 0 1; -2 0 2; -1 0 1", "-1 -2 -1; 0 0 0; 1 2 1"
# Name's suffix → weights of every map. Command-line peers write one map, and cut off what is below zero.
KERNELS = {
    "sharpen": {"": "0 -1 0; -1 5 -1; 0 -1 0"},
    "sobel-x": {"": SOBEL_X},
    "sobel": {"_sobel-x": SOBEL_X, "_sobel-y": SOBEL_Y},
}
CONVTOOL = {
    "sharpen": ("-k", "sharpen", "{stem}.{ext}"),
    "sobel-x": ("-k", "sobel-x", "--range", "clip", "{stem}.{ext}"),
    "sobel": ("-k", "sobel", "{stem}_{map}.{ext}"),
}


class Work(NamedTuple):
    """What is to be done: the pictures of ``source``, under a kernel, into ``target``; both are whole paths."""

    source: Path
    target: Path
    kernel: str

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.source.iterdir())

    @property
    def jpeg(self) -> bool:
        return self.names[0].endswith(".jpg")

    @property
    def absolute(self) -> bool:
        return self.kernel == "sobel"

    @property
    def rows(self) -> list[str]:
        """Rows of the only kernel."""
        (weights,) = KERNELS[self.kernel].values()
        return [row.strip() for row in weights.split(";")]


class Command(NamedTuple):
    """A whole command, the lines it reads, a variable of its environment that is 1, and where it runs."""

    words: list[str]
    lines: Sequence[str] = ()
    variable: str = ""
    folder: Path | None = None


class Peer(NamedTuple):
    """A way to do some work; ``version`` is empty where it is not installed, ``install`` says what would help."""

    name: str
    version: str
    install: str
    command: Callable[[Work], Command]
    absolute: bool = False  # several maps, in absolute value, in one command
    png_only: bool = False  # differs from another by PNG's compression level only


def convtool(*options: str) -> Callable[[Work], Command]:
    def command(work: Work) -> Command:
        *kernel, template = CONVTOOL[work.kernel]
        names = work.names
        source = work.source / names[0] if len(names) == 1 else work.source
        program = Path(sys.executable).with_name("convtool")  # as pip installs it
        words = [str(program), "apply", str(source), *kernel, "-o", str(work.target / template)]
        return Command([*words, *options])

    return command


def script(name: str) -> Callable[[Work], Command]:
    def command(work: Work) -> Command:
        maps = [f"{suffix}={weights}" for suffix, weights in KERNELS[work.kernel].items()]
        how = "abs" if work.absolute else "clip"
        folders = [str(work.source), str(work.target)]
        return Command([sys.executable, str(SCRIPTS / name), *folders, str(JOBS), how, *maps])

    return command


def spread(work: Work, words: list[str], variable: str) -> Command:
    """A command over all names by xargs, one for every ``{}`` or else many at its end; for one name it is run as it is.

    Side by side every process is held to one thread, which is a little faster than leaving all of them to it.
    """
    names, placed = work.names, any("{}" in word for word in words)
    if len(names) == 1:
        alone = [word.replace("{}", names[0]) for word in words]
        return Command(alone if placed else [*alone, names[0]], folder=work.source)
    each = ["-I{}"] if placed else ["-n", str(-(-len(names) // (JOBS * 4)))]
    return Command(["xargs", f"-P{JOBS}", *each, *words], names, variable, work.source)


def vips(level: str = "") -> Callable[[Work], Command]:
    def command(work: Work) -> Command:
        matrix = work.target.parent / "kernel.mat"
        # Scale and offset have to be there: without them a first weight below zero is not taken for a matrix.
        matrix.write_text("\n".join(["3 3 1 0", *work.rows, ""]), encoding="ascii")
        options = "[Q=92,subsample-mode=on]" if work.jpeg else level
        words = ["vips", "conv", "{}", f"{work.target}/{{}}{options}", str(matrix), "--precision", "integer"]
        return spread(work, words, "VIPS_CONCURRENCY")

    return command


def encoding(work: Work, level: tuple[str, ...]) -> list[str]:
    """One option of both Magicks is JPEG's quality and PNG's level."""
    jpeg = ["-quality", "92", "-sampling-factor", "2x2", "-define", "jpeg:optimize-coding=false"]
    return jpeg if work.jpeg else list(level)


def graphics_magick(program: str, *level: str) -> Callable[[Work], Command]:
    def command(work: Work) -> Command:
        filtering = ["-convolve", ",".join(work.rows).replace(" ", ","), *encoding(work, level)]
        if program == "convert":
            words = ["gm", program, "{}", *filtering, f"{work.target}/{{}}"]
        else:
            words = ["gm", program, "-output-directory", str(work.target), *filtering]
        return spread(work, words, "OMP_NUM_THREADS")

    return command


def image_magick(work: Work) -> Command:
    """Its Convolve turns the kernel by 180 degrees; Correlate reads it as written, as the others do."""
    kernel = "3x3:" + ",".join(work.rows).replace(" ", ",")
    words = ["mogrify", "-path", str(work.target), "-morphology", "Correlate", kernel, *encoding(work, ())]
    return spread(work, words, "OMP_NUM_THREADS")


def peers() -> list[Peer]:
    """All of them, convtool first, those that are not installed too."""
    ours, several = importlib.metadata.version("convtool"), jobs_known()
    tool, tool_from = version_of("vips", "--version", "vips"), "Debian's libvips-tools"
    graphics, graphics_from = version_of("gm", "version", "GraphicsMagick"), "Debian's graphicsmagick"
    image = version_of("mogrify", "-version", "ImageMagick")
    opencv = version_in("cv2", "opencv-python-headless")
    return [
        Peer("convtool", ours, "", convtool(), absolute=True),
        Peer("convtool -j 1", several, "a version that has --jobs", convtool("-j", "1"), absolute=True),
        Peer("convtool -j 2", several, "a version that has --jobs", convtool("-j", "2"), absolute=True),
        Peer("vips", tool, tool_from, vips()),
        Peer("vips, level 1", tool, tool_from, vips("[compression=1]"), png_only=True),
        Peer("gm convert", graphics, graphics_from, graphics_magick("convert")),
        Peer("gm mogrify", graphics, graphics_from, graphics_magick("mogrify")),
        Peer("gm, level 1", graphics, graphics_from, graphics_magick("mogrify", "-quality", "15"), png_only=True),
        Peer("ImageMagick", image, "Debian's imagemagick", image_magick),
        Peer("pyvips script", pyvips_version(), "PyPI's pyvips[binary]", script("pyvips_folder.py"), absolute=True),
        Peer("OpenCV script", opencv, "PyPI's opencv-python-headless", script("opencv_folder.py"), absolute=True),
        Peer("Pillow script", version_in("PIL", "pillow"), "", script("pillow_folder.py")),
    ]


def version_of(program: str, option: str, name: str) -> str:
    """Version of an installed program that says it is the right one."""
    if not shutil.which(program):
        return ""
    said = subprocess.run([program, option], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+\.\d+[\w.-]*", said)
    return found[0] if name in said and found else ""


def version_in(module: str, package: str) -> str:
    if importlib.util.find_spec(module) is None:
        return ""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # one of its siblings
        return "of unknown version"


def pyvips_version() -> str:
    """Its own and that of the library it found."""
    words = [sys.executable, "-c", "import pyvips as v; print(v.__version__, *map(v.version, range(3)))"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
    return f"{said[0]} with libvips {'.'.join(said[1:])}" if said else ""


def jobs_known() -> str:
    """convtool's version, if it is one that shares work out among several workers."""
    words = [sys.executable, "-m", "convtool", "apply", "--help"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    return importlib.metadata.version("convtool") if "--jobs" in said else ""

"""From file to file against the tools people use today: whole commands, start-up included.

    python -m benchmarks.files                     # all of it, twenty minutes, into docs/benchmarks-files.md
    python -m benchmarks.files --quick             # few pictures, one run or two each, on the terminal only
    python -m benchmarks.files --only 12           # rows whose name contains this, on the terminal only

Needs ``pip install -e '.[test]'``. Peers: ``apt-get install libvips-tools graphicsmagick imagemagick`` and
``pip install 'pyvips[binary]'``; those that are missing are named. Every peer's first output is checked to be the
picture that was asked for; then all run in turn, and medians count. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from benchmarks.checks import unlike
from benchmarks.files_report import Found, report
from benchmarks.peers import JOBS, Command, Peer, Work, peers
from benchmarks.photographs import make
from benchmarks.startup import BASELINE

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # where it is set, every command would compile its modules again
MEASURE = Path(__file__).parent / "scripts" / "measure.py"
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks-files.md"
IMPORTS = "import numpy, PIL.Image, click, yaml"


class Row(NamedTuple):
    """Pictures and what is done to them; ``memory``: peaks in place of times; ``long``: not for ``--quick``."""

    name: str
    pictures: str
    kernel: str
    memory: bool = False
    long: bool = False


ROWS = (
    Row("photographs JPEG, sharpen", "photographs-jpg", "sharpen"),
    Row("photographs JPEG, sobel-x", "photographs-jpg", "sobel-x", long=True),
    Row("photographs JPEG, sobel", "photographs-jpg", "sobel"),
    Row("photographs PNG, sharpen", "photographs-png", "sharpen"),
    Row("photographs PNG, sobel-x", "photographs-png", "sobel-x", long=True),
    Row("photographs PNG, sobel", "photographs-png", "sobel"),
    Row("12 MP PNG, sharpen", "12mp-png", "sharpen"),
    Row("12 MP PNG, sobel-x", "12mp-png", "sobel-x", long=True),
    Row("12 MP JPEG, sharpen", "12mp-jpg", "sharpen"),
    Row("12 MP JPEG, sobel-x", "12mp-jpg", "sobel-x", long=True),
    Row("512x512 PNG, sharpen", "small-png", "sharpen"),
    Row("icons PNG, sharpen", "icons-png", "sharpen"),
    Row("memory 24 MP PNG", "24mp-png", "sharpen", memory=True),
    Row("memory 24 MP JPEG", "24mp-jpg", "sharpen", memory=True),
    Row("memory photographs PNG", "photographs-png", "sharpen", memory=True, long=True),
    Row("memory photographs JPEG", "photographs-jpg", "sharpen", memory=True, long=True),
)


class Effort(NamedTuple):
    """How many pictures, and how often: ``rounds`` after the first, or until a peer has used up its ``seconds``."""

    photographs: int
    icons: int
    rounds: int
    seconds: float


FULL, QUICK = Effort(100, 500, 2, 4), Effort(5, 30, 1, 1)


class Bench:
    """One run of the benchmark: its temporary folder, the pictures in it, and what they were counted as."""

    def __init__(self, folder: Path, effort: Effort) -> None:
        self.folder, self.effort = folder, effort
        self.peers = peers()

    def pictures(self, name: str) -> Path:
        folder = self.folder / name
        if not folder.exists():
            make(folder, name, self.effort.icons if name.startswith("icons") else self.effort.photographs)
        return folder

    def measure(self, row: Row) -> dict[str, Found]:
        """Check all peers' outputs, then run them in turn."""
        source = self.pictures(row.pictures)
        work = Work(source, self.folder / "out", row.kernel)
        commands = {peer.name: peer.command(work) for peer in self.peers if takes_part(peer, row)}
        found: dict[str, Found] = {}
        for name, command in commands.items():
            found[name] = self.run(command, work, memory=row.memory)
            wrong = found[name].wrong or unlike(work)
            if wrong:
                found[name] = found[name]._replace(wrong=wrong)
                if name == "convtool":
                    sys.exit(f"{row.name}: {name}: {wrong}")
        if row.pictures == "small-png":
            self.run(commands["convtool"], work)
            baselines = self.baselines(source / "000.png", work.target / "000.png")
            commands |= baselines
            found |= {name: self.run(command, work) for name, command in baselines.items()}
        if not row.memory:
            self.rounds({name: commands[name] for name in found if not found[name].wrong}, work, found)
        return found

    def baselines(self, picture: Path, written: Path) -> dict[str, Command]:
        """What Python and its packages need before anything is filtered; startup.py tells more of it."""
        folder = self.folder / "baseline"
        folder.mkdir(exist_ok=True)
        shutil.copy(picture, folder / "in.png")
        with Image.open(written) as opened:
            opened.save(folder / "out.bmp")
        return {
            "bare imports": Command([sys.executable, "-c", IMPORTS], folder=folder),
            "imports, decode, encode": Command([sys.executable, "-c", BASELINE], folder=folder),
        }

    def rounds(self, commands: dict[str, Command], work: Work, found: dict[str, Found]) -> None:
        """Median of interleaved runs; the first, which was checked, counts where there is no second."""
        times: dict[str, list[float]] = {name: [] for name in commands}
        rounds, least = self.effort.rounds, 1 if self.effort is FULL else 0
        if work.source.name.startswith("small"):  # a tenth of a second each: more often
            rounds = least = rounds * 4
        for _ in range(rounds):
            for name, command in commands.items():
                spent = found[name].seconds + sum(times[name])
                if spent < self.effort.seconds or len(times[name]) < least:
                    again = self.run(command, work)
                    if again.wrong:
                        sys.exit(f"{name}: {again.wrong}")
                    times[name].append(again.seconds)
        for name, seconds in times.items():
            if seconds:
                found[name] = found[name]._replace(seconds=statistics.median(seconds), runs=len(seconds))

    def run(self, command: Command, work: Work, *, memory: bool = False) -> Found:
        """One whole command into an empty folder."""
        shutil.rmtree(work.target, ignore_errors=True)
        work.target.mkdir()
        result = self.folder / "result.json"
        words = [sys.executable, "-I", "-S", str(MEASURE), str(result), *(["--tree"] if memory else []), *command.words]
        run = subprocess.run(
            words,
            input="".join(f"{line}\n" for line in command.lines),
            cwd=command.folder or self.folder,
            env=os.environ | ({command.variable: "1"} if command.variable else {}),
            capture_output=True,
            text=True,
            check=False,
        )
        found = json.loads(result.read_text(encoding="ascii")) if run.returncode == 0 else {"code": run.returncode}
        size = sum(path.stat().st_size for path in work.target.iterdir())
        wrong = "" if found["code"] == 0 else f"exit code {found['code']}: {(run.stderr.splitlines() or [''])[-1]}"
        return Found(found.get("seconds", 0.0), found.get("peak", 0), size, wrong)


def takes_part(peer: Peer, row: Row) -> bool:
    """Of one picture there is nothing to share out; PNG's levels are for PNG; not all write several maps."""
    if not peer.version or (row.kernel == "sobel" and not peer.absolute):
        return False
    if peer.png_only and (row.memory or not row.pictures.endswith("png")):
        return False
    if row.pictures.startswith(("photographs", "icons")):
        return True
    return not peer.name.startswith("convtool -j") and not (row.memory and peer.name == "gm mogrify")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="ROW", help="rows whose name contains this")
    parser.add_argument("--quick", action="store_true", help="few pictures and runs, fewer rows")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the report as Markdown, instead of into docs/")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    load = os.getloadavg()[0]
    results: dict[str, dict[str, Found]] = {}
    with tempfile.TemporaryDirectory(prefix="convtool-bench-") as folder:
        bench = Bench(Path(folder), effort)
        for row in ROWS:
            if arguments.only in row.name and not (arguments.quick and row.long and not arguments.only):
                print(f"{row.name} ...", file=sys.stderr, flush=True)
                results[row.name] = bench.measure(row)
    text = report(results, bench.peers, (effort.photographs, effort.icons), JOBS, load)
    print(text)
    page = arguments.write or (None if arguments.quick or arguments.only else PAGE)
    if page:
        page.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Run one command and tell its seconds and its peak memory as one line of JSON.

    python -I -S measure.py RESULT [--tree] COMMAND ARGUMENT...

It stands between benchmark and command because Linux hands a process's peak on to the program that it becomes: run
from a process that holds pictures, every command would seem to need as much. ``--tree`` also adds up what the command
and its workers hold at the same moment (shared pages once), looked at every 10 ms, which costs it a little time.
"""

from __future__ import annotations

import json
import os
import sys
import time

TICK = 0.01


def main() -> None:
    result, *command = sys.argv[1:]
    tree = command[0] == "--tree"
    if tree:
        del command[0]
    begin = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    held = 0
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG if tree else 0)
        if pid:
            break
        held = max(held, sum(map(proportional, family(child))))
        time.sleep(TICK)
    seconds = time.perf_counter() - begin
    peak = max(usage.ru_maxrss, held)
    with open(result, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib would be most of this program's size
        json.dump({"seconds": seconds, "peak": peak * 1024, "code": os.waitstatus_to_exitcode(status)}, file)


def family(root: int) -> list[int]:
    """A process and all that it started and that still runs."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8") as file:  # noqa: PTH123
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def proportional(pid: int) -> int:
    """Kilobytes of one process; a page that several share counts in parts."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123
            return next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    except OSError:
        return 0


if __name__ == "__main__":
    main()

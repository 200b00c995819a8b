"""Inputs done side by side by processes, results in the order of the inputs.

Processes rather than threads: as fast for photographs and faster for icons (no lock is shared), and what kills one
(a fault in a decoder, the system short of memory) costs the input that it held, not the run. They are forked where
that is safe, so that they start in a few milliseconds and inherit the plan; the parent starts no threads and draws
its progress between two waits. Memory grows with the workers, not with the inputs: a worker holds one input, and
only ``AHEAD`` results wait for an earlier one.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from convtool.runs.atomic import clear_left_over
from convtool.runs.batch import Failed, Job, Options, Result
from convtool.runs.signals import held, landing, release
from convtool.runs.task import run_job
from convtool.runs.worker import OUT_OF_MEMORY, serve, signals_blocked

START = "fork" if sys.platform == "linux" else "spawn"
"""How a worker starts. Forking is not safe beside the system libraries of macOS, and Windows cannot."""
HELD = 2
"""Inputs that a worker is given at a time: the one it works on, and the next, so that it never waits."""
AHEAD = 512
"""How many inputs may be done ahead of the first that is not."""
TICK = 0.2
"""Seconds between two looks at the progress while nothing happens."""
PATIENCE = 1.0
"""Seconds that a worker has to clean up after an interruption before it is killed."""
DESCRIPTORS, SPARE_DESCRIPTORS = 3, 32
"""What the parent holds open for every worker, and what a process needs for itself."""


class _Worker:
    """A process, the parent's end of its pipe, and the inputs that it was given and has not finished."""

    def __init__(self, jobs: Sequence[Job], options: Options, others: Sequence[_Worker]) -> None:
        context: Any = get_context(START)
        self.pipe, theirs = context.Pipe()
        self.inherits = START == "fork"
        # Where whole jobs are sent, only to one that waits for them: both ends could be stuck in a full pipe otherwise.
        self.most = HELD if self.inherits else 1
        inherited = (jobs, [worker.pipe for worker in others] + [self.pipe]) if self.inherits else ((), [])
        self.process = context.Process(target=serve, args=(theirs, options, *inherited), daemon=True)
        try:
            with signals_blocked():  # until it knows what to do about them
                self.process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()
        self.held: deque[int] = deque()
        self.whole = False
        """Every map of the first of them is there."""

    def give(self, index: int, job: Job) -> None:
        """Hand over an input; a worker that is dead is noticed where its results are read."""
        self.held.append(index)
        with contextlib.suppress(OSError):
            self.pipe.send(index if self.inherits else job)


class Workers:
    """Worker processes for some inputs; leave the ``with`` block and they are gone."""

    def __init__(self, jobs: Sequence[Job], options: Options, count: int, tick: Callable[[], None]) -> None:
        self._jobs, self._options, self._tick = jobs, options, tick
        self._count = min(count, _affordable())
        self._workers: list[_Worker] = []
        self._results: dict[int, list[Result]] = {}
        self._ended: set[int] = set()
        self._again: deque[int] = deque()
        """Inputs that a dead worker was given and had not begun."""
        self._next = 0
        self._told = 0
        """Inputs whose results are out."""

    def __enter__(self) -> Workers:
        gc.freeze()  # what is here stays, and need not be copied when a worker collects its garbage
        # Where a parent's parent had it ignored, nobody would learn how a worker ended.
        self._before = signal.signal(signal.SIGCHLD, signal.SIG_DFL) if hasattr(signal, "SIGCHLD") else None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop(gently=kind is None)
        if self._before is not None:
            signal.signal(signal.SIGCHLD, self._before)
        gc.unfreeze()

    def results(self) -> Iterator[tuple[Job, Result | None]]:
        """What becomes of each input, in the order of the inputs; None when an input is done."""
        while self._told < len(self._jobs):
            self._hand_out()
            self._read_all(0 if self._told in self._ended else TICK)
            yield from self._in_order()
            self._tick()

    def interrupted(self) -> Iterator[tuple[Job, Result | None]]:
        """Stop the workers; what they had finished and was not reported yet, in the order of the inputs."""
        self._stop(gently=False)
        for index in sorted(self._results):
            yield from ((self._jobs[index], result) for result in self._results[index])
            yield self._jobs[index], None
        self._results.clear()

    def _in_order(self) -> Iterator[tuple[Job, Result | None]]:
        while self._told < len(self._jobs):
            job = self._jobs[self._told]
            waiting = self._results.get(self._told, [])
            while waiting:
                landing()
                yield job, waiting.pop(0)
            if self._told not in self._ended:
                return
            with held():
                self._ended.discard(self._told)
                self._results.pop(self._told, None)
                self._told += 1
            yield job, None

    def _hand_out(self) -> None:
        """Give every worker enough to do, and start workers while there is more to do."""
        while (index := self._upcoming()) is not None:
            if all(each.skip for each in self._jobs[index].outputs):
                self._do_here(index)
                continue
            free = min(self._workers, key=lambda worker: len(worker.held), default=None)
            if (free is None or free.held) and len(self._workers) < self._count:
                free = self._started() or free
            if free is None:
                self._do_here(index)
                return
            if len(free.held) >= free.most:
                return
            self._taken()
            free.give(index, self._jobs[index])

    def _started(self) -> _Worker | None:
        """One more worker, unless the system has no room for it: then those that there are do the work."""
        try:
            with held():
                worker = _Worker(self._jobs, self._options, self._workers)
                self._workers.append(worker)
        except (OSError, MemoryError):
            self._count = len(self._workers)
            return None
        return worker

    def _do_here(self, index: int) -> None:
        """What is not worth sending, or cannot be sent."""
        self._taken()
        for result in run_job(self._jobs[index], self._options):
            self._results.setdefault(index, []).append(result)
            release()
        self._ended.add(index)

    def _taken(self) -> None:
        if self._again:
            self._again.popleft()
        else:
            self._next += 1

    def _upcoming(self) -> int | None:
        if self._again:
            return self._again[0]
        return self._next if self._next < min(len(self._jobs), self._told + AHEAD) else None

    def _read_all(self, seconds: float) -> None:
        """Read what workers have sent, or see that they are dead, waiting for it at most so long."""
        for ready in wait([worker.pipe for worker in self._workers], seconds):
            worker = next(worker for worker in self._workers if worker.pipe is ready)
            with held():
                try:
                    self._take(worker, worker.pipe.recv())
                except (EOFError, OSError):
                    self._bury(worker)

    def _take(self, worker: _Worker, result: Any) -> None:
        index = worker.held[0]
        if result is None:
            self._ended.add(worker.held.popleft())
            worker.whole = False
            return
        if not isinstance(result, Failed):
            work = self._jobs[index].outputs[result.work]
            result = result._replace(work=work)
            worker.whole = work is self._jobs[index].last
        self._results.setdefault(index, []).append(result)

    def _bury(self, worker: _Worker) -> None:
        """A worker died: the input that it worked on failed, the next one goes to another worker."""
        self._remove(worker)
        if worker.held:
            index = worker.held.popleft()
            if not worker.whole:
                reason = _cause(worker.process.exitcode)
                self._results.setdefault(index, []).append(Failed(self._jobs[index].source.path, reason))
            self._ended.add(index)
        self._again.extend(worker.held)

    def _remove(self, worker: _Worker) -> None:
        """Let go of a worker that is dead or about to be, and remove what it left."""
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        if worker.held:
            for each in self._jobs[worker.held[0]].outputs:
                if not (each.skip or each.target.stdout):
                    clear_left_over(Path(each.target.path), worker.process.pid)

    def _stop(self, *, gently: bool) -> None:
        """End all workers: at the end of their work, or else at once, leaving no half file."""
        with held():
            for worker in self._workers:
                if gently:
                    with contextlib.suppress(OSError):
                        worker.pipe.send(None)
                else:
                    worker.process.terminate()
            end = time.monotonic() + PATIENCE
            while self._workers and (left := end - time.monotonic()) > 0:
                for ready in wait([worker.pipe for worker in self._workers], left):
                    self._drain(next(worker for worker in self._workers if worker.pipe is ready))
            for worker in list(self._workers):
                worker.process.kill()
                while worker in self._workers:
                    self._drain(worker)

    def _drain(self, worker: _Worker) -> None:
        """One more result of a worker that is about to end."""
        try:
            self._take(worker, worker.pipe.recv())
        except (EOFError, OSError):
            self._remove(worker)


def _affordable() -> int:
    """How many workers the limit of open files allows."""
    try:
        import resource
    except ImportError:
        return sys.maxsize
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else max(0, limit - SPARE_DESCRIPTORS) // DESCRIPTORS


def _cause(code: int | None) -> str:
    """Why an input failed whose worker is dead."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        why = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"was given up: its worker process was killed by {name}{why}"
    if code == OUT_OF_MEMORY:
        return "needs more memory than there is"
    return f"was given up: its worker process ended with code {code}"

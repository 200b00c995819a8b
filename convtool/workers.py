"""Inputs worked off side by side by processes, results in the order of the inputs.

Processes rather than threads: as fast for photographs and faster for icons (no lock is shared), and what kills one
(a fault in a decoder, the system short of memory) costs the input that it held, not the run. They are forked where
that is safe, so that they start in a few milliseconds and inherit the plan; the parent starts no threads and draws
its progress between two waits. Memory grows with the workers, not with the inputs: a worker holds one input, and
only ``AHEAD`` results wait for an earlier one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from convtool.atomic import clear_left_over
from convtool.batch import Failed, Job, Options, Result, Skipped, Written
from convtool.errors import Terminated
from convtool.running import run_job

START = "fork" if sys.platform == "linux" else "spawn"
"""How a worker starts. Forking is not safe beside the system libraries of macOS, and Windows cannot."""
HELD = 2
"""Inputs that a worker is given at a time: the one it works on, and the next, so that it never waits."""
AHEAD = 512
"""How far the inputs may be worked off ahead of the first that is not done."""
TICK = 0.2
"""Seconds between two looks at the progress while nothing happens."""
PATIENCE = 1.0
"""Seconds that a worker has to clean up after an interruption before it is killed."""


class _Worker:
    """A process, the parent's end of its pipe, and the inputs that it was given and has not finished."""

    def __init__(self, jobs: Sequence[Job], options: Options, others: Sequence[_Worker]) -> None:
        context: Any = get_context(START)
        self.pipe, theirs = context.Pipe()
        self.inherits = START == "fork"
        inherited = (jobs, [worker.pipe for worker in others] + [self.pipe]) if self.inherits else ((), [])
        self.process = context.Process(target=_work, args=(theirs, options, *inherited), daemon=True)
        with _held_back(signal.SIGINT, signal.SIGTERM):  # until it is told what to do about them
            self.process.start()
        theirs.close()
        self.held: deque[int] = deque()

    def give(self, index: int, job: Job) -> None:
        """Hand over an input; a worker that is dead is noticed where its results are read."""
        self.held.append(index)
        with contextlib.suppress(OSError):
            self.pipe.send(index if self.inherits else job)


@contextlib.contextmanager
def _held_back(*signals: int) -> Iterator[None]:
    """Signals wait for the end of the block; in a process that starts in it, until it lets them through."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers:
    """Worker processes for some inputs; leave the ``with`` block and they are gone."""

    def __init__(self, jobs: Sequence[Job], options: Options, count: int, tick: Callable[[], None]) -> None:
        self._jobs, self._options, self._count, self._tick = jobs, options, count, tick
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
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop(gently=kind is None)

    def results(self) -> Iterator[tuple[Job, Result | None]]:
        """What becomes of each input, in the order of the inputs; None when an input is done."""
        while self._told < len(self._jobs):
            self._hand_out()
            for ready in wait([worker.pipe for worker in self._workers], TICK):
                self._read(next(worker for worker in self._workers if worker.pipe is ready))
            yield from self._in_order()
            self._tick()

    def interrupted(self) -> Iterator[tuple[Job, Result | None]]:
        """Stop the workers; what they had finished and was not told yet, in the order of the inputs."""
        self._stop(gently=False)
        for index in sorted(self._ended):
            yield from ((self._jobs[index], result) for result in self._results.pop(index, []))
            yield self._jobs[index], None
        self._ended.clear()

    def _in_order(self) -> Iterator[tuple[Job, Result | None]]:
        while self._told < len(self._jobs):
            job = self._jobs[self._told]
            waiting = self._results.get(self._told, [])
            while waiting:
                yield job, waiting.pop(0)
            if self._told not in self._ended:
                return
            self._ended.discard(self._told)
            self._results.pop(self._told, None)
            self._told += 1
            yield job, None

    def _hand_out(self) -> None:
        """Give every worker enough to do, and start workers while there is more to do."""
        while (index := self._upcoming()) is not None:
            if all(work.skip for work in self._jobs[index].works):
                self._next += 1
                self._results[index] = list(run_job(self._jobs[index], self._options))
                self._ended.add(index)
                continue
            free = min(self._workers, key=lambda worker: len(worker.held), default=None)
            if free is None or (free.held and len(self._workers) < self._count):
                free = _Worker(self._jobs, self._options, self._workers)
                self._workers.append(free)
            if len(free.held) >= HELD:
                return
            if self._again:
                self._again.popleft()
            else:
                self._next += 1
            free.give(index, self._jobs[index])

    def _upcoming(self) -> int | None:
        if self._again:
            return self._again[0]
        return self._next if self._next < min(len(self._jobs), self._told + AHEAD) else None

    def _read(self, worker: _Worker) -> None:
        try:
            self._take(worker, worker.pipe.recv())
        except (EOFError, OSError):
            self._bury(worker)

    def _take(self, worker: _Worker, result: Any) -> None:
        index = worker.held[0]
        if result is None:
            self._ended.add(worker.held.popleft())
            return
        if not isinstance(result, Failed):
            result = result._replace(work=self._jobs[index].works[result.work])
        self._results.setdefault(index, []).append(result)

    def _bury(self, worker: _Worker) -> None:
        """A worker died: the input that it worked on failed, the next one goes to another worker."""
        self._workers.remove(worker)
        worker.process.join()
        worker.pipe.close()
        if worker.held:
            index = worker.held.popleft()
            self._clear(worker, index)
            reason = _cause(worker.process.exitcode)
            self._results.setdefault(index, []).append(Failed(self._jobs[index].source.path, reason))
            self._ended.add(index)
        self._again.extend(worker.held)

    def _clear(self, worker: _Worker, index: int) -> None:
        for work in self._jobs[index].works:
            if not (work.skip or work.target.stdout):
                clear_left_over(Path(work.target.path), worker.process.pid)

    def _stop(self, *, gently: bool) -> None:
        """End all workers: at the end of their work, or else at once, leaving no half file."""
        for worker in self._workers:
            if gently:
                with contextlib.suppress(OSError):
                    worker.pipe.send(None)
            else:
                worker.process.terminate()
        patience = time.monotonic() + PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.0, patience - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            with contextlib.suppress(EOFError, OSError):
                while worker.held and worker.pipe.poll():
                    self._take(worker, worker.pipe.recv())
            worker.pipe.close()
            if worker.held:
                self._clear(worker, worker.held[0])
        self._workers.clear()


def _cause(code: int | None) -> str:
    """Why an input failed whose worker is dead."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        why = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"was given up: its worker process was killed by {name}{why}"
    return f"was given up: its worker process ended with code {code}"


def _work(pipe: Connection, options: Options, jobs: Sequence[Job] = (), others: Sequence[Connection] = ()) -> None:
    """The life of a worker: inputs come by the pipe, results go back, None ends both."""
    for other in others:
        other.close()  # the parent's ends: while a worker held one, its neighbour would outlive a killed parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent decides
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    with contextlib.suppress(EOFError, BrokenPipeError, Terminated):
        while (given := pipe.recv()) is not None:
            job = jobs[given] if isinstance(given, int) else given
            for result in run_job(job, options):
                pipe.send(_slim(result, job))
            pipe.send(None)
    # At once: nothing of the parent's (buffers, exit handlers) is for a worker to finish.
    os._exit(0)


def _end(number: int, _: object) -> None:
    """Unwind, so that no half file stays; once is enough."""
    signal.signal(number, signal.SIG_IGN)
    raise Terminated(number)


def _slim(result: Result, job: Job) -> tuple[Any, ...]:
    """A result as it goes through the pipe: the parent knows the work, its number among the job's is enough."""
    if isinstance(result, Written | Skipped):
        return result._replace(work=job.works.index(result.work))  # type: ignore[arg-type]
    return result

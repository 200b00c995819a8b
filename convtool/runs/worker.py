"""The life of a worker process: inputs come by a pipe, results go back."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from convtool.errors import Terminated
from convtool.runs.batch import Drawn, Job, Options, Result, SheetWork, Skipped, Written
from convtool.runs.heap import keep_freed_memory
from convtool.runs.signals import deferred, recording, release, start_over
from convtool.runs.task import run_job

OUT_OF_MEMORY = 12
"""Exit code of a worker that had no memory left to say so."""
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Signals wait for the end of the block; in a process that starts in it, until it lets them through."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(pipe: Connection, options: Options, jobs: Sequence[Job] = (), others: Sequence[Connection] = ()) -> None:
    """The life of a worker: inputs come by the pipe, results go back, None ends both."""
    for other in others:
        other.close()  # the parent's ends: while a worker held one, its neighbour would outlive a killed parent
    start_over()
    keep_freed_memory()
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the parent decides
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    code = 0
    try:
        with recording():
            _work_off(pipe, options, jobs)
    except Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    except (EOFError, ConnectionError):  # the parent is gone
        pass
    except MemoryError:
        code = OUT_OF_MEMORY
    except BaseException:
        code = 1
        if options.debug:
            traceback.print_exc()
    # At once: nothing of the parent's (buffers, exit handlers) is for a worker to finish.
    os._exit(code)


def _work_off(pipe: Connection, options: Options, jobs: Sequence[Job]) -> None:
    while (given := pipe.recv()) is not None:
        job = jobs[given] if isinstance(given, int) else given
        for result in run_job(job, options):
            pipe.send(_slim(result))
            release()
        pipe.send(None)


def _end(number: int, _: object) -> None:
    """Unwind, so that no half file stays; once is enough."""
    if not deferred(number):
        signal.signal(number, signal.SIG_IGN)
        raise Terminated(number)


def _slim(result: Result) -> tuple[Any, ...]:
    """A result as it goes through the pipe: the parent knows the work, its number among the job's is enough."""
    if isinstance(result, Written | Drawn | Skipped):
        number = -1 if isinstance(result.work, SheetWork) else result.work.place
        return result._replace(work=number)  # type: ignore[arg-type]
    return result

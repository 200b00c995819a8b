"""Where the command begins: ``convtool``, or ``python -m convtool``."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

GARBAGE_FROM = 100_000
"""New objects after which Python looks for garbage in cycles. Loading makes tens of thousands, none of them garbage."""


def main() -> NoReturn:
    """Load the command line and run it; Ctrl-C before it can catch it ends in silence, for nothing was done yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    gc.set_threshold(GARBAGE_FROM)
    from convtool.machine import hold_blas
    from convtool.pictures import prefetch

    hold_blas()
    prefetch.guess(sys.argv[1:])
    from convtool.cli import main as run

    try:
        run()
    except SystemExit as left:
        if isinstance(left.code, int):
            # All is written and flushed: taking the interpreter apart would take as long as loading click.
            os._exit(left.code)
        raise


if __name__ == "__main__":
    main()

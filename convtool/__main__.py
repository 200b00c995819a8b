"""Where the command begins: ``convtool``, or ``python -m convtool``."""

from __future__ import annotations

import os
import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line and run it; Ctrl-C before it can catch it ends in silence, for nothing was done yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from convtool.cli import main as run

    run()


if __name__ == "__main__":
    main()

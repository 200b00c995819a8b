"""A process that runs one command after another, in bounded memory: a line of JSON in, a line of JSON out."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings

MEMORY = 1_500_000_000


def serve() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w")
    streams = [os.memfd_create("stdout"), os.memfd_create("stderr")]
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    warnings.simplefilter("error")
    from convtool.cli import main

    for line in sys.stdin:
        task = json.loads(line)
        os.chdir(task["folder"])
        code: object = None
        try:
            main(task["arguments"])
        except SystemExit as left:
            code = left.code
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        said = []
        for stream in streams:
            os.lseek(stream, 0, os.SEEK_SET)
            said.append(os.read(stream, 1_000_000).decode("utf-8", "replace"))
            os.ftruncate(stream, 0)
            os.lseek(stream, 0, os.SEEK_SET)
        replies.write(json.dumps({"code": code, "err": said[1]}) + "\n")
        replies.flush()


if __name__ == "__main__":
    serve()

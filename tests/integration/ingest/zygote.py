"""Starts the ingest service again and again without importing it again: a process that forks.

A line on its standard input is a JSON object with the environment of the next service; a line
on its standard output is its process id, and the next its exit status, once it has ended.
"""

import importlib
import json
import os
import sys
import traceback

from libs.common.app import run
from libs.retrieval.terms import detect

SERVICE = "services.ingest.service"


def main() -> None:
    importlib.import_module(SERVICE)
    detect("What takes a second to load is loaded before the first fork.")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _serve(json.loads(line))
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(status)


def _serve(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    os.dup2(2, 1)  # the parent's standard output is for numbers
    sys.argv = ["ingest"]
    try:
        run(SERVICE)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)  # it is only ever ended by a signal


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

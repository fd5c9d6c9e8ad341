"""Starts the ingest service again and again without importing it again: a process that forks.

A line on its standard input is a JSON object with the environment of the next service; a line
on its standard output is its process id, and the next its exit status, once it has ended.
"""

import json
import os
import sys

from libs.common.app import run
from services.ingest.service import Settings, build


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.environ.update(json.loads(line))
            sys.argv = ["ingest"]
            run(Settings, build)
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Where a test may stop the process dead: ``CHATTERY_FAULT=points_written`` kills it there."""

import os
import signal


def reached(point: str) -> None:
    """Die here if that is what was asked for, once for each file named in CHATTERY_FAULT_ONCE."""
    if os.environ.get("CHATTERY_FAULT") != point:
        return
    mark = os.environ.get("CHATTERY_FAULT_ONCE")
    if mark:
        try:
            os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)

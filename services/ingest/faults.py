"""Where a test may stop the process dead: ``CHATTERY_FAULT=points_written`` kills it there."""

import os
import signal


def reached(point: str) -> None:
    """Die here if that is what was asked for; once, where CHATTERY_FAULT_MARKS names a folder.

    ``CHATTERY_FAULT`` may name several points, with commas between them.
    """
    if point not in os.environ.get("CHATTERY_FAULT", "").split(","):
        return
    marks = os.environ.get("CHATTERY_FAULT_MARKS")
    if marks:
        try:
            os.close(os.open(f"{marks}/{point}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)

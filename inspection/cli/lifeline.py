"""A child process ends with its supervisor: their lifeline is a pipe only the kernel can cut."""

import os
import signal
import threading

STANDARD_INPUT = 0


def follow() -> None:
    """Send SIGTERM to this process when standard input ends, however its other end went away."""

    def wait() -> None:
        # Not through sys.stdin: its lock, held by this thread, would break the interpreter's end.
        while os.read(STANDARD_INPUT, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()

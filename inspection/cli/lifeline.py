"""A child process ends with its supervisor: their lifeline is a pipe only the kernel can cut."""

import os
import signal
import sys
import threading


def follow() -> None:
    """Send SIGTERM to this process when standard input ends, however its other end went away."""

    def wait() -> None:
        while sys.stdin.buffer.read(4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()

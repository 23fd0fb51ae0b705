"""Loads the command line once and runs each command in a fork: a process, but without the wait.

Started as `python preloaded.py SOCKET [MODULE …]`, where modules are loaded too. Every connection
sends one JSON object of `arguments`, `environment`, `typed` (what standard input holds), and the
files `out` and `err`, and is answered with the exit code.
"""

import importlib
import json
import os
import signal
import socketserver
import sys
import traceback
from typing import Any

from inspection.cli import main

LONGEST_S = 100


class Handler(socketserver.StreamRequestHandler):
    """Runs in a fork of its own, so that commands run side by side."""

    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        child = os.fork()
        if child == 0:
            os._exit(ended(request))
        _, status = os.waitpid(child, 0)
        self.wfile.write(b"%d\n" % os.waitstatus_to_exitcode(status))


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Ends with the process that started it, however that ends."""

    parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self.parent:
            sys.exit()


def ended(request: dict[str, Any]) -> int:
    """Run the console script as its own process would, and return its exit code."""
    # A command that should have been refused, and runs, does not outlive the tests by much.
    signal.alarm(LONGEST_S)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["inspection", *request["arguments"]]
    reading, writing = os.pipe()
    os.write(writing, request["typed"].encode())
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    for number, name in (1, request["out"]), (2, request["err"]):
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(descriptor, number)
        os.close(descriptor)
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the interpreter would show it
        traceback.print_exc()
        return 1
    else:
        return 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    with Server(sys.argv[1], Handler) as server:
        server.serve_forever(poll_interval=0.2)

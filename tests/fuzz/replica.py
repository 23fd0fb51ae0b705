"""A replica in a process of its own: a decoder that crashes takes only this process with it."""

import asyncio
import faulthandler
import hashlib
import multiprocessing
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from inspection.errors import UnavailableError
from inspection.serving.request import Answer, Request

#: Seconds a call may take.
DEADLINE_S = 120.0

_KB = 1024


class ReplicaProcess:
    """What Ray Serve does for an inspector, with one replica."""

    def __init__(self, checkpoint: Path, crash_dir: Path, *, picture_limit_px: int) -> None:
        self._checkpoint = checkpoint
        self._crash_dir = crash_dir
        self._picture_limit_px = picture_limit_px
        self._lock = asyncio.Lock()
        self._process: Any = None
        self._connection: Connection | None = None
        self.crash_count = 0
        #: Largest resident memory of a replica, at its start and at any time, in bytes.
        self.first_bytes = self.peak_bytes = 0

    async def score(
        self, requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        """Answer the requests of one call, in order.

        Raises:
            UnavailableError: the replica has crashed or hangs; its input is kept.
        """
        async with self._lock:
            return await asyncio.to_thread(self._score, list(requests), dict(files or {}))

    def stop(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.join(10)
            self._process.kill()
            self._process.join()

    def _score(self, requests: list[Request], files: dict[str, bytes]) -> list[Answer]:
        if self._connection is None:
            self._connection = self._start()
        try:
            self._connection.send((requests, files))
            if not self._connection.poll(DEADLINE_S):
                self._process.kill()
            answers, peak_bytes = self._connection.recv()
        except (EOFError, OSError) as error:
            self.crash_count += 1
            self._keep(requests)
            self.stop()
            raise UnavailableError(f"the replica crashed or hangs: {error!r}") from error
        self.first_bytes = self.first_bytes or peak_bytes
        self.peak_bytes = max(self.peak_bytes, peak_bytes)
        found: list[Answer] = answers
        return found

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=serve,
            args=(theirs, self._checkpoint, self._crash_dir, self._picture_limit_px),
            daemon=True,
        )
        self._process.start()
        theirs.close()
        return ours

    def _keep(self, requests: Sequence[Request]) -> None:
        """Write down what the replica was given; an input that was alone is the culprit."""
        folder = self._crash_dir / ("alone" if len(requests) == 1 else "together")
        folder.mkdir(parents=True, exist_ok=True)
        for request in requests:
            name = hashlib.sha256(request.payload).hexdigest()[:16]
            (folder / f"{name}.bin").write_bytes(request.payload)


def serve(connection: Connection, checkpoint: Path, crash_dir: Path, picture_limit_px: int) -> None:
    """Answer calls until the other end closes; what decoders and crashes say goes to a file."""
    crash_dir.mkdir(parents=True, exist_ok=True)
    with (crash_dir / "replica.log").open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    faulthandler.enable()
    from inspection.model.detector import Detector  # noqa: PLC0415 - torch, in this process only
    from inspection.serving.scorer import Scorer  # noqa: PLC0415

    detector = Detector.load(str(checkpoint), device="cpu", threads=1)
    scorer = Scorer(detector, picture_limit_px=picture_limit_px, threads=1)
    while True:
        try:
            requests, files = connection.recv()
        except EOFError:
            return
        references = scorer.references(requests, files)
        pictures = scorer.decode(requests)
        answers = scorer.score(requests, pictures, references)
        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        connection.send((answers, peak_kb * _KB))

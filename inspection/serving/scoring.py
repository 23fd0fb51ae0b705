"""Calls to the replicas, with deadlines of their own."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

import cv2
import numpy as np
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from inspection.domain.recipe import Recipe
from inspection.errors import UnavailableError
from inspection.serving.replica import Replica
from inspection.serving.request import Answer, Lacking, Request

#: Seconds a call may take that is the first, or the first with its recipe, or brings references:
#: the model may still be warming up, the sentences of a recipe are encoded when it is met first,
#: and files of references are large.
FIRST_DEADLINE_S = 180.0

#: Recipes that are remembered as met.
MET_RECIPES_COUNT = 1024

#: A call takes at most so many times the slowest recent one …
DEADLINE_FACTOR = 20.0

#: … but this many seconds are always granted. A call to a killed replica hangs without an error.
DEADLINE_FLOOR_S = 5.0


class Scoring(Protocol):
    """Something that scores encoded frames."""

    async def score(
        self, requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        """Answer the requests of one call, in order.

        Args:
            requests: the frames.
            files: references that a replica said it lacks, by content hash.

        Raises:
            UnavailableError: no answer; the frames were not judged.
        """
        ...


class RayScoring:
    """Scoring through a Ray Serve handle."""

    def __init__(self, handle: DeploymentHandle[Replica]) -> None:
        self._handle = handle
        self._recent_s: deque[float] = deque(maxlen=32)
        self._met: set[Recipe] = set()

    def deadline_s(self, requests: Sequence[Request], *, has_files: bool = False) -> float:
        """Return how many seconds a call with `requests`, and maybe references, may take."""
        if has_files or not self._recent_s or not self._has_met(requests):
            return FIRST_DEADLINE_S
        return max(DEADLINE_FLOOR_S, DEADLINE_FACTOR * max(self._recent_s))

    async def score(
        self, requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        """Answer the requests of one call, in order.

        Args:
            requests: the frames.
            files: references that a replica said it lacks, by content hash.

        Raises:
            UnavailableError: the replica died, failed or did not answer before the deadline.
        """
        begun_s = time.monotonic()
        deadline_s = self.deadline_s(requests, has_files=bool(files))
        try:
            response = self._handle.score.remote(list(requests), dict(files or {}))
            task = asyncio.ensure_future(_answers(response))
            done, _ = await asyncio.wait({task}, timeout=deadline_s)
            if not done:
                # Not cancelled: cancellations in a batch have hung Ray Serve's batching.
                task.add_done_callback(_forget)
                raise UnavailableError(f"no replica answered within {deadline_s:.0f} s")
            answers = task.result()
        except (RayError, RayServeException) as error:
            raise UnavailableError(f"the replica failed: {_first_line(error)}") from error
        lacking = [isinstance(answer, Lacking) for answer in answers]
        if self._has_met(requests):
            # Neither what was not computed nor what brought files says how long a call takes.
            if not (files or any(lacking)):
                self._recent_s.append(time.monotonic() - begun_s)
        elif len(self._met) >= MET_RECIPES_COUNT:
            self._met.clear()
        self._met.update(
            request.recipe
            for request, is_lacking in zip(requests, lacking, strict=True)
            if not is_lacking
        )
        return answers

    def _has_met(self, requests: Sequence[Request]) -> bool:
        return self._met.issuperset(request.recipe for request in requests)


async def probe(scoring: Scoring) -> bool:
    """Say whether a small blank picture is answered."""
    _, png = cv2.imencode(".png", np.full((16, 16, 3), 128, np.uint8))
    try:
        await scoring.score([Request(payload=png.tobytes(), recipe=Recipe())])
    except UnavailableError:
        return False
    return True


async def _answers(response: Awaitable[list[Answer]]) -> list[Answer]:
    return await response


def _forget(task: asyncio.Task[list[Answer]]) -> None:
    """Take a late result or error of a call nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"

"""A running copy of the detector under Ray Serve: batching, and nothing else."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

from ray import serve

from inspection.model.reference import Survey
from inspection.serving.request import Answer, Refused, Request

#: Calls that may be put together into one batch.
BATCH_CALLS = 4

#: Frames of one call, and files of references that came with it, by content hash.
Call = tuple[list[Request], dict[str, bytes]]


class Replica:
    """The deployment: several frames a call, several calls a batch, decoding beside computing."""

    def __init__(
        self,
        *,
        checkpoint: str,
        sources: Mapping[str, str | None],
        device: str,
        threads: int,
        picture_limit_px: int,
    ) -> None:
        # Only here: whoever deploys or calls replicas does without torch.
        from inspection.model.detector import Detector, Sources
        from inspection.serving.scorer import Scorer

        cache = sources["cache"]
        detector = Detector.load(
            checkpoint,
            device=device,
            threads=threads,
            sources=Sources(
                backbone=sources["backbone"],
                text=sources["text"],
                cache=None if cache is None else Path(cache),
            ),
        )
        self._scorer = Scorer(detector, picture_limit_px=picture_limit_px, threads=threads)
        # Always the same thread: OpenMP keeps helpers of its own for every thread that computes.
        self._computing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compute")

    async def score(
        self, requests: list[Request], files: dict[str, bytes] | None = None
    ) -> list[Answer]:
        """Answer the frames of one call, in order.

        Args:
            requests: the frames.
            files: references that this replica said it lacks, by content hash.
        """
        answers: list[Answer] = await self._score_calls((requests, files or {}))
        return answers

    async def survey(self, requests: list[Request], of_count: int) -> list[Survey | Refused]:
        """Survey frames of good parts, in order, for a reference of `of_count` frames."""
        pictures = await asyncio.to_thread(self._scorer.decode, requests)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._computing, partial(self._scorer.survey, requests, pictures, of_count=of_count)
        )

    async def checkpoint_hash(self) -> str:
        """Return the SHA-256 of the checkpoint that is served."""
        return self._scorer.checkpoint_hash

    @serve.batch(max_batch_size=BATCH_CALLS, batch_wait_timeout_s=0, max_concurrent_batches=2)
    async def _score_calls(self, calls: list[Call]) -> list[list[Answer]]:
        requests = [request for some, _ in calls for request in some]
        files = {name: data for _, some in calls for name, data in some.items()}
        references = await asyncio.to_thread(self._scorer.references, requests, files)
        pictures = await asyncio.to_thread(self._scorer.decode, requests)
        loop = asyncio.get_running_loop()
        scored = await loop.run_in_executor(
            self._computing, self._scorer.score, requests, pictures, references
        )
        answers = iter(scored)
        return [list(islice(answers, len(some))) for some, _ in calls]

"""The supply of references: a call to a replica that lacks one is repeated, with its file.

Requests name references by their content hash only. A replica that has just started, or had to let
one go, says that it lacks it; then the file goes along, once.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from inspection.domain.ledger import Reason
from inspection.errors import CheckpointError, NotFoundError
from inspection.serving.patience import Outage
from inspection.serving.request import Answer, Lacking, Outcome, Refused, Request
from inspection.serving.scoring import Scoring


class Supply:
    """Scoring whose replicas get the references they lack."""

    def __init__(self, scoring: Scoring, file_of: Callable[[str], bytes]) -> None:
        """Prepare.

        Args:
            scoring: calls to replicas.
            file_of: returns the file of a reference; raises UnavailableError when the database
                does not answer, NotFoundError or CheckpointError when there is no such file.
        """
        self._scoring = scoring
        self._file_of = file_of

    async def score(self, requests: Sequence[Request], stop: asyncio.Event) -> list[Outcome]:
        """Answer the requests of one call, in order.

        An outage of the database is waited out: it must not count against a frame.

        Raises:
            UnavailableError: no answer; or the database does not answer, and `stop` is set.
        """
        answers = await self._scoring.score(requests)
        lacking = {answer.reference for answer in answers if isinstance(answer, Lacking)}
        if not lacking:
            return _outcomes(answers)
        files, unusable = await self._supplies(lacking, stop)
        answers = [
            unusable.get(answer.reference, answer) if isinstance(answer, Lacking) else answer
            for answer in answers
        ]
        again = [i for i, answer in enumerate(answers) if isinstance(answer, Lacking)]
        if again:
            repeated = await self._scoring.score([requests[i] for i in again], files)
            for i, answer in zip(again, repeated, strict=True):
                answers[i] = answer
        return _outcomes(answers)

    async def _supplies(
        self, hashes: Collection[str], stop: asyncio.Event
    ) -> tuple[dict[str, bytes], dict[str, Refused]]:
        """Return the files there are, and refusals in place of those that cannot be used."""
        files: dict[str, bytes] = {}
        unusable: dict[str, Refused] = {}
        for content_hash in sorted(hashes):

            async def load(content_hash: str = content_hash) -> bytes:
                return await asyncio.to_thread(self._file_of, content_hash)

            try:
                files[content_hash] = await Outage("database").outlast(load, stop)
            except (NotFoundError, CheckpointError) as error:
                unusable[content_hash] = _refused(str(error))
        return files, unusable


def _outcomes(answers: Sequence[Answer]) -> list[Outcome]:
    return [
        _refused(f"the replica did not take the reference {answer.reference}")
        if isinstance(answer, Lacking)
        else answer
        for answer in answers
    ]


def _refused(detail: str) -> Refused:
    return Refused(reason=Reason.REFERENCE.value, detail=detail)

"""References follow the calls whose replicas lack them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from inspection.domain.inspection import AnomalyMap
from inspection.domain.recipe import Recipe
from inspection.errors import CheckpointError, NotFoundError, UnavailableError
from inspection.serving import patience
from inspection.serving.request import Answer, Lacking, Refused, Request, Scored
from inspection.serving.supply import Supply

FILES = {"aa": b"reference a", "bb": b"reference b"}


@dataclass
class Replicas:
    """A replica that keeps what it is given, and scores frames whose references it has."""

    held: dict[str, bytes] = field(default_factory=dict)
    #: Payloads of each call, and the names of the files that came along.
    calls: list[tuple[list[bytes], list[str]]] = field(default_factory=list)
    is_deaf: bool = False

    async def score(
        self, requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        self.calls.append(([request.payload for request in requests], sorted(files or {})))
        if not self.is_deaf:
            self.held |= files or {}
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Answer:
        if request.reference is not None and request.reference not in self.held:
            return Lacking(reference=request.reference)
        return Scored(
            score=0.5,
            anomaly_map=AnomalyMap(shape=(1, 1, 1), data=b"\0\0"),
            checkpoint_hash="cc",
            reference_hash=request.reference,
        )


def asked(*references: str | None) -> list[Request]:
    return [
        Request(payload=bytes([number]), recipe=Recipe(), reference=reference)
        for number, reference in enumerate(references)
    ]


def file_of(content_hash: str) -> bytes:
    if content_hash not in FILES:
        raise NotFoundError(f"the reference {content_hash} is not in the store")
    return FILES[content_hash]


async def hashes(supply: Supply, requests: Sequence[Request]) -> list[str | None]:
    answers = await supply.score(requests, asyncio.Event())
    return [answer.reference_hash for answer in answers if isinstance(answer, Scored)]


async def test_frames_whose_reference_is_lacking_are_asked_again_with_its_file() -> None:
    replicas = Replicas(held={"bb": FILES["bb"]})
    supply = Supply(replicas, file_of)

    found = await hashes(supply, asked("aa", None, "bb", "aa"))

    assert found == ["aa", None, "bb", "aa"]
    assert replicas.calls == [([b"\0", b"\1", b"\2", b"\3"], []), ([b"\0", b"\3"], ["aa"])]


async def test_replica_that_has_the_reference_is_not_sent_it_again() -> None:
    replicas = Replicas()
    supply = Supply(replicas, file_of)
    await hashes(supply, asked("aa"))
    replicas.calls.clear()

    await hashes(supply, asked("aa", "aa"))

    assert replicas.calls == [([b"\0", b"\1"], [])]


@pytest.mark.parametrize("error", [NotFoundError("it is gone"), CheckpointError("it is damaged")])
async def test_frame_whose_reference_cannot_be_had_is_refused_and_harms_no_other(
    error: Exception,
) -> None:
    def failing(content_hash: str) -> bytes:
        if content_hash == "zz":
            raise error
        return FILES[content_hash]

    replicas = Replicas()
    supply = Supply(replicas, failing)

    lost, found, plain = await supply.score(asked("zz", "aa", None), asyncio.Event())

    assert lost == Refused(reason="reference", detail=str(error))
    assert isinstance(found, Scored)
    assert isinstance(plain, Scored)
    assert replicas.calls[1:] == [([b"\1"], ["aa"])]


async def test_replica_that_never_takes_the_reference_is_not_asked_for_ever() -> None:
    supply = Supply(Replicas(is_deaf=True), file_of)

    (answer,) = await supply.score(asked("aa"), asyncio.Event())

    assert isinstance(answer, Refused)
    assert answer.reason == "reference"


def away(times: int) -> Callable[[str], bytes]:
    """Return a reader whose database does not answer so often, and then does."""
    left = iter(range(times))

    def reading(content_hash: str) -> bytes:
        if next(left, None) is not None:
            raise UnavailableError("the database does not answer")
        return FILES[content_hash]

    return reading


async def test_outage_of_the_database_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "BACKOFF_S", 0.0)
    replicas = Replicas()

    found = await hashes(Supply(replicas, away(3)), asked("aa"))

    assert found == ["aa"]
    assert len(replicas.calls) == 2


async def test_outage_of_the_database_does_not_hold_up_the_end() -> None:
    stop = asyncio.Event()
    stop.set()

    with pytest.raises(UnavailableError, match="database"):
        await Supply(Replicas(), away(1)).score(asked("aa"), stop)

"""An inspector on a real stream and database; the detector is real and tiny, Ray is not there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import update

from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.ledger import Reason
from inspection.domain.line import OverflowPolicy, PicturePolicy, Scope
from inspection.domain.recipe import Recipe
from inspection.domain.reference import ReferencePlace, ReferenceSource
from inspection.errors import UnavailableError
from inspection.model.detector import Detector
from inspection.serving.inspector import BLOCK_MS, Inspector
from inspection.serving.recorder import Recorder
from inspection.serving.request import Answer, Refused, Request
from inspection.serving.scorer import Scorer
from inspection.store import inspections, lines, recipes, references, tables, thresholds
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.store.references import BuiltReference
from inspection.stream.connection import Client, connect, connect_async
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer
from tests import factories
from tests.tiny import save_tiny

CAMERA = "cam-1"


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    # With these random weights scores are not all but 1, so that recipes make a difference.
    folder = save_tiny(tmp_path_factory.mktemp("checkpoint"), seed=15)
    return Detector.load(folder, device="cpu", threads=1)


@pytest.fixture
def scorer(detector: Detector) -> Scorer:
    """What a replica that has just started has: a detector, and no reference."""
    return started(detector)


def started(detector: Detector) -> Scorer:
    return Scorer(detector, picture_limit_px=1_000_000, threads=1)


@dataclass
class Replicas:
    """What Ray Serve does for the inspector, in this process; it can be made to fail."""

    scorer: Scorer
    #: Nothing is answered.
    is_out: bool = False
    #: Payloads that end the replica whenever they are in a call.
    deadly: set[bytes] = field(default_factory=set)
    #: Payloads that cannot be judged for now.
    refused: set[bytes] = field(default_factory=set)
    calls: list[int] = field(default_factory=list)
    #: Of the newest call.
    recipes: list[Recipe] = field(default_factory=list)
    #: References that came along, in the order of calls.
    supplied: list[str] = field(default_factory=list)

    async def score(
        self, requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        self.calls.append(len(requests))
        self.supplied += files or {}
        self.recipes = [request.recipe for request in requests]
        if self.is_out or any(request.payload in self.deadly for request in requests):
            raise UnavailableError("the replica is gone")
        references = await asyncio.to_thread(self.scorer.references, requests, files or {})
        pictures = await asyncio.to_thread(self.scorer.decode, requests)
        answers = await asyncio.to_thread(self.scorer.score, requests, pictures, references)
        refusal = Refused(reason=Reason.REFERENCE.value, detail="its reference is not there yet")
        return [
            refusal if request.payload in self.refused else answer
            for request, answer in zip(requests, answers, strict=True)
        ]


@dataclass
class Floor:
    """One line with one camera, its stream, and inspectors to be started on it."""

    redis_url: str
    client: Client
    database: Database
    producer: Producer
    replicas: Replicas
    pictures: Path
    picture_store: type[PictureStore] = PictureStore

    def add(self, number: int, payload: bytes | None = None, **changes: Any) -> Frame:
        identity = FrameIdentity(
            camera=CAMERA, sequence_number=number, captured_at=datetime.now(UTC)
        )
        frame = Frame(
            identity=identity,
            payload=png(number) if payload is None else payload,
            media_type="image/png",
            **changes,
        )
        self.producer.add(frame)
        return frame

    def threshold(self, value: float) -> None:
        with self.database.write() as connection:
            thresholds.set_threshold(
                connection,
                Scope(line="line-1"),
                value,
                at=datetime.now(UTC),
                by="test",
                reason="test",
                lead_s=0,
            )

    def keep_pictures(self, policy: PicturePolicy) -> None:
        with self.database.write() as connection:
            connection.execute(update(tables.lines).values(pictures=policy))

    def recipe(self, recipe: Recipe) -> None:
        with self.database.write() as connection:
            recipes.set_recipe(
                connection, "line-1", recipe, at=datetime.now(UTC), by="test", reason="test"
            )

    def reference(self, data: bytes, *, checkpoint_hash: str = "", **place: str) -> str:
        """Put a file in force as the reference of washers at the station; return its hash."""
        where = {"line": "line-1", "station": "station-1", "product": "washer"} | place
        built = BuiltReference(
            place=ReferencePlace(**where),
            data=data,
            checkpoint_hash=checkpoint_hash,
            images_count=1,
            source=ReferenceSource.FOLDER,
        )
        with self.database.write() as connection:
            added = references.add_reference(
                connection, built, at=datetime.now(UTC), by="test", reason="test"
            )
        return added.content_hash

    def withdraw(self) -> None:
        """Withdraw the reference of washers at the station."""
        place = ReferencePlace(line="line-1", station="station-1", product="washer")
        with self.database.write() as connection:
            references.withdraw_reference(
                connection, place, at=datetime.now(UTC), by="test", reason="test"
            )

    def damage_references(self) -> None:
        """Cut all files of references short."""
        with self.database.write() as connection:
            connection.execute(update(tables.reference_files).values(data=b"half"))

    def rows(self) -> list[inspections.HistoryRow]:
        """Return the inspections recorded so far, the oldest first."""
        with self.database.read() as connection:
            rows = inspections.history(connection, inspections.HistoryQuery(limit=1000))
        return sorted(rows, key=lambda row: row.identity.sequence_number)

    def scores(self) -> list[float]:
        """Return the scores recorded so far, the newest first."""
        with self.database.read() as connection:
            rows = inspections.history(connection, inspections.HistoryQuery(limit=1000))
        return [row.score for row in rows]

    @asynccontextmanager
    async def inspector(
        self, name: str = "inspector-1", *, reclaim_idle_ms: int = 200, **options: Any
    ) -> AsyncIterator[asyncio.Event]:
        """Run an inspector; leaving stops it in an orderly way, and its end sets the event."""
        client = connect_async(self.redis_url, block_ms=BLOCK_MS)
        recorder = Recorder(
            self.database, self.picture_store(str(self.pictures)), clock=lambda: datetime.now(UTC)
        )
        inspector = Inspector(
            consumer=Consumer(client, name=name, reclaim_idle_ms=reclaim_idle_ms),
            scoring=self.replicas,
            recorder=recorder,
            clock=lambda: datetime.now(UTC),
            window_frames=16,
            **options,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(inspector.run(stop))
        task.add_done_callback(lambda _: stop.set())
        try:
            yield stop
        finally:
            stop.set()
            try:
                await task  # which may raise: the connection is closed all the same
            finally:
                await client.aclose()


def png(number: int) -> bytes:
    """Encode a small picture that is another one for every number."""
    pixels = np.random.default_rng(number).integers(0, 255, (32, 48, 3), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


async def eventually(is_true: Callable[[], bool], *, timeout_s: float = 40.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not await asyncio.to_thread(is_true):  # noqa: ASYNC110 - other processes change it
            await asyncio.sleep(0.02)


@contextmanager
def floor_on(database_url: str, redis_url: str, pictures: Path, scorer: Scorer) -> Iterator[Floor]:
    with closing(Database.open(database_url)) as database, connect(redis_url) as client:
        client.flushall()
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=factories.NOON, by="test")
        producer = Producer(
            client, camera=CAMERA, overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=100
        )
        yield Floor(
            redis_url=redis_url,
            client=client,
            database=database,
            producer=producer,
            replicas=Replicas(scorer),
            pictures=pictures,
        )


@pytest.fixture
def floor(redis_url: str, sqlite_url: str, tmp_path: Path, scorer: Scorer) -> Iterator[Floor]:
    with floor_on(sqlite_url, redis_url, tmp_path / "pictures", scorer) as floor:
        yield floor


@pytest.fixture
def postgres_floor(
    redis_url: str, postgres_database_url: str, tmp_path: Path, scorer: Scorer
) -> Iterator[Floor]:
    with floor_on(postgres_database_url, redis_url, tmp_path / "pictures", scorer) as floor:
        yield floor

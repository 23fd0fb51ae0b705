"""The real way of frames: stream, consumer, inspector, recorder, ledger; only Ray is not there."""

import asyncio
import itertools
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from inspection.domain.frame import Frame, FrameIdentity, milliseconds
from inspection.domain.ledger import Cause
from inspection.domain.line import PicturePolicy
from inspection.model.picture import PIXELS_LIMIT_COUNT
from inspection.serving.inspector import BLOCK_MS, Inspector
from inspection.serving.recorder import Recorder
from inspection.store import lines
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.stream import codec
from inspection.stream.connection import Client, connect, connect_async
from inspection.stream.consumer import Consumer
from tests import factories
from tests.chaos import ledger
from tests.fuzz import corpus
from tests.fuzz.mutation import damaged, garbled
from tests.fuzz.replica import ReplicaProcess
from tests.tiny import save_tiny

CAMERAS = ("fuzz-1", "fuzz-2", "fuzz-3")

#: The camera of damaged records of drops; of it nothing else is known.
DROPPING = "fuzz-drops"

#: Frames added at once, and frames in the streams before more are added.
PORTION, BACKLOG = 200, 600

#: One in so many entries has damaged fields, one in so many a record of a drop beside it, and one
#: in so many is a picture that is small only as a file.
GARBLED, DROPS, LARGE = 5, 50, 5_000

#: Seconds without a new row after which the rest counts as lost.
STANDSTILL_S = 60.0

#: Crashes of the inspector before it is given up.
CRASHES = 20

#: Bytes a replica may need beyond what it needs for small pictures.
MEMORY_LIMIT_BYTES = 10**9


@dataclass(kw_only=True)
class Findings:
    """What became of the frames."""

    seed: int
    frames: int = 0
    #: Rows by outcome, and by reason.
    outcomes: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    #: Records of drops that are still in their streams.
    drops_left: int = 0
    replica_crashes: int = 0
    inspector_crashes: list[str] = field(default_factory=list)
    #: Beyond what small pictures need.
    peak_bytes: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every frame has its row, nothing crashed, and memory was bounded."""
        broken = self.lost or self.doubled or self.drops_left or self.inspector_crashes
        is_bounded = self.peak_bytes <= MEMORY_LIMIT_BYTES
        return not (broken or self.replica_crashes) and is_bounded


class FuzzedFloor:
    """Three cameras whose frames and entries are damaged."""

    def __init__(self, folder: Path, redis_url: str, *, seed: int, frames: int) -> None:
        """Prepare.

        Args:
            folder: for database, pictures, checkpoint and what made something crash.
            redis_url: of a server whose streams of these cameras are removed first.
            seed: everything follows from it.
            frames: how many.
        """
        self._folder = folder
        self._redis_url = redis_url
        self._chance = random.Random(seed)
        self._frames = frames
        self._database = Database.open(f"sqlite:///{folder / 'fuzz.sqlite'}")
        self._replica = ReplicaProcess(
            save_tiny(folder / "checkpoint", seed=15),
            folder / "crashes",
            picture_limit_px=PIXELS_LIMIT_COUNT,
        )
        self.findings = Findings(seed=seed, frames=frames)

    def run(self) -> Findings:
        """Add the frames, inspect them, and count."""
        begun_s = time.monotonic()
        with closing(self._database), connect(self._redis_url) as client:
            self._prepare(client)
            stop = threading.Event()
            inspecting = threading.Thread(target=self._inspect, args=(stop,))
            inspecting.start()
            try:
                self._add_all(client)
                self._await_rows()
            finally:
                stop.set()
                inspecting.join()
                self._replica.stop()
            self._count(client)
        self.findings.seconds = time.monotonic() - begun_s
        return self.findings

    def _prepare(self, client: Client) -> None:
        self._database.migrate()
        line = factories.line(pictures=PicturePolicy.NONE)
        cameras = tuple(factories.camera(name=name) for name in (*CAMERAS, DROPPING))
        site = factories.site(lines=(line,), cameras=cameras)
        with self._database.write() as connection:
            lines.create_missing(connection, site, at=factories.NOON, by="fuzz")
        keys = (codec.frames_key, codec.drops_key, codec.dead_letters_key, codec.suspects_key)
        client.delete(*(key(name) for name in (*CAMERAS, DROPPING) for key in keys))

    def _add_all(self, client: Client) -> None:
        entries = self._entries()
        while portion := list(itertools.islice(entries, PORTION)):
            with client.pipeline(transaction=False) as pipe:
                for key, entry_id, fields in portion:
                    pipe.xadd(key, fields, id=entry_id)
                pipe.execute()
            while sum(client.xlen(codec.frames_key(name)) for name in CAMERAS) > BACKLOG:
                if len(self.findings.inspector_crashes) >= CRASHES:
                    return
                time.sleep(0.02)

    def _entries(self) -> Iterator[tuple[str, str, dict[bytes, bytes]]]:
        """Give key, id and fields of everything that is added."""
        chance, small = self._chance, corpus.small()
        large = itertools.cycle(corpus.large())
        for place in range(self._frames):
            camera, number = CAMERAS[place % len(CAMERAS)], place // len(CAMERAS) + 1
            identity = FrameIdentity(
                camera=camera, sequence_number=number, captured_at=datetime.now(UTC)
            )
            is_large = place % LARGE == LARGE // 10
            payload = next(large) if is_large else damaged(chance.choice(small), small, chance)
            fields = codec.encode(
                Frame(identity=identity, payload=payload, media_type="image/png", lot="L-1")
            )
            if not is_large and chance.randrange(GARBLED) == 0:
                fields = garbled(fields, chance)
            entry_id = f"{milliseconds(identity.captured_at)}-{number}"
            yield codec.frames_key(camera), entry_id, fields
            if chance.randrange(DROPS) == 0:
                dropped = replace(identity, camera=DROPPING, sequence_number=place + 1)
                drop = codec.encode_drop(dropped, Cause.DROP_OLDEST)
                yield codec.drops_key(DROPPING), "*", garbled(drop, chance)

    def _inspect(self, stop: threading.Event) -> None:
        """Keep an inspector running, as a supervisor would."""
        while not stop.is_set() and len(self.findings.inspector_crashes) < CRASHES:
            try:
                asyncio.run(self._run_inspector(stop))
            except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
                self.findings.inspector_crashes.append(traceback.format_exc())

    async def _run_inspector(self, stop: threading.Event) -> None:
        client = connect_async(self._redis_url, block_ms=BLOCK_MS)
        clock = _now
        inspector = Inspector(
            consumer=Consumer(client, name="fuzz", reclaim_idle_ms=60_000),
            scoring=self._replica,
            recorder=Recorder(
                self._database, PictureStore(str(self._folder / "pictures")), clock=clock
            ),
            clock=clock,
            window_frames=64,
        )
        ending = asyncio.Event()

        async def watch() -> None:
            while not stop.is_set():  # noqa: ASYNC110 - another thread sets it
                await asyncio.sleep(0.05)
            ending.set()

        watching = asyncio.create_task(watch())
        try:
            await inspector.run(ending)
        finally:
            watching.cancel()
            await client.aclose()

    def _await_rows(self) -> None:
        known, moved_s = -1, time.monotonic()
        while time.monotonic() - moved_s < STANDSTILL_S:
            counts = ledger.row_counts(self._database.address)
            rows = sum(counts.get(name, 0) for name in CAMERAS)
            if rows >= self._frames or len(self.findings.inspector_crashes) >= CRASHES:
                return
            if rows != known:
                known, moved_s = rows, time.monotonic()
            time.sleep(0.2)

    def _count(self, client: Client) -> None:
        findings, rows = self.findings, ledger.rows(self._database.address)
        rows = [row for row in rows if row.camera in CAMERAS]
        findings.outcomes = dict(Counter(row.outcome for row in rows))
        findings.reasons = dict(Counter(row.reason for row in rows if row.reason is not None))
        numbers = Counter((row.camera, row.sequence_number) for row in rows)
        wanted = [
            (CAMERAS[place % len(CAMERAS)], place // len(CAMERAS) + 1)
            for place in range(self._frames)
        ]
        findings.lost = [
            f"{camera}/{number}" for camera, number in wanted if (camera, number) not in numbers
        ]
        findings.doubled = [f"{who[0]}/{who[1]}" for who, count in numbers.items() if count > 1]
        findings.drops_left = client.xlen(codec.drops_key(DROPPING))
        findings.replica_crashes = self._replica.crash_count
        findings.peak_bytes = self._replica.peak_bytes - self._replica.first_bytes


def _now() -> datetime:
    return datetime.now(UTC)

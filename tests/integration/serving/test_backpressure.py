"""What stands still slows down what comes before it, up to the cameras, and nothing grows."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing

from inspection.domain.frame import Frame
from inspection.domain.ledger import Picture
from inspection.domain.line import OverflowPolicy, PicturePolicy
from inspection.serving.request import Answer, Request
from inspection.store import ledger
from inspection.store.pictures import PictureStore
from inspection.stream.admission import Admission
from inspection.stream.backlog import in_flight
from inspection.stream.producer import Producer
from tests.factories import identity
from tests.integration.serving.conftest import CAMERA, Floor, eventually, png

#: Frames an inspector of the floor holds at once.
WINDOW_FRAMES = 16
#: Frames the camera's stream holds.
BACKLOG_LIMIT = 40


def waiting_camera(floor: Floor) -> int:
    """Add frames of a camera that can wait until there is no room; return how many there were."""
    producer = Producer(
        floor.client, camera=CAMERA, overflow=OverflowPolicy.BLOCK, backlog_limit=BACKLOG_LIMIT
    )
    for number in range(1, 2 * BACKLOG_LIMIT):
        frame = Frame(
            identity=identity(camera=CAMERA, sequence_number=number),
            payload=png(number),
            media_type="image/png",
        )
        if producer.add(frame) is Admission.FULL:
            return number - 1
    raise AssertionError("the stream was never full")


def held(floor: Floor) -> int:
    """How many frames inspectors hold."""
    return in_flight(floor.client, CAMERA).pending_count


def recorded(floor: Floor) -> int:
    with floor.database.read() as connection:
        return ledger.account_rows(connection, CAMERA, up_to=10_000).inspected


async def never_more(floor: Floor) -> None:
    """The inspector has filled its window and takes no more, however long it may look."""
    await eventually(lambda: held(floor) == WINDOW_FRAMES)
    for _ in range(20):
        await asyncio.sleep(0.02)
        assert held(floor) == WINDOW_FRAMES
    assert recorded(floor) == 0


async def test_camera_waits_while_replicas_do_not_answer_and_loses_nothing(floor: Floor) -> None:
    answering = asyncio.Event()
    answer = floor.replicas.score

    async def score(
        requests: Sequence[Request], files: Mapping[str, bytes] | None = None
    ) -> list[Answer]:
        await answering.wait()
        return await answer(requests, files)

    floor.replicas.score = score  # type: ignore[method-assign]
    accepted_count = waiting_camera(floor)

    async with floor.inspector():
        await never_more(floor)
        answering.set()
        await eventually(lambda: recorded(floor) == accepted_count)

    assert accepted_count == BACKLOG_LIMIT


async def test_camera_waits_while_the_database_takes_no_rows_and_loses_nothing(
    floor: Floor, sqlite_url: str
) -> None:
    accepted_count = waiting_camera(floor)

    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        async with floor.inspector():
            await never_more(floor)
            other.rollback()
            await eventually(lambda: recorded(floor) == accepted_count)

    assert accepted_count == BACKLOG_LIMIT


async def test_camera_waits_while_the_disk_of_the_pictures_is_slow_and_loses_nothing(
    floor: Floor,
) -> None:
    is_fast = threading.Event()

    class SlowDisk(PictureStore):
        def put(self, payload: bytes, media_type: str) -> Picture:
            is_fast.wait(timeout=30)
            return super().put(payload, media_type)

    floor.keep_pictures(PicturePolicy.ALL)
    floor.picture_store = SlowDisk
    accepted_count = waiting_camera(floor)

    async with floor.inspector():
        await never_more(floor)
        is_fast.set()
        await eventually(lambda: recorded(floor) == accepted_count)

    assert accepted_count == BACKLOG_LIMIT

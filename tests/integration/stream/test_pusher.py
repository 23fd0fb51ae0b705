"""Pushed frames are numbered and added in one step, whoever pushes and however often."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from inspection.domain.frame import Content
from inspection.domain.line import Camera, OverflowPolicy
from inspection.errors import ConflictError, UnavailableError
from inspection.stream.admission import Admission
from inspection.stream.backlog import in_flight, last_entry
from inspection.stream.codec import drops_key, frames_key
from inspection.stream.connection import Client, connect
from inspection.stream.consumer import Consumer
from inspection.stream.embedded import EmbeddedServer
from inspection.stream.pusher import Push, Pushed, Pusher
from inspection.stream.state import state
from tests import factories
from tests.factories import NOON

KEY = "a key of the sender"

Make = Callable[..., Any]


@pytest.fixture
def pusher(client: Client) -> Pusher:
    return Pusher(client=client, host="api-1")


def pushed_camera(**changes: Any) -> Camera:
    return factories.camera(source=factories.source(kind="push"), **changes)


def push(number: int, *, token: str | None = None, payload: bytes = b"picture") -> Push:
    """Make the exposure of the second `number` of the shift, with a token of its own."""
    return Push(
        content=Content(payload=payload, media_type="image/png", part_serial=f"S-{number}"),
        captured_at=NOON + timedelta(seconds=number),
        token=token or f"token {number}",
        fingerprint=payload.hex(),
    )


def sent(pusher: Pusher, number: int, *, ledger_number: int = 0, **options: Any) -> Pushed:
    camera = options.pop("camera", None) or pushed_camera()
    return pusher.push(camera, push(number, **options), ledger_number=ledger_number, at=NOON)


async def test_pushed_frame_is_delivered_with_its_identity_and_content(
    pusher: Pusher, make_consumer: Make
) -> None:
    consumer: Consumer = make_consumer()
    await consumer.prepare(["cam-1"])

    pushed = sent(pusher, 1)

    (delivery,) = await consumer.take(["cam-1"], count=10, block_ms=0)
    frame = consumer.frame(delivery)
    assert frame.identity == pushed.identity
    assert (frame.identity.sequence_number, frame.payload) == (1, b"picture")
    assert (frame.part_serial, frame.lot) == ("S-1", None)


def test_frame_sent_again_with_its_token_is_the_same_frame(pusher: Pusher, client: Client) -> None:
    first = sent(pusher, 1)
    sent(pusher, 2)

    again = sent(Pusher(client=client, host="api-2"), 1)

    assert again.identity == first.identity
    assert again.is_repeated
    assert not first.is_repeated
    assert client.xlen(frames_key("cam-1")) == 2


def test_token_that_came_with_another_frame_is_refused(pusher: Pusher, client: Client) -> None:
    sent(pusher, 1, token=KEY)

    with pytest.raises(ConflictError, match="take a new key"):
        sent(pusher, 2, token=KEY, payload=b"another")

    assert client.xlen(frames_key("cam-1")) == 1


def test_processes_that_push_at_once_give_every_number_once(
    server_url: str, client: Client
) -> None:
    def batch(process: int) -> list[int]:
        with connect(server_url) as own:
            pusher = Pusher(client=own, host=f"api-{process}")
            return [
                sent(pusher, n, token=f"{process} {n}").identity.sequence_number for n in range(25)
            ]

    with ThreadPoolExecutor(4) as pool:
        numbers = [number for given in pool.map(batch, range(4)) for number in given]

    assert sorted(numbers) == list(range(1, 101))
    assert in_flight(client, "cam-1").sequence_numbers == set(numbers)


def test_numbers_go_on_after_the_ledger_when_the_stream_is_lost(
    pusher: Pusher, client: Client
) -> None:
    sent(pusher, 1)
    client.flushall()
    stranger = Pusher(client=client, host="api-2")

    pushed = sent(stranger, 2, ledger_number=41)

    assert pushed.identity.sequence_number == 42


def test_numbers_this_process_gave_are_not_given_again_when_the_stream_forgot_them(
    pusher: Pusher, client: Client
) -> None:
    for number in (1, 2, 3):
        sent(pusher, number)
    client.flushall()

    pushed = sent(pusher, 4, ledger_number=1)

    assert pushed.identity.sequence_number == 4


def test_full_stream_takes_nothing_when_the_policy_is_to_wait(
    pusher: Pusher, client: Client
) -> None:
    camera = pushed_camera(backlog_limit=1)
    sent(pusher, 1, camera=camera)

    full = sent(pusher, 2, camera=camera)
    client.xtrim(frames_key("cam-1"), maxlen=0)
    again = sent(pusher, 2, camera=camera)

    assert full.admission is Admission.FULL
    assert client.xlen(drops_key("cam-1")) == 0
    assert (again.admission, again.identity.sequence_number) == (Admission.ADDED, 2)


def test_full_stream_drops_and_counts_the_newest_frame_once(pusher: Pusher, client: Client) -> None:
    camera = pushed_camera(backlog_limit=1, overflow=OverflowPolicy.DROP_NEWEST)
    sent(pusher, 1, camera=camera)

    dropped = [sent(pusher, 2, camera=camera), sent(pusher, 2, camera=camera)]

    assert {one.admission for one in dropped} == {Admission.DROPPED}
    backlog = in_flight(client, "cam-1")
    assert (backlog.sequence_numbers, backlog.drop_sequence_numbers) == ({1}, {2})
    assert sent(pusher, 3, camera=camera).identity.sequence_number == 3


def test_full_stream_drops_the_oldest_frame_for_the_newest(pusher: Pusher, client: Client) -> None:
    camera = pushed_camera(backlog_limit=2, overflow=OverflowPolicy.DROP_OLDEST)

    for number in (1, 2, 3):
        assert sent(pusher, number, camera=camera).admission is Admission.ADDED

    backlog = in_flight(client, "cam-1")
    assert (backlog.sequence_numbers, backlog.drop_sequence_numbers) == ({2, 3}, {1})


def test_exposure_older_than_the_one_before_keeps_its_time(pusher: Pusher, client: Client) -> None:
    sent(pusher, 9)

    older = sent(pusher, 5)

    assert older.identity.captured_at == NOON + timedelta(seconds=5)
    last = last_entry(client, "cam-1")
    assert last is not None
    assert last.sequence_number == 2


def test_camera_is_heard_of_once_something_is_pushed(pusher: Pusher, client: Client) -> None:
    assert state(client, "cam-1") is None

    sent(pusher, 1)

    said = state(client, "cam-1")
    assert said is not None
    assert (said.state, said.host) == ("live", "api-1")
    assert said.last_frame_at == NOON + timedelta(seconds=1)


def test_numbers_no_frame_can_have_are_refused(pusher: Pusher, client: Client) -> None:
    client.xadd(frames_key("cam-1"), {"a": "b"}, id=f"1-{2**53}")

    with pytest.raises(ConflictError, match="stranger"):
        sent(pusher, 1)


def test_pusher_says_unavailable_when_the_memory_is_full(pusher: Pusher, client: Client) -> None:
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(UnavailableError):
            sent(pusher, 1, payload=bytes(2**20))
    finally:
        client.config_set("maxmemory", "0")


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "valkey")
    yield server
    server.stop()


def test_frames_are_the_same_after_the_server_was_killed_and_started_again(
    valkey: EmbeddedServer, wait_until: Callable[..., None]
) -> None:
    with connect(valkey.start()) as client:
        pusher = Pusher(client=client, host="api-1")
        first = sent(pusher, 1)
        os.kill(valkey.pid or 0, signal.SIGKILL)
        wait_until(lambda: not valkey.is_running)
        valkey.start()

        again, second = sent(pusher, 1), sent(pusher, 2)

    assert (again.identity, again.is_repeated) == (first.identity, True)
    assert second.identity.sequence_number == 2


def test_frame_whose_answer_was_lost_is_not_doubled_by_trying_again(
    pusher: Pusher, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has done it, the connection breaks before it says so, and redis-py repeats."""
    sent(pusher, 1)
    read, answers = redis.Connection.read_response, []

    def lost_once(self: redis.Connection, *given: Any, **options: Any) -> Any:
        answers.append(read(self, *given, **options))
        if len(answers) == 1:
            raise redis.ConnectionError("cut")
        return answers[-1]

    monkeypatch.setattr(redis.Connection, "read_response", lost_once)
    pushed = sent(pusher, 2)

    assert pushed.is_repeated
    assert pushed.identity.sequence_number == 2
    assert in_flight(client, "cam-1").sequence_numbers == {1, 2}


_SENDER = """
import sys
from datetime import UTC, datetime
from inspection.domain.frame import Content
from inspection.domain.line import Camera, Source
from inspection.stream.connection import connect
from inspection.stream.pusher import Push, Pusher

noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
place = {"name": "cam-1", "line": "line-1", "station": "station-1"}
camera = Camera(**place, source=Source(kind="push"), backlog_limit=100_000)
with connect(sys.argv[1]) as client:
    pusher = Pusher(client=client, host="api-1")
    for number in range(int(sys.argv[2])):
        content = Content(payload=b"picture", media_type="image/png")
        push = Push(content=content, captured_at=noon, token=str(number), fingerprint="a")
        pusher.push(camera, push, ledger_number=0, at=noon)
"""


@pytest.mark.timeout(120)
def test_every_frame_is_there_once_when_the_process_was_killed_and_all_is_sent_again(
    server_url: str, client: Client, wait_until: Callable[..., None]
) -> None:
    sender = [sys.executable, "-c", _SENDER, server_url]
    with subprocess.Popen([*sender, str(10**9)]) as killed:
        wait_until(lambda: client.xlen(frames_key("cam-1")) >= 50)
        killed.kill()
    count = client.xlen(frames_key("cam-1")) + 10

    subprocess.run([*sender, str(count)], check=True)

    assert in_flight(client, "cam-1").sequence_numbers == set(range(1, count + 1))
    assert client.xlen(frames_key("cam-1")) == count

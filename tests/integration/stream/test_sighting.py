"""One look shows what a camera says and what waits, and carries no picture."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from inspection.domain.frame import Frame
from inspection.domain.health import CameraState
from inspection.domain.ledger import Cause
from inspection.domain.view import View, ViewState
from inspection.errors import UnavailableError
from inspection.stream.codec import state_key
from inspection.stream.connection import Client, connect
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer
from inspection.stream.sighting import StreamSighting, see

MakeFrame = Callable[..., Frame]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]

SAID = CameraState(
    state="live",
    detail="",
    reported_at=datetime(2026, 3, 4, tzinfo=UTC),
    host="host-1",
    quiet_s=0.25,
    interval_s=0.5,
    view=View(state=ViewState.BLACK, detail="its pictures are black"),
)


def test_camera_that_never_was_shows_nothing(client: Client) -> None:
    assert see(client, ["cam-1"]) == {
        "cam-1": StreamSighting(said=None, waiting_count=0, oldest_at=None, drop_count=0)
    }
    assert see(client, []) == {}


async def test_look_shows_the_oldest_frame_whether_it_waits_or_is_being_inspected(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    frames = [make_frame(1), make_frame(2, at_s=-60), make_frame(3)]
    producer, consumer = make_producer(), make_consumer()
    for frame in frames:
        producer.add(frame)
    producer.report(SAID)
    producer.drop(make_frame(4).identity, Cause.TOO_LARGE)

    waiting = see(client, ["cam-1"])["cam-1"]
    taken = await consumer.take(["cam-1"], count=1, block_ms=0)
    pending = see(client, ["cam-1"])["cam-1"]
    await consumer.settle(taken)
    settled = see(client, ["cam-1"])["cam-1"]

    assert waiting == pending
    assert waiting == StreamSighting(
        said=SAID, waiting_count=3, oldest_at=frames[0].identity.captured_at, drop_count=1
    )
    # Its own time, though its entry has a later one.
    assert settled.oldest_at == frames[1].identity.captured_at


async def test_drops_go_on_counting_when_they_have_moved_into_the_ledger(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    make_producer().drop_all((make_frame(n).identity, Cause.UNAVAILABLE) for n in (1, 2))
    consumer = make_consumer()

    await consumer.settle_drops(await consumer.drops(["cam-1"], count=2))
    make_producer().drop(make_frame(3).identity, Cause.UNAVAILABLE)

    assert see(client, ["cam-1"])["cam-1"].drop_count == 3


@pytest.mark.parametrize(
    "fields",
    [{"v": "99"}, {"v": "1"}, {"v": "1", "state": "x", "detail": "", "reported_at_ms": "x"}],
)
def test_what_another_version_says_is_passed_over(client: Client, fields: dict[str, str]) -> None:
    client.hset(state_key("cam-1"), mapping=dict(fields))

    assert see(client, ["cam-1"])["cam-1"].said is None


def test_look_says_unavailable_when_nobody_answers() -> None:
    with connect("redis://127.0.0.1:1/0", retries=0) as nobody, pytest.raises(UnavailableError):
        see(nobody, ["cam-1"])

"""Every frame reaches somebody, and stays with the server until it is settled."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest
from redis import ResponseError

from inspection.domain.frame import EntryId, Frame
from inspection.domain.ledger import Cause, Reason
from inspection.errors import CodecError
from inspection.stream.backlog import in_flight
from inspection.stream.codec import (
    GROUP,
    dead_letters_key,
    drops_key,
    frames_key,
    suspects_key,
)
from inspection.stream.connection import AsyncClient, Client
from inspection.stream.consumer import Consumer
from inspection.stream.delivery import Delivery
from inspection.stream.producer import Producer
from inspection.stream.replies import rows

MakeFrame = Callable[..., Frame]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]
Fill = Callable[..., None]

KEY = frames_key("cam-1")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def fill(make_producer: MakeProducer, make_frame: MakeFrame) -> Fill:
    """Add frames 1 to `count` of each camera."""

    def fill(count: int, *cameras: str) -> None:
        for camera in cameras or ("cam-1",):
            for number in range(1, count + 1):
                make_producer(camera).add(make_frame(number, camera=camera))

    return fill


def numbers(deliveries: Iterable[Delivery]) -> list[int]:
    return [delivery.entry_id.sequence_number for delivery in deliveries]


async def test_consumer_takes_a_frame_as_it_was_added_when_it_was_added_before_the_group(
    make_consumer: MakeConsumer, make_producer: MakeProducer, make_frame: MakeFrame
) -> None:
    consumer, frame = make_consumer(), make_frame(1)
    make_producer().add(frame)
    await consumer.prepare(["cam-1"])

    (delivery,) = await consumer.take(["cam-1"], count=5, block_ms=0)

    assert consumer.frame(delivery) == frame
    assert delivery.delivery_count == 1
    assert delivery.identity == frame.identity


async def test_consumer_prepares_twice_when_it_is_started_twice(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    await make_consumer().prepare(["cam-1"])
    fill(1)
    await make_consumer().take(["cam-1"], count=1, block_ms=0)

    await make_consumer().prepare(["cam-1"])

    assert await make_consumer().take(["cam-1"], count=1, block_ms=0) == []


async def test_consumer_takes_each_frame_once_when_there_are_two_of_them(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(4)
    first, second = make_consumer("inspector-1"), make_consumer("inspector-2")

    taken = [
        await first.take(["cam-1"], count=2, block_ms=0),
        await second.take(["cam-1"], count=2, block_ms=0),
        await first.take(["cam-1"], count=2, block_ms=0),
    ]

    assert [numbers(deliveries) for deliveries in taken] == [[1, 2], [3, 4], []]


async def test_consumer_takes_a_frame_at_once_when_it_comes_while_it_waits(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    consumer = make_consumer()
    await consumer.prepare(["cam-1"])

    taking = asyncio.create_task(consumer.take(["cam-1"], count=1, block_ms=10_000))
    await asyncio.sleep(0)
    await asyncio.to_thread(fill, 1)

    assert numbers(await asyncio.wait_for(taking, timeout=5)) == [1]


async def test_consumer_takes_nothing_when_nothing_comes(make_consumer: MakeConsumer) -> None:
    consumer = make_consumer()
    await consumer.prepare(["cam-1"])

    assert await consumer.take(["cam-1"], count=1, block_ms=20) == []


async def test_consumer_takes_nothing_when_there_is_no_camera(make_consumer: MakeConsumer) -> None:
    assert await make_consumer().take([], count=1, block_ms=10) == []


async def test_consumer_begins_with_another_camera_when_it_takes_again(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    cameras = ["cam-1", "cam-2", "cam-3"]
    fill(4, *cameras)
    consumer = make_consumer()

    orders = [
        [one.camera for one in await consumer.take(cameras, count=1, block_ms=0)] for _ in range(4)
    ]

    assert orders == [
        ["cam-1", "cam-2", "cam-3"],
        ["cam-2", "cam-3", "cam-1"],
        ["cam-3", "cam-1", "cam-2"],
        ["cam-1", "cam-2", "cam-3"],
    ]


async def test_consumer_takes_as_much_of_each_camera_when_one_has_far_more(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(20, "cam-1")
    fill(2, "cam-2")

    taken = await make_consumer().take(["cam-1", "cam-2"], count=2, block_ms=0)

    assert [(one.camera, one.entry_id.sequence_number) for one in taken] == [
        ("cam-1", 1),
        ("cam-1", 2),
        ("cam-2", 1),
        ("cam-2", 2),
    ]


async def test_consumer_resumes_what_it_held_when_it_is_started_again(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(20, "cam-1", "cam-2")
    await make_consumer("inspector-1").take(["cam-1", "cam-2"], count=18, block_ms=0)
    await make_consumer("inspector-2").take(["cam-1", "cam-2"], count=1, block_ms=0)

    resumed = await make_consumer("inspector-1").resume(["cam-1", "cam-2"])

    for camera in ("cam-1", "cam-2"):
        ours = [one for one in resumed if one.camera == camera]
        assert numbers(ours) == list(range(1, 19))
        assert {one.delivery_count for one in ours} == {2}


async def test_consumer_resumes_nothing_when_it_is_new(make_consumer: MakeConsumer) -> None:
    consumer = make_consumer()
    await consumer.prepare(["cam-1"])

    assert await consumer.resume(["cam-1"]) == []


async def test_consumer_reclaims_the_frames_of_another_one_when_that_has_crashed(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(20)
    await make_consumer("crashed").take(["cam-1"], count=20, block_ms=0)

    reclaimed = await make_consumer("inspector-1").reclaim(["cam-1"])

    assert numbers(reclaimed) == list(range(1, 21))
    assert {one.delivery_count for one in reclaimed} == {2}
    assert numbers(await make_consumer("inspector-1").resume(["cam-1"])) == list(range(1, 21))


async def test_consumer_reclaims_its_own_frames_when_they_are_stale(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(1)
    consumer = make_consumer()
    await consumer.take(["cam-1"], count=1, block_ms=0)

    counts = [(await consumer.reclaim(["cam-1"]))[0].delivery_count for _ in range(3)]

    assert counts == [2, 3, 4]


async def test_consumer_leaves_frames_to_their_holder_when_they_are_not_stale(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(2)
    await make_consumer("slow").take(["cam-1"], count=2, block_ms=0)

    assert await make_consumer(reclaim_idle_ms=60_000).reclaim(["cam-1"]) == []


@pytest.mark.parametrize("trim", ["xdel", "xtrim"])
async def test_consumer_reports_a_trimmed_frame_until_it_is_settled_when_it_reclaims(
    make_consumer: MakeConsumer, fill: Fill, client: Client, trim: str
) -> None:
    fill(3)
    consumer = make_consumer()
    taken = await make_consumer("crashed").take(["cam-1"], count=3, block_ms=0)
    if trim == "xdel":
        client.xdel(KEY, str(taken[0].entry_id))
    else:
        client.xtrim(KEY, maxlen=2, approximate=False)

    first = await consumer.reclaim(["cam-1"])
    again = await consumer.reclaim(["cam-1"])
    await consumer.settle(again)

    for deliveries in (first, again):
        assert numbers(deliveries) == [1, 2, 3]
        assert [one.fields is None for one in deliveries] == [True, False, False]
    assert await consumer.reclaim(["cam-1"]) == []


async def test_consumer_reports_a_trimmed_frame_when_it_resumes(
    make_consumer: MakeConsumer, fill: Fill, client: Client
) -> None:
    fill(2)
    consumer = make_consumer()
    taken = await consumer.take(["cam-1"], count=2, block_ms=0)
    client.xdel(KEY, str(taken[0].entry_id))

    trimmed, whole = await make_consumer().resume(["cam-1"])

    assert (trimmed.fields, whole.fields) == (None, taken[1].fields)
    with pytest.raises(CodecError) as refusal:
        consumer.frame(trimmed)
    assert refusal.value.reason == Reason.TRIMMED


async def test_consumer_leaves_nothing_with_the_server_when_it_settles(
    make_consumer: MakeConsumer, fill: Fill, client: Client
) -> None:
    fill(3, "cam-1", "cam-2")
    consumer = make_consumer()
    taken = await consumer.take(["cam-1", "cam-2"], count=3, block_ms=0)
    await consumer.attempted_alone(taken[0])

    await consumer.settle(taken)

    for camera in ("cam-1", "cam-2"):
        assert client.xlen(frames_key(camera)) == 0
        assert in_flight(client, camera).sequence_numbers == frozenset()
    assert client.exists(suspects_key("cam-1")) == 0


async def test_consumer_settles_without_complaint_when_it_is_done_twice_or_for_nothing(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(1)
    consumer = make_consumer()
    taken = await consumer.take(["cam-1"], count=1, block_ms=0)

    await consumer.settle(taken)
    await consumer.settle(taken)
    await consumer.settle([])

    assert await consumer.reclaim(["cam-1"]) == []


async def test_consumer_counts_attempts_of_one_frame_when_it_is_tried_alone(
    make_consumer: MakeConsumer, fill: Fill
) -> None:
    fill(2)
    consumer = make_consumer()
    suspect, other = await consumer.take(["cam-1"], count=2, block_ms=0)

    counts = [await consumer.attempted_alone(one) for one in (suspect, suspect, other, suspect)]

    assert counts == [1, 2, 1, 3]


async def test_consumer_delivers_a_foreign_entry_with_an_identity_when_it_cannot_be_decoded(
    make_consumer: MakeConsumer, client: Client
) -> None:
    client.xadd(KEY, {"hello": "world"}, id="1772600767089-7")
    consumer = make_consumer()
    (delivery,) = await consumer.take(["cam-1"], count=1, block_ms=0)

    with pytest.raises(CodecError) as refusal:
        consumer.frame(delivery)

    assert refusal.value.reason == Reason.MALFORMED
    assert delivery.identity.frame_id == "cam-1/7"


async def test_consumer_goes_on_with_new_frames_when_the_server_has_lost_its_data(
    make_consumer: MakeConsumer, fill: Fill, client: Client
) -> None:
    fill(1)
    consumer = make_consumer()
    await consumer.take(["cam-1"], count=1, block_ms=0)
    client.flushall()

    nothing = [
        await consumer.take(["cam-1"], count=1, block_ms=0),
        await consumer.reclaim(["cam-1"]),
        await consumer.resume(["cam-1"]),
    ]
    fill(1)

    assert nothing == [[], [], []]
    assert numbers(await consumer.take(["cam-1"], count=1, block_ms=0)) == [1]


async def test_consumer_goes_on_with_new_frames_when_the_server_loses_its_data_meanwhile(
    make_consumer: MakeConsumer, fill: Fill, client: Client, wait_until: Callable[..., None]
) -> None:
    consumer = make_consumer()
    await consumer.prepare(["cam-1"])

    taking = asyncio.create_task(consumer.take(["cam-1"], count=1, block_ms=5_000))
    await asyncio.to_thread(wait_until, lambda: client.info()["blocked_clients"] == 1)
    client.flushall()
    await asyncio.to_thread(wait_until, lambda: client.exists(KEY) == 1)
    await asyncio.to_thread(fill, 1)

    assert numbers(await asyncio.wait_for(taking, timeout=5)) == [1]


async def test_consumer_hands_over_drop_records_until_they_are_settled(
    make_consumer: MakeConsumer, make_producer: MakeProducer, make_frame: MakeFrame
) -> None:
    first, second = make_frame(1).identity, make_frame(1, camera="cam-2").identity
    make_producer("cam-1").drop(first, Cause.UNAVAILABLE)
    make_producer("cam-2").drop(second, Cause.INTERRUPTED)
    consumer = make_consumer()

    records = await consumer.drops(["cam-1", "cam-2"], count=10)
    again = await consumer.drops(["cam-1", "cam-2"], count=10)
    await consumer.settle_drops(records)

    assert [(one.identity, one.cause) for one in records] == [
        (first, Cause.UNAVAILABLE),
        (second, Cause.INTERRUPTED),
    ]
    assert again == records
    assert await consumer.drops(["cam-1", "cam-2"], count=10) == []


async def test_consumer_moves_a_drop_record_to_the_dead_letters_when_it_cannot_be_read(
    make_consumer: MakeConsumer, client: Client
) -> None:
    client.xadd(drops_key("cam-1"), {"v": "2", "sequence_number": "1"}, id="5-5")

    records = await make_consumer().drops(["cam-1"], count=10)

    assert records == []
    assert client.xlen(drops_key("cam-1")) == 0
    ((_, letter),) = rows(client.xrange(dead_letters_key("cam-1")))
    assert letter == {
        b"v": b"2",
        b"sequence_number": b"1",
        b"letter": b"drop-5-5",
        b"entry_id": b"5-5",
        b"reason": b"schema",
    }


async def test_redis_py_gives_plain_shapes_when_the_connection_asks_for_them(
    async_client: AsyncClient, client: Client
) -> None:
    client.xadd("key", {"a": "b"}, id="1-1")
    client.xgroup_create("key", GROUP, id="0")

    found = await async_client.xreadgroup(GROUP, "one", {"key": ">"})
    nothing = await async_client.xreadgroup(GROUP, "one", {"key": ">"})
    pending = await async_client.xpending_range("key", GROUP, min="-", max="+", count=1)

    assert found == {b"key": [(b"1-1", {b"a": b"b"})]}
    assert nothing == {}
    assert {name: pending[0][name] for name in ("message_id", "times_delivered")} == {
        "message_id": b"1-1",
        "times_delivered": 1,
    }


async def test_consumer_passes_on_what_the_server_says_when_the_key_is_something_else(
    make_consumer: MakeConsumer, client: Client
) -> None:
    client.set(KEY, "no stream")

    with pytest.raises(Exception, match="WRONGTYPE") as raised:
        await make_consumer().take(["cam-1"], count=1, block_ms=0)

    assert isinstance(raised.value.__cause__, ResponseError)


async def test_consumer_takes_frames_in_order_when_the_clock_went_back(
    make_consumer: MakeConsumer, make_producer: MakeProducer, make_frame: MakeFrame
) -> None:
    frames = [make_frame(1), make_frame(2, at_s=-60), make_frame(3)]
    for frame in frames:
        make_producer().add(frame)
    consumer = make_consumer()

    taken = await consumer.take(["cam-1"], count=3, block_ms=0)

    assert [consumer.frame(one) for one in taken] == frames
    assert taken[1].entry_id == EntryId(time_ms=taken[0].entry_id.time_ms, sequence_number=2)

"""A full stream follows its policy, and a repeated call adds nothing twice."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from inspection.domain.frame import EntryId, Frame, FrameIdentity, milliseconds
from inspection.domain.health import CameraState
from inspection.domain.ledger import Cause
from inspection.domain.line import OverflowPolicy
from inspection.errors import ConfigurationError, InspectionError, UnavailableError
from inspection.stream.admission import Admission
from inspection.stream.backlog import in_flight
from inspection.stream.codec import decode_drop, drops_key, frames_key
from inspection.stream.connection import Client, connect
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer
from inspection.stream.replies import rows
from inspection.stream.state import state

MakeFrame = Callable[..., Frame]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]


def waiting(client: Client) -> list[int]:
    return [entry_id.sequence_number for entry_id, _ in rows(client.xrange(frames_key("cam-1")))]


def drop_records(client: Client) -> list[tuple[FrameIdentity, Cause]]:
    return [
        decode_drop("cam-1", fields or {}) for _, fields in rows(client.xrange(drops_key("cam-1")))
    ]


def dropped(client: Client) -> list[tuple[int, Cause]]:
    return [(identity.sequence_number, cause) for identity, cause in drop_records(client)]


def test_producer_knows_no_last_entry_when_there_is_no_stream(make_producer: MakeProducer) -> None:
    producer = make_producer()

    assert producer.last_entry() is None


def test_producer_knows_the_last_entry_when_it_has_been_settled(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer, frame = make_producer(), make_frame(1)

    producer.add(frame)
    client.xdel(frames_key("cam-1"), f"{milliseconds(frame.identity.captured_at)}-1")

    assert producer.last_entry() == EntryId.of(frame.identity, last=None)


def test_producer_says_full_when_the_policy_is_to_block(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.BLOCK, backlog_limit=2)

    admissions = [producer.add(make_frame(number)) for number in (1, 2, 3, 3)]

    assert admissions == [Admission.ADDED, Admission.ADDED, Admission.FULL, Admission.FULL]
    assert waiting(client) == [1, 2]
    assert dropped(client) == []


async def test_producer_adds_the_frame_that_waited_when_there_is_room_again(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    producer, consumer = make_producer(backlog_limit=1), make_consumer()
    producer.add(make_frame(1))
    assert producer.add(make_frame(2)) is Admission.FULL

    await consumer.settle(await consumer.take(["cam-1"], count=1, block_ms=0))

    assert producer.add(make_frame(2)) is Admission.ADDED
    assert waiting(client) == [2]


def test_producer_drops_the_new_frame_when_the_policy_is_drop_newest(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=2)

    admissions = [producer.add(make_frame(number)) for number in (1, 2, 3)]

    assert admissions[-1] is Admission.DROPPED
    assert waiting(client) == [1, 2]
    assert dropped(client) == [(3, Cause.DROP_NEWEST)]


def test_producer_drops_the_oldest_frame_when_the_policy_is_drop_oldest(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=2)

    admissions = [producer.add(make_frame(number)) for number in (1, 2, 3, 4)]

    assert set(admissions) == {Admission.ADDED}
    assert waiting(client) == [3, 4]
    assert dropped(client) == [(1, Cause.DROP_OLDEST), (2, Cause.DROP_OLDEST)]


def test_producer_records_the_time_of_the_exposure_when_the_dropped_entry_has_a_later_one(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=2)
    frames = [make_frame(1), make_frame(2, at_s=-60), make_frame(3), make_frame(4)]

    for frame in frames:
        producer.add(frame)

    assert [identity for identity, _ in drop_records(client)] == [
        frame.identity for frame in frames[:2]
    ]


async def test_producer_spares_the_frames_being_inspected_when_it_drops_the_oldest(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=3)
    for number in (1, 2, 3):
        producer.add(make_frame(number))
    await make_consumer().prepare(["cam-1"])
    await make_consumer().take(["cam-1"], count=1, block_ms=0)

    producer.add(make_frame(4))

    assert waiting(client) == [1, 3, 4]
    assert dropped(client) == [(2, Cause.DROP_OLDEST)]


async def test_producer_drops_the_new_frame_when_all_older_ones_are_being_inspected(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=2)
    for number in (1, 2):
        producer.add(make_frame(number))
    await make_consumer().take(["cam-1"], count=2, block_ms=0)

    admission = producer.add(make_frame(3))

    assert admission is Admission.DROPPED
    assert waiting(client) == [1, 2]
    assert dropped(client) == [(3, Cause.DROP_OLDEST)]


def test_producer_comes_down_to_a_lower_limit_when_the_policy_is_drop_oldest(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    for number in range(1, 41):
        make_producer().add(make_frame(number))
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=2)

    for number in range(41, 45):
        producer.add(make_frame(number))

    assert waiting(client) == [43, 44]
    assert [number for number, _ in dropped(client)] == list(range(1, 43))


def test_producer_adds_a_frame_once_when_the_answer_was_lost_and_it_is_added_again(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(backlog_limit=2)
    producer.add(make_frame(1))
    producer.add(make_frame(2, at_s=-60))

    again = producer.add(make_frame(2, at_s=-60))

    assert again is Admission.ADDED
    assert waiting(client) == [1, 2]


async def test_producer_drops_a_frame_once_when_the_answer_was_lost_and_there_is_room_again(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    producer, consumer = (
        make_producer(overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=1),
        make_consumer(),
    )
    producer.add(make_frame(1))
    producer.add(make_frame(2))
    await consumer.settle(await consumer.take(["cam-1"], count=1, block_ms=0))

    again = producer.add(make_frame(2))

    assert again is Admission.DROPPED
    assert waiting(client) == []
    assert dropped(client) == [(2, Cause.DROP_NEWEST)]


async def test_producer_does_not_add_a_dropped_frame_when_its_record_was_settled_meanwhile(
    make_producer: MakeProducer, make_frame: MakeFrame, make_consumer: MakeConsumer, client: Client
) -> None:
    producer, consumer = (
        make_producer(overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=1),
        make_consumer(),
    )
    producer.add(make_frame(1))
    producer.add(make_frame(2))
    await consumer.settle(await consumer.take(["cam-1"], count=1, block_ms=0))
    await consumer.settle_drops(await consumer.drops(["cam-1"], count=1))

    producer.add(make_frame(2))

    assert waiting(client) == []
    assert dropped(client) == []
    assert producer.last_entry() == EntryId.of(make_frame(2).identity, last=None)


@pytest.mark.parametrize("number", [1, 2])
def test_producer_refuses_a_frame_when_its_number_was_given_to_another_one(
    make_producer: MakeProducer, make_frame: MakeFrame, number: int
) -> None:
    producer = make_producer()
    producer.add(make_frame(1))
    producer.add(make_frame(2))

    with pytest.raises(InspectionError, match=f"cam-1/{number} cannot be added"):
        producer.add(make_frame(number, at_s=3600))


def test_producer_keeps_ids_increasing_when_the_clock_goes_back(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer, first = make_producer(), make_frame(1)

    admissions = [producer.add(first), producer.add(make_frame(2, at_s=-3600))]

    assert admissions == [Admission.ADDED, Admission.ADDED]
    assert producer.last_entry() == EntryId(
        time_ms=milliseconds(first.identity.captured_at), sequence_number=2
    )
    assert waiting(client) == [1, 2]


def test_producer_drops_a_frame_when_its_picture_is_larger_than_an_entry_may_be(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(entry_limit_bytes=10)

    admission = producer.add(make_frame(1, payload=bytes(11)))

    assert admission is Admission.DROPPED
    assert waiting(client) == []
    assert dropped(client) == [(1, Cause.TOO_LARGE)]


def test_producer_records_all_drops_when_it_could_not_reach_the_server_before(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    identities = [make_frame(number).identity for number in (1, 2, 3)]

    make_producer().drop_all((identity, Cause.UNAVAILABLE) for identity in identities)

    assert dropped(client) == [(number, Cause.UNAVAILABLE) for number in (1, 2, 3)]


def test_producer_refuses_a_backlog_limit_when_it_leaves_no_room(
    make_producer: MakeProducer,
) -> None:
    with pytest.raises(ConfigurationError, match="backlog_limit is 0"):
        make_producer(backlog_limit=0)


def test_producer_says_unavailable_and_drops_nothing_when_the_memory_of_the_server_is_full(
    make_producer: MakeProducer, make_frame: MakeFrame, client: Client
) -> None:
    producer = make_producer(overflow=OverflowPolicy.DROP_OLDEST, backlog_limit=1)
    producer.add(make_frame(1))
    client.config_set("maxmemory", "1")

    try:
        with pytest.raises(UnavailableError):
            producer.add(make_frame(2))
    finally:
        client.config_set("maxmemory", "0")

    assert in_flight(client, "cam-1").sequence_numbers == {1}
    assert dropped(client) == []


def test_producer_says_unavailable_when_nobody_answers(make_frame: MakeFrame) -> None:
    client = connect("redis://127.0.0.1:1/0", retries=0)
    producer = Producer(client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=1)

    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 cannot be used for now"):
        producer.add(make_frame(1))


def test_camera_state_is_what_the_camera_said_last_when_it_said_several_things(
    make_producer: MakeProducer, client: Client
) -> None:
    producer, at = make_producer(), datetime(2026, 3, 4, tzinfo=UTC)

    producer.report(CameraState(state="starting", detail="", reported_at=at))
    producer.report(CameraState(state="failed", detail="the folder is gone", reported_at=at))

    said = state(client, "cam-1")
    assert said is not None
    assert (said.state, said.detail, said.reported_at) == ("failed", "the folder is gone", at)


def test_camera_state_is_unknown_when_the_camera_never_said_anything(client: Client) -> None:
    assert state(client, "cam-1") is None

"""What is in flight is counted to the frame, and no picture is transferred for it."""

from collections.abc import Callable

import pytest

from inspection.domain.frame import EntryId, Frame
from inspection.domain.ledger import Cause
from inspection.stream.backlog import Backlog, in_flight
from inspection.stream.codec import drops_key, frames_key
from inspection.stream.connection import Client
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer

MakeFrame = Callable[..., Frame]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]

KEY = frames_key("cam-1")


def test_backlog_is_empty_when_the_camera_never_added_anything(client: Client) -> None:
    assert in_flight(client, "cam-1") == Backlog(
        last=None,
        sequence_numbers=frozenset(),
        drop_sequence_numbers=frozenset(),
        oldest=None,
        pending_count=0,
    )


def test_backlog_has_every_frame_when_there_are_several_pages_of_them(
    client: Client, make_producer: MakeProducer, make_frame: MakeFrame
) -> None:
    frames = [make_frame(number) for number in range(1, 101)]
    for frame in frames:
        make_producer(backlog_limit=500).add(frame)

    backlog = in_flight(client, "cam-1")

    assert backlog.sequence_numbers == set(range(1, 101))
    assert backlog.oldest == EntryId.of(frames[0].identity, last=None)
    assert backlog.last == EntryId.of(frames[-1].identity, last=None)
    assert backlog.pending_count == 0


async def test_backlog_has_frames_being_inspected_when_their_payload_was_trimmed(
    client: Client,
    make_producer: MakeProducer,
    make_frame: MakeFrame,
    make_consumer: MakeConsumer,
) -> None:
    for number in (1, 2, 3):
        make_producer().add(make_frame(number))
    await make_consumer().take(["cam-1"], count=2, block_ms=0)
    client.xtrim(KEY, maxlen=2, approximate=False)

    backlog = in_flight(client, "cam-1")

    assert backlog.sequence_numbers == {1, 2, 3}
    assert backlog.pending_count == 2
    assert backlog.oldest is not None
    assert backlog.oldest.sequence_number == 1


async def test_backlog_remembers_the_last_entry_when_all_are_settled(
    client: Client,
    make_producer: MakeProducer,
    make_frame: MakeFrame,
    make_consumer: MakeConsumer,
) -> None:
    consumer = make_consumer()
    make_producer().add(make_frame(1))
    await consumer.settle(await consumer.take(["cam-1"], count=1, block_ms=0))

    backlog = in_flight(client, "cam-1")

    assert backlog.sequence_numbers == frozenset()
    assert backlog.last == EntryId.of(make_frame(1).identity, last=None)


def test_backlog_has_dropped_frames_until_their_records_are_settled(
    client: Client, make_producer: MakeProducer, make_frame: MakeFrame
) -> None:
    make_producer().drop_all(
        (make_frame(number).identity, Cause.UNAVAILABLE) for number in range(1, 601)
    )
    client.xadd(drops_key("cam-1"), {"of": "another version"})

    backlog = in_flight(client, "cam-1")

    assert backlog.drop_sequence_numbers == set(range(1, 601))
    assert backlog.sequence_numbers == frozenset()


@pytest.mark.parametrize("payload_bytes", [500_000, 5_000_000])
def test_backlog_transfers_no_picture_when_it_counts(
    client: Client, make_producer: MakeProducer, make_frame: MakeFrame, payload_bytes: int
) -> None:
    for number in range(1, 11):
        make_producer().add(make_frame(number, payload=bytes(payload_bytes)))
    before_bytes = client.info()["total_net_output_bytes"]

    backlog = in_flight(client, "cam-1")

    after_bytes = client.info()["total_net_output_bytes"]
    assert len(backlog.sequence_numbers) == 10
    assert after_bytes - before_bytes < 20_000

"""The bytes of frames nobody could inspect stay within their budget, and can be found again."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from inspection.domain.frame import Frame
from inspection.domain.ledger import Reason, Uninspected
from inspection.errors import CodecError
from inspection.stream.codec import (
    dead_letter_index_key,
    dead_letters_key,
    frames_key,
    suspects_key,
)
from inspection.stream.connection import AsyncClient, Client
from inspection.stream.consumer import Consumer
from inspection.stream.dead_letters import DeadLetters
from inspection.stream.delivery import Delivery
from inspection.stream.producer import Producer
from inspection.stream.replies import rows

MakeFrame = Callable[..., Frame]
MakeProducer = Callable[..., Producer]
MakeConsumer = Callable[..., Consumer]
Deliver = Callable[..., Awaitable[Delivery]]

KEY = frames_key("cam-1")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
PAYLOAD = bytes(1000)
#: Bytes of a letter with `PAYLOAD`, about.
LETTER_BYTES = 1200


@pytest.fixture
def deliver(
    make_consumer: MakeConsumer, make_producer: MakeProducer, make_frame: MakeFrame
) -> Deliver:
    """Add a frame and take it."""

    async def deliver(number: int, payload: bytes = PAYLOAD) -> Delivery:
        consumer = make_consumer()
        make_producer().add(make_frame(number, payload=payload))
        await consumer.prepare(["cam-1"])
        (delivery,) = await consumer.take(["cam-1"], count=1, block_ms=0)
        return delivery

    return deliver


def letter_of(delivery: Delivery, reason: Reason = Reason.CORRUPT) -> Uninspected:
    return Uninspected(identity=delivery.identity, reason=reason, detail="no picture")


def budget_of(client: AsyncClient, budget_bytes: int) -> DeadLetters:
    return DeadLetters(client, budget_bytes=budget_bytes)


def indexed_bytes(client: Client) -> int:
    return int(client.hget(dead_letter_index_key("cam-1"), "size_bytes") or 0)


async def test_frame_nobody_can_inspect_leaves_the_stream_and_is_kept_with_the_reason(
    make_consumer: MakeConsumer, deliver: Deliver, client: Client
) -> None:
    delivery = await deliver(1)
    consumer = make_consumer()
    await consumer.attempted_alone(delivery)

    gone = await consumer.dead_letters.keep(delivery, letter_of(delivery), at=NOW)

    assert gone == []
    letter = await consumer.dead_letters.read(delivery.identity)
    assert letter == {
        **(delivery.fields or {}),
        b"letter": b"1-1772600768000",
        b"entry_id": str(delivery.entry_id).encode(),
        b"reason": b"corrupt",
        b"detail": b"no picture",
        b"dead_lettered_at_ms": b"1772625600000",
    }
    assert client.xlen(KEY) == 0
    assert client.exists(suspects_key("cam-1")) == 0
    assert await consumer.reclaim(["cam-1"]) == []


async def test_letter_that_is_kept_twice_is_there_once(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    """Killed between commit and acknowledgement, an inspector finds the same frame again."""
    delivery, letters = await deliver(1), DeadLetters(async_client)

    for _ in range(2):
        await letters.keep(delivery, letter_of(delivery), at=NOW)

    assert client.xlen(dead_letters_key("cam-1")) == 1


async def test_oldest_letters_go_first_when_the_budget_is_spent(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    letters = budget_of(async_client, 3 * LETTER_BYTES)
    deliveries = [await deliver(number) for number in range(1, 6)]

    gone = [await letters.keep(one, letter_of(one), at=NOW) for one in deliveries]

    first, second, third, *_ = (one.identity for one in deliveries)
    assert gone == [[], [], [], [first], [second]]
    assert await letters.read(second) is None
    assert await letters.read(third) is not None
    assert client.xlen(dead_letters_key("cam-1")) == 3
    kept = sum(
        len(value)
        for _, fields in rows(client.xrange(dead_letters_key("cam-1")))
        for value in (fields or {}).values()
    )
    assert indexed_bytes(client) == kept <= 3 * LETTER_BYTES


async def test_letter_larger_than_the_budget_is_not_kept_and_displaces_nothing(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    letters = budget_of(async_client, 3 * LETTER_BYTES)
    small, large = await deliver(1), await deliver(2, payload=bytes(4 * LETTER_BYTES))
    await letters.keep(small, letter_of(small), at=NOW)

    gone = await letters.keep(large, letter_of(large), at=NOW)

    assert gone == [large.identity]
    assert await letters.read(small.identity) is not None
    assert client.xlen(KEY) == 0


async def test_removed_letter_gives_its_bytes_back_and_removing_it_again_changes_nothing(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    letters = DeadLetters(async_client)
    first, second = await deliver(1), await deliver(2)
    for one in (first, second):
        await letters.keep(one, letter_of(one), at=NOW)
    both_bytes = indexed_bytes(client)

    for _ in range(2):
        await letters.remove([first.identity])

    assert await letters.read(first.identity) is None
    assert await letters.read(second.identity) is not None
    assert indexed_bytes(client) == both_bytes // 2
    assert client.xlen(dead_letters_key("cam-1")) == 1


async def test_letters_from_before_there_was_an_index_make_room_first(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    letters = budget_of(async_client, 2 * LETTER_BYTES)
    client.xadd(dead_letters_key("cam-1"), {"reason": "corrupt"}, id="1-1")
    deliveries = [await deliver(number) for number in (1, 2, 3)]

    gone = [await letters.keep(one, letter_of(one), at=NOW) for one in deliveries]

    assert gone == [[], [], [deliveries[0].identity]]
    assert client.xlen(dead_letters_key("cam-1")) == 2


async def test_entry_too_large_to_be_taken_is_kept_whole(
    make_consumer: MakeConsumer, deliver: Deliver
) -> None:
    """Whoever raises the limit can have it inspected after all."""
    delivery = await deliver(1)
    consumer = make_consumer(entry_limit_bytes=999)

    with pytest.raises(CodecError) as refusal:
        consumer.frame(delivery)
    await consumer.dead_letters.keep(delivery, letter_of(delivery, Reason.TOO_LARGE), at=NOW)

    assert refusal.value.reason == Reason.TOO_LARGE
    letter = await consumer.dead_letters.read(delivery.identity)
    assert letter is not None
    assert letter[b"payload"] == PAYLOAD


async def test_frame_is_settled_without_a_letter_when_the_memory_of_the_server_is_full(
    make_consumer: MakeConsumer, deliver: Deliver, client: Client
) -> None:
    delivery, consumer = await deliver(1), make_consumer()
    client.config_set("maxmemory", "1")

    try:
        gone = await consumer.dead_letters.keep(delivery, letter_of(delivery), at=NOW)
        reclaimed = await consumer.reclaim(["cam-1"])
    finally:
        client.config_set("maxmemory", "0")

    assert gone == [delivery.identity]
    assert reclaimed == []
    assert client.xlen(KEY) == 0
    assert client.exists(dead_letters_key("cam-1")) == 0


async def test_trimmed_entry_is_settled_and_nothing_of_it_is_kept(
    async_client: AsyncClient, deliver: Deliver, client: Client
) -> None:
    delivery = await deliver(1)
    client.xtrim(KEY, maxlen=0, approximate=False)
    trimmed = Delivery(camera="cam-1", entry_id=delivery.entry_id, fields=None, delivery_count=2)

    await DeadLetters(async_client).keep(trimmed, letter_of(trimmed, Reason.TRIMMED), at=NOW)

    assert client.exists(dead_letters_key("cam-1")) == 0
    assert client.xpending(KEY, "inspectors")["pending"] == 0


async def test_entry_is_on_its_way_until_its_letter_is_kept(
    async_client: AsyncClient, deliver: Deliver
) -> None:
    letters, delivery = DeadLetters(async_client), await deliver(7)

    before = await letters.is_pending(delivery.identity)
    await letters.keep(delivery, letter_of(delivery), at=NOW)

    assert before
    assert not await letters.is_pending(delivery.identity)


async def test_attempts_alone_are_counted_anew_when_they_are_forgotten(
    make_consumer: MakeConsumer, deliver: Deliver
) -> None:
    delivery, consumer = await deliver(1), make_consumer()
    await consumer.attempted_alone(delivery)

    await consumer.dead_letters.forget_attempts("cam-1", [delivery.entry_id])

    assert await consumer.attempted_alone(delivery) == 1

"""`inspection deadletter`: what could not be judged, and what to do about it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis

from inspection.domain.ledger import Reason
from inspection.domain.line import OverflowPolicy
from inspection.store import audit, dead_letters, ledger, redriving
from inspection.store.database import Database
from inspection.store.dead_letters import DeadLetterQuery
from inspection.stream.connection import connect, connect_async
from inspection.stream.consumer import Consumer
from inspection.stream.producer import Producer
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def streams(redis_url: str) -> Iterator[redis.Redis]:
    with connect(redis_url) as client:
        client.flushdb()
        yield client


@pytest.fixture
def letter_console(site_console: Console, site_database: Database, redis_url: str) -> Console:
    """A console on three dead letters of two lines; of the third no bytes are left."""
    with site_database.write() as connection:
        entries = [
            factories.uninspected(sequence_number=1, size_bytes=700),
            factories.uninspected(
                camera="cam-3", sequence_number=9, reason=Reason.REFERENCE, size_bytes=900
            ),
            factories.uninspected(sequence_number=2, reason=Reason.TRIMMED),
        ]
        ledger.record(connection, entries, at=NOON + timedelta(minutes=1))
    return site_console.having(REDIS_URL=redis_url)


def test_list_shows_dead_letters_by_what_is_asked(letter_console: Console) -> None:
    everything = letter_console.data("deadletter", "list")
    line = letter_console.data("deadletter", "list", "--line", "line-2")
    reason = letter_console.data("deadletter", "list", "--reason", "trimmed", "--camera", "cam-1")
    settled = letter_console.data("deadletter", "list", "--state", "redriven")
    newest = letter_console.data("deadletter", "list", "--limit", "1")

    assert [row["frame"] for row in everything] == ["cam-1/2", "cam-3/9", "cam-1/1"]
    assert everything[-1] == {
        "frame": "cam-1/1",
        "captured_at": "2026-03-02T12:00:00.000+00:00",
        "line": "line-1",
        "state": "waiting",
        "reason": "corrupt",
        "detail": "the bytes are not a picture",
        "size_bytes": 700,
        "is_kept": True,
        "attempts": 0,
    }
    assert [row["frame"] for row in line] == ["cam-3/9"]
    assert [(row["frame"], row["is_kept"]) for row in reason] == [("cam-1/2", False)]
    assert settled == []
    assert newest == everything[:1]


async def test_show_writes_the_bytes_as_they_came(
    letter_console: Console, streams: redis.Redis, redis_url: str
) -> None:
    payload = b"no picture at all"
    frame = factories.frame(payload=payload)
    Producer(streams, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=9).add(frame)
    client = connect_async(redis_url, block_ms=0)
    consumer = Consumer(client, name="inspector", reclaim_idle_ms=0)
    await consumer.prepare(["cam-1"])
    (delivery,) = await consumer.take(["cam-1"], count=1, block_ms=0)
    await consumer.dead_letters.keep(delivery, factories.uninspected(), at=NOON)
    await client.aclose()
    file = letter_console.data_dir / "frame.bin"

    letter = letter_console.data("deadletter", "show", "cam-1/1", "--payload", file)

    assert file.read_bytes() == payload
    assert letter["frame"] == "cam-1/1"
    assert letter["dead_lettered_at"] == "2026-03-02T12:01:00.000+00:00"


def test_show_says_what_is_not_there(letter_console: Console, streams: redis.Redis) -> None:
    del streams  # has emptied the server
    file = letter_console.data_dir / "frame.bin"

    nothing, gone, nonsense = together(
        [
            (letter_console, ["deadletter", "show", "cam-1/77"]),
            (letter_console, ["deadletter", "show", "cam-3/9", "--payload", file]),
            (letter_console, ["deadletter", "show", "cam-1"]),
        ]
    )

    assert (nothing.code, gone.code, nonsense.code) == (1, 1, 2)
    assert "there is no dead letter cam-1/77" in nothing.sentence
    assert "INSPECTION_DEAD_LETTER_MB" in gone.sentence
    assert not file.exists()
    assert nonsense.sentence == "'cam-1' is no frame; write CAMERA/NUMBER, such as top/4711"


def test_redrive_asks_for_what_can_be_inspected_and_says_what_cannot(
    letter_console: Console, site_database: Database
) -> None:
    ended = letter_console.run("deadletter", "redrive", "--camera", "cam-1", "--no-wait", "--json")

    assert ended.code == 0
    assert [(row["frame"], row["state"]) for row in ended.json] == [("cam-1/1", "requested")]
    assert ended.sentence == "cam-1/2 cannot be inspected again: its bytes are gone"
    with site_database.read() as connection:
        (change,) = audit.list_changes(connection, thing="dead letter")
    assert (change.action, change.name, change.after) == ("requested", "cam-1/1", {"count": 1})


def test_redrive_waits_and_prints_what_became_of_each(
    letter_console: Console, site_database: Database, wait_until: Callable[..., Any]
) -> None:
    def claimed() -> list[redriving.Claim]:
        with site_database.write() as connection:
            return redriving.claim(connection, by="inspector", at=NOON, limit=9)

    with ThreadPoolExecutor(1) as pool:
        command = pool.submit(letter_console.run, "deadletter", "redrive", "--all", "--json")
        # The part of an inspector is played here.
        claims = wait_until(claimed)
        still_running = not command.done()
        entries = {
            claim.letter_id: factories.inspected(identity=claim.identity)
            if claim.identity.camera == "cam-1"
            else factories.uninspected(identity=claim.identity, reason=Reason.TRUNCATED)
            for claim in claims
        }
        with site_database.write() as connection:
            redriving.settle(connection, entries, at=NOON)
        ended = command.result()

    assert still_running
    became = {row["frame"]: (row["state"], row["reason"], row["verdict"]) for row in ended.json}
    assert became == {
        "cam-1/1": ("redriven", "corrupt", "OK"),
        "cam-3/9": ("waiting", "truncated", None),
    }
    assert "waiting for inspectors to take 2 frames up" in ended.err


def test_discard_needs_a_reason_and_keeps_what_is_known(
    letter_console: Console, site_database: Database
) -> None:
    silent = letter_console.run("deadletter", "discard", "cam-1/1", "--note", " ")

    rows = letter_console.data("deadletter", "discard", "cam-1/1", "cam-1/2", "--note", "tests")

    again = letter_console.run("deadletter", "discard", "cam-1/1", "--note", "tests")
    assert silent.code == 2
    assert [(row["frame"], row["state"]) for row in rows] == [
        ("cam-1/1", "discarded"),
        ("cam-1/2", "discarded"),
    ]
    assert again.code == 1
    with site_database.read() as connection:
        kept = dead_letters.list_letters(connection, DeadLetterQuery(frames=[("cam-1", 1)]))
        (change,) = audit.list_changes(connection, thing="dead letter")
    assert [(letter.note, letter.settled_by) for letter in kept] == [("tests", change.who)]
    assert change.after == {"count": 2, "note": "tests"}


def test_command_that_changes_something_must_be_told_what(letter_console: Console) -> None:
    nothing, both, unknown = together(
        [
            (letter_console, ["deadletter", "redrive"]),
            (letter_console, ["deadletter", "redrive", "cam-1/1", "--all"]),
            (letter_console, ["deadletter", "redrive", "cam-1/77"]),
        ]
    )

    assert (nothing.code, both.code, unknown.code) == (2, 2, 1)
    assert nothing.sentence == both.sentence
    assert "--camera, --line, --reason or --all" in nothing.sentence
    assert "1 of 1 frames cannot be inspected again" in unknown.err

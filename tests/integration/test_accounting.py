"""Accounts add up while frames move, and count nothing that is no frame."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspection.accounting import CameraAccount, accounts, audit
from inspection.domain.line import OverflowPolicy
from inspection.store import ledger, lines
from inspection.store.database import Database
from inspection.stream.codec import frames_key
from inspection.stream.connection import Client, connect
from inspection.stream.producer import Producer
from tests import factories
from tests.factories import NOON


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    with closing(Database.open(sqlite_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
        yield database


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    with connect(redis_url) as client:
        client.flushdb()
        yield client


def account(database: Database, client: Client, journals: Path) -> CameraAccount:
    (part,) = accounts(database, client, journals)
    return part


def add(client: Client, number: int) -> None:
    producer = Producer(client, camera="cam-1", overflow=OverflowPolicy.BLOCK, backlog_limit=99)
    producer.add(factories.frame(sequence_number=number))


def record(database: Database, *numbers: int) -> None:
    with database.write() as connection:
        entries = [factories.dropped(sequence_number=number) for number in numbers]
        ledger.record(connection, entries, at=NOON)


def test_frame_in_stream_and_ledger_at_once_counts_once(
    database: Database, client: Client, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        add(client, number)
    record(database, 1, 2)

    part = account(database, client, tmp_path)

    assert (part.account.accepted, part.account.in_flight) == (3, 1)
    assert part.account.is_balanced
    assert part.oldest_at == NOON


def test_rows_that_are_newer_than_the_look_at_the_stream_do_not_count(
    database: Database, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames given their identity, inspected and recorded meanwhile: neither missing nor extra."""
    add(client, 1)
    read = ledger.last_sequence_number

    def moving_on(*given: object) -> int:
        # As if frame 2 came, and was recorded, right after it was asked how far the ledger is.
        number = read(*given)  # type: ignore[arg-type]
        record(database, 2)
        return number

    monkeypatch.setattr(ledger, "last_sequence_number", moving_on)
    part = account(database, client, tmp_path)

    assert (part.account.accepted, part.account.in_flight) == (1, 1)
    assert part.account.is_balanced


def test_number_that_is_nowhere_is_counted_and_named(
    database: Database, client: Client, tmp_path: Path
) -> None:
    record(database, 1, 4)
    add(client, 6)

    part = account(database, client, tmp_path)

    assert part.account.missing_count == 3
    assert audit(database, part).missing == [range(2, 4), range(5, 6)]


def test_entry_of_a_stranger_with_an_impossible_number_is_no_frame(
    database: Database, client: Client, tmp_path: Path
) -> None:
    record(database, 1)
    client.xadd(frames_key("cam-1"), {"v": "1"}, id=f"5000-{2**64 - 1}")

    part = account(database, client, tmp_path)

    assert (part.account.accepted, part.account.in_flight) == (1, 0)
    assert part.account.is_balanced

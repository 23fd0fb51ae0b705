"""The inspector against a real Redis, a real database and a real detector."""

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import select

from inspection.domain.frame import Frame
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account
from inspection.domain.line import OverflowPolicy
from inspection.errors import UnavailableError
from inspection.store import inspections, ledger, tables
from inspection.stream.backlog import in_flight
from inspection.stream.codec import encode, frames_key
from inspection.stream.producer import Producer
from tests.factories import identity
from tests.integration.serving.conftest import CAMERA, Floor, eventually, png


def account(floor: Floor, up_to: int) -> Account:
    with floor.database.read() as connection:
        return ledger.account_rows(connection, CAMERA, up_to=up_to)


def recorded(floor: Floor) -> int:
    rows = account(floor, 10_000)
    return rows.inspected + rows.uninspected_count + rows.dropped_count


async def test_inspector_records_every_frame_once_and_empties_the_stream(floor: Floor) -> None:
    for number in range(1, 21):
        floor.add(number)

    async with floor.inspector():
        await eventually(lambda: not in_flight(floor.client, CAMERA).sequence_numbers)

    assert account(floor, 20).inspected == 20


async def test_verdict_is_pending_without_and_ng_above_the_threshold(floor: Floor) -> None:
    floor.add(1)
    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 1)
        floor.threshold(-1.0)
        floor.add(2)
        await eventually(lambda: recorded(floor) == 2)

    with floor.database.read() as connection:
        newest, oldest = inspections.history(connection, inspections.HistoryQuery())
    assert oldest.verdict is Verdict.PENDING
    assert oldest.threshold_value is None
    assert newest.verdict is Verdict.NG
    assert newest.threshold_value == -1.0


async def test_frames_waiting_before_the_inspector_came_are_inspected_too(floor: Floor) -> None:
    floor.add(1)
    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 1)

    floor.add(2)
    async with floor.inspector("another"):
        await eventually(lambda: recorded(floor) == 2)


async def test_bad_picture_is_uninspected_with_its_reason_and_harms_nobody(floor: Floor) -> None:
    floor.add(1)
    floor.add(2, b"no picture at all")
    floor.add(3, png(3)[:200])
    floor.add(4, b"")
    floor.add(5)

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 5)

    rows = account(floor, 5)
    assert rows.inspected == 2
    assert sum(rows.uninspected.values()) == 3
    assert set(rows.uninspected) == {"unsupported", "truncated", "empty"}
    assert floor.client.xlen(f"inspection:{{{CAMERA}}}:dead-letters") == 3


async def test_entries_whose_numbers_no_frame_has_are_dead_lettered_and_stop_nobody(
    floor: Floor,
) -> None:
    floor.add(1)
    for number in (0, 2**53 + 1, 2**63, 2**64 - 1):
        floor.client.xadd(frames_key(CAMERA), {"v": "1"}, id=f"{2**62}-{number}")
    dead_letters = f"inspection:{{{CAMERA}}}:dead-letters"

    async with floor.inspector():
        await eventually(lambda: floor.client.xlen(dead_letters) == 4)
        await eventually(lambda: not in_flight(floor.client, CAMERA).sequence_numbers)

    assert recorded(floor) == 1


async def test_an_entry_of_another_schema_is_uninspected_not_lost(floor: Floor) -> None:
    floor.client.xadd(
        f"inspection:{{{CAMERA}}}:frames", {"v": "99", "x": "y"}, id="1700000000000-1"
    )
    floor.add(2)

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 2)

    assert account(floor, 2).uninspected == {"schema": 1}


async def test_words_that_no_database_can_hold_make_a_frame_uninspected(floor: Floor) -> None:
    frame = Frame(
        identity=identity(camera=CAMERA), payload=png(1), media_type="image/png", product="a"
    )
    fields = encode(frame) | {b"product": b"a\0b"}
    floor.client.xadd(f"inspection:{{{CAMERA}}}:frames", fields, id="1700000000000-1")  # type: ignore[arg-type]
    floor.add(2)

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 2)

    assert account(floor, 2).uninspected == {"malformed": 1}


async def test_an_inspector_whose_replicas_stay_away_ends_with_one_sentence(
    floor: Floor,
) -> None:
    floor.replicas.is_out = True
    floor.add(1)

    with pytest.raises(UnavailableError, match="no replica has answered"):
        async with floor.inspector(outage_limit=timedelta(seconds=0.2)) as ended:
            await eventually(ended.is_set)


async def test_a_trimmed_frame_becomes_uninspected(floor: Floor) -> None:
    floor.replicas.is_out = True
    for number in (1, 2):
        floor.add(number)
    async with floor.inspector():
        await eventually(lambda: in_flight(floor.client, CAMERA).pending_count == 2)
    floor.client.xtrim(f"inspection:{{{CAMERA}}}:frames", maxlen=1, approximate=False)

    floor.replicas.is_out = False
    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 2)

    rows = account(floor, 2)
    assert (rows.inspected, dict(rows.uninspected)) == (1, {"trimmed": 1})


async def test_an_outage_of_the_replicas_dead_letters_nothing(floor: Floor) -> None:
    floor.replicas.is_out = True
    for number in range(1, 13):
        floor.add(number)

    async with floor.inspector():
        await eventually(lambda: len(floor.replicas.calls) > 8)
        floor.replicas.is_out = False
        await eventually(lambda: recorded(floor) == 12)

    assert account(floor, 12).inspected == 12


async def test_a_frame_that_ends_the_replica_again_and_again_is_the_only_one_given_up(
    floor: Floor,
) -> None:
    for number in range(1, 9):
        floor.add(number)
    floor.replicas.deadly = {png(5)}

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 8)

    rows = account(floor, 8)
    assert (rows.inspected, dict(rows.uninspected)) == (7, {"deliveries": 1})


async def test_a_killed_inspector_leaves_its_frames_to_another_and_none_is_recorded_twice(
    floor: Floor,
) -> None:
    for number in range(1, 11):
        floor.add(number)
    floor.replicas.is_out = True
    async with floor.inspector("killed"):
        await eventually(lambda: in_flight(floor.client, CAMERA).pending_count == 10)

    floor.replicas.is_out = False
    async with floor.inspector("successor"):
        await eventually(lambda: recorded(floor) == 10)

    assert account(floor, 10).inspected == 10
    with floor.database.read() as connection:
        numbers = connection.scalars(select(tables.ledger.c.sequence_number)).all()
    assert max(Counter(numbers).values()) == 1


async def test_a_frame_recorded_but_not_acknowledged_is_not_recorded_again(floor: Floor) -> None:
    frame = floor.add(1)
    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 1)

    # As if the process had ended between commit and acknowledgement: the entry is there again.
    floor.client.delete(f"inspection:{{{CAMERA}}}:frames")
    floor.producer.add(frame)
    async with floor.inspector():
        await eventually(lambda: not in_flight(floor.client, CAMERA).sequence_numbers)

    assert recorded(floor) == 1


async def test_drops_of_a_full_stream_reach_the_ledger_with_their_cause(floor: Floor) -> None:
    floor.producer = Producer(
        floor.client, camera=CAMERA, overflow=OverflowPolicy.DROP_NEWEST, backlog_limit=3
    )
    for number in range(1, 6):
        floor.add(number)

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 5)

    rows = account(floor, 5)
    assert (rows.inspected, dict(rows.dropped)) == (3, {"drop_newest": 2})


async def test_frames_wait_while_the_database_takes_no_rows_and_are_recorded_after(
    floor: Floor, sqlite_url: str
) -> None:
    for number in range(1, 6):
        floor.add(number)

    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        async with floor.inspector():
            await eventually(lambda: bool(floor.replicas.calls))
            assert recorded(floor) == 0
            other.rollback()
            await eventually(lambda: recorded(floor) == 5)


async def test_the_picture_of_an_ng_part_is_kept_beside_the_database(floor: Floor) -> None:
    floor.threshold(-1.0)
    frame = floor.add(1)

    async with floor.inspector():
        await eventually(lambda: recorded(floor) == 1)

    with floor.database.read() as connection:
        (row,) = inspections.history(connection, inspections.HistoryQuery())
    assert row.picture is not None
    kept = list(floor.pictures.rglob(f"{row.picture.sha256}*"))
    assert [path.read_bytes() for path in kept] == [frame.payload]

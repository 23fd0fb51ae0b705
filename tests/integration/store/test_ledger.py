"""The ledger: one row for every frame, whoever repeats or races."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account, Cause, Entry, Reason, Uninspected
from inspection.errors import NotFoundError
from inspection.store import alert_tables, dead_letters, ledger, tables
from inspection.store.database import Database
from inspection.store.dead_letters import DeadLetterQuery
from inspection.store.ledger import RecordedCounts
from tests import factories
from tests.factories import NOON

LATER = NOON + timedelta(seconds=2)


def record(database: Database, *entries: Entry) -> RecordedCounts:
    with database.write() as connection:
        return ledger.record(connection, entries, at=LATER)


def account(database: Database, camera: str = "cam-1", *, up_to: int) -> Account:
    with database.read() as connection:
        assert ledger.doubled_numbers(connection, camera) == []
        return ledger.account_rows(connection, camera, up_to=up_to)


def counts(database: Database) -> dict[str, int]:
    written = (tables.ledger, tables.inspections, tables.maps, alert_tables.alert_outbox)
    with database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in written
        }


def test_every_outcome_gets_a_row_and_adds_up(site_database: Database) -> None:
    recorded = record(
        site_database,
        factories.inspected(sequence_number=1),
        factories.uninspected(sequence_number=2, reason=Reason.CORRUPT),
        factories.uninspected(sequence_number=3, reason=Reason.TRIMMED),
        factories.uninspected(sequence_number=4, reason=Reason.TRIMMED),
        factories.dropped(sequence_number=5, cause=Cause.DROP_OLDEST),
        factories.inspected(camera="cam-2", sequence_number=1),
    )

    assert recorded == RecordedCounts(inspected_count=2, uninspected_count=3, dropped_count=1)
    assert account(site_database, up_to=7) + Account(in_flight=2) == Account(
        accepted=7,
        inspected=1,
        uninspected={"corrupt": 1, "trimmed": 2},
        dropped={"drop_oldest": 1},
        in_flight=2,
    )
    assert account(site_database, up_to=2).is_balanced


def test_recording_the_same_again_adds_nothing(site_database: Database) -> None:
    entries: list[Entry] = [
        factories.inspected(sequence_number=1, score=0.9, verdict=Verdict.NG),
        factories.uninspected(sequence_number=2),
        factories.dropped(sequence_number=3),
    ]
    record(site_database, *entries)
    before = counts(site_database)

    repeated = record(site_database, *entries)

    assert repeated == RecordedCounts(repeated_count=3)
    assert counts(site_database) == before


def test_only_the_new_frames_of_a_batch_are_written(site_database: Database) -> None:
    record(site_database, *[factories.inspected(sequence_number=n) for n in (1, 3)])

    recorded = record(
        site_database, *[factories.inspected(sequence_number=n) for n in (1, 2, 3, 4, 4)]
    )

    assert recorded == RecordedCounts(inspected_count=2, repeated_count=3)
    assert counts(site_database) == {"ledger": 4, "inspections": 4, "maps": 4, "alert_outbox": 0}


def test_frame_known_under_another_time_gets_no_second_row(site_database: Database) -> None:
    clamped = factories.uninspected(
        sequence_number=1, captured_at=NOON + timedelta(minutes=5), reason=Reason.TRIMMED
    )
    record(site_database, factories.inspected(sequence_number=1))

    recorded = record(site_database, clamped)

    assert recorded == RecordedCounts(repeated_count=1)
    assert account(site_database, up_to=1).inspected == 1


def test_same_frames_recorded_by_several_at_once_get_one_row(site_database: Database) -> None:
    numbers = range(1, 41)
    recorded: list[RecordedCounts] = []
    barrier = threading.Barrier(3)

    def record_all(turn: int) -> None:
        barrier.wait()
        for number in numbers:
            entries = [
                factories.inspected(camera=camera, sequence_number=number)
                for camera in (("cam-1", "cam-2") if turn else ("cam-2", "cam-1"))
            ]
            recorded.append(record(site_database, *entries))

    threads = [threading.Thread(target=record_all, args=(turn,)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(each.inspected_count for each in recorded) == 80
    for camera in ("cam-1", "cam-2"):
        rows = account(site_database, camera, up_to=40)
        assert (rows.accepted, rows.inspected) == (40, 40)
        assert rows.is_balanced


def test_another_exposure_with_a_known_number_is_uninspected_and_counted_as_accepted(
    site_database: Database,
) -> None:
    record(site_database, *[factories.inspected(sequence_number=n) for n in (1, 2)])
    again = factories.inspected(sequence_number=1, captured_at=NOON + timedelta(hours=1))

    recorded = record(site_database, again)
    repeated = record(site_database, again)

    assert recorded == RecordedCounts(uninspected_count=1)
    assert repeated == RecordedCounts(repeated_count=1)
    rows = account(site_database, up_to=2)
    assert (rows.accepted, rows.inspected, rows.uninspected) == (3, 2, {"repeated_number": 1})
    assert rows.is_balanced
    with site_database.read() as connection:
        (letter,) = dead_letters.list_letters(connection, DeadLetterQuery())
    assert letter.identity == again.identity
    assert (letter.size_bytes, letter.is_kept) == (len(again.frame.payload), True)
    assert counts(site_database)["alert_outbox"] == 1


def test_two_exposures_with_one_number_in_one_batch_are_told_apart(
    site_database: Database,
) -> None:
    later = NOON + timedelta(seconds=1)

    recorded = record(
        site_database,
        factories.inspected(sequence_number=1),
        factories.inspected(sequence_number=1, captured_at=later),
        factories.dropped(sequence_number=1, captured_at=later + timedelta(seconds=1)),
        factories.inspected(sequence_number=1),
    )

    assert recorded == RecordedCounts(
        inspected_count=1, uninspected_count=1, dropped_count=1, repeated_count=1
    )
    rows = account(site_database, up_to=1)
    assert (rows.accepted, rows.inspected, rows.dropped) == (3, 1, {"drop_oldest": 1})
    assert rows.is_balanced


def test_frame_that_was_trimmed_first_is_not_taken_for_another_exposure(
    site_database: Database,
) -> None:
    """The row has only its entry's time."""
    late = NOON + timedelta(minutes=5)
    record(
        site_database,
        factories.uninspected(sequence_number=1, captured_at=late, reason=Reason.TRIMMED),
    )

    assert record(site_database, factories.inspected(sequence_number=1)).repeated_count == 1


def test_ledger_says_how_a_frame_stands_that_it_has_already(site_database: Database) -> None:
    """Whoever finds it again must know whether its bytes are to be kept."""
    refused = factories.uninspected(sequence_number=1, reason=Reason.REFERENCE)
    judged = factories.inspected(sequence_number=2)
    record(site_database, refused, judged)

    found = record(
        site_database,
        factories.inspected(sequence_number=1),
        factories.uninspected(sequence_number=2),
        factories.inspected(sequence_number=3),
    ).standing

    assert [type(each).__name__ for each in found] == ["Uninspected", "NoneType", "Inspected"]
    assert isinstance(found[0], Uninspected)
    assert found[0].reason is Reason.REFERENCE


def test_outbox_holds_what_may_concern_people(site_database: Database) -> None:
    record(
        site_database,
        factories.inspected(sequence_number=1),
        factories.inspected(sequence_number=2, score=0.9, verdict=Verdict.NG),
        factories.uninspected(sequence_number=3),
        factories.dropped(sequence_number=4),
    )

    statement = (
        select(tables.ledger.c.sequence_number, alert_tables.alert_outbox.c.kind)
        .join(
            alert_tables.alert_outbox, alert_tables.alert_outbox.c.ledger_id == tables.ledger.c.id
        )
        .order_by(tables.ledger.c.sequence_number)
    )
    with site_database.read() as connection:
        rows = [tuple(row) for row in connection.execute(statement)]
    assert rows == [(2, "ng"), (3, "uninspected")]


def test_frame_of_an_unknown_camera_is_refused_and_nothing_written(
    site_database: Database,
) -> None:
    with pytest.raises(NotFoundError, match="no camera 'cam-9'"):
        record(site_database, factories.inspected(), factories.inspected(camera="cam-9"))

    assert counts(site_database)["ledger"] == 0


def test_verdict_that_contradicts_its_score_is_refused(site_database: Database) -> None:
    with pytest.raises(IntegrityError, match="ck_inspections_verdict"):
        record(site_database, factories.inspected(score=0.9, verdict=Verdict.OK))


def test_recording_nothing_is_no_work(site_database: Database) -> None:
    assert record(site_database) == RecordedCounts()


def test_known_numbers_are_those_with_a_row(site_database: Database) -> None:
    record(site_database, *[factories.dropped(sequence_number=n) for n in (1, 2, 7)])

    with site_database.read() as connection:
        assert ledger.known(connection, "cam-1", range(2, 20_000)) == {2, 7}
        assert ledger.known(connection, "cam-1", []) == set()
        assert ledger.known(connection, "cam-2", [1]) == set()


def test_last_sequence_number_is_the_highest_with_a_row(site_database: Database) -> None:
    record(site_database, *[factories.dropped(sequence_number=n) for n in (3, 2**40, 7)])

    with site_database.read() as connection:
        assert ledger.last_sequence_number(connection, "cam-1") == 2**40
        assert ledger.last_sequence_number(connection, "cam-2") == 0


def test_present_rows_are_found_by_index_on_sqlite(sqlite_url: str) -> None:
    """Reading the whole index for each batch would make recording slower every day."""
    database = Database.open(sqlite_url)
    ledger_columns = "camera_id, sequence_number FROM ledger"
    query = (
        f"EXPLAIN QUERY PLAN SELECT {ledger_columns} "
        "WHERE camera_id = 1 AND sequence_number IN (1, 2)"
        " OR camera_id = 2 AND sequence_number IN (3, 4)"
    )

    with database.read() as connection:
        plan = " ".join(row[3] for row in connection.exec_driver_sql(query))

    database.close()
    assert "SEARCH" in plan
    assert "SCAN ledger" not in plan

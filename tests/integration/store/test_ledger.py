"""The ledger: one row for every frame, whoever repeats or races."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Account, Cause, Entry, Reason
from inspection.errors import NotFoundError
from inspection.store import alert_tables, ledger, tables
from inspection.store.database import Database
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

    def record_all(shift_ms: int) -> None:
        captured_at = NOON + timedelta(milliseconds=shift_ms)
        barrier.wait()
        for number in numbers:
            entries = [
                factories.inspected(camera=c, sequence_number=number, captured_at=captured_at)
                for c in (("cam-1", "cam-2") if shift_ms else ("cam-2", "cam-1"))
            ]
            recorded.append(record(site_database, *entries))

    threads = [threading.Thread(target=record_all, args=(shift_ms,)) for shift_ms in (0, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(each.inspected_count for each in recorded) == 80
    assert account(site_database, "cam-1", up_to=40).is_balanced
    assert account(site_database, "cam-2", up_to=40).is_balanced


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

"""Weeks of frames: made when they are needed, and removed as wholes."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, table, text

from inspection.domain.evidence import Amount, Gone, KeepClass
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry, Reason
from inspection.store import (
    accounts,
    alert_tables,
    dead_letters,
    evidence,
    evidence_tables,
    expiry,
    inspections,
    ledger,
    lines,
    partitions,
    tables,
    thresholds,
)
from inspection.store import database as database_module
from inspection.store.database import Database, migrations_folder
from inspection.store.dead_letters import DeadLetterQuery
from inspection.store.partitions import Week
from inspection.store.retention import Ask, Removed
from tests import factories
from tests.factories import NOON
from tests.integration.store.recount import assert_scores_agree

WEEK = timedelta(days=7)
DAY = timedelta(days=1)
MAP_BYTES = len(factories.anomaly_map().data)

#: What recording an inspection left behind before there were partitions.
OLD_SOURCE = (
    "INSERT INTO score_sources (key, line_id, station_id, camera_id, checkpoint_hash)"
    " VALUES ('1/1/1/c0ffee//', 1, 1, 1, 'c0ffee')"
)
OLD_ROWS = (
    (
        "INSERT INTO ledger (id, camera_id, captured_at, sequence_number, outcome, line_id,"
        " station_id, recorded_at) VALUES (:number, 1, CAST(:captured_at AS {moment}), :number,"
        " 'inspected', 1, 1, CAST(:captured_at AS {moment}))"
    ),
    (
        "INSERT INTO inspections (ledger_id, captured_at, line_id, station_id, camera_id,"
        " source_id, score, verdict, checkpoint_hash, waited_ms, inference_ms, latency_ms)"
        " VALUES (:number, CAST(:captured_at AS {moment}), 1, 1, 1, 1, 0.25, 'pending', 'c0ffee',"
        " 0, 0, 0)"
    ),
    (
        'INSERT INTO maps (ledger_id, taps, "rows", "columns", data)'
        " VALUES (:number, 1, 1, 1, {data})"
    ),
)


@pytest.fixture
def plant(postgres_database_url: str) -> Iterator[Database]:
    """A line on PostgreSQL."""
    with closing(Database.open(postgres_database_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
        yield database


def frame(number: int, captured_at: datetime = NOON, **changes: Any) -> Entry:
    picture = factories.picture(sha256=f"{number:064x}")
    rest = {"picture": picture} | changes
    return factories.inspected(sequence_number=number, captured_at=captured_at, **rest)


def record(database: Database, *entries: Entry, at: datetime = NOON) -> ledger.RecordedCounts:
    with database.write() as connection:
        return ledger.record(connection, entries, at=at)


def weeks(database: Database) -> list[datetime]:
    with database.read() as connection:
        return [week.begins_at for week in partitions.present(connection)]


def past(database: Database, ask: Ask) -> list[Week]:
    with database.read() as connection:
        return expiry.past_weeks(connection, ask)


def remove(database: Database, week: Week, ask: Ask) -> Removed | None:
    with database.write() as connection:
        return expiry.remove_week(connection, week, ask)


def drop(database: Database, week: Week) -> bool:
    with database.write() as connection:
        return expiry.drop_week(connection, week)


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def ask(before: datetime) -> Ask:
    return Ask(at=NOON + 100 * WEEK, before=before)


def test_week_begins_on_monday_also_before_1970() -> None:
    assert Week.of(NOON).begins_at == NOON.replace(hour=0)  # a Monday
    assert Week.of(NOON - timedelta(hours=12, microseconds=1)).ends_at == NOON.replace(hour=0)
    old = datetime.fromisoformat("1969-12-31T23:00:00+00:00")
    assert Week.of(old).begins_at.isoformat() == "1969-12-29T00:00:00+00:00"


def test_rows_lie_in_the_partition_of_their_week_made_when_it_is_needed(plant: Database) -> None:
    record(plant, frame(1), frame(2, NOON - WEEK), frame(3, NOON - 60 * WEEK))

    assert weeks(plant) == [Week.of(NOON - n * WEEK).begins_at for n in (60, 1, 0)]
    with plant.read() as connection:
        for partition in partitions.PARTITIONED:
            own = table(Week.of(NOON).of_table(partition))
            assert connection.scalar(select(func.count()).select_from(own)) == 1


def test_inspectors_that_need_the_same_new_week_at_once_all_record(plant: Database) -> None:
    begin = threading.Barrier(4)

    def inspect(number: int) -> int:
        begin.wait()
        return record(plant, frame(number, NOON + 5 * WEEK), at=NOON + 5 * WEEK).inspected_count

    with ThreadPoolExecutor(4) as pool:
        recorded = list(pool.map(inspect, range(1, 5)))

    assert recorded == [1, 1, 1, 1]
    assert weeks(plant) == [Week.of(NOON + 5 * WEEK).begins_at]


def test_room_for_the_locks_of_many_weeks_is_asked_for_before_it_is_missing(
    plant: Database,
) -> None:
    with plant.write() as connection:
        few = partitions.locks_wanted(connection)
        room = int(connection.exec_driver_sql("SHOW max_locks_per_transaction").scalar_one())
        connections = int(connection.exec_driver_sql("SHOW max_connections").scalar_one())
        count = room * connections // (18 * 32) + 1
        partitions.ensure(connection, [NOON + number * WEEK for number in range(count)])

        many = partitions.locks_wanted(connection)

    assert few is None
    assert many is not None
    assert many > room


def test_frame_is_recorded_while_another_transaction_makes_partitions(plant: Database) -> None:
    record(plant, frame(1))
    with plant.write() as connection:
        partitions.ensure(connection, [NOON + WEEK, NOON + 2 * WEEK])

        assert record(plant, frame(2)).inspected_count == 1


def test_one_exposure_of_a_camera_has_one_row_whatever_its_week(plant: Database) -> None:
    record(plant, frame(1, NOON - WEEK))

    again = record(plant, frame(1, NOON - WEEK), frame(1, NOON))

    assert (again.repeated_count, again.uninspected_count) == (1, 1)
    with plant.read() as connection:
        assert ledger.account_rows(connection, "cam-1", up_to=1).accepted == 2


def test_week_goes_with_all_that_belongs_to_its_rows(plant: Database) -> None:
    old = NOON - WEEK
    record(
        plant,
        frame(1, old),
        frame(2, old, score=0.9, verdict=Verdict.NG),
        factories.uninspected(sequence_number=4, captured_at=old, size_bytes=7),
        factories.dropped(sequence_number=5, captured_at=old),
        at=old,
    )
    record(plant, frame(6), factories.uninspected(sequence_number=7))
    (week,) = past(plant, ask(NOON))

    removed = remove(plant, week, ask(NOON))

    assert removed is not None
    assert removed.row_count == 4
    assert removed.amount.map_bytes == 2 * MAP_BYTES
    assert drop(plant, week)
    assert weeks(plant) == [Week.of(NOON).begins_at]
    sizes = [count(plant, table) for table in (*partitions.PARTITIONED, alert_tables.alert_outbox)]
    assert sizes == [2, 1, 1, 1]
    assert count(plant, evidence_tables.picture_removals) == 2
    with plant.read() as connection:
        counters = accounts.counters(connection, 1)
        assert (counters.removed_count, counters.removal.up_to) == (4, 5)
        assert counters.removal.until_at == old
        assert ledger.known(connection, "cam-1", range(1, 9)) == {1, 2, 4, 5, 6, 7}
        letters = dead_letters.list_letters(connection, DeadLetterQuery())
        assert {each.identity.sequence_number: each.ledger_id is None for each in letters} == {
            4: True,
            7: False,
        }
        assert evidence.kept(connection)[KeepClass.OK].picture_count == 1
        assert evidence.gone(connection)[Gone.AGE].picture_count == 2
        assert_scores_agree(connection)


def test_frame_of_a_removed_week_that_is_delivered_again_is_there_already(plant: Database) -> None:
    record(plant, frame(1, NOON - WEEK), at=NOON - WEEK)
    remove(plant, Week.of(NOON - WEEK), ask(NOON))
    drop(plant, Week.of(NOON - WEEK))

    again = record(plant, frame(1, NOON - WEEK), frame(2, NOON - WEEK))

    assert (again.repeated_count, again.inspected_count) == (1, 1)


@pytest.mark.parametrize(
    ("recorded_at", "is_past"),
    [(NOON - DAY, True), (NOON, False), (NOON + 500 * WEEK, True)],
    ids=["old", "young", "dated in the future"],
)
def test_week_stays_while_one_of_its_rows_is_young(
    plant: Database, recorded_at: datetime, is_past: bool
) -> None:
    old = NOON - 3 * WEEK
    record(plant, frame(1, old), at=old)
    record(plant, frame(2, old), at=recorded_at)
    record(plant, frame(3, old), at=old)

    removed = remove(plant, Week.of(old), ask(NOON))

    assert removed is not None
    assert removed.row_count == (3 if is_past else 0)


def test_week_that_is_not_over_is_not_asked_for(plant: Database) -> None:
    record(plant, frame(1), at=NOON)

    assert past(plant, ask(NOON + 5 * DAY)) == []
    assert past(plant, ask(NOON + 7 * DAY)) == [Week.of(NOON)]


def test_keeper_gives_way_to_whoever_uses_the_week(plant: Database) -> None:
    old = Week.of(NOON - WEEK)
    record(plant, frame(1, NOON - WEEK), at=NOON - WEEK)
    with plant.write() as connection:
        connection.execute(text("LOCK TABLE ledger_20260223 IN ROW EXCLUSIVE MODE"))

        assert remove(plant, old, ask(NOON)) is None
    assert count(plant, tables.ledger) == 1

    assert remove(plant, old, ask(NOON)) == Removed(
        row_count=1,
        amount=Amount(picture_count=1, picture_bytes=1234, map_count=1, map_bytes=MAP_BYTES),
    )
    with plant.read() as connection:
        connection.execute(select(tables.ledger)).all()

        assert not drop(plant, old)
    assert drop(plant, old)


def test_partition_is_kept_into_which_something_was_recorded_after_it_was_emptied(
    plant: Database,
) -> None:
    old = NOON - WEEK
    record(plant, frame(1, old), at=old)
    remove(plant, Week.of(old), ask(NOON))
    record(plant, frame(2, old))

    assert not drop(plant, Week.of(old))
    assert count(plant, tables.ledger) == 1


def test_week_that_another_keeper_has_dropped_is_passed_over(plant: Database) -> None:
    record(plant, frame(1, NOON - WEEK), at=NOON - WEEK)
    (week,) = past(plant, ask(NOON))
    remove(plant, week, ask(NOON))
    assert drop(plant, week)

    assert remove(plant, week, ask(NOON)) is None
    assert not drop(plant, week)


def test_week_that_another_keeper_is_dropping_is_not_asked_for(plant: Database) -> None:
    record(plant, frame(1, NOON - WEEK), at=NOON - WEEK)
    week = Week.of(NOON - WEEK)
    remove(plant, week, ask(NOON))
    with ThreadPoolExecutor(1) as pool:
        with plant.write() as connection:
            assert expiry.drop_week(connection, week)
            asked = pool.submit(past, plant, ask(NOON))
            with pytest.raises(TimeoutError):
                asked.result(timeout=0.5)

        assert asked.result() == []


def test_nobody_is_stopped_for_a_week_that_has_rows(plant: Database) -> None:
    record(plant, frame(1), at=NOON)
    with plant.write() as connection:
        assert not expiry.drop_week(connection, Week.of(NOON))

        assert record(plant, frame(2)).inspected_count == 1


@pytest.mark.parametrize(
    "claimed_at",
    [NOON + timedelta(days=1, seconds=1), datetime.fromisoformat("2000-12-31T23:59:59Z")],
    ids=["ahead", "without battery"],
)
def test_frame_with_an_impossible_clock_is_uninspected_once(
    site_database: Database, claimed_at: datetime
) -> None:
    first = record(site_database, frame(1, claimed_at))

    again = record(site_database, frame(1, claimed_at), at=NOON + timedelta(minutes=5))

    assert (first.uninspected_count, again.repeated_count) == (1, 1)
    (entry,) = again.standing
    assert entry is not None
    assert entry.identity.captured_at == NOON
    with site_database.read() as connection:
        (letter,) = dead_letters.list_letters(connection, DeadLetterQuery())
        account = ledger.account_rows(connection, "cam-1", up_to=1)
    assert (letter.reason, letter.is_kept) == (Reason.CLOCK, True)
    assert claimed_at.isoformat(timespec="milliseconds") in letter.detail
    assert account.uninspected == {"clock": 1}
    assert account.is_balanced


def test_clock_that_was_ahead_is_known_again_once_its_time_has_come(
    site_database: Database,
) -> None:
    claimed_at = NOON + 2 * DAY
    record(site_database, frame(1, claimed_at))

    again = record(site_database, frame(1, claimed_at), at=NOON + 2 * DAY)

    assert again.repeated_count == 1


def test_impossible_exposures_with_one_number_are_told_apart(site_database: Database) -> None:
    record(site_database, frame(1, NOON + 2 * DAY))

    later = record(
        site_database,
        frame(1, NOON + 3 * DAY),
        factories.dropped(sequence_number=2, captured_at=NOON + 3 * DAY),
        at=NOON + timedelta(minutes=1),
    )
    again = record(
        site_database,
        factories.dropped(sequence_number=2, captured_at=NOON + 3 * DAY),
        frame(1, NOON + 3 * DAY),
        at=NOON + timedelta(minutes=2),
    )

    assert (later.uninspected_count, later.dropped_count) == (1, 1)
    assert again.repeated_count == 2
    with site_database.read() as connection:
        account = ledger.account_rows(connection, "cam-1", up_to=2)
    assert account.accepted == 3
    assert account.is_balanced


@pytest.mark.parametrize("kind", ["sqlite_url", "postgres_database_url"])
def test_rows_of_an_older_database_are_all_there_and_go_on_counting(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue(kind)
    if kind == "sqlite_url":
        url = f"sqlite:///{tmp_path}/new/inspection.sqlite"
    older = shutil.copytree(migrations_folder(), tmp_path / "migrations")
    (own,) = (older / "versions").glob("*_partitions.py")
    for path in (older / "versions").glob("*.py"):
        if path.name >= own.name:
            path.unlink()
    with closing(Database.open(url)) as database:
        if not database.is_sqlite:
            with database.write() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
        with monkeypatch.context() as patch:
            patch.setattr(database_module, "migrations_folder", lambda: older)
            database.migrate()
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            connection.execute(text(OLD_SOURCE))
            moment = "TEXT" if database.is_sqlite else "TIMESTAMP WITH TIME ZONE"
            data = "x'0000'" if database.is_sqlite else "'\\x0000'"
            for number in (1, 2, 3):
                captured_at = f"{NOON + number * WEEK:%Y-%m-%d %H:%M:%S.%f}"
                for row in OLD_ROWS:
                    statement = text(row.format(moment=moment, data=data))
                    values = {"number": number, "captured_at": captured_at}
                    known = {name: values[name] for name in statement.compile().params}
                    connection.execute(statement, known)

        database.migrate()

        with database.read() as connection:
            rows = [inspections.get(connection, number) for number in (1, 2, 3)]
            times = list(connection.scalars(select(tables.maps.c.captured_at).order_by(text("1"))))
            assert_scores_agree(connection)
        counts = record(database, frame(4, NOON, inspection=_pending(4, NOON)), at=NOON)
    assert [row.identity.captured_at for row in rows] == times
    assert counts.inspected_count == 1


def _pending(number: int, captured_at: datetime) -> Any:
    return factories.inspection(
        sequence_number=number, captured_at=captured_at, verdict=Verdict.PENDING, threshold=None
    )

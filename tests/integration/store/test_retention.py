"""What goes, in which order, and that counters follow the rows."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event, func, select, text, update

from inspection.domain.dead_letter import DeadLetterState
from inspection.domain.evidence import Amount, Gone, KeepClass
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.store import (
    alert_tables,
    evidence,
    evidence_tables,
    inspections,
    ledger,
    redriving,
    removals,
    retention,
    tables,
)
from inspection.store.database import Database, migrations_folder
from inspection.store.ledger_tables import dead_letters
from inspection.store.retention import Ask, Removed
from tests import factories
from tests.factories import NOON

DAY = timedelta(days=1)
MAP_BYTES = len(factories.anomaly_map().data)


def picture(number: int, size_bytes: int = 1_000) -> Any:
    return factories.picture(sha256=f"{number:064x}", size_bytes=size_bytes)


def frame(number: int, verdict: Verdict = Verdict.OK, **changes: Any) -> Entry:
    """Make the row of a frame whose picture is kept."""
    score = 0.9 if verdict is Verdict.NG else 0.1
    if verdict is Verdict.PENDING:
        changes["inspection"] = factories.inspection(
            sequence_number=number, verdict=verdict, threshold=None
        )
    rest = {"picture": picture(number)} | changes
    return factories.inspected(sequence_number=number, score=score, verdict=verdict, **rest)


def record(database: Database, *entries: Entry, at: datetime = NOON) -> None:
    with database.write() as connection:
        ledger.record(connection, entries, at=at)


def take(
    database: Database,
    keep_class: KeepClass = KeepClass.OK,
    why: Gone = Gone.BUDGET,
    *,
    limit: int = 100,
    at: datetime = NOON,
    **ask: Any,
) -> Removed:
    with database.write() as connection:
        asked = Ask(limit=limit, at=at, **ask)
        return retention.take_evidence(connection, keep_class, why, asked)


def remove(database: Database, *, before: datetime, at: datetime, limit: int = 100) -> Removed:
    with database.write() as connection:
        return retention.remove_rows(connection, Ask(limit=limit, at=at, before=before))


def with_pictures(database: Database) -> list[int]:
    """Return the sequence numbers of the frames whose picture and map are there."""
    row = tables.ledger.c
    statement = select(row.sequence_number).where(row.picture_sha256.is_not(None)).order_by(row.id)
    with database.read() as connection:
        return list(connection.scalars(statement))


def recounted(database: Database) -> dict[KeepClass, Amount]:
    """Count what is kept from the rows themselves, and see that the counters say the same."""
    row, maps = tables.ledger.c, tables.maps.c
    found = {keep_class: Amount() for keep_class in KeepClass}
    with database.read() as connection:
        for each in connection.execute(
            select(row.keep_class, row.picture_size_bytes, func.length(maps.data).label("size"))
            .outerjoin(tables.maps, maps.ledger_id == row.id)
            .where(row.keep_class.is_not(None))
        ):
            found[KeepClass(each.keep_class)] += evidence.amount_of(
                each.picture_size_bytes, each.size
            )
        assert evidence.kept(connection) == found
    return found


def noted(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(select(evidence_tables.picture_removals.c.sha256)))


def count(database: Database, table: Any) -> int:
    with database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_every_outcome_is_counted_in_its_class(site_database: Database) -> None:
    record(
        site_database,
        frame(1),
        frame(2, picture=None),
        frame(3, Verdict.NG),
        frame(4, Verdict.PENDING),
        factories.uninspected(sequence_number=5, picture=picture(5, 70)),
        factories.uninspected(sequence_number=6),
        factories.dropped(sequence_number=7),
    )

    kept = recounted(site_database)

    whole = Amount(picture_count=1, picture_bytes=1_000, map_count=1, map_bytes=MAP_BYTES)
    assert kept == {
        KeepClass.OK: whole + Amount(map_count=1, map_bytes=MAP_BYTES),
        KeepClass.PENDING: whole,
        KeepClass.NG: whole + Amount(picture_count=1, picture_bytes=70),
        KeepClass.REVIEWED: Amount(),
    }


def test_recording_the_same_again_counts_nothing(site_database: Database) -> None:
    record(site_database, frame(1))
    before = recounted(site_database)

    record(site_database, frame(1))

    assert recounted(site_database) == before


def test_picture_that_could_not_be_kept_is_counted_with_its_reason(
    site_database: Database,
) -> None:
    record(site_database, frame(1, picture=None, picture_gone=Gone.FULL))

    with site_database.read() as connection:
        gone, row = evidence.gone(connection), inspections.get(connection, 1)

    assert gone[Gone.FULL] == Amount(picture_count=1, picture_bytes=len(factories.jpeg()))
    assert (row.picture, row.picture_gone, row.map_gone) == (None, Gone.FULL, None)


def test_evidence_of_a_class_goes_in_the_order_of_recording(site_database: Database) -> None:
    record(site_database, *[frame(n, captured_at=NOON - n * DAY) for n in (1, 2, 3, 4)])

    first = take(site_database, limit=3)
    left = with_pictures(site_database)
    second = take(site_database, limit=3)

    assert (first.is_more, left) == (True, [4])
    assert (second.is_more, with_pictures(site_database)) == (False, [])
    assert first.amount.picture_count == first.amount.map_count == 3
    assert noted(site_database) == {picture(n).sha256 for n in (1, 2, 3, 4)}
    assert recounted(site_database)[KeepClass.OK] == Amount()


def test_other_classes_are_left_alone(site_database: Database) -> None:
    record(site_database, frame(1, Verdict.NG), frame(2), frame(3, Verdict.PENDING))

    take(site_database)

    assert with_pictures(site_database) == [1, 3]
    assert recounted(site_database)[KeepClass.NG].picture_count == 1


def test_no_more_goes_than_is_asked_for(site_database: Database) -> None:
    record(site_database, *[frame(n) for n in range(1, 6)])

    removed = take(site_database, enough_bytes=2 * (1_000 + MAP_BYTES) - 1)

    assert removed.amount.size_bytes == 2 * (1_000 + MAP_BYTES)
    assert with_pictures(site_database) == [3, 4, 5]


def test_row_says_why_its_picture_and_map_are_gone_and_keeps_everything_else(
    site_database: Database,
) -> None:
    record(site_database, frame(1), frame(2, picture=None))
    with site_database.read() as connection:
        before = inspections.get(connection, 1)

    take(site_database, why=Gone.DISK)

    with site_database.read() as connection:
        kept, bare = (inspections.get(connection, number) for number in (1, 2))
        gone = evidence.gone(connection)
    assert (kept.picture, kept.picture_gone, kept.map_gone) == (None, Gone.DISK, Gone.DISK)
    assert (kept.score, kept.verdict, kept.recorded_at) == (
        before.score,
        before.verdict,
        before.recorded_at,
    )
    # Its picture was never to be kept.
    assert (bare.picture_gone, bare.map_gone) == (None, Gone.DISK)
    assert (gone[Gone.DISK].picture_count, gone[Gone.DISK].map_count) == (1, 2)
    assert count(site_database, tables.maps) == 0


def test_evidence_that_is_too_young_stays(site_database: Database) -> None:
    for number in (1, 2, 3):
        record(site_database, frame(number), at=NOON + number * DAY)

    removed = take(site_database, before=NOON + 2 * DAY, at=NOON + 9 * DAY)

    assert (removed.amount.picture_count, removed.is_more) == (1, False)
    assert with_pictures(site_database) == [2, 3]


def test_clock_that_was_wrong_for_a_while_neither_stops_nor_hurries_what_goes(
    site_database: Database,
) -> None:
    years = 3_650 * DAY
    for number, at in enumerate((NOON, NOON + years, NOON, NOON + 5 * DAY, NOON - years), start=1):
        record(site_database, frame(number), at=at)

    remove(site_database, before=NOON + DAY, at=NOON + 9 * DAY)

    # The second is dated in the future, the last long ago; what lies between them is young.
    assert with_pictures(site_database) == [4, 5]


def test_old_rows_of_every_outcome_go_with_all_that_belongs_to_them(
    site_database: Database,
) -> None:
    old = [
        frame(1),
        frame(2, Verdict.NG),
        factories.uninspected(sequence_number=3, picture=picture(3)),
        factories.dropped(sequence_number=4),
        frame(1, camera="cam-2", picture=None),
    ]
    record(site_database, *old)
    record(site_database, frame(5), at=NOON + 9 * DAY)

    removed = remove(site_database, before=NOON + DAY, at=NOON + 9 * DAY)

    assert (removed.row_count, removed.amount.picture_count, removed.is_more) == (5, 3, False)
    assert with_pictures(site_database) == [5]
    children = (tables.inspections, tables.maps)
    assert [count(site_database, table) for table in children] == [1, 1]
    assert count(site_database, alert_tables.alert_outbox) == 0
    assert noted(site_database) == {picture(n).sha256 for n in (1, 2, 3)}
    assert recounted(site_database)[KeepClass.NG] == Amount()
    with site_database.read() as connection:
        assert evidence.gone(connection)[Gone.AGE].picture_count == 3


def test_rows_whose_evidence_went_before_are_not_counted_twice(site_database: Database) -> None:
    record(site_database, frame(1))
    take(site_database)

    removed = remove(site_database, before=NOON + DAY, at=NOON + 9 * DAY)

    assert (removed.row_count, removed.amount) == (1, Amount())
    assert recounted(site_database)[KeepClass.OK] == Amount()


def test_row_that_is_judged_after_all_changes_its_class_and_the_counters(
    site_database: Database,
) -> None:
    record(site_database, factories.uninspected(picture=picture(1)))

    with site_database.write() as connection:
        before = evidence.held(connection, 1, NOON)
        row = {"ledger_id": 1, "captured_at": NOON, "taps": 2, "rows": 4, "columns": 4}
        connection.execute(tables.maps.insert().values(data=b"0" * MAP_BYTES, **row))
        keep_class = evidence.class_of_verdict(Verdict.OK)
        evidence.change(connection, {1: (before, keep_class)})

    kept = recounted(site_database)
    assert kept[KeepClass.NG] == Amount()
    assert kept[KeepClass.OK].size_bytes == 1_000 + MAP_BYTES


def test_row_whose_evidence_goes_while_it_is_redriven_is_counted_once(
    site_database: Database,
) -> None:
    record(site_database, factories.uninspected(picture=picture(1)))
    with site_database.write() as connection:
        requested = {"state": DeadLetterState.REQUESTED.value, "requested_by": "anna"}
        letter_id = connection.scalar(
            dead_letters.update().values(requested).returning(dead_letters.c.id)
        )

    def redrive() -> set[int]:
        with site_database.write() as connection:
            return redriving.settle(connection, {letter_id: frame(1, picture=None)}, at=NOON)

    with ThreadPoolExecutor(1) as pool:
        with site_database.write() as connection:
            asked = Ask(limit=100, at=NOON)
            taken = retention.take_evidence(connection, KeepClass.NG, Gone.BUDGET, asked)
            redriven = pool.submit(redrive)
            with pytest.raises(TimeoutError):
                redriven.result(timeout=0.5)
        assert redriven.result() == {letter_id}

    assert taken.amount == Amount(picture_count=1, picture_bytes=1_000)
    kept = recounted(site_database)
    assert kept[KeepClass.NG] == Amount()
    assert kept[KeepClass.OK] == Amount(map_count=1, map_bytes=MAP_BYTES)


def test_file_is_due_once_and_again_when_its_claim_has_run_out(site_database: Database) -> None:
    record(site_database, frame(1), frame(2))
    take(site_database)

    def claimed(at: datetime) -> list[str]:
        with site_database.write() as connection:
            return sorted(p.sha256 for p in removals.claim(connection, at=at, limit=10))

    both = [picture(n).sha256 for n in (1, 2)]
    assert claimed(NOON) == both
    assert claimed(NOON + removals.GRACE / 2) == []
    assert claimed(NOON + removals.GRACE) == both


def test_note_of_a_file_outlives_a_claim_when_another_row_lets_go_of_it_meanwhile(
    site_database: Database,
) -> None:
    record(site_database, frame(1), frame(2, picture=picture(1)))
    take(site_database, limit=1)
    with site_database.write() as connection:
        claimed = removals.claim(connection, at=NOON, limit=10)
        assert removals.kept(connection, claimed) == {picture(1).sha256}

    take(site_database, at=NOON + timedelta(seconds=1))
    with site_database.write() as connection:
        removals.forget(connection, claimed, claimed_at=NOON)

    assert noted(site_database) == {picture(1).sha256}
    with site_database.read() as connection:
        assert removals.kept(connection, claimed) == set()


def test_next_evidence_to_go_is_found_by_its_index(sqlite_url: str) -> None:
    asked: list[tuple[str, Any]] = []
    with closing(Database.open(sqlite_url)) as database:
        event.listen(
            database._engine,
            "before_cursor_execute",
            lambda *arguments: asked.append((arguments[2], arguments[3])),
        )
        take(database)
        (statement, parameters) = next(each for each in asked if "ORDER BY" in each[0])
        with database.read() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()

    steps = [row[-1] for row in plan]
    assert "SEARCH ledger USING INDEX ix_ledger_keep_class_id (keep_class=?)" in steps
    assert not any("TEMP B-TREE" in step for step in steps)


def test_migration_counts_what_is_kept_already(site_database: Database) -> None:
    (file,) = migrations_folder().glob("versions/*_evidence.py")
    migration = runpy.run_path(str(file))
    record(
        site_database,
        frame(1),
        frame(2, Verdict.NG),
        frame(3, Verdict.PENDING, picture=None),
        factories.uninspected(sequence_number=4, picture=picture(4)),
        factories.uninspected(sequence_number=5),
        factories.dropped(sequence_number=6),
    )
    kept = recounted(site_database)
    with site_database.write() as connection:
        connection.execute(update(tables.ledger).values(keep_class=None))
        connection.execute(delete(evidence_tables.evidence))

        for name in ("CLASSES", "UNINSPECTED", "COUNTERS"):
            connection.execute(text(migration[name]))

    assert recounted(site_database) == kept
    assert kept[KeepClass.NG].picture_count == 2

"""Whoever changes rows behind the audit's back is found out, and the first bad row is named."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from inspection.domain.chain import AuditKeys, LinkKind
from inspection.domain.dead_letter import DeadLetterState
from inspection.domain.evidence import Gone, KeepClass
from inspection.domain.ledger import Entry
from inspection.domain.review import Decision, NewReview
from inspection.keeping.sealing import Sealer
from inspection.store import (
    anchors,
    chain,
    expiry,
    ledger,
    lines,
    redriving,
    retention,
    tables,
    thresholds,
)
from inspection.store.audit import Change, add_change
from inspection.store.audit_tables import audit_links
from inspection.store.database import Database
from inspection.store.ledger_tables import dead_letters
from inspection.store.partitions import PARTITIONED, Week
from inspection.store.retention import Ask
from inspection.store.review_tables import reviews
from inspection.store.reviews import add_reviews
from inspection.store.verification import Verification, Verifier
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON

KEYS = AuditKeys.of("first-key-" * 4)


@dataclass(frozen=True, kw_only=True)
class Plant:
    """A database whose changes are sealed, and what its keeper does."""

    database: Database
    sealer: Sealer
    anchor_file: Path
    clock: Clock

    def record(self, *numbers: int) -> None:
        with self.database.write() as connection:
            ledger.record(connection, [_entry(number) for number in numbers], at=self.clock())

    def change(self, name: str) -> None:
        with self.database.write() as connection:
            add_change(connection, _change(name))

    def verified(self, keys: AuditKeys = KEYS) -> Verification:
        return Verifier(self.database, keys, anchors.read(self.anchor_file)).run()

    def first(self) -> str:
        """What is said of the first bad row."""
        return str(self.verified().findings[0])

    def findings(self, cases: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Tamper in one way after the other; return what is said of the first bad row each time."""
        touched = (tables.ledger, tables.inspections, reviews, tables.audit, audit_links)
        with self.database.read() as connection:
            rows = {
                table: [dict(row._mapping) for row in connection.execute(select(table))]
                for table in touched
            }
        said = {}
        for name, statements in cases.items():
            self.tamper(*statements)
            said[name] = self.first().partition(";")[0]
            with self.database.write() as connection:
                for table in reversed(touched):
                    connection.execute(table.delete())
                for table in touched:
                    connection.execute(table.insert(), rows[table])
        assert self.verified().findings == []
        return said

    def tamper(self, *statements: str) -> None:
        """Do something to the database that the program knows nothing of.

        `:one` and `:two` are the ids of the last two changes, `:hash` is that of another picture.
        """
        one, two = self.last_ids
        values = {"one": one, "two": two, "hash": "e" * 64}
        with self.database.write() as connection:
            for statement in statements:
                named = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(text(statement), named)

    @property
    def last_ids(self) -> tuple[int, int]:
        """Ids of the last two changes, the older one first."""
        with self.database.read() as connection:
            newest = select(tables.audit.c.id).order_by(tables.audit.c.id.desc()).limit(2)
            two, one = connection.scalars(newest)
        return one, two


def _entry(number: int) -> Entry:
    captured_at = NOON + timedelta(seconds=number)
    if number % 10 == 0:
        return factories.uninspected(sequence_number=number, captured_at=captured_at)
    return factories.inspected(
        sequence_number=number,
        captured_at=captured_at,
        score=number / 100,
        picture=factories.picture(sha256=f"{number:064x}"),
    )


def _change(name: str) -> Change:
    return Change(
        at=NOON, who="anna", action="changed", thing="line", name=name, after={"rate": 0.5}
    )


@pytest.fixture
def plant(database_url: str, tmp_path: Path, clock: Clock) -> Iterator[Plant]:
    """Changes, the threshold with id 1, twelve frames and two reviews, sealed and anchored."""
    file = tmp_path / "anchors.jsonl"
    with closing(Database.open(database_url, audit_keys=KEYS)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
        sealer = Sealer(database, KEYS, file, clock=clock)
        plant = Plant(database=database, sealer=sealer, anchor_file=file, clock=clock)
        for name in ("line-1", "line-2", "line-3"):
            plant.change(name)
        plant.record(*range(1, 8))
        sealer.round()
        plant.record(*range(8, 13))
        with database.write() as connection:
            for inspection_id, decision in ((1, Decision.OK), (2, Decision.NG)):
                review = NewReview(decision=decision, by="anna", at=NOON, note="")
                add_reviews(connection, [inspection_id], review)
        sealer.round()
        sealer.anchor()
        yield plant


def test_nothing_is_found_where_nobody_has_meddled(plant: Plant) -> None:
    found = plant.verified()

    assert found.findings == []
    # Twelve frames, two reviews, a threshold.
    assert (found.row_count, found.open_count) == (15, 0)
    assert found.head is not None
    assert found.link_count == found.head.number == found.change_count + 1 + 4


def test_change_that_was_tampered_with_is_named(plant: Plant) -> None:
    one, two = plant.last_ids

    said = plant.findings(
        {
            "edited": ["UPDATE audit SET who = 'bob' WHERE id = :two"],
            "emptied": ["UPDATE audit SET after = NULL WHERE id = :two"],
            "deleted": ["DELETE FROM audit WHERE id = :two"],
            "swapped": [
                "UPDATE audit SET id = -1 WHERE id = :one",
                "UPDATE audit SET id = :one WHERE id = :two",
                "UPDATE audit SET id = :two WHERE id = -1",
            ],
            "forged": [
                (
                    "INSERT INTO audit (id, at, who, action, thing, name)"
                    " SELECT 999, at, 'eve', action, thing, name FROM audit WHERE id = :one"
                )
            ],
        }
    )

    assert said == {
        "edited": f"audit {two} was edited",
        "emptied": f"audit {two} was edited",
        "deleted": f"audit {two} is gone",
        "swapped": f"audit {one} was edited",
        "forged": "audit 999 was never sealed: forged, or written without key",
    }


def test_link_that_was_tampered_with_is_named(plant: Plant) -> None:
    head = plant.verified().head
    assert head is not None
    known = head.number
    forged = "was edited, moved or forged"

    said = plant.findings(
        {
            "edited": ["UPDATE audit_links SET statement = replace(statement, 'test', 'eve')"],
            "dated": ["UPDATE audit_links SET sealed_at = '2020-01-01 00:00:00' WHERE number = 4"],
            "deleted": ["DELETE FROM audit_links WHERE number = 4"],
            "first deleted": ["DELETE FROM audit_links WHERE number = 1"],
            "swapped": [
                "UPDATE audit_links SET number = -1 WHERE number = 3",
                "UPDATE audit_links SET number = 3 WHERE number = 4",
                "UPDATE audit_links SET number = 4 WHERE number = -1",
            ],
            "tail cut": [
                (
                    "DELETE FROM audit"
                    " WHERE id IN (SELECT change_id FROM audit_links WHERE number > 5)"
                ),
                "DELETE FROM audit_links WHERE number > 5",
            ],
            "all gone": ["DELETE FROM audit", "DELETE FROM audit_links"],
        }
    )

    at = "2026-03-02T12:00:00.000000+00:00"
    assert said == {
        "edited": f"audit_links 2 {forged}",
        "dated": f"audit_links 4 {forged}",
        "deleted": "audit_links 4 is gone",
        "first deleted": "audit_links 1 is gone",
        "swapped": f"audit_links 3 {forged}",
        "tail cut": f"audit_links 6 is gone: {known} links were anchored at {at}, 5 are there",
        "all gone": f"audit_links 1 is gone: {known} links were anchored at {at}, 0 are there",
    }


def test_row_that_was_tampered_with_is_named(plant: Plant) -> None:
    said = plant.findings(
        {
            "score": ["UPDATE inspections SET score = 0.01 WHERE ledger_id = 5"],
            "verdict": ["UPDATE inspections SET score = 0.9, verdict = 'NG' WHERE ledger_id = 11"],
            "line": ["UPDATE inspections SET line_id = 7 WHERE ledger_id = 5"],
            "serial": ["UPDATE ledger SET part_serial = 'X' WHERE id = 5"],
            "reason": ["UPDATE ledger SET reason = 'truncated' WHERE id = 10"],
            "inspection deleted": ["DELETE FROM inspections WHERE ledger_id = 5"],
            "row deleted": [
                "DELETE FROM inspections WHERE ledger_id = 5",
                "DELETE FROM ledger WHERE id = 5",
            ],
            "scores swapped": [
                "UPDATE inspections SET score = 0.08 WHERE ledger_id = 4",
                "UPDATE inspections SET score = 0.04 WHERE ledger_id = 8",
            ],
            "picture": ["UPDATE ledger SET picture_sha256 = :hash WHERE id = 3"],
            "row forged": [
                (
                    "INSERT INTO ledger (id, camera_id, captured_at, sequence_number, outcome,"
                    " line_id, station_id, recorded_at, is_repeated) SELECT -5, camera_id,"
                    " captured_at, 99, outcome, line_id, station_id, recorded_at, is_repeated"
                    " FROM ledger WHERE id = 1"
                )
            ],
        }
    )

    changed = "was changed after it was recorded"
    assert said == {
        "score": f"inspections 5 {changed}",
        "verdict": f"inspections 11 {changed}",
        "line": f"inspections 5 {changed}",
        "serial": f"ledger 5 {changed}",
        "reason": f"ledger 10 {changed}",
        "inspection deleted": "inspections 5 is gone",
        "row deleted": "ledger 5 is gone",
        "scores swapped": f"inspections 4 {changed}",
        "picture": "ledger 3 has another picture than was recorded",
        "row forged": "ledger -5 was not there when the rows around it were sealed",
    }


def test_threshold_and_review_that_were_tampered_with_are_named(plant: Plant) -> None:
    said = plant.findings(
        {
            "reviews of 1 and 2 swapped": [
                "UPDATE reviews SET decision = 'unsure' WHERE id = 1",
                "UPDATE reviews SET decision = 'OK' WHERE id = 2",
            ],
            "review deleted": ["DELETE FROM reviews WHERE id = 2"],
        }
    )
    plant.tamper("UPDATE thresholds SET value = 0.9 WHERE id = 1")
    edited = plant.first()
    plant.tamper("UPDATE thresholds SET value = 0.5 WHERE id = 1")
    plant.tamper(
        "INSERT INTO thresholds (scope, line_id, version, value, set_at, set_by, reason,"
        " effective_at) SELECT scope, line_id, 2, 0.9, set_at, set_by, reason, effective_at"
        " FROM thresholds"
    )
    plant.sealer.round()

    changed = "was changed after it was recorded"
    assert said == {
        "reviews of 1 and 2 swapped": f"reviews 1 {changed}",
        "review deleted": "reviews 2 is gone",
    }
    assert edited == f"thresholds 1 {changed}"
    assert plant.first() == "thresholds 2 is not what any change says was set"


def test_marks_that_were_tampered_with_are_named(plant: Plant) -> None:
    with plant.database.read() as connection:
        kinds = connection.execute(select(audit_links.c.number, audit_links.c.kind)).all()
    first = min(number for number, kind in kinds if kind == LinkKind.LEDGER)

    with plant.database.write() as connection:
        connection.execute(audit_links.update().values(marks=b"x"))

    assert plant.first() == f"audit_links {first} has other marks than it had"


def test_other_key_verifies_nothing_and_seals_nothing(plant: Plant, database_url: str) -> None:
    other = AuditKeys.of("another-key" * 3)

    with closing(Database.open(database_url, audit_keys=other)) as database:
        with database.write() as connection:
            add_change(connection, _change("line-9"))
        assert database.sealed_head is None

    assert "which is not among those given" in str(plant.verified(other).findings[0])
    assert "was never sealed" in plant.first()


def test_key_that_was_changed_still_verifies_what_the_former_one_sealed(
    plant: Plant, database_url: str
) -> None:
    both = AuditKeys(secrets=(b"second-key" * 4, *KEYS.secrets))

    with closing(Database.open(database_url, audit_keys=both)) as database:
        with database.write() as connection:
            chain.change_key(connection, both, at=NOON)
        with database.write() as connection:
            add_change(connection, _change("line-9"))
        head = database.sealed_head

    assert head is not None
    assert head.key_id == both.newest != KEYS.newest
    assert plant.verified(both).findings == []
    # Who has only the former one cannot go on with it.
    plant.change("line-10")
    assert "was never sealed" in str(plant.verified(both).findings[0])


def test_older_copy_of_the_database_is_found_by_a_newer_anchor(
    sqlite_url: str, tmp_path: Path, clock: Clock
) -> None:
    file, copy = Path(sqlite_url.removeprefix("sqlite:///")), tmp_path / "copy"
    anchor_file = tmp_path / "anchors.jsonl"
    with closing(Database.open(sqlite_url, audit_keys=KEYS)) as database:
        sealer = Sealer(database, KEYS, anchor_file, clock=clock)
        plant = Plant(database=database, sealer=sealer, anchor_file=anchor_file, clock=clock)
        plant.change("line-1")
    shutil.copy(file, copy)
    with closing(Database.open(sqlite_url, audit_keys=KEYS)) as database:
        sealer = Sealer(database, KEYS, anchor_file, clock=clock)
        plant = Plant(database=database, sealer=sealer, anchor_file=anchor_file, clock=clock)
        plant.change("line-2")
        sealer.anchor()
    shutil.copy(copy, file)

    with closing(Database.open(sqlite_url, audit_keys=KEYS)) as database:
        found = Verifier(database, KEYS, anchors.read(anchor_file)).run()

    assert "audit_links 3 is gone: 3 links were anchored" in str(found.findings[0])


def test_rows_from_before_the_first_key_are_sealed_as_they_were_found(
    database_url: str, tmp_path: Path, clock: Clock
) -> None:
    with closing(Database.open(database_url)) as database, database.write() as connection:
        for name in ("line-1", "line-2"):
            add_change(connection, _change(name))

    with closing(Database.open(database_url, audit_keys=KEYS)) as database:
        Sealer(database, KEYS, tmp_path / "anchors", clock=clock).round()
        found = Verifier(database, KEYS, []).run()
        with database.read() as connection:
            begin = connection.execute(select(audit_links).order_by(audit_links.c.number)).first()

    assert begin is not None
    assert found.findings == []
    assert found.change_count == json.loads(begin.statement)["changes_up_to"] == 2


def test_rows_and_pictures_that_retention_took_are_no_findings(plant: Plant) -> None:
    later = plant.clock.advance(10)
    plant.record(13, 14)
    plant.sealer.round()
    with plant.database.write_soon() as connection:
        ask = Ask(limit=3, at=later, before=later)
        retention.take_evidence(connection, KeepClass.OK, Gone.AGE, ask)
    for limit in (4, 100):
        with plant.database.write_soon() as connection:
            retention.remove_rows(connection, Ask(limit=limit, at=later, before=later))

    found = plant.verified()

    assert found.findings == []
    # Of the frames two are left; reviews and thresholds stay.
    assert (found.row_count, found.removed_count) == (2 + 2 + 1, 12)
    plant.tamper("DELETE FROM inspections WHERE ledger_id = 14", "DELETE FROM ledger WHERE id = 14")
    assert plant.first() == "ledger 14 is gone"


def test_whole_week_that_retention_took_is_no_finding(
    postgres_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    week = timedelta(days=7)
    old, young = Week.of(NOON), Week.of(NOON + week)
    later = clock.advance(4 * week.total_seconds())
    with closing(Database.open(postgres_database_url, audit_keys=KEYS)) as database:
        sealer = Sealer(database, KEYS, tmp_path / "anchors", clock=clock)
        plant = Plant(database=database, sealer=sealer, anchor_file=tmp_path / "no", clock=clock)
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
            # Weeks lie between each other by id: what goes is no one range.
            entries = [
                factories.inspected(sequence_number=number, captured_at=NOON + number % 3 * week)
                for number in range(1, 10)
            ]
            ledger.record(connection, entries, at=NOON + 2 * week)
        sealer.round()
        with database.write() as connection:
            for ledger_id in (3, 4):
                review = NewReview(decision=Decision.OK, by="anna", at=NOON, note="")
                add_reviews(connection, [ledger_id], review)
        ask = Ask(at=later, before=NOON + 3 * week)
        with database.write() as connection:
            removed = expiry.remove_week(connection, old, ask)
        assert removed is not None
        assert removed.row_count == 3
        assert plant.verified().findings == []
        with database.write() as connection:
            assert expiry.drop_week(connection, old)
        sealer.round()

        found = plant.verified()

        assert found.findings == []
        # Six frames, two reviews (also of what is gone), a threshold.
        assert (found.row_count, found.removed_count, found.open_count) == (6 + 2 + 1, 3, 0)
        plant.tamper(*(f"TRUNCATE {young.of_table(table)}" for table in PARTITIONED))
        assert {str(one) for one in plant.verified().findings} == {
            f"ledger {number} is gone" for number in (1, 4, 7)
        }


def test_row_that_was_redriven_is_no_finding_until_somebody_changes_it(plant: Plant) -> None:
    entry = factories.inspected(
        sequence_number=10, captured_at=NOON + timedelta(seconds=10), score=0.1
    )
    with plant.database.write() as connection:
        letter = connection.execute(select(dead_letters)).one()
        connection.execute(
            dead_letters.update().values(state=DeadLetterState.REQUESTED.value, requested_by="anna")
        )
        assert redriving.settle(connection, {letter.id: entry}, at=NOON) == {letter.id}

    assert plant.verified().findings == []
    plant.tamper("UPDATE inspections SET score = 0.2 WHERE ledger_id = 10")
    assert plant.first() == "ledger 10 is not as it was left when it was re-driven"


def test_many_writers_at_once_leave_an_unbroken_chain(plant: Plant, database_url: str) -> None:
    def write(writer: int) -> None:
        with closing(Database.open(database_url, audit_keys=KEYS)) as database:
            for number in range(8):
                with database.write() as connection:
                    add_change(connection, _change(f"{writer}-{number}"))
                with pytest.raises(ZeroDivisionError):
                    _fail(database)

    before = plant.verified().change_count
    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write, writer) for writer in range(4)]
        for number in range(20, 30):
            plant.record(number)
            plant.sealer.round()
            assert plant.verified().findings == []
        for writer in writers:
            writer.result()

    plant.sealer.round()
    found = plant.verified()
    assert found.findings == []
    assert (found.row_count, found.open_count) == (22 + 3, 0)
    assert found.change_count == before + 4 * 8


def _fail(database: Database) -> None:
    with database.write() as connection:
        add_change(connection, _change("never"))
        raise ZeroDivisionError


def test_row_that_is_committed_late_is_covered_once(
    postgres_database_url: str, tmp_path: Path, clock: Clock
) -> None:
    with closing(Database.open(postgres_database_url, audit_keys=KEYS)) as database:
        with database.write() as connection:
            cameras = (factories.camera(), factories.camera(name="cam-2"))
            site = factories.site(cameras=cameras)
            lines.create_missing(connection, site, at=NOON, by="test")
            thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason="first"
            )
        sealer = Sealer(database, KEYS, tmp_path / "anchors", clock=clock)
        with database.write() as connection:
            # The first frames of a week make its partition, which holds up the others.
            first = [_entry(1), factories.inspected(camera="cam-2")]
            ledger.record(connection, first, at=NOON)
        sealer.round()
        with database.write() as late:
            ledger.record(late, [_entry(2)], at=NOON)
            with database.write() as connection:
                second = factories.inspected(camera="cam-2", sequence_number=2)
                ledger.record(connection, [second], at=NOON)
            waiting = [sealer.round(), sealer.round()]
        covered = [sealer.round(), sealer.round()]
        found = Verifier(database, KEYS, []).run()

    assert (waiting, covered) == ([0, 0], [1, 0])
    assert found.findings == []
    # Four frames and a threshold.
    assert (found.row_count, found.open_count) == (5, 0)

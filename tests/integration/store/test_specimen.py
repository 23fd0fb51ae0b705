"""A specimen is what recording its frames would have left behind."""

from contextlib import closing

import pytest
from sqlalchemy import func, select

from inspection.errors import ConfigurationError
from inspection.store import accounts, ledger, lines, specimen, tables
from inspection.store.cameras import camera_id
from inspection.store.database import Database
from inspection.store.measures import inserts
from inspection.store.specimen import Plan
from tests import factories
from tests.factories import NOON
from tests.integration.store.recount import assert_scores_agree

PLAN = Plan(rows=3_000, ends_at=NOON, days=9)


def test_specimen_is_consistent_in_every_table_and_can_be_recorded_on(database: Database) -> None:
    made = specimen.make(database, PLAN)

    inserts(database, made, sample_count=64, batch=32, at=NOON)

    with database.read() as connection:
        assert specimen.found(connection).row_count == 3_064  # type: ignore[union-attr]
        assert_scores_agree(connection)
        for camera in made.cameras:
            key = camera_id(connection, camera)
            counters = accounts.counters(connection, key)
            assert counters.recorded == accounts.recounted(connection, key)
            up_to = counters.last_sequence_number
            assert ledger.account_rows(connection, camera, up_to=up_to).is_balanced
    assert made.row_count == 3_000
    assert NOON - PLAN.ends_at.resolution >= made.to_at > made.from_at >= PLAN.begins_at


def test_specimen_has_every_verdict_and_few_ng(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database:
        specimen.make(database, PLAN)
        verdict = tables.inspections.c.verdict
        with database.read() as connection:
            rows = connection.execute(select(verdict, func.count()).group_by(verdict)).all()
        counts = {row[0]: row[1] for row in rows}

    assert set(counts) == {"OK", "NG", "pending"}
    assert 0.01 < counts["NG"] / 3_000 < 0.03


def test_nothing_is_made_up_in_the_database_of_a_plant(sqlite_url: str) -> None:
    with closing(Database.open(sqlite_url)) as database:
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="test")

            with pytest.raises(ConfigurationError, match="no specimen: line-1"):
                specimen.refuse_other_lines(connection)
        with pytest.raises(ConfigurationError, match="has lines already"):
            specimen.make(database, PLAN)

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspection.capture.rendering import Conveyor
from inspection.cli import truth
from inspection.cli.truth import Outcome
from inspection.domain.inspection import Verdict
from inspection.store import ledger, lines, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

SOURCE = factories.source(product="metal washer", seed=3, defect_rate=0.5, good_parts_count=2)
PARTS = 12


@pytest.fixture
def database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    """A simulated camera whose first two parts are pending, and then only defects are NG."""
    conveyor = Conveyor(product="metal washer", seed=3, defect_rate=0.5, good_parts_count=2)
    file = shutil.copy(migrated_sqlite, tmp_path / "inspection.sqlite")
    with closing(Database.open(f"sqlite:///{file}")) as opened:
        site = factories.site(cameras=(factories.camera(source=SOURCE),))
        with opened.write() as connection:
            lines.create_missing(connection, site, at=NOON, by="test")
            limit = thresholds.set_threshold(
                connection, factories.scope(), 0.5, at=NOON, by="test", reason=""
            )
            entries = []
            for number in range(1, PARTS + 1):
                is_defective = conveyor.defect(number - 1) is not None
                verdict = Verdict.NG if is_defective else Verdict.OK
                entries.append(
                    factories.inspected(
                        sequence_number=number,
                        inspection=factories.inspection(
                            sequence_number=number,
                            score=0.9 if is_defective else 0.1,
                            verdict=Verdict.PENDING if number <= 2 else verdict,
                            threshold=None if number <= 2 else limit,
                        ),
                    )
                )
            ledger.record(connection, entries, at=NOON)
        yield opened


def test_outcome_counts_what_the_simulator_knows_beside_the_verdicts(database: Database) -> None:
    (outcome,) = truth.outcomes(database)

    assert outcome.pending_count == 2
    assert outcome.caught_count + outcome.passed_count == PARTS - 2
    assert outcome.caught_count > 0
    assert (outcome.precision, outcome.recall, outcome.false_reject_rate) == (1, 1, 0)


def test_outcome_of_nothing_has_no_shares() -> None:
    outcome = Outcome(line="washers")

    assert (outcome.precision, outcome.recall, outcome.false_reject_rate) == (None, None, None)


def test_total_of_outcomes_adds_them_up() -> None:
    both = truth.total(
        [
            Outcome(line="a", caught_count=3, rejected_count=1),
            Outcome(line="b", caught_count=1, missed_count=4),
        ]
    )

    assert (both.caught_count, both.missed_count, both.rejected_count) == (4, 4, 1)
    assert both.precision == 0.8
    assert both.recall == 0.5

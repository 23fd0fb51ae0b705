"""Accounts still add up when retention has removed rows."""

from inspection.domain.evidence import Limits
from inspection.domain.inspection import Verdict
from inspection.store import ledger
from tests import factories
from tests.factories import NOON
from tests.integration.keeping.conftest import Plant
from tests.integration.keeping.test_keeper import DAY_S, keeper


def test_account_adds_up_and_gaps_stay_visible_when_rows_are_removed(plant: Plant) -> None:
    plant.record(1, 2)
    plant.record(3, verdict=Verdict.NG)
    entries = [
        factories.uninspected(sequence_number=4),
        factories.dropped(sequence_number=5),
        factories.inspected(sequence_number=7),
    ]
    with plant.database.write() as connection:
        ledger.record(connection, entries, at=plant.clock())
    with plant.database.read() as connection:
        before = ledger.account_rows(connection, "cam-1", up_to=7)
    plant.clock.advance(400 * DAY_S)
    plant.record(8)

    report = keeper(plant, Limits()).round()

    with plant.database.write() as connection:
        # One that comes again is known; a row is never made twice.
        repeated = ledger.record(connection, [factories.inspected(sequence_number=2)], at=NOON)
        assert ledger.last_sequence_number(connection, "cam-1") == 8
        assert ledger.known(connection, "cam-1", [1, 2, 8, 9]) == {1, 2, 8}
        after = ledger.account_rows(connection, "cam-1", up_to=8)
    assert (report.row_count, plant.numbers) == (6, [8])
    assert repeated.repeated_count == 1
    assert (before.missing_count, after.missing_count) == (1, 1)
    assert after.inspected == before.inspected + 1
    assert (after.uninspected, after.dropped) == (before.uninspected, before.dropped)

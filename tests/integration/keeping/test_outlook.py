"""What is kept and gone, and when the room will be full."""

import threading
from datetime import timedelta

import pytest

from inspection.domain.evidence import Gone, KeepClass, Limits
from inspection.domain.forecast import Outlook
from inspection.domain.inspection import Verdict
from inspection.keeping.keeper import Keeper
from inspection.keeping.outlook import ROW_BYTES, Holdings, holdings
from tests.integration.keeping.conftest import PICTURE_BYTES, Plant

DAY_S = 86_400.0


def look(plant: Plant, limits: Limits) -> Holdings:
    return holdings(plant.database, plant.pictures, limits, at=plant.clock())


def keep(plant: Plant, limits: Limits) -> None:
    Keeper(
        plant.database, plant.pictures, limits, clock=plant.clock, stop=threading.Event()
    ).round()


def test_without_a_day_of_history_nothing_is_foretold(plant: Plant) -> None:
    limits = Limits()
    keep(plant, limits)
    plant.clock.advance(DAY_S / 2)
    plant.record(1)

    found = look(plant, limits)

    assert found.forecast.outlook is Outlook.UNKNOWN
    assert found.history_days == pytest.approx(0.5)
    assert (found.row_count, found.kept[KeepClass.OK].picture_count) == (1, 1)


def test_budget_that_fills_is_foretold_to_the_day(plant: Plant) -> None:
    limits = Limits(budget_bytes=100 * PICTURE_BYTES)
    keep(plant, limits)
    # Ten pictures and maps a day, for two days.
    plant.clock.advance(2 * DAY_S)
    plant.record(*range(1, 21))

    found = look(plant, limits)

    a_day_bytes = found.kept_bytes / 2
    if plant.database.is_sqlite:
        a_day_bytes += 10 * ROW_BYTES
    left_bytes = 100 * PICTURE_BYTES - found.kept_bytes
    assert (found.forecast.outlook, found.limit) == (Outlook.FULL, Gone.BUDGET)
    assert found.forecast.full_in_days == pytest.approx(left_bytes / a_day_bytes)


def test_age_limits_that_hold_it_are_said_to(plant: Plant) -> None:
    limits = Limits(
        ok_evidence=timedelta(days=3), rows=timedelta(days=3), budget_bytes=100 * PICTURE_BYTES
    )
    keep(plant, limits)
    plant.clock.advance(2 * DAY_S)
    plant.record(*range(1, 21))

    found = look(plant, limits)

    rows_bytes = 30 * ROW_BYTES if plant.database.is_sqlite else 0
    assert found.forecast.outlook is Outlook.STEADY
    assert found.forecast.steady_bytes == pytest.approx(1.5 * found.kept_bytes + rows_bytes)


def test_what_was_taken_stays_counted_by_reason(plant: Plant) -> None:
    plant.record(1, 2)
    plant.record(3, verdict=Verdict.NG)
    limits = Limits(budget_bytes=2 * PICTURE_BYTES)

    keep(plant, limits)

    found = look(plant, limits)
    assert found.gone[Gone.BUDGET].picture_count == 2
    assert found.kept[KeepClass.NG].picture_count == 1
    assert found.room is not None
    assert found.room.leaving_bytes == 2 * len(b"x" * 32) * (PICTURE_BYTES // 32)

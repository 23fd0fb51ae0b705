"""The calendar of shifts, and how long cameras were down in one."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from inspection.domain.health import CameraHealth, HealthState
from inspection.domain.shift import DEFAULT, Shift, ShiftCalendar
from inspection.errors import PreconditionError
from inspection.store import downtime, shifts
from inspection.store.audit import list_changes
from inspection.store.database import Database
from inspection.store.health import record_camera_health
from inspection.store.shifts import CalendarChange
from tests.factories import NOON

MINUTE = timedelta(minutes=1)
CALENDAR = ShiftCalendar(
    time_zone="Europe/Berlin",
    shifts=(
        Shift(name="Früh", begins=time(6), ends=time(14), days=("mon", "tue")),
        Shift(name="night", begins=time(22), ends=time(6)),
    ),
    holidays=frozenset({date(2026, 12, 25), date(2026, 5, 1)}),
)


def test_calendar_is_kept_as_it_was_set_and_audited(database: Database) -> None:
    change = CalendarChange(calendar=CALENDAR, at=NOON, by="anna", reason="new site")

    with database.write() as connection:
        first = shifts.set_shift_calendar(connection, change)
        again = shifts.set_shift_calendar(connection, replace(change, by="bert"))

    with database.read() as connection:
        kept = shifts.shift_calendar(connection)
        (audited,) = list_changes(connection, thing="shifts")
    assert first == again == kept
    assert (kept.version, kept.calendar, kept.set_by, kept.reason) == (
        1,
        CALENDAR,
        "anna",
        "new site",
    )
    assert audited.before is None
    assert audited.after is not None
    assert audited.after["holidays"] == ["2026-05-01", "2026-12-25"]


def test_without_a_calendar_the_whole_day_is_a_shift(database: Database) -> None:
    with database.read() as connection:
        found = shifts.shift_calendar(connection)

    assert (found.version, found.calendar) == (0, DEFAULT)


def test_change_of_a_calendar_that_somebody_else_has_changed_is_refused(
    database: Database,
) -> None:
    change = CalendarChange(calendar=CALENDAR, at=NOON, by="anna", known_version=0)

    with database.write() as connection:
        shifts.set_shift_calendar(connection, change)
        with pytest.raises(PreconditionError, match="version 1 by now"):
            shifts.set_shift_calendar(connection, replace(change, calendar=DEFAULT))


def test_downtime_is_what_was_stalled_or_blind_within_the_time(site_database: Database) -> None:
    def look(minute: int, state: HealthState, *, since: int | None = None) -> CameraHealth:
        return CameraHealth(
            camera="cam-1",
            line="line-1",
            state=state,
            detail="",
            since_at=NOON + (minute if since is None else since) * MINUTE,
            checked_at=NOON + minute * MINUTE,
            lag_s=0.0,
            waiting_count=0,
            last_frame_at=None,
        )

    looks = (
        look(0, HealthState.STALLED),
        look(5, HealthState.STALLED, since=0),
        look(20, HealthState.LIVE),
        look(30, HealthState.LAGGING),
        look(40, HealthState.BLIND),
        look(45, HealthState.LIVE),
        look(55, HealthState.ENDED),
    )
    before_at: datetime | None = None
    with site_database.write() as connection:
        for one in looks:
            assert record_camera_health(connection, one, before_at=before_at)
            before_at = one.checked_at

    def found(begin: int, end: int) -> dict[str, tuple[float, int, float]]:
        with site_database.read() as connection:
            rows = downtime.downtimes(
                connection, "line-1", from_at=NOON + begin * MINUTE, to_at=NOON + end * MINUTE
            )
        return {row.camera: (row.down_s / 60, row.down_count, row.unwatched_s / 60) for row in rows}

    assert found(-10, 60) == {"cam-1": (25, 2, 15), "cam-2": (0, 0, 70)}
    assert found(10, 42)["cam-1"] == (12, 2, 0)
    assert found(21, 39)["cam-1"] == (0, 0, 0)
    assert found(70, 80)["cam-1"] == (0, 0, 10)


def test_states_of_long_ago_are_forgotten(site_database: Database) -> None:
    old = datetime(2020, 1, 1, tzinfo=UTC)
    looked = CameraHealth(
        camera="cam-1",
        line="line-1",
        state=HealthState.STALLED,
        detail="",
        since_at=old,
        checked_at=old,
        lag_s=0.0,
        waiting_count=0,
        last_frame_at=None,
    )
    now = replace(looked, state=HealthState.LIVE, since_at=NOON, checked_at=NOON)

    with site_database.write() as connection:
        record_camera_health(connection, looked, before_at=None)
        record_camera_health(connection, now, before_at=old)

    with site_database.read() as connection:
        (of_1, _) = downtime.downtimes(connection, "line-1", from_at=old, to_at=old + MINUTE)
    assert of_1.unwatched_s == 60

"""Shifts by HTTP: one calendar, changed only by who has read it."""

from typing import Any

import pytest

from inspection.domain.access import Role
from tests.integration.api.conftest import Client

CALENDAR = {
    "time_zone": "Europe/Berlin",
    "shifts": [
        {"name": "early", "begins": "06:00", "ends": "14:00", "days": ["mon", "fri"]},
        {"name": "night", "begins": "22:00", "ends": "06:00"},
    ],
    "holidays": ["2026-12-25"],
    "reason": "two shifts",
}


def test_calendar_is_read_changed_and_read_again(client: Client) -> None:
    engineer = client(Role.ENGINEER)
    before = engineer.get("/api/v1/shifts")

    changed = engineer.put(
        "/api/v1/shifts", json=CALENDAR, headers={"If-Match": before.headers["ETag"]}
    )
    late = engineer.put(
        "/api/v1/shifts", json=CALENDAR, headers={"If-Match": before.headers["ETag"]}
    )

    assert before.json()["version"] == 0
    assert before.json()["shifts"][0] == {
        "name": "day",
        "begins": "00:00",
        "ends": "00:00",
        "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
    }
    assert changed.status_code == 200
    after = engineer.get("/api/v1/shifts")
    assert after.json() == changed.json()
    assert after.headers["ETag"] == changed.headers["ETag"]
    assert {key: after.json()[key] for key in ("time_zone", "holidays", "reason")} == {
        key: CALENDAR[key] for key in ("time_zone", "holidays", "reason")
    }
    assert late.status_code == 412
    assert engineer.put("/api/v1/shifts", json=CALENDAR).status_code == 428


@pytest.mark.parametrize(
    "change",
    [
        {"time_zone": "Mars/Olympus"},
        {"holidays": ["2026-02-30"]},
        {"holidays": ["tomorrow"]},
        {"shifts": []},
        {"shifts": [{"name": "x", "begins": "6", "ends": "14:00"}]},
        {"shifts": [*CALENDAR["shifts"], {"name": "x", "begins": "05:00", "ends": "07:00"}]},
    ],
)
def test_calendar_that_cannot_be_kept_is_refused(client: Client, change: dict[str, Any]) -> None:
    answer = client(Role.ENGINEER).put(
        "/api/v1/shifts", json=CALENDAR | change, headers={"If-Match": "*"}
    )

    assert answer.status_code == 422


def test_spans_are_those_of_the_calendar(client: Client) -> None:
    engineer = client(Role.ENGINEER)
    engineer.put("/api/v1/shifts", json=CALENDAR, headers={"If-Match": "*"})

    answer = engineer.get(
        "/api/v1/shifts/spans",
        params={"from_at": "2026-03-28T12:00:00Z", "to_at": "2026-03-29T12:00:00Z"},
    )

    assert answer.json()["items"] == [
        {
            "name": "night",
            "day": "2026-03-28",
            "start_at": "2026-03-28T21:00:00Z",
            "end_at": "2026-03-29T04:00:00Z",
        }
    ]


@pytest.mark.parametrize(
    ("from_at", "to_at"),
    [
        ("2026-03-02T00:00:00Z", "2028-03-02T00:00:00Z"),
        ("9999-12-31T23:59:59.999999Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z"),
    ],
)
def test_spans_of_impossible_times_are_refused(
    client: Client, from_at: str, to_at: str | None
) -> None:
    params = {"from_at": from_at} | ({} if to_at is None else {"to_at": to_at})

    answer = client(Role.VIEWER).get("/api/v1/shifts/spans", params=params)

    assert answer.status_code == 422

"""Thresholds through the interface: set with what was seen, listed, rolled back."""

from datetime import datetime

import pytest
from fastapi.testclient import TestClient

from inspection.domain.access import Role
from inspection.store import audit
from inspection.store.database import Database
from tests.integration.api.conftest import Client

LINE = "/api/v1/lines/line-1/threshold"


@pytest.fixture
def engineer(client: Client) -> TestClient:
    return client(Role.ENGINEER)


def test_threshold_is_set_over_the_version_that_was_seen(
    engineer: TestClient, site_database: Database
) -> None:
    seen = engineer.get(LINE)

    body = {"value": 0.62, "reason": "new supplier"}
    answer = engineer.put(LINE, json=body, headers={"If-Match": seen.headers["ETag"]})

    assert (seen.json()["version"], seen.json()["value"]) == (1, 0.5)
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["version"], shown["value"], shown["reason"]) == (2, 0.62, "new supplier")
    assert shown["scope"] == "line=line-1"
    # By the database's clock, a second from now; the clock of the interface stands at noon.
    effective_at = datetime.fromisoformat(shown["effective_at"])
    assert effective_at > datetime.fromisoformat(shown["set_at"])
    with site_database.read() as connection:
        (change,) = audit.list_changes(connection, limit=1)
    assert (change.thing, change.who) == ("threshold", shown["set_by"])


def test_threshold_is_not_set_over_a_version_that_was_not_seen(engineer: TestClient) -> None:
    seen = engineer.get(LINE).headers["ETag"]
    body = {"value": 0.62, "reason": "new supplier"}
    engineer.put(LINE, json=body, headers={"If-Match": seen})

    late = engineer.put(LINE, json=body, headers={"If-Match": seen})
    blind = engineer.put(LINE, json=body)

    assert (late.status_code, blind.status_code) == (412, 428)
    assert engineer.get(LINE).json()["version"] == 2


def test_first_threshold_of_a_scope_differs_from_its_line(engineer: TestClient) -> None:
    where = {"camera": "cam-2"}
    missing = engineer.get(LINE, params=where)

    made = engineer.put(LINE, params=where, json={"value": None, "reason": "new lamp"})

    assert missing.status_code == 404
    assert made.status_code == 200
    items = engineer.get("/api/v1/thresholds", params={"line": "line-1"}).json()["items"]
    assert [(each["scope"], each["value"], each["differs_from_line"]) for each in items] == [
        ("line=line-1", 0.5, False),
        ("line=line-1 camera=cam-2", None, True),
    ]


def test_rolling_back_sets_a_former_version_again(engineer: TestClient) -> None:
    for value in (0.6, 0.7):
        engineer.put(LINE, json={"value": value, "reason": "try"}, headers={"If-Match": "*"})

    back = engineer.post(f"{LINE}/rollback", json={"reason": "it was worse"})
    first = engineer.post(f"{LINE}/rollback", json={"reason": "start again", "version": 1})
    late = engineer.post(f"{LINE}/rollback", json={"reason": "late", "known_version": 3})

    assert (back.json()["version"], back.json()["value"]) == (4, 0.6)
    assert (first.json()["value"], first.json()["reason"]) == (
        0.5,
        "back to version 1: start again",
    )
    assert late.status_code == 412
    page = engineer.get(f"{LINE}-versions", params={"limit": 2}).json()
    rest = engineer.get(f"{LINE}-versions", params={"cursor": page["next_cursor"]}).json()
    assert [each["version"] for each in page["items"] + rest["items"]] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (LINE, {"value": "NaN", "reason": "why"}, 422),
        (LINE, {"value": 0.5}, 422),
        (LINE, {"value": 0.5, "reason": " "}, 422),
        (f"{LINE}?camera=cam-9", {"value": 0.5, "reason": "why"}, 404),
        (f"{LINE}?product=%00", {"value": 0.5, "reason": "why"}, 422),
        ("/api/v1/lines/line-9/threshold", {"value": 0.5, "reason": "why"}, 404),
    ],
)
def test_threshold_that_cannot_be_is_refused(
    engineer: TestClient, path: str, body: dict[str, object], status: int
) -> None:
    answer = engineer.put(path, json=body, headers={"If-Match": "*"})

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_nothing_to_roll_back_to_is_a_conflict(engineer: TestClient) -> None:
    alone = engineer.post(f"{LINE}/rollback", json={"reason": "why"})
    unknown = engineer.post(f"{LINE}/rollback", json={"reason": "why", "version": 9})

    assert (alone.status_code, unknown.status_code) == (409, 404)

"""What-if questions through the interface: frames at once, a replay as a stream, then applied."""

import json
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inspection.api.installation import Installation
from inspection.domain.access import Role
from inspection.domain.inspection import Verdict
from inspection.store import ledger, replays, thresholds
from inspection.store.database import Database
from tests import factories
from tests.conftest import Clock
from tests.factories import NOON
from tests.integration.api.conftest import Client

PATH = "/api/v1/what-if"
LINE = "/api/v1/lines/line-1/threshold"


@pytest.fixture
def engineer(client: Client, site_database: Database, clock: Clock) -> TestClient:
    """Asks after ten frames with scores 0, 0.1 … 0.9, of which those over 0.5 are NG."""
    with site_database.read() as connection:
        (threshold,) = thresholds.list_thresholds(connection, line="line-1")
    entries = []
    for number in range(10):
        who = {"sequence_number": number + 1, "captured_at": NOON + timedelta(minutes=number)}
        score = number / 10
        inspection = factories.inspection(
            **who,
            score=score,
            verdict=Verdict.NG if score > 0.5 else Verdict.OK,
            threshold=threshold,
        )
        frame = factories.frame(**who, part_serial=f"S-{number // 2}")
        picture = factories.picture() if number == 7 else None
        entries.append(
            factories.inspected(**who, inspection=inspection, frame=frame, picture=picture)
        )
    with site_database.write() as connection:
        ledger.record(connection, entries, at=NOON)
    clock.advance(3600)
    return client(Role.ENGINEER)


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_answer_says_what_would_flip_and_shows_the_hardest_cases(engineer: TestClient) -> None:
    answer = engineer.post(PATH, json={"line": "line-1", "value": 0.65, "examples": 2})

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["frames"] == 10
    assert shown["now"] == {"ok": 6, "ng": 4, "pending": 0}
    assert shown["then"] == {"ok": 7, "ng": 3, "pending": 0}
    assert shown["flips"]["ng_to_ok"] == 1
    assert sum(shown["flips"].values()) == 1
    assert shown["ng_per_hour"] == {"now": pytest.approx(4 / 24), "then": pytest.approx(3 / 24)}
    (example,) = shown["examples"]
    assert (example["frame_id"], example["score"]) == ("cam-1/7", 0.6)
    assert (example["now"], example["then"], example["has_picture"]) == ("NG", "OK", False)


def test_replay_tells_how_far_it_is_and_ends_with_parts_and_alerts(
    engineer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "SLICE_LENGTH", 4)

    answer = engineer.get(f"{PATH}/replay", params={"line": "line-1", "value": 0.95})

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *progress, (name, result) = events(answer.text)
    assert [each for each, _ in progress] == ["progress"] * 3
    shares = [data["share"] for _, data in progress]
    assert shares == sorted(shares)
    assert name == "result"
    assert result["parts"]["now"] == {"OK": 3, "pending": 0, "uninspected": 0, "NG": 2}
    assert result["parts"]["then"] == {"OK": 5, "pending": 0, "uninspected": 0, "NG": 0}
    assert result["parts"]["flips"] == {"NG_to_OK": 2}
    assert result["alerts"] == [{"rule": "ng", "kind": "ng", "now": 4, "then": 0}]
    assert set(result["left_out"]) == {"uninspected", "drift", "camera", "backlog"}


def test_replay_ends_with_a_problem_while_enough_others_are_replayed(
    engineer: TestClient, installation: Installation
) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(installation.replays.place())

        answer = engineer.get(f"{PATH}/replay", params={"line": "line-1", "value": 0.95})

    ((name, problem),) = events(answer.text)
    assert (name, problem["status"]) == ("problem", 503)
    replayed = engineer.get(f"{PATH}/replay", params={"line": "line-1", "value": 0.95})
    assert events(replayed.text)[-1][0] == "result"


def test_answer_is_applied_unless_somebody_was_faster(engineer: TestClient) -> None:
    asked = {"line": "line-1", "value": 0.65}
    tag = engineer.post(PATH, json=asked).json()["etag"]
    body = {"value": 0.65, "reason": "fewer false rejects"}

    applied = engineer.put(LINE, json=body, headers={"If-Match": tag})
    again = engineer.put(LINE, json=body, headers={"If-Match": tag})

    assert (applied.status_code, again.status_code) == (200, 412)
    assert engineer.post(PATH, json=asked).json()["version"] == 2


def test_former_version_and_withdrawal_can_be_asked_about(engineer: TestClient) -> None:
    withdrawn = engineer.post(PATH, json={"line": "line-1", "is_withdrawn": True}).json()
    former = engineer.post(PATH, json={"line": "line-1", "version": 1}).json()

    assert withdrawn["then"] == {"ok": 0, "ng": 0, "pending": 10}
    assert (former["value"], former["then"]) == (0.5, former["now"])


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"value": 0.5, "version": 1}, 422),
        ({}, 422),
        ({"value": 0.5, "from_at": "2026-03-02T12:00:00"}, 422),
        ({"value": 0.5, "to_at": "0001-01-01T00:00:00Z"}, 422),
        ({"value": 0.5, "to_at": "9999-12-31T23:59:59Z"}, 422),
        ({"value": 0.5, "from_at": "2026-03-03T12:00:00Z"}, 422),
        ({"value": 0.5, "camera": "cam-9"}, 404),
        ({"version": 7}, 404),
    ],
)
def test_question_that_cannot_be_answered_is_refused(
    engineer: TestClient, asked: dict[str, Any], status: int
) -> None:
    at_once = engineer.post(PATH, json={"line": "line-1", **asked})
    replayed = engineer.get(f"{PATH}/replay", params={"line": "line-1", **asked})

    assert (at_once.status_code, replayed.status_code) == (status, status)
    assert at_once.headers["Content-Type"] == "application/problem+json"

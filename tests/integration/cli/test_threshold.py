"""`inspection threshold set`: limits of every scope, never a value that means nothing."""

from datetime import timedelta

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.store import ledger, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)


def in_force(database: Database) -> dict[Scope, tuple[int, float | None, str]]:
    with database.read() as connection:
        newest = thresholds.list_thresholds(connection)
    return {one.scope: (one.version, one.value, one.reason) for one in newest}


def test_threshold_set_takes_every_scope_and_withdraws(
    site_console: Console, site_database: Database
) -> None:
    ended = together(
        [
            (site_console, ["threshold", "set", "line-1", "none", "--reason", "new camera"]),
            (site_console, ["threshold", "set", "line-1", "0.6", "--product", "steel washer"]),
            (site_console, ["threshold", "set", "line-1", "0.7", "--station", "station-2"]),
            (site_console, ["threshold", "set", "line-1", "8e-1", "--camera", "cam-2"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(0, "")] * 4
    assert ended[0].sentence == "line=line-1: version 2, withdrawn"
    assert ended[3].sentence == "line=line-1 camera=cam-2: version 1, 0.8"
    assert in_force(site_database) == {
        Scope(line="line-1"): (2, None, "new camera"),
        Scope(line="line-1", product="steel washer"): (1, 0.6, ""),
        Scope(line="line-1", station="station-2"): (1, 0.7, ""),
        Scope(line="line-1", camera="cam-2"): (1, 0.8, ""),
    }


def test_threshold_set_refuses_what_cannot_work_and_changes_nothing(
    site_console: Console, site_database: Database
) -> None:
    before = in_force(site_database)

    ended = together(
        [
            (site_console, ["threshold", "set", "line-1", "nan"]),
            (site_console, ["threshold", "set", "line-1", "0.5", "--product", ""]),
            (site_console, ["threshold", "set", "line-9", "0.5"]),
            (site_console, ["threshold", "set", "line-1", "0.5", "--camera", "cam-3"]),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 1, 1]
    assert not any(one.out for one in ended)
    assert "give one such as 0.62, or `none`" in ended[0].sentence
    assert "needs a name" in ended[1].sentence
    assert ended[2].sentence == "there is no line 'line-9'; there are: line-1, line-2"
    assert ended[3].sentence == "line 'line-1' has no camera 'cam-3'; it has: cam-1, cam-2"
    assert in_force(site_database) == before


def record(database: Database) -> None:
    """Record ten frames with scores 0, 0.1 … 0.9, of which those over 0.5 are NG."""
    with database.read() as connection:
        (threshold,) = thresholds.list_thresholds(connection, line="line-1")
    entries = []
    for number in range(10):
        who = {"sequence_number": number + 1, "captured_at": NOON + timedelta(minutes=number)}
        score = number / 10
        verdict = Verdict.NG if score > 0.5 else Verdict.OK
        inspection = factories.inspection(**who, score=score, verdict=verdict, threshold=threshold)
        entries.append(factories.inspected(**who, inspection=inspection))
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON)


def test_threshold_what_if_says_what_would_flip_and_is_applied(
    site_console: Console, site_database: Database
) -> None:
    record(site_database)
    asked = ["threshold", "what-if", "line-1", "0.65", "--since", NOON.isoformat()]
    period = ["--until", "2026-03-02T13:00:00Z"]

    shown = site_console.data(*asked, *period, "--apply", "--reason", "fewer false rejects")
    former, late, for_people = together(
        [
            (site_console, [*asked[:3], "--version", "1", *asked[4:], *period, "--json"]),
            (site_console, [*asked, *period, "--apply"]),
            (site_console, [*asked, *period, "--no-replay"]),
        ]
    )

    assert shown["now"] == {"ok": 6, "ng": 4, "pending": 0}
    assert shown["then"] == {"ok": 7, "ng": 3, "pending": 0}
    assert shown["flips"]["ng_to_ok"] == 1
    assert shown["ng_per_hour"] == {"now": 4.0, "then": 3.0}
    assert shown["parts"]["flips"] == {}  # all frames are of one part
    assert [each["now"] for each in shown["alerts"]] == [4]
    assert [each["frame_id"] for each in shown["examples"]] == ["cam-1/7"]
    assert shown["applied_version"] == 2
    assert in_force(site_database)[Scope(line="line-1")] == (2, 0.65, "fewer false rejects")
    assert former.json["value"] == 0.5
    assert (late.code, late.out) == (2, "")
    assert "--apply needs a --reason" in late.sentence
    assert (for_people.code, for_people.err) == (0, "")
    assert "ng_to_ok 1" in for_people.out


def test_threshold_history_list_and_rollback(site_console: Console) -> None:
    site_console.run("threshold", "set", "line-1", "0.6", "--reason", "new supplier")
    site_console.run("threshold", "set", "line-1", "0.7", "--camera", "cam-2")

    back = site_console.data("threshold", "rollback", "line-1", "--reason", "it was worse")
    history, listed, for_people, alone = together(
        [
            (site_console, ["threshold", "history", "line-1", "--json"]),
            (site_console, ["threshold", "list", "--json"]),
            (site_console, ["threshold", "list", "line-1"]),
            (site_console, ["threshold", "rollback", "line-1", "--camera", "cam-2"]),
        ]
    )

    assert (back["version"], back["value"]) == (3, 0.5)
    versions = [(each["version"], each["value"]) for each in history.json]
    assert versions == [(3, 0.5), (2, 0.6), (1, 0.5)]
    assert history.json[0]["reason"] == "back to version 1: it was worse"
    assert [(each["scope"], each["differs_from_line"]) for each in listed.json] == [
        ("line=line-1", False),
        ("line=line-1 camera=cam-2", True),
    ]
    assert "line=line-1 camera=cam-2" in for_people.out
    assert (alone.code, alone.sentence) == (
        1,
        "line=line-1 camera=cam-2 has no version before the newest one",
    )

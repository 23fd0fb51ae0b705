"""`inspection line calibrate`: a threshold with a promise, a dry run, and what is still missing."""

from datetime import timedelta
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.store import calibrations, ledger, thresholds
from inspection.store.database import Database
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

#: A promise that 99 good parts can carry.
WISH = ("--from-last", "100", "--false-reject-rate", "0.03", "--confidence", "0.95")


def inspect(database: Database, count: int, *, camera: str = "cam-1", **changes: Any) -> None:
    """Record inspections that score 0.001, 0.002 … and were judged by the threshold 0.5."""
    with database.read() as connection:
        threshold = thresholds.list_thresholds(connection, line="line-1")[0]
    entries = []
    for number in range(1, count + 1):
        who = {
            "camera": camera,
            "sequence_number": number,
            "captured_at": NOON + timedelta(seconds=number),
        }
        inspection = factories.inspection(
            **who, score=number / 1000, verdict=Verdict.OK, threshold=threshold, **changes
        )
        entries.append(factories.inspected(**who, inspection=inspection))
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON)


def test_calibrate_sets_a_bound_threshold_with_its_promise(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 120)

    printed = site_console.data("line", "calibrate", "line-1", *WISH, "--reason", "lot 7 is good")

    assert printed == {
        "line": "line-1",
        "scope": "line=line-1",
        "threshold": 0.12,
        "good_count": 100,
        "needed": 99,
        "false_reject_rate": 0.03,
        "confidence": 0.95,
        "bound": pytest.approx(0.02951, abs=1e-5),
        "checkpoint_hash": CHECKPOINT_HASH,
        "reference_hash": None,
        "others_count": 0,
        "history": {
            "rows": 120,
            "ok_before": 120,
            "ng_before": 0,
            "pending_before": 0,
            "ok_after": 120,
            "ng_after": 0,
            "flips": {"ng_to_ok": 0, "ok_to_ng": 0},
            "ng_after_rate": 0.0,
        },
        "is_dry_run": False,
    }
    (threshold,) = site_console.data("line", "show", "line-1")["thresholds"]
    assert (threshold["version"], threshold["value"]) == (2, 0.12)
    assert threshold["reason"] == "lot 7 is good"
    assert threshold["checkpoint_hash"] == CHECKPOINT_HASH
    assert threshold["promise"] == {
        "false_reject_rate": 0.03,
        "confidence": 0.95,
        "good_count": 100,
        "withdrawn_at": None,
        "why": None,
    }


def test_calibrate_says_what_it_would_do_and_changes_nothing_when_it_runs_dry(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 120, camera="cam-2")
    command = ("line", "calibrate", "line-1", *WISH, "--station", "station-2", "--dry-run")

    printed = site_console.data(*command)
    for_people = site_console.run(*command)

    assert (printed["scope"], printed["threshold"]) == ("line=line-1 station=station-2", 0.12)
    assert printed["is_dry_run"]
    assert (for_people.code, for_people.err) == (0, "")
    assert "ok_to_ng 0" in for_people.out
    with site_database.read() as connection:
        assert [t.version for t in thresholds.list_thresholds(connection)] == [1]


def test_calibrate_takes_scores_of_the_detector_in_use_and_says_what_it_passed_over(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 130, camera="cam-1", checkpoint_hash="old")
    inspect(site_database, 131, camera="cam-2")

    ended = site_console.run("line", "calibrate", "line-1", *WISH)

    assert ended.code == 0
    assert "99 inspections by another checkpoint or reference were passed over" in ended.sentence


def test_calibrate_with_too_few_parts_says_how_many_more_are_needed(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 90)

    nothing, some, as_json = together(
        [
            (site_console, ["line", "calibrate", "line-2", *WISH]),
            (site_console, ["line", "calibrate", "line-1", *WISH]),
            (site_console, ["line", "calibrate", "line-1", *WISH, "--dry-run", "--json"]),
        ]
    )

    assert [one.code for one in (nothing, some, as_json)] == [1, 1, 1]
    assert (nothing.out, some.out) == ("", "")
    assert nothing.sentence.startswith("line=line-2: 99 more good parts are needed: 0 were taken")
    assert some.sentence == (
        "line=line-1: 9 more good parts are needed: 90 were taken, and this promise needs 99; "
        "nothing was changed"
    )
    assert (as_json.json["threshold"], as_json.json["needed"]) == (None, 99)
    assert (as_json.json["good_count"], as_json.json["history"]) == (90, None)
    with site_database.read() as connection:
        assert [t.version for t in thresholds.list_thresholds(connection)] == [1]


def test_calibrate_refuses_promises_nobody_can_make(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 120)

    def command(rate: str, confidence: str, *, count: str = "100") -> list[str]:
        promise = ["--false-reject-rate", rate, "--confidence", confidence]
        return ["line", "calibrate", "line-1", "--from-last", count, *promise]

    ended = together(
        [
            (site_console, command("0", "0.95")),
            (site_console, command("1", "0.95")),
            (site_console, command("nan", "0.95")),
            (site_console, command("0.03", "1")),
            (site_console, command("0.03", "0.95", count="0")),
            (site_console, [*command("0.03", "0.95"), "--camera", "cam-9"]),
        ]
    )

    assert [one.code for one in ended] == [2, 2, 2, 2, 2, 1]
    assert ended[0].sentence == (
        "a false-reject rate of 0.0 cannot be promised; take one greater than 0 and less than 1"
    )
    assert ended[5].sentence == "line 'line-1' has no camera 'cam-9'; it has: cam-1, cam-2"
    with site_database.read() as connection:
        assert [t.version for t in thresholds.list_thresholds(connection)] == [1]


def test_line_shows_why_a_promise_was_withdrawn(
    site_console: Console, site_database: Database
) -> None:
    inspect(site_database, 120)
    site_console.data("line", "calibrate", "line-1", *WISH)
    with site_database.write() as connection:
        (watched,) = calibrations.standing(connection)
        calibrations.withdraw(
            connection, watched, watched.state, 200, at=NOON, why="scores have gone higher"
        )

    (threshold,) = site_console.data("line", "show", "line-1")["thresholds"]

    assert threshold["promise"]["withdrawn_at"] == NOON.isoformat()
    assert threshold["promise"]["why"] == "scores have gone higher"

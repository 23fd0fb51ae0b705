"""Promises are kept with their thresholds, watched from a position, and withdrawn once."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from inspection.domain.calibration import Calibration, Promise
from inspection.domain.drift import DriftState, marks_of, watch
from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope, Threshold
from inspection.store import audit, calibrations, ledger, tables, thresholds
from inspection.store.calibration_sets import CalibrationSet
from inspection.store.calibrations import Passage, Watched
from inspection.store.database import Database
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

LATER = NOON + timedelta(hours=1)
LINE = Scope(line="line-1")
REFERENCE_HASH = "feed" * 16
SCORES = tuple(number / 1000 for number in range(1000))
CALIBRATION = Calibration(
    threshold=0.998,
    good_count=1000,
    order=999,
    false_reject_rate=0.005,
    bound=0.00473,
    confidence=0.95,
)


def promised(database: Database, scope: Scope = LINE) -> Threshold:
    used = CalibrationSet(
        scope=scope,
        scores=SCORES,
        checkpoint_hash=CHECKPOINT_HASH,
        reference_hash=REFERENCE_HASH,
        others_count=0,
    )
    with database.write() as connection:
        return calibrations.set_promise(
            connection, used, CALIBRATION, at=NOON, by="ann", reason="1000 good parts"
        )


def standing(database: Database) -> list[Watched]:
    with database.read() as connection:
        return calibrations.standing(connection)


def passage(database: Database, watched: Watched) -> Passage:
    with database.read() as connection:
        return calibrations.passage(connection, watched)


def record(database: Database, *scores: float, threshold: Threshold, first: int = 1) -> None:
    entries = [
        factories.inspected(
            sequence_number=number,
            inspection=factories.inspection(
                sequence_number=number, score=score, verdict=Verdict.OK, threshold=threshold
            ),
        )
        for number, score in enumerate(scores, first)
    ]
    with database.write() as connection:
        ledger.record(connection, entries, at=NOON)


def test_promise_is_set_with_a_threshold_bound_to_its_scores(site_database: Database) -> None:
    threshold = promised(site_database)

    with site_database.read() as connection:
        assert thresholds.list_thresholds(connection) == [threshold]
        found = calibrations.promises(connection, [1, threshold.threshold_id])
    assert (threshold.version, threshold.value, threshold.is_bound) == (2, 0.998, True)
    assert threshold.checkpoint_hash == CHECKPOINT_HASH
    assert threshold.reference_hash == REFERENCE_HASH
    assert found == {
        threshold.threshold_id: Promise(
            false_reject_rate=0.005,
            confidence=0.95,
            good_count=1000,
            bound=0.00473,
            made_at=NOON,
        )
    }


def test_bound_threshold_is_audited_with_what_it_is_bound_to(site_database: Database) -> None:
    promised(site_database)

    with site_database.read() as connection:
        (newest,) = audit.list_changes(connection, limit=1)
    assert newest.after is not None
    assert {name: value for name, value in newest.after.items() if name != "effective_at"} == {
        "version": 2,
        "value": 0.998,
        "reason": "1000 good parts",
        "checkpoint_hash": CHECKPOINT_HASH,
        "reference_hash": REFERENCE_HASH,
    }


def test_promises_of_thresholds_in_force_are_watched(site_database: Database) -> None:
    promised(site_database)
    newest = promised(site_database)
    of_camera = promised(site_database, Scope(line="line-1", camera="cam-2", product="nut"))
    replaced = promised(site_database, Scope(line="line-2"))
    with site_database.write() as connection:
        thresholds.set_threshold(
            connection, replaced.scope, 0.5, at=LATER, by="ann", reason="by hand"
        )

    watched = standing(site_database)

    assert [each.threshold_id for each in watched] == [newest.threshold_id, of_camera.threshold_id]
    assert [each.scope for each in watched] == [newest.scope, of_camera.scope]
    assert watched[0].marks == marks_of(SCORES)
    assert watched[0].state == DriftState()


def test_passage_holds_the_scores_its_threshold_has_judged_since(site_database: Database) -> None:
    with site_database.read() as connection:
        (by_hand,) = thresholds.list_thresholds(connection)
    record(site_database, 0.1, threshold=by_hand)
    threshold = promised(site_database)
    record(site_database, 0.2, 0.3, threshold=threshold, first=2)
    record(site_database, 0.4, threshold=by_hand, first=4)

    (watched,) = standing(site_database)
    found = passage(site_database, watched)

    assert [score for _, score in found.judged] == [0.2, 0.3]
    assert (found.row_count, found.position) == (3, watched.position + 3)
    assert found.is_worth_noting


def test_quiet_line_moves_its_position_only_when_others_have_recorded_much(
    site_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with site_database.read() as connection:
        (by_hand,) = thresholds.list_thresholds(connection)
    promised(site_database)
    monkeypatch.setattr(calibrations, "IDLE_STRIDE", 3)
    (watched,) = standing(site_database)
    nothing = passage(site_database, watched)

    record(site_database, 0.1, 0.2, threshold=by_hand)
    little = passage(site_database, watched)
    record(site_database, 0.3, threshold=by_hand, first=3)
    much = passage(site_database, watched)

    assert nothing == Passage(position=watched.position, row_count=0, judged=[])
    assert (little.is_worth_noting, much.is_worth_noting) == (False, True)


def test_passage_is_bounded(site_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    threshold = promised(site_database)
    record(site_database, 0.1, 0.2, 0.3, threshold=threshold)
    monkeypatch.setattr(calibrations, "STRIDE", 2)
    (watched,) = standing(site_database)

    first = passage(site_database, watched)
    second = passage(site_database, replace(watched, position=first.position))

    assert [score for _, score in first.judged] == [0.1, 0.2]
    assert [score for _, score in second.judged] == [0.3]


def test_state_is_kept_exactly_and_moved_by_one_worker_only(site_database: Database) -> None:
    promised(site_database)
    (watched,) = standing(site_database)
    state = watch(watched.state, watched.marks, [0.1, 0.123456789, 0.9])

    with site_database.write() as connection:
        first = calibrations.advance(connection, watched, state, 7)
        second = calibrations.advance(connection, watched, DriftState(), 9)

    assert (first, second) == (True, False)
    assert standing(site_database) == [replace(watched, state=state, position=7)]


def test_withdrawn_promise_is_no_longer_watched_and_its_threshold_stays_in_force(
    site_database: Database,
) -> None:
    threshold = promised(site_database)
    (watched,) = standing(site_database)
    alarmed = watch(watched.state, watched.marks, [5.0] * 100)

    with site_database.write() as connection:
        first = calibrations.withdraw(connection, watched, alarmed, 7, at=LATER, why="higher")
        second = calibrations.withdraw(connection, watched, alarmed, 7, at=LATER, why="again")

    assert (first, second) == (True, False)
    assert standing(site_database) == []
    with site_database.read() as connection:
        promise = calibrations.promises(connection, [threshold.threshold_id])
        (newest,) = audit.list_changes(connection, limit=1)
        assert thresholds.list_thresholds(connection) == [threshold]
    assert promise[threshold.threshold_id].withdrawn_at == LATER
    assert promise[threshold.threshold_id].withdrawn_why == "higher"
    assert (newest.action, newest.thing, newest.name) == ("withdrawn", "promise", "line=line-1")
    assert newest.after == {"version": 2, "why": "higher"}


def test_line_lacks_a_promise_until_the_threshold_is_replaced(site_database: Database) -> None:
    def lines_without() -> list[str]:
        with site_database.read() as connection:
            line = tables.lines.c
            return list(
                connection.scalars(select(line.name).where(calibrations.has_withdrawn(line.id)))
            )

    promised(site_database)
    (watched,) = standing(site_database)
    before = lines_without()
    with site_database.write() as connection:
        calibrations.withdraw(connection, watched, watched.state, 7, at=LATER, why="higher")
    withdrawn = lines_without()
    promised(site_database)

    assert (before, withdrawn, lines_without()) == ([], ["line-1"], [])

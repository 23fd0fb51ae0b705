"""What a threshold is calibrated on: one scope, one detector and reference, by exposure."""

from datetime import timedelta
from typing import Any

import pytest

from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.domain.line import Scope, Threshold
from inspection.errors import NotFoundError
from inspection.store import ledger
from inspection.store.calibration_sets import (
    CalibrationSet,
    Replay,
    newest_set,
    oldest_set,
    replayed,
)
from inspection.store.database import Database
from inspection.store.thresholds import list_thresholds
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

LINE = Scope(line="line-1")
REFERENCE_HASH = "feed" * 16


class History:
    """Records one inspection a second, in any order of the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[str, int] = {}

    def add(
        self,
        *scores: float,
        camera: str = "cam-1",
        verdict: Verdict = Verdict.PENDING,
        at_s: float = 0.0,
        **changes: Any,
    ) -> None:
        entries: list[Entry] = []
        for seconds, score in enumerate(scores):
            number = self._numbers[camera] = self._numbers.get(camera, 0) + 1
            who = {
                "camera": camera,
                "sequence_number": number,
                "captured_at": NOON + timedelta(seconds=at_s + seconds),
            }
            product = changes.get("product", "washer")
            given = factories.inspection(
                **who,
                **{"threshold": self._threshold(verdict), **changes},
                score=score,
                verdict=verdict,
            )
            seen = factories.frame(**who, product=product)
            entries.append(
                factories.inspected(**who, product=product, inspection=given, frame=seen)
            )
        with self._database.write() as connection:
            ledger.record(connection, entries, at=NOON)

    def _threshold(self, verdict: Verdict) -> Threshold | None:
        if verdict is Verdict.PENDING:
            return None
        with self._database.read() as connection:
            return list_thresholds(connection, line="line-1")[0]


@pytest.fixture
def history(site_database: Database) -> History:
    return History(site_database)


def newest(database: Database, scope: Scope, count: int = 100) -> CalibrationSet:
    with database.read() as connection:
        found = newest_set(connection, scope, count)
    assert found is not None
    return found


def test_newest_set_takes_the_last_exposures_first(
    site_database: Database, history: History
) -> None:
    history.add(0.3, 0.4, at_s=10)
    history.add(0.1, 0.2, at_s=0)

    found = newest(site_database, LINE, 3)

    assert found == CalibrationSet(
        scope=LINE,
        scores=(0.4, 0.3, 0.2),
        checkpoint_hash=CHECKPOINT_HASH,
        reference_hash=None,
        others_count=0,
    )


def test_newest_set_leaves_out_and_counts_scores_of_other_checkpoints_and_references(
    site_database: Database, history: History
) -> None:
    history.add(0.9, 0.8, checkpoint_hash="old", at_s=0)
    history.add(0.7, at_s=10)
    history.add(0.1, reference_hash=REFERENCE_HASH, at_s=20)
    history.add(0.6, at_s=30)
    history.add(0.2, reference_hash=REFERENCE_HASH, at_s=40)

    all_there_is = newest(site_database, LINE)
    last_two = newest(site_database, LINE, 2)

    assert all_there_is.scores == (0.2, 0.1)
    assert all_there_is.reference_hash == REFERENCE_HASH
    assert all_there_is.others_count == 4
    # Those before the first that was taken do not matter.
    assert (last_two.scores, last_two.others_count) == ((0.2, 0.1), 1)


def test_oldest_set_takes_the_first_exposures_of_the_detector_in_use(
    site_database: Database, history: History
) -> None:
    history.add(0.9, checkpoint_hash="old", at_s=0)
    history.add(0.1, 0.2, 0.3, at_s=10)

    with site_database.read() as connection:
        found = oldest_set(connection, LINE, 2)

    assert found is not None
    assert (found.scores, found.others_count) == ((0.1, 0.2), 1)


@pytest.mark.parametrize(
    ("scope", "scores"),
    [
        (LINE, (0.3, 0.2, 0.1)),
        (Scope(line="line-1", product="nut"), (0.2,)),
        (Scope(line="line-1", station="station-2"), (0.3,)),
        (Scope(line="line-1", camera="cam-1"), (0.2, 0.1)),
        (Scope(line="line-1", camera="cam-1", product="washer"), (0.1,)),
        (Scope(line="line-1", station="station-1", camera="cam-1"), (0.2, 0.1)),
    ],
)
def test_set_holds_what_falls_under_its_scope(
    site_database: Database, history: History, scope: Scope, scores: tuple[float, ...]
) -> None:
    history.add(0.1, at_s=0)
    history.add(0.2, at_s=10, product="nut")
    history.add(0.3, at_s=20, camera="cam-2")
    history.add(0.4, at_s=30, camera="cam-3")

    assert newest(site_database, scope).scores == scores


def test_there_is_no_set_where_nothing_was_inspected(site_database: Database) -> None:
    with site_database.read() as connection:
        assert newest_set(connection, LINE, 10) is None
        with pytest.raises(NotFoundError, match="there is no line 'line-9'"):
            newest_set(connection, Scope(line="line-9"), 10)


def test_replay_counts_verdicts_before_and_after_and_what_flips(
    site_database: Database, history: History
) -> None:
    history.add(0.9, checkpoint_hash="old", at_s=0)
    history.add(0.1, 0.45, at_s=10, verdict=Verdict.OK)
    history.add(0.55, 0.9, 0.95, at_s=20, verdict=Verdict.NG)
    history.add(0.3, 0.7, at_s=30)
    used = newest(site_database, LINE)

    with site_database.read() as connection:
        higher = replayed(connection, used, 0.6)
        lower = replayed(connection, used, 0.4)

    assert higher == Replay(
        row_count=7,
        ng_before_count=3,
        ok_before_count=2,
        pending_before_count=2,
        ng_after_count=3,
        ng_to_ok_count=1,
        ok_to_ng_count=0,
    )
    assert higher.ng_after_rate == pytest.approx(3 / 7)
    assert (lower.ng_to_ok_count, lower.ok_to_ng_count) == (0, 1)

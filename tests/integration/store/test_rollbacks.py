"""Rolling back: a former threshold is set again, with all that it was."""

from datetime import timedelta

import pytest

from inspection.domain.calibration import Calibration
from inspection.domain.drift import DriftState
from inspection.domain.line import Scope, Threshold
from inspection.errors import ConflictError, NotFoundError, PreconditionError
from inspection.store import calibrations, threshold_list, thresholds
from inspection.store.calibration_sets import CalibrationSet
from inspection.store.database import Database
from inspection.store.rollbacks import Rollback, roll_back
from inspection.store.thresholds import NewThreshold, add_version
from tests import factories
from tests.factories import CHECKPOINT_HASH, NOON

MADE = Calibration(
    threshold=0.098,
    good_count=100,
    order=99,
    false_reject_rate=0.05,
    bound=0.0473,
    confidence=0.95,
)
LATER = NOON + timedelta(hours=1)
LINE = factories.scope()


def set_threshold(database: Database, value: float | None, scope: Scope = LINE) -> Threshold:
    with database.write() as connection:
        return thresholds.set_threshold(connection, scope, value, at=NOON, by="ann", reason="first")


def rolled_back(database: Database, version: int | None = None, **asked: object) -> Threshold:
    given = {"scope": LINE, "at": LATER, "by": "ben", "reason": "too many escapes"} | asked
    with database.write() as connection:
        return roll_back(connection, Rollback(version=version, **given))


def promise_of(database: Database, version: int) -> object:
    with database.read() as connection:
        found = threshold_list.history(connection, LINE)
    (listed,) = (each for each in found if each.threshold.version == version)
    return listed.promise


def test_rolling_back_sets_the_version_before_as_a_new_one(site_database: Database) -> None:
    set_threshold(site_database, 0.9)

    back = rolled_back(site_database)

    assert (back.version, back.value, back.set_by) == (3, 0.5, "ben")
    assert back.reason == "back to version 1: too many escapes"


def test_rolling_back_twice_takes_back_the_first(site_database: Database) -> None:
    set_threshold(site_database, 0.9)

    values = [rolled_back(site_database).value, rolled_back(site_database).value]

    assert values == [0.5, 0.9]


def test_rolling_back_to_a_withdrawn_version_withdraws_again(site_database: Database) -> None:
    set_threshold(site_database, None)
    set_threshold(site_database, 0.9)

    assert rolled_back(site_database).value is None


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_calibrated_threshold_comes_back_with_what_it_is_bound_to_and_its_promise(
    site_database: Database, *, is_withdrawn: bool
) -> None:
    used = CalibrationSet(
        scope=LINE,
        scores=tuple(number / 1000 for number in range(100)),
        checkpoint_hash=CHECKPOINT_HASH,
        reference_hash="feed" * 16,
        others_count=0,
    )
    with site_database.write() as connection:
        calibrations.set_promise(connection, used, MADE, at=NOON, by="ann", reason="lot 7")
    if is_withdrawn:
        with site_database.write() as connection:
            (watched,) = calibrations.standing(connection)
            calibrations.withdraw(connection, watched, DriftState(), 9, at=NOON, why="drift")
    set_threshold(site_database, 0.9)

    back = rolled_back(site_database)

    assert back.value == MADE.threshold
    assert (back.checkpoint_hash, back.reference_hash) == (CHECKPOINT_HASH, "feed" * 16)
    assert promise_of(site_database, 4) == promise_of(site_database, 2)
    with site_database.read() as connection:
        standing = [each.threshold_id for each in calibrations.standing(connection)]
    assert standing == ([] if is_withdrawn else [back.threshold_id])


def test_rolling_back_to_nothing_is_refused(site_database: Database) -> None:
    with pytest.raises(ConflictError, match="no version before"):
        rolled_back(site_database)
    with pytest.raises(NotFoundError, match="no version 7; it has: 1 to 1"):
        rolled_back(site_database, 7)
    with pytest.raises(NotFoundError, match="no version 1; it has: none"):
        rolled_back(site_database, 1, scope=Scope(line="line-2"))


def test_threshold_is_not_set_over_one_that_nobody_has_seen(site_database: Database) -> None:
    set_threshold(site_database, 0.9)

    with pytest.raises(PreconditionError, match="has version 2 by now, not 1"):
        rolled_back(site_database, known_version=1)
    for known in (0, 1, 3):
        new = NewThreshold(
            scope=LINE, value=0.6, set_at=NOON, set_by="ann", reason="", known_version=known
        )
        with pytest.raises(PreconditionError), site_database.write() as connection:
            add_version(connection, new)

    assert rolled_back(site_database, known_version=2).version == 3


def test_thresholds_that_differ_from_their_line_say_so(site_database: Database) -> None:
    for camera, value in (("cam-1", 0.5), ("cam-2", 0.6)):
        set_threshold(site_database, value, Scope(line="line-1", camera=camera))
    set_threshold(site_database, 0.5, Scope(line="line-2", product="label"))

    with site_database.read() as connection:
        listed = threshold_list.newest(connection)

    assert {each.threshold.scope: each.differs_from_line for each in listed} == {
        LINE: False,
        Scope(line="line-1", camera="cam-1"): False,
        Scope(line="line-1", camera="cam-2"): True,
        Scope(line="line-2", product="label"): True,
    }


def test_threshold_that_is_not_in_force_yet_says_so(site_database: Database) -> None:
    for lead_s, value in ((0, 0.6), (3_600, 0.7)):
        new = NewThreshold(
            scope=LINE, value=value, set_at=NOON, set_by="ann", reason="", lead_s=lead_s
        )
        with site_database.write() as connection:
            add_version(connection, new)

    with site_database.read() as connection:
        versions = threshold_list.history(connection, LINE)

    assert [(each.threshold.value, each.is_in_force) for each in versions] == [
        (0.7, False),
        (0.6, True),
        (0.5, False),
    ]

"""Thresholds as people look at them: what they promise, and whether they are in force by now."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from inspection.domain.calibration import Promise
from inspection.domain.line import Scope, Threshold
from inspection.store.calibrations import promises
from inspection.store.in_force import in_force_now
from inspection.store.thresholds import list_thresholds, threshold_history


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A version of a threshold with what goes with it."""

    threshold: Threshold
    #: None: it was not calibrated.
    promise: Promise | None
    #: Whether it judges now, where it is the most specific one.
    is_in_force: bool
    #: Whether it judges otherwise than the newest threshold of its whole line.
    differs_from_line: bool


def newest(connection: Connection, *, line: str | None = None) -> list[Listed]:
    """Return the newest version of every threshold, withdrawn ones as well.

    Raises:
        NotFoundError: there is no such line.
    """
    return _listed(connection, list_thresholds(connection, line=line))


def history(connection: Connection, scope: Scope) -> list[Listed]:
    """Return every version of the threshold of `scope`, the newest first.

    Raises:
        NotFoundError: there is no such line, station or camera.
    """
    return _listed(connection, threshold_history(connection, scope))


def _listed(connection: Connection, thresholds: Sequence[Threshold]) -> list[Listed]:
    made = promises(connection, [each.threshold_id for each in thresholds])
    in_force = {each.threshold_id for each in in_force_now(connection).thresholds}
    line_wide = {
        each.scope.line: each for each in list_thresholds(connection) if each.scope.specificity == 0
    }
    return [
        Listed(
            threshold=each,
            promise=made.get(each.threshold_id),
            is_in_force=each.threshold_id in in_force,
            differs_from_line=each.scope.specificity > 0
            and _judged_by(each) != _judged_by(line_wide.get(each.scope.line)),
        )
        for each in thresholds
    ]


def _judged_by(threshold: Threshold | None) -> tuple[float | None, str | None, str | None]:
    if threshold is None:
        return None, None, None
    return threshold.value, threshold.checkpoint_hash, threshold.reference_hash

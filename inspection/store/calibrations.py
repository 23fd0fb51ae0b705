"""What thresholds promise, and how far the test has come that watches whether they still do.

Workers agree by conditional updates: whoever moves the position of a promise first has looked at
the scores in between, and the others have not.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, exists, func, insert, select, update

from inspection.domain.calibration import Calibration, Promise
from inspection.domain.drift import DriftState, Mark, marks_of
from inspection.domain.line import Scope, Threshold
from inspection.store import tables
from inspection.store.audit import Change, add_change
from inspection.store.calibration_sets import CalibrationSet
from inspection.store.thresholds import NewThreshold, add_version, scope_name

#: Inspections, of whatever threshold, that one look passes at most.
STRIDE: Final = 5_000
#: A position without scores of its threshold is moved when so many others lie after it, so that
#: quiet lines neither write at every look nor look at ever more.
IDLE_STRIDE: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A standing promise of a threshold in force, and how far its test has come."""

    threshold_id: int
    scope: Scope
    line_id: int
    #: Version of the threshold.
    version: int
    false_reject_rate: float
    marks: tuple[Mark, ...]
    state: DriftState
    #: Newest ledger id the test has looked at.
    position: int


@dataclass(frozen=True, kw_only=True)
class Passage:
    """The inspections after a position: where they end, and those of one threshold."""

    #: Newest ledger id among them.
    position: int
    #: Of all of them.
    row_count: int
    #: Ledger ids and scores of those the threshold has judged, in the ledger's order.
    judged: Sequence[tuple[int, float]]

    @property
    def is_worth_noting(self) -> bool:
        """Whether the position is to be moved."""
        return bool(self.judged) or self.row_count >= IDLE_STRIDE


def set_promise(
    connection: Connection,
    used: CalibrationSet,
    calibration: Calibration,
    *,
    at: datetime,
    by: str,
    reason: str,
) -> Threshold:
    """Set the threshold that was calibrated on a set, for scores like these alone.

    Args:
        connection: inside a transaction of `Database.write`.
        used: the calibration set.
        calibration: what `calibrated` made of its scores.
        at: now.
        by: who sets it.
        reason: why, for the history.

    Raises:
        NotFoundError: there is no such line, station or camera any more.
    """
    new = NewThreshold(
        scope=used.scope,
        value=calibration.threshold,
        set_at=at,
        set_by=by,
        reason=reason,
        checkpoint_hash=used.checkpoint_hash,
        reference_hash=used.reference_hash,
    )
    threshold = add_version(connection, new)
    position = connection.scalar(select(func.max(tables.ledger.c.id))) or 0
    connection.execute(
        insert(tables.calibrations).values(
            threshold_id=threshold.threshold_id,
            false_reject_rate=calibration.false_reject_rate,
            confidence=calibration.confidence,
            good_count=calibration.good_count,
            bound=calibration.bound,
            watched=[asdict(mark) for mark in marks_of(used.scores)],
            state=asdict(DriftState()),
            position=position,
            made_at=at,
        )
    )
    return threshold


def promises(connection: Connection, threshold_ids: Sequence[int]) -> dict[int, Promise]:
    """Return the promises of those of the thresholds that carry one, standing or withdrawn."""
    rows = connection.execute(
        select(tables.calibrations).where(tables.calibrations.c.threshold_id.in_(threshold_ids))
    )
    return {
        row.threshold_id: Promise(
            false_reject_rate=row.false_reject_rate,
            confidence=row.confidence,
            good_count=row.good_count,
            bound=row.bound,
            made_at=row.made_at,
            withdrawn_at=row.withdrawn_at,
            withdrawn_why=row.withdrawn_why,
        )
        for row in rows
    }


def standing(connection: Connection) -> list[Watched]:
    """Return the promises to watch: of thresholds in force, and not withdrawn."""
    calibration, threshold = tables.calibrations.c, tables.thresholds.c
    rows = connection.execute(
        select(
            tables.calibrations,
            threshold.line_id,
            threshold.product,
            threshold.version,
            tables.lines.c.name.label("line"),
            tables.stations.c.name.label("station"),
            tables.cameras.c.name.label("camera"),
        )
        .join(tables.thresholds, threshold.id == calibration.threshold_id)
        .join(tables.lines, tables.lines.c.id == threshold.line_id)
        .outerjoin(tables.stations, tables.stations.c.id == threshold.station_id)
        .outerjoin(tables.cameras, tables.cameras.c.id == threshold.camera_id)
        .where(calibration.withdrawn_at.is_(None), _is_newest())
        .order_by(calibration.threshold_id)
    )
    return [_watched(row) for row in rows]


def passage(connection: Connection, watched: Watched) -> Passage:
    """Return the inspections after the position of a promise, `STRIDE` at most.

    Ids are given before the commit, so one that is committed late may be passed by unseen. That
    does no harm: the test needs scores that were not chosen by their height, not all of them.
    """
    row = tables.inspections.c
    next_ones = (
        select(row.ledger_id, row.score, row.threshold_id)
        .where(row.ledger_id > watched.position)
        .order_by(row.ledger_id)
        .limit(STRIDE)
        .subquery()
        .c
    )
    ends = select(func.count().label("row_count"), func.max(next_ones.ledger_id).label("end"))
    found = connection.execute(ends).one()
    judged = connection.execute(
        select(next_ones.ledger_id, next_ones.score)
        .where(next_ones.threshold_id == watched.threshold_id)
        .order_by(next_ones.ledger_id)
    )
    return Passage(
        position=watched.position if found.end is None else found.end,
        row_count=found.row_count,
        judged=[(each.ledger_id, each.score) for each in judged],
    )


def advance(connection: Connection, watched: Watched, state: DriftState, position: int) -> bool:
    """Note how far a test has come; False when another worker has moved it meanwhile."""
    return _move(connection, watched, state, position, {})


def withdraw(
    connection: Connection,
    watched: Watched,
    state: DriftState,
    position: int,
    *,
    at: datetime,
    why: str,
) -> bool:
    """Withdraw a promise; the threshold stays in force. False when another worker was first."""
    withdrawn = {"withdrawn_at": at, "withdrawn_why": why}
    if not _move(connection, watched, state, position, withdrawn):
        return False
    change = Change(
        at=at,
        who="inspection alerter",
        action="withdrawn",
        thing="promise",
        name=scope_name(watched.scope),
        before={
            "version": watched.version,
            "false_reject_rate": watched.false_reject_rate,
        },
        after={"version": watched.version, "why": why},
    )
    add_change(connection, change)
    return True


def has_withdrawn(line_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Make the condition that a threshold in force of a line has lost its promise."""
    return exists(
        select(tables.calibrations.c.threshold_id)
        .join(tables.thresholds, tables.thresholds.c.id == tables.calibrations.c.threshold_id)
        .where(
            tables.thresholds.c.line_id == line_id,
            tables.calibrations.c.withdrawn_at.is_not(None),
            _is_newest(),
        )
        .correlate_except(tables.calibrations, tables.thresholds)
    )


def _is_newest() -> ColumnElement[bool]:
    later = tables.thresholds.alias("later")
    return ~exists(
        select(later.c.id)
        .where(
            later.c.scope == tables.thresholds.c.scope,
            later.c.version > tables.thresholds.c.version,
        )
        .correlate(tables.thresholds)
    )


def _move(
    connection: Connection,
    watched: Watched,
    state: DriftState,
    position: int,
    values: dict[str, Any],
) -> bool:
    calibration = tables.calibrations.c
    return (
        connection.execute(
            update(tables.calibrations)
            .where(
                calibration.threshold_id == watched.threshold_id,
                calibration.position == watched.position,
                calibration.withdrawn_at.is_(None),
            )
            .values(state=asdict(state), position=position, **values)
        ).rowcount
        == 1
    )


def _watched(row: Row[*tuple[Any, ...]]) -> Watched:
    return Watched(
        threshold_id=row.threshold_id,
        scope=Scope(line=row.line, product=row.product, station=row.station, camera=row.camera),
        line_id=row.line_id,
        version=row.version,
        false_reject_rate=row.false_reject_rate,
        marks=tuple(Mark(**mark) for mark in row.watched),
        state=DriftState(**{**row.state, "evidence": tuple(row.state["evidence"])}),
        position=row.position,
    )

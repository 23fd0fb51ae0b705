"""The part of a scope's history that a threshold is made from, and what it would change there."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, select

from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.store import tables
from inspection.store.thresholds import located

#: Inspections a threshold is tried on, the newest ones.
HISTORY_LIMIT: Final = 100_000


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """Scores of one scope, all made by the same checkpoint with the same reference."""

    scope: Scope
    #: Whatever the verdict was.
    scores: tuple[float, ...]
    #: SHA-256 of the checkpoint that scored the newest frame of the scope.
    checkpoint_hash: str
    #: SHA-256 of the reference it was scored with; None: without one.
    reference_hash: str | None
    #: Other inspections of the scope, by another checkpoint or reference: not comparable.
    others_count: int


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Verdicts on a calibration set's scope and detector, as they are and under a threshold."""

    #: Inspections looked at, at most `HISTORY_LIMIT`.
    row_count: int
    ng_before_count: int
    ok_before_count: int
    pending_before_count: int
    ng_after_count: int
    ng_to_ok_count: int
    ok_to_ng_count: int

    @property
    def ng_after_rate(self) -> float:
        """Share that would be NG: the false-reject rate if all these parts are good."""
        return self.ng_after_count / self.row_count if self.row_count else 0.0


def newest_set(connection: Connection, scope: Scope, count: int) -> CalibrationSet | None:
    """Return the last `count` inspections of a scope, or fewer; None when there are none.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
    """
    return _set(connection, scope, count, is_newest=True)


def oldest_set(connection: Connection, scope: Scope, count: int) -> CalibrationSet | None:
    """Return the first `count` inspections of a scope by the detector that scores it now.

    Raises:
        NotFoundError: there is no such line, station or camera.
        ConfigurationError: the product has no name.
    """
    return _set(connection, scope, count, is_newest=False)


def replayed(connection: Connection, used: CalibrationSet, value: float) -> Replay:
    """Say what a threshold would have made of the history of a calibration set's scope."""
    row = tables.inspections.c
    history = (
        _of_scope(connection, used.scope)
        .where(_is_scored_by(used.checkpoint_hash, used.reference_hash))
        .order_by(row.captured_at.desc(), row.ledger_id.desc())
        .limit(HISTORY_LIMIT)
        .subquery()
        .c
    )
    is_above = history.score > value
    counted = {
        "ng_before": history.verdict == Verdict.NG.value,
        "ok_before": history.verdict == Verdict.OK.value,
        "pending_before": history.verdict == Verdict.PENDING.value,
        "ng_after": is_above,
        "ng_to_ok": (history.verdict == Verdict.NG.value) & ~is_above,
        "ok_to_ng": (history.verdict == Verdict.OK.value) & is_above,
    }
    counts = (
        func.count().filter(condition).label(f"{name}_count") for name, condition in counted.items()
    )
    statement = select(func.count(history.score).label("row_count"), *counts)
    return Replay(**connection.execute(statement).mappings().one())


def _set(
    connection: Connection, scope: Scope, count: int, *, is_newest: bool
) -> CalibrationSet | None:
    columns = (tables.inspections.c.captured_at, tables.inspections.c.ledger_id)
    newest_first = [column.desc() for column in columns]
    of_scope = _of_scope(connection, scope)
    newest = connection.execute(of_scope.order_by(*newest_first).limit(1)).first()
    if newest is None:
        return None
    is_same = _is_scored_by(newest.checkpoint_hash, newest.reference_hash)
    order = newest_first if is_newest else [column.asc() for column in columns]
    rows = connection.execute(of_scope.where(is_same).order_by(*order).limit(count)).all()
    others = of_scope.where(~is_same).limit(HISTORY_LIMIT)
    if is_newest and len(rows) == count:
        others = others.where(tables.inspections.c.captured_at >= rows[-1].captured_at)
    return CalibrationSet(
        scope=scope,
        scores=tuple(row.score for row in rows),
        checkpoint_hash=newest.checkpoint_hash,
        reference_hash=newest.reference_hash,
        others_count=_count(connection, others),
    )


def _count(connection: Connection, rows: Select[*tuple[Any, ...]]) -> int:
    return connection.scalar(select(func.count()).select_from(rows.subquery())) or 0


def _is_scored_by(checkpoint_hash: str, reference_hash: str | None) -> ColumnElement[bool]:
    row = tables.inspections.c
    is_same_reference = row.reference_hash.is_not_distinct_from(reference_hash)
    return (row.checkpoint_hash == checkpoint_hash) & is_same_reference


def _of_scope(connection: Connection, scope: Scope) -> Select[*tuple[Any, ...]]:
    place, row = located(connection, scope), tables.inspections.c
    statement = select(
        row.ledger_id,
        row.captured_at,
        row.score,
        row.verdict,
        row.checkpoint_hash,
        row.reference_hash,
    ).where(row.line_id == place["line_id"])
    if scope.product is not None:
        statement = statement.where(row.product == scope.product)
    if scope.camera is not None:
        statement = statement.where(row.camera_id == place["camera_id"])
    if scope.station is not None:
        of_station = tables.ledger.c.station_id == place["station_id"]
        statement = statement.join(tables.ledger, tables.is_of_ledger(tables.inspections))
        statement = statement.where(of_station)
    return statement

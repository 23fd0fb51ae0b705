"""The alerts: opened once, joined by what belongs to them, acknowledged, resolved.

Workers agree by conditional updates, and by the index that allows one unresolved alert for each
line and kind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from inspection.domain.alert import Alert, AlertKind, Rule
from inspection.domain.notification import AlertFrame
from inspection.errors import NotFoundError
from inspection.store.alert_tables import alert_frames, alert_outbox, alerts
from inspection.store.calibrations import has_withdrawn
from inspection.store.outbox import Taken
from inspection.store.tables import lines


@dataclass(frozen=True, kw_only=True)
class CalmAlert:
    """An unresolved alert that nothing has joined for as long as its line's rule asks."""

    alert_id: int
    kind: AlertKind
    #: When a frame last joined it, by the worker's clock.
    touched_at: datetime
    rule: Rule


@dataclass(frozen=True, kw_only=True)
class AlertCounts:
    """How many alerts there are; acknowledged and resolved are independent facts."""

    total: int
    #: Not resolved.
    open: int
    #: Not acknowledged, resolved or not.
    unacknowledged: int


def join(connection: Connection, taken: Taken, at: datetime) -> int | None:
    """Add a frame to the unresolved alert of its line and kind.

    Args:
        connection: an open transaction that writes.
        taken: the frame; one that belongs to the alert already is not counted twice.
        at: now; the alert's calm begins anew.

    Returns:
        The id of the alert; None when there is none.
    """
    # The update comes first: it holds the row until the commit, so whoever else opened or joined
    # this alert is visible afterwards.
    joined = connection.execute(
        update(alerts)
        .where(
            alerts.c.line_id == taken.line_id,
            alerts.c.kind == taken.kind,
            alerts.c.resolved_at.is_(None),
        )
        .values(touched_at=at)
        .returning(alerts.c.id, alerts.c.last_at)
    ).one_or_none()
    if joined is None:
        return None
    key = {"alert_id": joined.id, "ledger_id": taken.ledger_id}
    member = and_(*(alert_frames.c[name] == value for name, value in key.items()))
    if not connection.scalar(select(exists().where(member))):
        connection.execute(insert(alert_frames).values(key))
        connection.execute(
            update(alerts)
            .where(alerts.c.id == joined.id)
            .values(
                frame_count=alerts.c.frame_count + 1,
                last_at=max(joined.last_at, taken.frame.captured_at),
            )
        )
    return int(joined.id)


def is_told(connection: Connection, taken: Taken) -> bool:
    """Say whether the frame belongs to an alert of its kind already, resolved or not."""
    return bool(
        connection.scalar(
            select(
                exists()
                .where(alert_frames.c.ledger_id == taken.ledger_id)
                .where(alerts.c.id == alert_frames.c.alert_id, alerts.c.kind == taken.kind)
            )
        )
    )


def open_alert(
    connection: Connection,
    taken: Taken,
    *,
    frame: AlertFrame,
    members: Sequence[int],
    summary: str,
    at: datetime,
) -> Alert | None:
    """Open an alert, unless another worker has opened one of this line and kind meanwhile.

    Args:
        connection: an open transaction that writes.
        taken: the frame that gave the reason.
        frame: the frame to show, the newest of the members.
        members: ledger ids of the frames that belong to it.
        summary: one sentence for people.
        at: now.

    Returns:
        The alert; None when there is one already, which can be joined.
    """
    try:
        # Only this insert is undone when the race is lost; the frame stays taken.
        with connection.begin_nested():
            alert_id = connection.scalar(
                insert(alerts)
                .values(
                    line_id=taken.line_id,
                    kind=taken.kind,
                    opened_at=at,
                    last_at=frame.captured_at,
                    touched_at=at,
                    frame_count=len(members),
                    frame_id=frame.frame_id,
                    summary=summary,
                )
                .returning(alerts.c.id)
            )
    except IntegrityError:
        return None
    connection.execute(
        insert(alert_frames),
        [{"alert_id": alert_id, "ledger_id": ledger_id} for ledger_id in members],
    )
    return _alert(connection.execute(_alerts().where(alerts.c.id == alert_id)).one())


def calm_alerts(connection: Connection, now: datetime) -> list[CalmAlert]:
    """Return the unresolved alerts that nothing has joined, and nothing is about to join.

    Calm is counted from the moment a frame last joined, not from its exposure: replayed frames
    may be years old. Drift is not over while a threshold in force of the line lacks its promise.
    """
    about_to_join = exists().where(
        alert_outbox.c.line_id == alerts.c.line_id, alert_outbox.c.kind == alerts.c.kind
    )
    is_drifting = (alerts.c.kind == AlertKind.DRIFT) & has_withdrawn(alerts.c.line_id)
    rows = connection.execute(
        select(
            alerts.c.id,
            alerts.c.kind,
            alerts.c.touched_at,
            lines.c.rule_k,
            lines.c.rule_n,
            lines.c.rule_group_s,
        )
        .join(lines, lines.c.id == alerts.c.line_id)
        .where(alerts.c.resolved_at.is_(None), ~about_to_join, ~is_drifting)
    )
    unresolved = [
        CalmAlert(
            alert_id=row.id,
            kind=AlertKind(row.kind),
            touched_at=row.touched_at,
            rule=Rule(k=row.rule_k, n=row.rule_n, group_s=row.rule_group_s),
        )
        for row in rows
    ]
    return [each for each in unresolved if each.rule.is_calm(last_at=each.touched_at, now=now)]


def resolve(connection: Connection, calm: CalmAlert, at: datetime) -> Alert | None:
    """Resolve an alert; None when a frame has joined it or another worker was first."""
    changed = connection.execute(
        update(alerts)
        .where(
            alerts.c.id == calm.alert_id,
            alerts.c.resolved_at.is_(None),
            alerts.c.touched_at == calm.touched_at,
        )
        .values(resolved_at=at)
    ).rowcount
    return read_alert(connection, calm.alert_id) if changed == 1 else None


def acknowledge(connection: Connection, alert_id: int, by: str, at: datetime) -> Alert:
    """Note who has seen an alert, and when; the first to do so stays.

    Raises:
        NotFoundError: there is no such alert.
    """
    connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=at, acknowledged_by=by)
    )
    return read_alert(connection, alert_id)


def read_alert(connection: Connection, alert_id: int) -> Alert:
    """Return one alert.

    Raises:
        NotFoundError: there is no such alert.
    """
    row = connection.execute(_alerts().where(alerts.c.id == alert_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    return _alert(row)


def list_alerts(
    connection: Connection, line: str | None = None, *, open_only: bool = False, limit: int = 500
) -> list[Alert]:
    """Return alerts, newest first.

    Args:
        connection: an open transaction.
        line: only those of this line.
        open_only: only those that are not resolved.
        limit: at most so many.
    """
    chosen = _alerts().order_by(alerts.c.opened_at.desc(), alerts.c.id.desc()).limit(limit)
    if line is not None:
        chosen = chosen.where(lines.c.name == line)
    if open_only:
        chosen = chosen.where(alerts.c.resolved_at.is_(None))
    return [_alert(row) for row in connection.execute(chosen)]


def counts(connection: Connection, line: str | None = None) -> AlertCounts:
    """Count the alerts, of one line or of all."""
    chosen = select(
        func.count(),
        func.count().filter(alerts.c.resolved_at.is_(None)),
        func.count().filter(alerts.c.acknowledged_at.is_(None)),
    ).select_from(alerts)
    if line is not None:
        chosen = chosen.join(lines, lines.c.id == alerts.c.line_id).where(lines.c.name == line)
    total, unresolved, unacknowledged = connection.execute(chosen).one()
    return AlertCounts(total=total, open=unresolved, unacknowledged=unacknowledged)


def _alerts() -> Select[*tuple[Any, ...]]:
    return select(alerts, lines.c.name.label("line")).join(lines, lines.c.id == alerts.c.line_id)


def _alert(row: Row[*tuple[Any, ...]]) -> Alert:
    return Alert(
        alert_id=row.id,
        line=row.line,
        kind=AlertKind(row.kind),
        opened_at=row.opened_at,
        frame_count=row.frame_count,
        last_at=row.last_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        resolved_at=row.resolved_at,
        frame_id=row.frame_id,
        summary=row.summary,
    )

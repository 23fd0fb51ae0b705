"""The alerts, as they are shown and counted."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select, tuple_

from inspection.domain.alert import Alert, AlertKind
from inspection.errors import NotFoundError
from inspection.store.alert_tables import alert_frames, alerts, rules
from inspection.store.tables import cameras, ledger, lines


@dataclass(frozen=True, kw_only=True)
class AlertCounts:
    """How many alerts there are; acknowledged and resolved are independent facts."""

    total: int
    #: Not resolved.
    open: int
    #: Not acknowledged, resolved or not.
    unacknowledged: int


@dataclass(frozen=True, kw_only=True)
class AlertQuery:
    """Which alerts to show."""

    #: Only those of this line.
    line: str | None = None
    #: Only those that are not resolved.
    is_open: bool = False
    #: Only those that are not resolved or not acknowledged.
    is_unsettled: bool = False
    #: Only those about this.
    kind: AlertKind | None = None
    #: Opening and id of the last alert already shown; those after it follow.
    before: tuple[datetime, int] | None = None
    #: At most so many.
    limit: int = 500


def read_alert(connection: Connection, alert_id: int) -> Alert:
    """Return one alert.

    Raises:
        NotFoundError: there is no such alert.
    """
    row = connection.execute(alert_rows().where(alerts.c.id == alert_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {alert_id}")
    return alert_of(row)


def list_alerts(connection: Connection, query: AlertQuery | None = None) -> list[Alert]:
    """Return the alerts that `query` asks for, or all, the newest first."""
    query = query or AlertQuery()
    chosen = alert_rows().order_by(alerts.c.opened_at.desc(), alerts.c.id.desc())
    conditions: list[ColumnElement[bool]] = []
    if query.line is not None:
        conditions.append(lines.c.name == query.line)
    if query.is_open:
        conditions.append(alerts.c.resolved_at.is_(None))
    if query.is_unsettled:
        conditions.append(or_(alerts.c.resolved_at.is_(None), alerts.c.acknowledged_at.is_(None)))
    if query.kind is not None:
        conditions.append(alerts.c.kind == query.kind)
    if query.before is not None:
        conditions.append(tuple_(alerts.c.opened_at, alerts.c.id) < tuple_(*query.before))
    chosen = chosen.where(*conditions).limit(query.limit)
    return [alert_of(row) for row in connection.execute(chosen)]


def frame_ids(connection: Connection, alert_id: int, *, limit: int = 20) -> list[str]:
    """Return the newest frames that belong to an alert, as `camera/sequence_number`."""
    newest = (
        select(cameras.c.name, ledger.c.sequence_number)
        .join_from(alert_frames, ledger, ledger.c.id == alert_frames.c.ledger_id)
        .join(cameras, cameras.c.id == ledger.c.camera_id)
        .where(alert_frames.c.alert_id == alert_id)
        .order_by(ledger.c.captured_at.desc(), ledger.c.id.desc())
        .limit(limit)
    )
    return [f"{row.name}/{row.sequence_number}" for row in connection.execute(newest)]


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


def alert_rows() -> Select[*tuple[Any, ...]]:
    """Select every alert with the names of its line and rule, for `alert_of`."""
    return (
        select(alerts, lines.c.name.label("line"), rules.c.name.label("rule"))
        .join(lines, lines.c.id == alerts.c.line_id)
        .join(rules, rules.c.id == alerts.c.rule_id)
    )


def alert_of(row: Row[*tuple[Any, ...]]) -> Alert:
    """Read a row of `alert_rows`."""
    return Alert(
        alert_id=row.id,
        line=row.line,
        rule=row.rule,
        kind=AlertKind(row.kind),
        subject=row.subject,
        opened_at=row.opened_at,
        frame_count=row.frame_count,
        opened_count=row.opened_count,
        last_at=row.last_at,
        frame_id=row.frame_id,
        summary=row.summary,
        told_at=row.told_at,
        escalated_at=row.escalated_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        acknowledged_note=row.acknowledged_note,
        is_dismissed=row.is_dismissed,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        resolved_note=row.resolved_note,
    )

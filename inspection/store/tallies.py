"""Tallies: how many alerts and notifications there are, as figures for machines."""

from sqlalchemy import Connection, func, select

from inspection.store.alert_tables import alerts
from inspection.store.channel_tables import notifications
from inspection.store.tables import lines


def open_alerts(connection: Connection) -> dict[tuple[str, str], int]:
    """Count alerts that are not resolved, by line and kind."""
    columns = (lines.c.name, alerts.c.kind)
    statement = (
        select(*columns, func.count().label("alert_count"))
        .join(lines, lines.c.id == alerts.c.line_id)
        .where(alerts.c.resolved_at.is_(None))
        .group_by(*columns)
    )
    return {(row.name, row.kind): row.alert_count for row in connection.execute(statement)}


def notification_states(connection: Connection) -> dict[str, int]:
    """Count notifications by state."""
    state = notifications.c.state
    statement = select(state, func.count().label("notification_count")).group_by(state)
    return {row.state: row.notification_count for row in connection.execute(statement)}

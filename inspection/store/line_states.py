"""What is unresolved on each line, as boards on the floor show it."""

from collections import defaultdict
from datetime import datetime

from sqlalchemy import Connection, select

from inspection.domain.alert import AlertKind
from inspection.domain.channel import LineState
from inspection.store.alert_tables import alerts
from inspection.store.tables import lines

_ORDER = {kind: place for place, kind in enumerate(AlertKind)}


def line_states(connection: Connection) -> list[LineState]:
    """Return the state of every line, by name; also of those without an alert."""
    kinds: dict[str, list[AlertKind]] = defaultdict(list)
    opened_at: dict[str, list[datetime]] = defaultdict(list)
    unacknowledged: dict[str, int] = defaultdict(int)
    rows = connection.execute(
        select(lines.c.name, alerts.c.kind, alerts.c.opened_at, alerts.c.acknowledged_at)
        .join(alerts, alerts.c.line_id == lines.c.id)
        .where(alerts.c.resolved_at.is_(None))
    )
    for row in rows:
        kinds[row.name].append(AlertKind(row.kind))
        opened_at[row.name].append(row.opened_at)
        unacknowledged[row.name] += row.acknowledged_at is None
    return [
        LineState(
            line=name,
            open_count=len(kinds[name]),
            unacknowledged_count=unacknowledged[name],
            worst_kind=min(kinds[name], key=_ORDER.__getitem__, default=None),
            since_at=min(opened_at[name], default=None),
        )
        for name in connection.scalars(select(lines.c.name).order_by(lines.c.name))
    ]

"""How the rules stand that are looked at again and again: armed, with open alerts, paused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, or_, select

from inspection.domain.rule import FRAME_KINDS
from inspection.store.alert_tables import alerts, armings, rules
from inspection.store.rules import LineRule, line_rule, line_rules
from inspection.store.shelves import paused_lines


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An unresolved alert of a rule."""

    alert_id: int
    #: Since when its condition has been gone; None while it holds.
    calm_since_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A rule to look at, and what has become of its condition so far."""

    rule: LineRule
    #: Its line opens no alerts at present.
    is_paused: bool
    #: Since when its condition holds, by subject, where no alert is open yet.
    armed: Mapping[str, datetime]
    #: Its unresolved alerts, by subject.
    open: Mapping[str, OpenAlert]


def standings(connection: Connection, now: datetime) -> list[Standing]:
    """Return the enabled rules to look at: those no frame brings up, and those that are armed."""
    is_armed = exists().where(armings.c.rule_id == rules.c.id)
    looked_at = or_(rules.c.kind.not_in(sorted(FRAME_KINDS)), is_armed)
    found = connection.execute(line_rules().where(rules.c.is_enabled, looked_at)).all()
    armed: dict[int, dict[str, datetime]] = {}
    for row in connection.execute(select(armings)):
        armed.setdefault(row.rule_id, {})[row.subject] = row.since_at
    unresolved: dict[int, dict[str, OpenAlert]] = {}
    columns = (alerts.c.id, alerts.c.rule_id, alerts.c.subject, alerts.c.calm_since_at)
    for row in connection.execute(select(*columns).where(alerts.c.resolved_at.is_(None))):
        unresolved.setdefault(row.rule_id, {})[row.subject] = OpenAlert(
            alert_id=row.id, calm_since_at=row.calm_since_at
        )
    paused = paused_lines(connection, now)
    return [
        Standing(
            rule=line_rule(row),
            is_paused=row.line_id in paused,
            armed=armed.get(row.id, {}),
            open=unresolved.get(row.id, {}),
        )
        for row in found
    ]

"""How alerts come to be: armed while their condition must hold for a time, opened once, joined.

Workers agree by conditional updates, and by the index that allows one unresolved alert for each
rule and subject.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from inspection.domain.alert import Alert
from inspection.domain.notification import AlertFrame
from inspection.domain.rule import FRAME_KINDS
from inspection.store.alert_tables import alert_frames, alerts, armings
from inspection.store.alerts import read_alert
from inspection.store.engine import insert_new
from inspection.store.outbox import Taken
from inspection.store.rules import LineRule


@dataclass(frozen=True, kw_only=True)
class Finding:
    """That the condition of a rule holds."""

    #: Camera it is about; empty: the line.
    subject: str = ""
    #: One sentence for people.
    summary: str
    #: Ledger ids of the frames that belong to it, newest first.
    members: Sequence[int] = ()
    #: How many they are, where not all are named.
    frame_count: int | None = None
    #: The frame to show.
    frame: AlertFrame | None = None


def arm(connection: Connection, rule_id: int, subject: str, at: datetime) -> None:
    """Note since when a condition holds; what is noted already stays."""
    arming = {"rule_id": rule_id, "subject": subject, "since_at": at}
    connection.execute(insert_new(connection, armings, "rule_id", "subject").values(arming))


def disarm(connection: Connection, rule_id: int, subject: str, since_at: datetime) -> bool:
    """Forget since when a condition holds; False when another worker was first."""
    return (
        connection.execute(
            delete(armings).where(
                armings.c.rule_id == rule_id,
                armings.c.subject == subject,
                armings.c.since_at == since_at,
            )
        ).rowcount
        == 1
    )


def open_alert(
    connection: Connection, rule: LineRule, finding: Finding, at: datetime
) -> Alert | None:
    """Open an alert, unless there is one of this rule and subject that is not resolved.

    Args:
        connection: an open transaction that writes.
        rule: whose condition holds.
        finding: how.
        at: now.

    Returns:
        The alert, of which nobody was told yet; None when there is one already.
    """
    try:
        # Only this insert is undone when the race is lost; what was taken stays taken.
        with connection.begin_nested():
            alert_id = connection.scalar(
                insert(alerts).values(_opened(rule, finding, at)).returning(alerts.c.id)
            )
    except IntegrityError:
        return None
    if finding.members:
        connection.execute(
            insert(alert_frames),
            [{"alert_id": alert_id, "ledger_id": ledger_id} for ledger_id in finding.members],
        )
    return read_alert(connection, int(alert_id or 0))


def join(
    connection: Connection, rule: LineRule, taken: Sequence[Taken], at: datetime
) -> int | None:
    """Add frames to the unresolved alert of a rule.

    Args:
        connection: an open transaction that writes.
        rule: of the frames' line.
        taken: the frames; those that belong to the alert already are not counted twice.
        at: now; where frames are the condition, the alert's calm begins anew.

    Returns:
        The id of the alert; None when there is none.
    """
    is_condition = rule.kind in FRAME_KINDS
    # The update comes first: it holds the row until the commit, so whoever else opened or joined
    # this alert is visible afterwards.
    joined = connection.execute(
        update(alerts)
        .where(
            alerts.c.rule_id == rule.rule_id,
            alerts.c.subject == "",
            alerts.c.resolved_at.is_(None),
        )
        .values(calm_since_at=at if is_condition else alerts.c.calm_since_at)
        .returning(alerts.c.id, alerts.c.last_at)
    ).one_or_none()
    if joined is None:
        return None
    members = alert_frames.c.alert_id == joined.id
    fresh = _without(connection, taken, select(alert_frames.c.ledger_id).where(members))
    if fresh:
        connection.execute(
            insert(alert_frames),
            [{"alert_id": joined.id, "ledger_id": each.ledger_id} for each in fresh],
        )
        newest_at = max(each.frame.captured_at for each in fresh)
        connection.execute(
            update(alerts)
            .where(alerts.c.id == joined.id)
            .values(
                frame_count=alerts.c.frame_count + len(fresh),
                last_at=max(joined.last_at, newest_at),
            )
        )
    return int(joined.id)


def untold(connection: Connection, rule: LineRule, taken: Sequence[Taken]) -> list[Taken]:
    """Return the frames that belong to no alert of the rule yet, resolved or not."""
    told = (
        select(alert_frames.c.ledger_id)
        .join(alerts, alerts.c.id == alert_frames.c.alert_id)
        .where(alerts.c.rule_id == rule.rule_id)
    )
    return _without(connection, taken, told)


def _without(connection: Connection, taken: Sequence[Taken], members: Any) -> list[Taken]:
    ids = [each.ledger_id for each in taken]
    present = set(connection.scalars(members.where(alert_frames.c.ledger_id.in_(ids))))
    return [each for each in taken if each.ledger_id not in present]


def _opened(rule: LineRule, finding: Finding, at: datetime) -> dict[str, Any]:
    frame = finding.frame
    count = len(finding.members) if finding.frame_count is None else finding.frame_count
    return {
        "line_id": rule.line_id,
        "rule_id": rule.rule_id,
        "kind": rule.kind.value,
        "subject": finding.subject,
        "opened_at": at,
        "last_at": at if frame is None else frame.captured_at,
        "calm_since_at": at if rule.kind in FRAME_KINDS else None,
        "opened_count": count,
        "frame_count": count,
        "frame_id": None if frame is None else frame.frame_id,
        "summary": finding.summary,
        "told_count": 0,
        "repeat_count": 0,
        "acknowledged_note": "",
        "is_dismissed": False,
        "resolved_note": "",
    }

"""Silence on purpose: shelved alerts are not told, of paused lines none is opened; both end.

Nothing is thrown away by it: frames are inspected and counted, and alerts that were opened while
they were shelved are told when the shelf ends, if they are still open then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    exists,
    insert,
    or_,
    select,
    update,
)

from inspection.domain.alert import Alert
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store.alert_tables import alerts, rules, shelves
from inspection.store.audit import Change, add_change
from inspection.store.lines import line_id
from inspection.store.rules import get_rule
from inspection.store.tables import lines


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is to be silenced: all alerts of a line, those of one rule, or one alert."""

    line_id: int
    rule_id: int | None = None
    alert_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Why something is silenced, by whom, and until when."""

    at: datetime
    by: str
    reason: str
    #: When it ends by itself; None: never, which only a pause may.
    until_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A silence that has not ended."""

    shelf_id: int
    line: str
    #: Name of the rule; None: all of the line, or one alert.
    rule: str | None
    alert_id: int | None
    #: Of a paused line no alerts are opened at all.
    is_pause: bool
    silence: Silence

    def covers(self, alert: Alert) -> bool:
        """Say whether it keeps an alert from being told."""
        if self.alert_id is not None:
            return self.alert_id == alert.alert_id
        return self.line == alert.line and self.rule in (None, alert.rule)


def shelve(connection: Connection, scope: Scope, silence: Silence) -> Shelf:
    """Keep alerts from being told until the silence ends; what silenced the same before ends.

    Raises:
        ConfigurationError: the silence has no reason, or no end, or it has ended already.
    """
    if silence.until_at is None:
        raise ConfigurationError("a shelf needs an end, for example: --for 2h")
    return _begin(connection, scope, silence, is_pause=False)


def pause(connection: Connection, line: str, silence: Silence) -> Shelf:
    """Let a line open no alerts until somebody resumes it, or the silence ends.

    Raises:
        NotFoundError: there is no such line.
        ConfigurationError: the silence has no reason, or it has ended already.
    """
    scope = Scope(line_id=line_id(connection, line))
    return _begin(connection, scope, silence, is_pause=True)


def unshelve(connection: Connection, scope: Scope, *, at: datetime, by: str) -> None:
    """End the silence of exactly this scope.

    Raises:
        NotFoundError: there is none.
    """
    if not _end(connection, scope, is_pause=False, at=at, by=by):
        raise NotFoundError("nothing is shelved there; `inspection alert shelved` shows what is")


def resume(connection: Connection, line: str, *, at: datetime, by: str) -> None:
    """Let a paused line open alerts again.

    Raises:
        NotFoundError: there is no such line, or it is not paused.
    """
    scope = Scope(line_id=line_id(connection, line))
    if not _end(connection, scope, is_pause=True, at=at, by=by):
        raise NotFoundError(f"line {line} is not paused")


def list_shelves(connection: Connection, now: datetime, line: str | None = None) -> list[Shelf]:
    """Return what is silenced at `now`, of one line or of all, as it was begun."""
    statement = _shelves().where(is_standing(now)).order_by(shelves.c.id)
    if line is not None:
        statement = statement.where(lines.c.name == line)
    return [_shelf(row) for row in connection.execute(statement)]


def silence_of(alert: Alert, shelved: Sequence[Shelf]) -> tuple[bool, datetime | None]:
    """Say whether an open alert is not told at present, and until when; None: until resumed."""
    if alert.resolved_at is not None:
        return False, None
    ends = [each.silence.until_at for each in shelved if each.covers(alert)]
    known = [until_at for until_at in ends if until_at is not None]
    return bool(ends), max(known) if known and len(known) == len(ends) else None


def paused_lines(connection: Connection, now: datetime) -> set[int]:
    """Return the ids of the lines that open no alerts at `now`."""
    statement = select(shelves.c.line_id).where(shelves.c.is_pause, is_standing(now))
    return set(connection.scalars(statement))


def scope_of(
    connection: Connection,
    *,
    line: str | None = None,
    rule: str | None = None,
    alert_id: int | None = None,
) -> Scope:
    """Return what people mean who name an alert, or a line with or without one of its rules.

    Raises:
        NotFoundError: there is no such alert, line or rule.
        ConfigurationError: neither alert nor line is named, or both.
    """
    if (alert_id is None) == (line is None) or (line is None and rule is not None):
        raise ConfigurationError("name an alert, or a line with --line, with or without --rule")
    if alert_id is not None:
        found = alerts.c.id == alert_id
        row = connection.execute(select(alerts.c.line_id).where(found)).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no alert {alert_id}")
        return Scope(line_id=row.line_id, alert_id=alert_id)
    rule_id = None if rule is None else get_rule(connection, line or "", rule).rule_id
    return Scope(line_id=line_id(connection, line or ""), rule_id=rule_id)


def is_standing(now: datetime) -> ColumnElement[bool]:
    """Make the condition that a shelf or pause has not ended at `now`."""
    return and_(
        shelves.c.ended_at.is_(None), or_(shelves.c.until_at.is_(None), shelves.c.until_at > now)
    )


def is_silenced(now: datetime) -> ColumnElement[bool]:
    """Make the condition that an alert (of `alerts`) is not to be told at `now`."""
    of_line = and_(
        shelves.c.line_id == alerts.c.line_id,
        or_(shelves.c.rule_id.is_(None), shelves.c.rule_id == alerts.c.rule_id),
        or_(shelves.c.alert_id.is_(None), shelves.c.alert_id == alerts.c.id),
    )
    return exists().where(of_line, is_standing(now))


def _begin(connection: Connection, scope: Scope, silence: Silence, *, is_pause: bool) -> Shelf:
    if not silence.reason.strip():
        raise ConfigurationError("silence needs a --reason, for whoever wonders about it later")
    if silence.until_at is not None and silence.until_at <= silence.at:
        raise ConfigurationError(f"{silence.until_at} is over already; take a time to come")
    connection.execute(
        update(shelves)
        .where(*_same(scope, is_pause=is_pause), is_standing(silence.at))
        .values(ended_at=silence.at, ended_by=silence.by)
    )
    shelf_id = connection.scalar(
        insert(shelves)
        .values(
            line_id=scope.line_id,
            rule_id=scope.rule_id,
            alert_id=scope.alert_id,
            is_pause=is_pause,
            begun_at=silence.at,
            begun_by=silence.by,
            reason=silence.reason,
            until_at=silence.until_at,
        )
        .returning(shelves.c.id)
    )
    shelf = _shelf(connection.execute(_shelves().where(shelves.c.id == shelf_id)).one())
    until = None if silence.until_at is None else silence.until_at.isoformat()
    after = {"until_at": until, "reason": silence.reason}
    action = "paused" if is_pause else "shelved"
    _audit(connection, shelf, action, at=silence.at, by=silence.by, after=after)
    return shelf


def _end(connection: Connection, scope: Scope, *, is_pause: bool, at: datetime, by: str) -> bool:
    same = (*_same(scope, is_pause=is_pause), is_standing(at))
    rows = connection.execute(_shelves().where(*same)).all()
    for row in rows:
        changed = connection.execute(
            update(shelves)
            .where(shelves.c.id == row.id, shelves.c.ended_at.is_(None))
            .values(ended_at=at, ended_by=by)
        ).rowcount
        if changed == 1:
            action = "resumed" if is_pause else "unshelved"
            _audit(connection, _shelf(row), action, at=at, by=by, after=None)
    return bool(rows)


def _same(scope: Scope, *, is_pause: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        shelves.c.line_id == scope.line_id,
        shelves.c.rule_id.is_not_distinct_from(scope.rule_id),
        shelves.c.alert_id.is_not_distinct_from(scope.alert_id),
        shelves.c.is_pause == is_pause,
    )


def _audit(
    connection: Connection,
    shelf: Shelf,
    action: str,
    *,
    at: datetime,
    by: str,
    after: dict[str, Any] | None,
) -> None:
    if shelf.alert_id is not None:
        thing, name = "alert", str(shelf.alert_id)
    elif shelf.rule is not None:
        thing, name = "rule", f"{shelf.line}/{shelf.rule}"
    else:
        thing, name = "line", shelf.line
    add_change(
        connection, Change(at=at, who=by, action=action, thing=thing, name=name, after=after)
    )


def _shelves() -> Select[*tuple[Any, ...]]:
    return (
        select(shelves, lines.c.name.label("line"), rules.c.name.label("rule"))
        .join(lines, lines.c.id == shelves.c.line_id)
        .outerjoin(rules, rules.c.id == shelves.c.rule_id)
    )


def _shelf(row: Row[*tuple[Any, ...]]) -> Shelf:
    return Shelf(
        shelf_id=row.id,
        line=row.line,
        rule=row.rule,
        alert_id=row.alert_id,
        is_pause=row.is_pause,
        silence=Silence(at=row.begun_at, by=row.begun_by, reason=row.reason, until_at=row.until_at),
    )

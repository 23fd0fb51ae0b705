"""The rules of lines: made with their line, changed on purpose."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, insert, select, update

from inspection.domain.alert import AlertKind
from inspection.domain.rule import DEFAULT_RULES, Rule, rule_of
from inspection.errors import ConfigurationError, ConflictError, NotFoundError
from inspection.store.alert_tables import alerts, armings, rules, shelves
from inspection.store.audit import Change, add_change
from inspection.store.responses import Response, resolve_all
from inspection.store.tables import lines


@dataclass(frozen=True, kw_only=True)
class LineRule:
    """A rule, and the line whose alerts it opens."""

    rule_id: int
    line_id: int
    line: str
    name: str
    kind: AlertKind
    is_enabled: bool
    #: As `Rule.settings` writes it.
    settings: Mapping[str, Any]

    @cached_property
    def rule(self) -> Rule:
        """The rule; read when it is needed, so that a broken one stops nobody else.

        Raises:
            ConfigurationError: somebody wrote settings that cannot work into the database.
        """
        return rule_of(self.kind, self.settings, name=self.name, is_enabled=self.is_enabled)


@dataclass(frozen=True, kw_only=True)
class RuleChange:
    """Who changes a rule, when and why."""

    at: datetime
    by: str
    reason: str = ""


def insert_rules(connection: Connection, line_id: int, given: Iterable[Rule]) -> None:
    """Insert the rules of a line that has none."""
    rows = [{"line_id": line_id} | _values(rule) for rule in given]
    if rows:
        connection.execute(insert(rules), rows)


def rules_by_line(connection: Connection, line_id: int | None = None) -> dict[int, list[Rule]]:
    """Return the rules by the id of their line, of one line or of all, as they were made."""
    statement = select(rules).order_by(rules.c.id)
    if line_id is not None:
        statement = statement.where(rules.c.line_id == line_id)
    found: dict[int, list[Rule]] = {}
    for row in connection.execute(statement):
        found.setdefault(row.line_id, []).append(_rule(row))
    return found


def rules_of_kinds(
    connection: Connection, line_id: int, kinds: Sequence[AlertKind]
) -> list[LineRule]:
    """Return the enabled rules of a line that are of these kinds."""
    statement = line_rules().where(
        rules.c.line_id == line_id, rules.c.kind.in_(kinds), rules.c.is_enabled
    )
    return [line_rule(row) for row in connection.execute(statement)]


def get_rule(connection: Connection, line: str, name: str) -> LineRule:
    """Return the rule of a line that is called `name`.

    Raises:
        NotFoundError: there is none; the message names those there are.
    """
    found = connection.execute(line_rules().where(lines.c.name == line)).all()
    for row in found:
        if row.name == name:
            return line_rule(row)
    if not found:
        raise NotFoundError(f"there is no line {line!r} that has rules")
    names = ", ".join(row.name for row in found)
    raise NotFoundError(f"line {line} has no rule {name!r}; it has: {names}")


def set_rule(connection: Connection, line_id: int, rule: Rule, change: RuleChange) -> None:
    """Make the line have this rule: a new one, or in place of the one of this name.

    A rule that is disabled leaves no alert open: nobody would look whether it is over.

    Raises:
        ConfigurationError: the one of this name is of another kind.
    """
    line = connection.scalar(select(lines.c.name).where(lines.c.id == line_id))
    of_name = (rules.c.line_id == line_id) & (rules.c.name == rule.name)
    row = connection.execute(select(rules).where(of_name).with_for_update()).one_or_none()
    if row is None:
        insert_rules(connection, line_id, [rule])
        before = None
    else:
        if row.kind != rule.kind:
            raise ConfigurationError(
                f"line {line} has a rule {rule.name!r} of kind {row.kind}; take another --name"
            )
        before = _shown(_rule(row))
        if before == _shown(rule):
            return
        connection.execute(update(rules).where(of_name).values(_values(rule)))
        if not rule.is_enabled:
            note = change.reason or "its rule was disabled"
            response = Response(at=change.at, by=change.by, note=note)
            resolve_all(connection, row.id, response)
    add_change(
        connection,
        Change(
            at=change.at,
            who=change.by,
            action="created" if before is None else "changed",
            thing="rule",
            name=f"{line}/{rule.name}",
            before=before,
            after=_shown(rule) | {"reason": change.reason},
        ),
    )


def remove_rule(connection: Connection, line: str, name: str, change: RuleChange) -> None:
    """Remove a rule that has never opened an alert: those that have are part of the history.

    Raises:
        NotFoundError: there is no such line or rule.
        ConflictError: it has opened alerts, was shelved, or every line has it.
    """
    found = get_rule(connection, line, name)
    if name in {rule.name for rule in DEFAULT_RULES}:
        raise ConflictError(f"every line has a rule {name!r}: reset it, or disable it")
    of_rule = [alerts.c.rule_id, shelves.c.rule_id]
    if any(connection.scalar(select(exists().where(key == found.rule_id))) for key in of_rule):
        raise ConflictError(
            f"rule {name!r} of line {line} has opened alerts or was shelved, which stay in the "
            "history: disable it"
        )
    connection.execute(delete(armings).where(armings.c.rule_id == found.rule_id))
    connection.execute(delete(rules).where(rules.c.id == found.rule_id))
    add_change(
        connection,
        Change(
            at=change.at,
            who=change.by,
            action="removed",
            thing="rule",
            name=f"{line}/{name}",
            before=_shown(found.rule),
            after={"reason": change.reason},
        ),
    )


def line_rules() -> Select[*tuple[Any, ...]]:
    """Select every rule with the name of its line, for `line_rule`."""
    return (
        select(rules, lines.c.name.label("line"))
        .join(lines, lines.c.id == rules.c.line_id)
        .order_by(rules.c.id)
    )


def line_rule(row: Row[*tuple[Any, ...]]) -> LineRule:
    """Read a row of `line_rules`."""
    return LineRule(
        rule_id=row.id,
        line_id=row.line_id,
        line=row.line,
        name=row.name,
        kind=AlertKind(row.kind),
        is_enabled=row.is_enabled,
        settings=row.settings,
    )


def _values(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "kind": rule.kind.value,
        "settings": rule.settings,
        "is_enabled": rule.is_enabled,
    }


def _shown(rule: Rule) -> dict[str, Any]:
    return {"kind": rule.kind.value, "is_enabled": rule.is_enabled} | rule.settings


def _rule(row: Row[*tuple[Any, ...]]) -> Rule:
    return rule_of(AlertKind(row.kind), row.settings, name=row.name, is_enabled=row.is_enabled)

"""Rules of lines: changed on purpose, and written down."""

import pytest

from inspection.domain.alert import AlertKind
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import audit, lines, rules
from inspection.store.database import Database
from inspection.store.rules import RuleChange
from tests import factories
from tests.factories import NOON

CHANGE = RuleChange(at=NOON, by="ann", reason="too many calls")


def set_rule(database: Database, **settings: object) -> None:
    rule = factories.rule(**settings)  # type: ignore[arg-type]
    with database.write() as connection:
        rules.set_rule(connection, lines.line_id(connection, "line-1"), rule, CHANGE)


def test_rule_in_place_of_another_is_listed_and_audited(site_database: Database) -> None:
    set_rule(site_database, k=2, n=10)

    with site_database.read() as connection:
        line = lines.get_line(connection, "line-1")
        (change,) = audit.list_changes(connection, thing="rule")
    assert line.rules[0] == factories.rule(k=2, n=10)
    assert len(line.rules) == 5
    assert (change.who, change.action, change.name) == ("ann", "changed", "line-1/ng")
    assert (change.before or {})["k"] == 1
    assert (change.after or {})["k"] == 2
    assert (change.after or {})["reason"] == "too many calls"


def test_new_rule_is_added_to_its_line_alone(site_database: Database) -> None:
    set_rule(site_database, kind=AlertKind.RATE, name="hourly", expected_rate=0.01)

    with site_database.read() as connection:
        names = {
            line.name: [rule.name for rule in line.rules] for line in lines.list_lines(connection)
        }
        (change,) = audit.list_changes(connection, thing="rule")
    assert names["line-1"][-1] == "hourly"
    assert "hourly" not in names["line-2"]
    assert (change.action, change.before) == ("created", None)


def test_same_rule_again_is_no_change(site_database: Database) -> None:
    set_rule(site_database)

    with site_database.read() as connection:
        assert audit.list_changes(connection, thing="rule") == []


def test_rule_keeps_its_kind(site_database: Database) -> None:
    with pytest.raises(ConfigurationError, match="of kind ng; take another --name"):
        set_rule(site_database, kind=AlertKind.BACKLOG, name="ng")


def test_unknown_rule_is_answered_with_those_there_are(site_database: Database) -> None:
    with site_database.read() as connection:
        with pytest.raises(NotFoundError, match="it has: ng, uninspected, drift, camera, backlog"):
            rules.get_rule(connection, "line-1", "rate")
        with pytest.raises(NotFoundError, match="no line 'line-9'"):
            rules.get_rule(connection, "line-9", "ng")

"""`inspection line rule`: when a line opens alerts, and how these behave."""

from dataclasses import replace
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from inspection.cli import context, output
from inspection.cli.site_format import ListedRuleBlock, complaint
from inspection.domain.alert import AlertKind
from inspection.domain.line import checked_name
from inspection.domain.rule import Rule
from inspection.errors import ConfigurationError
from inspection.store import lines, rules
from inspection.store.rules import RuleChange

app = typer.Typer(
    help="Rules: when a line opens alerts, and how these behave.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Reason = Annotated[str, typer.Option(help="why, for the history")]


@app.command("list")
def list_(line: str, *, as_json: AsJson = False) -> None:
    """List the rules of a line with their settings.

    Example: inspection line rule list washers
    """
    settings = context.begin("rule")
    with context.opened_database(settings) as database, database.read() as connection:
        found = lines.get_line(connection, line).rules
    if as_json:
        output.show_rows([row_of(rule) for rule in found], as_json=True)
        return
    rows = [
        {
            "rule": rule.name,
            "kind": rule.kind.value,
            "enabled": "yes" if rule.is_enabled else "no",
            "settings": rule.settings,
        }
        for rule in found
    ]
    output.show_rows(rows, as_json=False)


@app.command("set")
def set_(
    line: str,
    kind: AlertKind,
    settings: Annotated[
        list[str] | None, typer.Argument(help="KEY=VALUE, keys as in a file's `rules`")
    ] = None,
    *,
    name: Annotated[str | None, typer.Option(help="when there are several of a kind")] = None,
    reason: Reason = "",
    as_json: AsJson = False,
) -> None:
    """Change a rule of a line, or give it a new one; what is not named stays as it is.

    Keys of every kind: on_delay_s, off_delay_s, repeat_s, escalate_after_s (`none`: never). Of ng:
    k, n; rate: expected_rate, window_s, confidence, least_count; trend: n, blocks, confidence;
    backlog: limit_s.

    Example: inspection line rule set washers rate expected_rate=0.01 window_s=3600
    """
    began = context.begin("rule")
    given = dict(_pair(text) for text in settings or ())
    with context.opened_database(began) as database, database.write() as connection:
        number = lines.line_id(connection, line)
        checked_name(name or kind.value, thing="rule")
        known = {each.name: each for each in lines.get_line(connection, line).rules}
        before = known.get(name or kind.value)
        # Of a rule of another kind nothing is taken over; it is refused when this one is set.
        kept = before.settings if before is not None and before.kind is kind else {}
        rule = _rule(kind, kept | given, name)
        if before is not None:
            rule = replace(rule, is_enabled=before.is_enabled)
        change = RuleChange(at=context.clock(), by=output.person(), reason=reason)
        rules.set_rule(connection, number, rule, change)
    output.show_object(row_of(rule), as_json=as_json)


@app.command()
def enable(line: str, rule: str, *, reason: Reason = "") -> None:
    """Let a rule open alerts again.

    Example: inspection line rule enable washers camera
    """
    _switch(line, rule, is_enabled=True, reason=reason)


@app.command()
def disable(line: str, rule: str, *, reason: Reason = "") -> None:
    """Let a rule open no alerts; those that are open are resolved.

    Example: inspection line rule disable washers camera --reason "camera is being replaced"
    """
    _switch(line, rule, is_enabled=False, reason=reason)


def row_of(rule: Rule) -> dict[str, Any]:
    """Describe a rule with all its settings."""
    named = {"rule": rule.name, "kind": rule.kind.value, "is_enabled": rule.is_enabled}
    return named | rule.settings


def _switch(line: str, name: str, *, is_enabled: bool, reason: str) -> None:
    settings = context.begin("rule")
    with context.opened_database(settings) as database, database.write() as connection:
        number = lines.line_id(connection, line)
        found = rules.get_rule(connection, line, name)
        change = RuleChange(at=context.clock(), by=output.person(), reason=reason)
        rules.set_rule(connection, number, replace(found.rule, is_enabled=is_enabled), change)


def _pair(text: str) -> tuple[str, str | None]:
    key, sign, value = text.partition("=")
    if not sign or key in ("kind", "name", "enabled") or key not in ListedRuleBlock.model_fields:
        keys = [k for k in ListedRuleBlock.model_fields if k not in ("kind", "name", "enabled")]
        raise ConfigurationError(f"{text!r}: write KEY=VALUE with a KEY of {', '.join(keys)}")
    return key, None if value == "none" else value


def _rule(kind: AlertKind, settings: dict[str, Any], name: str | None) -> Rule:
    try:
        return ListedRuleBlock.model_validate({"kind": kind, "name": name, **settings}).rule()
    except ValidationError as error:
        raise ConfigurationError(complaint(error)) from error

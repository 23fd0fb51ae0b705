"""`inspection alert`: what people are told of, and what they do about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from inspection.cli import context, output, shelf
from inspection.cli.duration import end_of
from inspection.domain.alert import Alert
from inspection.errors import ConfigurationError
from inspection.store import alerts, lines, responses, shelves
from inspection.store.alerts import AlertQuery
from inspection.store.responses import Response
from inspection.store.shelves import Shelf, Silence

app = typer.Typer(
    help="Alerts: what somebody must act on, and what was done.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
AlertId = Annotated[int, typer.Argument(metavar="ID", help="as `inspection alert list` shows it")]
SomeAlertId = Annotated[int | None, typer.Argument(metavar="[ID]", help="one alert")]
OfLine = Annotated[str | None, typer.Option("--line", help="all alerts of a line")]
OfRule = Annotated[str | None, typer.Option("--rule", help="… that this rule of it opens")]
Reason = Annotated[str, typer.Option(help="why, for the history")]


@app.command("list")
def list_(
    *,
    line: Annotated[str | None, typer.Option(help="only those of this line")] = None,
    is_open: Annotated[bool, typer.Option("--open", help="only those not resolved")] = False,
    is_all: Annotated[bool, typer.Option("--all", help="also those that are settled")] = False,
    limit: Annotated[int, typer.Option(min=1, help="at most so many")] = 500,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are not resolved or not acknowledged, the newest first.

    Of those that are shelved it says until when; `inspection alert shelved` says why.

    Example: inspection alert list --line washers --all
    """
    if is_open and is_all:
        raise ConfigurationError("--open shows some and --all shows every alert; take one")
    settings = context.begin("alert")
    query = AlertQuery(line=line, is_open=is_open, is_unsettled=not is_all, limit=limit)
    now = context.clock()
    with context.opened_database(settings) as database, database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)  # refuses one that is not there
        found = alerts.list_alerts(connection, query)
        shelved = shelves.list_shelves(connection, now, line)
    if as_json:
        rows = [_described(alert, shelved, now) for alert in found]
    else:
        rows = [_row(alert, shelved, now) for alert in found]
    output.show_rows(rows, as_json=as_json)


@app.command()
def show(alert: AlertId, *, as_json: AsJson = False) -> None:
    """Show one alert with its newest frames, and what was done about it.

    Example: inspection alert show 7
    """
    settings = context.begin("alert")
    with context.opened_database(settings) as database, database.read() as connection:
        found = alerts.read_alert(connection, alert)
        frames = alerts.frame_ids(connection, alert)
        now = context.clock()
        shelved = shelves.list_shelves(connection, now, found.line)
    output.show_object(_described(found, shelved, now) | {"frames": frames}, as_json=as_json)


@app.command()
def ack(
    alert: AlertId, *, note: Annotated[str, typer.Option(help="what you know about it")] = ""
) -> None:
    """Acknowledge an alert: somebody has seen it and sees to it.

    Example: inspection alert ack 7 --note "changing the tool"
    """
    settings = context.begin("alert")
    response = _response(note)
    with context.opened_database(settings) as database, database.write() as connection:
        found = responses.acknowledge(connection, alert, response)
    output.say(f"alert {alert}: acknowledged by {found.acknowledged_by}")


@app.command()
def dismiss(alert: AlertId, *, reason: Reason) -> None:
    """Acknowledge an alert as nothing that must be acted on.

    Example: inspection alert dismiss 7 --reason "test part"
    """
    settings = context.begin("alert")
    response = _response(reason)
    with context.opened_database(settings) as database, database.write() as connection:
        responses.dismiss(connection, alert, response)
    output.say(f"alert {alert}: dismissed")


@app.command()
def resolve(alert: AlertId, *, reason: Reason) -> None:
    """Resolve an alert by hand; if its condition holds again, or still, another one opens.

    Example: inspection alert resolve 7 --reason "camera was replaced"
    """
    settings = context.begin("alert")
    response = _response(reason)
    with context.opened_database(settings) as database, database.write() as connection:
        found = responses.resolve(connection, alert, response)
    output.say(f"alert {alert}: resolved by {found.resolved_by or 'its condition, before'}")


@app.command()
def shelve(
    alert: SomeAlertId = None,
    *,
    lasts: Annotated[str, typer.Option("--for", help="how long, such as 30min, 2h or 1d")],
    reason: Reason,
    line: OfLine = None,
    rule: OfRule = None,
) -> None:
    """Do not tell an alert, or those of a line or rule, for a time.

    They are opened and counted all the same; what is still open when the time is over is told then.

    Example: inspection alert shelve --line washers --rule ng --for 2h --reason "known bad batch"
    """
    settings = context.begin("alert")
    now = context.clock()
    silence = Silence(at=now, by=output.person(), reason=reason, until_at=end_of(lasts, now))
    with context.opened_database(settings) as database, database.write() as connection:
        scope = shelves.scope_of(connection, line=line, rule=rule, alert_id=alert)
        shelves.shelve(connection, scope, silence)
    output.say(f"shelved until {_shown(silence.until_at)}")


@app.command()
def unshelve(alert: SomeAlertId = None, *, line: OfLine = None, rule: OfRule = None) -> None:
    """Tell again what was shelved in the same words.

    Example: inspection alert unshelve --line washers --rule ng
    """
    settings = context.begin("alert")
    with context.opened_database(settings) as database, database.write() as connection:
        scope = shelves.scope_of(connection, line=line, rule=rule, alert_id=alert)
        shelves.unshelve(connection, scope, at=context.clock(), by=output.person())


@app.command()
def shelved(*, line: OfLine = None, as_json: AsJson = False) -> None:
    """List what is shelved and which lines are paused: until when, by whom and why.

    Example: inspection alert shelved --line washers
    """
    settings = context.begin("alert")
    with context.opened_database(settings) as database, database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)  # refuses one that is not there
        found = shelves.list_shelves(connection, context.clock(), line)
    output.show_rows([shelf.row_of(each) for each in found], as_json=as_json)


def _response(note: str) -> Response:
    return Response(at=context.clock(), by=output.person(), note=note)


def _row(alert: Alert, shelved: Sequence[Shelf], now: datetime) -> dict[str, Any]:
    growth = alert.growth(alert.resolved_at or now)
    silenced, until_at = shelves.silence_of(alert, shelved)
    return {
        "alert": alert.alert_id,
        "opened": _shown(alert.opened_at),
        "rule": alert.rule,
        "acknowledged": alert.acknowledged_by,
        "resolved": None if alert.resolved_at is None else _shown(alert.resolved_at),
        "shelved until": (_shown(until_at) if until_at else "resumed") if silenced else None,
        "summary": f"{alert.summary}; {growth}" if growth else alert.summary,
    }


def _described(alert: Alert, shelved: Sequence[Shelf], now: datetime) -> dict[str, Any]:
    silenced, until_at = shelves.silence_of(alert, shelved)
    return {
        "alert": alert.alert_id,
        "line": alert.line,
        "rule": alert.rule,
        "kind": alert.kind.value,
        "camera": alert.subject or None,
        "summary": alert.summary,
        "opened_at": alert.opened_at.isoformat(),
        "frame_count": alert.frame_count,
        "growth": alert.growth(alert.resolved_at or now),
        "frame_id": alert.frame_id,
        "told_at": _iso(alert.told_at),
        "escalated_at": _iso(alert.escalated_at),
        "acknowledged_at": _iso(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_note": alert.acknowledged_note,
        "is_dismissed": alert.is_dismissed,
        "resolved_at": _iso(alert.resolved_at),
        "resolved_by": alert.resolved_by,
        "resolved_note": alert.resolved_note,
        "is_shelved": silenced,
        "shelved_until": _iso(until_at),
    }


def _shown(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()

"""Alerts: what somebody must act on, and what was done about it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import Connection

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page
from inspection.api.problems import declared
from inspection.api.shapes import Body, RowId, View
from inspection.api.text import Name, Reason, Text
from inspection.api.timeline import after, place_of
from inspection.domain.access import Permission, Principal
from inspection.domain.alert import Alert, AlertKind
from inspection.store import alerts, lines, responses, shelves
from inspection.store.alerts import AlertQuery
from inspection.store.responses import Response
from inspection.store.shelves import Shelf

router = APIRouter(tags=["alerts"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Responding = Annotated[Principal, Depends(Permitted(Permission.RESPOND))]


class AlertState(StrEnum):
    """Which alerts a list shows."""

    #: Not resolved.
    OPEN = "open"
    #: Not resolved, or not acknowledged.
    UNSETTLED = "unsettled"
    ALL = "all"


class AlertView(View):
    """One alert."""

    alert: int = Field(examples=[7])
    line: str = Field(examples=["washers"])
    rule: str = Field(examples=["ng"])
    kind: AlertKind
    camera: str | None = Field(description="null when it is about the line")
    summary: str = Field(examples=["line washers: 2 of the last 10 parts are NG"])
    opened_at: Moment
    frame_count: int = Field(description="frames that belong to it", examples=[2])
    growth: str = Field(description="how it has grown since it was opened, if it has")
    frame_id: str | None = Field(examples=["washers-top/17"])
    told_at: Moment | None
    escalated_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    acknowledged_note: str
    is_dismissed: bool
    resolved_at: Moment | None
    resolved_by: str | None
    resolved_note: str
    is_shelved: bool
    shelved_until: Moment | None = Field(description="null: it is not, or until resumed")


class AlertDetailView(AlertView):
    """One alert with its newest frames."""

    frames: list[str] = Field(examples=[["washers-top/17", "washers-top/16"]])


class NoteBody(Body):
    """What somebody says who has seen an alert."""

    note: Text = Field(default="", examples=["changing the tool"])


class ReasonBody(Body):
    """Why somebody dismisses or resolves an alert."""

    note: Reason


@router.get("/alerts", operation_id="list_alerts", responses=declared(400, 404))
def list_alerts(
    given: Given,
    _caller: Looking,
    *,
    line: Name | None = None,
    kind: AlertKind | None = None,
    state: AlertState = AlertState.UNSETTLED,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[AlertView]:
    """List alerts, the newest first."""
    query = AlertQuery(
        line=line,
        kind=kind,
        is_open=state is AlertState.OPEN,
        is_unsettled=state is AlertState.UNSETTLED,
        before=None if cursor is None else place_of(cursor, int),
        limit=limit + 1,
    )
    now = given.clock()
    with given.database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)  # refuses one that is not there
        found = alerts.list_alerts(connection, query)
        shelved = shelves.list_shelves(connection, now, line)
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return Page(
        items=[_view(alert, shelved, now) for alert in shown],
        next_cursor=None if last is None else after(last.opened_at, last.alert_id),
    )


@router.get("/alerts/{alert}", operation_id="get_alert", responses=declared(404))
def get_alert(alert: RowId, given: Given, _caller: Looking) -> AlertDetailView:
    """Show one alert with its newest frames, and what was done about it."""
    with given.database.read() as connection:
        return _detail(connection, alert, given.clock())


@router.post(
    "/alerts/{alert}/acknowledge", operation_id="acknowledge_alert", responses=declared(404)
)
def acknowledge_alert(
    alert: RowId, body: NoteBody, given: Given, caller: Responding
) -> AlertDetailView:
    """Say that somebody has seen an alert and sees to it; the first to do so stays."""
    return _respond(given, alert, responses.acknowledge, caller, body.note)


@router.post("/alerts/{alert}/dismiss", operation_id="dismiss_alert", responses=declared(404))
def dismiss_alert(
    alert: RowId, body: ReasonBody, given: Given, caller: Responding
) -> AlertDetailView:
    """Acknowledge an alert as nothing that must be acted on."""
    return _respond(given, alert, responses.dismiss, caller, body.note)


@router.post("/alerts/{alert}/resolve", operation_id="resolve_alert", responses=declared(404))
def resolve_alert(
    alert: RowId, body: ReasonBody, given: Given, caller: Responding
) -> AlertDetailView:
    """Resolve an alert by hand; if its condition holds again, or still, another one opens."""
    return _respond(given, alert, responses.resolve, caller, body.note)


def _respond(
    given: Installation,
    alert: int,
    respond: Callable[[Connection, int, Response], Alert],
    caller: Principal,
    note: str,
) -> AlertDetailView:
    now = given.clock()
    with given.database.write() as connection:
        respond(connection, alert, Response(at=now, by=caller.name, note=note))
        return _detail(connection, alert, now)


def _detail(connection: Connection, alert_id: int, now: datetime) -> AlertDetailView:
    alert = alerts.read_alert(connection, alert_id)
    shelved = shelves.list_shelves(connection, now, alert.line)
    frames = alerts.frame_ids(connection, alert_id)
    return AlertDetailView(**dict(_view(alert, shelved, now)), frames=frames)


def _view(alert: Alert, shelved: Sequence[Shelf], now: datetime) -> AlertView:
    is_shelved, until_at = shelves.silence_of(alert, shelved)
    return AlertView(
        alert=alert.alert_id,
        line=alert.line,
        rule=alert.rule,
        kind=alert.kind,
        camera=alert.subject or None,
        summary=alert.summary,
        opened_at=alert.opened_at,
        frame_count=alert.frame_count,
        growth=alert.growth(alert.resolved_at or now),
        frame_id=alert.frame_id,
        told_at=alert.told_at,
        escalated_at=alert.escalated_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=alert.acknowledged_by,
        acknowledged_note=alert.acknowledged_note,
        is_dismissed=alert.is_dismissed,
        resolved_at=alert.resolved_at,
        resolved_by=alert.resolved_by,
        resolved_note=alert.resolved_note,
        is_shelved=is_shelved,
        shelved_until=until_at,
    )

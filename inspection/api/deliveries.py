"""Deliveries: what every channel was sent, how far it came, and trying again."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page
from inspection.api.problems import declared
from inspection.api.shapes import View
from inspection.api.text import Name
from inspection.api.timeline import after, place_of
from inspection.domain.access import Permission, Principal
from inspection.domain.notification import Delivery, Event, Failure
from inspection.store import channels, deliveries

router = APIRouter(tags=["channels"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Configuring = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class DeliveryView(View):
    """One notification, and how far it has come."""

    notification_id: str
    channel: str = Field(examples=["hook"])
    alert_id: int
    line: str
    event: Event
    created_at: Moment
    state: Delivery
    failure: Failure | None = Field(description="why it has failed")
    attempt_count: int
    next_attempt_at: Moment | None
    delivered_at: Moment | None
    error: str | None = Field(description="why the last attempt was refused")
    summary: str


class RetriedView(View):
    """How many notifications are tried again."""

    count: int = Field(examples=[3])


@router.get("/deliveries", operation_id="list_deliveries", responses=declared(400, 404))
def list_deliveries(
    given: Given,
    _caller: Looking,
    *,
    channel: Name | None = None,
    state: Delivery | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DeliveryView]:
    """List what was sent, the newest first: how far it came, and why not."""
    before = None if cursor is None else place_of(cursor, str)
    with given.database.read() as connection:
        if channel is not None:
            channels.get_channel(connection, channel)  # refuses one that is not there
        found = deliveries.list_deliveries(
            connection, channel=channel, state=state, before=before, limit=limit + 1
        )
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return Page(
        items=[DeliveryView(**asdict(one)) for one in shown],
        next_cursor=None if last is None else after(last.created_at, last.notification_id),
    )


@router.post("/channels/{channel}/retry", operation_id="retry_channel", responses=declared(404))
def retry_channel(channel: Name, given: Given, caller: Configuring) -> RetriedView:
    """Have all that failed on a channel tried again, at once."""
    with given.database.write() as connection:
        channels.get_channel(connection, channel)  # refuses one that is not there
        count = deliveries.retry_channel(connection, channel, at=given.clock(), by=caller.name)
    return RetriedView(count=count)

"""Channels: where alerts are sent; what lets one send through them is never given back."""

import time
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field
from sqlalchemy import Connection

from inspection.api import etag
from inspection.api.channel_body import ChannelBody, ChannelChangeBody, changed, made
from inspection.api.etag import PRECONDITIONS, IfMatch
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import View
from inspection.api.text import Name
from inspection.api.trial import Trial
from inspection.domain.access import Permission, Principal
from inspection.domain.channel import Channel, ChannelKind
from inspection.domain.notification import Event
from inspection.errors import ConflictError, DeliveryError, UnavailableError
from inspection.store import channels, deliveries, lines
from inspection.store.audit import Change, add_change
from inspection.store.deliveries import ChannelCounts

router = APIRouter(tags=["channels"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Configuring = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class ChannelView(View):
    """A channel, without what lets one send through it."""

    name: str = Field(examples=["hook"])
    kind: ChannelKind
    address: str | None = Field(
        description="as far as everybody may know it", examples=["https://example.org"]
    )
    username: str | None
    has_secret: bool = Field(description="whether a secret or password is set")
    lines: list[str] | None = Field(description="null: all")
    events: list[Event] | None = Field(description="null: all")


class ChannelRow(ChannelView):
    """A channel, and how much it has told."""

    waiting: int
    delivered: int
    failed: int
    delivered_at: Moment | None = Field(description="of the last that was delivered")


class TrialView(View):
    """What came back of a test."""

    channel: str
    address: str | None
    is_taken: bool
    detail: str = Field(description="why it was refused; empty when it was taken")
    seconds: float


@router.get("/channels", operation_id="list_channels", responses=declared(400))
def list_channels(
    given: Given, _caller: Looking, *, cursor: Cursor = None, limit: Limit = 50
) -> Page[ChannelRow]:
    """List the channels, what they hear, and how much they have told, by name."""
    with given.database.read() as connection:
        counted = deliveries.counts(connection)
        found = channels.list_channels(connection)
    rows = [
        ChannelRow(**dict(_view(one)), **asdict(counted.get(one.name, ChannelCounts())))
        for one in found
    ]
    return page_of(rows, key=lambda row: row.name, cursor=cursor, limit=limit)


@router.post(
    "/channels",
    operation_id="create_channel",
    status_code=HTTPStatus.CREATED,
    responses=declared(404, 409),
)
def create_channel(
    body: ChannelBody, response: Response, given: Given, caller: Configuring
) -> ChannelView:
    """Make a channel; alerts that open from now on are told through it."""
    channel = made(body)
    _trial(given).check(channel)
    with given.database.write() as connection:
        _check_lines(connection, channel)
        if not channels.insert_channel(connection, channel):
            raise ConflictError(f"there is a channel {channel.name!r} already; change that one")
        _created(connection, given, channel, caller)
    view = _view(channel)
    etag.tag(response, view)
    return view


@router.get("/channels/{channel}", operation_id="get_channel", responses=declared(404))
def get_channel(channel: Name, response: Response, given: Given, _caller: Looking) -> ChannelView:
    """Show a channel."""
    with given.database.read() as connection:
        view = _view(channels.get_channel(connection, channel))
    etag.tag(response, view)
    return view


@router.patch(
    "/channels/{channel}",
    operation_id="change_channel",
    responses=declared(404) | PRECONDITIONS,
)
def change_channel(
    channel: Name,
    body: ChannelChangeBody,
    response: Response,
    given: Given,
    caller: Configuring,
    *,
    if_match: IfMatch = None,
) -> ChannelView:
    """Change what is named; what is not named stays, secrets too."""
    trial = _trial(given)
    with given.database.write() as connection:
        before = channels.lock_channel(connection, channel)
        etag.check(if_match, _view(before))
        now = changed(before, body)
        trial.check(now)
        _check_lines(connection, now)
        channels.set_channel(connection, now, at=given.clock(), by=caller.name)
    view = _view(now)
    etag.tag(response, view)
    return view


@router.delete(
    "/channels/{channel}",
    operation_id="delete_channel",
    status_code=HTTPStatus.NO_CONTENT,
    responses=declared(404) | PRECONDITIONS,
)
def delete_channel(
    channel: Name, given: Given, caller: Configuring, *, if_match: IfMatch = None
) -> None:
    """Remove a channel, and the record of what was told through it."""
    with given.database.write() as connection:
        etag.check(if_match, _view(channels.lock_channel(connection, channel)))
        channels.remove_channel(connection, channel, at=given.clock(), by=caller.name)


@router.post("/channels/{channel}/test", operation_id="test_channel", responses=declared(404))
def try_channel(channel: Name, given: Given, _caller: Configuring) -> TrialView:
    """Send a marked test through a channel at once, and say what came back; it is not kept."""
    with given.database.read() as connection:
        found = channels.get_channel(connection, channel)
    begun_s, detail = time.monotonic(), ""
    try:
        _trial(given).send(found)
    except DeliveryError as error:
        detail = str(error)
    return TrialView(
        channel=channel,
        address=channels.address(found),
        is_taken=not detail,
        detail=detail,
        seconds=round(time.monotonic() - begun_s, 3),
    )


def _trial(given: Installation) -> Trial:
    if given.trial is None:
        raise UnavailableError("this process cannot try channels out")
    return given.trial


def _check_lines(connection: Connection, channel: Channel) -> None:
    for line in channel.lines or ():
        lines.line_id(connection, line)  # refuses one that is not there


def _created(
    connection: Connection, given: Installation, channel: Channel, caller: Principal
) -> None:
    change = Change(
        at=given.clock(),
        who=caller.name,
        action="created",
        thing="channel",
        name=channel.name,
        after=channels.public_values(channel),
    )
    add_change(connection, change)


def _view(channel: Channel) -> ChannelView:
    return ChannelView(**channels.public_values(channel), has_secret=channel.secret is not None)

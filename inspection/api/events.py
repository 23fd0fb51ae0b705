"""`GET /events`: what happens, as it happens (server-sent events).

id: 4711-12-1772452800000        of the event; `Last-Event-ID` of a client that comes back
event: inspection | threshold | alert | health | gap | slow | over
data: {…}                        one JSON object

`gap`: more happened while the client was away than is told late; it begins at now. `slow`: the
client took too long and is cut off; it may come back. `over`: the session or key is no longer
good, or the server stops. After an interruption some events may come twice.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from inspection.api import moment
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.news import Listener, Newsroom
from inspection.api.text import Name
from inspection.domain.access import Permission, Principal
from inspection.errors import ForbiddenError, UnauthenticatedError, UnavailableError
from inspection.store import lines
from inspection.store.news import News, Position

router = APIRouter(tags=["events"])

#: Seconds without an event after which a comment says that the stream lives, and the client's
#: right to it is looked at again.
KEEP_ALIVE_S: Final = 15.0
#: Milliseconds after which a browser comes back.
RETRY_MS: Final = 2_000

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAY_LISTEN: Final = Permitted(Permission.READ)

Kind = Literal["inspection", "threshold", "alert", "health"]


class EventStream(StreamingResponse):
    """Answers whose body does not end by itself."""

    media_type = "text/event-stream"


@router.get(
    "/events",
    operation_id="listen",
    response_class=EventStream,
    responses={
        200: {
            "description": "events until the client goes",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def listen(
    request: Request,
    given: Given,
    _caller: Annotated[Principal, Depends(_MAY_LISTEN)],
    *,
    line: Annotated[Name | None, Query(description="only of this line")] = None,
    camera: Annotated[Name | None, Query(description="only of this camera")] = None,
    kind: Annotated[list[Kind], Query(description="only these", max_length=10)] = [],  # noqa: B006 - FastAPI copies it
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamingResponse:
    """Listen to what happens; a client that comes back with `Last-Event-ID` misses nothing."""
    await run_in_threadpool(_check_place, given, line, camera)
    room = given.news
    since = None if last_event_id is None else Position.read(last_event_id, _EPOCH)
    position = await run_in_threadpool(room.now)
    if room.is_full:
        raise UnavailableError("as many listen as this process can tell")
    wants = _wish(line, camera, kind)
    listener = Listener(loop=asyncio.get_running_loop(), wants=wants)
    return EventStream(_events(request, room, listener, position, since))


def _check_place(given: Given, line: str | None, camera: str | None) -> None:
    with given.database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)
        if camera is not None:
            lines.get_camera(connection, camera)


def _missed(room: Newsroom, since: Position) -> list[News] | None:
    """Return what is to be told at once; None: there is a gap."""
    try:
        return room.missed(since)
    except UnavailableError:
        return None


def _wish(line: str | None, camera: str | None, kinds: list[Kind]) -> Callable[[News], bool]:
    def wants(one: News) -> bool:
        return (
            line in {None, one.line}
            and camera in {None, one.camera}
            and (not kinds or one.kind in kinds)
        )

    return wants


async def _events(
    request: Request,
    room: Newsroom,
    listener: Listener,
    position: Position,
    since: Position | None,
) -> AsyncIterator[str]:
    if not room.listen(listener, position):
        yield _written("over", {"why": "the server stops"}, None)
        return
    try:
        yield f"retry: {RETRY_MS}\n\n"
        # Asked while it listens already, so that nothing falls in between.
        missed = await run_in_threadpool(_missed, room, since or position)
        if missed is None:
            yield _written("gap", {"why": "more happened than is told late"}, position)
        for one in filter(listener.wants, missed or ()):
            yield _told(one)
        # Whoever breaks off before anything has happened comes back to here.
        yield f"id: {position}\n\n"
        told = {one.key for one in missed or ()}
        async for text in _lasting(request, listener, told):
            yield text
    finally:
        room.leave(listener)


async def _lasting(
    request: Request, listener: Listener, told: set[tuple[str, int, str]]
) -> AsyncIterator[str]:
    checked_s = listener.loop.time()
    while True:
        try:
            one = await asyncio.wait_for(listener.queue.get(), KEEP_ALIVE_S)
        except TimeoutError:
            yield ": still here\n\n"
        else:
            if one is None:
                why = "it took too long" if listener.is_cut_off else "the server stops"
                yield _written("slow" if listener.is_cut_off else "over", {"why": why}, None)
                return
            if one.key not in told:
                yield _told(one)
        if listener.loop.time() - checked_s >= KEEP_ALIVE_S:
            checked_s = listener.loop.time()
            if not await run_in_threadpool(_may_still, request):
                yield _written("over", {"why": "sign in again"}, None)
                return


def _may_still(request: Request) -> bool:
    try:
        _MAY_LISTEN(request)
    except (UnauthenticatedError, ForbiddenError):
        return False
    except UnavailableError:
        # Nobody knows; the next look will tell.
        return True
    return True


def _told(one: News) -> str:
    return _written(one.kind, one.values, one.position)


def _written(event: str, values: dict[str, Any], position: Position | None) -> str:
    data = json.dumps(values, default=_plain, ensure_ascii=False)
    id_ = "" if position is None else f"id: {position}\n"
    return f"{id_}event: {event}\ndata: {data}\n\n"


def _plain(value: object) -> str:
    return moment.written(value) if isinstance(value, datetime) else str(value)

"""Frames of a pushed camera: sent by a gateway, inspected like any other, and found again."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from inspection.api import upload
from inspection.api.gate import Permitted
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.problems import declared
from inspection.api.pushing import Sending, check_admission, push, wait_s_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name
from inspection.domain.access import Permission, Principal
from inspection.domain.frame import LAST_SEQUENCE_NUMBER, Content, FrameIdentity
from inspection.domain.inspection import Verdict
from inspection.errors import ForbiddenError, NotFoundError
from inspection.store import ledger
from inspection.store.outcomes import FrameOutcome, outcome
from inspection.stream import backlog

router = APIRouter(tags=["frames"])


class FrameState(StrEnum):
    """What has become of a frame."""

    IN_FLIGHT = "in_flight"
    INSPECTED = "inspected"
    UNINSPECTED = "uninspected"
    DROPPED = "dropped"


class FrameQuery(Body):
    """What is known of the part on a pushed picture."""

    part_serial: Label | None = Field(default=None, description="serial number of the part")
    lot: Label | None = None
    trigger_id: Label | None = Field(
        default=None,
        description="id of the trigger: the same picture with the same trigger within an hour is "
        "the same frame",
    )
    product: Label | None = Field(
        default=None, description="what is on the picture; left out: what the camera's line makes"
    )
    captured_at: Moment | None = Field(
        default=None, description="when the exposure was made; left out: now"
    )


class FrameView(View):
    """A frame and what has become of it."""

    camera: str = Field(examples=["tiles-gateway"])
    sequence_number: int = Field(examples=[17])
    captured_at: Moment | None = Field(default=None, description="null while it is in flight")
    state: FrameState
    verdict: Verdict | None = None
    score: float | None = Field(default=None, examples=[0.31])
    threshold: float | None = Field(default=None, examples=[0.5])
    threshold_version: int | None = Field(default=None, examples=[3])
    inspection_id: int | None = Field(default=None, examples=[4711])
    inspection: str | None = Field(
        default=None,
        description="address of its inspection; the map is below it",
        examples=["/api/v1/inspections/4711"],
    )
    heatmap: str | None = Field(default=None, examples=["/api/v1/inspections/4711/heatmap"])
    product: str | None = None
    part_serial: str | None = None
    lot: str | None = None
    trigger_id: str | None = None
    reason: str | None = Field(default=None, description="why it has no verdict")
    detail: str | None = None


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "the encoded picture itself",
        "content": {
            name: {"schema": {"type": "string", "format": "binary"}}
            for name in (*upload.KINDS, upload.ANY_KIND)
        },
    }
}
_PUSHED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "the verdict, within the time `Prefer` gives", "model": FrameView},
    202: {"description": "the frame has its number; `Location` says where to look"},
    503: {
        "description": "a server does not answer and nothing was taken; or the stream is full, and "
        "a camera of the policy `drop_newest` has dropped the frame, which is counted"
    },
}

Pushing = Annotated[Principal, Depends(Permitted(Permission.PUSH))]
Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]


@router.post(
    "/cameras/{camera}/frames",
    operation_id="push_frame",
    status_code=HTTPStatus.ACCEPTED,
    responses=declared(404, 408, 409, 413, 415, 429) | _PUSHED,
    openapi_extra=_BODY,
)
async def push_frame(  # noqa: PLR0913 - parts of one request
    camera: Name,
    about: Annotated[FrameQuery, Query()],
    request: Request,
    response: Response,
    given: Given,
    caller: Pushing,
    *,
    prefer: Annotated[
        str | None,
        Header(description="`wait=SECONDS`: answer with the verdict", examples=["wait=2"]),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[\x21-\x7e]{1,255}$",
            description="a key of this frame's own: sent again with it within an hour, it is the "
            "same frame",
        ),
    ] = None,
) -> FrameView:
    """Push one encoded picture of a camera of kind `push`."""
    if not caller.may_push(camera):
        raise ForbiddenError(f"{caller.name} may not push frames of camera {camera!r}")
    named = upload.media_type(request)
    async with given.uploads:
        picture = await upload.body_of(request, limit_bytes=given.body_limit_bytes)
        kind = await run_in_threadpool(
            upload.checked, picture, named, limit_px=given.picture_limit_px
        )
        said = about.model_dump(exclude={"captured_at"})
        sending = Sending(
            camera=camera,
            content=Content(payload=picture, media_type=kind, **said),
            said_at=about.captured_at,
            key=idempotency_key,
            caller=caller.name,
        )
        key, pushed = await run_in_threadpool(push, given, sending)
    response.headers["Location"] = address = _address(request, pushed.identity)
    check_admission(pushed, address)
    if pushed.is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    wait_s = wait_s_of(prefer)
    if wait_s is not None and not given.waiting.is_full:
        response.headers["Preference-Applied"] = f"wait={wait_s}"
        if await given.waiting.until_settled(given.database, key, wait_s):
            response.status_code = HTTPStatus.OK
            return await run_in_threadpool(_found, given, request, pushed.identity)
    view = _in_flight(pushed.identity.camera, pushed.identity.sequence_number)
    return view.model_copy(update=said | {"captured_at": pushed.identity.captured_at})


@router.get(
    "/cameras/{camera}/frames/{sequence_number}",
    operation_id="get_frame",
    responses=declared(404),
)
def get_frame(
    camera: Name,
    sequence_number: Annotated[int, Path(ge=1, le=LAST_SEQUENCE_NUMBER, examples=[17])],
    request: Request,
    given: Given,
    _caller: Looking,
) -> FrameView:
    """Tell what has become of a frame; of any camera."""
    with given.database.read() as connection:
        found = outcome(connection, camera, sequence_number)
        last = ledger.last_sequence_number(connection, camera)
    if found is not None:
        return _shown(found, request)
    newest = backlog.last_entry(given.stream_client, camera)
    if sequence_number > max(last, 0 if newest is None else newest.sequence_number):
        raise NotFoundError(f"camera {camera!r} has no frame {sequence_number} yet")
    return _in_flight(camera, sequence_number)


def _found(given: Installation, request: Request, identity: FrameIdentity) -> FrameView:
    with given.database.read() as connection:
        found = outcome(connection, identity.camera, identity.sequence_number)
    if found is None:
        return _in_flight(identity.camera, identity.sequence_number)
    return _shown(found, request)


def _in_flight(camera: str, sequence_number: int) -> FrameView:
    return FrameView(camera=camera, sequence_number=sequence_number, state=FrameState.IN_FLIGHT)


def _shown(found: FrameOutcome, request: Request) -> FrameView:
    view = FrameView(
        camera=found.identity.camera,
        sequence_number=found.identity.sequence_number,
        captured_at=found.identity.captured_at,
        state=FrameState(found.outcome.value),
        product=found.product,
        part_serial=found.part_serial,
        lot=found.lot,
        trigger_id=found.trigger_id,
        reason=found.reason,
        detail=found.detail,
    )
    row = found.inspection
    if row is None:
        return view
    address = f"{request.scope.get('root_path', '')}/inspections/{row.inspection_id}"
    judged = {
        "verdict": row.verdict,
        "score": row.score,
        "threshold": row.threshold_value,
        "threshold_version": row.threshold_version,
        "inspection_id": row.inspection_id,
        "inspection": address,
        "heatmap": f"{address}/heatmap",
    }
    return view.model_copy(update=judged)


def _address(request: Request, identity: FrameIdentity) -> str:
    root = request.scope.get("root_path", "")
    return f"{root}/cameras/{identity.camera}/frames/{identity.sequence_number}"

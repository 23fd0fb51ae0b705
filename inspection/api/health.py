"""Health: how cameras and processes are doing, how late verdicts are, and what the disk has."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.problems import declared
from inspection.api.shapes import View
from inspection.api.text import Name
from inspection.domain.access import Permission, Principal
from inspection.domain.health import CameraHealth, CameraState, HealthState
from inspection.domain.heartbeat import Heartbeat, ProcessState
from inspection.domain.view import ViewState
from inspection.store.cameras import camera_id
from inspection.store.room import Room, room
from inspection.store.survey import survey
from inspection.store.views import accept_view
from inspection.stream.sighting import see

router = APIRouter(tags=["health"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Configuring = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class CameraHealthView(View):
    """How one camera is doing, and since when."""

    camera: str
    line: str
    state: HealthState
    since: Moment
    lag_s: float = Field(description="age of the oldest frame that is not judged", examples=[0.3])
    waiting: int = Field(description="frames that wait or are being inspected", examples=[1])
    last_frame: Moment | None
    detail: str = Field(description="one sentence for people; empty when all is well")


class ConditionView(View):
    """What a camera says of itself."""

    state: str = Field(examples=["live"])
    detail: str
    host: str = Field(description="machine that captures it, or took its last pushed frame")
    reported_at: Moment
    last_frame_at: Moment | None
    interval_s: float | None = Field(description="usual time between two exposures")
    view: ViewState
    view_detail: str


class CameraConditionView(View):
    """How one camera is doing, and what it says of itself."""

    health: CameraHealthView
    says: ConditionView | None = Field(description="null: it never said anything")
    waiting: int = Field(description="frames in its stream now")
    oldest_at: Moment | None = Field(description="exposure of the oldest of them")


class ProcessView(View):
    """The last sign of life of one process."""

    process: str = Field(examples=["inspector"])
    host: str
    slot: int
    pid: int
    state: ProcessState
    since: Moment
    done: int


class DiskView(View):
    """The disk that pictures are kept on."""

    free_bytes: int
    reusable_bytes: int = Field(description="within the database's file")
    leaving_bytes: int = Field(description="files that are about to go")


class HealthView(View):
    """How everything is doing."""

    at: Moment
    is_well: bool
    lag_s: float | None = Field(description="of the slowest camera; null when nobody knows")
    cameras: list[CameraHealthView]
    processes: list[ProcessView]
    missing: list[str] = Field(description="kinds of process of which none is at work")
    disk: DiskView | None = Field(description="null: pictures are kept elsewhere")


@router.get("/health", operation_id="get_health")
def get_health(given: Given, _caller: Looking) -> HealthView:
    """Show how cameras and processes are doing, and how long frames wait for their verdict."""
    now = given.clock()
    with given.database.read() as connection:
        found = survey(connection, now, is_local_ray=given.is_local_ray)
    disk = room(given.database, given.pictures)
    return HealthView(
        at=now,
        is_well=found.is_well,
        lag_s=found.lag_s,
        cameras=[_camera(one) for one in found.cameras],
        processes=[_process(one, now) for one in found.processes],
        missing=list(found.missing),
        disk=None if disk is None else _disk(disk),
    )


@router.get(
    "/cameras/{camera}/condition", operation_id="get_camera_condition", responses=declared(404)
)
def get_camera_condition(camera: Name, given: Given, _caller: Looking) -> CameraConditionView:
    """Show how a camera is doing, what it says of itself, and what waits in its stream."""
    with given.database.read() as connection:
        camera_id(connection, camera)  # refuses one that is not there
        found = survey(connection, given.clock(), is_local_ray=given.is_local_ray)
    (health,) = (one for one in found.cameras if one.camera == camera)
    seen = see(given.stream_client, [camera])[camera]
    return CameraConditionView(
        health=_camera(health),
        says=None if seen.said is None else _condition(seen.said),
        waiting=seen.waiting_count,
        oldest_at=seen.oldest_at,
    )


@router.post(
    "/cameras/{camera}/view/accept",
    operation_id="accept_camera_view",
    status_code=204,
    responses=declared(404),
)
def accept_camera_view(camera: Name, given: Given, caller: Configuring) -> None:
    """Say that a camera sees what it should: what it normally sees is learnt anew."""
    with given.database.write() as connection:
        accept_view(connection, camera, at=given.clock(), by=caller.name)


def _camera(one: CameraHealth) -> CameraHealthView:
    return CameraHealthView(
        camera=one.camera,
        line=one.line,
        state=one.state,
        since=one.since_at,
        lag_s=round(one.lag_s, 1),
        waiting=one.waiting_count,
        last_frame=one.last_frame_at,
        detail=one.detail,
    )


def _condition(said: CameraState) -> ConditionView:
    return ConditionView(
        state=said.state,
        detail=said.detail,
        host=said.host,
        reported_at=said.reported_at,
        last_frame_at=said.last_frame_at,
        interval_s=said.interval_s,
        view=said.view.state,
        view_detail=said.view.detail,
    )


def _process(one: Heartbeat, now: datetime) -> ProcessView:
    state = one.state(now)
    return ProcessView(
        process=one.process,
        host=one.host,
        slot=one.slot,
        pid=one.pid,
        state=state,
        since=one.since_at(now),
        done=one.done_count,
    )


def _disk(found: Room) -> DiskView:
    return DiskView(
        free_bytes=found.free_bytes,
        reusable_bytes=found.reusable_bytes,
        leaving_bytes=found.leaving_bytes,
    )

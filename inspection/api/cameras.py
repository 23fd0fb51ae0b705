"""Cameras: where they stand, what they look at, how their frames travel."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field, field_validator, model_validator

from inspection.api import etag, problems
from inspection.api.etag import IfMatch
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name
from inspection.domain.access import Permission, Principal
from inspection.domain.line import Camera, Encoding, OverflowPolicy, Source, SourceKind
from inspection.store import cameras, lines, mounting

router = APIRouter(tags=["cameras"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]

#: What each kind of source cannot do without.
_NEEDED = {"folder": "path", "video": "path", "rtsp": "url", "usb": "device"}
_NEEDED |= {"simulated": "product"}

Quality = Annotated[int, Field(ge=1, le=100, description="of JPEG")]
Rate = Annotated[float, Field(gt=0, le=1000, description="exposures a second at most")]
Frames = Annotated[int, Field(ge=1, le=2**53, description="stop after so many")]
BacklogLimit = Annotated[int, Field(ge=1, le=100_000, description="frames its stream holds")]


class SourceBody(Body):
    """Where exposures come from."""

    kind: SourceKind
    path: Annotated[str, Field(max_length=4000, pattern=r"^/[^\x00]*$")] | None = Field(
        default=None, description="folder or video, on the machine that captures"
    )
    url: Annotated[str, Field(max_length=2000, pattern=r"^rtsps?://[\x21-\x7e]+$")] | None = Field(
        default=None, description="its password is never shown again, to nobody"
    )
    device: Annotated[int, Field(ge=0, le=255)] | None = None
    is_recursive: bool = False
    is_watched: bool = False
    name_pattern: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] | None = None
    product: Label | None = None
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0
    defect_rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    good_parts_count: Annotated[int, Field(ge=0, le=2**53)] = 0
    size_px: Annotated[int, Field(ge=64, le=2048)] = 384

    @field_validator("url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        try:
            parts = urlsplit(value or "")
            _ = parts.port
        except ValueError as error:
            raise ValueError("this is no address; take rtsp://host:554/path") from error
        if parts.password == "***":  # noqa: S105 - what answers show in place of one
            raise ValueError("*** is no password; send the real one, or leave `source` out")
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        needed = _NEEDED.get(self.kind)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f"a source of kind {self.kind} needs `{needed}`")
        return self

    def source(self) -> Source:
        """Return what it says."""
        path = None if self.path is None else Path(self.path)
        return Source(**self.model_dump(exclude={"path"}), path=path)


class CameraChange(Body):
    """What shall be otherwise; what is left out stays."""

    source: SourceBody | None = Field(default=None, description="null or left out: as it is")
    product: Label | None = Field(default=None, description="null: what the line makes")
    encoding: Encoding = Encoding.JPEG
    quality: Quality = 95
    rate_hz: Rate | None = None
    frames: Frames | None = None
    overflow: OverflowPolicy = OverflowPolicy.DROP_OLDEST
    backlog_limit: BacklogLimit = 256


class CameraBody(CameraChange):
    """A new camera; without `overflow` live ones drop the oldest frame, folders wait."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "camera": "washers-side",
                    "line": "washers",
                    "station": "side",
                    "source": {"kind": "rtsp", "url": "rtsp://10.0.0.7:554/stream"},
                }
            ]
        }
    )

    camera: Name
    line: Name
    station: Name
    source: SourceBody


class CameraView(View):
    """A camera; the password in the address of its source is shown as `***`."""

    camera: str = Field(examples=["washers-top"])
    line: str = Field(examples=["washers"])
    station: str = Field(examples=["top"])
    source: dict[str, Any] = Field(examples=[{"kind": "folder", "path": "/pictures/washers"}])
    product: str | None
    encoding: Encoding
    quality: int
    rate_hz: float | None
    frames: int | None
    overflow: OverflowPolicy
    backlog_limit: int

    @classmethod
    def of(cls, camera: Camera) -> Self:
        """Return the camera as it is shown."""
        values = cameras.public_values(camera)
        return cls(camera=values.pop("name"), **values)


@router.get("/cameras", operation_id="list_cameras", responses=problems.declared(404))
def list_(
    given: Given,
    _caller: _Reader,
    *,
    line: Annotated[Name | None, Query(description="only of this line")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CameraView]:
    """List the cameras, or those of one line, by name."""
    with given.database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)
        views = [CameraView.of(one) for one in lines.list_cameras(connection, line=line)]
    return page_of(views, key=lambda view: view.camera, cursor=cursor, limit=limit)


@router.post(
    "/cameras",
    operation_id="create_camera",
    status_code=201,
    responses=problems.declared(404, 409),
)
def create(given: Given, caller: _Engineer, body: CameraBody, response: Response) -> CameraView:
    """Add a camera to a line, and its station if that is new; capture starts it when restarted."""
    source = body.source.source()
    settings = body.model_dump(exclude={"source", "camera"})
    camera = Camera(name=body.camera, source=source, **settings)
    if "overflow" not in body.model_fields_set and not camera.is_live:
        camera = replace(camera, overflow=OverflowPolicy.BLOCK)
    with given.database.write() as connection:
        mounting.add_camera(connection, camera, at=given.clock(), by=caller.name)
    view = CameraView.of(camera)
    etag.tag(response, view)
    response.headers["Location"] = f"/api/v1/cameras/{camera.name}"
    return view


@router.get("/cameras/{camera}", operation_id="get_camera")
def get(given: Given, _caller: _Reader, camera: Name, response: Response) -> CameraView:
    """Show one camera."""
    with given.database.read() as connection:
        view = CameraView.of(lines.get_camera(connection, camera))
    etag.tag(response, view)
    return view


@router.patch("/cameras/{camera}", operation_id="change_camera", responses=etag.PRECONDITIONS)
def change(
    given: Given,
    caller: _Engineer,
    camera: Name,
    body: CameraChange,
    response: Response,
    if_match: IfMatch = None,
) -> CameraView:
    """Change how a camera works; what is left out stays, and capture takes it up when restarted."""
    changes = body.model_dump(exclude_unset=True, exclude={"source"})
    with given.database.write() as connection:
        before = mounting.lock_camera(connection, camera)
        etag.check(if_match, CameraView.of(before))
        source = before.source if body.source is None else body.source.source()
        after = replace(before, **changes, source=source)
        mounting.change_camera(connection, before, after, at=given.clock(), by=caller.name)
    view = CameraView.of(after)
    etag.tag(response, view)
    return view


@router.delete(
    "/cameras/{camera}",
    operation_id="remove_camera",
    status_code=204,
    responses=etag.PRECONDITIONS | problems.declared(409),
)
def remove(given: Given, caller: _Engineer, camera: Name, if_match: IfMatch = None) -> None:
    """Remove a camera that has never given a frame."""
    with given.database.write() as connection:
        etag.check(if_match, CameraView.of(mounting.lock_camera(connection, camera)))
        mounting.remove_camera(connection, camera, at=given.clock(), by=caller.name)

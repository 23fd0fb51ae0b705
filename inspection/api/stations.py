"""Stations: the places of a line where parts are looked at."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Name
from inspection.domain.access import Permission, Principal
from inspection.errors import NotFoundError
from inspection.store import lines, stations

router = APIRouter(tags=["stations"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class StationView(View):
    """A station and what stands at it."""

    line: str = Field(examples=["washers"])
    station: str = Field(examples=["top"])
    cameras: list[str] = Field(examples=[["washers-top"]])


class StationBody(Body):
    """A new station."""

    station: Name


@router.get("/lines/{line}/stations", operation_id="list_stations")
def list_(
    given: Given, _caller: _Reader, line: Name, *, limit: Limit = 100, cursor: Cursor = None
) -> Page[StationView]:
    """List the stations of a line, by name."""
    views = _views(given, line)
    return page_of(views, key=lambda view: view.station, cursor=cursor, limit=limit)


@router.post(
    "/lines/{line}/stations",
    operation_id="create_station",
    status_code=201,
    responses=problems.declared(409),
)
def create(
    given: Given, caller: _Engineer, line: Name, body: StationBody, response: Response
) -> StationView:
    """Create a station."""
    with given.database.write() as connection:
        stations.add_station(connection, line, body.station, at=given.clock(), by=caller.name)
    response.headers["Location"] = f"/api/v1/lines/{line}/stations/{body.station}"
    return StationView(line=line, station=body.station, cameras=[])


@router.get("/lines/{line}/stations/{station}", operation_id="get_station")
def get(given: Given, _caller: _Reader, line: Name, station: Name) -> StationView:
    """Show one station."""
    for view in _views(given, line):
        if view.station == station:
            return view
    raise NotFoundError(f"line {line!r} has no station {station!r}")


@router.delete(
    "/lines/{line}/stations/{station}",
    operation_id="remove_station",
    status_code=204,
    responses=problems.declared(409),
)
def remove(given: Given, caller: _Engineer, line: Name, station: Name) -> None:
    """Remove a station that has no cameras, thresholds and frames."""
    with given.database.write() as connection:
        stations.remove_station(connection, line, station, at=given.clock(), by=caller.name)


def _views(given: Given, line: str) -> list[StationView]:
    with given.database.read() as connection:
        names = stations.list_stations(connection, line)
        cameras = lines.list_cameras(connection, line=line)
    return [
        StationView(line=line, station=name, cameras=[c.name for c in cameras if c.station == name])
        for name in names
    ]

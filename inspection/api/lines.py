"""Lines: what they make, which pictures they keep, how much they learn."""

from dataclasses import replace
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field

from inspection.api import etag, problems
from inspection.api.etag import IfMatch
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name
from inspection.domain.access import Permission, Principal
from inspection.domain.line import Line, PicturePolicy
from inspection.errors import ConflictError
from inspection.store import lines

router = APIRouter(tags=["lines"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Engineer = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]

#: First frames of each product and station, at most, that a reference is learnt from.
_LEARN_LIMIT = 1_000

SampleRate = Annotated[
    float, Field(ge=0, le=1, description="share of OK frames whose picture is kept")
]
LearnCount = Annotated[
    int,
    Field(
        ge=0,
        le=_LEARN_LIMIT,
        description="first frames of each product and station that a reference is learnt from",
    ),
]


class LineView(View):
    """A line, as far as it can be changed here."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "line": "washers",
                    "product": "metal washer",
                    "pictures": "ng_and_sample",
                    "sample_rate": 0.05,
                    "learn_count": 32,
                }
            ]
        },
    )

    line: str
    product: str | None
    pictures: PicturePolicy
    sample_rate: float
    learn_count: int

    @classmethod
    def of(cls, line: Line) -> Self:
        """Return the line as it is shown."""
        return cls(
            line=line.name,
            product=line.product,
            pictures=line.pictures,
            sample_rate=line.sample_rate,
            learn_count=line.learn_count,
        )


class LineBody(Body):
    """A new line."""

    line: Name
    product: Label | None = None
    pictures: PicturePolicy = PicturePolicy.NG_AND_SAMPLE
    sample_rate: SampleRate = 0.05
    learn_count: LearnCount = 0


class LineChange(Body):
    """What shall be otherwise; what is left out stays."""

    product: Label | None = Field(default=None, description="null: nobody says what it makes")
    pictures: PicturePolicy = PicturePolicy.NG_AND_SAMPLE
    sample_rate: SampleRate = 0.05
    learn_count: LearnCount = 0


@router.get("/lines", operation_id="list_lines")
def list_(
    given: Given, _caller: _Reader, *, limit: Limit = 100, cursor: Cursor = None
) -> Page[LineView]:
    """List the lines, by name."""
    with given.database.read() as connection:
        views = [LineView.of(line) for line in lines.list_lines(connection)]
    return page_of(views, key=lambda view: view.line, cursor=cursor, limit=limit)


@router.post(
    "/lines", operation_id="create_line", status_code=201, responses=problems.declared(409)
)
def create(given: Given, caller: _Engineer, body: LineBody, response: Response) -> LineView:
    """Create a line with the usual alert rules; cameras are added to it one by one."""
    line = Line(name=body.line, **body.model_dump(exclude={"line"}))
    with given.database.write() as connection:
        if any(known.name == line.name for known in lines.list_lines(connection)):
            raise ConflictError(f"there is a line {line.name!r} already; take another name")
        lines.add_line(connection, line, at=given.clock(), by=caller.name)
    view = LineView.of(line)
    etag.tag(response, view)
    response.headers["Location"] = f"/api/v1/lines/{line.name}"
    return view


@router.get("/lines/{line}", operation_id="get_line")
def get(given: Given, _caller: _Reader, line: Name, response: Response) -> LineView:
    """Show one line."""
    with given.database.read() as connection:
        view = LineView.of(lines.get_line(connection, line))
    etag.tag(response, view)
    return view


@router.patch("/lines/{line}", operation_id="change_line", responses=etag.PRECONDITIONS)
def change(
    given: Given,
    caller: _Engineer,
    line: Name,
    body: LineChange,
    response: Response,
    if_match: IfMatch = None,
) -> LineView:
    """Change a line between two frames; what is left out stays as it is."""
    with given.database.write() as connection:
        before = lines.lock_line(connection, line)
        etag.check(if_match, LineView.of(before))
        after = replace(before, **body.model_dump(exclude_unset=True))
        lines.change_line(connection, before, after, at=given.clock(), by=caller.name)
    view = LineView.of(after)
    etag.tag(response, view)
    return view


@router.delete(
    "/lines/{line}",
    operation_id="remove_line",
    status_code=204,
    responses=etag.PRECONDITIONS | problems.declared(409),
)
def remove(given: Given, caller: _Engineer, line: Name, if_match: IfMatch = None) -> None:
    """Remove a line that has no cameras, thresholds, recipes, alerts and history."""
    with given.database.write() as connection:
        etag.check(if_match, LineView.of(lines.lock_line(connection, line)))
        lines.remove_line(connection, line, at=given.clock(), by=caller.name)

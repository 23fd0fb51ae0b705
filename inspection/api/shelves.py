"""Silence on purpose: shelved alerts are not told, of paused lines none is opened; both end."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, RowId, View
from inspection.api.text import Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.errors import NotFoundError
from inspection.store import lines, shelves
from inspection.store.shelves import Shelf, Silence

router = APIRouter(tags=["alerts"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Responding = Annotated[Principal, Depends(Permitted(Permission.RESPOND))]


class ShelfBody(Body):
    """What is to be silenced: one alert, or all of a line, or those of one of its rules."""

    alert: RowId | None = None
    line: Name | None = None
    rule: Name | None = None
    until_at: Moment | None = Field(default=None, description="a pause may have no end")
    reason: Reason
    is_pause: bool = Field(
        default=False, description="of a line: no alert is opened at all until it is resumed"
    )

    @model_validator(mode="after")
    def _names_one_thing(self) -> "ShelfBody":
        if (self.alert is None) == (self.line is None):
            raise ValueError("name an alert, or a line with or without one of its rules")
        if self.line is None and self.rule is not None:
            raise ValueError("a rule is one of a line: name the line as well")
        if self.is_pause and (self.line is None or self.rule is not None):
            raise ValueError("a pause is of a whole line: name the line alone")
        if not self.is_pause and self.until_at is None:
            raise ValueError("a shelf needs an end: until_at")
        return self


class ShelfView(View):
    """A silence that has not ended."""

    shelf: int = Field(examples=[3])
    line: str
    rule: str | None = Field(description="null: all of the line, or one alert")
    alert: int | None
    is_pause: bool
    since_at: Moment
    until_at: Moment | None
    by: str
    reason: str


@router.get("/shelves", operation_id="list_shelves", responses=declared(400, 404))
def list_shelves(
    given: Given,
    _caller: Looking,
    *,
    line: Name | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ShelfView]:
    """List what is shelved and which lines are paused: until when, by whom and why."""
    with given.database.read() as connection:
        if line is not None:
            lines.line_id(connection, line)  # refuses one that is not there
        found = shelves.list_shelves(connection, given.clock(), line)
    views = [_view(shelf) for shelf in found]
    return page_of(views, key=lambda view: f"{view.shelf:020}", cursor=cursor, limit=limit)


@router.post("/shelves", operation_id="shelve", status_code=201, responses=declared(404))
def shelve(body: ShelfBody, given: Given, caller: Responding) -> ShelfView:
    """Do not tell alerts for a time, or pause a line; what silenced the same before ends."""
    silence = Silence(at=given.clock(), by=caller.name, reason=body.reason, until_at=body.until_at)
    with given.database.write() as connection:
        if body.is_pause:
            return _view(shelves.pause(connection, body.line or "", silence))
        scope = shelves.scope_of(connection, line=body.line, rule=body.rule, alert_id=body.alert)
        return _view(shelves.shelve(connection, scope, silence))


@router.delete(
    "/shelves/{shelf}", operation_id="unshelve", status_code=204, responses=declared(404)
)
def unshelve(shelf: RowId, given: Given, caller: Responding) -> None:
    """End a silence: what is shelved is told again, a paused line opens alerts again."""
    now = given.clock()
    with given.database.write() as connection:
        standing = {one.shelf_id: one for one in shelves.list_shelves(connection, now)}
        if (found := standing.get(shelf)) is None:
            raise NotFoundError(f"there is no shelf {shelf}, or it has ended")
        if found.is_pause:
            shelves.resume(connection, found.line, at=now, by=caller.name)
            return
        of_line = found.line if found.alert_id is None else None
        scope = shelves.scope_of(connection, line=of_line, rule=found.rule, alert_id=found.alert_id)
        shelves.unshelve(connection, scope, at=now, by=caller.name)


def _view(shelf: Shelf) -> ShelfView:
    return ShelfView(
        shelf=shelf.shelf_id,
        line=shelf.line,
        rule=shelf.rule,
        alert=shelf.alert_id,
        is_pause=shelf.is_pause,
        since_at=shelf.silence.at,
        until_at=shelf.silence.until_at,
        by=shelf.silence.by,
        reason=shelf.silence.reason,
    )

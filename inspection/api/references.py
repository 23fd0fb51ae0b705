"""References: which good parts the detector compares with; they are built by commands."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.problems import declared
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.reference import LineReference, ReferencePlace, ReferenceSource
from inspection.store import references

router = APIRouter(tags=["references"], route_class=Once)

Looking = Annotated[Principal, Depends(Permitted(Permission.READ))]
Configuring = Annotated[Principal, Depends(Permitted(Permission.CONFIGURE))]


class WithdrawalBody(Body):
    """Which reference is to be withdrawn, and why."""

    line: Name
    station: Name
    product: Label = Field(description="as frames name it; `object`: of those that name none")
    reason: Reason

    @property
    def place(self) -> ReferencePlace:
        """What the reference belongs to."""
        return ReferencePlace(line=self.line, station=self.station, product=self.product)


class RestorationBody(WithdrawalBody):
    """Which version is to be in force again, and why."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1, examples=[2])]


class ReferenceView(View):
    """One version of the reference of a product at a station."""

    line: str
    station: str
    product: str
    version: int
    content_hash: str = Field(description="SHA-256 of its file")
    checkpoint_hash: str = Field(description="of the checkpoint it is of use to")
    images_count: int = Field(description="good pictures it is made of")
    source: ReferenceSource
    is_final: bool = Field(description="learning from the stream has ended with it")
    is_in_force: bool
    made_at: Moment
    made_by: str
    reason: str


@router.get("/references", operation_id="list_references", responses=declared(400, 404))
def list_references(
    given: Given,
    _caller: Looking,
    *,
    line: Name | None = None,
    is_in_force: bool = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReferenceView]:
    """List every version by line, station, product and version, or only those in force."""
    with given.database.read() as connection:
        found = references.list_references(connection, line=line, is_in_force=is_in_force)
    views = [_view(reference) for reference in found]
    return page_of(views, key=_key, cursor=cursor, limit=limit)


@router.post("/references/withdraw", operation_id="withdraw_reference", responses=declared(404))
def withdraw_reference(body: WithdrawalBody, given: Given, caller: Configuring) -> ReferenceView:
    """Put the reference of a place out of force: frames are scored without one."""
    with given.database.write() as connection:
        withdrawn = references.withdraw_reference(
            connection, body.place, at=given.clock(), by=caller.name, reason=body.reason
        )
    return _view(withdrawn)


@router.post("/references/restore", operation_id="restore_reference", responses=declared(404))
def restore_reference(body: RestorationBody, given: Given, caller: Configuring) -> ReferenceView:
    """Put an earlier version of the reference of a place in force again."""
    with given.database.write() as connection:
        restored = references.restore_reference(
            connection,
            body.place,
            body.version,
            at=given.clock(),
            by=caller.name,
            reason=body.reason,
        )
    return _view(restored)


def _key(view: ReferenceView) -> str:
    return f"{view.line}/{view.station}/{view.version:012}/{view.product}"


def _view(reference: LineReference) -> ReferenceView:
    return ReferenceView(**asdict(reference))

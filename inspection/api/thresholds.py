"""Thresholds: the newest of each scope, every version, setting and rolling back."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from sqlalchemy import Connection

from inspection.api import etag, problems
from inspection.api.etag import IfMatch
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, page_of
from inspection.api.shapes import Body, View
from inspection.api.text import Label, Name, Reason
from inspection.domain.access import Permission, Principal
from inspection.domain.line import Scope
from inspection.errors import NotFoundError
from inspection.reporting.threshold_report import row_of
from inspection.store import threshold_list
from inspection.store.rollbacks import Rollback, roll_back
from inspection.store.threshold_list import Listed
from inspection.store.thresholds import NewThreshold, add_version, newest_version, scope_name

router = APIRouter(tags=["thresholds"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Setter = Annotated[Principal, Depends(Permitted(Permission.THRESHOLD))]

#: Of a version, or how many there are; never as many as a column of the database takes.
Version = Annotated[int, Field(ge=1, le=2**31 - 1, examples=[2])]
#: An anomaly score.
Value = Annotated[float, Field(allow_inf_nan=False, examples=[0.62])]


def scope_of(
    line: Name,
    product: Annotated[Label | None, Query(description="only for this product")] = None,
    station: Annotated[Name | None, Query(description="only for this station")] = None,
    camera: Annotated[Name | None, Query(description="only for this camera")] = None,
) -> Scope:
    """Return where a threshold applies: a line, or a product, station or camera of it."""
    return Scope(line=line, product=product, station=station, camera=camera)


class PromiseView(View):
    """What a calibrated threshold promises."""

    false_reject_rate: float = Field(examples=[0.005])
    confidence: float = Field(examples=[0.95])
    good_count: int = Field(examples=[1000])
    withdrawn_at: Moment | None = Field(description="since when it is no longer kept")
    why: str | None


class ThresholdView(View):
    """One version of a threshold."""

    scope: str = Field(examples=["line=washers camera=top-1"])
    line: str = Field(examples=["washers"])
    product: str | None
    station: str | None
    camera: str | None = Field(examples=["top-1"])
    version: int = Field(examples=[2])
    value: float | None = Field(
        description="NG if and only if a score is greater; null: withdrawn, verdicts are pending",
        examples=[0.62],
    )
    differs_from_line: bool = Field(description="whether it judges otherwise than the line's own")
    is_in_force: bool = Field(description="whether it judges by now, where it is the most specific")
    effective_at: Moment
    set_at: Moment
    set_by: str = Field(examples=["anna"])
    reason: str = Field(examples=["new supplier"])
    checkpoint_hash: str | None = Field(description="whose scores alone it judges; null: of any")
    reference_hash: str | None
    promise: PromiseView | None = Field(description="null: it was not calibrated")

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """Return the version as it is shown."""
        return cls.model_validate(row_of(listed))


class ThresholdTag(View):
    """What the tag of a threshold stands for: whether it is in force yet changes nothing."""

    scope: str
    version: int


class ThresholdBody(Body):
    """The next version of a threshold."""

    value: Value | None = Field(description="null withdraws it: verdicts are pending")
    reason: Reason


class RollbackBody(Body):
    """Which version is to be set again, and why."""

    version: Version | None = Field(
        default=None, description="which; by default the one before the newest"
    )
    known_version: Version | None = Field(
        default=None, description="refuse (412) if the newest version is another one"
    )
    reason: Reason


@router.get("/thresholds", operation_id="list_thresholds", responses=problems.declared(404))
def list_(
    given: Given,
    _caller: _Reader,
    *,
    line: Annotated[Name | None, Query(description="only of this line")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ThresholdView]:
    """List the newest version of each threshold; the most specific one judges a frame.

    Camera comes before station, station before product, product before line.
    """
    with given.database.read() as connection:
        views = [ThresholdView.of(one) for one in threshold_list.newest(connection, line=line)]
    return page_of(views, key=lambda view: view.scope, cursor=cursor, limit=limit)


@router.get(
    "/lines/{line}/threshold", operation_id="get_threshold", responses=problems.declared(404)
)
def get(
    given: Given, _caller: _Reader, scope: Annotated[Scope, Depends(scope_of)], response: Response
) -> ThresholdView:
    """Show the newest version of the threshold of a line, or of a part of it."""
    with given.database.read() as connection:
        return _tagged(_newest(connection, scope), response)


@router.get(
    "/lines/{line}/threshold-versions",
    operation_id="list_threshold_versions",
    responses=problems.declared(404),
)
def versions(
    given: Given,
    _caller: _Reader,
    scope: Annotated[Scope, Depends(scope_of)],
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[ThresholdView]:
    """List every version of a threshold, the newest first."""
    with given.database.read() as connection:
        views = [ThresholdView.of(one) for one in threshold_list.history(connection, scope)]
    # The highest version sorts first.
    return page_of(
        views, key=lambda view: f"{2**31 - view.version:010}", cursor=cursor, limit=limit
    )


@router.put(
    "/lines/{line}/threshold",
    operation_id="set_threshold",
    responses=etag.PRECONDITIONS | problems.declared(404),
)
def set_(
    given: Given,
    caller: _Setter,
    scope: Annotated[Scope, Depends(scope_of)],
    body: ThresholdBody,
    response: Response,
    if_match: IfMatch = None,
) -> ThresholdView:
    """Set the next version; all inspectors change over to it together, about a second later.

    Only the first version of a scope needs no `If-Match`. The `etag` of a what-if answer serves
    as well: then nothing is set that was asked about another version.
    """
    with given.database.write() as connection:
        known = newest_version(connection, scope)
        if known:
            etag.check(if_match, ThresholdTag(scope=scope_name(scope), version=known))
        new = NewThreshold(
            scope=scope,
            value=body.value,
            set_at=given.clock(),
            set_by=caller.name,
            reason=body.reason,
            known_version=known,
        )
        add_version(connection, new)
        return _tagged(_newest(connection, scope), response)


@router.post(
    "/lines/{line}/threshold/rollback",
    operation_id="roll_back_threshold",
    responses=problems.declared(404, 409, 412),
)
def rollback(
    given: Given,
    caller: _Setter,
    scope: Annotated[Scope, Depends(scope_of)],
    body: RollbackBody,
    response: Response,
) -> ThresholdView:
    """Set a former version again, with what it was bound to and what it promised."""
    asked = Rollback(
        scope=scope,
        version=body.version,
        at=given.clock(),
        by=caller.name,
        reason=body.reason,
        known_version=body.known_version,
    )
    with given.database.write() as connection:
        roll_back(connection, asked)
        return _tagged(_newest(connection, scope), response)


def _newest(connection: Connection, scope: Scope) -> ThresholdView:
    found = threshold_list.history(connection, scope)
    if not found:
        raise NotFoundError(f"{scope_name(scope)} has no threshold of its own")
    return ThresholdView.of(found[0])


def _tagged(view: ThresholdView, response: Response) -> ThresholdView:
    etag.tag(response, ThresholdTag(scope=view.scope, version=view.version))
    return view

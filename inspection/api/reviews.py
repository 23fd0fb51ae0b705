"""Reviews: what people decide about inspections, and what that says of verdicts."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from secrets import SystemRandom
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.idempotency import Once
from inspection.api.installation import Given, Installation
from inspection.api.moment import Moment
from inspection.api.page import Cursor, Limit, Page, cursor_of, keys_of
from inspection.api.review_views import LineRatesView, ProposalView, ReviewView
from inspection.api.shapes import Body, RowId, View
from inspection.api.text import Label, Name, SearchText
from inspection.domain.access import Permission, Principal
from inspection.domain.inspection import Verdict
from inspection.domain.line import Scope
from inspection.domain.proposal import proposed
from inspection.domain.review import BULK_COUNT, NOTE_LENGTH, Decision, NewReview, Review
from inspection.store import inspections, measured_rates, opinions, reviews
from inspection.store.measured_rates import Asked
from inspection.store.reviews import ReviewQuery
from inspection.store.thresholds import scope_name

router = APIRouter(tags=["reviews"], route_class=Once)

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Reviewer = Annotated[Principal, Depends(Permitted(Permission.REVIEW))]

#: Inspections of so many days are looked at unless a request says otherwise.
DAYS: Final = 30
#: False rejects that cost as much as one escape, unless a request says otherwise.
COST_RATIO: Final = 10.0

FromAt = Annotated[
    Moment | None, Query(description=f"exposures from here on; {DAYS} days before the end if none")
]
ToAt = Annotated[Moment | None, Query(description="exposures before this; now if none")]


class ReviewBody(Body):
    """What somebody decides, having looked at the part."""

    decision: Decision = Field(examples=["OK"])
    note: Annotated[str, Field(max_length=NOTE_LENGTH, pattern=r"^[^\x00]*$")] = Field(
        default="", examples=["only dust"]
    )


class BulkReviewBody(ReviewBody):
    """One decision about several inspections."""

    inspection_ids: list[RowId] = Field(
        min_length=1, max_length=BULK_COUNT, examples=[[4711, 4712]]
    )


class ReviewsView(View):
    """Reviews that were written down."""

    items: list[ReviewView]


class CaseOrder(StrEnum):
    """Which unreviewed inspection to look at."""

    #: The one nearest to its threshold: the hardest.
    NEAREST = "nearest"
    #: One by chance, of the scores that least is known of: what measured rates need.
    RANDOM = "random"


class CaseView(View):
    """An inspection that nobody has reviewed."""

    inspection_id: int = Field(examples=[4711])


@router.post(
    "/inspections/{inspection_id}/reviews",
    operation_id="review_inspection",
    status_code=201,
    responses=problems.declared(404),
)
def create(
    given: Given, caller: _Reviewer, inspection_id: RowId, body: ReviewBody, response: Response
) -> ReviewView:
    """Decide about an inspection. Nothing is overwritten: of several reviews the newest counts."""
    (review,) = _add(given, caller, [inspection_id], body)
    response.headers["Location"] = f"/api/v1/inspections/{inspection_id}/reviews"
    return ReviewView.of(review)


@router.post(
    "/reviews",
    operation_id="review_inspections",
    status_code=201,
    responses=problems.declared(404),
)
def create_many(given: Given, caller: _Reviewer, body: BulkReviewBody) -> ReviewsView:
    """Decide the same about several inspections: about all of them, or none."""
    added = _add(given, caller, body.inspection_ids, body)
    return ReviewsView(items=[ReviewView.of(review) for review in added])


@router.get(
    "/inspections/{inspection_id}/reviews",
    operation_id="list_reviews_of_inspection",
    responses=problems.declared(400, 404),
)
def of_inspection(
    given: Given,
    _caller: _Reader,
    inspection_id: RowId,
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewView]:
    """List the reviews of an inspection, the newest first; they stay when its row has gone."""
    query = ReviewQuery(inspection_id=inspection_id, limit=limit + 1, before=_before(cursor))
    with given.database.read() as connection:
        found = reviews.list_reviews(connection, query)
        if not found and cursor is None:
            inspections.get(connection, inspection_id)  # refuses one that never was
    return _page(found, limit)


@router.get("/reviews", operation_id="list_reviews", responses=problems.declared(400, 404))
def list_(  # noqa: PLR0913 - one parameter a filter
    given: Given,
    _caller: _Reader,
    *,
    line: Annotated[Name | None, Query()] = None,
    camera: Annotated[Name | None, Query()] = None,
    decision: Annotated[Decision | None, Query()] = None,
    reviewed_by: Annotated[SearchText | None, Query()] = None,
    is_override: Annotated[
        bool | None, Query(description="only those that contradict the verdict, or do not")
    ] = None,
    from_at: Annotated[Moment | None, Query(description="reviewed from here on")] = None,
    to_at: Annotated[Moment | None, Query(description="reviewed before this")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewView]:
    """List reviews, the newest first."""
    query = ReviewQuery(
        line=line,
        camera=camera,
        decision=decision,
        reviewed_by=reviewed_by,
        is_override=is_override,
        from_at=from_at,
        to_at=to_at,
        before=_before(cursor),
        limit=limit + 1,
    )
    with given.database.read() as connection:
        return _page(reviews.list_reviews(connection, query), limit)


@router.get(
    "/lines/{line}/measured-rates",
    operation_id="get_measured_rates",
    responses=problems.declared(404),
)
def rates(
    given: Given,
    _caller: _Reader,
    line: Name,
    product: Annotated[Label | None, Query()] = None,
    from_at: FromAt = None,
    to_at: ToAt = None,
) -> LineRatesView:
    """Measure false rejects and escapes of a line from reviews, by version of threshold.

    A rate is put together from bands of like scores, because nobody reviews a random sample; it
    is unknown while a band has no review.
    """
    asked = asked_of(given, line, product, from_at, to_at)
    with given.database.read() as connection:
        return LineRatesView.of_line(measured_rates.line_rates(connection, asked))


@router.get(
    "/lines/{line}/next-review", operation_id="get_next_review", responses=problems.declared(404)
)
def next_(  # noqa: PLR0913 - each is a part of the request
    given: Given,
    _caller: _Reader,
    line: Name,
    *,
    order: Annotated[CaseOrder, Query()] = CaseOrder.NEAREST,
    verdict: Annotated[
        Verdict, Query(description="of a random one: OK measures escapes, NG false rejects")
    ] = Verdict.OK,
    product: Annotated[Label | None, Query()] = None,
    from_at: FromAt = None,
    to_at: ToAt = None,
) -> CaseView:
    """Find the inspection to review next: the hardest, or one by chance."""
    asked = asked_of(given, line, product, from_at, to_at)
    with given.database.read() as connection:
        if order is CaseOrder.NEAREST:
            found = measured_rates.nearest_case(connection, asked)
        else:
            draw = SystemRandom().random()
            found = measured_rates.random_case(connection, asked, verdict, draw=draw)
    return CaseView(inspection_id=found.inspection_id)


@router.get(
    "/lines/{line}/threshold-proposal",
    operation_id="get_threshold_proposal",
    responses=problems.declared(404, 409),
)
def proposal(  # noqa: PLR0913 - each is a part of the request
    given: Given,
    _caller: _Reader,
    line: Name,
    *,
    product: Annotated[Label | None, Query()] = None,
    station: Annotated[Name | None, Query()] = None,
    camera: Annotated[Name | None, Query()] = None,
    cost_ratio: Annotated[
        float, Query(ge=0.001, le=1e6, description="false rejects that cost as much as an escape")
    ] = COST_RATIO,
    from_at: FromAt = None,
    to_at: ToAt = None,
) -> ProposalView:
    """Propose a threshold that reviews speak for, or say why not; nothing is set.

    Nobody's reviews alone move it; to apply it, set the threshold with a reason.
    """
    scope = Scope(line=line, product=product, station=station, camera=camera)
    asked = asked_of(given, line, None, from_at, to_at)
    with given.database.read() as connection:
        evidence, version = opinions.evidence_of(connection, scope, asked)
    found = proposed(evidence, cost_ratio=cost_ratio)
    return ProposalView.of(found, scope=scope_name(scope), version=version)


def asked_of(
    given: Installation,
    line: str,
    product: str | None,
    from_at: datetime | None,
    to_at: datetime | None,
) -> Asked:
    """Return which inspections a request is about."""
    end_at = to_at or given.clock()
    try:
        begin_at = from_at or end_at - timedelta(days=DAYS)
    except OverflowError:
        begin_at = datetime.min.replace(tzinfo=UTC)
    return Asked(line=line, product=product, from_at=begin_at, to_at=end_at)


def _add(given: Installation, caller: Principal, ids: list[int], body: ReviewBody) -> list[Review]:
    new = NewReview(decision=body.decision, at=given.clock(), by=caller.name, note=body.note)
    with given.database.write() as connection:
        return reviews.add_reviews(connection, ids, new)


def _before(cursor: str | None) -> int | None:
    return None if cursor is None else int(keys_of(cursor, int)[0])


def _page(found: list[Review], limit: int) -> Page[ReviewView]:
    views = [ReviewView.of(review) for review in found[:limit]]
    next_cursor = cursor_of(views[-1].review_id) if len(found) > limit else None
    return Page(items=views, next_cursor=next_cursor)

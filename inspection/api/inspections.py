"""Inspections: the history, one by one, and how many there are of what."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query
from pydantic import ConfigDict, Field, model_validator

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.moment import Moment
from inspection.api.page import Page
from inspection.api.shapes import LAST_ID, RowId, View
from inspection.api.text import Label, Name
from inspection.domain.access import Permission, Principal
from inspection.domain.evidence import Gone
from inspection.domain.inspection import Verdict
from inspection.store import facets, inspections
from inspection.store.history_cursor import Sort
from inspection.store.history_query import HistoryFilter, HistoryQuery
from inspection.store.inspections import HistoryRow

router = APIRouter(tags=["inspections"])

Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
#: Time that is looked at when nobody says which.
DEFAULT_RANGE = timedelta(hours=24)

Score = Annotated[float, Field(allow_inf_nan=False, examples=[0.62])]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["5bec1a" * 10 + "0001"])]
Review = Annotated[str, Field(pattern=r"^(OK|NG|unsure)$", examples=["NG"])]


class Filters(View):
    """Which inspections are meant; all filters together must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: Name | None = None
    station: Name | None = None
    camera: Name | None = None
    product: Label | None = None
    verdict: Verdict | None = None
    score_min: Score | None = Field(default=None, description="scores from this one on")
    score_max: Score | None = Field(default=None, description="scores up to this one")
    since: Moment | None = Field(
        default=None, description="exposures from here on; a day before `until` when left out"
    )
    until: Moment | None = Field(default=None, description="exposures before; now when left out")
    part_serial: Label | None = None
    lot: Label | None = None
    checkpoint: Hash | None = Field(default=None, description="hash of what scored them")
    threshold_id: Annotated[int, Field(ge=1, le=LAST_ID)] | None = Field(
        default=None, description="version of a threshold that judged them"
    )
    is_reviewed: bool | None = None
    review: Review | None = Field(default=None, description="what the newest review decided")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("`since` is later than `until`")
        return self

    def asked(self, now: datetime) -> dict[str, Any]:
        """Return the filters as the store takes them."""
        given = self.model_dump(include=set(Filters.model_fields) - {"since", "until"})
        to_at = self.until or now
        return given | {"from_at": self.since or _earlier(to_at, DEFAULT_RANGE), "to_at": to_at}


class PageFilters(Filters):
    """A page of them."""

    sort: Sort = Field(
        default=Sort.NEWEST,
        description="`closest`: closest to the threshold on the row; pending ones are left out",
    )
    cursor: Annotated[str, Field(max_length=1000)] | None = Field(
        default=None, description="`next_cursor` of the page before, with the same filters"
    )
    limit: Annotated[int, Field(ge=1, le=1000, description="items of a page, at most")] = 50


class InspectionView(View):
    """One inspection."""

    inspection: int = Field(examples=[4711])
    captured_at: Moment
    line: str = Field(examples=["line-1"])
    station: str = Field(examples=["station-1"])
    camera: str = Field(examples=["cam-1"])
    sequence_number: int = Field(examples=[42])
    product: str | None = Field(examples=["washer-m12"])
    part_serial: str | None = Field(examples=["S-000042"])
    lot: str | None = Field(examples=["L-7"])
    trigger_id: str | None = Field(examples=["T-42"])
    score: float = Field(description="exactly what the model said", examples=[0.71])
    threshold: float | None = Field(description="null: pending", examples=[0.62])
    threshold_version: int | None = Field(examples=[3])
    threshold_id: int | None = Field(examples=[17])
    distance: float | None = Field(
        description="between score and threshold, never negative", examples=[0.09]
    )
    verdict: Verdict
    review: str | None = Field(description="decision of the newest review", examples=["NG"])
    checkpoint: str = Field(description="hash of what scored it")
    reference_hash: str | None = Field(description="of the reference it was scored with")
    waited_ms: float
    inference_ms: float
    latency_ms: float = Field(description="from exposure to the row")
    picture: str | None = Field(description="SHA-256 of the kept bytes; null: none are kept")
    picture_gone: Gone | None = Field(description="why the picture is not there any more")
    map_gone: Gone | None = Field(description="why the anomaly map is not there any more")
    recorded_at: Moment

    @classmethod
    def of(cls, row: HistoryRow) -> Self:
        """Show a row."""
        return cls(
            inspection=row.inspection_id,
            captured_at=row.identity.captured_at,
            line=row.line,
            station=row.station,
            camera=row.identity.camera,
            sequence_number=row.identity.sequence_number,
            product=row.product,
            part_serial=row.part_serial,
            lot=row.lot,
            trigger_id=row.trigger_id,
            score=row.score,
            threshold=row.threshold_value,
            threshold_version=row.threshold_version,
            threshold_id=row.threshold_id,
            distance=row.distance,
            verdict=row.verdict,
            review=row.review,
            checkpoint=row.checkpoint_hash,
            reference_hash=row.reference_hash,
            waited_ms=row.waited_ms,
            inference_ms=row.inference_ms,
            latency_ms=row.latency_ms,
            picture=None if row.picture is None else row.picture.sha256,
            picture_gone=row.picture_gone,
            map_gone=row.map_gone,
            recorded_at=row.recorded_at,
        )


class CountView(View):
    """How many."""

    count: int = Field(examples=[10_000])
    is_exact: bool = Field(description="false: there are more, and nobody has counted them")

    @classmethod
    def of(cls, count: facets.Count) -> Self:
        """Show a count."""
        return cls(count=count.count, is_exact=count.is_exact)


class HourView(View):
    """Inspections of one hour."""

    at: Moment = Field(description="when it begins")
    verdicts: dict[str, int] = Field(examples=[{"NG": 3, "OK": 1397}])


class HoursView(View):
    """Inspections by hour; hours without any are left out."""

    total: CountView
    hours: list[HourView]


class FacetView(View):
    """One value, and how many inspections have it."""

    value: str | None = Field(examples=["line-1"])
    count: int = Field(examples=[1400])


class FacetsView(View):
    """How many inspections there are of each line, station, camera and so on."""

    total: CountView
    facets: dict[str, list[FacetView]] = Field(
        description="by filter, the most frequent value first",
        examples=[{"line": [{"value": "line-1", "count": 1400}]}],
    )


@router.get("/inspections", operation_id="list_inspections", responses=problems.declared(400, 404))
def list_inspections(
    given: Given, _caller: Reader, filters: Annotated[PageFilters, Query()]
) -> Page[InspectionView]:
    """List inspections, of the last 24 hours if no time is asked for."""
    asked = filters.asked(given.clock())
    # One more than is shown: whether there is another page.
    query = HistoryQuery(**asked, sort=filters.sort, before=filters.cursor, limit=filters.limit + 1)
    with given.database.read() as connection:
        rows = inspections.history(connection, query)
    shown = rows[: filters.limit]
    next_cursor = shown[-1].cursor if len(rows) > filters.limit else None
    return Page(items=[InspectionView.of(row) for row in shown], next_cursor=next_cursor)


@router.get(
    "/inspections/counts", operation_id="count_inspections", responses=problems.declared(404)
)
def count_inspections(
    given: Given, _caller: Reader, filters: Annotated[Filters, Query()]
) -> HoursView:
    """Count inspections by hour and verdict, over 31 days at most."""
    asked = HistoryFilter(**filters.asked(given.clock()))
    with given.database.read() as connection:
        found = facets.hour_counts(connection, asked)
    return HoursView(
        total=CountView.of(found.total),
        hours=[HourView(at=hour.at, verdicts=hour.verdicts) for hour in found.hours],
    )


@router.get("/inspections/facets", operation_id="list_facets", responses=problems.declared(404))
def list_facets(given: Given, _caller: Reader, filters: Annotated[Filters, Query()]) -> FacetsView:
    """Count inspections by line, station, camera, product, verdict and checkpoint."""
    asked = HistoryFilter(**filters.asked(given.clock()))
    with given.database.read() as connection:
        found = facets.facets(connection, asked)
    shown = {
        name: [FacetView(value=value, count=count) for value, count in counts.items()]
        for name, counts in found.values.items()
    }
    return FacetsView(total=CountView.of(found.total), facets=shown)


@router.get(
    "/inspections/{inspection_id}",
    operation_id="get_inspection",
    responses=problems.declared(404),
)
def get_inspection(given: Given, _caller: Reader, inspection_id: RowId) -> InspectionView:
    """Show one inspection."""
    with given.database.read() as connection:
        return InspectionView.of(inspections.get(connection, inspection_id))


def _earlier(moment: datetime, by: timedelta) -> datetime:
    beginning = datetime.min.replace(tzinfo=moment.tzinfo)
    return moment - by if moment - beginning > by else beginning

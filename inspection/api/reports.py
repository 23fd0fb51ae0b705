"""Reports: what happened in a shift, as a page to print, a sheet or figures for programs."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import HTMLResponse, JSONResponse

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.text import Label, Name, SearchText
from inspection.domain.access import Permission, Principal
from inspection.errors import ConfigurationError
from inspection.reporting.page import html_of
from inspection.reporting.sheet import csv_of, rows_of
from inspection.reporting.shift_report import ReportWish, shift_report

router = APIRouter(tags=["reports"])

# It shows nothing that who may look cannot look up; whole histories are taken away elsewhere.
_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]

#: Lets a page show its own pictures and style, and nothing else.
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class ReportFormat(StrEnum):
    """How a report is written."""

    HTML = "html"
    CSV = "csv"
    JSON = "json"


_MEDIA_TYPES: Final = {
    "text/html": ReportFormat.HTML,
    "text/csv": ReportFormat.CSV,
    "application/json": ReportFormat.JSON,
}
_WRITTEN: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "the report",
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": {"type": "object"}},
                "example": [{"shift": "early", "day": "2026-03-02", "line": "line-1", "parts": 90}],
            },
            "text/html": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


@router.get(
    "/reports/shift",
    operation_id="get_shift_report",
    response_class=Response,
    responses=_WRITTEN | problems.declared(404),
)
def shift(  # noqa: PLR0913 - each is a part of the request
    given: Given,
    _caller: _Reader,
    *,
    shift: Annotated[SearchText | None, Query(description="its name", examples=["early"])] = None,
    day: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            description="on which it began, on the site; without it, the last that has ended",
            examples=["2026-03-02"],
        ),
    ] = None,
    line: Annotated[Name | None, Query()] = None,
    product: Annotated[Label | None, Query()] = None,
    format_: Annotated[
        ReportFormat | None, Query(alias="format", description="takes the place of `Accept`")
    ] = None,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Report a shift by line and product: parts, NG, false rejects, escapes, downtime of cameras.

    As a page (with pictures of the worst parts), a sheet, or JSON: by `format`, or by `Accept`.
    """
    written = format_ or _accepted(accept or "")
    wish = ReportWish(shift=shift, day=_day(day), line=line, product=product)
    pictures = given.pictures if written is ReportFormat.HTML else None
    report = shift_report(given.database, pictures, wish, now=given.clock())
    if written is ReportFormat.HTML:
        return HTMLResponse(html_of(report), headers={"Content-Security-Policy": _POLICY})
    if written is ReportFormat.CSV:
        name = f"shift-{report.span.day}.csv"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(csv_of(report), media_type="text/csv; charset=utf-8", headers=disposition)
    return JSONResponse(rows_of(report))


def _accepted(accept: str) -> ReportFormat:
    """Return the first kind that is named, JSON when none is."""
    for part in accept.split(","):
        kind = _MEDIA_TYPES.get(part.partition(";")[0].strip().lower())
        if kind is not None:
            return kind
    return ReportFormat.JSON


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"query.day: there is no day {text}") from error

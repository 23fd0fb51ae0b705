"""Exports: inspections taken away in one piece, of any number."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.inspections import Filters
from inspection.api.installation import Given
from inspection.domain.access import Permission, Principal
from inspection.store import exports
from inspection.store.exports import ExportFormat
from inspection.store.history_query import HistoryFilter

router = APIRouter(tags=["inspections"])

_Exporter = Annotated[Principal, Depends(Permitted(Permission.EXPORT))]


class ExportFilters(Filters):
    """What to take away, and how it is written."""

    format: ExportFormat = Field(default=ExportFormat.CSV)


@router.get(
    "/inspections/export",
    operation_id="export_inspections",
    response_class=StreamingResponse,
    responses=problems.declared(404)
    | {
        200: {
            "description": "the oldest exposure first",
            "content": {
                ExportFormat.CSV.media_type: {"schema": {"type": "string"}},
                ExportFormat.JSONL.media_type: {"schema": {"type": "string"}},
                ExportFormat.PARQUET.media_type: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
def export_inspections(
    given: Given, caller: _Exporter, filters: Annotated[ExportFilters, Query()]
) -> StreamingResponse:
    """Take inspections away, of the last 24 hours if no time is asked for; the audit notes it."""
    now = given.clock()
    asked = HistoryFilter(**filters.asked(now))
    written = filters.format
    pieces = exports.begin(given.database, asked, written, at=now, who=caller.name)
    disposition = f'attachment; filename="inspections.{written.value}"'
    return StreamingResponse(
        pieces, media_type=written.media_type, headers={"Content-Disposition": disposition}
    )

"""Where an inspection looks wrong: heatmap, frame, and the map as the model gave it."""

import hashlib
import io
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from inspection import drawing
from inspection.api import problems
from inspection.api.gate import Permitted
from inspection.api.installation import Given
from inspection.api.shapes import RowId
from inspection.domain.access import Permission, Principal
from inspection.store import inspections, maps
from inspection.store.inspections import HistoryRow

router = APIRouter(tags=["maps"])

_Reader = Annotated[Principal, Depends(Permitted(Permission.READ))]
_Opacity = Annotated[float, Query(ge=0, le=1, description="0: only the frame, 1: only the map")]
_Size = Annotated[
    int | None,
    Query(ge=16, le=4096, description="pixels of the longer side; those of the frame if left out"),
]

#: What is drawn of an inspection never changes; whether it may be seen does.
_CACHING = "private, max-age=3600"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


@router.get(
    "/inspections/{inspection_id}/heatmap",
    operation_id="get_heatmap",
    response_class=Response,
    responses=problems.declared(404, 410)
    | {200: {"description": "the map over the frame", "content": {"image/png": _BINARY}}},
)
def get_heatmap(
    given: Given,
    _caller: _Reader,
    inspection_id: RowId,
    opacity: _Opacity = 0.5,
    size: _Size = None,
) -> Response:
    """Draw the anomaly map over the frame, or over grey where the frame's picture is not there."""
    row = _row(given, inspection_id)
    anomaly_map = drawing.map_of(given.database, row)
    with given.drawings.turn():
        png = drawing.drawn(row, anomaly_map, given.pictures, opacity=opacity, size_px=size)
    return _tagged(png, "image/png")


@router.get(
    "/inspections/{inspection_id}/picture",
    operation_id="get_picture",
    response_class=Response,
    responses=problems.declared(404, 410)
    | {
        200: {
            "description": "the bytes as camera, file or pusher gave them",
            "content": {
                "image/jpeg": _BINARY,
                "image/png": _BINARY,
                "application/octet-stream": _BINARY,
            },
        }
    },
)
def get_picture(given: Given, _caller: _Reader, inspection_id: RowId) -> Response:
    """Give the frame's picture, exactly as it was kept."""
    row = _row(given, inspection_id)
    data = drawing.picture_of(row, given.pictures)
    return _tagged(
        data, "application/octet-stream" if row.picture is None else row.picture.media_type
    )


@router.get(
    "/inspections/{inspection_id}/map",
    operation_id="get_map",
    response_class=Response,
    responses=problems.declared(404, 410)
    | {
        200: {
            "description": "NumPy's npz; `taps`: logit differences, (taps, rows, columns) float16",
            "content": {"application/x-npz": _BINARY},
        }
    },
)
def get_map(given: Given, _caller: _Reader, inspection_id: RowId) -> Response:
    """Give the anomaly map exactly as the model gave it."""
    anomaly_map = drawing.map_of(given.database, _row(given, inspection_id))
    file = io.BytesIO()
    np.savez(file, taps=maps.grid_of(anomaly_map))
    return _tagged(file.getvalue(), "application/x-npz")


def _row(given: Given, inspection_id: int) -> HistoryRow:
    with given.database.read() as connection:
        return inspections.get(connection, inspection_id)


def _tagged(data: bytes, media_type: str) -> Response:
    tag = hashlib.sha256(data).hexdigest()[:32]
    headers = {"ETag": f'"{tag}"', "Cache-Control": _CACHING}
    return Response(data, media_type=media_type, headers=headers)

"""The picture of where an inspection looks wrong."""

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from inspection.cli import output
from inspection.domain.evidence import Gone
from inspection.domain.inspection import AnomalyMap
from inspection.errors import NotFoundError
from inspection.model.picture import decode
from inspection.store import maps
from inspection.store.inspections import HistoryRow
from inspection.store.pictures import PictureStore

#: Why a picture or map is not there, as people are told.
WHY = {
    Gone.AGE: "it was old enough to go",
    Gone.BUDGET: "pictures and maps had reached INSPECTION_KEEP_GB",
    Gone.DISK: "the disk was nearly full",
    Gone.FULL: "the disk was full",
    Gone.UNAVAILABLE: "the picture store did not answer",
}

#: Width and height of what is drawn when the frame's picture was not kept.
BARE_PX = 512


def drawn(
    row: HistoryRow, anomaly_map: AnomalyMap, pictures: PictureStore, *, opacity: float
) -> bytes:
    """Return a PNG of the map over the frame, or over grey when its picture was not kept.

    Raises:
        PictureError: the kept picture is damaged.
        UnavailableError: the picture store does not answer.
    """
    return maps.png(maps.heatmap(anomaly_map, _frame(row, pictures), opacity=opacity))


def map_of(connection: Connection, row: HistoryRow) -> AnomalyMap:
    """Return the anomaly map of an inspection.

    Raises:
        NotFoundError: it is not there any more; the message says why.
    """
    if row.map_gone is not None:
        raise NotFoundError(
            f"the anomaly map of inspection {row.inspection_id} is gone: {WHY[row.map_gone]}"
        )
    return maps.get_map(connection, row.inspection_id)


def _frame(row: HistoryRow, pictures: PictureStore) -> npt.NDArray[np.uint8]:
    try:
        if row.picture is not None:
            return decode(pictures.get(row.picture))
        why = "the line's policy did not keep it" if not row.picture_gone else WHY[row.picture_gone]
    except NotFoundError as error:
        why = str(error)
    output.say(f"no picture of this frame ({why}): the heatmap is drawn without it")
    return np.full((BARE_PX, BARE_PX, 3), 128, np.uint8)

"""The picture of where an inspection looks wrong."""

import numpy as np
import numpy.typing as npt

from inspection.cli import output
from inspection.domain.inspection import AnomalyMap
from inspection.errors import NotFoundError
from inspection.model.picture import decode
from inspection.store import maps
from inspection.store.inspections import HistoryRow
from inspection.store.pictures import PictureStore

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


def _frame(row: HistoryRow, pictures: PictureStore) -> npt.NDArray[np.uint8]:
    try:
        if row.picture is not None:
            return decode(pictures.get(row.picture))
        why = "the line's policy did not keep it"
    except NotFoundError as error:
        why = str(error)
    output.say(f"no picture of this frame ({why}): the heatmap is drawn without it")
    return np.full((BARE_PX, BARE_PX, 3), 128, np.uint8)

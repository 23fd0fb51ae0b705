"""What an inspection looks like: its map laid over its frame, as a picture."""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from inspection.domain.evidence import Gone
from inspection.domain.inspection import AnomalyMap
from inspection.errors import GoneError, NotFoundError, PictureError
from inspection.model.picture import decode
from inspection.store import maps
from inspection.store.database import Database
from inspection.store.inspections import HistoryRow
from inspection.store.pictures import PictureStore

#: Why a picture or map is not there, as people are told.
WHY: Final = {
    Gone.AGE: "it was old enough to go",
    Gone.BUDGET: "pictures and maps had reached INSPECTION_KEEP_GB",
    Gone.DISK: "the disk was nearly full",
    Gone.FULL: "the disk was full",
    Gone.UNAVAILABLE: "the picture store did not answer",
}
#: Width and height of what is drawn when the frame's picture was not kept.
BARE_PX: Final = 512


def picture_of(row: HistoryRow, pictures: PictureStore) -> bytes:
    """Return the kept bytes of an inspection's frame.

    Raises:
        GoneError: they were kept, and are gone; the message says why.
        NotFoundError: the line's policy did not keep them, or they are not in the store.
        PictureError: they are damaged.
        UnavailableError: the picture store does not answer.
    """
    what = f"the picture of inspection {row.inspection_id}"
    if row.picture is not None:
        return pictures.get(row.picture)
    if row.picture_gone is not None:
        raise GoneError(f"{what} is gone: {WHY[row.picture_gone]}")
    raise NotFoundError(f"{what} is not there: the line's policy did not keep it")


def map_of(database: Database, row: HistoryRow) -> AnomalyMap:
    """Return the anomaly map of an inspection, exactly what the model gave.

    Raises:
        GoneError: it is not there any more; the message says why.
        NotFoundError: it was never there.
    """
    if row.map_gone is not None:
        why = WHY[row.map_gone]
        raise GoneError(f"the anomaly map of inspection {row.inspection_id} is gone: {why}")
    with database.read() as connection:
        return maps.get_map(connection, row.inspection_id)


def drawn(
    row: HistoryRow,
    anomaly_map: AnomalyMap,
    pictures: PictureStore,
    *,
    opacity: float,
    size_px: int | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> bytes:
    """Return a PNG of the map over the frame, or over grey when its picture is not there.

    Args:
        row: the inspection.
        anomaly_map: its map.
        pictures: where frames are kept.
        opacity: 0 shows only the frame, 1 only the map.
        size_px: the longer side of what is drawn; None: that of the frame.
        say: is told why there is no picture.

    Raises:
        UnavailableError: the picture store does not answer.
    """
    frame = _resized(_frame(row, pictures, say), size_px)
    return maps.png(maps.heatmap(anomaly_map, frame, opacity=opacity))


def _frame(
    row: HistoryRow, pictures: PictureStore, say: Callable[[str], None]
) -> npt.NDArray[np.uint8]:
    try:
        return decode(picture_of(row, pictures))
    except (NotFoundError, GoneError, PictureError) as error:
        say(f"the heatmap is drawn without its frame: {error}")
    return np.full((BARE_PX, BARE_PX, 3), 128, np.uint8)


def _resized(frame: npt.NDArray[np.uint8], size_px: int | None) -> npt.NDArray[np.uint8]:
    height_px, width_px, _ = frame.shape
    if size_px is None or size_px == max(height_px, width_px):
        return frame
    scale = size_px / max(height_px, width_px)
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(frame, size, interpolation=way).astype(np.uint8)

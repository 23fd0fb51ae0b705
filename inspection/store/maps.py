"""Anomaly maps: kept on the model's own grid, drawn at any size on request."""

import cv2
import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from inspection.domain.inspection import AnomalyMap
from inspection.errors import InspectionError, NotFoundError
from inspection.store import tables

Grid = npt.NDArray[np.float16] | npt.NDArray[np.float32]


def get_map(connection: Connection, inspection_id: int) -> AnomalyMap:
    """Return the anomaly map of an inspection.

    Raises:
        NotFoundError: there is no inspection of this id, or its map was not kept.
    """
    statement = select(tables.maps).where(tables.maps.c.ledger_id == inspection_id)
    row = connection.execute(statement).first()
    if row is None:
        raise NotFoundError(f"there is no anomaly map of inspection {inspection_id}")
    return AnomalyMap(shape=(row.taps, row.rows, row.columns), data=row.data)


def grid_of(anomaly_map: AnomalyMap) -> npt.NDArray[np.float16]:
    """Return the map's logit differences, (taps, rows, columns) float16."""
    return np.frombuffer(anomaly_map.data, dtype="<f2").reshape(anomaly_map.shape)


def draw(grid: Grid, *, height_px: int, width_px: int) -> npt.NDArray[np.float32]:
    """Draw the logit differences of every tap at a size, as the model itself would.

    The mean over taps of the sigmoid of each tap, which is upsampled bilinearly before with the
    corners of grid and picture aligned.

    Args:
        grid: (taps, rows, columns).
        height_px: rows of the result, at least 1.
        width_px: columns of the result, at least 1.

    Returns:
        (height_px, width_px) float32 in [0, 1].
    """
    # A logit that overflowed float16 would make NaN of a neighbour that counts nothing.
    finite = np.nan_to_num(grid.astype(np.float32))
    taps, rows, columns = finite.shape
    top, bottom, down = _positions(rows, height_px)
    left, right, across = _positions(columns, width_px)
    total = np.zeros((height_px, width_px), dtype=np.float32)
    for tap in finite:
        wide = tap[:, left] * (1 - across) + tap[:, right] * across
        logits = wide[top] * (1 - down)[:, None] + wide[bottom] * down[:, None]
        # The sigmoid, written so that it cannot overflow.
        total += 0.5 + 0.5 * np.tanh(0.5 * logits)
    return total / np.float32(taps)


def heatmap(
    anomaly_map: AnomalyMap, frame: npt.NDArray[np.uint8], *, opacity: float = 0.5
) -> npt.NDArray[np.uint8]:
    """Lay the map over the frame, dark blue for 0 to yellow for 1.

    The colours (cividis) differ in lightness as well, so that colour-blind people and grey
    printers see the same.

    Args:
        anomaly_map: the map.
        frame: (H, W, 3) uint8, RGB.
        opacity: 0 shows only the frame, 1 only the map.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    height_px, width_px, _ = frame.shape
    drawn = draw(grid_of(anomaly_map), height_px=height_px, width_px=width_px)
    levels = np.rint(drawn * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    mixed = frame * np.float32(1 - opacity) + colours * np.float32(opacity)
    return np.rint(mixed).astype(np.uint8)


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """Encode an image, (H, W, 3) uint8 RGB, as PNG.

    Raises:
        InspectionError: it cannot be encoded.
    """
    try:
        _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise InspectionError(
            f"an image of shape {image.shape} cannot be encoded as PNG"
        ) from error
    return encoded.tobytes()


def _positions(
    from_count: int, to_count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    # Lower neighbour, upper neighbour, and the share of the upper one.
    step = (from_count - 1) / (to_count - 1) if to_count > 1 else 0.0
    exact = np.arange(to_count) * step
    lower = np.minimum(exact.astype(np.intp), from_count - 1)
    upper = np.minimum(lower + 1, from_count - 1)
    return lower, upper, (exact - lower).astype(np.float32)

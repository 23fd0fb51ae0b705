"""The README's picture: defective parts of the demo, their heatmaps, and the true defects.

python -m tests.pictures docs/heatmaps.png
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from inspection.capture.rendering import Conveyor, RenderedPart
from inspection.cli.demo import PRODUCTS
from inspection.domain.inspection import AnomalyMap
from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from inspection.store import maps

#: Conveyor of the picture; no part of it was trained on.
SEED = 4_000_000_001

#: Defective parts of each line that are shown, and the edge of each picture.
SHOWN, SIZE_PX = 2, 200


def defective(product: str) -> list[RenderedPart]:
    conveyor = Conveyor(product=product, seed=SEED, size_px=384, defect_rate=1.0)
    return [conveyor.part(index) for index in range(SHOWN)]


def row(detector: Detector, part: RenderedPart) -> np.ndarray:
    """Draw a part as it is, with its heatmap, and with its defect outlined."""
    (scored,) = detector.score([part.image], [Recipe(product=part.product)])
    taps, rows, columns = scored.grid.shape
    data = np.ascontiguousarray(scored.grid, "<f2").tobytes()
    heatmap = maps.heatmap(
        AnomalyMap(shape=(taps, rows, columns), data=data), part.image, opacity=0.6
    )
    outlined = part.image.copy()
    contours, _ = cv2.findContours(
        part.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(outlined, contours, -1, (255, 0, 200), 2)
    cells = [cv2.resize(p, (SIZE_PX, SIZE_PX)) for p in (part.image, heatmap, outlined)]
    return np.hstack(cells)


def main(path: Path) -> None:
    detector = Detector.load("pocket", device="cpu", threads=2)
    rows = [
        np.hstack([row(detector, part) for part in defective(product)])
        for product in PRODUCTS.values()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(maps.png(np.vstack(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

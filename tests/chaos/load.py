"""The load: folders that fill with small pictures of parts, and a live camera beside them."""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inspection.capture.encoding import encoded_rgb
from inspection.capture.rendering import Conveyor
from inspection.domain.line import Encoding
from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from tests.tiny import save_tiny

#: Different pictures, and their edge; the detector of the tests is as small.
PICTURES, SIZE_PX = 48, 64

#: Share of the pictures above the threshold: alerts come and go.
NG_SHARE = 0.1

#: Seconds without an NG frame after which an alert is over.
GROUP_S = 0.5

LIVE = "live"
WEBHOOK = "receiver"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much there is to do."""

    #: Cameras that read a folder, and the pictures that come into each a second.
    cameras: int = 2
    rate_hz: float = 4.0
    #: Of the live camera; 0: there is none.
    live_rate_hz: float = 4.0
    overflow: str = "block"
    backlog_limit: int = 256
    ng_share: float = NG_SHARE


@dataclass
class Load:
    """Pictures, a checkpoint that judges them, and folders they are put into."""

    folder: Path
    shape: Shape
    threshold: float = 0.0
    #: Pictures put into each camera's folder so far.
    fed: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Render the pictures, make the detector, and find its threshold."""
        source = self.folder / "pictures"
        source.mkdir(parents=True)
        conveyor = Conveyor(product="metal washer", seed=5, size_px=SIZE_PX, defect_rate=0.3)
        images = [conveyor.part(number).image for number in range(PICTURES)]
        for number, image in enumerate(images):
            payload, _ = encoded_rgb(image, encoding=Encoding.PNG, quality=95)
            (source / f"{number:03}.png").write_bytes(payload)
        save_tiny(self.checkpoint, seed=15)
        detector = Detector.load(str(self.checkpoint), device="cpu", threads=1)
        scored = detector.score(images, [Recipe()] * PICTURES, [None] * PICTURES)
        scores = [each.score for each in scored]
        self.threshold = float(np.quantile(scores, 1 - self.shape.ng_share))
        for camera in self.cameras:
            (self.folder / camera).mkdir()
            self.fed[camera] = 0

    @property
    def checkpoint(self) -> Path:
        """Folder of the detector."""
        return self.folder / "checkpoint"

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras that read a folder."""
        return [f"folder-{number}" for number in range(self.shape.cameras)]

    def configuration(self, webhook: str) -> Path:
        """Write the file that `inspection up` is given."""
        lines = [self._line(camera, self._folder_camera(camera)) for camera in self.cameras]
        if self.shape.live_rate_hz:
            lines.append(self._line(LIVE, self._live_camera()))
        channels = [{"name": WEBHOOK, "kind": "webhook", "url": webhook}]
        path = self.folder / "site.yaml"
        # JSON is YAML.
        path.write_text(json.dumps({"lines": lines, "channels": channels}))
        return path

    @contextmanager
    def feeding(self) -> Iterator[None]:
        """Put pictures into the folders until the block ends."""
        stop = threading.Event()
        thread = threading.Thread(target=self._feed, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _feed(self, stop: threading.Event) -> None:
        pictures = itertools.cycle(sorted((self.folder / "pictures").iterdir()))
        begun_s = time.monotonic()
        for number in itertools.count(1):
            for camera in self.cameras:
                # A link is there whole or not at all.
                os.link(next(pictures), self.folder / camera / f"{number:07}.png")
                self.fed[camera] = number
            if stop.wait(max(0.0, begun_s + number / self.shape.rate_hz - time.monotonic())):
                return

    def _line(self, name: str, camera: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "product": "metal washer",
            "threshold": self.threshold,
            "rule": {"k": 1, "n": 1, "group_s": GROUP_S},
            "pictures": "ng_and_sample",
            "stations": [{"name": "gate", "cameras": [{"name": name, **camera}]}],
        }

    def _folder_camera(self, name: str) -> dict[str, Any]:
        return {
            "folder": {
                "path": str(self.folder / name),
                "watch": True,
                "name_pattern": r"(?P<serial>\d+)\.png",
            },
            "overflow": self.shape.overflow,
            "backlog_limit": self.shape.backlog_limit,
        }

    def _live_camera(self) -> dict[str, Any]:
        return {
            "simulated": {
                "product": "metal washer",
                "seed": 5,
                "size_px": SIZE_PX,
                "defect_rate": 0.3,
            },
            "encoding": "png",
            "rate_hz": self.shape.live_rate_hz,
            "overflow": "drop_oldest",
            "backlog_limit": 64,
        }

"""The load: folders that fill with small pictures of parts, and a live camera beside them."""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspection.capture.encoding import encoded_rgb
from inspection.capture.rendering import Conveyor
from inspection.domain.line import Encoding
from inspection.domain.recipe import Recipe
from inspection.model.detector import Detector
from tests.tiny import save_tiny

PRODUCT = "metal washer"

#: Different pictures, and their edge; the detector of the tests is as small.
PICTURES, SIZE_PX = 48, 64

#: Share of the pictures above the threshold: alerts come and go.
NG_SHARE = 0.1

#: Seconds without an NG frame after which an alert is over.
GROUP_S = 0.5

WEBHOOK = "receiver"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How much there is to do."""

    #: Cameras that read a folder, and the pictures that come into each a second.
    cameras: int = 2
    rate_hz: float = 4.0
    #: Cameras that render what they show and cannot wait, and the pictures of each a second.
    live_cameras: int = 1
    live_rate_hz: float = 4.0
    #: Pictures each folder holds from the beginning, to be read at the rate; 0: they come one by
    #: one, and are read as they come.
    prefilled: int = 0
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
        conveyor = Conveyor(product=PRODUCT, seed=5, size_px=SIZE_PX, defect_rate=0.3)
        images = [conveyor.part(number).image for number in range(PICTURES)]
        for number, image in enumerate(images):
            payload, _ = encoded_rgb(image, encoding=Encoding.PNG, quality=95)
            (source / f"{number:03}.png").write_bytes(payload)
        save_tiny(self.checkpoint, seed=15)
        detector = Detector.load(str(self.checkpoint), device="cpu", threads=1)
        scored = detector.score(images, [Recipe(product=PRODUCT)] * PICTURES, [None] * PICTURES)
        self.threshold = between([each.score for each in scored], self.shape.ng_share)
        self._turn = itertools.cycle(sorted(source.iterdir()))
        for camera in self.cameras:
            (self.folder / camera).mkdir()
            self.fed[camera] = 0
            for _ in range(self.shape.prefilled):
                self._put(camera)

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
        lives = [f"live-{number}" for number in range(self.shape.live_cameras)]
        lines += [self._line(camera, self._live_camera()) for camera in lives]
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
        begun_s = time.monotonic()
        for number in itertools.count(1):
            for camera in self.cameras:
                self._put(camera)
            if stop.wait(max(0.0, begun_s + number / self.shape.rate_hz - time.monotonic())):
                return

    def _put(self, camera: str) -> None:
        number = self.fed[camera] + 1
        # A link is there whole or not at all.
        os.link(next(self._turn), self.folder / camera / f"{number:07}.png")
        self.fed[camera] = number

    def _line(self, name: str, camera: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": name,
            "product": PRODUCT,
            "threshold": self.threshold,
            "rule": {"k": 1, "n": 1, "group_s": GROUP_S},
            "pictures": "ng_and_sample",
            "stations": [{"name": "gate", "cameras": [{"name": name, **camera}]}],
        }

    def _folder_camera(self, name: str) -> dict[str, Any]:
        is_paced = bool(self.shape.prefilled)
        return {
            "folder": {
                "path": str(self.folder / name),
                "watch": not is_paced,
                "name_pattern": r"(?P<serial>\d+)\.png",
            },
            **({"rate_hz": self.shape.rate_hz} if is_paced else {}),
            "overflow": self.shape.overflow,
            "backlog_limit": self.shape.backlog_limit,
        }

    def _live_camera(self) -> dict[str, Any]:
        return {
            "simulated": {
                "product": PRODUCT,
                "seed": 5,
                "size_px": SIZE_PX,
                "defect_rate": 0.3,
            },
            "encoding": "png",
            "rate_hz": self.shape.live_rate_hz,
            "overflow": "drop_oldest",
            "backlog_limit": 64,
        }


def between(scores: Sequence[float], share: float) -> float:
    """Return a threshold that about this share of the scores is above, and none is equal to."""
    ranked = sorted(scores, reverse=True)
    count = max(1, round(share * len(ranked)))
    while ranked[count] == ranked[count - 1]:
        count += 1
    return (ranked[count] + ranked[count - 1]) / 2

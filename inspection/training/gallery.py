"""Pictures of what a detector gets right and wrong: image, mask and heatmap side by side."""

import re
from bisect import insort
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspection.errors import ConfigurationError
from inspection.training.reading import Example

#: Share of the map's colour in a heatmap.
_OPACITY = 0.5
#: Shown where nobody has marked what is defective.
_GREY = 128


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """One kept picture."""

    #: The lower, the better it fits its group.
    rank: float
    score: float
    #: Stem of the image's file name.
    stem: str
    #: ``(H, 3 W, 3)`` uint8 RGB.
    panel: NDArray[np.uint8]


class Gallery:
    """The few best and worst images of a category so far, written as PNG files.

    Worst are the highest-scored normal and the lowest-scored anomalous images, best the opposite.
    No other picture stays in memory.
    """

    def __init__(self, *, each_count: int) -> None:
        self._each_count = each_count
        self._groups: dict[str, list[_Entry]] = {}

    def offer(self, example: Example, score: float, drawn: NDArray[np.float32]) -> None:
        """Keep an image with its map ``(size, size)`` in [0, 1] if it is among best or worst."""
        kind = "anomalous" if example.sample.is_anomalous else "normal"
        # What is anomalous is worst where its score is low, what is normal where it is high.
        wrong = 1 if example.sample.is_anomalous else -1
        for quality, sign in (("best", -wrong), ("worst", wrong)):
            group = self._groups.setdefault(f"{quality}-{kind}", [])
            rank = sign * score
            if len(group) == self._each_count and rank >= group[-1].rank:
                continue
            entry = _Entry(
                rank=rank, score=score, stem=example.sample.image.stem, panel=panel(example, drawn)
            )
            insort(group, entry, key=lambda each: each.rank)
            del group[self._each_count :]

    def write(self, folder: Path) -> None:
        """Write the panels, named by group, place, score and image.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for group in self._groups:
                # Of an earlier evaluation, with other scores in their names.
                for former in folder.glob(f"{group}-[0-9]*-*.png"):
                    former.unlink()
            for group, entries in self._groups.items():
                for place, entry in enumerate(entries, start=1):
                    name = f"{group}-{place}-{entry.score:.3f}-{file_name(entry.stem)}.png"
                    (folder / name).write_bytes(_png(entry.panel))
        except OSError as error:
            raise ConfigurationError(f"cannot write {folder}: {error.strerror}") from error


def panel(example: Example, drawn: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return image, mask and heatmap side by side, ``(H, 3 W, 3)`` uint8 RGB.

    The heatmap is dark blue for 0 and yellow for 1 in every picture, so that they can be compared.
    """
    image = example.image
    levels = np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    heatmap = cv2.addWeighted(image, 1 - _OPACITY, np.asarray(colours, np.uint8), _OPACITY, 0)
    mask = np.full_like(image, _GREY)
    if example.mask is not None:
        mask[:] = np.where(example.mask, 255, 0)[..., None]
    return np.hstack([image, mask, np.asarray(heatmap, np.uint8)])


def file_name(text: str) -> str:
    """Return a text as part of a file name on every system."""
    return re.sub(r"[^\w.-]+", "-", text)


def _png(picture: NDArray[np.uint8]) -> bytes:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()

"""Building references in this process, with the checkpoint that replicas use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from inspection.cli import data, output, weights
from inspection.cli.good_parts import GoodParts
from inspection.domain.recipe import Recipe
from inspection.errors import DatasetError, NotFoundError, PictureError
from inspection.model.picture import decode
from inspection.model.reference import Survey, build_reference
from inspection.settings import Settings
from inspection.store.references import BuiltReference

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspection.model.detector import Detector

#: Pictures that go through the model at once.
BATCH_PICTURES = 8


@dataclass(frozen=True, kw_only=True)
class Built:
    """A reference, and what became of the pictures it was to be made of."""

    new: BuiltReference
    found_count: int
    #: Names of those that could not be read.
    skipped: tuple[str, ...]


class Builder:
    """A detector that surveys good parts."""

    def __init__(self, detector: "Detector", *, picture_limit_px: int) -> None:
        self._detector = detector
        self._picture_limit_px = picture_limit_px

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """Load the checkpoint of these settings onto their device.

        Raises:
            ConfigurationError: the checkpoint, a part of it or the device is not there.
            CheckpointError: it is damaged.
        """
        # torch is loaded from here on.
        from inspection.model.detector import Detector, Sources

        found = weights.found(settings)
        detector = Detector.load(
            found.checkpoint,
            device=data.device_of(settings.device),
            threads=settings.threads,
            sources=Sources(backbone=found.backbone, text=found.text, cache=settings.cache_dir),
        )
        return cls(detector, picture_limit_px=int(settings.picture_limit_mp * 1e6))

    def build(self, parts: GoodParts, recipe: Recipe) -> Built:
        """Return the reference of good parts; unreadable pictures are named and skipped.

        Raises:
            DatasetError: no picture can be read.
            UnavailableError: the picture store does not answer.
        """
        surveys: list[Survey] = []
        skipped: list[str] = []
        waiting: list[NDArray[np.uint8]] = []
        with data.progress_bar() as progress:
            task = progress.add_task(parts.place.station, total=len(parts.pictures))
            for name in parts.pictures:
                image = self._image(parts, name)
                if image is None:
                    skipped.append(name)
                else:
                    waiting.append(image)
                if len(waiting) == BATCH_PICTURES:
                    surveys += self._surveys(waiting, recipe, len(parts.pictures))
                    waiting.clear()
                progress.advance(task)
            surveys += self._surveys(waiting, recipe, len(parts.pictures))
        if not surveys:
            raise DatasetError(f"none of the {len(parts.pictures)} pictures can be read")
        reference = build_reference(self._detector.checkpoint_hash, surveys)
        new = BuiltReference(
            place=parts.place,
            data=reference.to_bytes(),
            checkpoint_hash=reference.checkpoint_hash,
            images_count=reference.images_count,
            source=parts.source,
        )
        return Built(new=new, found_count=len(parts.pictures), skipped=tuple(skipped))

    def _surveys(
        self, images: "list[NDArray[np.uint8]]", recipe: Recipe, of_count: int
    ) -> list[Survey]:
        return self._detector.survey(images, [recipe] * len(images), of_count=of_count)

    def _image(self, parts: GoodParts, name: str) -> "NDArray[np.uint8] | None":
        try:
            return decode(parts.pictures[name](), pixels_limit_count=self._picture_limit_px)
        except (PictureError, NotFoundError) as error:
            output.say(f"{name} is left out: {error}")
        except OSError as error:
            output.say(f"{name} is left out: {error.strerror}")
        return None

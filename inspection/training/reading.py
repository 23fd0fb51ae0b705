"""Reading a data set ahead of the detector: a few threads, and never more images than agreed."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspection.errors import DatasetError
from inspection.model.preprocessing import resize
from inspection.training.datasets import Sample, read_image, read_mask


@dataclass(frozen=True, kw_only=True)
class Example:
    """A sample with its pixels."""

    sample: Sample
    #: ``(size, size, 3)`` uint8 RGB.
    image: NDArray[np.uint8]
    #: ``(size, size)`` True where defective; None when nobody has marked where that is.
    mask: NDArray[np.bool_] | None


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A sample that could not be read."""

    path: Path
    #: What is wrong, with the name of the file.
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How samples are read."""

    #: Edge of images and masks, that of the detector's images: what it would do to a larger one
    #: is done here, so that those which wait are small.
    size_px: int
    #: False: masks are not looked for.
    has_masks: bool
    threads_count: int
    #: Samples that are read before they are asked for.
    ahead_count: int


def read_ahead(samples: Iterable[Sample], reading: Reading) -> Generator[Example | Unreadable]:
    """Yield the samples in their order; close it to stop the threads before the end."""
    rest = iter(samples)
    pool = ThreadPoolExecutor(reading.threads_count, thread_name_prefix="reading")
    try:
        waiting: deque[Future[Example | Unreadable]] = deque(
            pool.submit(_read, sample, reading) for sample in islice(rest, reading.ahead_count)
        )
        while waiting:
            done = waiting.popleft().result()
            waiting.extend(pool.submit(_read, sample, reading) for sample in islice(rest, 1))
            yield done
    finally:
        pool.shutdown(cancel_futures=True)


def _read(sample: Sample, reading: Reading) -> Example | Unreadable:
    try:
        image = resize(read_image(sample), reading.size_px)
        return Example(sample=sample, image=image, mask=_mask(sample, reading))
    except DatasetError as error:
        return Unreadable(path=sample.image, reason=str(error))


def _mask(sample: Sample, reading: Reading) -> NDArray[np.bool_] | None:
    size_px = (reading.size_px, reading.size_px)
    if not reading.has_masks:
        return None
    if sample.is_anomalous and sample.mask is None:
        return None
    return read_mask(sample, size_px)

"""The features of a data set: what the frozen backbone says of every image, computed once.

A folder of memory-mapped files, a row an image. Its name follows from everything that decides what
is in it, so that a second training finds it, and an extraction that was ended goes on where it
stopped. Training reads the rows it needs; the rest stays on disk.
"""

import copy
import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from inspection.errors import ConfigurationError, DatasetError
from inspection.model.backbone import Backbone, Tap
from inspection.model.fingerprint import fingerprint
from inspection.model.preprocessing import normalise
from inspection.training.datasets import Sample
from inspection.training.reading import Example, Reading, Unreadable, read_ahead

#: Called with the number of rows that are done.
OnRows = Callable[[int], None]

_INDEX_FILE = "index.json"
_LOCK_FILE = "lock"
#: Class tokens, patches and masks.
_ARRAY_FILES = ("cls.npy", "patches.npy", "masks.npy")
_FORMAT = 1
#: Batches after which what is done is written down.
_SAVE_EVERY_BATCHES = 16


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How features are extracted."""

    #: Edge of the square image that the backbone sees, a multiple of its patches'.
    image_size_px: int
    #: Folder of what can be computed again; features are kept in `features` below it.
    cache: Path
    #: Where the backbone computes.
    device: str = "cpu"
    #: Images that go through the backbone at once.
    batch_count: int = 16
    #: Threads that read images.
    threads_count: int = 2
    #: An unreadable file ends it; otherwise the image is left out.
    is_strict: bool = False


class Features:
    """Tokens, masks and labels of samples, read row by row from disk."""

    def __init__(self, folder: Path, samples: Sequence[Sample], unreadable: dict[int, str]) -> None:
        cls, patches, masks = (np.load(folder / name, mmap_mode="r") for name in _ARRAY_FILES)
        self._cls: NDArray[np.float16] = cls
        self._patches: NDArray[np.float16] = patches
        self._masks: NDArray[np.uint8] = masks
        self.samples = tuple(samples)
        #: Name of the folder, which stands for everything in it.
        self.identity = folder.name
        #: What is wrong with files that are left out, in their order.
        self.unreadable = tuple(unreadable.values())
        #: Rows that can be trained on, ascending.
        self.rows = np.asarray([row for row in range(len(samples)) if row not in unreadable])
        #: ``(n,)`` int64, 1 for anomalous; of all rows.
        self.labels = np.asarray([sample.is_anomalous for sample in samples], dtype=np.int64)

    def among(self, categories: Collection[str]) -> Self:
        """Return the same features with rows of these categories only."""
        chosen = copy.copy(self)
        chosen.rows = self.rows[
            [self.samples[row].category in categories for row in self.rows.tolist()]
        ]
        chosen.identity = f"{self.identity} {sorted(categories)}"
        return chosen

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches."""
        edge = round(self._patches.shape[2] ** 0.5)
        return edge, edge

    def taps(self, rows: NDArray[np.integer], device: str = "cpu") -> list[Tap]:
        """Return the tokens of rows as the backbone gave them: float32 of half precision."""
        cls = torch.from_numpy(self._cls[rows]).to(device).float()
        patches = torch.from_numpy(self._patches[rows]).to(device).float()
        return [
            Tap(cls=cls[:, index], patches=patches[:, index]) for index in range(self._cls.shape[1])
        ]

    def masks(self, rows: NDArray[np.integer], device: str = "cpu") -> Tensor:
        """Return ``(B, size, size)`` float32, 1 on defects."""
        return torch.from_numpy(np.unpackbits(self._masks[rows], axis=2)).to(device).float()


def extract(
    backbone: Backbone,
    samples: Sequence[Sample],
    extraction: Extraction,
    *,
    on_rows: OnRows = lambda _: None,
) -> Features:
    """Return the features of samples, from the cache as far as they are there.

    Raises:
        ConfigurationError: the image size is no multiple of the patch size.
        DatasetError: a file cannot be read and the extraction is strict, or none can be read.
    """
    if extraction.image_size_px % max(backbone.patch_size_px, 8):
        raise ConfigurationError(
            f"the image size {extraction.image_size_px} is no multiple of "
            f"{backbone.patch_size_px}, the edge of the backbone's patches"
        )
    folder = extraction.cache / "features" / _identity(backbone, samples, extraction)
    unreadable = _Rows(folder, backbone, samples, extraction).complete(on_rows)
    if len(unreadable) == len(samples):
        raise DatasetError(f"none of {len(samples)} images can be read: {unreadable[0]}")
    return Features(folder, samples, unreadable)


class _Rows:
    """A folder of features under extraction, by one process at a time."""

    def __init__(
        self, folder: Path, backbone: Backbone, samples: Sequence[Sample], extraction: Extraction
    ) -> None:
        self._folder = folder
        self._backbone = backbone.to(extraction.device)
        self._samples = samples
        self._extraction = extraction
        self._done_count = 0
        self._unreadable: dict[int, str] = {}

    def complete(self, on_rows: OnRows) -> dict[int, str]:
        """Extract what is missing; return what cannot be read, by row."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / _LOCK_FILE).open("w") as lock:
                # Another training on the same data waits here and then finds everything done.
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._extract(on_rows)
        except OSError as error:
            raise DatasetError(
                f"the features cannot be kept in {self._folder}: {error.strerror}"
            ) from error
        return self._unreadable

    def _extract(self, on_rows: OnRows) -> None:
        count = len(self._samples)
        self._read_index()
        # What could not be read may be readable by now: a network drive comes back.
        missing = [*sorted(self._unreadable), *range(self._done_count, count)]
        if not missing:
            on_rows(count)
            return
        arrays = self._opened()
        on_rows(count - len(missing))
        for number, (rows, read) in enumerate(self._batches(missing), start=1):
            self._take(rows, read, arrays)
            self._done_count = max(self._done_count, rows[-1] + 1)
            if number % _SAVE_EVERY_BATCHES == 0 or rows[-1] == missing[-1]:
                for array in arrays:
                    array.flush()
                self._write_index()
            on_rows(count - len(missing) + (number - 1) * self._extraction.batch_count + len(rows))

    def _batches(self, missing: Sequence[int]) -> Iterator[tuple[list[int], list["_Read"]]]:
        extraction = self._extraction
        reading = Reading(
            size_px=extraction.image_size_px,
            has_masks=True,
            threads_count=extraction.threads_count,
            ahead_count=extraction.batch_count + extraction.threads_count,
        )
        rows = iter(missing)
        with closing(read_ahead((self._samples[row] for row in missing), reading)) as reads:
            while read := list(islice(reads, extraction.batch_count)):
                yield list(islice(rows, len(read))), read

    def _take(self, rows: list[int], read: list["_Read"], arrays: "_Arrays") -> None:
        chosen, examples = [], []
        for row, each in zip(rows, read, strict=True):
            if isinstance(each, Unreadable):
                if self._extraction.is_strict:
                    raise DatasetError(each.reason)
                self._unreadable[row] = each.reason
            else:
                self._unreadable.pop(row, None)
                chosen.append(row)
                examples.append(each)
        if not chosen:
            return
        device = self._extraction.device
        with torch.inference_mode(), _autocast(device):
            pictures = np.stack([each.image for each in examples])
            taps = self._backbone(normalise(pictures, self._backbone.normalisation, device))
        cls, patches, masks = arrays
        cls[chosen] = torch.stack([tap.cls for tap in taps], dim=1).half().cpu().numpy()
        patches[chosen] = torch.stack([tap.patches for tap in taps], dim=1).half().cpu().numpy()
        blank = np.zeros(pictures.shape[1:3], dtype=np.bool_)
        marked = [blank if each.mask is None else each.mask for each in examples]
        masks[chosen] = np.packbits(np.stack(marked), axis=2)

    def _opened(self) -> "_Arrays":
        size_px = self._extraction.image_size_px
        taps, width = len(self._backbone.tap_blocks), self._backbone.width
        edge = size_px // self._backbone.patch_size_px
        count = len(self._samples)
        kinds: tuple[Any, ...] = (np.float16, np.float16, np.uint8)
        shapes: tuple[tuple[int, ...], ...] = (
            (count, taps, width),
            (count, taps, edge * edge, width),
            (count, size_px, size_px // 8),
        )
        is_new = not (self._folder / _INDEX_FILE).exists()
        if is_new:
            self._check_room(
                sum(
                    math.prod(shape) * np.dtype(kind).itemsize
                    for shape, kind in zip(shapes, kinds, strict=True)
                )
            )
        cls, patches, masks = (
            open_memmap(self._folder / name, "w+" if is_new else "r+", dtype=kind, shape=shape)
            for name, shape, kind in zip(_ARRAY_FILES, shapes, kinds, strict=True)
        )
        if is_new:
            self._allocate()
        return cls, patches, masks

    def _check_room(self, wanted_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._folder).free
        if wanted_bytes > free_bytes:
            raise DatasetError(
                f"the features take {wanted_bytes / 1e9:.1f} GB and {self._folder} has room for "
                f"{free_bytes / 1e9:.1f} GB; give another folder or fewer images"
            )

    def _allocate(self) -> None:
        """Take the room now: writing to a mapped file on a full disk ends the process wordless."""
        for name in _ARRAY_FILES:
            with (self._folder / name).open("r+b") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)

    def _read_index(self) -> None:
        path = self._folder / _INDEX_FILE
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            done_count = int(index["done_count"])
            unreadable = {int(row): str(why) for row, why in index["unreadable"].items()}
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            path.unlink(missing_ok=True)
            return
        if not all((self._folder / name).is_file() for name in _ARRAY_FILES):
            path.unlink()
            return
        self._done_count, self._unreadable = done_count, unreadable

    def _write_index(self) -> None:
        path = self._folder / _INDEX_FILE
        partial = path.with_suffix(".partial")
        index = {"done_count": self._done_count, "unreadable": self._unreadable}
        partial.write_text(json.dumps(index), encoding="utf-8")
        partial.replace(path)


_Read = Example | Unreadable
_Arrays = tuple[np.memmap, np.memmap, np.memmap]


def _autocast(device: str) -> torch.autocast:
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def _identity(backbone: Backbone, samples: Sequence[Sample], extraction: Extraction) -> str:
    """Return a name that changes with anything that changes the features."""
    digest = hashlib.sha256()
    decides = (
        _FORMAT,
        fingerprint(backbone),
        backbone.tap_blocks,
        extraction.image_size_px,
        torch.device(extraction.device).type,
    )
    digest.update(repr(decides).encode())
    for sample in samples:
        digest.update(repr([_stamp(sample.image), sample.mask and _stamp(sample.mask)]).encode())
    return digest.hexdigest()[:24]


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path.absolute()), found.st_size, found.st_mtime_ns

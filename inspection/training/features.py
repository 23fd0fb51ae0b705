"""The features of a data set: what the frozen backbone says of every image, computed once.

A folder of memory-mapped files, a row an image. Its name follows from everything that decides what
is in it, so that a second training finds it, and an extraction that was ended goes on where it
stopped. Training reads the rows it needs; the rest stays on disk.
"""

import copy
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from inspection.model.preprocessing import prepared
from inspection.training.datasets import Sample, read_image, read_mask

#: Called with the number of rows that are done.
OnRows = Callable[[int], None]

_INDEX_FILE = "index.json"
_FORMAT = 1
#: Batches after which what is done is written down.
_SAVE_EVERY_BATCHES = 16


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How features are extracted."""

    #: Edge of the square image that the backbone sees, a multiple of its patches'.
    image_size_px: int
    #: Below which folders of features are kept.
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
        self._cls: NDArray[np.float16] = np.load(folder / "cls.npy", mmap_mode="r")
        self._patches: NDArray[np.float16] = np.load(folder / "patches.npy", mmap_mode="r")
        self._masks: NDArray[np.uint8] = np.load(folder / "masks.npy", mmap_mode="r")
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
    folder = extraction.cache / _identity(backbone, samples, extraction)
    unreadable = _Rows(folder, backbone, samples, extraction).complete(on_rows)
    if len(unreadable) == len(samples):
        raise DatasetError(f"none of {len(samples)} images can be read: {unreadable[0]}")
    return Features(folder, samples, unreadable)


class _Rows:
    """A folder of features under extraction."""

    def __init__(
        self, folder: Path, backbone: Backbone, samples: Sequence[Sample], extraction: Extraction
    ) -> None:
        self._folder = folder
        self._backbone = backbone.to(extraction.device)
        self._samples = samples
        self._extraction = extraction
        self._done, self._unreadable = self._read_index()

    def complete(self, on_rows: OnRows) -> dict[int, str]:
        """Extract what is missing; return what cannot be read, by row."""
        count = len(self._samples)
        on_rows(self._done)
        if self._done < count:
            cls, patches, masks = self._opened()
            with ThreadPoolExecutor(self._extraction.threads_count) as readers:
                for number, (rows, read) in enumerate(self._batches(readers), start=1):
                    self._take(rows, read, (cls, patches, masks))
                    self._done = rows.stop
                    if number % _SAVE_EVERY_BATCHES == 0 or self._done == count:
                        for array in (cls, patches, masks):
                            array.flush()
                        self._write_index()
                    on_rows(self._done)
        self._refuse(self._unreadable)
        return self._unreadable

    def _take(
        self,
        rows: range,
        read: list["_Read | str"],
        arrays: tuple[np.memmap, np.memmap, np.memmap],
    ) -> None:
        cls, patches, masks = arrays
        failed = {row: each for row, each in zip(rows, read, strict=True) if isinstance(each, str)}
        self._refuse(failed)
        self._unreadable |= failed
        good = [(row, each) for row, each in zip(rows, read, strict=True) if row not in failed]
        if not good:
            return
        chosen = [row for row, _ in good]
        pairs = [each for _, each in good if not isinstance(each, str)]
        size_px, device = self._extraction.image_size_px, self._extraction.device
        with torch.inference_mode(), _autocast(device):
            batch = prepared(
                [each.image for each in pairs], size_px, self._backbone.normalisation, device
            )
            taps = self._backbone(batch)
        cls[chosen] = torch.stack([tap.cls for tap in taps], dim=1).half().cpu().numpy()
        patches[chosen] = torch.stack([tap.patches for tap in taps], dim=1).half().cpu().numpy()
        masks[chosen] = np.packbits(np.stack([each.mask for each in pairs]), axis=2)

    def _batches(self, readers: ThreadPoolExecutor) -> Iterator[tuple[range, list["_Read | str"]]]:
        """Read batches in order, one ahead of the backbone."""
        count, size = len(self._samples), self._extraction.batch_count
        # Always the same batches, wherever an earlier extraction stopped.
        starts = range(self._done, count, size)
        waiting = []
        for start in starts:
            rows = range(start, min(start + size, count))
            waiting.append((rows, [readers.submit(self._read, row) for row in rows]))
            if len(waiting) > 1:
                first, futures = waiting.pop(0)
                yield first, [future.result() for future in futures]
        for rows, futures in waiting:
            yield rows, [future.result() for future in futures]

    def _read(self, row: int) -> "_Read | str":
        sample, size_px = self._samples[row], self._extraction.image_size_px
        try:
            return _Read(image=read_image(sample), mask=read_mask(sample, (size_px, size_px)))
        except DatasetError as error:
            return str(error)

    def _refuse(self, unreadable: dict[int, str]) -> None:
        if unreadable and self._extraction.is_strict:
            raise DatasetError(next(iter(unreadable.values())))

    def _opened(self) -> tuple[np.memmap, np.memmap, np.memmap]:
        size_px = self._extraction.image_size_px
        taps, width = len(self._backbone.tap_blocks), self._backbone.width
        edge = size_px // self._backbone.patch_size_px
        count = len(self._samples)
        shapes: dict[str, tuple[tuple[int, ...], Any]] = {
            "cls.npy": ((count, taps, width), np.float16),
            "patches.npy": ((count, taps, edge * edge, width), np.float16),
            "masks.npy": ((count, size_px, size_px // 8), np.uint8),
        }
        mode: Any = "r+" if self._done else "w+"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._done:
                self._check_room(
                    sum(
                        math.prod(shape) * np.dtype(kind).itemsize
                        for shape, kind in shapes.values()
                    )
                )
            cls, patches, masks = (
                open_memmap(self._folder / name, mode, dtype=kind, shape=shape)
                for name, (shape, kind) in shapes.items()
            )
        except OSError as error:
            raise DatasetError(
                f"the features cannot be kept in {self._folder}: {error.strerror}"
            ) from error
        return cls, patches, masks

    def _check_room(self, wanted_bytes: int) -> None:
        # Writing to a mapped file on a full disk ends the process without a word.
        free_bytes = shutil.disk_usage(self._folder).free
        if wanted_bytes > free_bytes:
            raise DatasetError(
                f"the features take {wanted_bytes / 1e9:.1f} GB and {self._folder} has room for "
                f"{free_bytes / 1e9:.1f} GB; give another folder or fewer images"
            )

    def _read_index(self) -> tuple[int, dict[int, str]]:
        try:
            index = json.loads((self._folder / _INDEX_FILE).read_text(encoding="utf-8"))
            return index["done_count"], {int(row): why for row, why in index["unreadable"].items()}
        except (OSError, ValueError, KeyError):
            return 0, {}

    def _write_index(self) -> None:
        path = self._folder / _INDEX_FILE
        partial = path.with_suffix(".partial")
        partial.write_text(
            json.dumps({"done_count": self._done, "unreadable": self._unreadable}), encoding="utf-8"
        )
        partial.replace(path)


@dataclass(frozen=True, kw_only=True)
class _Read:
    image: NDArray[np.uint8]
    #: ``(size, size)``.
    mask: NDArray[np.bool_]


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

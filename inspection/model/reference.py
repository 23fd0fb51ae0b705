"""A reference: what normal looks like for one product at one station, from its good parts.

The file is a safetensors container whose metadata has one entry, `reference`: a JSON object with
`format`, `checkpoint_hash` and `images_count`. Everything here is plain numpy: references are
built and kept where there is no torch.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from inspection.errors import CheckpointError
from inspection.model.normality import LEAST_SPREAD, Normality, normality_of

_FORMAT = 1
_METADATA = "reference"
#: Arrays of a file: their numbers and how many axes they have.
_ARRAYS: dict[str, tuple[type[np.floating], int]] = {
    "directions": (np.float16, 3),
    "distance": (np.float32, 1),
    "mean": (np.float32, 2),
    "noise": (np.float32, 1),
    "text": (np.float32, 1),
}


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What one pass of the backbone says about one good picture."""

    #: Of the checkpoint that looked.
    checkpoint_hash: str
    #: Stands for the picture's pixels; equal pictures have equal keys.
    key: str
    #: ``(taps, n, D)`` float16: centred patches in rows, drawn by the key where there are many.
    patches: NDArray[np.float16]
    #: ``(N,)`` float16: the text's logits, mean over the taps; None without adapters.
    text: NDArray[np.float16] | None


def survey_of(
    checkpoint_hash: str,
    image: NDArray[np.uint8],
    patches: NDArray[np.float16],
    text: NDArray[np.float16] | None,
    *,
    limit_bytes: int,
) -> Survey:
    """Return the survey of a picture ``(H, W, 3)`` with patches ``(taps, N, D)``.

    Where they take more than `limit_bytes` some are drawn at random, the same from equal pictures.
    """
    key = hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes())
    count = patches.shape[1]
    kept_count = max(1, min(count, limit_bytes * count // patches.nbytes))
    if kept_count < count:
        rng = np.random.default_rng(int.from_bytes(key.digest()[:8], "little"))
        patches = patches[:, np.sort(rng.choice(count, kept_count, replace=False))]
    return Survey(
        checkpoint_hash=checkpoint_hash, key=key.hexdigest(), patches=patches.copy(), text=text
    )


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What normal looks like, and how far from it unseen good parts are.

    Distances are natural logarithms of `inspection.model.subspace` distances, mean over the taps.
    """

    #: Of the detector whose features it is made of.
    checkpoint_hash: str
    #: Different good pictures it is made of.
    images_count: int
    #: ``(taps, D)`` float32: the mean patch.
    mean: NDArray[np.float32]
    #: ``(taps, D, r)`` float16: the directions that patches vary in.
    directions: NDArray[np.float16]
    #: ``(taps,)`` float32: variance of all others.
    noise: NDArray[np.float32]
    #: ``(3,)`` float32: the distance of the farthest patch of a usual good part; how much nearer
    #: a usual patch is; and the farthest distance at which a part still looks like the others.
    distance: NDArray[np.float32]
    #: ``(2,)`` float32: the same of the text's logits, but for the last; empty without adapters.
    text: NDArray[np.float32]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the file, 64 hexadecimal digits."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def taps_count(self) -> int:
        """Depths of the backbone that it was made at."""
        return len(self.mean)

    @property
    def width(self) -> int:
        """Channels of a token."""
        return int(self.mean.shape[1])

    def resembles(self, survey: Survey) -> bool:
        """Tell whether a picture looks like the good ones, as far as the survey goes."""
        found = Normality(mean=self.mean, directions=self.directions, noise=self.noise)
        return bool(found.distances(survey.patches).max() <= self.distance[2])

    def to_bytes(self) -> bytes:
        """Return the file; equal references give equal bytes."""
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        described = {
            "format": _FORMAT,
            "checkpoint_hash": self.checkpoint_hash,
            "images_count": self.images_count,
        }
        # One entry: safetensors writes several in an order that differs from call to call.
        return save(tensors, {_METADATA: json.dumps(described, sort_keys=True)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a file.

        Raises:
            CheckpointError: it is damaged, or no reference of this format.
        """
        try:
            tensors = load(data)
            described = _description(data)
            if described["format"] != _FORMAT:
                raise CheckpointError(
                    f"the reference has format {described['format']}, not {_FORMAT}; build it anew"
                )
            arrays = {name: tensors[name] for name in _ARRAYS}
            _check(arrays)
            return cls(
                checkpoint_hash=str(described["checkpoint_hash"]),
                images_count=int(described["images_count"]),
                **arrays,
            )
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"this is no whole reference: {error}; build it anew") from error


def build_reference(checkpoint_hash: str, surveys: Sequence[Survey]) -> Reference:
    """Return the reference that surveys of good pictures give, in any order.

    Equal pictures count once. From eight different pictures on, those that look unlike the others
    are left out: a few defects among them do no harm. Of several products the reference is the
    union: each of them is normal.

    Raises:
        CheckpointError: there is no survey, or one by another checkpoint.
    """
    return reference_of(checkpoint_hash, surveys)[0]


def reference_of(checkpoint_hash: str, surveys: Sequence[Survey]) -> tuple[Reference, list[Survey]]:
    """Return the reference of surveys, and the surveys that it is made of.

    Raises:
        CheckpointError: there is no survey, or one by another checkpoint.
    """
    if not surveys:
        raise CheckpointError("a reference needs a good picture; there is none")
    if any(survey.checkpoint_hash != checkpoint_hash for survey in surveys):
        raise CheckpointError("a survey is by another checkpoint; look at its picture again")
    by_key = {survey.key: survey for survey in surveys}
    distinct = [by_key[key] for key in sorted(by_key)]
    normality, unseen, kept = normality_of([survey.patches for survey in distinct])
    chosen = [distinct[position] for position in kept]
    texts = [survey.text.astype(np.float32) for survey in chosen if survey.text is not None]
    reference = Reference(
        checkpoint_hash=checkpoint_hash,
        images_count=len(chosen),
        mean=normality.mean,
        directions=normality.directions,
        noise=normality.noise,
        distance=unseen,
        text=_usual(texts),
    )
    return reference, chosen


def _usual(texts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the logit of the worst patch of a usual picture, and from there to a usual patch."""
    if not texts:
        return np.zeros(0, dtype=np.float32)
    worst = float(np.median([logits.max() for logits in texts]))
    usual = float(np.median(np.concatenate(texts)))
    return np.array([worst, max(worst - usual, LEAST_SPREAD)], dtype=np.float32)


def _description(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    described: dict[str, Any] = json.loads(header["__metadata__"][_METADATA])
    return described


def _check(arrays: dict[str, NDArray[np.floating]]) -> None:
    """Refuse arrays that do not fit each other.

    Raises:
        ValueError: which one, and why.
    """
    for name, (kind, axes_count) in _ARRAYS.items():
        array = arrays[name]
        if array.dtype != kind or array.ndim != axes_count:
            raise ValueError(f"{name} is {array.dtype} with {array.ndim} axes")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds what is no finite number")
    taps_count, width = arrays["mean"].shape
    sizes = (
        arrays["directions"].shape[:2] == (taps_count, width)
        and arrays["noise"].shape == (taps_count,)
        and arrays["distance"].shape == (3,)
        and arrays["text"].shape in {(0,), (2,)}
    )
    spreads = (*arrays["noise"], arrays["distance"][1], *arrays["text"][1:])
    if not sizes or min(spreads) <= 0:
        raise ValueError("its arrays do not fit each other")

"""The scorer inside a replica: encoded frames in, answers out; it knows nothing of Ray."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from inspection.domain.inspection import AnomalyMap
from inspection.domain.ledger import Reason
from inspection.errors import PictureError
from inspection.model.detector import Detector
from inspection.model.picture import decode
from inspection.model.preprocessing import resize
from inspection.model.reference import Reference, Survey
from inspection.serving.reference_cache import Found, ReferenceCache
from inspection.serving.request import Answer, Lacking, Refused, Request, Scored

#: Pictures that go through the model at once; more would only cost memory and latency.
FORWARD_PICTURES = 8

#: A decoded picture, ``(size, size, 3)`` uint8 RGB as the detector sees it, or why it is none.
Decoded = NDArray[np.uint8] | Refused


class Scorer:
    """A detector with decoding in front; a bad picture does not harm its neighbours."""

    def __init__(self, detector: Detector, *, picture_limit_px: int, threads: int) -> None:
        self._detector = detector
        self._picture_limit_px = picture_limit_px
        self._references = ReferenceCache(detector.checkpoint_hash)
        self._decoders = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="decode")

    @property
    def checkpoint_hash(self) -> str:
        """SHA-256 of the checkpoint that scores."""
        return self._detector.checkpoint_hash

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        """Decode pictures in parallel; what cannot be decoded is refused, one by one."""
        return list(self._decoders.map(self._decode_one, requests))

    def references(
        self, requests: Sequence[Request], files: Mapping[str, bytes]
    ) -> dict[str, Found]:
        """Return the references that requests name, by content hash; `files` are at hand."""
        asked = {request.reference for request in requests if request.reference is not None}
        return self._references.found(asked, files)

    def score(
        self,
        requests: Sequence[Request],
        pictures: Sequence[Decoded],
        references: Mapping[str, Found] | None = None,
    ) -> list[Answer]:
        """Score decoded pictures, in order; refusals pass through."""
        answers: dict[int, Answer] = {}
        ready: list[tuple[int, NDArray[np.uint8], Reference | None]] = []
        for i, (request, picture) in enumerate(zip(requests, pictures, strict=True)):
            reference = self._reference(request, references or {})
            if isinstance(picture, Refused):
                answers[i] = picture
            elif isinstance(reference, Refused | Lacking):
                answers[i] = reference
            else:
                ready.append((i, picture, reference))
        for batch in _batches(ready):
            positions, images, known = zip(*batch, strict=True)
            recipes = [requests[i].recipe for i in positions]
            scored = self._detector.score(images, recipes, known)
            for i, result in zip(positions, scored, strict=True):
                grid = np.ascontiguousarray(result.grid, dtype="<f2")
                taps, rows, columns = grid.shape
                answers[i] = Scored(
                    score=result.score,
                    anomaly_map=AnomalyMap(shape=(taps, rows, columns), data=grid.tobytes()),
                    checkpoint_hash=self._detector.checkpoint_hash,
                    reference_hash=requests[i].reference,
                )
        return [answers[i] for i in range(len(requests))]

    def survey(
        self, requests: Sequence[Request], pictures: Sequence[Decoded], *, of_count: int
    ) -> list[Survey | Refused]:
        """Survey decoded pictures of good parts, in order; refusals pass through.

        Args:
            requests: the frames.
            pictures: what `decode` made of them.
            of_count: how many a reference will be made of.
        """
        answers: dict[int, Survey | Refused] = {}
        ready = []
        for i, picture in enumerate(pictures):
            if isinstance(picture, Refused):
                answers[i] = picture
            else:
                ready.append((i, picture, None))
        for batch in _batches(ready):
            positions, images, _ = zip(*batch, strict=True)
            recipes = [requests[i].recipe for i in positions]
            surveys = self._detector.survey(images, recipes, of_count=of_count)
            answers.update(zip(positions, surveys, strict=True))
        return [answers[i] for i in range(len(requests))]

    def _reference(
        self, request: Request, references: Mapping[str, Found]
    ) -> Reference | Refused | Lacking | None:
        if request.reference is not None:
            return references.get(request.reference, Lacking(reference=request.reference))
        if not self._detector.needs_reference:
            return None
        return Refused(
            reason=Reason.REFERENCE.value,
            detail="the checkpoint scores only beside a reference, and none is in force for this "
            "product at this station; build one",
        )

    def _decode_one(self, request: Request) -> Decoded:
        try:
            picture = decode(request.payload, pixels_limit_count=self._picture_limit_px)
            # At once: all pictures of a batch in their full sizes would need gigabytes.
            return resize(picture, self._detector.image_size_px)
        except PictureError as error:
            return Refused(reason=error.reason, detail=str(error))


_Ready = tuple[int, NDArray[np.uint8], Reference | None]


def _batches(ready: Sequence[_Ready]) -> Iterator[list[_Ready]]:
    rest = iter(ready)
    while batch := list(islice(rest, FORWARD_PICTURES)):
        yield batch

"""The scorer inside a replica: encoded frames in, answers out; it knows nothing of Ray."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from inspection.domain.inspection import AnomalyMap
from inspection.errors import PictureError
from inspection.model.detector import Detector
from inspection.model.picture import decode
from inspection.serving.request import Answer, Refused, Request, Scored

#: Pictures that go through the model at once; more would only cost memory and latency.
FORWARD_PICTURES = 8


class Scorer:
    """A detector with decoding in front; a bad picture does not harm its neighbours."""

    def __init__(self, detector: Detector, *, picture_limit_px: int, threads: int) -> None:
        self._detector = detector
        self._picture_limit_px = picture_limit_px
        self._decoders = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="decode")

    def decode(self, requests: Sequence[Request]) -> list[np.ndarray | Refused]:
        """Decode pictures in parallel; what cannot be decoded is refused, one by one."""
        return list(self._decoders.map(self._decode_one, requests))

    def score(
        self, requests: Sequence[Request], pictures: Sequence[np.ndarray | Refused]
    ) -> list[Answer]:
        """Score decoded pictures, in order; refusals pass through."""
        answers: list[Answer | None] = [
            picture if isinstance(picture, Refused) else None for picture in pictures
        ]
        open_positions = iter([i for i, answer in enumerate(answers) if answer is None])
        while positions := list(islice(open_positions, FORWARD_PICTURES)):
            images = [p for i in positions if not isinstance(p := pictures[i], Refused)]
            recipes = [requests[i].recipe for i in positions]
            scored = self._detector.score(images, recipes)
            for i, result in zip(positions, scored, strict=True):
                grid = np.ascontiguousarray(result.grid, dtype="<f2")
                taps, rows, columns = grid.shape
                answers[i] = Scored(
                    score=result.score,
                    anomaly_map=AnomalyMap(shape=(taps, rows, columns), data=grid.tobytes()),
                    checkpoint_hash=self._detector.checkpoint_hash,
                )
        return [answer for answer in answers if answer is not None]

    def _decode_one(self, request: Request) -> np.ndarray | Refused:
        try:
            return decode(request.payload, pixels_limit_count=self._picture_limit_px)
        except PictureError as error:
            return Refused(reason=error.reason, detail=str(error))

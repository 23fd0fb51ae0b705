"""The act of inspecting and its record: score, verdict, judgement."""

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from inspection.domain.frame import FrameIdentity
from inspection.domain.line import Threshold
from inspection.errors import InspectionError


class Verdict(StrEnum):
    """The outcome of an inspection."""

    OK = "OK"
    NG = "NG"
    #: Scored while no threshold was in force.
    PENDING = "pending"


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Where a frame's time went, in milliseconds."""

    #: From exposure to the moment an inspector took it from the stream.
    waited_ms: float
    #: From handing it to the replica to having its score; its whole batch.
    inference_ms: float


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """One frame scored and judged."""

    identity: FrameIdentity
    product: str | None
    #: Exactly what the model said; higher is worse.
    score: float
    verdict: Verdict
    #: Threshold that judged it; None when pending.
    threshold: Threshold | None
    #: SHA-256 of the checkpoint that scored it, hexadecimal.
    checkpoint_hash: str
    #: SHA-256 of the reference it was scored with; None: zero-shot.
    reference_hash: str | None = None
    latencies: Latencies
    #: Row id of the threshold that decided, also when it left the frame pending; None: nothing
    #: covered the frame, or `threshold` did.
    decided_by_id: int | None = None
    #: When it was judged, by the database's clock; None: nobody noted it.
    judged_at: datetime | None = None


def judge(score: float, threshold: Threshold | None) -> Verdict:
    """Return NG if and only if the score is greater than the threshold in force.

    Raises:
        InspectionError: the score is not a finite number; a verdict is never invented.
    """
    if not math.isfinite(score):
        raise InspectionError(f"the anomaly score {score} is not a finite number")
    if threshold is None or threshold.value is None:
        return Verdict.PENDING
    return Verdict.NG if score > threshold.value else Verdict.OK


@dataclass(frozen=True, kw_only=True)
class AnomalyMap:
    """Logit difference (anomalous minus normal) of every tap on the patch grid.

    The model's own map is the mean over taps of the sigmoid of each tap upsampled bilinearly with
    aligned corners; keeping the taps apart keeps that exact.
    """

    #: (taps, rows, columns).
    shape: tuple[int, int, int]
    #: float16, little-endian, C order: 2 x taps x rows x columns bytes.
    data: bytes

    def __post_init__(self) -> None:
        """Refuse a map whose bytes do not fill its shape."""
        taps, rows, columns = self.shape
        if len(self.data) != 2 * taps * rows * columns:
            raise InspectionError(
                f"an anomaly map of shape {self.shape} has {len(self.data)} bytes"
            )

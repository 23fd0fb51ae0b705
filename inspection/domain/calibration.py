"""A threshold from the scores of good parts, with what it promises. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspection.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold and the bound on false rejects that `n` good scores support."""

    threshold: float
    #: Good scores it was made from.
    good_count: int
    #: The false-reject rate is at most this …
    false_reject_rate: float
    #: … with this probability over the choice of the good parts.
    confidence: float


def calibrated(scores: Sequence[float], *, confidence: float = 0.95) -> Calibration:
    """Set the threshold to the largest good score and state what that promises.

    With n exchangeable good parts and the largest of their scores as threshold, the false-reject
    rate p exceeds a bound a with probability (1 - a)^n at most (the distribution of the largest
    order statistic), so a = 1 - (1 - confidence)^(1/n). Ties only make it smaller.

    Raises:
        ConfigurationError: no scores, a score that is not finite, or a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ConfigurationError(f"confidence {confidence} is not between 0 and 1")
    if not scores:
        raise ConfigurationError("a threshold needs the scores of good parts; there are none")
    if not all(math.isfinite(score) for score in scores):
        raise ConfigurationError("a score of a good part is not a finite number")
    bound = 1 - (1 - confidence) ** (1 / len(scores))
    return Calibration(
        threshold=max(scores),
        good_count=len(scores),
        false_reject_rate=bound,
        confidence=confidence,
    )

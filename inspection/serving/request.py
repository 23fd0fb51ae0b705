"""What an inspector asks a replica, and what it is answered; plain values that travel cheaply."""

from dataclasses import dataclass

from inspection.domain.inspection import AnomalyMap
from inspection.domain.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Request:
    """One encoded frame to score."""

    payload: bytes
    #: What the detector is told about the product on it.
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The model's answer."""

    score: float
    anomaly_map: AnomalyMap
    #: SHA-256 of the checkpoint that answered.
    checkpoint_hash: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The frame is no picture that can be judged; the others of its call are not affected."""

    #: A value of `inspection.domain.ledger.Reason`.
    reason: str
    detail: str


Answer = Scored | Refused

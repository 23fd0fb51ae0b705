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
    #: SHA-256 of the reference to score it with; None: without one.
    reference: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The model's answer."""

    score: float
    anomaly_map: AnomalyMap
    #: SHA-256 of the checkpoint that answered.
    checkpoint_hash: str
    #: SHA-256 of the reference it was scored with; None: zero-shot.
    reference_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The frame cannot be judged; the others of its call are not affected."""

    #: A value of `inspection.domain.ledger.Reason`.
    reason: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """The replica has not got the reference: ask again, with its file."""

    #: SHA-256 of the reference.
    reference: str


#: What becomes of a frame at a replica …
Answer = Scored | Refused | Lacking

#: … and in the end.
Outcome = Scored | Refused

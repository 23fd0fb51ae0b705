"""The rows of a specimen, column by column: the same plan makes the same ones.

Lines with a row of cameras look at every part one camera after the other; products change, lots are
a few hundred parts, thresholds get a second version, a new checkpoint comes. The rows carry neither
maps nor pictures.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inspection.domain.evidence import Gone
from inspection.domain.frame import milliseconds
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Cause, Outcome, Reason

Numbers = npt.NDArray[Any]
#: Values by the name of their column.
Columns = Mapping[str, Sequence[Any]]

LINES: Final = 4
#: Of each line.
CAMERAS: Final = 4
#: Products that one line makes in turn.
PRODUCTS: Final = 3
#: Parts of a lot, and lots until the product changes.
LOT: Final = 300
LOTS: Final = 8
#: The first threshold of every line and the second, from half the time on.
THRESHOLDS: Final = (0.52, 0.48)
#: Share of the time in which the last line has no threshold yet.
PENDING: Final = 0.03
#: The second from this share of the time on.
CHECKPOINTS: Final = ("5bec1a" * 10 + "0001", "5bec1a" * 10 + "0002")
CHANGED: Final = 0.7
#: Shares of frames.
DROPPED: Final = 0.0005
UNINSPECTED: Final = 0.001
#: Share of parts with a defect, which one of the cameras sees.
DEFECTIVE: Final = 0.07
#: From exposure to the row.
LATENCY_MS: Final = 180
#: Parts a line makes between two statements.
_ROUNDS: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be made up."""

    #: Inspections of all cameras together.
    rows: int
    #: When the last exposure was, nearly.
    ends_at: datetime
    days: float = 30.0
    seed: int = 7

    @property
    def begins_at(self) -> datetime:
        """When the first exposure was."""
        return self.ends_at - timedelta(days=self.days)

    @property
    def rounds(self) -> int:
        """Parts that each line makes, a few more than will be needed."""
        frames = self.rows / (1 - DROPPED - UNINSPECTED)
        return math.ceil(1.002 * frames / (LINES * CAMERAS)) + 2


@dataclass(frozen=True, kw_only=True)
class Place:
    """Row ids that the rows refer to."""

    first_id: int
    lines: Numbers
    #: By line and camera.
    stations: Numbers
    cameras: Numbers
    #: By line and version.
    thresholds: Numbers
    #: By line, camera, product, checkpoint, and threshold: none, then by version.
    sources: Numbers


def line_name(line: int) -> str:
    """Return the name of a line, counted from 0."""
    return f"specimen-{line + 1}"


def product_name(line: int, turn: int) -> str:
    """Return the name of a product of a line, both counted from 0."""
    return f"product {line + 1}{'abc'[turn]}"


def chunks(plan: Plan, place: Place) -> Iterator[tuple[Columns, Columns]]:
    """Make the columns of the ledger and of the inspections, some thousand rows at a time."""
    random = np.random.default_rng(plan.seed)
    first_id, left = place.first_id, plan.rows
    for first_round in range(0, plan.rounds, _ROUNDS):
        rounds = np.arange(first_round, min(first_round + _ROUNDS, plan.rounds))
        frames = _Frames.made(plan, random, rounds)
        frames = frames.up_to(left)
        left -= int(frames.is_inspected.sum())
        ids = first_id + np.arange(len(frames.part))
        first_id += len(ids)
        yield frames.ledger(place, ids), frames.inspections(plan, place, ids)
        if left == 0:
            return


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """Frames in the order of their exposures; arrays of one length."""

    #: How many parts the line had made before.
    part: Numbers
    line: Numbers
    camera: Numbers
    captured_at_ms: Numbers
    score: Numbers
    #: Uniform between 0 and 1: what became of the frame.
    fate: Numbers

    @classmethod
    def made(cls, plan: Plan, random: np.random.Generator, rounds: Numbers) -> "_Frames":
        shape = (len(rounds), LINES, CAMERAS)
        span_ms = int(plan.days * 86_400_000)
        slot_ms = span_ms / (plan.rounds * LINES * CAMERAS)
        slots = np.arange(LINES * CAMERAS).reshape(1, LINES, CAMERAS)
        slots = slots + (rounds * LINES * CAMERAS).reshape(-1, 1, 1)
        jitter = random.uniform(0, 0.9, shape)
        # Every camera sees another background, so its scores are a little different.
        score = random.normal(0.22, 0.06, shape) + np.linspace(0, 0.06, CAMERAS)
        is_defective = random.random(shape[:2]) < DEFECTIVE
        seen_by = random.integers(0, CAMERAS, shape[:2])
        is_seen = is_defective[..., None] & (seen_by[..., None] == np.arange(CAMERAS))
        score = np.where(is_seen, random.normal(0.62, 0.12, shape), score)
        part, line, camera = np.broadcast_arrays(
            rounds.reshape(-1, 1, 1),
            np.arange(LINES).reshape(1, -1, 1),
            np.arange(CAMERAS).reshape(1, 1, -1),
        )
        return cls(
            part=part.ravel(),
            line=line.ravel(),
            camera=camera.ravel(),
            captured_at_ms=(
                milliseconds(plan.begins_at) + np.floor((slots + jitter) * slot_ms).astype(int)
            ).ravel(),
            score=np.clip(score, 0.0, 0.999).ravel(),
            fate=random.random(shape).ravel(),
        )

    @property
    def is_inspected(self) -> Numbers:
        return self.fate >= DROPPED + UNINSPECTED

    @property
    def is_dropped(self) -> Numbers:
        return self.fate < DROPPED

    @property
    def turn(self) -> Numbers:
        return self.part // (LOT * LOTS) % PRODUCTS

    def up_to(self, count: int) -> "_Frames":
        """Return the frames up to the inspection of this number."""
        end = int(np.searchsorted(np.cumsum(self.is_inspected), count)) + 1
        return _Frames(**{name: values[:end] for name, values in vars(self).items()})

    def product(self) -> list[str]:
        names = np.array([[product_name(n, t) for t in range(PRODUCTS)] for n in range(LINES)])
        chosen: list[str] = names[self.line, self.turn].tolist()
        return chosen

    def serial(self) -> list[str]:
        pairs = zip(self.line.tolist(), self.part.tolist(), strict=True)
        return [f"S{line + 1}-{part + 1:08d}" for line, part in pairs]

    def lot(self) -> list[str]:
        pairs = zip(self.line.tolist(), (self.part // LOT).tolist(), strict=True)
        return [f"L{line + 1}-{lot + 1:05d}" for line, lot in pairs]

    def ledger(self, place: Place, ids: Numbers) -> Columns:
        is_uninspected = ~self.is_inspected & ~self.is_dropped
        kinds = np.where(self.is_dropped, 2, np.where(is_uninspected, 1, 0)).tolist()
        outcomes = (Outcome.INSPECTED.value, Outcome.UNINSPECTED.value, Outcome.DROPPED.value)
        count = len(ids)
        of_frame = [kind != 2 for kind in kinds]  # noqa: PLR2004 - dropped
        return {
            "id": ids.tolist(),
            "camera_id": place.cameras[self.line, self.camera].tolist(),
            "captured_at": _moments(self.captured_at_ms),
            "sequence_number": (self.part + 1).tolist(),
            "outcome": [outcomes[kind] for kind in kinds],
            "reason": [(None, Reason.CORRUPT.value, Cause.DROP_OLDEST.value)[k] for k in kinds],
            "detail": [(None, "the bytes are not a picture", None)[kind] for kind in kinds],
            "is_repeated": [0] * count,
            "line_id": place.lines[self.line].tolist(),
            "station_id": place.stations[self.line, self.camera].tolist(),
            "product": _only(of_frame, self.product()),
            "part_serial": _only(of_frame, self.serial()),
            "lot": _only(of_frame, self.lot()),
            "map_gone": [(Gone.AGE.value, None, None)[kind] for kind in kinds],
            "recorded_at": _moments(self.captured_at_ms + LATENCY_MS),
        }

    def inspections(self, plan: Plan, place: Place, ids: Numbers) -> Columns:
        kept = self.is_inspected
        these = _Frames(**{name: values[kept] for name, values in vars(self).items()})
        time = (these.captured_at_ms - milliseconds(plan.begins_at)) / (plan.days * 86_400_000)
        version = (time >= 1 / len(THRESHOLDS)).astype(int)
        has_threshold = ((these.line != LINES - 1) | (time >= PENDING)).tolist()
        value = np.array(THRESHOLDS)[version]
        is_ng = these.score > value
        judged = np.where(is_ng, Verdict.NG.value, Verdict.OK.value).tolist()
        checkpoint = (time >= CHANGED).astype(int)
        decided = np.where(has_threshold, version + 1, 0)
        source = place.sources[these.line, these.camera, these.turn, checkpoint, decided]
        return {
            "ledger_id": ids[kept].tolist(),
            "captured_at": _moments(these.captured_at_ms),
            "line_id": place.lines[these.line].tolist(),
            "station_id": place.stations[these.line, these.camera].tolist(),
            "camera_id": place.cameras[these.line, these.camera].tolist(),
            "product": these.product(),
            "part_serial": these.serial(),
            "lot": these.lot(),
            "source_id": source.tolist(),
            "score": these.score.tolist(),
            "verdict": [
                verdict if has else Verdict.PENDING.value
                for verdict, has in zip(judged, has_threshold, strict=True)
            ],
            "threshold_id": _only(has_threshold, place.thresholds[these.line, version].tolist()),
            "threshold_value": _only(has_threshold, value.tolist()),
            "distance": _only(has_threshold, np.abs(these.score - value).tolist()),
            "checkpoint_hash": np.array(CHECKPOINTS)[checkpoint].tolist(),
            "judged_at": _moments(these.captured_at_ms + LATENCY_MS),
            "waited_ms": [100.0] * len(judged),
            "inference_ms": [60.0] * len(judged),
            "latency_ms": [float(LATENCY_MS)] * len(judged),
        }


def _only(is_there: Sequence[bool], values: Sequence[Any]) -> list[Any]:
    return [value if has else None for has, value in zip(is_there, values, strict=True)]


def _moments(times_ms: Numbers) -> list[str]:
    """Return times as both databases read them, in UTC."""
    texts = np.datetime_as_string(times_ms.astype("datetime64[ms]").astype("datetime64[us]"))
    return [text.replace("T", " ") for text in texts.tolist()]

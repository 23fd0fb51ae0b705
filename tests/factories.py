"""Things of the domain with every field filled in; a test names only what matters to it."""

import functools
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from inspection.domain.alert import Alert, AlertKind
from inspection.domain.channel import Channel
from inspection.domain.frame import Frame, FrameIdentity
from inspection.domain.inspection import AnomalyMap, Inspection, Latencies, Verdict
from inspection.domain.ledger import Cause, Dropped, Inspected, Picture, Reason, Uninspected
from inspection.domain.line import Camera, Line, Scope, Source, Threshold
from inspection.domain.reference import LineReference, ReferenceSource
from inspection.domain.rule import Rule, rule_of, with_defaults
from inspection.domain.site import Site

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CHECKPOINT_HASH = "c0ffee" * 10 + "c0de"
_IDENTITY = ("camera", "sequence_number", "captured_at")


@functools.cache
def jpeg(width_px: int = 16, height_px: int = 16, grey: int = 128) -> bytes:
    """Encode a picture of one grey."""
    buffer = io.BytesIO()
    Image.new("L", (width_px, height_px), grey).save(buffer, "JPEG")
    return buffer.getvalue()


def identity(
    *, camera: str = "cam-1", sequence_number: int = 1, captured_at: datetime = NOON
) -> FrameIdentity:
    return FrameIdentity(camera=camera, sequence_number=sequence_number, captured_at=captured_at)


def frame(**changes: Any) -> Frame:
    """Make a frame; `camera`, `sequence_number` and `captured_at` go into its identity."""
    defaults = {
        "payload": jpeg(),
        "media_type": "image/jpeg",
        "product": "washer",
        "part_serial": "S-0001",
        "lot": "L-7",
        "trigger_id": "T-42",
    }
    return Frame(**defaults | _with_identity(changes))


def source(**changes: Any) -> Source:
    return Source(**{"kind": "simulated", "product": "washer", "seed": 1} | changes)


def camera(**changes: Any) -> Camera:
    defaults = {"name": "cam-1", "line": "line-1", "station": "station-1", "source": source()}
    return Camera(**defaults | changes)


def line(**changes: Any) -> Line:
    return Line(**{"name": "line-1", "product": "washer"} | changes)


def rule(kind: AlertKind = AlertKind.NG, *, name: str | None = None, **settings: Any) -> Rule:
    """Make a rule; `is_enabled` and the settings of its kind may be named."""
    is_enabled = settings.pop("is_enabled", True)
    return rule_of(kind, settings, name=name, is_enabled=is_enabled)


def rules(kind: AlertKind = AlertKind.NG, **settings: Any) -> tuple[Rule, ...]:
    """Make the rules of a line that lists one and leaves the others as they are."""
    return with_defaults(rule(kind, **settings))


def channel(**changes: Any) -> Channel:
    return Channel(**{"name": "log", "kind": "log"} | changes)


def site(**changes: Any) -> Site:
    defaults = {"lines": (line(),), "cameras": (camera(),), "channels": (channel(),)}
    return Site(**defaults | changes)


def scope(**changes: Any) -> Scope:
    return Scope(**{"line": "line-1"} | changes)


def threshold(**changes: Any) -> Threshold:
    defaults = {
        "threshold_id": 1,
        "scope": scope(),
        "version": 1,
        "value": 0.5,
        "set_at": NOON,
        "effective_at": NOON,
        "set_by": "operator",
        "reason": "first threshold of this line",
    }
    return Threshold(**defaults | changes)


def line_reference(**changes: Any) -> LineReference:
    defaults = {
        "line": "line-1",
        "product": "washer",
        "station": "station-1",
        "version": 1,
        "content_hash": "feed" * 16,
        "checkpoint_hash": CHECKPOINT_HASH,
        "images_count": 16,
        "source": ReferenceSource.FOLDER,
        "is_final": True,
        "is_in_force": True,
        "made_at": NOON,
        "made_by": "operator",
        "reason": "first reference",
    }
    return LineReference(**defaults | changes)


def inspection(**changes: Any) -> Inspection:
    """Make an inspection; `camera`, `sequence_number` and `captured_at` go into its identity."""
    defaults = {
        "product": "washer",
        "score": 0.25,
        "verdict": Verdict.OK,
        "threshold": threshold(),
        "checkpoint_hash": CHECKPOINT_HASH,
        "latencies": Latencies(waited_ms=3.0, inference_ms=40.0),
    }
    return Inspection(**defaults | _with_identity(changes))


def anomaly_map(
    *, shape: tuple[int, int, int] = (2, 4, 4), values: Sequence[float] = ()
) -> AnomalyMap:
    """Make a map that holds `values`, or else rises evenly from -1 to 1."""
    grid = np.array(values) if len(values) else np.linspace(-1, 1, int(np.prod(shape)))
    return AnomalyMap(shape=shape, data=grid.astype("<f2").tobytes())


def picture(**changes: Any) -> Picture:
    defaults = {"sha256": "ab" * 32, "media_type": "image/jpeg", "size_bytes": 1234}
    return Picture(**defaults | changes)


def inspected(
    *,
    product: str | None = "washer",
    score: float = 0.25,
    verdict: Verdict = Verdict.OK,
    **changes: Any,
) -> Inspected:
    """Make the row of a frame; `camera`, `sequence_number`, `captured_at` go into its identity."""
    rest = _with_identity(changes)
    who = rest.pop("identity")
    defaults = {
        "frame": frame(identity=who, product=product),
        "inspection": inspection(identity=who, product=product, score=score, verdict=verdict),
        "anomaly_map": anomaly_map(),
    }
    return Inspected(**defaults | rest)


def uninspected(**changes: Any) -> Uninspected:
    """Make a row; `camera`, `sequence_number` and `captured_at` go into its identity."""
    defaults = {"reason": Reason.CORRUPT, "detail": "the bytes are not a picture"}
    return Uninspected(**defaults | _with_identity(changes))


def dropped(**changes: Any) -> Dropped:
    """Make a row; `camera`, `sequence_number` and `captured_at` go into its identity."""
    return Dropped(**{"cause": Cause.DROP_OLDEST} | _with_identity(changes))


def alert(**changes: Any) -> Alert:
    defaults = {
        "alert_id": 1,
        "line": "line-1",
        "rule": "ng",
        "kind": AlertKind.NG,
        "opened_at": NOON,
        "frame_count": 1,
        "opened_count": changes.get("frame_count", 1),
        "last_at": NOON,
        "frame_id": "cam-1/1",
        "summary": "1 NG part on line-1",
    }
    return Alert(**defaults | changes)


def _with_identity(changes: dict[str, Any]) -> dict[str, Any]:
    parts = {key: changes[key] for key in _IDENTITY if key in changes}
    others = {key: value for key, value in changes.items() if key not in _IDENTITY}
    return {"identity": identity(**parts)} | others

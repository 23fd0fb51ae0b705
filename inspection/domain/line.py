"""What stands on the floor and how it is set: line, station, camera, product, threshold."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from inspection.domain.rule import DEFAULT_RULES, Rule, check_names
from inspection.errors import ConfigurationError

#: Names are used in Redis keys, file names and addresses.
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

SourceKind = Literal["folder", "video", "rtsp", "usb", "simulated", "push"]


class OverflowPolicy(StrEnum):
    """What a camera does when its stream is full."""

    #: Wait; the source is read more slowly. For folders and videos.
    BLOCK = "block"
    #: Drop the oldest frame nobody has begun to inspect. For live cameras.
    DROP_OLDEST = "drop_oldest"
    #: Drop the new frame. For live cameras.
    DROP_NEWEST = "drop_newest"


class PicturePolicy(StrEnum):
    """Which frames' pictures a line keeps beside the database."""

    ALL = "all"
    #: Those of NG, pending and uninspected frames, and a sample of the OK ones.
    NG_AND_SAMPLE = "ng_and_sample"
    NONE = "none"


class Encoding(StrEnum):
    """How pixels of a camera are encoded; already encoded bytes pass through untouched."""

    JPEG = "jpeg"
    PNG = "png"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a camera's exposures come from."""

    kind: SourceKind
    #: Folder or video file; absolute.
    path: Path | None = None
    #: Address of an RTSP camera, `rtsp://…`.
    url: str | None = None
    #: Number of a USB camera.
    device: int | None = None
    #: Folder: look into folders below as well.
    is_recursive: bool = False
    #: Folder: go on watching for new files.
    is_watched: bool = False
    #: Folder: regular expression with groups `serial`, `lot`, `trigger` over the relative path.
    name_pattern: str | None = None
    #: Simulated: what is made; a name of `inspection.capture.rendering.PRODUCTS`.
    product: str | None = None
    #: Simulated: everything it renders follows from this number.
    seed: int = 0
    #: Simulated: share of defective parts, 0 to 1.
    defect_rate: float = 0.05
    #: Simulated: this many first parts are good.
    good_parts_count: int = 0
    #: Simulated: width and height of the picture.
    size_px: int = 384


@dataclass(frozen=True, kw_only=True)
class Camera:
    """One device at one station."""

    #: Unique in the installation.
    name: str
    line: str
    station: str
    source: Source
    #: What is on its pictures, when it differs from what the line is making.
    product: str | None = None
    encoding: Encoding = Encoding.JPEG
    #: JPEG quality, 1 to 100.
    quality: int = 95
    #: Exposures a second at most; None for as fast as the source gives them.
    rate_hz: float | None = None
    #: Stop after so many frames and count as drained; None for no end.
    frames: int | None = None
    overflow: OverflowPolicy = OverflowPolicy.BLOCK
    #: Frames its stream holds at most.
    backlog_limit: int = 256

    @property
    def is_live(self) -> bool:
        """Whether an exposure that is not taken now is gone."""
        return self.source.kind in ("rtsp", "usb", "simulated")

    @property
    def is_pushed(self) -> bool:
        """Whether others send its frames to the interface, and nobody captures it."""
        return self.source.kind == "push"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A sequence of equipment making one family of products."""

    name: str
    #: Product being made now; None when nobody said.
    product: str | None = None
    #: When to open alerts, and how these behave.
    rules: tuple[Rule, ...] = DEFAULT_RULES
    pictures: PicturePolicy = PicturePolicy.NG_AND_SAMPLE
    #: Of OK frames, the share whose picture is kept under `ng_and_sample`, 0 to 1.
    sample_rate: float = 0.05
    #: First frames of each product and station that a reference is learnt from; 0: none.
    learn_count: int = 0

    def __post_init__(self) -> None:
        """Refuse rules that cannot be named."""
        for rule in self.rules:
            checked_name(rule.name, thing="rule")
        check_names(self.rules)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a threshold applies: a line, or a product, station or camera of it."""

    line: str
    product: str | None = None
    station: str | None = None
    camera: str | None = None

    @property
    def specificity(self) -> int:
        """Camera 3, station 2, product 1, line 0; the most specific threshold wins."""
        if self.camera is not None:
            return 3
        if self.station is not None:
            return 2
        return 0 if self.product is None else 1

    def covers(self, *, camera: Camera, product: str | None) -> bool:
        """Say whether a frame of `camera` showing `product` falls under this scope."""
        return (
            self.line == camera.line
            and self.product in (None, product)
            and self.station in (None, camera.station)
            and self.camera in (None, camera.name)
        )


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """The limit above which an anomaly score means NG, from one moment on."""

    threshold_id: int
    scope: Scope
    #: Counts up from 1 for each scope.
    version: int
    #: NG if and only if the score is greater; None withdraws the threshold: verdicts are pending.
    value: float | None
    set_at: datetime
    set_by: str
    reason: str
    #: SHA-256 of the checkpoint whose scores it was made from; None: it judges scores of any.
    checkpoint_hash: str | None = None
    #: SHA-256 of the reference of those scores; None: they were made without one.
    reference_hash: str | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it judges only scores of one checkpoint and reference."""
        return self.checkpoint_hash is not None

    def judges(self, *, checkpoint_hash: str, reference_hash: str | None) -> bool:
        """Say whether scores of this checkpoint and reference can be compared with it."""
        made_from = (self.checkpoint_hash, self.reference_hash)
        return not self.is_bound or made_from == (checkpoint_hash, reference_hash)


def threshold_in_force(
    thresholds: list[Threshold],
    *,
    camera: Camera,
    product: str | None,
    checkpoint_hash: str,
    reference_hash: str | None,
) -> Threshold | None:
    """Return the newest threshold of the most specific scope that covers the frame, if any.

    A withdrawn threshold (`value` None), and one that is bound to the scores of another
    checkpoint or reference, hide the less specific ones: the frame is pending.

    Args:
        thresholds: the newest version of every scope.
        camera: what took the frame.
        product: what is on it; None when nobody said.
        checkpoint_hash: of the detector that scored it.
        reference_hash: of the reference it was scored with; None: without one.
    """
    covering = [t for t in thresholds if t.scope.covers(camera=camera, product=product)]
    if not covering:
        return None
    newest = max(covering, key=lambda t: (t.scope.specificity, t.version, t.threshold_id))
    if newest.value is None:
        return None
    is_judge = newest.judges(checkpoint_hash=checkpoint_hash, reference_hash=reference_hash)
    return newest if is_judge else None


def checked_name(name: str, *, thing: str) -> str:
    """Return `name`.

    Raises:
        ConfigurationError: it cannot be used in keys, file names and addresses.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigurationError(
            f"{thing} name {name!r} cannot be used: take 1 to 64 letters, digits, '_', '.' or '-', "
            "beginning with a letter or digit"
        )
    return name

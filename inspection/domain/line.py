"""What stands on the floor and how it is set: line, station, camera, product, threshold."""

import re
from collections.abc import Iterable
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
        """Camera 4, station 2, product 1, added up; the most specific threshold wins.

        Of the scopes that cover a frame no two are equally specific.
        """
        camera, station = self.camera is not None, self.station is not None
        return 4 * camera + 2 * station + (self.product is not None)

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
    #: From this moment of the database's clock on it judges, until a newer version does.
    effective_at: datetime
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
        """Say whether it gives scores of this checkpoint and reference a verdict but pending."""
        made_from = (self.checkpoint_hash, self.reference_hash)
        is_compared = not self.is_bound or made_from == (checkpoint_hash, reference_hash)
        return is_compared and self.value is not None


def deciding_threshold(
    thresholds: Iterable[Threshold], *, camera: Camera, product: str | None
) -> Threshold | None:
    """Return the threshold of the most specific scope that covers a frame, if any.

    It decides even where it gives no verdict: a withdrawn threshold (`value` None), and one that is
    bound to the scores of another checkpoint or reference, hide the less specific ones.

    Args:
        thresholds: of every scope the version in force.
        camera: what took the frame.
        product: what is on it; None when nobody said.
    """
    covering = (t for t in thresholds if t.scope.covers(camera=camera, product=product))
    return max(covering, key=lambda t: t.scope.specificity, default=None)


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

"""The configuration file of `inspection up`: YAML in, a `Site` and first thresholds out.

lines:
  - name: tiles
    product: magnetic tile          # words for the text encoder
    rule: {k: 2, n: 10}             # alert when 2 of the last 10 parts are NG
    pictures: all                   # all | ng_and_sample | none
    threshold: 0.7                  # first threshold; the database wins after that
    stations:
      - name: top
        cameras:
          - name: tiles-top
            folder: {path: pictures/tiles, recursive: true}
channels:
  - {name: hook, kind: webhook, url: "https://example.org/hook", secret: whsec_...}
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Connection

from inspection.domain.alert import Rule
from inspection.domain.line import (
    Camera,
    Encoding,
    Line,
    OverflowPolicy,
    PicturePolicy,
    Scope,
    Source,
)
from inspection.domain.site import Channel, Site
from inspection.errors import ConfigurationError
from inspection.store import lines, thresholds


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Folder(_Block):
    path: Path
    recursive: bool = False
    watch: bool = False
    name_pattern: str | None = None


class _Simulated(_Block):
    product: str
    seed: int = 0
    defect_rate: float = Field(default=0.05, ge=0, le=1)
    good_parts: int = Field(default=0, ge=0)
    size_px: int = Field(default=384, ge=64, le=2048)


class _Camera(_Block):
    name: str
    folder: _Folder | Path | None = None
    video: Path | None = None
    rtsp: str | None = Field(default=None, pattern=r"rtsps?://.+")
    usb: int | None = Field(default=None, ge=0)
    simulated: _Simulated | None = None
    product: str | None = None
    encoding: Encoding = Encoding.JPEG
    quality: int = Field(default=95, ge=1, le=100)
    rate_hz: float | None = Field(default=None, gt=0, le=1000)
    frames: int | None = Field(default=None, ge=1)
    overflow: OverflowPolicy | None = None
    backlog_limit: int = Field(default=256, ge=1, le=100_000)

    @model_validator(mode="after")
    def _has_one_source(self) -> "_Camera":
        sources = (self.folder, self.video, self.rtsp, self.usb, self.simulated)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of folder, video, rtsp, usb, simulated")
        return self

    def source(self, root: Path) -> Source:
        """Return where its exposures come from; relative paths start at `root`."""
        if self.simulated is not None:
            return Source(
                kind="simulated",
                product=self.simulated.product,
                seed=self.simulated.seed,
                defect_rate=self.simulated.defect_rate,
                good_parts_count=self.simulated.good_parts,
                size_px=self.simulated.size_px,
            )
        if self.folder is not None:
            folder = self.folder if isinstance(self.folder, _Folder) else _Folder(path=self.folder)
            return Source(
                kind="folder",
                path=_absolute(root, folder.path),
                is_recursive=folder.recursive,
                is_watched=folder.watch,
                name_pattern=folder.name_pattern,
            )
        if self.video is not None:
            return Source(kind="video", path=_absolute(root, self.video))
        if self.rtsp is not None:
            return Source(kind="rtsp", url=self.rtsp)
        return Source(kind="usb", device=self.usb)


class _Station(_Block):
    name: str
    cameras: list[_Camera] = Field(min_length=1)


class _Rule(_Block):
    k: int = Field(default=1, ge=1)
    n: int = Field(default=1, ge=1)
    group_s: float = Field(default=60, gt=0)


class _Line(_Block):
    name: str
    product: str | None = None
    rule: _Rule = _Rule()
    pictures: PicturePolicy = PicturePolicy.NG_AND_SAMPLE
    sample_rate: float = Field(default=0.05, ge=0, le=1)
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    stations: list[_Station] = Field(min_length=1)


class _Channel(_Block):
    name: str
    kind: Literal["log", "webhook"]
    url: str | None = None
    secret: str | None = None
    lines: list[str] | None = None


class _File(_Block):
    lines: list[_Line] = Field(min_length=1)
    channels: list[_Channel] = Field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SiteFile:
    """What a configuration file says."""

    site: Site
    #: First threshold of each line that names one.
    thresholds: dict[str, float]


def read_site_file(path: Path) -> SiteFile:
    """Read a configuration file.

    Raises:
        ConfigurationError: it cannot be read, or a key is unknown, missing or malformed; the
            message names the key.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path} is not YAML: {reason}") from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_first(error)}") from error
    return _site(file, root=path.absolute().parent)


def create_missing(connection: Connection, site_file: SiteFile, *, at: datetime, by: str) -> None:
    """Create what the file describes and the database does not hold yet."""
    lines.create_missing(connection, site_file.site, at=at, by=by)
    for line, value in site_file.thresholds.items():
        if not thresholds.list_thresholds(connection, line=line):
            thresholds.set_threshold(
                connection,
                Scope(line=line),
                value,
                at=at,
                by=by,
                reason="first threshold, from the configuration file",
            )


def _site(file: _File, *, root: Path) -> SiteFile:
    found, cameras = [], []
    for line in file.lines:
        found.append(
            Line(
                name=line.name,
                product=line.product,
                rule=Rule(k=line.rule.k, n=line.rule.n, group_s=line.rule.group_s),
                pictures=line.pictures,
                sample_rate=line.sample_rate,
            )
        )
        cameras += [
            _camera(camera, line=line.name, station=station.name, root=root)
            for station in line.stations
            for camera in station.cameras
        ]
    channels = [
        Channel(
            name=channel.name,
            kind=channel.kind,
            url=channel.url,
            secret=channel.secret,
            lines=None if channel.lines is None else tuple(channel.lines),
        )
        for channel in file.channels
    ]
    return SiteFile(
        site=Site(lines=tuple(found), cameras=tuple(cameras), channels=tuple(channels)),
        thresholds={x.name: x.threshold for x in file.lines if x.threshold is not None},
    )


def _camera(camera: _Camera, *, line: str, station: str, root: Path) -> Camera:
    source = camera.source(root)
    is_live = source.kind in ("rtsp", "usb", "simulated")
    default = OverflowPolicy.DROP_OLDEST if is_live else OverflowPolicy.BLOCK
    return Camera(
        name=camera.name,
        line=line,
        station=station,
        source=source,
        product=camera.product,
        encoding=camera.encoding,
        quality=camera.quality,
        rate_hz=camera.rate_hz,
        frames=camera.frames,
        overflow=camera.overflow or default,
        backlog_limit=camera.backlog_limit,
    )


def _absolute(root: Path, path: Path) -> Path:
    return (root / path.expanduser()).resolve()


def _first(error: ValidationError) -> str:
    """Say the first complaint as a sentence that names the key."""
    first = error.errors()[0]
    key = ""
    for part in first["loc"]:
        if isinstance(part, int):
            key += f"[{part}]"
        elif not part.startswith(("_", "function-")) and part != "path":
            key += f".{part}" if key else part
    if first["type"] == "extra_forbidden":
        return f"{key} is not a known key; see `inspection up --help`"
    if first["type"] == "missing":
        return f"{key} is missing"
    return f"{key or 'the file'}: {first['msg']} (is {first['input']!r})"

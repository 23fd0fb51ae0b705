"""The configuration file of `inspection up`: YAML in, a `Site`, thresholds and recipes out.

lines:
  - name: tiles
    product: magnetic tile          # words for the text encoder
    rule: {k: 2, n: 10}             # alert when 2 of the last 10 parts are NG
    rules:                          # further rules; a listed kind replaces its default
      - {kind: rate, window_s: 3600, expected_rate: 0.01}
    pictures: all                   # all | ng_and_sample | none
    threshold: 0.7                  # first threshold; the database wins after that
    learn: 64                       # reference from the first 64 frames of a product and station
    recipes:                        # first recipes, likewise; the product of a frame picks one
      - {product: magnetic tile, defects: [with a crack, with a blowhole]}
    stations:
      - name: top
        cameras:
          - name: tiles-top
            folder: {path: pictures/tiles, recursive: true}
          - {name: tiles-gateway, push: {}}     # others send its frames to the interface
channels:
  - {name: hook, kind: webhook, url: "https://example.org/hook", secret: whsec_...}
  - {name: floor, kind: mqtt, host: broker.example.org, events: [opened, resolved]}
shifts:                             # first calendar of the site, likewise
  time_zone: Europe/Berlin
  named:
    - {name: early, begins: "06:00", ends: "14:00", days: [mon-fri]}
    - {name: night, begins: "22:00", ends: "06:00"}
  holidays: [2026-12-25]
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from sqlalchemy import Connection

from inspection.cli import context
from inspection.cli.site_format import CameraBlock, FileBlock, complaint
from inspection.domain.line import Camera, Line, OverflowPolicy, Scope
from inspection.domain.recipe import Recipe
from inspection.domain.shift import ShiftCalendar
from inspection.domain.site import Site
from inspection.errors import ConfigurationError
from inspection.store import lines, recipes, shifts, thresholds
from inspection.store.shifts import CalendarChange


class _Loader(yaml.SafeLoader):
    """Refuses doubled keys: all but the last would vanish without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, count in keys.items():
            if count > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} is there {count} times", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep)


@dataclass(frozen=True, kw_only=True)
class SiteFile:
    """What a configuration file says."""

    site: Site
    #: First threshold of each line that names one.
    thresholds: dict[str, float]
    #: First recipes of each line that names some.
    recipes: dict[str, tuple[Recipe, ...]] = field(default_factory=dict)
    #: First calendar of shifts.
    shifts: ShiftCalendar | None = None


def read_site_file(path: Path) -> SiteFile:
    """Read a configuration file.

    Raises:
        ConfigurationError: it cannot be read, or a key is unknown, missing or malformed; the
            message names the key.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # The last four are PyYAML's on impossible dates, tags that do not fit and endless nesting.
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{path} is not YAML: {reason}") from error
    try:
        file = FileBlock.model_validate(content)
        return _site(file, root=path.absolute().parent)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {complaint(error)}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


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
    known = {(found.line, found.recipe.product) for found in recipes.list_recipes(connection)}
    for line, named in site_file.recipes.items():
        for recipe in named:
            if (line, recipe.product) not in known:
                recipes.set_recipe(
                    connection,
                    line,
                    recipe,
                    at=at,
                    by=by,
                    reason="first recipe, from the configuration file",
                )
    calendar = site_file.shifts
    if calendar is not None and shifts.shift_calendar(connection).version == 0:
        reason = "first calendar, from the configuration file"
        change = CalendarChange(calendar=calendar, at=at, by=by, reason=reason)
        shifts.set_shift_calendar(connection, change)


def _site(file: FileBlock, *, root: Path) -> SiteFile:
    found, cameras = [], []
    for line in file.lines:
        found.append(
            Line(
                name=line.name,
                product=line.product,
                rules=line.all_rules(),
                pictures=line.pictures,
                sample_rate=line.sample_rate,
                learn_count=line.learn,
            )
        )
        cameras += [
            _camera(camera, line=line.name, station=station.name, root=root)
            for station in line.stations
            for camera in station.cameras
        ]
    channels = [channel.channel(root) for channel in file.channels]
    site = Site(lines=tuple(found), cameras=tuple(cameras), channels=tuple(channels))
    _check_use(site)
    return SiteFile(
        site=site,
        thresholds={x.name: x.threshold for x in file.lines if x.threshold is not None},
        recipes={x.name: tuple(r.recipe() for r in x.recipes) for x in file.lines if x.recipes},
        shifts=None if file.shifts is None else file.shifts.calendar(),
    )


def _camera(camera: CameraBlock, *, line: str, station: str, root: Path) -> Camera:
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


def _check_use(site: Site) -> None:
    """Refuse what would fail only when it is used, in another process."""
    from inspection.alerting.channels import opened
    from inspection.alerting.outbound import PUBLIC
    from inspection.capture.source import open_source

    for camera in site.cameras:
        if camera.is_pushed:
            continue
        try:
            open_source(camera, clock=context.clock)
        except ConfigurationError as error:
            raise ConfigurationError(f"camera {camera.name!r}: {error}") from error
    known = [line.name for line in site.lines]
    for channel in site.channels:
        opened(channel, clock=context.clock, outbound=PUBLIC).close()
        for line in channel.lines or ():
            if line not in known:
                raise ConfigurationError(
                    f"channel {channel.name!r} is for line {line!r}, which is not there; "
                    f"there are: {', '.join(known)}"
                )

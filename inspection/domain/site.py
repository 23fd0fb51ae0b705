"""Everything a configuration file can describe: lines, their cameras, and where alerts are sent."""

from collections import Counter
from dataclasses import dataclass

from inspection.domain.channel import Channel
from inspection.domain.line import Camera, Line, checked_name
from inspection.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Site:
    """Lines, cameras and channels as one consistent whole."""

    lines: tuple[Line, ...]
    cameras: tuple[Camera, ...]
    channels: tuple[Channel, ...] = ()

    def __post_init__(self) -> None:
        """Refuse doubled or dangling names."""
        for thing, names in (
            ("line", [line.name for line in self.lines]),
            ("camera", [camera.name for camera in self.cameras]),
            ("channel", [channel.name for channel in self.channels]),
        ):
            for name, count in Counter(names).items():
                checked_name(name, thing=thing)
                if count > 1:
                    raise ConfigurationError(f"{thing} {name!r} is there {count} times; rename one")
        known = {line.name for line in self.lines}
        for camera in self.cameras:
            checked_name(camera.station, thing="station")
            if camera.line not in known:
                raise ConfigurationError(
                    f"camera {camera.name!r} belongs to line {camera.line!r}, which is not there"
                )

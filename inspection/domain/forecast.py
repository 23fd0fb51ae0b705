"""When what is kept will fill its room, from how fast it grows: pure arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Fewer days of history say nothing about the days to come.
HISTORY_DAYS: Final = 1.0


class Outlook(StrEnum):
    """What is going to happen."""

    #: There is too little history to say.
    UNKNOWN = "unknown"
    #: The age limits hold it at a size that there is room for.
    STEADY = "steady"
    #: The room will be full.
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Growth:
    """One kind of what is kept: all of it goes at the same age."""

    held_bytes: float
    #: Bytes that come a day, at the rate of the last days; those that go are not taken off.
    bytes_per_day: float
    #: Days after which they go.
    kept_days: float

    @property
    def steady_bytes(self) -> float:
        """Bytes of it when as many go as come."""
        return self.bytes_per_day * self.kept_days

    @property
    def level_after_days(self) -> float:
        """Days until it has its steady size.

        What is held came at today's rate, so a young installation loses nothing for a while. Where
        more is held than that, the rate has fallen, and the surplus goes evenly.
        """
        if self.held_bytes > self.steady_bytes:
            return self.kept_days
        if not self.bytes_per_day:
            return 0.0
        return self.kept_days - self.held_bytes / self.bytes_per_day

    def bytes_after(self, days: float) -> float:
        """Return how many bytes it will have."""
        level_after_days = self.level_after_days
        if days >= level_after_days:
            return self.steady_bytes
        share = days / level_after_days
        return self.held_bytes + (self.steady_bytes - self.held_bytes) * share


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is going to happen, and when."""

    outlook: Outlook
    #: Days until the room is full; None unless it will be.
    full_in_days: float | None = None
    #: Bytes at which the age limits hold it; None when unknown.
    steady_bytes: float | None = None


def forecast(growths: Sequence[Growth], *, room_bytes: float, history_days: float) -> Forecast:
    """Say when the room will be full, if what came in the last days goes on coming.

    Args:
        growths: what is kept, by kind.
        room_bytes: bytes that all of it together may have.
        history_days: days that the rates were measured over.
    """
    if history_days < HISTORY_DAYS:
        return Forecast(outlook=Outlook.UNKNOWN)
    steady_bytes = sum(growth.steady_bytes for growth in growths)
    days = _full_after_days(growths, room_bytes)
    if days is None:
        return Forecast(outlook=Outlook.STEADY, steady_bytes=steady_bytes)
    return Forecast(outlook=Outlook.FULL, full_in_days=days, steady_bytes=steady_bytes)


def _full_after_days(growths: Sequence[Growth], room_bytes: float) -> float | None:
    # Between two of these moments everything grows and falls at one rate.
    moments = sorted({0.0, *(growth.level_after_days for growth in growths)})
    sizes = [sum(growth.bytes_after(days) for growth in growths) for days in moments]
    if sizes[0] >= room_bytes:
        return 0.0
    for number, size in enumerate(sizes[1:]):
        if size >= room_bytes:
            begin, end, before = moments[number], moments[number + 1], sizes[number]
            return begin + (end - begin) * (room_bytes - before) / (size - before)
    return None

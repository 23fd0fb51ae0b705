"""When the next exposure is due, and how long to wait before trying again."""

import random
from collections.abc import Callable, Iterator
from time import monotonic as system_monotonic

from inspection.capture.exposure import Exposure, Pause
from inspection.domain.health import CaptureState


class Pacer:
    """A schedule of `rate_hz` slots a second.

    Slots stay where they are when an exposure is a little late, so the rate does not drift; after
    a stall of more than one slot the schedule begins anew, so that nothing is made up in a burst.
    """

    def __init__(
        self, rate_hz: float | None, *, monotonic: Callable[[], float] = system_monotonic
    ) -> None:
        self._period_s = 1 / rate_hz if rate_hz else 0.0
        self._monotonic = monotonic
        self._due_at_s: float | None = None

    def delay_s(self) -> float:
        """Return seconds until the next slot; 0 when it is due."""
        if self._due_at_s is None:
            return 0.0
        return max(0.0, self._due_at_s - self._monotonic())

    def take(self) -> None:
        """Use the slot that is due."""
        now_s = self._monotonic()
        if self._due_at_s is None or now_s - self._due_at_s > self._period_s:
            self._due_at_s = now_s
        self._due_at_s += self._period_s


class Backoff:
    """Waits that double from `first_s` to `limit_s`, each shortened at random by up to half.

    The randomness keeps many cameras from knocking at one server at the same moment.
    """

    def __init__(self, *, first_s: float = 0.5, limit_s: float = 30.0) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._wait_s = first_s

    def next_s(self) -> float:
        """Return how long to wait now; twice as long the next time."""
        wait_s = self._wait_s
        self._wait_s = min(self._limit_s, 2 * wait_s)
        return wait_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin again with the shortest wait."""
        self._wait_s = self._first_s


def paced(coming: Iterator[Exposure | Pause], pacer: Pacer) -> Iterator[Exposure | Pause]:
    """Ask `coming` for the next exposure only when its slot is due."""
    while True:
        while (delay_s := pacer.delay_s()) > 0:
            yield Pause(wait_s=delay_s, state=CaptureState.LIVE)
        try:
            given = next(coming)
        except StopIteration:
            return
        if isinstance(given, Exposure):
            pacer.take()
        yield given

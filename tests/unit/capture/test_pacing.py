import itertools
from collections.abc import Iterator

import pytest

from inspection.capture.exposure import Exposure, Pause
from inspection.capture.pacing import Backoff, Pacer, paced
from inspection.domain.health import CaptureState
from tests.factories import NOON, jpeg

READY = Exposure(payload=jpeg(), media_type="image/jpeg", captured_at=NOON)
NOTHING = Pause(wait_s=3, state=CaptureState.LIVE)


class Seconds:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def test_pacer_is_due_at_once_without_a_rate(seconds: Seconds) -> None:
    pacer = Pacer(None, monotonic=seconds)

    pacer.take()

    assert pacer.delay_s() == 0


def test_pacer_waits_for_its_next_slot(seconds: Seconds) -> None:
    pacer = Pacer(4, monotonic=seconds)

    pacer.take()
    seconds.now_s += 0.1

    assert pacer.delay_s() == pytest.approx(0.15)


def test_pacer_does_not_drift_when_exposures_are_a_little_late(seconds: Seconds) -> None:
    pacer = Pacer(4, monotonic=seconds)
    begun_at_s = seconds.now_s

    for _ in range(100):
        pacer.take()
        seconds.now_s += pacer.delay_s() + 0.01

    assert seconds.now_s - begun_at_s == pytest.approx(25 + 0.01)


def test_pacer_makes_nothing_up_after_a_stall(seconds: Seconds) -> None:
    pacer = Pacer(4, monotonic=seconds)
    pacer.take()
    seconds.now_s += 60

    pacer.take()

    assert pacer.delay_s() == pytest.approx(0.25)


def test_paced_source_pauses_until_the_slot_is_due(seconds: Seconds) -> None:
    given = paced(iter([READY, READY]), Pacer(4, monotonic=seconds))

    assert next(given) == READY
    assert next(given) == Pause(wait_s=0.25, state=CaptureState.LIVE)
    seconds.now_s += 0.25
    assert next(given) == READY
    seconds.now_s += 0.25
    assert next(given, None) is None


def test_paced_source_asks_for_an_exposure_only_when_its_slot_is_due(seconds: Seconds) -> None:
    asked_at_s: list[float] = []

    def coming() -> Iterator[Exposure]:
        while True:
            asked_at_s.append(seconds.now_s)
            yield READY

    for given in itertools.islice(paced(coming(), Pacer(10, monotonic=seconds)), 5):
        seconds.now_s += given.wait_s if isinstance(given, Pause) else 0.01

    assert asked_at_s == pytest.approx([100, 100.1, 100.2])


def test_paced_source_uses_no_slot_for_a_pause(seconds: Seconds) -> None:
    given = paced(iter([NOTHING, NOTHING, READY]), Pacer(1, monotonic=seconds))

    assert list(itertools.islice(given, 3)) == [NOTHING, NOTHING, READY]


def test_backoff_doubles_to_its_limit_and_is_never_regular() -> None:
    backoff = Backoff(first_s=1, limit_s=8)

    waits_s = [backoff.next_s() for _ in range(6)]

    for wait_s, most_s in zip(waits_s, [1, 2, 4, 8, 8, 8], strict=True):
        assert most_s / 2 <= wait_s <= most_s
    assert waits_s[-1] != waits_s[-2]


def test_backoff_begins_again_after_a_reset() -> None:
    backoff = Backoff(first_s=1, limit_s=8)
    for _ in range(5):
        backoff.next_s()

    backoff.reset()

    assert backoff.next_s() <= 1

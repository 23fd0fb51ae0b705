"""The worst that a look shows is the state; green comes back only after a run of good looks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.health import (
    GOOD_LOOKS,
    SILENCE_S,
    CameraHealth,
    CameraState,
    CaptureState,
    HealthState,
    Sighting,
    found,
    looked,
    stall_after_s,
)
from inspection.domain.view import View, ViewState
from tests.factories import NOON

moments = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
BLACK = View(state=ViewState.BLACK, detail="its pictures are black")


def before(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


def said(**changes: Any) -> CameraState:
    defaults = {
        "state": CaptureState.LIVE,
        "detail": "",
        "reported_at": NOON,
        "host": "host-1",
        "last_frame_at": before(0.2),
        "quiet_s": 0.2,
        "interval_s": 0.25,
        "view": View(state=ViewState.GOOD),
    }
    return CameraState(**defaults | changes)


def sighting(**changes: Any) -> Sighting:
    defaults = {
        "at": NOON,
        "is_live": True,
        "said": said(),
        "silent_s": 0.5,
        "oldest_at": before(0.3),
        "waiting_count": 1,
    }
    return Sighting(**defaults | changes)


BAD = [
    (sighting(said=None), HealthState.UNKNOWN, "never heard of"),
    (sighting(silent_s=16), HealthState.STALLED, "said nothing for 16 s"),
    (sighting(is_live=False, silent_s=16), HealthState.STALLED, "runs on host-1"),
    (sighting(said=said(state="failed", detail="no such port")), HealthState.STALLED, "no such"),
    (sighting(said=said(quiet_s=10)), HealthState.STALLED, "no picture was taken for 10 s"),
    (
        sighting(said=said(state="reconnecting", detail="camera 7 is gone", quiet_s=11)),
        HealthState.STALLED,
        "camera 7 is gone",
    ),
    (
        sighting(said=said(state="waiting", detail="the stream is full", quiet_s=11)),
        HealthState.LAGGING,
        "the stream is full",
    ),
    (sighting(oldest_at=before(11)), HealthState.LAGGING, "the oldest for 12 s"),
    (sighting(dropped_count=2), HealthState.LAGGING, "2 frames were dropped"),
    (sighting(said=said(state="drained"), oldest_at=before(11)), HealthState.LAGGING, "oldest"),
    (sighting(said=said(view=BLACK)), HealthState.BLIND, "its pictures are black"),
    (sighting(said=said(view=BLACK), silent_s=16), HealthState.STALLED, "said nothing"),
    (sighting(said=said(view=BLACK), oldest_at=before(99)), HealthState.BLIND, "black"),
]

GOOD = [
    (sighting(), HealthState.LIVE),
    (sighting(oldest_at=None), HealthState.LIVE),
    (sighting(dropped_count=1), HealthState.LIVE),
    (sighting(said=said(state="starting", last_frame_at=None, quiet_s=3)), HealthState.LIVE),
    (sighting(said=said(view=View(state=ViewState.LEARNING))), HealthState.LIVE),
    (sighting(said=said(quiet_s=60, interval_s=30)), HealthState.LIVE),
    (sighting(is_live=False, said=said(quiet_s=3600)), HealthState.LIVE),
    (sighting(said=said(state="drained"), silent_s=3600), HealthState.ENDED),
    (sighting(said=said(state="stopped", view=BLACK), silent_s=3600), HealthState.ENDED),
]


@pytest.mark.parametrize(("look", "state", "words"), BAD)
def test_camera_in_trouble_is_called_so(look: Sighting, state: HealthState, words: str) -> None:
    state_found, detail = found(look)

    assert state_found is state
    assert words in detail


@pytest.mark.parametrize(("look", "state"), GOOD)
def test_camera_that_does_its_work_is_left_alone(look: Sighting, state: HealthState) -> None:
    assert found(look)[0] is state


def test_slow_camera_is_given_five_of_its_intervals() -> None:
    assert stall_after_s(None) == 10
    assert stall_after_s(0.2) == 10
    assert stall_after_s(6.0) == 30


def after(*looks: Sighting, known: CameraHealth | None = None) -> list[CameraHealth]:
    """Look again and again, once a second."""
    results = []
    for number, look in enumerate(looks):
        at = look.at + timedelta(seconds=number)
        known = looked(known, replace(look, at=at), camera="cam-1", line="line-1")
        results.append(known)
    return results


def test_new_camera_is_live_at_once() -> None:
    (health,) = after(sighting())

    assert (health.state, health.detail, health.since_at) == (HealthState.LIVE, "", NOON)
    assert (health.waiting_count, health.lag_s) == (1, pytest.approx(0.8))


def test_camera_is_live_again_only_after_a_run_of_good_looks() -> None:
    bad, good = sighting(said=said(view=BLACK)), sighting()

    results = after(bad, good, good, bad, *[good] * GOOD_LOOKS)

    assert [health.state for health in results] == [HealthState.BLIND] * 8 + [HealthState.LIVE]
    assert "well again in 2 of the 5 looks" in results[2].detail
    assert {health.since_at for health in results[:8]} == {NOON}
    assert results[8].since_at == results[8].checked_at


def test_camera_that_ends_after_trouble_has_ended() -> None:
    results = after(sighting(said=said(view=BLACK)), sighting(said=said(state="drained")))

    assert results[-1].state is HealthState.ENDED


def test_camera_keeps_its_last_frame_when_it_says_nothing_of_it() -> None:
    results = after(sighting(), sighting(said=said(last_frame_at=None)), sighting(said=None))

    assert {health.last_frame_at for health in results} == {before(0.2)}


def test_clock_of_another_machine_makes_nothing_look_old() -> None:
    ahead = timedelta(hours=1)
    look = sighting(said=said(reported_at=NOON - ahead), oldest_at=before(0.3) - ahead)

    assert look.lag_s == pytest.approx(0.8)
    assert found(look)[0] is HealthState.LIVE


def test_clock_that_was_set_back_makes_no_negative_age() -> None:
    look = sighting(oldest_at=NOON + timedelta(hours=1))
    (first, second) = after(sighting(), replace(look, at=before(3600)))

    assert look.lag_s == 0
    assert found(look)[0] is HealthState.LIVE
    assert second.since_at <= second.checked_at
    assert first.state is second.state is HealthState.LIVE


@given(
    at=moments,
    oldest_at=st.none() | moments,
    silent_s=st.floats(0, 1e6),
)
def test_lag_is_never_negative(at: datetime, oldest_at: datetime | None, silent_s: float) -> None:
    look = sighting(at=at, oldest_at=oldest_at, silent_s=silent_s)

    assert look.lag_s >= 0
    assert (found(look)[0] is HealthState.STALLED) == (
        silent_s > SILENCE_S or look.quiet_s > stall_after_s(0.25)
    )


@pytest.mark.parametrize("heard", [None, said(), said(view=BLACK)])
def test_camera_that_is_pushed_is_live_however_long_nobody_pushes(
    heard: CameraState | None,
) -> None:
    quiet = sighting(said=heard, is_pushed=True, is_live=False, silent_s=86_400, oldest_at=None)

    assert found(quiet)[0] is HealthState.LIVE


def test_camera_that_is_pushed_lags_when_its_frames_are_not_judged_in_time() -> None:
    late = sighting(is_pushed=True, is_live=False, oldest_at=before(60))

    assert found(late)[0] is HealthState.LAGGING

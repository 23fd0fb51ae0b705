"""Rules replayed over arrays open the alerts that they open frame by frame."""

import itertools
from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.domain.alert import AlertKind
from inspection.domain.replay import NgReplay, RateReplay, replay_of
from inspection.domain.rule import NgCondition, RateCondition
from inspection.store.rule_replays import NG, PENDING, Frames, NgWatch, RateWatch
from tests import factories

SECOND = 1_000_000
OFF_DELAYS_S = (0.5, 3.0, 60.0)

#: Half seconds since the frame before, and what it is.
HISTORIES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), max_size=60)


def slices(history: list[tuple[int, int]], length: int) -> Iterator[Frames]:
    at = list(itertools.accumulate(gap * SECOND // 2 for gap, _ in history))
    for start in range(0, max(1, len(history)), length):
        yield Frames(
            at=np.array(at[start : start + length], np.int64),
            verdict=np.array([verdict for _, verdict in history[start : start + length]], np.int16),
            passed_count=start,
        )


@settings(max_examples=200, deadline=None)
@given(
    HISTORIES,
    st.integers(1, 20),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from((0.0, 2.0)),
    st.sampled_from(OFF_DELAYS_S),
)
def test_rule_about_ng_frames_learns_all_that_matters(
    history: list[tuple[int, int]],
    length: int,
    k: int,
    more: int,
    on_delay_s: float,
    off_delay_s: float,
) -> None:
    condition = NgCondition(k=k, n=k + more)
    rule = factories.rule(
        k=condition.k, n=condition.n, on_delay_s=on_delay_s, off_delay_s=off_delay_s
    )
    replay, expected = NgReplay(rule, condition), NgReplay(rule, condition)

    watch = NgWatch(replay)
    for frames in slices(history, length):
        watch.see(frames)
        rows = zip(frames.at.tolist(), frames.verdict.tolist(), strict=True)
        for place, (at, verdict) in enumerate(rows, frames.passed_count):
            expected.see(at, place, is_ng=verdict == NG)
    for each in (replay, expected):
        each.end(1000 * SECOND)

    assert replay.opened_at == expected.opened_at


@settings(max_examples=200, deadline=None)
@given(
    HISTORIES,
    st.integers(1, 20),
    st.integers(1, 3),
    st.sampled_from((0.0, 2.0)),
    st.sampled_from(OFF_DELAYS_S),
)
def test_rate_is_that_of_the_window_of_every_frame(
    history: list[tuple[int, int]],
    length: int,
    least_count: int,
    on_delay_s: float,
    off_delay_s: float,
) -> None:
    rule = factories.rule(
        AlertKind.RATE,
        expected_rate=0.1,
        window_s=10,
        confidence=0.9,
        least_count=least_count,
        on_delay_s=on_delay_s,
        off_delay_s=off_delay_s,
    )
    replay, expected = replay_of(rule), replay_of(rule)
    assert isinstance(replay, RateReplay)
    assert isinstance(expected, RateReplay)
    assert isinstance(rule.condition, RateCondition)

    watch, seen, held = RateWatch(replay), list[tuple[int, int]](), False
    for frames in slices(history, length):
        watch.see(frames)
        for at, verdict in zip(frames.at.tolist(), frames.verdict.tolist(), strict=True):
            seen.append((at, verdict))
            window = [of for since, of in seen if since > at - 10 * SECOND and of != PENDING]
            holds = rule.condition.holds(ng_count=window.count(NG), judged_count=len(window))
            if holds is not held:
                expected.see(at, holds=holds)
            held = holds
    for each in (replay, expected):
        each.end(1000 * SECOND)

    assert replay.opened_at == expected.opened_at

"""Conditions of rules say the same to a replay as to the alert worker."""

from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.alert import AlertKind
from inspection.domain.replay import needs_all, replay_of
from inspection.domain.rule import NgCondition
from tests import factories

SECOND = 1_000_000


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 6), st.integers(0, 6))
def test_places_of_ng_frames_say_what_the_newest_frames_say(
    frames: list[bool], k: int, more: int
) -> None:
    condition = NgCondition(k=k, n=k + more)

    for newest in range(len(frames)):
        newest_first = frames[newest::-1]
        places = [place for place in range(newest + 1) if frames[place]]
        assert condition.holds_at(places, newest) == condition.holds(newest_first)


@given(
    st.lists(st.tuples(st.integers(1, 90), st.booleans(), st.booleans()), max_size=60),
    st.integers(1, 3),
)
def test_rate_is_looked_at_with_every_frame(
    frames: list[tuple[int, bool, bool]], least_count: int
) -> None:
    rule = factories.rule(
        AlertKind.RATE,
        expected_rate=0.1,
        window_s=60,
        confidence=0.9,
        least_count=least_count,
        off_delay_s=1e9,
    )
    replay = replay_of(rule)
    assert replay is not None
    at, seen, first = 0, [], None
    for gap, is_ng, is_judged in frames:
        at += gap * SECOND // 2
        replay.see(at, len(seen), is_ng=is_ng and is_judged, is_judged=is_judged)
        seen.append((at, is_ng and is_judged, is_judged))
        window = [each for each in seen if each[0] > at - 60 * SECOND and each[2]]
        ng_count = sum(ng for _, ng, _ in window)
        if first is None and rule.condition.holds(ng_count=ng_count, judged_count=len(window)):
            first = at

    assert replay.opened_at == ([] if first is None else [first])


def test_alert_that_waits_is_opened_when_its_condition_has_held_for_long_enough() -> None:
    replay = replay_of(factories.rule(k=2, n=3, on_delay_s=10, off_delay_s=20))
    assert replay is not None

    for second, is_ng in ((0, True), (1, True), (5, False), (12, True), (40, False)):
        replay.see(second * SECOND, second, is_ng=is_ng, is_judged=True)
    replay.end(100 * SECOND)

    assert replay.opened_at == []

    for place, (second, is_ng) in enumerate(((200, True), (201, True), (230, False))):
        replay.see(second * SECOND, 200 + place, is_ng=is_ng, is_judged=True)

    assert replay.opened_at == [211 * SECOND]


def test_rules_that_do_not_follow_from_verdicts_are_not_replayed() -> None:
    others = [factories.rule(AlertKind.CAMERA), factories.rule(is_enabled=False)]

    assert [replay_of(rule) for rule in others] == [None, None]
    assert not needs_all([*others, factories.rule(k=2, n=3)])
    assert needs_all([factories.rule(on_delay_s=1)])

"""Conditions of rules say the same to a replay as to the alert worker."""

from hypothesis import given
from hypothesis import strategies as st

from inspection.domain.alert import AlertKind
from inspection.domain.replay import NgReplay, needs_all, replay_of
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


def test_alert_that_waits_is_opened_when_its_condition_has_held_for_long_enough() -> None:
    replay = replay_of(factories.rule(k=2, n=3, on_delay_s=10, off_delay_s=20))
    assert isinstance(replay, NgReplay)

    for second, is_ng in ((0, True), (1, True), (5, False), (12, True), (40, False)):
        replay.see(second * SECOND, second, is_ng=is_ng)
    replay.end(100 * SECOND)

    assert replay.opened_at == []

    for place, (second, is_ng) in enumerate(((200, True), (201, True), (230, False))):
        replay.see(second * SECOND, 200 + place, is_ng=is_ng)

    assert replay.opened_at == [211 * SECOND]


def test_rules_that_do_not_follow_from_verdicts_are_not_replayed() -> None:
    others = [factories.rule(AlertKind.CAMERA), factories.rule(is_enabled=False)]

    assert [replay_of(rule) for rule in others] == [None, None]
    assert not needs_all([*others, factories.rule()])
    assert needs_all([factories.rule(k=2, n=3)])
    assert needs_all([factories.rule(on_delay_s=1)])

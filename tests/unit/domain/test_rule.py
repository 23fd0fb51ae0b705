"""When a condition holds, and which rules there may be."""

import math
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from inspection.domain.alert import AlertKind
from inspection.domain.rule import (
    DEFAULT_RULES,
    NgCondition,
    RateCondition,
    TrendCondition,
    check_names,
    rule_of,
    with_defaults,
)
from inspection.domain.trend import Trend
from inspection.errors import ConfigurationError
from tests import factories
from tests.factories import NOON


@pytest.mark.parametrize(
    ("k", "n", "newest_first", "holds"),
    [
        (1, 1, [True], True),
        (1, 1, [False, True], False),
        (2, 3, [True, False, True], True),
        (2, 3, [True, False, False, True], False),
        (2, 10, [True], False),
    ],
)
def test_ng_condition_holds_when_k_of_the_newest_n_are_ng(
    k: int, n: int, newest_first: list[bool], holds: bool
) -> None:
    assert NgCondition(k=k, n=n).holds(newest_first) is holds


def test_rate_condition_holds_where_the_exact_probability_says_so() -> None:
    condition = RateCondition(expected_rate=0.1, confidence=0.95, least_count=1)

    for ng_count, judged_count in product(range(20), range(1, 60)):
        if ng_count > judged_count:
            continue
        probability = sum(
            math.comb(judged_count, count) * 0.1**count * 0.9 ** (judged_count - count)
            for count in range(ng_count, judged_count + 1)
        )
        holds = condition.holds(ng_count=ng_count, judged_count=judged_count)
        assert holds is (probability <= 0.05), (ng_count, judged_count)


def test_rate_condition_raises_a_false_alarm_as_rarely_as_it_says() -> None:
    condition = RateCondition(expected_rate=0.02, confidence=0.99, least_count=1)

    for judged_count in (50, 500):
        false_alarm = sum(
            math.comb(judged_count, count) * 0.02**count * 0.98 ** (judged_count - count)
            for count in range(judged_count + 1)
            if condition.holds(ng_count=count, judged_count=judged_count)
        )
        assert 0.001 < false_alarm <= 0.01


def test_rate_condition_does_not_hold_below_the_least_count() -> None:
    condition = RateCondition(expected_rate=1e-6, least_count=3)

    assert not condition.holds(ng_count=2, judged_count=2)
    assert condition.holds(ng_count=3, judged_count=3)


def test_trend_condition_holds_when_chance_does_not_explain_the_rise() -> None:
    condition = TrendCondition(confidence=0.99)

    assert condition.holds(Trend(first=0.1, last=0.2, probability=0.01))
    assert not condition.holds(Trend(first=0.1, last=0.2, probability=0.011))


@pytest.mark.parametrize(
    ("kind", "settings", "complaint"),
    [
        (AlertKind.NG, {"k": 0}, "take 1 <= k <= n"),
        (AlertKind.NG, {"k": 2}, "take 1 <= k <= n"),
        (AlertKind.NG, {"window_s": 5}, "of kind ng has no 'window_s'; it has: k, n, on_delay_s"),
        (AlertKind.NG, {"off_delay_s": 0}, "off_delay_s 0: take more than 0 seconds"),
        (AlertKind.NG, {"off_delay_s": math.nan}, "take more than 0 seconds"),
        (AlertKind.NG, {"on_delay_s": -1}, "take 0 or more seconds"),
        (AlertKind.NG, {"on_delay_s": math.inf}, "take 0 or more seconds"),
        (AlertKind.NG, {"repeat_s": 0}, "repeat_s 0"),
        (AlertKind.NG, {"escalate_after_s": -1}, "escalate_after_s -1"),
        (AlertKind.RATE, {}, "needs 'expected_rate'"),
        (AlertKind.RATE, {"expected_rate": 0}, "take one between 0 and 1"),
        (AlertKind.RATE, {"expected_rate": 0.1, "confidence": 0.5}, "take more than 0.5"),
        (AlertKind.RATE, {"expected_rate": 0.1, "window_s": 0}, "window_s 0"),
        (AlertKind.RATE, {"expected_rate": 0.1, "least_count": 0}, "take 1 or more"),
        (AlertKind.TREND, {"n": 1001}, "a multiple of them"),
        (AlertKind.TREND, {"n": 10, "blocks": 0}, "a multiple of them"),
        (AlertKind.TREND, {"n": 50, "blocks": 5}, "can never show a rise"),
        (AlertKind.BACKLOG, {"limit_s": 0}, "limit_s 0"),
        (AlertKind.DRIFT, {"on_delay_s": 1}, "does not come back by itself"),
    ],
)
def test_rule_that_cannot_work_is_refused(
    kind: AlertKind, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        rule_of(kind, settings)


@pytest.mark.parametrize(
    "rule", [*DEFAULT_RULES, factories.rule(AlertKind.RATE, expected_rate=0.1)]
)
def test_rule_comes_back_from_its_settings(rule: Any) -> None:
    assert rule_of(rule.kind, rule.settings, name=rule.name) == rule


def test_camera_is_given_time_to_recover_before_anybody_is_called() -> None:
    assert rule_of(AlertKind.CAMERA, {}).on_delay_s == 30
    assert rule_of(AlertKind.CAMERA, {"on_delay_s": 5}).on_delay_s == 5


def test_listed_kind_replaces_its_default_and_others_stay() -> None:
    two = (factories.rule(k=2, n=5), factories.rule(name="worse", k=4, n=5))
    rate = factories.rule(AlertKind.RATE, expected_rate=0.1)

    rules = with_defaults(*two, rate)

    assert rules == (*two, *DEFAULT_RULES[1:], rate)


def test_rules_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="rule 'ng' is there 2 times"):
        check_names([factories.rule(), factories.rule(k=2, n=5)])


def test_calm_must_last_as_long_as_the_off_delay() -> None:
    rule = factories.rule(off_delay_s=60)

    assert not rule.is_calm(since=NOON, now=NOON + timedelta(seconds=59.9))
    assert rule.is_calm(since=NOON, now=NOON + timedelta(seconds=60))

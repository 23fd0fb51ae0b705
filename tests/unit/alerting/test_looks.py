"""What follows from a look at a rule."""

from datetime import timedelta
from typing import Any

import pytest

from inspection.alerting.conditions import Look
from inspection.alerting.looks import Plan, planned
from inspection.domain.alert import AlertKind
from inspection.store.openings import Finding
from inspection.store.rules import LineRule
from inspection.store.standings import OpenAlert, Standing
from tests import factories
from tests.factories import NOON

FOUND = Look(found={"cam-1": Finding(subject="cam-1", summary="it holds")})
CLEARED = Look(found={}, cleared=["cam-1"])
UNKNOWN = Look(found={})
HOLDING = OpenAlert(alert_id=7, calm_since_at=None)
CALM = OpenAlert(alert_id=7, calm_since_at=NOON)


def standing(kind: AlertKind = AlertKind.CAMERA, **changes: Any) -> Standing:
    rule = factories.rule(kind, on_delay_s=30)
    line_rule = LineRule(
        rule_id=1,
        line_id=1,
        line="line-1",
        name=rule.name,
        kind=rule.kind,
        is_enabled=True,
        settings=rule.settings,
    )
    return Standing(**{"rule": line_rule, "is_paused": False, "armed": {}, "open": {}} | changes)


def plan(look: Look, *, after_s: float = 0.0, **changes: Any) -> Plan:
    return planned(standing(**changes), look, NOON + timedelta(seconds=after_s))


def test_condition_that_begins_to_hold_is_armed() -> None:
    assert plan(FOUND) == Plan(armed=("cam-1",))


def test_condition_that_has_held_for_the_on_delay_opens_an_alert() -> None:
    armed = {"cam-1": NOON}

    assert not plan(FOUND, armed=armed, after_s=29)
    assert plan(FOUND, armed=armed, after_s=30) == Plan(opened=((FOUND.found["cam-1"], NOON),))


def test_condition_that_is_gone_is_disarmed() -> None:
    assert plan(CLEARED, armed={"cam-1": NOON}) == Plan(disarmed=(("cam-1", NOON),))


def test_paused_line_is_disarmed_and_opens_nothing() -> None:
    armed = {"cam-1": NOON}

    assert plan(FOUND, armed=armed, is_paused=True, after_s=99) == Plan(disarmed=(("cam-1", NOON),))


def test_arming_that_is_left_beside_an_open_alert_is_removed() -> None:
    left = plan(FOUND, armed={"cam-1": NOON}, open={"cam-1": HOLDING}, after_s=99)

    assert left == Plan(disarmed=(("cam-1", NOON),))


@pytest.mark.parametrize(
    ("look", "alert", "expected"),
    [
        (FOUND, HOLDING, Plan()),
        (FOUND, CALM, Plan(held=(7,))),
        (CLEARED, HOLDING, Plan(calmed=(7,))),
        (CLEARED, CALM, Plan()),
        (UNKNOWN, HOLDING, Plan()),
        (UNKNOWN, CALM, Plan(held=(7,))),
    ],
)
def test_open_alert_is_calm_while_its_condition_is_known_to_be_gone(
    look: Look, alert: OpenAlert, expected: Plan
) -> None:
    assert plan(look, open={"cam-1": alert}) == expected


def test_nothing_follows_where_nothing_is_known() -> None:
    assert not plan(UNKNOWN, armed={"cam-1": NOON}, after_s=99)


def test_alert_that_frames_open_is_not_calmed_by_looks() -> None:
    look = Look(found={}, cleared=[""])

    assert not plan(look, kind=AlertKind.NG, open={"": HOLDING})

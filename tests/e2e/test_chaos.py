"""A short storm on either installation; `python -m tests.chaos` is the long one."""

from pathlib import Path

import pytest

from tests.chaos.load import Shape
from tests.chaos.printing import table
from tests.chaos.storm import Plan, Storm

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("servers", "kills"), [("embedded", 7), ("plant", 8)])
def test_nothing_is_lost_or_doubled_whatever_is_killed(
    tmp_path: Path, servers: str, kills: int
) -> None:
    plan = Plan(servers=servers, seed=8, kills=kills, gap_s=2.0, shape=Shape(rate_hz=4.0))

    report = Storm(plan, tmp_path).run()

    assert report.lost == []
    assert report.doubled == []
    assert report.verified["is_balanced"]
    assert report.account["in_flight"] == 0
    assert report.telling.alert_count > 0
    assert report.telling.frames_without_alert == 0
    assert report.untold == 0
    assert report.is_good, table(report)

"""A process that beats and does nothing is not alive."""

from datetime import datetime, timedelta

import pytest

from inspection.domain.heartbeat import Heartbeat, ProcessState
from tests.factories import NOON


def ago(seconds: float) -> datetime:
    return NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("beat_at", "turned_at", "state"),
    [
        (ago(5), ago(6), ProcessState.ALIVE),
        (ago(5), ago(40), ProcessState.ALIVE),
        (ago(5), ago(60), ProcessState.STANDS_STILL),
        (ago(30), ago(31), ProcessState.SILENT),
        (ago(-3600), ago(-3600), ProcessState.ALIVE),
    ],
)
def test_process_is_what_its_heartbeat_shows(
    beat_at: datetime, turned_at: datetime, state: ProcessState
) -> None:
    beat = Heartbeat(
        process="inspector",
        host="host-1",
        slot=0,
        pid=1,
        started_at=ago(999),
        beat_at=beat_at,
        turned_at=turned_at,
        done_count=7,
    )

    assert beat.state(NOON) is state

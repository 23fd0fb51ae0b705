"""Each process has one row, which its successor takes over."""

from dataclasses import replace
from datetime import timedelta

from inspection.domain.heartbeat import Heartbeat
from inspection.store.database import Database
from inspection.store.heartbeats import beat, list_heartbeats, remove_heartbeat
from tests.factories import NOON

BEAT = Heartbeat(
    process="inspector",
    host="host-1",
    slot=0,
    pid=100,
    started_at=NOON,
    beat_at=NOON,
    turned_at=NOON,
    done_count=7,
    detail="",
)


def test_heartbeat_takes_the_place_of_the_last_one_of_the_same_process(database: Database) -> None:
    later = replace(BEAT, beat_at=NOON + timedelta(seconds=5), done_count=9)
    successor = replace(later, pid=101)
    others = [replace(BEAT, slot=1), replace(BEAT, host="host-2"), replace(BEAT, process="capture")]

    with database.write() as connection:
        for one in (BEAT, *others, later, successor):
            beat(connection, one)

    with database.read() as connection:
        assert list_heartbeats(connection) == [others[2], successor, others[0], others[1]]


def test_process_that_ends_leaves_the_row_of_its_successor_alone(database: Database) -> None:
    with database.write() as connection:
        beat(connection, replace(BEAT, pid=101))
        remove_heartbeat(connection, BEAT)
        assert len(list_heartbeats(connection)) == 1

        remove_heartbeat(connection, replace(BEAT, pid=101))
        assert list_heartbeats(connection) == []

"""Health of cameras is written by one of many, and views are accepted by people."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspection.domain.health import CameraHealth, HealthState
from inspection.errors import NotFoundError
from inspection.store.audit import list_changes
from inspection.store.database import Database
from inspection.store.health import list_camera_health, record_camera_health
from inspection.store.views import accept_view, accepted_views
from tests.factories import NOON

LATER = NOON + timedelta(seconds=1)
HEALTH = CameraHealth(
    camera="cam-3",
    line="line-2",
    state=HealthState.BLIND,
    detail="its pictures are black",
    since_at=NOON,
    checked_at=NOON,
    lag_s=1.5,
    waiting_count=3,
    last_frame_at=NOON,
    good_count=2,
)


def test_health_is_read_as_it_was_written(site_database: Database) -> None:
    with site_database.write() as connection:
        assert record_camera_health(connection, HEALTH, before_at=None)
        other = replace(HEALTH, camera="cam-1", line="line-1", last_frame_at=None)
        assert record_camera_health(connection, other, before_at=None)

    with site_database.read() as connection:
        assert list_camera_health(connection) == [other, HEALTH]
        assert list_camera_health(connection, "line-2") == [HEALTH]


def test_second_writer_of_the_same_look_is_told_so(site_database: Database) -> None:
    live = replace(HEALTH, state=HealthState.LIVE, checked_at=LATER)
    with site_database.write() as connection:
        assert record_camera_health(connection, HEALTH, before_at=None)
        assert not record_camera_health(connection, live, before_at=None)

        assert record_camera_health(connection, live, before_at=NOON)
        assert not record_camera_health(connection, HEALTH, before_at=NOON)

    with site_database.read() as connection:
        assert list_camera_health(connection) == [live]


def test_view_is_accepted_again_and_again_and_who_did_it_is_known(site_database: Database) -> None:
    with site_database.write() as connection:
        accept_view(connection, "cam-1", at=NOON, by="anna")
        accept_view(connection, "cam-1", at=LATER, by="bert")

    with site_database.read() as connection:
        assert accepted_views(connection) == {"cam-1": LATER}
        changes = list_changes(connection, thing="camera", name="cam-1", limit=2)
    assert [(change.who, change.after) for change in changes] == [
        ("bert", {"view": "accepted"}),
        ("anna", {"view": "accepted"}),
    ]


def test_view_of_a_camera_that_is_not_there_cannot_be_accepted(site_database: Database) -> None:
    with (
        pytest.raises(NotFoundError, match="there are: cam-1, cam-2, cam-3"),
        site_database.write() as connection,
    ):
        accept_view(connection, "cam-9", at=NOON, by="anna")

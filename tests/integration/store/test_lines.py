"""Lines, cameras and channels: created once, changed on purpose."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from inspection.domain.alert import AlertKind
from inspection.domain.line import Encoding, OverflowPolicy, PicturePolicy, Source
from inspection.errors import ConfigurationError, NotFoundError
from inspection.store import audit, cameras, channels, lines
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

LATER = NOON + timedelta(hours=1)
SECRET = "whsec_hush"  # noqa: S105  (nobody's)


def test_site_comes_back_as_it_was_created(database: Database) -> None:
    line = factories.line(
        rules=(
            *factories.rules(k=2, n=10, off_delay_s=5.5),
            factories.rule(AlertKind.RATE, name="too-many", expected_rate=0.01, is_enabled=False),
        ),
        pictures=PicturePolicy.ALL,
        sample_rate=0.25,
    )
    folder = Source(
        kind="folder",
        path=Path("/pictures/washers"),
        is_recursive=True,
        is_watched=True,
        name_pattern=r"(?P<serial>\d+)\.png",
    )
    camera = factories.camera(
        source=folder,
        product="washer-m12",
        encoding=Encoding.PNG,
        quality=80,
        rate_hz=12.5,
        frames=1000,
        overflow=OverflowPolicy.DROP_OLDEST,
        backlog_limit=16,
    )
    webhook = factories.channel(
        name="hook",
        kind="webhook",
        url="https://example.com/x",
        secret=SECRET,
        lines=("line-1",),
    )
    site = factories.site(lines=(line,), cameras=(camera,), channels=(webhook,))

    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")

    with database.read() as connection:
        assert lines.list_lines(connection) == [line]
        assert cameras.list_cameras(connection) == [camera]
        assert channels.list_channels(connection) == [webhook]


def test_what_the_database_holds_wins_over_the_configuration(database: Database) -> None:
    site = factories.site()
    changed = factories.site(
        lines=(factories.line(product="other"), factories.line(name="line-2")),
        cameras=(factories.camera(quality=1),),
        channels=(factories.channel(lines=("line-1",)),),
    )
    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")

    with database.write() as connection:
        lines.create_missing(connection, changed, at=LATER, by="test")

    with database.read() as connection:
        assert [line.name for line in lines.list_lines(connection)] == ["line-1", "line-2"]
        assert lines.get_line(connection, "line-1") == site.lines[0]
        assert cameras.list_cameras(connection) == list(site.cameras)
        assert channels.list_channels(connection) == list(site.channels)


def test_creating_again_leaves_no_trace_in_the_audit(database: Database) -> None:
    for _ in range(2):
        with database.write() as connection:
            lines.create_missing(connection, factories.site(), at=NOON, by="ann")

    with database.read() as connection:
        changes = audit.list_changes(connection)
    assert {(change.action, change.thing, change.name) for change in changes} == {
        ("created", "line", "line-1"),
        ("created", "product", "washer"),
        ("created", "camera", "cam-1"),
        ("created", "channel", "log"),
    }
    assert len(changes) == 4


def test_audit_holds_no_secrets(database: Database) -> None:
    rtsp = factories.source(kind="rtsp", url="rtsp://viewer:hush@10.0.0.7:554/stream")
    webhook = factories.channel(kind="webhook", url="https://example.com/hush", secret=SECRET)
    site = factories.site(cameras=(factories.camera(source=rtsp),), channels=(webhook,))

    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="ann")

    with database.read() as connection:
        changes = str(audit.list_changes(connection))
    assert "hush" not in changes
    assert "rtsp://viewer:***@10.0.0.7:554/stream" in changes


def test_line_of_a_name_that_is_taken_is_refused(site_database: Database) -> None:
    with (
        pytest.raises(ConfigurationError, match="already"),
        site_database.write() as connection,
    ):
        lines.add_line(connection, factories.line(), at=NOON, by="ann")


def test_line_of_a_name_that_cannot_be_used_is_refused(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used"), database.write() as connection:
        lines.add_line(connection, factories.line(name="a b"), at=NOON, by="ann")


def test_added_line_is_listed_and_audited(database: Database) -> None:
    with database.write() as connection:
        lines.add_line(connection, factories.line(), at=NOON, by="ann")

    with database.read() as connection:
        assert lines.list_lines(connection) == [factories.line()]
        assert audit.list_changes(connection, thing="line", name="line-1")[0].who == "ann"


def test_making_another_product_changes_the_line_and_creates_the_product(
    site_database: Database,
) -> None:
    with site_database.write() as connection:
        changed = lines.make(connection, "line-1", "gasket 40 mm", at=LATER, by="ann")

    with site_database.read() as connection:
        assert lines.get_line(connection, "line-1") == changed
        newest, created = audit.list_changes(connection, limit=2)
    assert changed == replace(factories.line(), product="gasket 40 mm")
    assert newest == audit.Change(
        at=LATER,
        who="ann",
        action="changed",
        thing="line",
        name="line-1",
        before={"product": "washer"},
        after={"product": "gasket 40 mm"},
    )
    assert (created.thing, created.name) == ("product", "gasket 40 mm")


def test_making_the_same_product_is_no_change(site_database: Database) -> None:
    with site_database.write() as connection:
        lines.make(connection, "line-1", "washer", at=LATER, by="ann")

    with site_database.read() as connection:
        assert all(change.who != "ann" for change in audit.list_changes(connection))


def test_unknown_line_is_answered_with_those_there_are(site_database: Database) -> None:
    there_are = "there is no line 'line-9'; there are: line-1, line-2"

    with site_database.write() as connection:
        with pytest.raises(NotFoundError, match=there_are):
            lines.make(connection, "line-9", "washer", at=NOON, by="ann")
        with pytest.raises(NotFoundError, match=there_are):
            lines.get_line(connection, "line-9")
        with pytest.raises(NotFoundError, match=there_are):
            lines.line_id(connection, "line-9")


def test_unknown_camera_is_answered_with_those_there_are(site_database: Database) -> None:
    with site_database.read() as connection:
        with pytest.raises(NotFoundError, match="there are: cam-1, cam-2, cam-3"):
            cameras.get_camera(connection, "cam-9")
        with pytest.raises(NotFoundError, match="there are: cam-1, cam-2, cam-3"):
            cameras.camera_id(connection, "cam-9")


def test_product_without_name_is_refused(site_database: Database) -> None:
    with (
        pytest.raises(ConfigurationError, match="needs a name"),
        site_database.write() as connection,
    ):
        lines.make(connection, "line-1", " ", at=NOON, by="ann")


def test_cameras_of_one_line_are_listed_alone(site_database: Database) -> None:
    with site_database.read() as connection:
        of_line = cameras.list_cameras(connection, line="line-1")
        one = cameras.get_camera(connection, "cam-3")

    assert [camera.name for camera in of_line] == ["cam-1", "cam-2"]
    assert one.line == "line-2"


def test_channels_of_a_line_are_its_own_and_those_of_all_lines(database: Database) -> None:
    both = (factories.line(), factories.line(name="line-2"))
    listening = (
        factories.channel(name="all"),
        factories.channel(name="one", lines=("line-1",)),
        factories.channel(name="two", lines=("line-2",)),
    )
    site = factories.site(lines=both, channels=listening)

    with database.write() as connection:
        lines.create_missing(connection, site, at=NOON, by="test")
        of_line = channels.channels_of(connection, "line-1")

    assert [channel.name for channel in of_line] == ["all", "one"]

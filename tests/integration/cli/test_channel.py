"""`inspection channel`: what was sent, how far it came, trying it, changing it, no secret shown."""

import base64
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from inspection.alerting import worker
from inspection.domain.channel import Broker
from inspection.domain.inspection import Verdict
from inspection.domain.notification import Event
from inspection.store import audit, channels
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.receiver import LOOPBACK, Receiver
from tests.integration.cli.console import Console, together

pytestmark = pytest.mark.timeout(120)

SECRET = "whsec_" + base64.b64encode(b"hush" * 8).decode()
MAIL = "mailto://line:hush@127.0.0.1:9?from=a@b.example&to=c@d.example"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def told(site_console: Console, site_database: Database, receiver: Receiver) -> Console:
    """A console with a webhook, a broker and mail, whose webhook refused one alert for good."""
    broker = Broker(host="127.0.0.1", port=9, username="line")
    sending = (
        factories.channel(name="hook", kind="webhook", url=f"{receiver.url}?hush", secret=SECRET),
        factories.channel(
            name="board",
            kind="mqtt",
            broker=broker,
            secret="hush",  # noqa: S106 - nobody's
            events=(Event.RESOLVED,),
        ),
        factories.channel(name="mail", kind="apprise", url=MAIL, lines=("line-2",)),
    )
    floor = Floor(site_database)
    floor.add(factories.line(name="line-3"), "cam-9", channels=sending)
    floor.see(Verdict.NG, camera="cam-9")
    receiver.answer(410)
    worker.once(site_database, NOON, outbound=LOOPBACK)
    return site_console.having(WEBHOOK_HOSTS="127.0.0.1")


def named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (row,) = [row for row in rows if row["name"] == name]
    return row


def test_channel_list_says_where_each_sends_and_what_it_told_without_secrets(
    told: Console, receiver: Receiver
) -> None:
    rows = told.data("channel", "list")

    assert [row["name"] for row in rows] == ["board", "hook", "log", "mail"]
    hook = named(rows, "hook")
    assert hook["address"] == f"http://127.0.0.1:{receiver.port}"
    assert (hook["waiting"], hook["delivered"], hook["failed"]) == (0, 0, 1)
    assert named(rows, "board")["address"] == "mqtt://127.0.0.1:9/inspection"
    assert named(rows, "board")["events"] == ["resolved"]
    assert named(rows, "mail")["address"] == "mailto://…"
    assert "hush" not in str(rows)


def test_channel_deliveries_shows_what_failed_and_retry_has_it_delivered(
    told: Console, site_database: Database, receiver: Receiver
) -> None:
    (row,) = told.data("channel", "deliveries", "--channel", "hook", "--state", "failed")
    assert (row["failure"], row["attempt_count"]) == ("permanent", 1)
    assert (row["event"], row["line"]) == ("opened", "line-3")
    assert row["error"] == "answered 410: this is why"

    retried = told.run("channel", "retry", row["notification_id"])
    again = told.run("channel", "retry", row["notification_id"])
    worker.once(site_database, datetime.now(UTC), outbound=LOOPBACK)

    assert (retried.code, retried.sentence) == (0, "1 to be tried again")
    assert (again.code, "has not failed but is waiting" in again.sentence) == (2, True)
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids[:2] == [row["notification_id"]] * 2
    rows = told.data("channel", "deliveries", "--channel", "hook")
    assert rows[-1]["state"] == "delivered"
    assert (rows[-1]["failure"], rows[-1]["error"]) == (None, None)


def test_channel_retry_takes_all_that_failed_on_a_channel(told: Console) -> None:
    ended = together(
        [
            (told, ["channel", "retry", "--channel", "hook"]),
            (told, ["channel", "retry"]),
            (told, ["channel", "retry", "--channel", "nobody"]),
            (told, ["channel", "retry", "no-such-id"]),
        ]
    )

    assert [one.code for one in ended] == [0, 2, 1, 1]
    assert ended[0].sentence == "1 to be tried again"
    assert "there are: board, hook, log, mail" in ended[2].sentence
    (row,) = told.data("channel", "deliveries", "--channel", "hook")
    assert row["state"] == "waiting"


def test_channel_test_sends_a_marked_notification_and_says_what_came_back(
    told: Console, receiver: Receiver
) -> None:
    shown = told.data("channel", "test", "hook")

    request = receiver.requests[-1]
    assert Webhook(SECRET).verify(request.body, request.headers) == request.json
    assert request.json["type"] == "inspection.alert.test"
    assert "nothing has happened" in request.json["data"]["summary"]
    assert (shown["channel"], shown["is_taken"]) == ("hook", True)


def test_channel_test_exits_with_1_and_the_reason_when_it_is_refused(
    told: Console, receiver: Receiver
) -> None:
    receiver.answer(401)

    ended = together(
        [
            (told, ["channel", "test", "hook"]),
            (told, ["channel", "test", "board"]),
            (told, ["channel", "test", "mail"]),
            (told.having(WEBHOOK_HOSTS="other.example"), ["channel", "test", "hook"]),
            (told, ["channel", "test", "nobody"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(1, "")] * 5
    assert ended[0].sentence == "answered 401: this is why"
    assert "refused" in ended[1].sentence
    assert "E-Mail did not take it: ConnectionRefusedError" in ended[2].sentence
    assert "put 127.0.0.1 into INSPECTION_WEBHOOK_HOSTS" in ended[3].sentence
    assert not any("hush" in one.err for one in ended)


def test_channel_set_changes_what_is_named_and_the_history_holds_no_secret(
    told: Console, site_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("whsec_" + base64.b64encode(b"hush!" * 6).decode() + "\n")
    (tmp_path / "password").write_text("hush-hush\n")

    ended = [
        told.run("channel", "set", "hook", "--secret-file", tmp_path / "secret"),
        told.run(
            "channel", "set", "hook", "--url", "https://new.example/hush", "--key", "lines=all"
        ),
        told.run("channel", "set", "hook", "--key", "events=opened,escalated"),
        told.run("channel", "set", "board", "--secret-file", tmp_path / "password"),
        told.run("channel", "set", "board", "--key", "port=8883", "--key", "tls=true"),
    ]

    assert [(one.code, one.out) for one in ended] == [(0, "")] * 5
    with site_database.read() as connection:
        hook = channels.get_channel(connection, "hook")
        board = channels.get_channel(connection, "board")
        changes = audit.list_changes(connection, thing="channel")
    assert hook.url == "https://new.example/hush"
    assert hook.secret is not None
    assert hook.secret.endswith(base64.b64encode(b"hush!" * 6).decode())
    assert hook.events == (Event.OPENED, Event.ESCALATED)
    assert board.broker == Broker(host="127.0.0.1", port=8883, username="line", has_tls=True)
    assert board.secret == "hush-hush"  # noqa: S105 - nobody's
    assert board.events == (Event.RESOLVED,)
    assert "hush" not in str(changes)
    assert changes[1].after == {"secret": "changed"}
    assert changes[3].after == {"address": "https://new.example", "url": "changed"}


def test_channel_set_refuses_what_cannot_work_and_changes_nothing(
    told: Console, site_database: Database, tmp_path: Path
) -> None:
    with site_database.read() as connection:
        before = channels.list_channels(connection)
    (tmp_path / "secret").write_text("%hush")

    ended = together(
        [
            (told, ["channel", "set", "hook", "--url", "ftp://hush"]),
            (told, ["channel", "set", "hook", "--secret-file", tmp_path / "secret"]),
            (told, ["channel", "set", "hook", "--secret-file", tmp_path / "absent"]),
            (told, ["channel", "set", "hook", "--key", "port=1"]),
            (told, ["channel", "set", "hook", "--key", "secret=hush"]),
            (told, ["channel", "set", "hook", "--key", "lines=line-9"]),
            (told, ["channel", "set", "hook", "--key", "events=exploded"]),
            (told, ["channel", "set", "board", "--key", "port=high"]),
            (told, ["channel", "set", "mail", "--url", "pigeon://hush"]),
        ]
    )

    assert [(one.code, one.out) for one in ended] == [(2, "")] * len(ended)
    assert not any("hush" in one.err for one in ended)
    assert "port is not a key of kind webhook" in ended[3].sentence
    assert "secrets come from files" in ended[4].sentence
    assert "there is no line 'line-9'" in ended[5].sentence
    with site_database.read() as connection:
        assert channels.list_channels(connection) == before


def test_channel_remove_removes_it_with_what_it_told(
    told: Console, site_database: Database
) -> None:
    assert told.run("channel", "remove", "hook").code == 0

    assert [row["name"] for row in told.data("channel", "list")] == ["board", "log", "mail"]
    assert {row["channel"] for row in told.data("channel", "deliveries")} == {"log"}
    with site_database.read() as connection:
        newest = audit.list_changes(connection, thing="channel", name="hook")[0]
    assert newest.action == "removed"
    assert "hush" not in str(newest)

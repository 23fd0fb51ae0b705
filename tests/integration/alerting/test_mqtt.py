"""MQTT: acknowledged at least once, present or gone, and every line's state for whoever asks."""

import gc
import itertools
import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspection.alerting import worker
from inspection.alerting.channels.mqtt import MqttChannel
from inspection.domain.alert import AlertKind
from inspection.domain.channel import Broker, LineState
from inspection.domain.inspection import Verdict
from inspection.domain.notification import LONGEST_DELAY_S, Delivery, Event, Failure
from inspection.errors import ConfigurationError, DeliveryError
from inspection.store import channels, deliveries
from inspection.store.database import Database
from inspection.store.responses import Response, acknowledge
from tests import factories, servers
from tests.factories import NOON
from tests.integration.alerting.floor import Floor
from tests.integration.alerting.listener import Listener
from tests.integration.alerting.sending import notification
from tests.integration.alerting.workers import running
from tests.servers import Certificate, Mosquitto, wait_until

Channels = Callable[..., MqttChannel]
LONG = timedelta(seconds=2 * LONGEST_DELAY_S)

_prefixes = (f"plant-{number}/inspection" for number in itertools.count(1))


@pytest.fixture
def prefix() -> str:
    return next(_prefixes)


@pytest.fixture
def mqtt(prefix: str) -> Iterator[Channels]:
    """Make channels that are closed at the end."""
    with ExitStack() as stack:

        def make(
            port: int, *, password: str | None = None, deadline_s: float = 5.0, **broker: Any
        ) -> MqttChannel:
            names = {"host": "127.0.0.1", "port": port, "prefix": prefix}
            configuration = factories.channel(
                name="plant", kind="mqtt", broker=Broker(**names | broker), secret=password
            )
            channel = MqttChannel(configuration, deadline_s=deadline_s)
            stack.callback(channel.close)
            return channel

        yield make


@pytest.fixture
def listener(mosquitto: Mosquitto, prefix: str) -> Iterator[Listener]:
    with closing(Listener(mosquitto.port, f"{prefix}/#")) as listener:
        yield listener


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that lets in the user `line` with the password `hush` alone."""
    users = tmp_path_factory.mktemp("mosquitto") / "users"
    lines = ("allow_anonymous false", f"password_file {users}")
    with servers.mosquitto_server(*lines) as broker:
        command = ["mosquitto_passwd", "-b", "-c", users, "line", "hush"]
        subprocess.run(command, check=True, capture_output=True)
        with broker.running():
            yield broker


def line_state(**changes: Any) -> LineState:
    defaults = {
        "line": "line-1",
        "open_count": 2,
        "unacknowledged_count": 1,
        "worst_kind": AlertKind.NG,
        "since_at": NOON,
    }
    return LineState(**defaults | changes)


def test_notification_is_published_for_its_line_at_least_once_and_not_retained(
    mqtt: Channels, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    mqtt(mosquitto.port).send(notification())

    topic = f"{prefix}/lines/line-1/alerts"
    wait_until(lambda: listener.payloads(topic))
    (message,) = [each for each in listener.heard if each.topic == topic]
    assert (message.qos, message.is_retained) == (1, False)
    assert message.json["id"] == "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    assert message.json["type"] == "inspection.alert.opened"
    assert message.json["data"]["frame"]["score"] == 0.83


def test_late_subscriber_finds_who_is_there_and_how_every_line_stands(
    mqtt: Channels, mosquitto: Mosquitto, prefix: str
) -> None:
    channel = mqtt(mosquitto.port)
    calm = {"open_count": 0, "unacknowledged_count": 0, "worst_kind": None, "since_at": None}
    channel.show([line_state(), line_state(line="line-2", **calm)])
    channel.send(notification())

    def late() -> dict[str, str]:
        with closing(Listener(mosquitto.port, f"{prefix}/#")) as listener:
            wait_until(lambda: len(listener.heard) >= 3)
            assert all(each.is_retained for each in listener.heard)
            return {each.topic: each.payload.decode() for each in listener.heard}

    wait_until(lambda: len(late()) == 3)
    found = late()
    assert found[f"{prefix}/state"] == "online"
    assert json.loads(found[f"{prefix}/lines/line-1/state"]) == {
        "line": "line-1",
        "open_count": 2,
        "unacknowledged_count": 1,
        "worst_kind": "ng",
        "since": "2026-03-02T12:00:00.000Z",
    }
    assert json.loads(found[f"{prefix}/lines/line-2/state"])["worst_kind"] is None


def test_state_is_published_again_only_when_it_changes(
    mqtt: Channels, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    channel = mqtt(mosquitto.port)
    for count in (1, 1, 2, 2):
        channel.show([line_state(open_count=count)])
        channel.send(notification())

    topic = f"{prefix}/lines/line-1/state"
    wait_until(lambda: len(listener.payloads(topic)) >= 2)
    channel.send(notification())
    told = [json.loads(payload)["open_count"] for payload in listener.payloads(topic)]
    assert told == [1, 2]


def test_channel_that_is_closed_says_so(
    mqtt: Channels, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    channel = mqtt(mosquitto.port)
    channel.send(notification())
    listener.wait_for(f"{prefix}/state", "online")

    channel.close()

    listener.wait_for(f"{prefix}/state", "offline")


def test_one_that_stays_contradicts_another_that_leaves(
    mqtt: Channels, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    staying, leaving = mqtt(mosquitto.port), mqtt(mosquitto.port)
    for channel in (staying, leaving):
        channel.send(notification())

    leaving.close()

    topic = f"{prefix}/state"
    wait_until(lambda: "offline" in listener.payloads(topic))
    listener.wait_for(topic, "online")


def test_test_is_published_apart_and_says_nothing_of_presence(
    mqtt: Channels, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    mqtt(mosquitto.port).send(notification(event=Event.TEST, alert_id=0, frame=None, frame_id=None))

    wait_until(lambda: listener.heard)
    (message,) = listener.heard
    assert message.topic == f"{prefix}/test"
    assert message.json["type"] == "inspection.alert.test"


def test_sending_passes_when_the_broker_is_away_and_succeeds_when_it_is_back(
    mqtt: Channels, prefix: str
) -> None:
    with servers.mosquitto_server() as broker:
        channel = mqtt(broker.port)
        with broker.running():
            channel.send(notification())
        with pytest.raises(DeliveryError) as caught:
            channel.send(notification())
        assert not caught.value.is_permanent
        with broker.running(), closing(Listener(broker.port, f"{prefix}/#")) as listener:
            channel.show([line_state()])
            wait_until(lambda: sends(channel))
            # The broker has forgotten everything; it is told again.
            listener.wait_for(f"{prefix}/state", "online")
            wait_until(lambda: listener.payloads(f"{prefix}/lines/line-1/state"))
            channel.close()


def sends(channel: MqttChannel) -> bool:
    try:
        channel.send(notification())
    except DeliveryError:
        return False
    return True


def test_refusal_is_passing_when_no_broker_was_ever_there(mqtt: Channels) -> None:
    with pytest.raises(DeliveryError, match="refused") as caught:
        mqtt(servers.free_port()).send(notification())

    assert not caught.value.is_permanent


def test_sending_gives_up_when_the_broker_says_nothing(mqtt: Channels) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        pytest.raises(DeliveryError, match=r"no acknowledgement within 1 s") as caught,
    ):
        mqtt(silent.getsockname()[1], deadline_s=1.0).send(notification())

    assert not caught.value.is_permanent


def test_right_password_is_let_in_and_a_wrong_one_is_permanent(
    mqtt: Channels, guarded: Mosquitto
) -> None:
    mqtt(guarded.port, username="line", password="hush").send(notification())  # noqa: S106

    for event in (Event.OPENED, Event.TEST):
        with pytest.raises(DeliveryError, match="Not authorized") as caught:
            mqtt(guarded.port, username="line", password="wrong").send(  # noqa: S106
                notification(event=event)
            )
        assert caught.value.is_permanent
        assert "wrong" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # paho forgets sockets it cannot encrypt
def test_connection_is_encrypted_and_the_certificate_checked(
    mqtt: Channels, certificate: Certificate
) -> None:
    files = (f"certfile {certificate.certificate}", f"keyfile {certificate.key}")
    with servers.mosquitto_server("allow_anonymous true", *files) as broker, broker.running():
        tls = {"host": "localhost", "has_tls": True}

        mqtt(broker.port, **tls, ca_file=certificate.certificate).send(notification())

        for names in ({"ca_file": None}, {"host": "127.0.0.1"}):
            mistaken = mqtt(broker.port, **{**tls, "ca_file": certificate.certificate, **names})
            with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
                mistaken.send(notification())
            mistaken.close()
            gc.collect()


def test_file_of_authorities_that_is_none_is_refused(mqtt: Channels, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(ConfigurationError, match="`ca_file`"):
            mqtt(8883, has_tls=True, ca_file=tmp_path / name)


@pytest.fixture
def told_floor(empty_floor: Floor, mosquitto: Mosquitto, prefix: str) -> Floor:
    """A floor whose line tells the broker, and has one NG part."""
    return with_broker(empty_floor, mosquitto.port, prefix)


def with_broker(floor: Floor, port: int, prefix: str) -> Floor:
    broker = Broker(host="127.0.0.1", port=port, prefix=prefix)
    channel = factories.channel(name="plant", kind="mqtt", broker=broker)
    floor.add(factories.line(rules=factories.rules(off_delay_s=1e6)), "cam-1", channels=(channel,))
    floor.see(Verdict.NG)
    return floor


def states(floor: Floor) -> list[Any]:
    with floor.database.read() as connection:
        return [row.state for row in deliveries.list_deliveries(connection)]


def test_worker_tells_the_alert_and_keeps_the_state_of_its_line(
    told_floor: Floor, listener: Listener, prefix: str
) -> None:
    topic = f"{prefix}/lines/line-1/state"
    with running(told_floor.database):
        wait_until(lambda: states(told_floor) == [Delivery.DELIVERED])
        wait_until(lambda: open_counts(listener, topic)[-1:] == [(1, 1)])
        (alert,) = told_floor.alerts()
        with told_floor.database.write() as connection:
            acknowledge(connection, alert.alert_id, Response(at=datetime.now(UTC), by="ann"))
        wait_until(lambda: open_counts(listener, topic)[-1:] == [(1, 0)])

    listener.wait_for(f"{prefix}/state", "offline")
    (row,) = told_floor.rows()
    (message,) = [each for each in listener.heard if each.topic.endswith("/alerts")]
    assert message.json["id"] == row.id


def open_counts(listener: Listener, topic: str) -> list[tuple[int, int]]:
    told = [json.loads(payload) for payload in listener.payloads(topic)]
    return [(each["open_count"], each["unacknowledged_count"]) for each in told]


def test_notification_waits_for_a_broker_that_is_away_and_is_told_once_under_its_id(
    empty_floor: Floor, prefix: str
) -> None:
    now = datetime.now(UTC)
    with servers.mosquitto_server() as broker:
        floor = with_broker(empty_floor, broker.port, prefix)
        worker.once(floor.database, now)
        (waiting,) = floor.rows()

        with broker.running(), closing(Listener(broker.port, f"{prefix}/lines/#")) as listener:
            worker.once(floor.database, now + LONG)
            wait_until(lambda: listener.heard)

    assert (waiting.state, waiting.failure) == (Delivery.WAITING, None)
    assert "refused" in waiting.error
    assert [message.json["id"] for message in listener.heard] == [waiting.id]
    assert states(floor) == [Delivery.DELIVERED]


def test_wrong_password_fails_until_it_is_corrected_and_asked_for_again(
    empty_floor: Floor, guarded: Mosquitto, prefix: str
) -> None:
    now = datetime.now(UTC)
    floor = with_broker(empty_floor, guarded.port, prefix)
    worker.once(floor.database, now)
    (failed,) = floor.rows()
    with floor.database.write() as connection:
        channel = channels.get_channel(connection, "plant")
        assert channel.broker is not None
        right = replace(
            channel,
            broker=replace(channel.broker, username="line"),
            secret="hush",  # noqa: S106
        )
        channels.set_channel(connection, right, at=now, by="ann")
        deliveries.retry(connection, failed.id, at=now, by="ann")

    worker.once(floor.database, now)

    assert (failed.state, failed.failure) == (Delivery.FAILED, Failure.PERMANENT)
    assert states(floor) == [Delivery.DELIVERED]


def test_running_worker_follows_a_channel_that_is_changed_and_leaves_one_that_is_removed(
    sqlite_database: Database, mosquitto: Mosquitto, listener: Listener, prefix: str
) -> None:
    floor = with_broker(Floor(sqlite_database), mosquitto.port, prefix)
    with running(floor.database):
        listener.wait_for(f"{prefix}/state", "online")
        with floor.database.write() as connection:
            channel = channels.get_channel(connection, "plant")
            assert channel.broker is not None
            moved = replace(channel, broker=replace(channel.broker, prefix=f"{prefix}/new"))
            channels.set_channel(connection, moved, at=NOON, by="ann")
        listener.wait_for(f"{prefix}/state", "offline")
        listener.wait_for(f"{prefix}/new/state", "online")
        with floor.database.write() as connection:
            channels.remove_channel(connection, "plant", at=NOON, by="ann")
        listener.wait_for(f"{prefix}/new/state", "offline")

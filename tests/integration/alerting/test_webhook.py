"""Webhooks are signed, bounded in time and size, and say whether trying again can help."""

import base64
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from inspection.alerting import channels
from inspection.alerting.channels.webhook import EXCERPT_LIMIT, WebhookChannel
from inspection.domain.alert import AlertKind
from inspection.domain.inspection import Verdict
from inspection.domain.notification import AlertFrame, Event, Notification
from inspection.errors import ConfigurationError, DeliveryError
from tests import factories, servers
from tests.factories import NOON
from tests.integration.alerting.receiver import Receiver, redirect

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def notification(**changes: Any) -> Notification:
    frame = AlertFrame(
        camera="cam-1",
        sequence_number=7,
        captured_at=NOON,
        part_serial="S-Ø1",
        product="washer",
        score=0.83,
        threshold=0.41,
        verdict=Verdict.NG,
    )
    defaults = {
        "notification_id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "event": Event.OPENED,
        "created_at": NOON,
        "attempt_count": 1,
        "alert_id": 3,
        "line": "line-1",
        "kind": AlertKind.NG,
        "summary": "line line-1: a part is NG",
        "opened_at": NOON,
        "resolved_at": None,
        "frame_count": 1,
        "frame_id": "cam-1/7",
        "frame": frame,
    }
    return Notification(**defaults | changes)


def webhook(url: str, *, secret: str | None = SECRET, deadline_s: float = 5.0) -> WebhookChannel:
    return WebhookChannel(
        factories.channel(name="hook", kind="webhook", url=url, secret=secret),
        clock=lambda: datetime.now(UTC),
        deadline_s=deadline_s,
    )


def test_webhook_is_signed_so_that_the_receiver_can_verify_it(receiver: Receiver) -> None:
    webhook(receiver.url).send(notification())

    (request,) = receiver.requests
    verified = Webhook(SECRET).verify(request.body, request.headers)
    assert verified == request.json
    assert request.headers["webhook-id"] == "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    assert request.headers["content-type"] == "application/json"


def test_webhook_says_what_happened_and_shows_the_frame(receiver: Receiver) -> None:
    webhook(receiver.url).send(notification())

    assert receiver.requests[0].json == {
        "type": "alert.opened",
        "timestamp": "2026-03-02T12:00:00.000Z",
        "data": {
            "alert_id": 3,
            "line": "line-1",
            "kind": "ng",
            "summary": "line line-1: a part is NG",
            "opened_at": "2026-03-02T12:00:00.000Z",
            "resolved_at": None,
            "frame_count": 1,
            "frame": {
                "camera": "cam-1",
                "sequence_number": 7,
                "captured_at": "2026-03-02T12:00:00.000Z",
                "part_serial": "S-Ø1",
                "product": "washer",
                "score": 0.83,
                "threshold": 0.41,
                "verdict": "NG",
            },
        },
    }


def test_webhook_of_a_resolved_alert_says_when_and_may_lack_the_frame(receiver: Receiver) -> None:
    webhook(receiver.url).send(
        notification(event=Event.RESOLVED, resolved_at=NOON, frame=None, frame_count=5)
    )

    body = receiver.requests[0].json
    assert body["type"] == "alert.resolved"
    assert body["data"]["resolved_at"] == "2026-03-02T12:00:00.000Z"
    assert body["data"]["frame"] is None


def test_webhook_without_secret_is_unsigned_and_warned_about_once(receiver: Receiver) -> None:
    with capture_logs() as logs:
        channel = webhook(receiver.url, secret=None)
        channel.send(notification())
        channel.send(notification())

    assert "webhook-signature" not in receiver.requests[0].headers
    assert logs == [{"event": "webhook_unsigned", "channel": "hook", "log_level": "warning"}]


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!!", "whsec_abcde", "whsec_müller"])
def test_channel_is_refused_when_its_secret_cannot_sign(secret: str) -> None:
    configuration = factories.channel(
        name="hook", kind="webhook", url="http://127.0.0.1", secret=secret
    )

    with pytest.raises(ConfigurationError, match="channel 'hook': its `secret`") as caught:
        channels.opened(configuration, clock=lambda: NOON)

    assert "müller" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
def test_refusal_is_passing_when_the_receiver_may_recover(receiver: Receiver, status: int) -> None:
    receiver.answer(status)

    with pytest.raises(DeliveryError, match=f"answered {status}: this is why") as caught:
        webhook(receiver.url).send(notification())

    assert not caught.value.is_permanent


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_refusal_is_permanent_when_the_request_is_at_fault(receiver: Receiver, status: int) -> None:
    receiver.answer(status)

    with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
        webhook(receiver.url).send(notification())

    assert caught.value.is_permanent


def test_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answer(redirect)

    with pytest.raises(DeliveryError, match="answered 302"):
        webhook(receiver.url).send(notification())

    assert [request.path for request in receiver.requests] == ["/alerts"]


def test_send_gives_up_when_the_receiver_hangs(receiver: Receiver) -> None:
    receiver.answer(receiver.hang)

    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s") as caught:
        webhook(receiver.url, deadline_s=0.3).send(notification())

    assert not caught.value.is_permanent


def test_send_gives_up_when_the_answer_trickles_for_ever(receiver: Receiver) -> None:
    receiver.answer(receiver.trickle)
    start = time.monotonic()

    with pytest.raises(DeliveryError, match="no answer within"):
        webhook(receiver.url, deadline_s=0.3).send(notification())

    assert time.monotonic() - start < 5


def test_send_reads_only_the_beginning_of_an_endless_refusal(receiver: Receiver) -> None:
    receiver.answer(receiver.flood)

    with pytest.raises(DeliveryError, match="answered 500: because because") as caught:
        webhook(receiver.url).send(notification())

    assert len(str(caught.value)) <= len("answered 500: ") + EXCERPT_LIMIT


def test_refusal_is_passing_when_nobody_listens() -> None:
    url = f"http://127.0.0.1:{servers.free_port()}"

    with pytest.raises(DeliveryError, match="ConnectError") as caught:
        webhook(url).send(notification())

    assert not caught.value.is_permanent
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://host:port"])
def test_refusal_is_permanent_when_the_address_is_none(url: str) -> None:
    with pytest.raises(DeliveryError, match="address is unusable") as caught:
        webhook(url).send(notification())

    assert caught.value.is_permanent

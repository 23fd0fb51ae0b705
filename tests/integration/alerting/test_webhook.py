"""Webhooks are signed, bounded in time and size, and say whether trying again can help."""

import asyncio
import base64
import contextlib
import itertools
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from inspection.alerting import channels
from inspection.alerting.channels.webhook import EXCERPT_LIMIT, WebhookChannel
from inspection.alerting.outbound import (
    PUBLIC,
    GuardedTransport,
    Outbound,
    Resolver,
    looked_up,
)
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError, DeliveryError
from tests import factories, servers
from tests.factories import NOON
from tests.integration.alerting.receiver import LOOPBACK, Receiver, redirect_to, refuse_until
from tests.integration.alerting.sending import notification
from tests.servers import Certificate

Webhooks = Callable[..., WebhookChannel]

IN_A_MINUTE = format_datetime(NOON + timedelta(minutes=1), usegmt=True)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def webhook() -> Iterator[Callable[..., WebhookChannel]]:
    """Make channels that are closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(url: str, *, secret: str | None = SECRET, **changes: Any) -> WebhookChannel:
            configuration = factories.channel(name="hook", kind="webhook", url=url, secret=secret)
            defaults = {"clock": lambda: datetime.now(UTC), "outbound": LOOPBACK, "deadline_s": 5.0}
            channel = WebhookChannel(configuration, **defaults | changes)
            stack.callback(channel.close)
            return channel

        yield make


def knowing(**names: str) -> Resolver:
    """Return a resolver that knows these names, each by its addresses with commas between."""

    async def resolve(host: str) -> list[str]:
        return names[host.partition(".")[0]].split(",")

    return resolve


def test_webhook_is_signed_so_that_the_receiver_can_verify_it(
    webhook: Webhooks, receiver: Receiver
) -> None:
    webhook(receiver.url).send(notification())

    (request,) = receiver.requests
    verified = Webhook(SECRET).verify(request.body, request.headers)
    assert verified == request.json
    assert request.headers["webhook-id"] == "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    assert request.headers["content-type"] == "application/cloudevents+json"


def test_webhook_is_a_cloud_event_that_says_what_happened_and_shows_the_frame(
    webhook: Webhooks, receiver: Receiver
) -> None:
    webhook(receiver.url).send(notification())

    assert receiver.requests[0].json == {
        "specversion": "1.0",
        "id": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
        "source": "/inspection/lines/line-1",
        "type": "inspection.alert.opened",
        "subject": "alerts/3",
        "time": "2026-03-02T12:00:00.000Z",
        "datacontenttype": "application/json",
        "data": {
            "alert_id": 3,
            "line": "line-1",
            "kind": "ng",
            "about": None,
            "summary": "line line-1: a part is NG",
            "number": 0,
            "opened_at": "2026-03-02T12:00:00.000Z",
            "resolved_at": None,
            "frame_count": 1,
            "frame_id": "cam-1/7",
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


def test_webhook_of_a_resolved_alert_says_when_and_may_lack_the_frame(
    webhook: Webhooks, receiver: Receiver
) -> None:
    webhook(receiver.url).send(
        notification(event=Event.RESOLVED, resolved_at=NOON, frame=None, frame_count=5)
    )

    body = receiver.requests[0].json
    assert body["type"] == "inspection.alert.resolved"
    assert body["data"]["resolved_at"] == "2026-03-02T12:00:00.000Z"
    assert body["data"]["frame"] is None


def test_webhook_without_secret_is_unsigned_and_warned_about_once(
    webhook: Webhooks, receiver: Receiver
) -> None:
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
        channels.opened(configuration, clock=lambda: NOON, outbound=PUBLIC)

    assert "müller" not in str(caught.value)


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
def test_refusal_is_passing_when_the_receiver_may_recover(
    webhook: Webhooks, receiver: Receiver, status: int
) -> None:
    receiver.answer(status)

    with pytest.raises(DeliveryError, match=f"answered {status}: this is why") as caught:
        webhook(receiver.url).send(notification())

    assert not caught.value.is_permanent


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
def test_refusal_is_permanent_when_the_request_is_at_fault(
    webhook: Webhooks, receiver: Receiver, status: int
) -> None:
    receiver.answer(status)

    with pytest.raises(DeliveryError, match=f"answered {status}") as caught:
        webhook(receiver.url).send(notification())

    assert caught.value.is_permanent


def test_redirect_is_permanent_and_says_where_to_without_secrets(
    webhook: Webhooks, receiver: Receiver
) -> None:
    receiver.answer(redirect_to("https://user:hush@new.example:8443/hush?hush=1"))

    with pytest.raises(
        DeliveryError, match=r"answered 302, towards https://new\.example:8443;"
    ) as e:
        webhook(receiver.url).send(notification())

    assert e.value.is_permanent
    assert "hush" not in str(e.value)
    assert len(receiver.requests) == 1


def test_redirect_to_the_same_host_names_that_host(webhook: Webhooks, receiver: Receiver) -> None:
    receiver.answer(redirect_to("/elsewhere"))
    here = f"http://plant.example:{receiver.port}"

    with pytest.raises(DeliveryError, match=f"towards {here};"):
        webhook(here, resolve=knowing(plant="127.0.0.1")).send(notification())


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), (IN_A_MINUTE, 60.0), ("soon", None)])
def test_refusal_says_when_the_receiver_wants_the_next_attempt(
    webhook: Webhooks, receiver: Receiver, text: str, seconds: float | None
) -> None:
    receiver.answer(refuse_until(text))

    with pytest.raises(DeliveryError, match="answered 503") as caught:
        webhook(receiver.url, clock=lambda: NOON).send(notification())

    assert caught.value.retry_after_s == seconds


def test_send_gives_up_when_the_receiver_hangs(webhook: Webhooks, receiver: Receiver) -> None:
    receiver.answer(receiver.hang)

    with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s") as caught:
        webhook(receiver.url, deadline_s=0.3).send(notification())

    assert not caught.value.is_permanent


def test_send_gives_up_when_the_answer_trickles_for_ever(
    webhook: Webhooks, receiver: Receiver
) -> None:
    receiver.answer(receiver.trickle)
    start = time.monotonic()

    with pytest.raises(DeliveryError, match="no answer within"):
        webhook(receiver.url, deadline_s=0.3).send(notification())

    assert time.monotonic() - start < 5


def test_send_reads_only_the_beginning_of_an_endless_refusal(
    webhook: Webhooks, receiver: Receiver
) -> None:
    receiver.answer(receiver.flood)

    with pytest.raises(DeliveryError, match="answered 500: because because") as caught:
        webhook(receiver.url).send(notification())

    assert len(str(caught.value)) <= len("answered 500: ") + EXCERPT_LIMIT


def test_refusal_is_passing_when_nobody_listens(webhook: Webhooks) -> None:
    url = f"http://127.0.0.1:{servers.free_port()}"

    with pytest.raises(DeliveryError, match="ConnectError") as caught:
        webhook(url).send(notification())

    assert not caught.value.is_permanent
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://host:port"])
def test_refusal_is_permanent_when_the_address_is_none(webhook: Webhooks, url: str) -> None:
    with pytest.raises(DeliveryError, match="address is unusable") as caught:
        webhook(url).send(notification())

    assert caught.value.is_permanent


def test_answer_that_takes_it_is_not_read_for_ever(webhook: Webhooks, receiver: Receiver) -> None:
    receiver.answer(receiver.take_and_flood, receiver.take_and_hang)
    channel = webhook(receiver.url)

    channel.send(notification())
    channel.send(notification())

    assert len(receiver.requests) == 2


def test_connection_is_kept_from_one_sending_to_the_next(
    webhook: Webhooks, receiver: Receiver
) -> None:
    channel = webhook(receiver.url)

    for _ in range(10):
        channel.send(notification())

    assert (len(receiver.requests), len(receiver.connections)) == (10, 1)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # the metadata of a cloud
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - nobody listens
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:a01:203",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_address_outside_the_public_internet_is_refused_and_the_setting_named(
    webhook: Webhooks, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address

    for url, resolve in (
        (f"http://{host}/x", looked_up),
        ("https://plant.example/x", knowing(plant=address)),
    ):
        with pytest.raises(DeliveryError, match="INSPECTION_WEBHOOK_HOSTS") as caught:
            webhook(url, outbound=PUBLIC, resolve=resolve).send(notification())
        assert caught.value.is_permanent


@pytest.mark.parametrize("url", ["http://2130706433", "http://0x7f.1", "http://localhost"])
def test_loopback_by_another_name_is_refused(webhook: Webhooks, url: str) -> None:
    with pytest.raises(DeliveryError, match=r"is not on the public internet"):
        webhook(url, outbound=PUBLIC).send(notification())


def test_name_with_one_private_address_among_public_ones_is_refused(webhook: Webhooks) -> None:
    names = knowing(plant="93.184.215.14,10.0.0.7")

    with pytest.raises(DeliveryError, match=r"plant\.example, that is 10\.0\.0\.7, is not"):
        webhook("http://plant.example", outbound=PUBLIC, resolve=names).send(notification())


@pytest.mark.parametrize("allowed", ["plant.example", "PLANT.example", "127.0.0.1", "127.0.0.0/8"])
def test_private_host_is_posted_to_when_it_is_allowed(
    webhook: Webhooks, receiver: Receiver, allowed: str
) -> None:
    url = f"http://plant.example:{receiver.port}/x"
    outbound = Outbound(webhook_hosts=("other.example", allowed))

    webhook(url, outbound=outbound, resolve=knowing(plant="127.0.0.1")).send(notification())

    (request,) = receiver.requests
    assert (request.path, request.headers["host"]) == ("/x", f"plant.example:{receiver.port}")


def test_allowing_one_host_allows_no_other(webhook: Webhooks) -> None:
    outbound = Outbound(webhook_hosts=("plant.example", "10.0.0.0/8"))
    names = knowing(other="127.0.0.1")

    with pytest.raises(DeliveryError, match=r"put other\.example into"):
        webhook("http://other.example", outbound=outbound, resolve=names).send(notification())


def test_name_that_changes_its_address_after_the_check_gains_nothing(
    webhook: Webhooks, receiver: Receiver
) -> None:
    # The first answer may be reached, but nobody listens there; every later one is the receiver.
    answers = itertools.chain(["127.0.0.2"], itertools.repeat("127.0.0.1"))

    async def resolve(_host: str) -> list[str]:
        return [next(answers)]

    outbound = Outbound(webhook_hosts=("127.0.0.2",))
    channel = webhook(f"http://plant.example:{receiver.port}", outbound=outbound, resolve=resolve)

    with pytest.raises(DeliveryError, match="ConnectError"):
        channel.send(notification())
    with pytest.raises(DeliveryError, match="INSPECTION_WEBHOOK_HOSTS"):
        channel.send(notification())
    assert receiver.requests == []


def test_next_address_is_tried_when_nobody_answers_at_the_first(
    webhook: Webhooks, receiver: Receiver
) -> None:
    names = knowing(plant="127.0.0.2,127.0.0.1")
    outbound = Outbound(webhook_hosts=("plant.example",))

    webhook(f"http://plant.example:{receiver.port}", outbound=outbound, resolve=names).send(
        notification()
    )

    assert len(receiver.requests) == 1


def test_unknown_name_passes(webhook: Webhooks) -> None:
    async def resolve(host: str) -> list[str]:
        raise socket.gaierror(f"{host} is not known")

    with pytest.raises(DeliveryError, match=r"the name plant\.example is not known") as caught:
        webhook("http://plant.example", resolve=resolve).send(notification())

    assert not caught.value.is_permanent


def test_certificate_is_checked_for_the_name_though_the_connection_is_to_an_address(
    receiver: Receiver, certificate: Certificate
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    receiver.encrypt(context)
    trusted = ssl.create_default_context(cafile=certificate.certificate)
    names = knowing(localhost="127.0.0.1", other="127.0.0.1")

    async def post(host: str) -> int:
        transport = GuardedTransport(LOOPBACK, names, trusted)
        async with httpx.AsyncClient(transport=transport) as client:
            url = f"https://{host}:{receiver.port}/x"
            return (await client.post(url, content=b"{}")).status_code

    assert asyncio.run(post("localhost")) == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(post("other.example"))
    assert receiver.requests[0].headers["host"] == f"localhost:{receiver.port}"

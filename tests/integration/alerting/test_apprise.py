"""Mail through apprise arrives; what is refused for good is told apart, and no secret is shown."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from structlog.testing import capture_logs

from inspection.alerting.channels.apprise import AppriseChannel
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError, DeliveryError
from tests import factories, servers
from tests.integration.alerting.receiver import Receiver
from tests.integration.alerting.sending import notification


class MailServer:
    """Takes mail on a loopback port, except for those it does not want."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.refusals = {
            "nobody@plant.example": "550 5.1.1 no such user",
            "later@plant.example": "451 4.7.1 come back later",
        }
        self._controller = Controller(self, hostname="127.0.0.1", port=servers.free_port())
        self._controller.start()

    def url(self, *recipients: str) -> str:
        to = ",".join(recipients)
        return f"mailto://127.0.0.1:{self._controller.port}?from=line@plant.example&to={to}"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def close(self) -> None:
        self._controller.stop()


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with closing(MailServer()) as server:
        yield server


def apprise(url: str, **changes: Any) -> AppriseChannel:
    return AppriseChannel(factories.channel(name="mail", kind="apprise", url=url), **changes)


def refusal(url: str, **changes: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        apprise(url, **changes).send(notification())
    return caught.value


def test_mail_arrives_with_the_sentence_and_what_happened(mail_server: MailServer) -> None:
    apprise(mail_server.url("shift@plant.example")).send(notification(event=Event.ESCALATED))

    ((recipients, content),) = mail_server.mails
    assert recipients == ["shift@plant.example"]
    assert "Subject: line-1: alert escalated" in content
    assert "line line-1: a part is NG" in content


def test_recipient_who_is_refused_for_good_is_told_from_one_who_is_not(
    mail_server: MailServer,
) -> None:
    never = refusal(mail_server.url("nobody@plant.example"))
    later = refusal(mail_server.url("later@plant.example"))

    assert (never.is_permanent, later.is_permanent) == (True, False)
    assert str(never) == "E-Mail did not take it: nobody@plant.example 550 5.1.1 no such user"
    assert "451 4.7.1 come back later" in str(later)


def test_others_get_it_once_when_one_of_several_is_refused_for_good(
    mail_server: MailServer,
) -> None:
    error = refusal(mail_server.url("shift@plant.example", "nobody@plant.example"))

    assert error.is_permanent
    assert [recipients for recipients, _ in mail_server.mails] == [["shift@plant.example"]]


def test_mail_server_that_is_away_passes() -> None:
    error = refusal(f"mailto://127.0.0.1:{servers.free_port()}?from=a@b.example&to=c@d.example")

    assert not error.is_permanent
    assert "Connection refused" in str(error)


def test_sending_gives_up_on_a_service_that_hangs_and_does_not_pile_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"mailto://127.0.0.1:{silent.getsockname()[1]}?from=a@b.example&to=c@d.example"
        channel = apprise(url, deadline_s=0.3)

        with pytest.raises(DeliveryError, match=r"no answer within 0\.3 s"):
            channel.send(notification())
        with pytest.raises(DeliveryError, match="has not come back yet"):
            channel.send(notification())
    (left,) = [each for each in threading.enumerate() if each.name == "apprise"]
    left.join(20)


@pytest.mark.parametrize(("status", "is_permanent"), [(403, True), (429, False), (500, False)])
def test_answer_of_a_chat_is_judged_by_its_status(
    receiver: Receiver, status: int, *, is_permanent: bool
) -> None:
    receiver.answer(status)

    error = refusal(f"ntfy://127.0.0.1:{receiver.port}/line-1")

    assert error.is_permanent == is_permanent


def test_no_token_is_shown_by_what_is_refused_or_logged(
    receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    token = "AbcdefghijklmnO"  # noqa: S105 - of nobody
    receiver.answer(500)
    with capture_logs() as logs:
        errors = [
            refusal(f"gotify://127.0.0.1:{port}/{token}")
            for port in (receiver.port, servers.free_port())
        ]

    shown = f"{errors} {logs} {capfd.readouterr()}"
    assert token not in shown
    assert all(str(error).startswith("Gotify did not take it: ") for error in errors)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("pigeon://hush", "apprise cannot use its `url`, which begins with pigeon://"),
        ("mailto://hush", "apprise cannot use its `url`"),
        ("json://hush/x", "take kind webhook"),
        ("hush", "apprise needs `url`"),
    ],
)
def test_address_that_apprise_cannot_use_is_refused_without_being_repeated(
    url: str, words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        apprise(url)

    assert "hush" not in str(caught.value)

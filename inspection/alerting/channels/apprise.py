"""Notifications for people, by chat, mail or text message, through the services apprise knows.

The channel's `url` is that of one service, as https://github.com/caronc/apprise/wiki lists them:

    mailtos://user:password@example.org?to=shift@example.org    mail
    slack://token/token/token/#line-3                           chat
    sns://key/secret/region/+4915112345678                      text message

It holds tokens, so it is never shown; nor is what apprise writes of its own accord. What is sent
is the alert's sentence, titled with its line and what happened. Apprise says no more than whether a
service took it; why not is gathered from what it writes meanwhile and the failure it writes of.
"""

import functools
import logging
import re
import smtplib
import sys
import threading
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import apprise
from apprise import NotifyBase, NotifyFormat, NotifyType

from inspection.domain.channel import Channel
from inspection.domain.notification import Event, Notification
from inspection.errors import ConfigurationError, DeliveryError

#: Longest time for one sending, in seconds.
DEADLINE_S: Final = 20.0
#: So much is kept of why a service did not take it.
REASON_LIMIT: Final = 300
#: Services that post to any address there is, which a webhook does only where it may.
_WEBHOOKS: Final = frozenset({"json", "jsons", "xml", "xmls", "form", "forms"})
#: Answers of the 4xx class of HTTP after which trying again can help.
_PASSING: Final = frozenset({408, 425, 429})
#: How apprise writes of an answer of that class.
_ANSWER: Final = re.compile(r"\berror=(4\d\d)\b")
#: Answers of a mail server that mean never; those below mean later.
_NEVER: Final = range(500, 600)
#: Libraries whose sentences hold no address with its tokens.
_DISCREET: Final = frozenset({"builtins", "socket", "ssl"})

_TYPES: Final = {
    Event.OPENED: NotifyType.WARNING,
    Event.UPDATED: NotifyType.WARNING,
    Event.ESCALATED: NotifyType.FAILURE,
    Event.RESOLVED: NotifyType.SUCCESS,
    Event.TEST: NotifyType.INFO,
}


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """Why a service did not take something, as far as apprise let it be known."""

    reason: str
    is_permanent: bool


#: Collects what is written during the sending of this context.
_heard: ContextVar[dict[object, _Refusal] | None] = ContextVar("heard", default=None)


class AppriseChannel:
    """Sends notifications to one service."""

    def __init__(self, configuration: Channel, *, deadline_s: float = DEADLINE_S) -> None:
        _listen()
        self._service = _service(configuration)
        self._secrets = _secrets(self._service)
        self._deadline_s = deadline_s
        self._sending: threading.Thread | None = None
        asset = apprise.AppriseAsset(async_mode=False, service_timeout=0)
        self._apprise = apprise.Apprise(asset=asset)
        self._apprise.add(self._service)

    def send(self, notification: Notification) -> None:
        """Send it once.

        Raises:
            DeliveryError: the service did not take it, or not in time.
        """
        if self._sending is not None and self._sending.is_alive():
            raise DeliveryError(
                "the sending before this one has not come back yet", is_permanent=False
            )
        heard: dict[object, _Refusal] = {}
        outcome: list[bool] = []

        def work() -> None:
            _heard.set(heard)
            outcome.append(self._notify(notification))

        # A thread of its own, which nothing waits for at the end of the process: libraries below
        # bound every step, but not the whole.
        self._sending = threading.Thread(
            target=copy_context().run, args=(work,), name="apprise", daemon=True
        )
        self._sending.start()
        self._sending.join(self._deadline_s)
        if self._sending.is_alive():
            raise DeliveryError(f"no answer within {self._deadline_s:g} s", is_permanent=False)
        if outcome != [True]:
            raise self._refused(list(heard.values()))

    def close(self) -> None:
        """Do nothing: connections last for one sending."""

    def _notify(self, notification: Notification) -> bool:
        return bool(
            self._apprise.notify(
                body=notification.summary,
                title=f"{notification.line}: alert {notification.event}",
                notify_type=_TYPES[notification.event],
                body_format=NotifyFormat.TEXT,
            )
        )

    def _refused(self, refusals: list[_Refusal]) -> DeliveryError:
        # What is known for certain says more than the sentences around it.
        certain = [each for each in refusals if each.is_permanent] or refusals
        reason = "; ".join(dict.fromkeys(each.reason for each in certain)) or "it did not say why"
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        printable = "".join(sign if sign.isprintable() else " " for sign in reason)
        return DeliveryError(
            f"{self._service.service_name} did not take it: {printable}"[:REASON_LIMIT],
            is_permanent=any(each.is_permanent for each in refusals),
        )


class _Ear(logging.Handler):
    """Hears what apprise writes, and what it is handling while it does."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _heard.get()
        if heard is None:
            return
        error = sys.exc_info()[1]
        if error is not None:
            heard.setdefault(id(error), _failure(error))
        elif record.levelno >= logging.WARNING:
            heard.setdefault(record.getMessage(), _complaint(record))


def _failure(error: BaseException) -> _Refusal:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _of_mail([(who, *answer) for who, answer in error.recipients.items()])
    if isinstance(error, smtplib.SMTPResponseException):
        return _of_mail([("", error.smtp_code, error.smtp_error)])
    name = type(error).__name__
    is_discreet = type(error).__module__ in _DISCREET
    return _Refusal(reason=f"{name}: {error}" if is_discreet else name, is_permanent=False)


def _complaint(record: logging.LogRecord) -> _Refusal:
    match record.args:
        case (str(who), int(code), bytes(words)):
            return _of_mail([(who, code, words)])
    sentence = record.getMessage()
    answer = _ANSWER.search(sentence)
    is_permanent = answer is not None and int(answer[1]) not in _PASSING
    return _Refusal(reason=sentence, is_permanent=is_permanent)


def _of_mail(answers: list[tuple[str, int, bytes | str]]) -> _Refusal:
    """Say what a mail server answered: 5xx is its word for never, 4xx for later."""
    sentences = []
    for who, code, words in answers:
        text = words.decode(errors="replace") if isinstance(words, bytes) else words
        sentences.append(f"{who} {code} {' '.join(text.split())}".strip())
    return _Refusal(
        reason=", ".join(sentences), is_permanent=all(code in _NEVER for _, code, _ in answers)
    )


def _service(configuration: Channel) -> NotifyBase:
    url = configuration.url or ""
    scheme = url.partition("://")[0].lower()
    if scheme in _WEBHOOKS:
        raise ConfigurationError(
            f"channel {configuration.name!r}: {scheme}:// posts to any address; take kind webhook"
        )
    service = apprise.Apprise.instantiate(url)
    if service is None:
        raise ConfigurationError(
            f"channel {configuration.name!r}: apprise cannot use its `url`, which begins with "
            f"{scheme}://; see its list of services for how to write it"
        )
    return service


def _secrets(service: NotifyBase) -> list[str]:
    """Return what apprise itself hides of an address, the longest first."""
    shown, hidden = (
        {unquote(part) for part in re.split(r"[/?&=:@,]+", url)}
        for url in (_address(service, is_private=True), _address(service, is_private=False))
    )
    return sorted((part for part in hidden - shown if part), key=len, reverse=True)


def _address(service: NotifyBase, *, is_private: bool) -> str:
    address: str = service.url(privacy=is_private)  # type: ignore[no-untyped-call]
    return address


@functools.cache
def _listen() -> None:
    """Let nothing that apprise writes be seen: part of it holds addresses with their tokens."""
    logger = logging.getLogger("apprise")
    logger.addHandler(_Ear())
    logger.setLevel(logging.DEBUG)
    logger.propagate = False

"""Notifications as signed HTTP requests, after Standard Webhooks.

POST with a JSON body; every attempt of one notification sends the same body and `webhook-id`:

    webhook-id          UUID of the notification
    webhook-timestamp   seconds since 1970 of this attempt
    webhook-signature   v1,<base64 of HMAC-SHA256 over "id.timestamp.body">; absent without a secret

    {"type": "alert.opened" | "alert.resolved",
     "timestamp": RFC 3339,
     "data": {"alert_id", "line", "kind", "summary", "opened_at", "resolved_at", "frame_count",
              "frame": {"camera", "sequence_number", "captured_at", "part_serial", "product",
                        "score", "threshold", "verdict"} | null}}

Any 2xx answer takes the notification.
"""

import asyncio
import base64
import functools
import json
import ssl
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks import Webhook

import inspection
from inspection import telemetry
from inspection.domain.notification import Notification
from inspection.domain.site import Channel
from inspection.errors import ConfigurationError, DeliveryError

#: Longest time for a connection to be made, in seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: Longest time for everything, from the name's look-up to the answer, in seconds.
DEADLINE_S: Final = 10.0
#: Of an answer that refuses, so much is read, to say why.
ANSWER_LIMIT_BYTES: Final = 2048
#: … and so much of it is kept.
EXCERPT_LIMIT: Final = 200
#: Answers of the 4xx class after which trying again can help.
_PASSING: Final = frozenset({408, 425, 429})


class WebhookChannel:
    """Sends notifications to one address."""

    def __init__(
        self,
        configuration: Channel,
        *,
        clock: Callable[[], datetime],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._url = configuration.url or ""
        self._signer = _signer(configuration)
        self._clock = clock
        self._deadline_s = deadline_s
        self._trusted = _trusted()
        if self._signer is None:
            telemetry.logger().warning("webhook_unsigned", channel=configuration.name)

    def send(self, notification: Notification) -> None:
        """Send it once; must not be called from inside a running event loop.

        Raises:
            DeliveryError: no answer within the deadline, or an answer that does not take it.
        """
        body = json.dumps(_body(notification), separators=(",", ":"), ensure_ascii=False)
        headers = self._headers(notification.notification_id, body)
        try:
            # Only asyncio can bound the whole exchange: a receiver that sends a byte now and then
            # stays within every time-out of its parts.
            asyncio.run(self._post(body.encode(), headers))
        except TimeoutError as error:
            raise DeliveryError(
                f"no answer within {self._deadline_s:g} s", is_permanent=False
            ) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
            raise DeliveryError(f"the address is unusable: {error}", is_permanent=True) from error
        except httpx.HTTPError as error:
            raise DeliveryError(
                f"{type(error).__name__}: {error}".rstrip(": "), is_permanent=False
            ) from error

    def _headers(self, notification_id: str, body: str) -> dict[str, str]:
        now = self._clock()
        headers = {
            "content-type": "application/json",
            # What is read of an answer is read as it comes, without unpacking.
            "accept-encoding": "identity",
            "user-agent": f"inspection/{inspection.__version__}",
            "webhook-id": notification_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(notification_id, now, body)
        return headers

    async def _post(self, body: bytes, headers: dict[str, str]) -> None:
        async with (
            asyncio.timeout(self._deadline_s),
            httpx.AsyncClient(
                verify=self._trusted,
                timeout=httpx.Timeout(self._deadline_s, connect=CONNECT_TIMEOUT_S),
                follow_redirects=False,
                trust_env=False,
            ) as client,
            client.stream("POST", self._url, content=body, headers=headers) as response,
        ):
            if response.is_success:
                return
            status = response.status_code
            raise DeliveryError(
                f"answered {status}: {await _excerpt(response)}".rstrip(": "),
                is_permanent=response.is_client_error and status not in _PASSING,
            )


def _signer(configuration: Channel) -> Webhook | None:
    if configuration.secret is None:
        return None
    text = configuration.secret.removeprefix("whsec_")
    try:
        # The library would pass over signs that are not base64 and sign with what remains.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ConfigurationError(
            f"channel {configuration.name!r}: its `secret` cannot sign; take `whsec_` followed by "
            "24 to 64 random bytes in base64"
        )
    return Webhook(key)


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Trust the public authorities and those of this machine: plants have their own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


async def _excerpt(response: httpx.Response) -> str:
    """Return the beginning of an answer, on one line."""
    beginning = b""
    async for chunk in response.aiter_raw():
        beginning += chunk
        if len(beginning) >= ANSWER_LIMIT_BYTES:
            break
    text = beginning[:ANSWER_LIMIT_BYTES].decode(errors="replace")
    printable = "".join(sign if sign.isprintable() else " " for sign in text)
    return " ".join(printable.split())[:EXCERPT_LIMIT]


def _body(notification: Notification) -> dict[str, Any]:
    frame = notification.frame
    return {
        "type": f"alert.{notification.event}",
        "timestamp": _rfc3339(notification.created_at),
        "data": {
            "alert_id": notification.alert_id,
            "line": notification.line,
            "kind": notification.kind,
            "summary": notification.summary,
            "opened_at": _rfc3339(notification.opened_at),
            "resolved_at": None
            if notification.resolved_at is None
            else _rfc3339(notification.resolved_at),
            "frame_count": notification.frame_count,
            "frame": None
            if frame is None
            else {**asdict(frame), "captured_at": _rfc3339(frame.captured_at)},
        },
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Notifications as signed HTTP requests, after Standard Webhooks.

POST with the CloudEvents JSON of `cloud_event`; every attempt of one notification sends the same
body and `webhook-id`:

    content-type        application/cloudevents+json
    webhook-id          UUID of the notification, which is the event's id as well
    webhook-timestamp   seconds since 1970 of this attempt
    webhook-signature   v1,<base64 of HMAC-SHA256 over "id.timestamp.body">; absent without a secret

Any 2xx answer takes the notification. 408, 425, 429 and 5xx pass, and may say in `Retry-After` when
to come again; every other answer is permanent. Redirects are not followed.
"""

import asyncio
import base64
import functools
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
from standardwebhooks import Webhook

import inspection
from inspection import telemetry
from inspection.alerting.channels import cloud_event
from inspection.alerting.outbound import GuardedTransport, Outbound, Resolver, looked_up
from inspection.domain.channel import Channel
from inspection.domain.notification import Notification
from inspection.errors import ConfigurationError, DeliveryError

#: Longest time for a connection to be made, in seconds.
CONNECT_TIMEOUT_S: Final = 5.0
#: Longest time for everything, from the name's look-up to the answer, in seconds.
DEADLINE_S: Final = 10.0
#: Longest wait for the rest of an answer that takes the notification, in seconds.
FAREWELL_S: Final = 1.0
#: Of an answer, so much is read: to say why it refuses, or to use the connection again.
ANSWER_LIMIT_BYTES: Final = 2048
#: … and so much of a refusal is kept.
EXCERPT_LIMIT: Final = 200
#: Answers of the 4xx class after which trying again can help.
_PASSING: Final = frozenset({408, 425, 429})


class WebhookChannel:
    """Sends notifications to one address, over one connection as long as that lasts."""

    def __init__(
        self,
        configuration: Channel,
        *,
        clock: Callable[[], datetime],
        outbound: Outbound,
        resolve: Resolver = looked_up,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._url = configuration.url or ""
        self._signer = _signer(configuration)
        self._clock = clock
        self._deadline_s = deadline_s
        self._transport = GuardedTransport(outbound, resolve, _trusted())
        self._runner = asyncio.Runner()
        self._client: httpx.AsyncClient | None = None
        if self._signer is None:
            telemetry.logger().warning("webhook_unsigned", channel=configuration.name)

    def send(self, notification: Notification) -> None:
        """Send it once; by one thread at a time, and not from inside a running event loop.

        Raises:
            DeliveryError: no answer within the deadline, or an answer that does not take it.
        """
        body = cloud_event.encoded(notification)
        headers = self._headers(notification.notification_id, body)
        try:
            # Only asyncio can bound the whole exchange: a receiver that sends a byte now and then
            # stays within every time-out of its parts.
            self._runner.run(self._post(body.encode(), headers))
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

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    def _headers(self, notification_id: str, body: str) -> dict[str, str]:
        now = self._clock()
        headers = {
            "content-type": cloud_event.MEDIA_TYPE,
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
        if self._client is None:
            self._client = httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(self._deadline_s, connect=CONNECT_TIMEOUT_S),
                follow_redirects=False,
                trust_env=False,
            )
        async with (
            asyncio.timeout(self._deadline_s),
            self._client.stream("POST", self._url, content=body, headers=headers) as response,
        ):
            if not response.is_success:
                raise _refusal(response, await _excerpt(response), self._clock())
            # It is taken, whatever follows. Read to its end, the connection can be used again.
            with suppress(TimeoutError, httpx.HTTPError):
                async with asyncio.timeout(FAREWELL_S):
                    await _excerpt(response)


def _refusal(response: httpx.Response, excerpt: str, now: datetime) -> DeliveryError:
    status = response.status_code
    if response.has_redirect_location:
        towards = response.url.join(response.headers["location"])
        return DeliveryError(
            f"answered {status}, towards {towards.scheme}://{towards.netloc.decode()}; redirects "
            "are not followed: correct the address",
            is_permanent=True,
        )
    is_passing = response.is_server_error or status in _PASSING
    return DeliveryError(
        f"answered {status}: {excerpt}".rstrip(": "),
        is_permanent=not is_passing,
        retry_after_s=_retry_after_s(response.headers.get("retry-after", ""), now),
    )


def _retry_after_s(text: str, now: datetime) -> float | None:
    """Read seconds, or the time of day, as HTTP writes them; None when it is neither."""
    if text.isascii() and text.isdigit():
        return float(text)
    with suppress(ValueError, TypeError):  # the latter when it has no zone
        return (parsedate_to_datetime(text) - now).total_seconds()
    return None


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

"""What a request says of a channel, and the channel it means."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from inspection.api.shapes import Body
from inspection.api.text import Name
from inspection.domain.channel import MQTT_PORT, MQTT_TLS_PORT, Broker, Channel, ChannelKind
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError

_Line = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]
#: Keys of each kind besides name, kind, lines and events.
_KEYS: Final[Mapping[ChannelKind, frozenset[str]]] = {
    "log": frozenset(),
    "webhook": frozenset({"url", "secret"}),
    "mqtt": frozenset({"host", "port", "username", "password", "tls", "prefix"}),
    "apprise": frozenset({"url"}),
}
_EVERY: Final = frozenset({"name", "kind", "lines", "events"})


class ChannelChangeBody(Body):
    """What is to be changed of a channel; null takes a value away, or means all."""

    url: _Line | None = Field(
        default=None,
        description="webhook: where is posted to; apprise: the service with its tokens",
        examples=["https://example.org/hook"],
    )
    secret: _Line | None = Field(default=None, description="webhook: what signs, `whsec_…`")
    host: _Line | None = Field(default=None, description="mqtt: the broker")
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    username: _Line | None = None
    password: _Line | None = None
    tls: bool = False
    prefix: _Line = "inspection"
    lines: Annotated[list[Name], Field(min_length=1, max_length=1000)] | None = None
    events: (
        Annotated[
            list[Literal["opened", "updated", "escalated", "resolved"]],
            Field(min_length=1, max_length=4),
        ]
        | None
    ) = None


class ChannelBody(ChannelChangeBody):
    """A new channel."""

    name: Name = Field(examples=["hook"])
    kind: ChannelKind = Field(examples=["webhook"])


def made(body: ChannelBody) -> Channel:
    """Return the channel that a request describes.

    Raises:
        ConfigurationError: a key is not of its kind, or it could not work.
    """
    return _channel(body.name, body.kind, _given(body, body.kind))


def changed(before: Channel, body: ChannelChangeBody) -> Channel:
    """Return a channel with what a request names instead of what it had.

    Raises:
        ConfigurationError: as for `made`.
    """
    given = _given(body, before.kind)
    now = _channel(before.name, before.kind, _keys_of(before) | given)
    if before.broker is None or now.broker is None:
        return now
    if before.secret is not None and "password" not in given and _is_elsewhere(before, now):
        # Whoever may name a host would have the password sent to their own.
        raise ConfigurationError("password: give it again, or null: host or tls is another one")
    # A file of authorities is named in the configuration file alone.
    return replace(now, broker=replace(now.broker, ca_file=before.broker.ca_file))


def _given(body: ChannelChangeBody, kind: ChannelKind) -> dict[str, Any]:
    for key in sorted(body.model_fields_set - _KEYS[kind] - _EVERY):
        known = ", ".join(sorted(_KEYS[kind] | {"lines", "events"}))
        raise ConfigurationError(f"{key} is not a key of kind {kind}; the keys there are {known}")
    return {key: getattr(body, key) for key in body.model_fields_set}


def _keys_of(channel: Channel) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "url": channel.url,
        "secret": channel.secret,
        "password": channel.secret,
        "lines": channel.lines,
        "events": channel.events,
    }
    if channel.broker is not None:
        broker = channel.broker
        keys |= {"host": broker.host, "port": broker.port, "username": broker.username}
        keys |= {"tls": broker.has_tls, "prefix": broker.prefix}
    return keys


def _channel(name: str, kind: ChannelKind, keys: Mapping[str, Any]) -> Channel:
    lines, events = keys.get("lines"), keys.get("events")
    return Channel(
        name=name,
        kind=kind,
        url=keys.get("url"),
        secret=keys.get("password" if kind == "mqtt" else "secret"),
        broker=_broker(keys) if kind == "mqtt" else None,
        lines=None if lines is None else tuple(lines),
        events=None if events is None else tuple(Event(event) for event in events),
    )


def _is_elsewhere(before: Channel, now: Channel) -> bool:
    then, there = before.broker, now.broker
    if then is None or there is None:
        return False
    return then.host != there.host or (then.has_tls and not there.has_tls)


def _broker(keys: Mapping[str, Any]) -> Broker:
    has_tls = bool(keys.get("tls"))
    return Broker(
        host=keys.get("host") or "",
        port=keys.get("port") or (MQTT_TLS_PORT if has_tls else MQTT_PORT),
        username=keys.get("username"),
        has_tls=has_tls,
        prefix=keys.get("prefix") or "inspection",
    )

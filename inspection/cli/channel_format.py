"""The keys of a channel in a configuration file, and the channel they describe.

  - {name: log, kind: log}
  - {name: hook, kind: webhook, url: "https://example.org/hook", secret: whsec_...}
  - {name: floor, kind: mqtt, host: broker.example.org, tls: true, username: u, password: p}
  - {name: mail, kind: apprise, url: "mailtos://user:password@example.org?to=shift@example.org"}

Every kind takes `lines` and `events` (opened, updated, escalated, resolved) to hear only of those.
`url`, `secret` and `password` may be given as files: `url_file`, `secret_file`, `password_file`.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspection.domain.channel import MQTT_PORT, MQTT_TLS_PORT, Broker, Channel, ChannelKind
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError

#: Keys that every kind takes.
_COMMON: Final = frozenset({"name", "kind", "lines", "events"})
_BROKER: Final = frozenset({"host", "port", "username", "tls", "ca_file", "prefix"})
#: Keys of each kind besides.
KEYS: Final[dict[ChannelKind, frozenset[str]]] = {
    "log": frozenset(),
    "webhook": frozenset({"url", "url_file", "secret", "secret_file"}),
    "mqtt": _BROKER | {"password", "password_file"},
    "apprise": frozenset({"url", "url_file"}),
}


class ChannelBlock(BaseModel):
    """Where alerts are sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: ChannelKind
    url: str | None = None
    url_file: Path | None = None
    secret: str | None = None
    secret_file: Path | None = None
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    username: str | None = None
    password: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    prefix: str = "inspection"
    lines: list[str] | None = None
    events: list[Literal["opened", "updated", "escalated", "resolved"]] | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "ChannelBlock":
        keys = KEYS[self.kind]
        for key in sorted(self.model_fields_set - keys - _COMMON):
            known = ", ".join(sorted(_COMMON | keys))
            raise ValueError(f"{key} is not a key of kind {self.kind}; the keys there are {known}")
        for key in ("url", "secret", "password"):
            if {key, f"{key}_file"} <= self.model_fields_set:
                raise ValueError(f"give {key} or {key}_file, not both")
        if self.kind == "mqtt" and not self.host:
            raise ValueError("kind mqtt needs host, the name or address of the broker")
        return self

    def channel(self, root: Path) -> Channel:
        """Return the channel; relative paths start at `root`.

        Raises:
            ConfigurationError: a file cannot be read, or the channel cannot work.
        """
        secret = "password" if self.kind == "mqtt" else "secret"
        return Channel(
            name=self.name,
            kind=self.kind,
            url=self._given("url", root),
            secret=self._given(secret, root),
            broker=self._broker(root) if self.kind == "mqtt" else None,
            lines=None if self.lines is None else tuple(self.lines),
            events=None if self.events is None else tuple(Event(each) for each in self.events),
        )

    def _given(self, key: str, root: Path) -> str | None:
        value: str | None = getattr(self, key)
        path: Path | None = getattr(self, f"{key}_file")
        return value if path is None else content_of(path, root, key=f"{key}_file")

    def _broker(self, root: Path) -> Broker:
        return Broker(
            host=self.host or "",
            port=self.port or (MQTT_TLS_PORT if self.tls else MQTT_PORT),
            username=self.username,
            has_tls=self.tls,
            ca_file=None if self.ca_file is None else root / self.ca_file.expanduser(),
            prefix=self.prefix,
        )


def keys_of(channel: Channel) -> dict[str, Any]:
    """Return the keys that would describe a channel, with what they would hold."""
    keys: dict[str, Any] = {"name": channel.name, "kind": channel.kind, "url": channel.url}
    keys["password" if channel.kind == "mqtt" else "secret"] = channel.secret
    keys["lines"] = None if channel.lines is None else list(channel.lines)
    keys["events"] = None if channel.events is None else list(channel.events)
    if channel.broker is not None:
        keys |= asdict(channel.broker)
        keys["tls"] = keys.pop("has_tls")
    return {key: value for key, value in keys.items() if value is not None}


def content_of(path: Path, root: Path, *, key: str) -> str:
    """Return what a file holds without the space around it; `-` is standard input.

    Raises:
        ConfigurationError: it cannot be read, or is empty.
    """
    try:
        is_input = str(path) == "-"
        text = sys.stdin.read() if is_input else (root / path.expanduser()).read_text("utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigurationError(f"{key}: cannot read {str(path)!r}: {error}") from error
    if not text.strip():
        raise ConfigurationError(f"{key}: {str(path)!r} is empty")
    return text.strip()

"""Where people and machines are told about alerts."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from inspection.domain.alert import AlertKind
from inspection.domain.notification import Event
from inspection.errors import ConfigurationError

ChannelKind = Literal["log", "webhook", "mqtt", "apprise"]

#: What happens to alerts; a channel hears all of it unless it names some.
ALERT_EVENTS = (Event.OPENED, Event.UPDATED, Event.ESCALATED, Event.RESOLVED)

#: Ports of MQTT, without and with TLS.
MQTT_PORT, MQTT_TLS_PORT = 1883, 8883


@dataclass(frozen=True, kw_only=True)
class Broker:
    """An MQTT broker, and where in its tree of topics things are told."""

    host: str
    port: int = MQTT_PORT
    username: str | None = None
    #: Whether the connection is encrypted and the broker's certificate checked.
    has_tls: bool = False
    #: Authorities to trust besides those of this machine: a file in PEM.
    ca_file: Path | None = None
    #: First levels of every topic.
    prefix: str = "inspection"

    def __post_init__(self) -> None:
        """Refuse what no broker could be reached or told with."""
        if not self.host.strip() or any(sign.isspace() or sign in "/@" for sign in self.host):
            raise ConfigurationError(
                f"the broker's `host` {self.host!r} is none; take a name or address alone, "
                "such as broker.example.org"
            )
        if not 0 < self.port < 2**16:
            raise ConfigurationError(f"the broker's `port` {self.port} is none; take 1 to 65535")
        levels = self.prefix.split("/")
        if not all(levels) or self.prefix.startswith("$") or set(self.prefix) & set("+#\0"):
            raise ConfigurationError(
                f"the `prefix` {self.prefix!r} cannot begin topics; take words with / between "
                "them, such as plant/inspection"
            )


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Where alerts are sent."""

    #: Unique in the installation.
    name: str
    kind: ChannelKind
    #: Webhook: the address that receives a signed POST. Apprise: the service, with its tokens.
    #: Either may let whoever knows it send; never logged.
    url: str | None = field(default=None, repr=False)
    #: Webhook: shared secret of Standard Webhooks, `whsec_…`. MQTT: the password. Never logged.
    secret: str | None = field(default=None, repr=False)
    #: MQTT: the broker.
    broker: Broker | None = None
    #: Only alerts of these lines; None for all.
    lines: tuple[str, ...] | None = None
    #: Only these events; None for all.
    events: tuple[Event, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse a channel that nobody could deliver to, or that would hear nothing."""
        if self.kind == "webhook" and not (self.url or "").startswith(("http://", "https://")):
            raise ConfigurationError(
                f"channel {self.name!r}: a webhook needs `url`, an http:// or https:// address"
            )
        if self.kind == "apprise" and "://" not in (self.url or ""):
            raise ConfigurationError(
                f"channel {self.name!r}: apprise needs `url`, such as "
                "mailtos://user:password@example.org?to=shift@example.org"
            )
        if (self.kind == "mqtt") != (self.broker is not None):
            raise ConfigurationError(
                f"channel {self.name!r}: `host` and what else names a broker belong to kind mqtt, "
                "which needs them"
            )
        if self.events is not None and not (self.events and set(self.events) <= {*ALERT_EVENTS}):
            raise ConfigurationError(
                f"channel {self.name!r}: `events` takes some of "
                f"{', '.join(ALERT_EVENTS)}; leave it out for all"
            )

    def hears(self, line: str, event: Event) -> bool:
        """Say whether alerts of `line` to which this happens are told here."""
        return (self.lines is None or line in self.lines) and (
            self.events is None or event in self.events
        )

    @property
    def hears_ends_alone(self) -> bool:
        """Whether "resolved" is all it wants to hear of an alert."""
        return self.events is not None and set(self.events) == {Event.RESOLVED}


@dataclass(frozen=True, kw_only=True)
class LineState:
    """The unresolved alerts of a line at one moment, as a board on the floor shows them."""

    line: str
    #: Alerts that are not resolved.
    open_count: int
    #: Those of them that nobody has acknowledged.
    unacknowledged_count: int
    #: The first of theirs in the order of `AlertKind`; None when there is none.
    worst_kind: AlertKind | None
    #: When the oldest of them was opened; None when there is none.
    since_at: datetime | None

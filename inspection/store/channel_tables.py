"""The tables of channels: where alerts are sent, and how far every sending has come."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from inspection.store.columns import Id, Json, Moment, metadata

channels = Table(
    "channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("url", Text),
    #: Signs what is sent, or is the password; never logged, never audited.
    Column("secret", Text),
    #: Names of the lines it listens to; NULL for all.
    Column("lines", Json),
    #: Events it is told of; NULL for all.
    Column("events", Json),
    #: What else a kind of channel needs; see `inspection.domain.channel`.
    Column("settings", Json),
)

notifications = Table(
    "notifications",
    metadata,
    #: A UUID: the receiver's key against doubles.
    Column("id", String(36), primary_key=True),
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("channel_id", Id, ForeignKey("channels.id", ondelete="CASCADE"), nullable=False),
    #: opened, updated, escalated or resolved.
    Column("event", String(16), nullable=False),
    #: Tells events of one alert apart that happen more than once, from 0.
    Column("number", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    #: What is told, as it was then: every attempt sends the same.
    Column("content", Json, nullable=False),
    #: waiting, delivered or failed.
    Column("state", String(16), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    #: It fails after so many attempts; raised when somebody has a failed one tried again.
    Column("attempt_limit", Integer, nullable=False, server_default="8"),
    Column("next_attempt_at", Moment),
    Column("delivered_at", Moment),
    Column("error", Text),
    #: Why it has failed: permanent, exhausted or abandoned; NULL otherwise.
    Column("failure", String(16)),
    UniqueConstraint("alert_id", "channel_id", "event", "number"),
    Index(None, "state", "next_attempt_at"),
    Index(None, "channel_id", "created_at"),
)

#: Every attempt to send a notification, written when it begins, with what came of it.
attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "notification_id",
        String(36),
        ForeignKey("notifications.id", ondelete="CASCADE"),
        nullable=False,
    ),
    #: From 1; the notification's attempt_count while it is under way.
    Column("number", Integer, nullable=False),
    Column("begun_at", Moment, nullable=False),
    #: NULL while it is under way.
    Column("ended_at", Moment),
    #: NULL when it was delivered, or is under way.
    Column("error", Text),
    UniqueConstraint("notification_id", "number"),
)

"""The tables of alerts: rules, what they opened, the frames that belong to it, and silence."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from inspection.store.columns import Id, Json, Moment, ledger_key, metadata, partial_index

rules = Table(
    "rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("name", String(64), nullable=False),
    #: A value of `inspection.domain.alert.AlertKind`; never changed.
    Column("kind", String(16), nullable=False),
    #: As `inspection.domain.rule.Rule.settings` writes it.
    Column("settings", Json, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    UniqueConstraint("line_id", "name"),
)

#: Conditions that hold and have not held for long enough to open an alert.
armings = Table(
    "armings",
    metadata,
    Column("rule_id", Id, ForeignKey("rules.id"), primary_key=True, autoincrement=False),
    #: Camera it is about; empty: the line.
    Column("subject", String(64), primary_key=True),
    Column("since_at", Moment, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("rule_id", Id, ForeignKey("rules.id"), nullable=False),
    #: That of its rule.
    Column("kind", String(16), nullable=False),
    #: Camera it is about; empty: the line.
    Column("subject", String(64), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    #: Since when its condition has been gone, by the worker's clock; NULL while it holds. Of those
    #: that frames open: when a frame last joined. Replayed frames may be years old.
    Column("calm_since_at", Moment),
    Column("opened_count", Integer, nullable=False),
    Column("frame_count", Integer, nullable=False),
    #: First frame: `camera/sequence_number`; NULL when it is about none.
    Column("frame_id", Text),
    Column("summary", Text, nullable=False),
    #: When it was told that it is open; NULL: not yet, because it is shelved.
    Column("told_at", Moment),
    #: When it was told last that it is open or has grown, and its frames then.
    Column("retold_at", Moment),
    Column("told_count", Integer, nullable=False),
    #: How often it was told that it has grown.
    Column("repeat_count", Integer, nullable=False),
    Column("escalated_at", Moment),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Text),
    Column("acknowledged_note", Text, nullable=False),
    Column("is_dismissed", Boolean, nullable=False),
    Column("resolved_at", Moment),
    #: Who resolved it by hand; NULL when its condition had gone.
    Column("resolved_by", Text),
    Column("resolved_note", Text, nullable=False),
    # One unresolved alert for each rule and subject, whoever races.
    partial_index(
        "uq_alerts_unresolved", "rule_id", "subject", where="resolved_at IS NULL", unique=True
    ),
    Index(None, "opened_at"),
)

alert_frames = Table(
    "alert_frames",
    metadata,
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    ledger_key(index=True),
)

#: Frames the alert worker has not looked at yet: written with the ledger row, deleted by it.
alert_outbox = Table(
    "alert_outbox",
    metadata,
    ledger_key(),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("captured_at", Moment, nullable=False),
)

#: What people have silenced: shelved alerts are opened and not told; of a paused line none is
#: opened.
shelves = Table(
    "shelves",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    #: NULL: all rules of the line.
    Column("rule_id", Id, ForeignKey("rules.id")),
    #: NULL: all alerts of the rule.
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE")),
    Column("is_pause", Boolean, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("begun_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    #: When it ends by itself; NULL: never, which only a pause may.
    Column("until_at", Moment),
    #: When somebody ended it, and who.
    Column("ended_at", Moment),
    Column("ended_by", Text),
    partial_index(None, "line_id", where="ended_at IS NULL"),
)

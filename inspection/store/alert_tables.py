"""The tables of alerts: what was opened, and the frames that belong to it."""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from inspection.store.columns import Id, Moment, ledger_key, metadata, partial_index

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
    #: When a frame last joined, by the worker's clock: replayed frames may be years old.
    Column("touched_at", Moment, nullable=False),
    Column("frame_count", Integer, nullable=False),
    #: First frame: `camera/sequence_number`.
    Column("frame_id", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Text),
    Column("resolved_at", Moment),
    # One unresolved alert for each line and kind, whoever races.
    partial_index(
        "uq_alerts_unresolved", "line_id", "kind", where="resolved_at IS NULL", unique=True
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

"""The tables of what people decide: reviews of inspections, and the calendar of shifts."""

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, String, Table, Text

from inspection.store.columns import Id, Json, Moment, metadata

#: Every decision, never changed nor removed; of one inspection the newest counts.
reviews = Table(
    "reviews",
    metadata,
    Column("id", Id, primary_key=True),
    #: No foreign key: a review stays when retention removes what it is about, and says it here.
    Column("ledger_id", Id, nullable=False),
    Column("captured_at", Moment, nullable=False),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("camera_id", Id, ForeignKey("cameras.id"), nullable=False),
    Column("product", Text),
    Column("score", Double, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("threshold_id", Id, ForeignKey("thresholds.id")),
    #: A value of `inspection.domain.review.Decision`.
    Column("decision", String(8), nullable=False),
    Column("reviewed_at", Moment, nullable=False),
    Column("reviewed_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Index(None, "ledger_id", "id"),
    Index(None, "line_id", "captured_at"),
)

#: Every version of the one calendar of the site.
shift_calendars = Table(
    "shift_calendars",
    metadata,
    #: Counts up from 1.
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("time_zone", String(64), nullable=False),
    #: As `inspection.store.shifts` writes them.
    Column("shifts", Json, nullable=False),
    Column("holidays", Json, nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

"""The tables of the database, the same on SQLite and PostgreSQL; `migrations/` makes them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
)

from inspection.store.columns import Id, Json, Moment, ledger_key, metadata, partial_index

lines = Table(
    "lines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    #: Name of the product being made now.
    Column("product", Text),
    Column("pictures", String(32), nullable=False),
    Column("sample_rate", Double, nullable=False),
    #: First frames of each product and station that a reference is learnt from; 0: none.
    Column("learn_count", Integer, nullable=False, server_default="0"),
)

stations = Table(
    "stations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("name", String(64), nullable=False),
    UniqueConstraint("line_id", "name"),
)

cameras = Table(
    "cameras",
    metadata,
    Column("id", Id, primary_key=True),
    Column("station_id", Id, ForeignKey("stations.id"), nullable=False, index=True),
    Column("name", String(64), nullable=False, unique=True),
    #: Fields of `inspection.domain.line.Source`.
    Column("source", Json, nullable=False),
    Column("product", Text),
    Column("encoding", String(16), nullable=False),
    Column("quality", Integer, nullable=False),
    Column("rate_hz", Double),
    Column("frames", BigInteger),
    Column("overflow", String(16), nullable=False),
    Column("backlog_limit", Integer, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    #: Line that made it first; NULL when unknown.
    Column("line_id", Id, ForeignKey("lines.id")),
)

thresholds = Table(
    "thresholds",
    metadata,
    Column("id", Id, primary_key=True),
    #: `line_id/station_id/camera_id/product`: a unique constraint takes every NULL for another.
    Column("scope", Text, nullable=False),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False, index=True),
    Column("product", Text),
    Column("station_id", Id, ForeignKey("stations.id")),
    Column("camera_id", Id, ForeignKey("cameras.id")),
    Column("version", Integer, nullable=False),
    #: NULL withdraws the threshold.
    Column("value", Double),
    #: Of the detector and the reference whose scores alone it judges; NULL: of any.
    Column("checkpoint_hash", String(64)),
    Column("reference_hash", String(64)),
    Column("set_at", Moment, nullable=False),
    #: By the database's clock: from then on it judges, until a newer version does.
    Column("effective_at", Moment, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("scope", "version"),
)

#: What thresholds promise, and how far the test has come that watches whether they still do.
calibrations = Table(
    "calibrations",
    metadata,
    Column("threshold_id", Id, ForeignKey("thresholds.id"), primary_key=True, autoincrement=False),
    Column("false_reject_rate", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("good_count", Integer, nullable=False),
    #: The rate that the good scores really support; at most `false_reject_rate`.
    Column("bound", Double, nullable=False),
    #: Order statistics of the good scores that are watched.
    Column("watched", Json, nullable=False),
    #: State of the test, as `inspection.domain.drift` writes it.
    Column("state", Json, nullable=False),
    #: Newest ledger id the test has looked at.
    Column("position", BigInteger, nullable=False),
    Column("made_at", Moment, nullable=False),
    #: NULL while the promise stands.
    Column("withdrawn_at", Moment),
    Column("withdrawn_why", Text),
)

recipes = Table(
    "recipes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("product", Text, nullable=False),
    Column("version", Integer, nullable=False),
    #: Phrases that follow the product's name; none withdraws the recipe.
    Column("defects", Json, nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("line_id", "product", "version"),
)

# The next three are partitioned by `captured_at` on PostgreSQL, where it is part of their primary
# keys (`inspection.store.partitions`). Nothing refers to them by a foreign key.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Id, primary_key=True),
    Column("camera_id", Id, ForeignKey("cameras.id"), nullable=False),
    Column("captured_at", Moment, nullable=False),
    Column("sequence_number", BigInteger, nullable=False),
    Column("outcome", String(16), nullable=False),
    #: Why it is uninspected, or the cause of its drop; NULL when inspected.
    Column("reason", String(32)),
    Column("detail", Text),
    #: Whether another exposure of the camera had the sequence number before.
    Column("is_repeated", Boolean, nullable=False, server_default=false()),
    #: Where the camera stood when the frame was recorded.
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False),
    Column("station_id", Id, ForeignKey("stations.id"), nullable=False),
    Column("product", Text),
    Column("part_serial", Text),
    Column("lot", Text),
    Column("trigger_id", Text),
    #: The kept picture; NULL when none is kept.
    Column("picture_sha256", String(64)),
    Column("picture_media_type", String(64)),
    Column("picture_size_bytes", BigInteger),
    #: Whose evidence goes first, `inspection.domain.evidence.KeepClass`; NULL: none is left.
    Column("keep_class", Integer),
    #: Why picture and map are not there, `inspection.domain.evidence.Gone`; NULL: they are, or
    #: there never was one to keep.
    Column("picture_gone", String(16)),
    Column("map_gone", String(16)),
    Column("recorded_at", Moment, nullable=False),
    # captured_at is in the key because a table partitioned by time must have it there.
    UniqueConstraint("camera_id", "captured_at", "sequence_number"),
    CheckConstraint("outcome IN ('inspected', 'uninspected', 'dropped')", name="outcome"),
    Index(None, "camera_id", "sequence_number"),
    partial_index(None, "part_serial", where="part_serial IS NOT NULL"),
    partial_index(None, "lot", where="lot IS NOT NULL"),
    # Of each class what was recorded first goes first: ids rise as rows are recorded.
    partial_index(None, "keep_class", "id", where="keep_class IS NOT NULL"),
    partial_index(None, "picture_sha256", where="picture_sha256 IS NOT NULL"),
    # The few that were not inspected, of a line and a time.
    partial_index(
        "ix_ledger_not_inspected", "line_id", "captured_at", where="outcome <> 'inspected'"
    ),
    # An id is never given again, also after retention has removed every row.
    sqlite_autoincrement=True,
)

inspections = Table(
    "inspections",
    metadata,
    ledger_key(),
    # The next seven repeat the ledger's so that one index can select and sort.
    Column("captured_at", Moment, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("station_id", Id, nullable=False),
    Column("camera_id", Id, nullable=False),
    Column("product", Text),
    Column("part_serial", Text),
    Column("lot", Text),
    #: Where its score is counted, a row of `score_sources`.
    Column("source_id", Id, nullable=False),
    Column("score", Double, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("threshold_id", Id, ForeignKey("thresholds.id")),
    #: Copied, so that the row explains its verdict by itself.
    Column("threshold_value", Double),
    #: Between score and threshold, never negative: the hard cases come first; NULL when pending.
    Column("distance", Double),
    #: Decision of the newest review; NULL: nobody has looked at it.
    Column("review", String(8)),
    Column("checkpoint_hash", String(64), nullable=False),
    #: Of the reference it was scored with; NULL: without one.
    Column("reference_hash", String(64)),
    #: By the database's clock; NULL: before anybody noted it.
    Column("judged_at", Moment),
    Column("waited_ms", Double, nullable=False),
    Column("inference_ms", Double, nullable=False),
    #: From exposure to the row: captured_at to recorded_at.
    Column("latency_ms", Double, nullable=False),
    CheckConstraint(
        "verdict = 'pending' AND threshold_value IS NULL"
        " OR verdict = 'NG' AND score > threshold_value"
        " OR verdict = 'OK' AND score <= threshold_value",
        name="verdict",
    ),
    Index(None, "captured_at", "ledger_id"),
    Index(None, "line_id", "captured_at", "ledger_id"),
    Index(None, "camera_id", "captured_at", "ledger_id"),
    # Rare ones, whatever makes them rare: by source and score, in the order of scores.
    Index("ix_inspections_score", "source_id", "verdict", "score", "captured_at", "ledger_id"),
    partial_index(None, "part_serial", where="part_serial IS NOT NULL"),
    partial_index(None, "lot", "captured_at", "ledger_id", where="lot IS NOT NULL"),
    partial_index(None, "review", "captured_at", "ledger_id", where="review IS NOT NULL"),
)

maps = Table(
    "maps",
    metadata,
    ledger_key(),
    Column("captured_at", Moment, nullable=False),
    Column("taps", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("columns", Integer, nullable=False),
    #: float16, little-endian, C order.
    Column("data", LargeBinary, nullable=False),
)


def is_of_ledger(table: Table) -> ColumnElement[bool]:
    """Return what joins `inspections` or `maps` to the ledger, partition by partition."""
    is_same = table.c.captured_at == ledger.c.captured_at
    return and_(table.c.ledger_id == ledger.c.id, is_same)


audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    #: What was done to what: see `inspection.store.audit.Change`.
    Column("action", String(32), nullable=False),
    Column("thing", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("before", Json),
    Column("after", Json),
    Index(None, "at"),
    Index(None, "thing", "name"),
    Index(None, "who", "id"),
)

#: Files of references, each once, however many versions use it.
reference_files = Table(
    "reference_files",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

#: `references` is a word of SQL.
line_references = Table(
    "line_references",
    metadata,
    Column("id", Id, primary_key=True),
    Column("station_id", Id, ForeignKey("stations.id"), nullable=False),
    Column("product", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sha256", String(64), ForeignKey("reference_files.sha256"), nullable=False),
    Column("checkpoint_hash", String(64), nullable=False),
    Column("images_count", Integer, nullable=False),
    #: folder, history or stream.
    Column("source", String(16), nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("is_in_force", Boolean, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    UniqueConstraint("station_id", "product", "version"),
    # One in force for each product and station, whoever races.
    partial_index(
        "uq_line_references_in_force", "station_id", "product", where="is_in_force", unique=True
    ),
)

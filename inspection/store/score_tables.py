"""The tables of score histograms: what inspections add up to, by hour and by day."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text

from inspection.store.columns import Id, metadata

#: What inspections have in common whose scores are counted together.
score_sources = Table(
    "score_sources",
    metadata,
    Column("id", Id, primary_key=True),
    #: `line/station/camera/threshold/checkpoint/reference/product`: a unique constraint takes every
    #: NULL for another.
    Column("key", Text, nullable=False, unique=True),
    Column("line_id", Id, ForeignKey("lines.id"), nullable=False, index=True),
    Column("station_id", Id, ForeignKey("stations.id"), nullable=False),
    Column("camera_id", Id, ForeignKey("cameras.id"), nullable=False, index=True),
    Column("product", Text),
    Column("checkpoint_hash", String(64), nullable=False),
    Column("reference_hash", String(64)),
    #: Version that decided, also where it left frames pending; NULL: none covered them.
    Column("threshold_id", Id, ForeignKey("thresholds.id")),
)


def _counts(name: str, period: str) -> Table:
    source = ForeignKey("score_sources.id")
    return Table(
        name,
        metadata,
        Column("source_id", Id, source, primary_key=True, autoincrement=False),
        #: Since 1970, of the exposure, in UTC.
        Column(period, Integer, primary_key=True, autoincrement=False),
        Column("verdict", String(16), primary_key=True),
        #: Of `inspection.domain.histogram`.
        Column("bin", Integer, primary_key=True, autoincrement=False),
        Column("row_count", BigInteger, nullable=False),
    )


#: Inspections by hour of exposure; written in the transaction that adds or removes the rows.
hourly_scores = _counts("hourly_scores", "hour")
#: The same by day.
daily_scores = _counts("daily_scores", "day")

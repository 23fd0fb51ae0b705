"""The tables of evidence: how much is kept and is gone, how it grew, which files are to go."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table

from inspection.store.columns import Id, Json, Moment, metadata


def _counters() -> list[Column[int]]:
    names = ("picture_count", "picture_bytes", "map_count", "map_bytes")
    return [Column(name, BigInteger, nullable=False) for name in names]


def _camera() -> Column[int]:
    return Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False)


#: What is kept; changed with the rows, so that nobody counts them.
evidence = Table(
    "evidence",
    metadata,
    _camera(),
    #: A value of `inspection.domain.evidence.KeepClass`.
    Column("keep_class", Integer, primary_key=True, autoincrement=False),
    *_counters(),
    #: Bytes of everything that was ever kept; never falls.
    Column("added_bytes", BigInteger, nullable=False),
)

#: What is not there any more, or never was.
evidence_gone = Table(
    "evidence_gone",
    metadata,
    _camera(),
    #: A value of `inspection.domain.evidence.Gone`.
    Column("gone", String(16), primary_key=True),
    *_counters(),
)

#: How much had been kept at some moments: the growth of the last days.
evidence_history = Table(
    "evidence_history",
    metadata,
    #: Hours since 1970: one row an hour, whoever is first.
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("taken_at", Moment, nullable=False),
    #: Sum of `added_bytes` by class.
    Column("added_bytes", Json, nullable=False),
    #: Identities ever recorded.
    Column("row_count", BigInteger, nullable=False),
)

#: Files of pictures that a row has let go of, until it is certain that no row keeps them.
picture_removals = Table(
    "picture_removals",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    #: When to look at it; moved on by whoever looks at it.
    Column("due_at", Moment, nullable=False, index=True),
)

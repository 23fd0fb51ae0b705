"""The table of answers that are given again when a request is sent again."""

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text

from inspection.store.columns import Json, Moment, metadata

answers = Table(
    "answers",
    metadata,
    #: Who sent the request: another's key is another key.
    Column("caller", Text, primary_key=True),
    Column("key", String(255), primary_key=True),
    #: SHA-256 of what was asked for.
    Column("fingerprint", String(64), nullable=False),
    Column("claimed_at", Moment, nullable=False, index=True),
    #: NULL while nobody has answered.
    Column("status", Integer),
    Column("headers", Json),
    Column("body", LargeBinary),
)

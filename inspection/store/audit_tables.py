"""The table of the audit's hash chain; `inspection.domain.chain` says what its bytes are."""

from sqlalchemy import BigInteger, Column, Index, LargeBinary, String, Table, Text

from inspection.store.columns import Id, Moment, metadata

#: Written once and never changed. What it is about is not referred to by foreign keys: a link
#: stays when somebody removes that.
audit_links = Table(
    "audit_links",
    metadata,
    #: From 1, without gaps, in the order of the commits.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("sealed_at", Moment, nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("statement", Text, nullable=False),
    #: Of a change: the row of `audit`.
    Column("change_id", Id, unique=True),
    #: Of rows: the marks by which the one that was changed is found.
    Column("marks", LargeBinary),
    Column("mac", String(64), nullable=False),
    Index(None, "kind", "number"),
)

"""The tables beside the ledger: what it adds up to, and the frames that could not be judged."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from inspection.store.columns import Id, Moment, metadata

#: Rows of the ledger by camera and kind, written in the transaction that adds or removes them.
ledger_counts = Table(
    "ledger_counts",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    Column("outcome", String(16), primary_key=True),
    #: Verdict of inspected frames, reason of uninspected ones, cause of dropped ones.
    Column("reason", String(32), primary_key=True),
    Column("is_repeated", Boolean, primary_key=True),
    #: Rows that there are, or were before retention removed them.
    Column("recorded_count", BigInteger, nullable=False),
    Column("removed_count", BigInteger, nullable=False),
)

camera_accounts = Table(
    "camera_accounts",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    #: Highest that ever had a row.
    Column("last_sequence_number", BigInteger, nullable=False),
    #: Every number up to this one has or had a row, except those in `ledger_gaps`.
    Column("removed_up_to", BigInteger, nullable=False),
    #: Newest exposure whose row was removed; NULL when none was.
    Column("removed_until_at", Moment),
)

#: Numbers up to `removed_up_to` that never had a row.
ledger_gaps = Table(
    "ledger_gaps",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    Column("first_number", BigInteger, primary_key=True, autoincrement=False),
    Column("last_number", BigInteger, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    #: NULL when retention has removed the row; an inspector then removes the bytes and this.
    Column("ledger_id", Id, unique=True),
    Column("camera_id", Id, ForeignKey("cameras.id"), nullable=False),
    Column("sequence_number", BigInteger, nullable=False),
    Column("captured_at", Moment, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("detail", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    #: Whether the camera's dead-letter stream has, or will have, its bytes.
    Column("is_kept", Boolean, nullable=False),
    Column("dead_lettered_at", Moment, nullable=False),
    #: A value of `inspection.domain.dead_letter.DeadLetterState`.
    Column("state", String(16), nullable=False),
    Column("attempt_count", Integer, nullable=False, server_default="0"),
    #: Attempts since it was last requested.
    Column("claim_count", Integer, nullable=False, server_default="0"),
    Column("requested_at", Moment),
    Column("requested_by", Text),
    #: The inspector that has it, …
    Column("claimed_by", Text),
    #: … until others may take it.
    Column("leased_until", Moment),
    Column("settled_at", Moment),
    Column("settled_by", Text),
    Column("note", Text),
    Index(None, "camera_id", "sequence_number"),
    Index(None, "state", "is_kept"),
)

"""Counters beside the ledger, gaps, repeated numbers, and dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and fill them from the rows there are."""
    op.add_column(
        "ledger",
        sa.Column("is_repeated", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    _create_counters()
    _create_dead_letters()
    op.execute(
        "INSERT INTO ledger_counts"
        " (camera_id, outcome, reason, is_repeated, recorded_count, removed_count)"
        " SELECT ledger.camera_id, outcome, coalesce(reason, verdict), is_repeated, count(*), 0"
        " FROM ledger LEFT JOIN inspections ON inspections.ledger_id = ledger.id"
        " GROUP BY ledger.camera_id, outcome, coalesce(reason, verdict), is_repeated"
    )
    op.execute(
        "INSERT INTO camera_accounts (camera_id, last_sequence_number, removed_up_to)"
        " SELECT camera_id, max(sequence_number), 0 FROM ledger GROUP BY camera_id"
    )
    # Which of their bytes the streams still have, nobody has written down.
    op.execute(
        "INSERT INTO dead_letters (ledger_id, camera_id, sequence_number, captured_at, reason,"
        " detail, size_bytes, is_kept, dead_lettered_at, state)"
        " SELECT id, camera_id, sequence_number, captured_at, reason, coalesce(detail, ''), 0,"
        " false, recorded_at, 'waiting' FROM ledger WHERE outcome = 'uninspected'"
    )


def downgrade() -> None:
    """Remove them; frames whose number was given twice lose the second row."""
    for table in ("dead_letters", "ledger_gaps", "camera_accounts", "ledger_counts"):
        op.drop_table(table)
    op.execute("DELETE FROM ledger WHERE is_repeated")
    op.drop_column("ledger", "is_repeated")


def _camera(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["camera_id"], ["cameras.id"], name=f"fk_{table}_camera_id_cameras"
    )


def _create_counters() -> None:
    op.create_table(
        "ledger_counts",
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("is_repeated", sa.Boolean(), nullable=False),
        sa.Column("recorded_count", sa.BigInteger(), nullable=False),
        sa.Column("removed_count", sa.BigInteger(), nullable=False),
        _camera("ledger_counts"),
        sa.PrimaryKeyConstraint(
            "camera_id", "outcome", "reason", "is_repeated", name="pk_ledger_counts"
        ),
    )
    op.create_table(
        "camera_accounts",
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        sa.Column("last_sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("removed_up_to", sa.BigInteger(), nullable=False),
        sa.Column("removed_until_at", moment),
        _camera("camera_accounts"),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_accounts"),
    )
    op.create_table(
        "ledger_gaps",
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        sa.Column("first_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        _camera("ledger_gaps"),
        sa.PrimaryKeyConstraint("camera_id", "first_number", name="pk_ledger_gaps"),
    )


def _create_dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("id", identity, nullable=False),
        sa.Column("ledger_id", identity),
        sa.Column("camera_id", identity, nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.Column("dead_lettered_at", moment, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("claim_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("requested_at", moment),
        sa.Column("requested_by", sa.Text()),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("leased_until", moment),
        sa.Column("settled_at", moment),
        sa.Column("settled_by", sa.Text()),
        sa.Column("note", sa.Text()),
        _camera("dead_letters"),
        sa.ForeignKeyConstraint(
            ["ledger_id"],
            ["ledger.id"],
            name="fk_dead_letters_ledger_id_ledger",
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("ledger_id", name="uq_dead_letters_ledger_id"),
    )
    op.create_index(
        "ix_dead_letters_camera_id_sequence_number",
        "dead_letters",
        ["camera_id", "sequence_number"],
    )
    op.create_index("ix_dead_letters_state_is_kept", "dead_letters", ["state", "is_kept"])

"""Indexes for every filter and order of the history."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

#: Name, columns, and the column that rows must have a value of; None: all rows.
INDEXES = (
    (
        "ix_inspections_score",
        ["source_id", "verdict", "score", "captured_at", "ledger_id"],
        None,
    ),
    ("ix_inspections_part_serial", ["part_serial"], "part_serial"),
    ("ix_inspections_lot_captured_at_ledger_id", ["lot", "captured_at", "ledger_id"], "lot"),
    (
        "ix_inspections_review_captured_at_ledger_id",
        ["review", "captured_at", "ledger_id"],
        "review",
    ),
)
NG = sa.text("verdict = 'NG'")


def upgrade() -> None:
    """Make them; the one of NG rows is a part of the one of scores."""
    for name, columns, filled in INDEXES:
        where = None if filled is None else sa.text(f"{filled} IS NOT NULL")
        op.create_index(name, "inspections", columns, sqlite_where=where, postgresql_where=where)
    op.drop_index("ix_inspections_ng", "inspections")


def downgrade() -> None:
    """Remove them."""
    op.create_index(
        "ix_inspections_ng",
        "inspections",
        ["captured_at", "ledger_id"],
        sqlite_where=NG,
        postgresql_where=NG,
    )
    for name, _, _ in INDEXES:
        op.drop_index(name, "inspections")

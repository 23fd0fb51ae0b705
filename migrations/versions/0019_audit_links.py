"""The hash chain of the audit; the first process with a key seals what is there already."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, and an index of what is found by who did it."""
    op.create_table(
        "audit_links",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("change_id", identity),
        sa.Column("marks", sa.LargeBinary()),
        sa.Column("mac", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit_links"),
        sa.UniqueConstraint("change_id", name="uq_audit_links_change_id"),
    )
    op.create_index("ix_audit_links_kind_number", "audit_links", ["kind", "number"])
    op.create_index("ix_audit_who_id", "audit", ["who", "id"])


def downgrade() -> None:
    """Remove them: nothing is sealed any more."""
    op.drop_index("ix_audit_who_id", "audit")
    op.drop_table("audit_links")

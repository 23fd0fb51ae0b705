"""Thresholds bound to the scores they were made from, and what they promise."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the columns and the table."""
    op.add_column("thresholds", sa.Column("checkpoint_hash", sa.String(64)))
    op.add_column("thresholds", sa.Column("reference_hash", sa.String(64)))
    op.add_column("inspections", sa.Column("reference_hash", sa.String(64)))
    op.create_table(
        "calibrations",
        sa.Column("threshold_id", identity, autoincrement=False, nullable=False),
        sa.Column("false_reject_rate", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("good_count", sa.Integer(), nullable=False),
        sa.Column("bound", sa.Double(), nullable=False),
        sa.Column("watched", sa.JSON(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.Column("withdrawn_why", sa.Text()),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["thresholds.id"], name="fk_calibrations_threshold_id_thresholds"
        ),
        sa.PrimaryKeyConstraint("threshold_id", name="pk_calibrations"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("calibrations")
    with op.batch_alter_table("inspections") as inspections:
        inspections.drop_column("reference_hash")
    with op.batch_alter_table("thresholds") as thresholds:
        thresholds.drop_column("reference_hash")
        thresholds.drop_column("checkpoint_hash")

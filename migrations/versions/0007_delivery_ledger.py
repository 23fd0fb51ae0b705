"""Attempts are written when they begin, and a failed notification may be tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change the tables; attempts made so far are numbered in their order."""
    op.add_column(
        "notifications",
        sa.Column("attempt_limit", sa.Integer(), nullable=False, server_default="8"),
    )
    op.create_index(
        "ix_notifications_channel_id_created_at", "notifications", ["channel_id", "created_at"]
    )
    op.drop_index("ix_attempts_notification_id", "attempts")
    op.add_column("attempts", sa.Column("number", sa.Integer()))
    op.execute(
        "UPDATE attempts SET number = (SELECT count(*) FROM attempts AS earlier WHERE "
        "earlier.notification_id = attempts.notification_id AND earlier.id <= attempts.id)"
    )
    with op.batch_alter_table("attempts") as batch:
        batch.alter_column("number", existing_type=sa.Integer(), nullable=False)
        batch.alter_column("ended_at", existing_type=sa.DateTime(timezone=True), nullable=True)
        batch.create_unique_constraint(
            "uq_attempts_notification_id_number", ["notification_id", "number"]
        )


def downgrade() -> None:
    """Remove what was added; attempts under way are forgotten."""
    op.execute("DELETE FROM attempts WHERE ended_at IS NULL")
    with op.batch_alter_table("attempts") as batch:
        batch.drop_constraint("uq_attempts_notification_id_number", type_="unique")
        batch.alter_column("ended_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch.drop_column("number")
    op.create_index("ix_attempts_notification_id", "attempts", ["notification_id"])
    op.drop_index("ix_notifications_channel_id_created_at", "notifications")
    op.drop_column("notifications", "attempt_limit")

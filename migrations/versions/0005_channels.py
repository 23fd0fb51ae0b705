"""Channels of more kinds, events that happen more than once, and a ledger of attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table and the columns."""
    op.add_column("channels", sa.Column("events", sa.JSON()))
    op.add_column("channels", sa.Column("settings", sa.JSON()))
    with op.batch_alter_table("notifications") as batch:
        batch.add_column(sa.Column("number", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("failure", sa.String(length=16)))
        batch.drop_constraint("uq_notifications_alert_id_channel_id_event", type_="unique")
        batch.create_unique_constraint(
            "uq_notifications_alert_id_channel_id_event_number",
            ["alert_id", "channel_id", "event", "number"],
        )
    op.create_table(
        "attempts",
        sa.Column("id", identity, nullable=False),
        sa.Column("notification_id", sa.String(length=36), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name="fk_attempts_notification_id_notifications",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_notification_id", "attempts", ["notification_id"])


def downgrade() -> None:
    """Remove them; events that happened more than once keep their first."""
    op.drop_table("attempts")
    op.execute("DELETE FROM notifications WHERE number > 0")
    with op.batch_alter_table("notifications") as batch:
        batch.drop_constraint("uq_notifications_alert_id_channel_id_event_number", type_="unique")
        batch.create_unique_constraint(
            "uq_notifications_alert_id_channel_id_event", ["alert_id", "channel_id", "event"]
        )
        batch.drop_column("failure")
        batch.drop_column("number")
    op.drop_column("channels", "settings")
    op.drop_column("channels", "events")

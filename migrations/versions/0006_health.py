"""Health of cameras, and heartbeats of processes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "camera_health",
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("since_at", moment, nullable=False),
        sa.Column("checked_at", moment, nullable=False),
        sa.Column("good_count", sa.Integer(), nullable=False),
        sa.Column("lag_s", sa.Double(), nullable=False),
        sa.Column("waiting_count", sa.BigInteger(), nullable=False),
        sa.Column("last_frame_at", moment),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_camera_health_camera_id_cameras"
        ),
        sa.PrimaryKeyConstraint("camera_id", name="pk_camera_health"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("beat_at", moment, nullable=False),
        sa.Column("turned_at", moment, nullable=False),
        sa.Column("done_count", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("process", "host", "slot", name="pk_heartbeats"),
    )


def downgrade() -> None:
    """Remove the tables."""
    op.drop_table("heartbeats")
    op.drop_table("camera_health")

"""Reviews of inspections, the calendar of shifts, and how cameras have been doing."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

NOT_INSPECTED = sa.text("outcome <> 'inspected'")


def upgrade() -> None:
    """Make tables and indexes."""
    _make_reviews()
    op.create_table(
        "shift_calendars",
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("shifts", sa.JSON(), nullable=False),
        sa.Column("holidays", sa.JSON(), nullable=False),
        sa.Column("set_at", moment, nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_shift_calendars"),
    )
    op.create_table(
        "camera_states",
        sa.Column("camera_id", identity, nullable=False, autoincrement=False),
        sa.Column("since_at", moment, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_camera_states_camera_id_cameras"
        ),
        sa.PrimaryKeyConstraint("camera_id", "since_at", name="pk_camera_states"),
    )
    op.execute(
        "INSERT INTO camera_states (camera_id, since_at, state)"
        " SELECT camera_id, since_at, state FROM camera_health"
    )
    op.create_index(
        "ix_ledger_not_inspected",
        "ledger",
        ["line_id", "captured_at"],
        sqlite_where=NOT_INSPECTED,
        postgresql_where=NOT_INSPECTED,
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_index("ix_ledger_not_inspected", "ledger")
    for table in ("camera_states", "shift_calendars", "reviews"):
        op.drop_table(table)


def _make_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", identity, nullable=False),
        sa.Column("ledger_id", identity, nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("camera_id", identity, nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("threshold_id", identity),
        sa.Column("decision", sa.String(length=8), nullable=False),
        sa.Column("reviewed_at", moment, nullable=False),
        sa.Column("reviewed_by", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_reviews_line_id_lines"),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_reviews_camera_id_cameras"),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["thresholds.id"], name="fk_reviews_threshold_id_thresholds"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_ledger_id_id", "reviews", ["ledger_id", "id"])
    op.create_index("ix_reviews_line_id_captured_at", "reviews", ["line_id", "captured_at"])

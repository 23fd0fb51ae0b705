"""What cameras see, as somebody accepted it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "view_acceptances",
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_view_acceptances_camera_id_cameras"
        ),
        sa.PrimaryKeyConstraint("camera_id", name="pk_view_acceptances"),
    )


def downgrade() -> None:
    """Remove the table."""
    op.drop_table("view_acceptances")

"""References: what normal looks like for each product and station, and lines that learn it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables and the column."""
    op.add_column(
        "lines", sa.Column("learn_count", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_table(
        "reference_files",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_reference_files"),
    )
    op.create_table(
        "line_references",
        sa.Column("id", identity, nullable=False),
        sa.Column("station_id", identity, nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("checkpoint_hash", sa.String(length=64), nullable=False),
        sa.Column("images_count", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("is_in_force", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.id"], name="fk_line_references_station_id_stations"
        ),
        sa.ForeignKeyConstraint(
            ["sha256"], ["reference_files.sha256"], name="fk_line_references_sha256_reference_files"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_line_references"),
        sa.UniqueConstraint(
            "station_id",
            "product",
            "version",
            name="uq_line_references_station_id_product_version",
        ),
    )
    op.create_index(
        "uq_line_references_in_force",
        "line_references",
        ["station_id", "product"],
        unique=True,
        sqlite_where=sa.text("is_in_force"),
        postgresql_where=sa.text("is_in_force"),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("line_references")
    op.drop_table("reference_files")
    with op.batch_alter_table("lines") as lines:
        lines.drop_column("learn_count")

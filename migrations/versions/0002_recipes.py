"""Recipes of lines, in place of the words of a product, which nothing ever wrote or read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "recipes",
        sa.Column("id", identity, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("defects", sa.JSON(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_recipes_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_recipes"),
        sa.UniqueConstraint(
            "line_id", "product", "version", name="uq_recipes_line_id_product_version"
        ),
    )
    with op.batch_alter_table("products") as products:
        products.drop_column("words")


def downgrade() -> None:
    """Remove the table."""
    with op.batch_alter_table("products") as products:
        products.add_column(sa.Column("words", sa.JSON()))
    op.drop_table("recipes")

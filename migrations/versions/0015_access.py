"""Users, keys, sessions of browsers, and one-time links."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "users",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text()),
        sa.Column("temporary_until_at", moment),
        sa.Column("disabled_at", moment),
        sa.Column("issuer", sa.Text()),
        sa.Column("subject", sa.Text()),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("last_signed_in_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sa.UniqueConstraint("issuer", "subject", name="uq_users_issuer_subject"),
    )
    op.create_table(
        "keys",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("prefix", sa.String(length=24), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("cameras", sa.JSON()),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", moment),
        sa.Column("last_used_at", moment),
        sa.Column("revoked_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    is_live = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_keys_live_name",
        "keys",
        ["name"],
        unique=True,
        sqlite_where=is_live,
        postgresql_where=is_live,
    )
    _make_owned(
        "sessions",
        sa.Column("begun_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    _make_owned(
        "links",
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("used_at", moment),
    )


def downgrade() -> None:
    """Remove them."""
    for table in ("links", "sessions", "keys", "users"):
        op.drop_table(table)


def _make_owned(table: str, *columns: sa.Column[object]) -> None:
    """Make a table of what belongs to either a user or a key."""
    op.create_table(
        table,
        sa.Column("id", identity, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_id", identity),
        sa.Column("key_id", identity),
        *columns,
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=f"fk_{table}_user_id_users", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["keys.id"], name=f"fk_{table}_key_id_keys", ondelete="CASCADE"
        ),
        sa.CheckConstraint("(user_id IS NULL) <> (key_id IS NULL)", name=f"ck_{table}_owner"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.UniqueConstraint("digest", name=f"uq_{table}_digest"),
    )
    op.create_index(f"ix_{table}_user_id", table, ["user_id"])
    op.create_index(f"ix_{table}_key_id", table, ["key_id"])

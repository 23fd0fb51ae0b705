"""What is kept of frames: in which order it goes, why it is gone, and how much there is."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

#: What is there already goes in the same order: OK, pending, then NG and uninspected.
CLASSES = """
UPDATE ledger SET keep_class = (
    SELECT CASE verdict WHEN 'OK' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END
    FROM inspections WHERE ledger_id = ledger.id
) WHERE outcome = 'inspected'
"""
UNINSPECTED = """
UPDATE ledger SET keep_class = 2 WHERE keep_class IS NULL AND picture_sha256 IS NOT NULL
"""
COUNTERS = """
INSERT INTO evidence (camera_id, keep_class, picture_count, picture_bytes, map_count, map_bytes,
                      added_bytes)
SELECT camera_id, keep_class, count(picture_sha256), coalesce(sum(picture_size_bytes), 0),
       count(maps.ledger_id), coalesce(sum(taps * rows * columns * 2), 0),
       coalesce(sum(picture_size_bytes), 0) + coalesce(sum(taps * rows * columns * 2), 0)
FROM ledger LEFT JOIN maps ON maps.ledger_id = ledger.id
WHERE keep_class IS NOT NULL GROUP BY camera_id, keep_class
"""


def upgrade() -> None:
    """Make columns and tables, and fill them from what is kept."""
    op.add_column("ledger", sa.Column("keep_class", sa.Integer()))
    op.add_column("ledger", sa.Column("picture_gone", sa.String(length=16)))
    op.add_column("ledger", sa.Column("map_gone", sa.String(length=16)))
    _make_tables()
    op.execute(CLASSES)
    op.execute(UNINSPECTED)
    op.execute(COUNTERS)
    _make_index("ix_ledger_keep_class_id", ["keep_class", "id"], where="keep_class IS NOT NULL")
    _make_index("ix_ledger_picture_sha256", ["picture_sha256"], where="picture_sha256 IS NOT NULL")


def downgrade() -> None:
    """Remove them; why something is gone is forgotten."""
    for table in ("picture_removals", "evidence_history", "evidence_gone", "evidence"):
        op.drop_table(table)
    op.drop_index("ix_ledger_picture_sha256", "ledger")
    op.drop_index("ix_ledger_keep_class_id", "ledger")
    for column in ("map_gone", "picture_gone", "keep_class"):
        op.drop_column("ledger", column)


def _make_index(name: str, columns: list[str], *, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, "ledger", columns, sqlite_where=condition, postgresql_where=condition)


def _make_tables() -> None:
    _make_counters(
        "evidence",
        sa.Column("keep_class", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("added_bytes", sa.BigInteger(), nullable=False),
        key="keep_class",
    )
    _make_counters(
        "evidence_gone", sa.Column("gone", sa.String(length=16), nullable=False), key="gone"
    )
    op.create_table(
        "evidence_history",
        sa.Column("hour", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.Column("added_bytes", sa.JSON(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", name="pk_evidence_history"),
    )
    op.create_table(
        "picture_removals",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "media_type", name="pk_picture_removals"),
    )
    op.create_index("ix_picture_removals_due_at", "picture_removals", ["due_at"])


def _make_counters(table: str, *columns: "sa.Column[int] | sa.Column[str]", key: str) -> None:
    counters = ("picture_count", "picture_bytes", "map_count", "map_bytes")
    op.create_table(
        table,
        sa.Column("camera_id", identity, autoincrement=False, nullable=False),
        *columns,
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counters),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=f"fk_{table}_camera_id_cameras"
        ),
        sa.PrimaryKeyConstraint("camera_id", key, name=f"pk_{table}"),
    )

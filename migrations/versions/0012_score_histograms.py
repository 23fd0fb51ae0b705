"""Score histograms, and beside each inspection what the history selects and sorts by."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SOURCES = """
INSERT INTO score_sources
    (key, line_id, station_id, camera_id, product, checkpoint_hash, reference_hash)
SELECT DISTINCT
    i.line_id || '/' || l.station_id || '/' || i.camera_id || '/' || i.checkpoint_hash || '/' ||
    coalesce(i.reference_hash, '') || '/' || coalesce(i.product, ''),
    i.line_id, l.station_id, i.camera_id, i.product, i.checkpoint_hash, i.reference_hash
FROM inspections i JOIN ledger l ON l.id = i.ledger_id
"""
COPY = """
UPDATE inspections SET
    station_id = (SELECT station_id FROM ledger WHERE id = ledger_id),
    part_serial = (SELECT part_serial FROM ledger WHERE id = ledger_id),
    lot = (SELECT lot FROM ledger WHERE id = ledger_id),
    distance = abs(score - threshold_value)
"""
OF_SOURCE = """
UPDATE inspections SET source_id = (
    SELECT id FROM score_sources WHERE key =
    inspections.line_id || '/' || inspections.station_id || '/' || inspections.camera_id || '/' ||
    inspections.checkpoint_hash || '/' || coalesce(inspections.reference_hash, '') || '/' ||
    coalesce(inspections.product, '')
)
"""
COUNT = """
INSERT INTO {table} (source_id, {period}, verdict, bin, row_count)
SELECT source_id, {time}, verdict, {bin}, count(*) FROM inspections GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    """Add the columns and tables, and fill them."""
    for name, kind in (
        ("station_id", identity),
        ("part_serial", sa.Text()),
        ("lot", sa.Text()),
        ("source_id", identity),
        ("distance", sa.Double()),
        ("review", sa.String(length=8)),
    ):
        op.add_column("inspections", sa.Column(name, kind))
    _make_tables()
    op.execute(SOURCES)
    op.execute(COPY)
    op.execute(OF_SOURCE)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    floor = "floor(score * 1000)"
    bin_ = f"min(max({floor}, -1), 1000)" if is_sqlite else f"least(greatest({floor}, -1), 1000)"
    for table, period, seconds in (
        ("hourly_scores", "hour", 3600),
        ("daily_scores", "day", 86400),
    ):
        # A clock without its battery may have said 1969: numbers before 1970 are negative.
        time = "strftime('%s', captured_at)" if is_sqlite else "extract(epoch FROM captured_at)"
        period_of = f"CAST(floor({time} / {seconds}.0) AS INTEGER)"
        bin_of = f"CAST({bin_} AS INTEGER)"
        op.execute(COUNT.format(table=table, period=period, time=period_of, bin=bin_of))


def downgrade() -> None:
    """Remove them."""
    for table in ("daily_scores", "hourly_scores", "score_sources"):
        op.drop_table(table)
    for column in ("review", "distance", "source_id", "lot", "part_serial", "station_id"):
        op.drop_column("inspections", column)


def _make_tables() -> None:
    op.create_table(
        "score_sources",
        sa.Column("id", identity, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("station_id", identity, nullable=False),
        sa.Column("camera_id", identity, nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("checkpoint_hash", sa.String(length=64), nullable=False),
        sa.Column("reference_hash", sa.String(length=64)),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_score_sources_line_id_lines"),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.id"], name="fk_score_sources_station_id_stations"
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_score_sources_camera_id_cameras"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_score_sources"),
        sa.UniqueConstraint("key", name="uq_score_sources_key"),
    )
    op.create_index("ix_score_sources_line_id", "score_sources", ["line_id"])
    op.create_index("ix_score_sources_camera_id", "score_sources", ["camera_id"])
    for table, period in (("hourly_scores", "hour"), ("daily_scores", "day")):
        op.create_table(
            table,
            sa.Column("source_id", identity, nullable=False, autoincrement=False),
            sa.Column(period, sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("verdict", sa.String(length=16), nullable=False),
            sa.Column("bin", sa.Integer(), nullable=False, autoincrement=False),
            sa.Column("row_count", sa.BigInteger(), nullable=False),
            sa.ForeignKeyConstraint(
                ["source_id"], ["score_sources.id"], name=f"fk_{table}_source_id_score_sources"
            ),
            sa.PrimaryKeyConstraint("source_id", period, "verdict", "bin", name=f"pk_{table}"),
        )

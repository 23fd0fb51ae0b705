"""When thresholds come into force, when frames were judged, and histograms by what decided."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

KEY = """
{row}.line_id || '/' || {row}.station_id || '/' || {row}.camera_id || '/' {threshold}||
{row}.checkpoint_hash || '/' || coalesce({row}.reference_hash, '') || '/' ||
coalesce({row}.product, '')
"""
OF_THRESHOLD = "|| coalesce(CAST({row}.threshold_id AS TEXT), '') || '/' "
#: What a pending frame was hidden by nobody noted: as if nothing had covered it.
SOURCES = """
INSERT INTO score_sources
    (key, line_id, station_id, camera_id, product, checkpoint_hash, reference_hash{column})
SELECT DISTINCT {key}, line_id, station_id, camera_id, product, checkpoint_hash,
    reference_hash{column}
FROM inspections AS one WHERE source_id IS NOT NULL
"""
OF_SOURCE = """
UPDATE inspections SET source_id = (SELECT id FROM score_sources WHERE key = {key})
WHERE source_id IS NOT NULL
"""
COUNT = """
INSERT INTO {table} (source_id, {period}, verdict, bin, row_count)
SELECT source_id, {time}, verdict, {bin}, count(*) FROM inspections
WHERE source_id IS NOT NULL GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    """Add the columns; count scores anew by the threshold that decided."""
    op.add_column("thresholds", sa.Column("effective_at", moment))
    op.execute("UPDATE thresholds SET effective_at = set_at")
    with op.batch_alter_table("thresholds") as table:
        table.alter_column("effective_at", existing_type=moment, nullable=False)
    op.add_column("inspections", sa.Column("judged_at", moment))
    with op.batch_alter_table("score_sources") as table:
        table.add_column(sa.Column("threshold_id", identity))
        table.create_foreign_key(
            "fk_score_sources_threshold_id_thresholds", "thresholds", ["threshold_id"], ["id"]
        )
    _count_anew(has_threshold=True)


def downgrade() -> None:
    """Remove them."""
    _count_anew(has_threshold=False)
    with op.batch_alter_table("score_sources") as table:
        table.drop_constraint("fk_score_sources_threshold_id_thresholds", type_="foreignkey")
        table.drop_column("threshold_id")
    op.drop_column("inspections", "judged_at")
    op.drop_column("thresholds", "effective_at")


def _count_anew(*, has_threshold: bool) -> None:
    for table in ("daily_scores", "hourly_scores", "score_sources"):
        op.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours

    def key(row: str) -> str:
        of_threshold = OF_THRESHOLD.format(row=row) if has_threshold else ""
        return KEY.format(row=row, threshold=of_threshold)

    column = ", threshold_id" if has_threshold else ""
    op.execute(SOURCES.format(key=key("one"), column=column))
    op.execute(OF_SOURCE.format(key=key("inspections")))
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    floor = "floor(score * 1000)"
    bin_ = f"min(max({floor}, -1), 1000)" if is_sqlite else f"least(greatest({floor}, -1), 1000)"
    # A clock without its battery may have said 1969: numbers before 1970 are negative.
    time = "strftime('%s', captured_at)" if is_sqlite else "extract(epoch FROM captured_at)"
    for table, period, seconds in (
        ("hourly_scores", "hour", 3600),
        ("daily_scores", "day", 86400),
    ):
        period_of = f"CAST(floor({time} / {seconds}.0) AS INTEGER)"
        bin_of = f"CAST({bin_} AS INTEGER)"
        op.execute(COUNT.format(table=table, period=period, time=period_of, bin=bin_of))

"""Partition the rows of frames by the time of exposure, and refer to them by no foreign key."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True)

TABLES = ("ledger", "inspections", "maps")
#: Column that numbers the rows, by table.
NUMBERS = {"ledger": "id", "inspections": "ledger_id", "maps": "ledger_id"}
#: Tables that refer to the ledger, with what happened to them when its rows went.
REFERRING = {
    "inspections": "CASCADE",
    "maps": "CASCADE",
    "alert_frames": "CASCADE",
    "alert_outbox": "CASCADE",
    "dead_letters": "SET NULL",
}
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
WEEK = timedelta(days=7)

COPY = "INSERT INTO {table} ({columns}) SELECT {columns} FROM {before}"
FILL = "UPDATE maps SET captured_at = (SELECT captured_at FROM ledger WHERE id = ledger_id)"


def upgrade() -> None:
    """Convert the tables with their rows."""
    op.add_column("maps", sa.Column("captured_at", moment))
    op.execute(FILL)
    if op.get_bind().dialect.name == "sqlite":
        for table in REFERRING:
            with op.batch_alter_table(table) as batch:
                batch.drop_constraint(f"fk_{table}_ledger_id_ledger", type_="foreignkey")
                _require(batch, table)
        again = {"sqlite_autoincrement": True}
        with op.batch_alter_table("ledger", recreate="always", table_kwargs=again):
            pass
        return
    for table in REFERRING:
        op.drop_constraint(f"fk_{table}_ledger_id_ledger", table, type_="foreignkey")
    for table in ("inspections", "maps"):
        with op.batch_alter_table(table) as batch:
            _require(batch, table)
    # Numbers of half precision cannot be pressed together: trying costs time for nothing.
    op.execute("ALTER TABLE maps ALTER data SET STORAGE EXTERNAL")
    weeks = _weeks()
    for table in TABLES:
        _convert(table, "PARTITION BY RANGE (captured_at)", weeks, key="{}, captured_at")


def downgrade() -> None:
    """Put the rows into plain tables again."""
    if op.get_bind().dialect.name == "sqlite":
        for table, action in REFERRING.items():
            with op.batch_alter_table(table) as batch:
                batch.create_foreign_key(
                    f"fk_{table}_ledger_id_ledger", "ledger", ["ledger_id"], ["id"], ondelete=action
                )
    else:
        for table in TABLES:
            _convert(table, "", [], key="{}")
        for table, action in REFERRING.items():
            name = f"fk_{table}_ledger_id_ledger"
            op.create_foreign_key(name, table, "ledger", ["ledger_id"], ["id"], ondelete=action)
    with op.batch_alter_table("maps") as batch:
        batch.drop_column("captured_at")
    with op.batch_alter_table("inspections") as batch:
        batch.alter_column("station_id", nullable=True)
        batch.alter_column("source_id", nullable=True)


def _require(batch: "op.BatchOperations", table: str) -> None:
    if table == "inspections":
        batch.alter_column("station_id", nullable=False)
        batch.alter_column("source_id", nullable=False)
    if table == "maps":
        batch.alter_column("captured_at", nullable=False)


def _weeks() -> list[datetime]:
    days = op.get_bind().execute(
        sa.text("SELECT DISTINCT date_trunc('week', captured_at AT TIME ZONE 'UTC') FROM ledger")
    )
    return sorted(day.replace(tzinfo=UTC) for (day,) in days)


def _convert(table: str, partitioning: str, weeks: list[datetime], *, key: str) -> None:
    """Make a table anew with everything it had, but for its primary key."""
    inspector = sa.inspect(op.get_bind())
    constraints = _definitions(table)
    columns = ", ".join(column["name"] for column in inspector.get_columns(table))
    before = f"{table}_before"
    op.execute(f"ALTER TABLE {table} RENAME TO {before}")
    for name, _ in constraints:
        op.execute(f"ALTER TABLE {before} DROP CONSTRAINT {name}")
    indexes = list(
        op.get_bind().execute(
            sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = :table"),
            {"table": before},
        )
    )
    for name, _ in indexes:
        op.execute(f"DROP INDEX {name}")
    op.execute(
        f"CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS INCLUDING STORAGE) {partitioning}"
    )
    _make_weeks(table, weeks)
    op.execute(COPY.format(table=table, columns=columns, before=before))
    if table == "ledger":
        op.execute("ALTER SEQUENCE ledger_id_seq OWNED BY ledger.id")
    op.execute(f"DROP TABLE {before}")
    for name, definition in constraints:
        primary = f"PRIMARY KEY ({key.format(NUMBERS[table])})"
        wanted = primary if name == f"pk_{table}" else definition
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {wanted}")
    for _, definition in indexes:
        op.execute(definition.replace(before, table))


def _make_weeks(table: str, weeks: list[datetime]) -> None:
    for week in weeks:
        op.execute(
            f"CREATE TABLE {table}_{week:%Y%m%d} PARTITION OF {table}"
            f" FOR VALUES FROM ('{week.isoformat()}') TO ('{(week + WEEK).isoformat()}')"
        )
        if table == "maps":
            op.execute(f"ALTER TABLE maps_{week:%Y%m%d} SET (toast_tuple_target = 8160)")


def _definitions(table: str) -> list[tuple[str, str]]:
    """Return the constraints of a table, the primary key first."""
    statement = sa.text(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = to_regclass(:table) AND conparentid = 0 ORDER BY contype = 'p' DESC"
    )
    return [(name, text) for name, text in op.get_bind().execute(statement, {"table": table})]

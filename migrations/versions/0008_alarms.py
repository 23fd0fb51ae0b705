"""Rules as rows, alerts that are told, acknowledged and resolved, shelves and pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

#: What the program gave every rule when this was written.
TIMES = {"on_delay_s": 0.0, "off_delay_s": 60.0, "repeat_s": 900.0, "escalate_after_s": None}
KINDS = ("ng", "uninspected", "drift", "camera", "backlog")

lines = sa.table(
    "lines",
    sa.column("id", sa.Integer),
    sa.column("rule_k", sa.Integer),
    sa.column("rule_n", sa.Integer),
    sa.column("rule_group_s", sa.Double),
    sa.column("is_paused", sa.Boolean),
)
rules = sa.table(
    "rules",
    sa.column("id", sa.Integer),
    sa.column("line_id", sa.Integer),
    sa.column("name", sa.String),
    sa.column("kind", sa.String),
    sa.column("settings", sa.JSON),
    sa.column("is_enabled", sa.Boolean),
)
shelves = sa.table(
    "shelves",
    sa.column("line_id", sa.Integer),
    sa.column("is_pause", sa.Boolean),
    sa.column("begun_at", moment),
    sa.column("begun_by", sa.Text),
    sa.column("reason", sa.Text),
    sa.column("ended_at", moment),
)


def upgrade() -> None:
    """Make the tables; a line's rule becomes a row, its alerts name it, a pause a row as well."""
    _make_tables()
    connection = op.get_bind()
    for line in connection.execute(sa.select(lines)).all():
        rows = [_rule(line, kind) for kind in KINDS]
        connection.execute(sa.insert(rules), rows)
        if line.is_paused:
            pause = {"line_id": line.id, "is_pause": True, "begun_by": "inspection db upgrade"}
            connection.execute(
                sa.insert(shelves).values(
                    begun_at=sa.func.current_timestamp(), reason="paused before", **pause
                )
            )
    _change_alerts()
    with op.batch_alter_table("lines") as batch:
        for name in ("rule_k", "rule_n", "rule_group_s", "is_paused"):
            batch.drop_column(name)


def downgrade() -> None:
    """Give each line the rule called `ng` back; what has no place there is lost."""
    with op.batch_alter_table("lines") as batch:
        batch.add_column(sa.Column("rule_k", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(sa.Column("rule_n", sa.Integer(), nullable=False, server_default="1"))
        batch.add_column(
            sa.Column("rule_group_s", sa.Double(), nullable=False, server_default="60")
        )
        batch.add_column(
            sa.Column("is_paused", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    connection = op.get_bind()
    for row in connection.execute(sa.select(rules).where(rules.c.name == "ng")).all():
        values = {"rule_k": row.settings["k"], "rule_n": row.settings["n"]}
        connection.execute(
            sa.update(lines)
            .where(lines.c.id == row.line_id)
            .values(rule_group_s=row.settings["off_delay_s"], **values)
        )
    paused = sa.select(shelves.c.line_id).where(shelves.c.is_pause, shelves.c.ended_at.is_(None))
    connection.execute(sa.update(lines).where(lines.c.id.in_(paused)).values(is_paused=True))
    op.drop_table("shelves")
    op.drop_table("armings")
    op.execute("DELETE FROM alerts WHERE kind NOT IN ('ng', 'uninspected', 'drift')")
    op.execute(
        "DELETE FROM alerts WHERE resolved_at IS NULL AND id NOT IN"
        " (SELECT min(id) FROM alerts WHERE resolved_at IS NULL GROUP BY line_id, kind)"
    )
    _change_alerts_back()
    op.drop_table("rules")


def _make_tables() -> None:
    op.create_table(
        "rules",
        sa.Column("id", identity, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_rules_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
        sa.UniqueConstraint("line_id", "name", name="uq_rules_line_id_name"),
    )
    op.create_table(
        "armings",
        sa.Column("rule_id", identity, autoincrement=False, nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("since_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name="fk_armings_rule_id_rules"),
        sa.PrimaryKeyConstraint("rule_id", "subject", name="pk_armings"),
    )
    op.create_table(
        "shelves",
        sa.Column("id", identity, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("rule_id", identity),
        sa.Column("alert_id", identity),
        sa.Column("is_pause", sa.Boolean(), nullable=False),
        sa.Column("begun_at", moment, nullable=False),
        sa.Column("begun_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until_at", moment),
        sa.Column("ended_at", moment),
        sa.Column("ended_by", sa.Text()),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_shelves_line_id_lines"),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name="fk_shelves_rule_id_rules"),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name="fk_shelves_alert_id_alerts", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_shelves"),
    )
    where = sa.text("ended_at IS NULL")
    op.create_index(
        "ix_shelves_line_id", "shelves", ["line_id"], sqlite_where=where, postgresql_where=where
    )


def _rule(line: sa.Row, kind: str) -> dict:
    settings = dict(TIMES)
    if kind in ("ng", "uninspected", "drift"):
        settings["off_delay_s"] = line.rule_group_s
    own = {
        "ng": {"k": line.rule_k, "n": line.rule_n},
        "camera": {"on_delay_s": 30.0},
        "backlog": {"limit_s": 30.0},
    }
    row = {"line_id": line.id, "name": kind, "kind": kind, "is_enabled": True}
    return row | {"settings": settings | own.get(kind, {})}


def _change_alerts() -> None:
    with op.batch_alter_table("alerts") as batch:
        batch.drop_index("uq_alerts_unresolved")
        batch.alter_column("touched_at", new_column_name="calm_since_at", existing_type=moment)
        batch.add_column(sa.Column("rule_id", identity))
        batch.add_column(
            sa.Column("subject", sa.String(length=64), nullable=False, server_default="")
        )
        for name in ("opened_count", "told_count", "repeat_count"):
            batch.add_column(sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        for name in ("told_at", "retold_at", "escalated_at"):
            batch.add_column(sa.Column(name, moment))
        for name in ("acknowledged_note", "resolved_note"):
            batch.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        batch.add_column(
            sa.Column("is_dismissed", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column("resolved_by", sa.Text()))
    op.execute(
        "UPDATE alerts SET opened_count = frame_count, told_count = frame_count,"
        " told_at = opened_at, retold_at = opened_at, rule_id = (SELECT rules.id FROM rules"
        " WHERE rules.line_id = alerts.line_id AND rules.kind = alerts.kind)"
    )
    with op.batch_alter_table("alerts") as batch:
        batch.alter_column("rule_id", existing_type=identity, nullable=False)
        batch.alter_column("calm_since_at", existing_type=moment, nullable=True)
        batch.alter_column("frame_id", nullable=True, existing_type=sa.Text())
        batch.create_foreign_key("fk_alerts_rule_id_rules", "rules", ["rule_id"], ["id"])
        for name in ("subject", "opened_count", "told_count", "repeat_count"):
            batch.alter_column(name, server_default=None)
        for name in ("acknowledged_note", "resolved_note", "is_dismissed"):
            batch.alter_column(name, server_default=None)
    _make_unique("rule_id", "subject")


def _change_alerts_back() -> None:
    op.drop_index("uq_alerts_unresolved", "alerts")
    op.execute("UPDATE alerts SET frame_id = '/0' WHERE frame_id IS NULL")
    op.execute("UPDATE alerts SET calm_since_at = last_at WHERE calm_since_at IS NULL")
    with op.batch_alter_table("alerts") as batch:
        batch.alter_column(
            "calm_since_at", new_column_name="touched_at", nullable=False, existing_type=moment
        )
        batch.alter_column("frame_id", nullable=False, existing_type=sa.Text())
        batch.drop_constraint("fk_alerts_rule_id_rules", type_="foreignkey")
        for name in ("rule_id", "subject", "opened_count", "told_at", "retold_at", "told_count"):
            batch.drop_column(name)
        for name in ("repeat_count", "escalated_at", "acknowledged_note", "is_dismissed"):
            batch.drop_column(name)
        for name in ("resolved_by", "resolved_note"):
            batch.drop_column(name)
    _make_unique("line_id", "kind")


def _make_unique(*columns: str) -> None:
    where = sa.text("resolved_at IS NULL")
    op.create_index(
        "uq_alerts_unresolved",
        "alerts",
        list(columns),
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )

"""Lines, thresholds, ledger, inspections, maps, alerts, channels and audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: SQLite counts up by itself only for a column declared INTEGER.
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit",
        sa.Column("id", identity, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("thing", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_thing_name", "audit", ["thing", "name"])
    op.create_table(
        "channels",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("secret", sa.Text()),
        sa.Column("lines", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
        sa.UniqueConstraint("name", name="uq_channels_name"),
    )
    op.create_table(
        "lines",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("rule_k", sa.Integer(), nullable=False),
        sa.Column("rule_n", sa.Integer(), nullable=False),
        sa.Column("rule_group_s", sa.Double(), nullable=False),
        sa.Column("pictures", sa.String(length=32), nullable=False),
        sa.Column("sample_rate", sa.Double(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_lines"),
        sa.UniqueConstraint("name", name="uq_lines_name"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", identity, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("opened_at", moment, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("touched_at", moment, nullable=False),
        sa.Column("frame_count", sa.Integer(), nullable=False),
        sa.Column("frame_id", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", moment),
        sa.Column("acknowledged_by", sa.Text()),
        sa.Column("resolved_at", moment),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_alerts_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_opened_at", "alerts", ["opened_at"])
    op.create_index(
        "uq_alerts_unresolved",
        "alerts",
        ["line_id", "kind"],
        unique=True,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
    op.create_table(
        "products",
        sa.Column("id", identity, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("words", sa.JSON()),
        sa.Column("line_id", identity),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_products_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("name", name="uq_products_name"),
    )
    op.create_table(
        "stations",
        sa.Column("id", identity, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_stations_line_id_lines"),
        sa.PrimaryKeyConstraint("id", name="pk_stations"),
        sa.UniqueConstraint("line_id", "name", name="uq_stations_line_id_name"),
    )
    op.create_table(
        "cameras",
        sa.Column("id", identity, nullable=False),
        sa.Column("station_id", identity, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("encoding", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("rate_hz", sa.Double()),
        sa.Column("frames", sa.BigInteger()),
        sa.Column("overflow", sa.String(length=16), nullable=False),
        sa.Column("backlog_limit", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.id"], name="fk_cameras_station_id_stations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_cameras"),
        sa.UniqueConstraint("name", name="uq_cameras_name"),
    )
    op.create_index("ix_cameras_station_id", "cameras", ["station_id"])
    op.create_table(
        "notifications",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("alert_id", identity, nullable=False),
        sa.Column("channel_id", identity, nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt_count", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", moment),
        sa.Column("delivered_at", moment),
        sa.Column("error", sa.Text()),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name="fk_notifications_alert_id_alerts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["channels.id"],
            name="fk_notifications_channel_id_channels",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint(
            "alert_id", "channel_id", "event", name="uq_notifications_alert_id_channel_id_event"
        ),
    )
    op.create_index(
        "ix_notifications_state_next_attempt_at", "notifications", ["state", "next_attempt_at"]
    )
    op.create_table(
        "ledger",
        sa.Column("id", identity, nullable=False),
        sa.Column("camera_id", identity, nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.Column("sequence_number", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32)),
        sa.Column("detail", sa.Text()),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("station_id", identity, nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("part_serial", sa.Text()),
        sa.Column("lot", sa.Text()),
        sa.Column("trigger_id", sa.Text()),
        sa.Column("picture_sha256", sa.String(length=64)),
        sa.Column("picture_media_type", sa.String(length=64)),
        sa.Column("picture_size_bytes", sa.BigInteger()),
        sa.Column("recorded_at", moment, nullable=False),
        sa.CheckConstraint(
            "outcome IN ('inspected', 'uninspected', 'dropped')", name="ck_ledger_outcome"
        ),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_ledger_camera_id_cameras"),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_ledger_line_id_lines"),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.id"], name="fk_ledger_station_id_stations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_ledger"),
        sa.UniqueConstraint(
            "camera_id",
            "captured_at",
            "sequence_number",
            name="uq_ledger_camera_id_captured_at_sequence_number",
        ),
    )
    op.create_index(
        "ix_ledger_camera_id_sequence_number", "ledger", ["camera_id", "sequence_number"]
    )
    op.create_index(
        "ix_ledger_lot",
        "ledger",
        ["lot"],
        sqlite_where=sa.text("lot IS NOT NULL"),
        postgresql_where=sa.text("lot IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_part_serial",
        "ledger",
        ["part_serial"],
        sqlite_where=sa.text("part_serial IS NOT NULL"),
        postgresql_where=sa.text("part_serial IS NOT NULL"),
    )
    op.create_table(
        "thresholds",
        sa.Column("id", identity, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("station_id", identity),
        sa.Column("camera_id", identity),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("set_at", moment, nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_thresholds_camera_id_cameras"
        ),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_thresholds_line_id_lines"),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.id"], name="fk_thresholds_station_id_stations"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_thresholds"),
        sa.UniqueConstraint("scope", "version", name="uq_thresholds_scope_version"),
    )
    op.create_index("ix_thresholds_line_id", "thresholds", ["line_id"])
    op.create_table(
        "alert_frames",
        sa.Column("alert_id", identity, nullable=False),
        sa.Column("ledger_id", identity, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name="fk_alert_frames_alert_id_alerts", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["ledger_id"],
            ["ledger.id"],
            name="fk_alert_frames_ledger_id_ledger",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("alert_id", "ledger_id", name="pk_alert_frames"),
    )
    op.create_index("ix_alert_frames_ledger_id", "alert_frames", ["ledger_id"])
    op.create_table(
        "alert_outbox",
        sa.Column("ledger_id", identity, autoincrement=False, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["ledger_id"],
            ["ledger.id"],
            name="fk_alert_outbox_ledger_id_ledger",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["line_id"], ["lines.id"], name="fk_alert_outbox_line_id_lines"),
        sa.PrimaryKeyConstraint("ledger_id", name="pk_alert_outbox"),
    )
    op.create_table(
        "inspections",
        sa.Column("ledger_id", identity, autoincrement=False, nullable=False),
        sa.Column("captured_at", moment, nullable=False),
        sa.Column("line_id", identity, nullable=False),
        sa.Column("camera_id", identity, nullable=False),
        sa.Column("product", sa.Text()),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("threshold_id", identity),
        sa.Column("threshold_value", sa.Double()),
        sa.Column("checkpoint_hash", sa.String(length=64), nullable=False),
        sa.Column("waited_ms", sa.Double(), nullable=False),
        sa.Column("inference_ms", sa.Double(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.CheckConstraint(
            "verdict = 'pending' AND threshold_value IS NULL"
            " OR verdict = 'NG' AND score > threshold_value"
            " OR verdict = 'OK' AND score <= threshold_value",
            name="ck_inspections_verdict",
        ),
        sa.ForeignKeyConstraint(
            ["ledger_id"], ["ledger.id"], name="fk_inspections_ledger_id_ledger", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["threshold_id"], ["thresholds.id"], name="fk_inspections_threshold_id_thresholds"
        ),
        sa.PrimaryKeyConstraint("ledger_id", name="pk_inspections"),
    )
    op.create_index(
        "ix_inspections_camera_id_captured_at_ledger_id",
        "inspections",
        ["camera_id", "captured_at", "ledger_id"],
    )
    op.create_index(
        "ix_inspections_captured_at_ledger_id", "inspections", ["captured_at", "ledger_id"]
    )
    op.create_index(
        "ix_inspections_line_id_captured_at_ledger_id",
        "inspections",
        ["line_id", "captured_at", "ledger_id"],
    )
    op.create_index(
        "ix_inspections_ng",
        "inspections",
        ["captured_at", "ledger_id"],
        sqlite_where=sa.text("verdict = 'NG'"),
        postgresql_where=sa.text("verdict = 'NG'"),
    )
    op.create_table(
        "maps",
        sa.Column("ledger_id", identity, autoincrement=False, nullable=False),
        sa.Column("taps", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ledger_id"], ["ledger.id"], name="fk_maps_ledger_id_ledger", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ledger_id", name="pk_maps"),
    )


def downgrade() -> None:
    """Remove the tables, the ones that refer to others first."""
    for table in (
        "maps",
        "inspections",
        "alert_outbox",
        "alert_frames",
        "thresholds",
        "ledger",
        "notifications",
        "cameras",
        "stations",
        "products",
        "alerts",
        "lines",
        "channels",
        "audit",
    ):
        op.drop_table(table)

"""The tables of health: what is known of cameras and their views, and heartbeats of processes."""

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Integer, String, Table, Text

from inspection.store.columns import Id, Moment, metadata

camera_health = Table(
    "camera_health",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    #: A value of `inspection.domain.health.HealthState`.
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since_at", Moment, nullable=False),
    Column("checked_at", Moment, nullable=False),
    #: Good looks in a row since the last bad one.
    Column("good_count", Integer, nullable=False),
    Column("lag_s", Double, nullable=False),
    Column("waiting_count", BigInteger, nullable=False),
    Column("last_frame_at", Moment),
)

#: Every change of it: from then on until the next one of the camera it was so.
camera_states = Table(
    "camera_states",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    Column("since_at", Moment, primary_key=True),
    #: A value of `inspection.domain.health.HealthState`.
    Column("state", String(16), nullable=False),
)

#: Since when what a camera sees is as it should be, as somebody said: it was moved on purpose.
view_acceptances = Table(
    "view_acceptances",
    metadata,
    Column("camera_id", Id, ForeignKey("cameras.id"), primary_key=True, autoincrement=False),
    Column("accepted_at", Moment, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    #: Kind of process: capture, inspector, alerter …
    Column("process", String(32), primary_key=True),
    Column("host", String(255), primary_key=True),
    #: Tells processes of one kind on one host apart.
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("beat_at", Moment, nullable=False),
    #: When its loop last came round; a process may beat while its work stands still.
    Column("turned_at", Moment, nullable=False),
    #: What it has done so far.
    Column("done_count", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

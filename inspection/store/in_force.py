"""Thresholds in force at a moment, and that a judgement by them still stands when it is written.

A frame is judged at a moment t of the database's clock by the newest version of each scope whose
`effective_at` is at most t. What makes this hold, however slow anybody is:

1. Who sets a threshold excludes all others who set or record, reads the clock, and lets them go
   with its commit.
2. Who records joins the others who record (`join_others`), and then looks whether the versions in
   force at t are still those it judged by (`stands`). So each version is either committed, and
   seen, or takes its time from the clock after t. If they differ, it judges again.

SQLite has one writer at a time, so that both come by themselves.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, select, text

from inspection.domain.line import Threshold
from inspection.store.clock import database_time
from inspection.store.tables import thresholds as table
from inspection.store.thresholds import LOCK, selected, threshold_of


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The thresholds in force at a moment."""

    #: By the database's clock.
    at: datetime
    #: Of each scope that had a version by then, the newest one, withdrawn ones as well.
    thresholds: tuple[Threshold, ...]


def in_force_now(connection: Connection) -> InForce:
    """Return the thresholds in force at the time of the database."""
    return in_force(connection, database_time(connection))


def in_force(connection: Connection, at: datetime) -> InForce:
    """Return the thresholds in force at a moment of the database's clock."""
    rows = connection.execute(selected().where(table.c.id.in_(_ids(at))).order_by(table.c.scope))
    return InForce(at=at, thresholds=tuple(threshold_of(row) for row in rows))


def join_others(connection: Connection) -> None:
    """Have whoever sets a threshold wait until this transaction ends; first in it."""
    if connection.dialect.name != "sqlite":
        lock = text("SELECT pg_advisory_xact_lock_shared(:number)")
        connection.execute(lock, {"number": LOCK})


def stands(connection: Connection, judged_by: InForce) -> bool:
    """Say whether what was in force at a moment is what a judgement took for it."""
    now_known = set(connection.scalars(_ids(judged_by.at)))
    return now_known == {threshold.threshold_id for threshold in judged_by.thresholds}


def _ids(at: datetime) -> Select[int]:
    newest = (
        select(table.c.scope, func.max(table.c.version).label("version"))
        .where(table.c.effective_at <= at)
        .group_by(table.c.scope)
        .subquery()
        .c
    )
    is_newest = (newest.scope == table.c.scope) & (newest.version == table.c.version)
    return select(table.c.id).join_from(table, newest.scope.table, is_newest)

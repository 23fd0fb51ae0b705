"""What the database says when the storm is over: who is lost, doubled, or was never told."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from inspection.store import tables
from inspection.store.alert_tables import alert_frames, alert_outbox, alerts
from inspection.store.channel_tables import channels, notifications
from inspection.store.database import Database
from tests.chaos.load import WEBHOOK


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the ledger."""

    camera: str
    sequence_number: int
    part_serial: str | None
    captured_at: datetime
    recorded_at: datetime
    outcome: str
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Telling:
    """How alerts and notifications came out."""

    alert_count: int
    #: Frames that call for an alert and belong to none.
    frames_without_alert: int
    #: Ids the receiver must have seen.
    notification_ids: frozenset[str]
    failed_count: int


def rows(url: str) -> list[Row]:
    """Return the whole ledger."""
    ledger, cameras = tables.ledger.c, tables.cameras
    statement = (
        select(cameras.c.name.label("camera"), *(ledger[name] for name in _COLUMNS))
        .join_from(tables.ledger, cameras, cameras.c.id == ledger.camera_id)
        .order_by(ledger.id)
    )
    with closing(Database.open(url)) as database, database.read() as connection:
        return [Row(**row._mapping) for row in connection.execute(statement)]


_COLUMNS = ("sequence_number", "part_serial", "captured_at", "recorded_at", "outcome", "reason")


def row_counts(url: str) -> dict[str, int]:
    """Return the number of rows of each camera."""
    ledger, cameras = tables.ledger.c, tables.cameras
    statement = (
        select(cameras.c.name, func.count().label("row_count"))
        .join_from(tables.ledger, cameras, cameras.c.id == ledger.camera_id)
        .group_by(cameras.c.name)
    )
    with closing(Database.open(url)) as database, database.read() as connection:
        return {row.name: row.row_count for row in connection.execute(statement)}


def lost_and_doubled(found: Sequence[Row], fed: dict[str, int]) -> tuple[list[str], list[str]]:
    """Compare the ledger with the pictures that were put into the folders.

    Returns:
        Frames and pictures that have no row, and those that have more than one.
    """
    numbers = Counter((row.camera, row.sequence_number) for row in found)
    pictures = Counter((row.camera, row.part_serial) for row in found if row.camera in fed)
    highest: dict[str, int] = {}
    for camera, number in numbers:
        highest[camera] = max(number, highest.get(camera, 0))
    lost = [
        f"{camera}/{number}"
        for camera, last in highest.items()
        for number in range(1, last + 1)
        if (camera, number) not in numbers
    ]
    lost += [
        f"{camera}: picture {number}"
        for camera, count in fed.items()
        for number in range(1, count + 1)
        if (camera, f"{number:07}") not in pictures
    ]
    doubled = [f"{who[0]}/{who[1]}" for who, count in numbers.items() if count > 1]
    doubled += [f"{who[0]}: picture {who[1]}" for who, count in pictures.items() if count > 1]
    return lost, doubled


def telling(url: str) -> Telling:
    """Return how alerts and notifications came out."""
    with closing(Database.open(url)) as database, database.read() as connection:
        alarming = or_(
            tables.ledger.c.outcome == "uninspected", tables.inspections.c.verdict == "NG"
        )
        without = connection.scalar(
            select(func.count())
            .select_from(tables.ledger)
            .outerjoin(tables.inspections, tables.inspections.c.ledger_id == tables.ledger.c.id)
            .where(alarming, tables.ledger.c.id.not_in(select(alert_frames.c.ledger_id)))
        )
        waiting = connection.scalar(select(func.count()).select_from(alert_outbox))
        states = _notification_states(connection)
        alert_count = connection.scalar(select(func.count()).select_from(alerts))
    return Telling(
        alert_count=alert_count or 0,
        frames_without_alert=(without or 0) + (waiting or 0),
        notification_ids=frozenset(states),
        failed_count=sum(state == "failed" for state in states.values()),
    )


def _notification_states(connection: Connection) -> dict[str, str]:
    statement = (
        select(notifications.c.id, notifications.c.state)
        .join(channels, channels.c.id == notifications.c.channel_id)
        .where(channels.c.name == WEBHOOK)
    )
    found: Any = connection.execute(statement).all()
    return {row.id: row.state for row in found}

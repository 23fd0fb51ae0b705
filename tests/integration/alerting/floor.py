"""A floor to alert about: a line, its cameras, and a ledger that frames are recorded in."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from inspection.domain.alert import Alert
from inspection.domain.channel import Channel
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.domain.line import Line, Threshold
from inspection.domain.notification import Event
from inspection.store import alert_tables, channel_tables, ledger, lines, tables, thresholds
from inspection.store.alerts import list_alerts
from inspection.store.database import Database
from tests import factories
from tests.factories import NOON

#: Score above which a part is NG on every line of the floor.
LIMIT = 0.41


class Floor:
    """Records what cameras would see, and shows what became of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers: dict[str, int] = {}
        self._thresholds: dict[str, Threshold] = {}

    def add(self, line: Line, *cameras: str, channels: tuple[Channel, ...] = ()) -> None:
        """Put a line with these cameras on the floor."""
        site = factories.site(
            lines=(line,),
            cameras=tuple(factories.camera(name=name, line=line.name) for name in cameras),
            channels=channels,
        )
        with self.database.write() as connection:
            lines.create_missing(connection, site, at=NOON, by="test")
            threshold = thresholds.set_threshold(
                connection,
                factories.scope(line=line.name),
                LIMIT,
                at=NOON,
                by="test",
                reason="to have one",
            )
        self._thresholds |= dict.fromkeys(cameras, threshold)

    def see(self, *verdicts: Verdict, camera: str = "cam-1", at: datetime = NOON) -> list[int]:
        """Record one inspected frame a second for each verdict; return their sequence numbers."""
        entries: list[Entry] = []
        for seconds, verdict in enumerate(verdicts):
            who = self._identity(camera, at + timedelta(seconds=seconds))
            given = factories.inspection(
                **who,
                verdict=verdict,
                score=0.83 if verdict is Verdict.NG else 0.2,
                threshold=self._thresholds[camera],
            )
            entries.append(factories.inspected(**who, inspection=given))
        return self._record(entries)

    def fail_to_see(self, *, camera: str = "cam-1", at: datetime = NOON, **why: Any) -> list[int]:
        """Record one frame that could not be judged."""
        return self._record([factories.uninspected(**self._identity(camera, at), **why)])

    def alerts(self) -> list[Alert]:
        with self.database.read() as connection:
            return list_alerts(connection)

    def members(self, alert: Alert) -> list[int]:
        """Return the sequence numbers of the frames that belong to an alert."""
        with self.database.read() as connection:
            return list(
                connection.scalars(
                    select(tables.ledger.c.sequence_number)
                    .join(
                        alert_tables.alert_frames,
                        alert_tables.alert_frames.c.ledger_id == tables.ledger.c.id,
                    )
                    .where(alert_tables.alert_frames.c.alert_id == alert.alert_id)
                    .order_by(tables.ledger.c.sequence_number)
                )
            )

    def notifications(self) -> list[tuple[str, Event]]:
        """Return channel and event of every notification, in a fixed order."""
        return [(row.channel, Event(row.event)) for row in self.rows()]

    def rows(self) -> list[Any]:
        """Return the rows of the notifications with their channels' names."""
        table, channels = channel_tables.notifications, channel_tables.channels
        with self.database.read() as connection:
            return list(
                connection.execute(
                    select(table, channels.c.name.label("channel"))
                    .join(channels, channels.c.id == table.c.channel_id)
                    .order_by(channels.c.name, table.c.created_at, table.c.event)
                )
            )

    def outbox(self) -> list[int]:
        with self.database.read() as connection:
            return list(
                connection.scalars(
                    select(alert_tables.alert_outbox.c.ledger_id).order_by(
                        alert_tables.alert_outbox.c.ledger_id
                    )
                )
            )

    def _identity(self, camera: str, at: datetime) -> dict[str, Any]:
        number = self._numbers[camera] = self._numbers.get(camera, 0) + 1
        return {"camera": camera, "sequence_number": number, "captured_at": at}

    def _record(self, entries: list[Entry]) -> list[int]:
        with self.database.write() as connection:
            ledger.record(connection, entries, at=NOON)
        return [entry.identity.sequence_number for entry in entries]

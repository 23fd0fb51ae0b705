"""A floor to alert about: a line, its cameras, and a ledger that frames are recorded in."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from inspection.domain.alert import Alert
from inspection.domain.channel import Channel
from inspection.domain.health import HealthState
from inspection.domain.inspection import Verdict
from inspection.domain.ledger import Entry
from inspection.domain.line import Line, Threshold
from inspection.domain.notification import Event
from inspection.store import (
    alert_tables,
    channel_tables,
    health_tables,
    ledger,
    lines,
    shelves,
    tables,
    thresholds,
)
from inspection.store.alerts import list_alerts
from inspection.store.cameras import camera_id
from inspection.store.database import Database
from inspection.store.shelves import Silence
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

    def measure(
        self, *scores: float, camera: str = "cam-1", at: datetime = NOON, product: str = "washer"
    ) -> None:
        """Record one inspected frame a second for each score."""
        entries: list[Entry] = []
        for seconds, score in enumerate(scores):
            who = self._identity(camera, at + timedelta(seconds=seconds))
            given = factories.inspection(
                **who,
                product=product,
                score=score,
                verdict=Verdict.NG if score > LIMIT else Verdict.OK,
                threshold=self._thresholds[camera],
            )
            entries.append(factories.inspected(**who, product=product, inspection=given))
        self._record(entries)

    def feel(self, camera: str, *, at: datetime, **changes: Any) -> None:
        """Write down how a camera is doing, as whoever looks at cameras does."""
        row = {
            "state": HealthState.LIVE.value,
            "detail": "",
            "since_at": at,
            "checked_at": at,
            "good_count": 0,
            "lag_s": 0.0,
            "waiting_count": 0,
            "last_frame_at": at,
        } | changes
        table = health_tables.camera_health
        with self.database.write() as connection:
            number = camera_id(connection, camera)
            connection.execute(delete(table).where(table.c.camera_id == number))
            connection.execute(insert(table).values(camera_id=number, **row))

    def shelve(self, *, until_at: datetime, at: datetime = NOON, **scope: Any) -> None:
        """Shelve alerts; `scope` as of `shelves.scope_of`."""
        silence = Silence(at=at, by="mia", reason="known", until_at=until_at)
        with self.database.write() as connection:
            shelves.shelve(connection, shelves.scope_of(connection, **scope), silence)

    def fail_to_see(self, *, camera: str = "cam-1", at: datetime = NOON, **why: Any) -> list[int]:
        """Record one frame that could not be judged."""
        return self._record([factories.uninspected(**self._identity(camera, at), **why)])

    def pause(self, line: str = "line-1", *, until_at: datetime | None = None) -> None:
        """Let a line open no alerts from noon on."""
        silence = Silence(at=NOON, by="test", reason="to be quiet", until_at=until_at)
        with self.database.write() as connection:
            shelves.pause(connection, line, silence)

    @property
    def events(self) -> list[Event]:
        """What was told, in the order in which it was told."""
        rows = sorted(self.rows(), key=lambda row: (row.created_at, row.alert_id, row.number))
        return [Event(row.event) for row in rows]

    def told(self) -> list[str]:
        """Return the sentences that were told, in the order in which they were told."""
        rows = sorted(self.rows(), key=lambda row: (row.created_at, row.alert_id, row.number))
        return [row.content["summary"] for row in rows]

    def alert(self) -> Alert:
        """Return the only alert there is."""
        (alert,) = self.alerts()
        return alert

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

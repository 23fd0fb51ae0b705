"""The sealer: covers recorded rows by digests, and writes down where the chain ends."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from inspection import telemetry
from inspection.domain.chain import AuditKeys, Head, LinkKind
from inspection.errors import InspectionError
from inspection.store import anchors, chain, digests
from inspection.store.database import Database
from inspection.store.digests import Horizon, Source

#: Seconds between two looks at what was recorded.
ROUND_S: Final = 30.0
#: Seconds between two anchors, at least.
ANCHOR_S: Final = 300.0


class Sealer:
    """One process's share of the work; any number may work at once."""

    def __init__(
        self,
        database: Database,
        keys: AuditKeys,
        anchor_file: Path,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._keys = keys
        self._anchor_file = anchor_file
        self._clock = clock
        self._horizons: dict[LinkKind, Horizon] = {}
        self._anchored: Head | None = None
        self._anchored_at: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until the event is set; an outage is logged once and waited out."""
        trouble: type[Exception] | None = None
        is_last = False
        while not is_last:
            # What was recorded until the end is covered as well.
            is_last = stop.is_set()
            try:
                self.round()
                self.anchor(is_due=is_last)
            except Exception as error:  # noqa: BLE001  (the outermost loop of the thread)
                if type(error) is not trouble:
                    trouble = type(error)
                    _log_trouble(error)
            else:
                trouble = None
            stop.wait(ROUND_S)

    def round(self) -> int:
        """Cover what has become final since, and return how many digests that took.

        Raises:
            UnavailableError: the database does not answer.
            ConfigurationError: the chain is made with a key that is not here.
        """
        self._begin()
        return sum(self._cover(source) for source in digests.SOURCES)

    def anchor(self, *, is_due: bool = True) -> Head | None:
        """Write down where the chain ends, if that is due; None when nothing is new.

        Raises:
            UnavailableError: database or file cannot be reached.
        """
        now = self._clock()
        since_s = None if self._anchored_at is None else (now - self._anchored_at).total_seconds()
        if not is_due and since_s is not None and since_s < ANCHOR_S:
            return None
        with self._database.read() as connection:
            head = chain.lasting_head(connection)
        if head is None or head == self._anchored:
            return None
        anchors.append(self._anchor_file, head, database=self._database.address, at=now)
        telemetry.logger().info("audit_anchored", number=head.number, mac=head.mac, key=head.key_id)
        self._anchored, self._anchored_at = head, now
        return head

    def _begin(self) -> None:
        with self._database.read() as connection:
            has_begun = chain.newest(connection) is not None
        if not has_begun:
            with self._database.write() as connection:
                chain.note(connection, chain.Note(kind=LinkKind.BEGIN, at=self._clock()))

    def _cover(self, source: Source) -> int:
        """Cover the range of the round before, then what came since; return how many digests."""
        count = 0
        for _ in range(2):
            one = self._horizons.get(source.kind) or self._horizon(source)
            if one is None:
                break
            self._horizons[source.kind] = one
            made = self._cover_up_to(source, one)
            if made is None:
                break
            del self._horizons[source.kind]
            count += made
        return count

    def _horizon(self, source: Source) -> Horizon | None:
        with self._database.write() as connection:
            return digests.horizon(connection, source)

    def _cover_up_to(self, source: Source, one: Horizon) -> int | None:
        """Make the digests of a range; None while somebody may still add to it."""
        count = 0
        while True:
            with self._database.read() as connection:
                if not digests.is_final(connection, one):
                    return None
                made = digests.digest(connection, source, one, self._keys, at=self._clock())
            if made is None:
                return count
            with self._database.write() as connection:
                chain.note(connection, made)
            count += 1


def _log_trouble(error: Exception) -> None:
    log = telemetry.logger()
    if isinstance(error, InspectionError):
        log.warning("sealer_waits", error=str(error))
    else:
        log.error("sealer_broke", exc_info=error)

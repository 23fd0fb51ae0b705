"""The keeper's rounds: make room on the disk, keep to the budget, let go of what is old."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from inspection import telemetry
from inspection.domain.evidence import Amount, Gone, KeepClass, Limits
from inspection.errors import InspectionError
from inspection.keeping.pace import Pace
from inspection.store import evidence, expiry, growth, partitions, removals, retention
from inspection.store.database import Database
from inspection.store.pictures import PictureStore
from inspection.store.retention import Ask
from inspection.store.room import room

#: Seconds between two rounds when there is nothing left to do.
ROUND_S: Final = 60.0
#: A keeper that rests says so this often, in seconds.
TURN_S: Final = 15.0
#: Longest wait between two tries while something does not answer, in seconds.
LONGEST_WAIT_S: Final = 10.0
#: One kind of work gives way to the next after so many seconds; the disk cannot wait for the old.
STEP_S: Final = 20.0
#: Whose partitions are made before they are needed.
AHEAD: Final = (timedelta(), timedelta(days=7), timedelta(days=14))
#: Files removed between two looks at the database.
FILES: Final = 200


@dataclass
class Report:
    """What has been removed."""

    row_count: int = 0
    #: Pictures and maps, by reason.
    amounts: dict[Gone, Amount] = field(default_factory=dict)
    file_count: int = 0
    file_bytes: int = 0
    #: Whether some work was left for the next round.
    is_more: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was removed."""
        return not (self.row_count or self.file_count or self.amounts)

    def merged(self, later: "Report") -> "Report":
        """Return what both have removed; more is left if it was at the later one's end."""
        whole = Report(
            row_count=self.row_count + later.row_count,
            amounts=dict(self.amounts),
            file_count=self.file_count + later.file_count,
            file_bytes=self.file_bytes + later.file_bytes,
            is_more=later.is_more,
        )
        for why, amount in later.amounts.items():
            whole.add(why, amount)
        return whole

    def add(self, why: Gone, amount: Amount) -> None:
        """Count evidence that went."""
        if amount != Amount():
            self.amounts[why] = self.amounts.get(why, Amount()) + amount


class Keeper:
    """One process's share of the work; any number may work at once."""

    def __init__(
        self,
        database: Database,
        pictures: PictureStore,
        limits: Limits,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._pictures = pictures
        self._limits = limits
        self._clock = clock
        self._stop = stop
        self._pace = Pace(database, stop.wait)
        self._remembered_at: datetime | None = None

    def run(self, turned: Callable[[int], None] = lambda _rows: None) -> None:
        """Work until the event is set; an outage is logged once and waited out.

        Args:
            turned: told how many rows have gone whenever a round is done, and while it rests.
        """
        trouble: type[Exception] | None = None
        wait_s = 0.0
        while not self._rest(wait_s, turned if trouble is None else None):
            try:
                report = self.round()
            except Exception as error:  # noqa: BLE001  (the outermost loop of the process)
                wait_s = min(2 * max(wait_s, 0.5), LONGEST_WAIT_S)
                if type(error) is not trouble:
                    trouble = type(error)
                    _log_trouble(error)
            else:
                if trouble is not None:
                    telemetry.logger().info("keeper_recovered")
                trouble, wait_s = None, 0.0 if report.is_more else ROUND_S
                turned(report.row_count)
                if not report.is_empty:
                    _log(report)

    def _rest(self, wait_s: float, turned: Callable[[int], None] | None) -> bool:
        """Wait; say whether the event is set."""
        while wait_s > TURN_S:
            if self._stop.wait(TURN_S):
                return True
            wait_s -= TURN_S
            if turned is not None:
                turned(0)
        return self._stop.wait(wait_s)

    def round(self) -> Report:
        """Do what is due, each kind of work for a bounded time.

        1. Remove the files that rows have let go of.
        2. Take evidence, the first to go first, until the disk has room and the budget is kept.
        3. Take evidence, then rows, that are old enough.
        4. Make the partitions of the weeks to come, before frames of theirs would have to.
        5. Remove the files again, and write down how much has been kept.

        Raises:
            UnavailableError: the database, the disk or the picture store does not answer.
        """
        report = Report()
        self._remove_files(report)
        self._make_room(report)
        self._keep_to_budget(report)
        for keep_class in KeepClass:
            before = self._clock() - self._limits.age_of(keep_class)
            self._take(report, [keep_class], Gone.AGE, before=before)
        if self._database.is_sqlite:
            self._remove_rows(report)
        else:
            self._remove_weeks(report)
            self._prepare()
        self._remove_files(report)
        self._remember()
        return report

    def sweep(self) -> Report:
        """Remove files that no row keeps and nobody has noted: what a killed process has left.

        Raises:
            UnavailableError: the database or the picture store does not answer.
        """
        report = Report()
        for pictures in self._pictures.listed():
            for start in range(0, len(pictures), FILES):
                some = pictures[start : start + FILES]
                with self._database.read() as connection:
                    kept = removals.kept(connection, some)
                orphans = [picture for picture in some if picture.sha256 not in kept]
                if orphans:
                    with self._pace.transaction() as (connection, _):
                        removals.note(connection, orphans, at=self._clock())
            self._remove_files(report)
        before = self._clock() - removals.GRACE
        report.file_count += self._pictures.remove_unfinished(before=before)
        return report

    def _make_room(self, report: Report) -> None:
        found = room(self._database, self._pictures)
        wanted_bytes = self._limits.reserve_bytes + self._limits.margin_bytes
        if found is None or found.size_bytes >= wanted_bytes:
            return
        telemetry.logger().warning(
            "disk_low",
            free_bytes=found.free_bytes,
            reserve_bytes=self._limits.reserve_bytes,
        )
        self._take(report, KeepClass, Gone.DISK, enough_bytes=wanted_bytes - found.size_bytes)

    def _keep_to_budget(self, report: Report) -> None:
        if self._limits.budget_bytes is None:
            return
        with self._database.read() as connection:
            kept = sum(evidence.kept(connection).values(), Amount())
        if kept.size_bytes > self._limits.budget_bytes:
            enough_bytes = kept.size_bytes - self._limits.budget_bytes
            self._take(report, KeepClass, Gone.BUDGET, enough_bytes=enough_bytes)

    def _take(
        self,
        report: Report,
        classes: Iterable[KeepClass],
        why: Gone,
        *,
        before: datetime | None = None,
        enough_bytes: int | None = None,
    ) -> None:
        """Take evidence of the classes in turn, all that is older, or until it is enough."""
        until_s = time.monotonic() + STEP_S
        left_bytes = enough_bytes
        for keep_class in classes:
            is_more = left_bytes is None or left_bytes > 0
            while is_more and not self._stop.is_set():
                if time.monotonic() > until_s:
                    report.is_more = True
                    return
                with self._pace.transaction() as (connection, limit):
                    ask = Ask(limit=limit, at=self._clock(), before=before, enough_bytes=left_bytes)
                    removed = retention.take_evidence(connection, keep_class, why, ask)
                report.add(why, removed.amount)
                is_more = removed.is_more
                if left_bytes is not None:
                    left_bytes -= removed.amount.size_bytes
                    is_more = is_more and left_bytes > 0

    def _remove_rows(self, report: Report) -> None:
        until_s, is_more = time.monotonic() + STEP_S, True
        while is_more and not self._stop.is_set():
            if time.monotonic() > until_s:
                report.is_more = True
                return
            with self._pace.transaction() as (connection, limit):
                now = self._clock()
                ask = Ask(limit=limit, at=now, before=now - self._limits.rows)
                removed = retention.remove_rows(connection, ask)
            report.row_count += removed.row_count
            report.add(Gone.AGE, removed.amount)
            is_more = removed.is_more

    def _remove_weeks(self, report: Report) -> None:
        now = self._clock()
        ask = Ask(at=now, before=now - self._limits.rows)
        with self._database.read() as connection:
            weeks = expiry.past_weeks(connection, ask)
        for week in weeks:
            if self._stop.is_set():
                return
            with self._database.write() as connection:
                removed = expiry.remove_week(connection, week, ask)
            if removed is None:
                continue
            report.row_count += removed.row_count
            report.add(Gone.AGE, removed.amount)
            with self._database.write() as connection:
                is_dropped = expiry.drop_week(connection, week)
            telemetry.logger().info(
                "week_removed",
                week=f"{week.begins_at:%Y-%m-%d}",
                rows=removed.row_count,
                is_dropped=is_dropped,
            )

    def _prepare(self) -> None:
        now = self._clock()
        with self._database.write() as connection:
            partitions.ensure(connection, [now + ahead for ahead in AHEAD])

    def _remove_files(self, report: Report) -> None:
        until_s = time.monotonic() + STEP_S
        while not self._stop.is_set():
            if time.monotonic() > until_s:
                report.is_more = True
                return
            claimed_at = self._clock()
            with self._database.write() as connection:
                claimed = removals.claim(connection, at=claimed_at, limit=FILES)
            if not claimed:
                return
            with self._database.read() as connection:
                kept = removals.kept(connection, claimed)
            settled = []
            for picture in claimed:
                if picture.sha256 in kept:
                    self._pictures.restore(picture)
                elif self._pictures.remove(picture, before=claimed_at - removals.GRACE):
                    report.file_count += 1
                    report.file_bytes += picture.size_bytes
                else:
                    # Somebody has kept it just now; his row may come. It is due again later.
                    continue
                settled.append(picture)
            with self._database.write() as connection:
                removals.forget(connection, settled, claimed_at=claimed_at)

    def _remember(self) -> None:
        now = self._clock()
        if self._remembered_at is not None and now - self._remembered_at < timedelta(hours=1):
            return
        with self._database.write() as connection:
            growth.remember(connection, growth.now(connection, now))
        self._remembered_at = now


def _log(report: Report) -> None:
    telemetry.logger().info(
        "retention_removed",
        rows=report.row_count,
        files=report.file_count,
        file_bytes=report.file_bytes,
        **{f"{why.value}_bytes": amount.size_bytes for why, amount in report.amounts.items()},
    )


def _log_trouble(error: Exception) -> None:
    log = telemetry.logger()
    if isinstance(error, InspectionError):
        log.warning("keeper_waits", error=str(error))
    else:
        log.error("keeper_broke", exc_info=error)

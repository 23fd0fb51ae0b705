"""What the simulator knows and an inspector does not: which parts were defective indeed."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table

from inspection.capture.rendering import Conveyor
from inspection.domain.inspection import Verdict
from inspection.domain.line import Camera
from inspection.store import inspections, lines
from inspection.store.database import Database
from inspection.store.history_query import HistoryQuery

#: Rows read at a time.
_PAGE_COUNT = 1000


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Verdicts beside the truth; pending inspections are counted, but prove nothing."""

    line: str
    pending_count: int = 0
    #: Defective parts that are NG.
    caught_count: int = 0
    #: Defective parts that are OK: escapes.
    missed_count: int = 0
    #: Good parts that are NG: false rejects.
    rejected_count: int = 0
    #: Good parts that are OK.
    passed_count: int = 0

    @property
    def precision(self) -> float | None:
        """Share of NG verdicts that are right; None without any."""
        return _share(self.caught_count, self.caught_count + self.rejected_count)

    @property
    def recall(self) -> float | None:
        """Share of defective parts that are NG; None without any."""
        return _share(self.caught_count, self.caught_count + self.missed_count)

    @property
    def false_reject_rate(self) -> float | None:
        """Share of good parts that are NG; None without any."""
        return _share(self.rejected_count, self.rejected_count + self.passed_count)

    def as_json(self) -> dict[str, str | int | float | None]:
        """Return the object that `demo --json` prints of a line."""
        return {
            "line": self.line,
            "pending": self.pending_count,
            "caught": self.caught_count,
            "missed": self.missed_count,
            "false_rejects": self.rejected_count,
            "passed": self.passed_count,
            "precision": self.precision,
            "recall": self.recall,
            "false_reject_rate": self.false_reject_rate,
        }


def outcomes(database: Database) -> list[Outcome]:
    """Return an outcome of every line whose cameras are all simulated."""
    with database.read() as connection:
        cameras = lines.list_cameras(connection)
    by_line: dict[str, list[Camera]] = {}
    for camera in cameras:
        by_line.setdefault(camera.line, []).append(camera)
    return [
        _outcome(database, line, of_line)
        for line, of_line in by_line.items()
        if all(camera.source.kind == "simulated" for camera in of_line)
    ]


def total(found: list[Outcome]) -> Outcome:
    """Return all lines together."""
    return Outcome(
        line="all",
        pending_count=sum(each.pending_count for each in found),
        caught_count=sum(each.caught_count for each in found),
        missed_count=sum(each.missed_count for each in found),
        rejected_count=sum(each.rejected_count for each in found),
        passed_count=sum(each.passed_count for each in found),
    )


def as_table(found: list[Outcome]) -> Table:
    """Return the outcomes for people, and all of them together."""
    table = Table("line", "pending", "caught", "missed", "false rejects", "precision", "recall")
    for each in [*found, total(found)]:
        table.add_row(
            each.line,
            str(each.pending_count),
            str(each.caught_count),
            str(each.missed_count),
            f"{each.rejected_count} of {each.rejected_count + each.passed_count}",
            _percent(each.precision),
            _percent(each.recall),
        )
    return table


def _outcome(database: Database, line: str, cameras: list[Camera]) -> Outcome:
    counts = dict.fromkeys(("pending", "caught", "missed", "rejected", "passed"), 0)
    for camera in cameras:
        conveyor = _conveyor(camera)
        for number, verdict in _verdicts(database, camera.name):
            if verdict is Verdict.PENDING:
                counts["pending"] += 1
            elif conveyor.defect(number - 1) is None:
                counts["rejected" if verdict is Verdict.NG else "passed"] += 1
            else:
                counts["caught" if verdict is Verdict.NG else "missed"] += 1
    return Outcome(line=line, **{f"{name}_count": count for name, count in counts.items()})


def _conveyor(camera: Camera) -> Conveyor:
    source = camera.source
    return Conveyor(
        product=source.product or "",
        seed=source.seed,
        size_px=source.size_px,
        defect_rate=source.defect_rate,
        good_parts_count=source.good_parts_count,
    )


def _verdicts(database: Database, camera: str) -> Iterator[tuple[int, Verdict]]:
    before: str | None = None
    while True:
        query = HistoryQuery(camera=camera, before=before, limit=_PAGE_COUNT)
        with database.read() as connection:
            rows = inspections.history(connection, query)
        for row in rows:
            yield row.identity.sequence_number, row.verdict
        if len(rows) < _PAGE_COUNT:
            return
        before = rows[-1].cursor


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"

"""Coverage: what one digest says of its rows, held against the rows that are there."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from sqlalchemy import Connection, func, select

from inspection.domain.chain import MARK_BYTES
from inspection.store import digests, tables
from inspection.store.digests import ABSENT, PICTURE, Parts, Rows, Source, Span

#: A table, the id of one of its rows, and what is wrong with it.
Fault = tuple[str, int, str]
_LEDGER: Final = tables.ledger.name
_LOWEST_ID: Final = -(2**63)


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What a re-driven row is like since a link."""

    number: int
    parts: Parts
    fingerprint: str


@dataclass
class Expected:
    """What the chain says of rows that are not as digests say."""

    #: Ranges of ids that retention has removed: apart from each other, in order.
    _removed: list[list[int]] = field(default_factory=list)
    _moved: dict[int, Moved] = field(default_factory=dict)

    def remove(self, ids: Sequence[Sequence[int]]) -> None:
        """Note rows of the ledger that went."""
        for first, last in ids:
            newest = self._removed[-1] if self._removed else None
            if newest is not None and newest[0] <= first <= newest[1] + 1:
                newest[1] = max(newest[1], last)
            else:
                self._removed.append([first, last])
                self._removed.sort()

    def is_removed(self, row_id: int) -> bool:
        """Say whether a row of the ledger went."""
        place = bisect_right(self._removed, row_id, key=lambda each: each[0])
        return place > 0 and row_id <= self._removed[place - 1][1]

    def move(self, number: int, after: dict[str, Any]) -> None:
        """Note rows of the ledger that were re-driven."""
        for row_id, said in after["rows"].items():
            self._moved[int(row_id)] = Moved(number=number, parts=after["parts"], fingerprint=said)

    def moved(self, row_id: int, *, since: int) -> Moved | None:
        """Return what a row of the ledger was re-driven to after a link."""
        found = self._moved.get(row_id)
        return found if found is not None and found.number > since else None


@dataclass
class Checked:
    """What became of the rows of a digest."""

    row_count: int = 0
    removed_count: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A link that covers rows."""

    source: Source
    number: int
    after: int
    up_to: int
    key_id: str
    #: The newest link when its rows were read: what was re-driven later is not in it.
    seen: int
    parts: Parts
    ids: tuple[int, ...]
    marks: bytes
    has_own_marks: bool

    @classmethod
    def of(cls, source: Source, number: int, said: Any, marks: bytes) -> Self:
        """Read the statement of a link."""
        ids = tuple(each for first, last in said["ids"] for each in range(first, last + 1))
        return cls(
            source=source,
            number=number,
            # The first one covers whatever comes before it, too.
            after=said["after"] or _LOWEST_ID,
            up_to=said["up_to"],
            key_id=said["key"],
            seen=said["seen"],
            parts=said["parts"],
            ids=ids,
            marks=marks,
            has_own_marks=hashlib.sha256(marks).hexdigest() == said["marks"],
        )

    def check(self, connection: Connection, secret: bytes, expected: Expected) -> Checked:
        """Hold the rows that are there against the marks.

        Raises:
            ConfigurationError: a column is not there any more.
        """
        span = Span(after=self.after, up_to=self.up_to)
        rows = digests.read(connection, self.source.table, self.parts, span)
        marks = rows.marks(secret)
        checked = Checked(row_count=len(rows.ids))
        if tuple(rows.ids) != self.ids or digests.joined(marks) != self.marks:
            found = {
                row_id: {part: marks[part][place] for part in marks}
                for place, row_id in enumerate(rows.ids)
            }
            self._compare(connection, checked, expected, found)
        self._check_beside(connection, checked, rows)
        checked.faults.sort(key=lambda fault: fault[1])
        return checked

    def _compare(
        self,
        connection: Connection,
        checked: Checked,
        expected: Expected,
        found: dict[int, dict[str, bytes]],
    ) -> None:
        name = self.source.table.name
        for place, row_id in enumerate(self.ids):
            if row_id in found:
                recorded = self._recorded(place)
                checked.faults += self._differences(
                    connection, expected, row_id, recorded, found.pop(row_id)
                )
            elif name == _LEDGER and expected.is_removed(row_id):
                checked.removed_count += 1
            else:
                checked.faults.append((name, row_id, "is gone"))
        checked.faults += [
            (name, row_id, "was not there when the rows around it were sealed") for row_id in found
        ]

    def _recorded(self, place: int) -> dict[str, bytes]:
        """Return the marks of one row, by part."""
        starts = {
            part: MARK_BYTES * (number * len(self.ids) + place)
            for number, part in enumerate(sorted(self.parts))
        }
        return {part: self.marks[start : start + MARK_BYTES] for part, start in starts.items()}

    def _differences(
        self,
        connection: Connection,
        expected: Expected,
        row_id: int,
        recorded: dict[str, bytes],
        found: dict[str, bytes],
    ) -> Iterator[Fault]:
        moved = expected.moved(row_id, since=self.seen) if self._is_of_ledger else None
        if moved is not None:
            now = digests.fingerprints(connection, [row_id], moved.parts)
            if now[row_id] != moved.fingerprint:
                yield _LEDGER, row_id, "is not as it was left when it was re-driven"
            return
        for part in sorted(self.parts, reverse=True):
            if found[part] == recorded[part]:
                continue
            if part != PICTURE:
                what = "is gone" if found[part] == ABSENT else "was changed after it was recorded"
                yield part, row_id, what
            elif found[part] != ABSENT:
                yield _LEDGER, row_id, "has another picture than was recorded"

    @property
    def _is_of_ledger(self) -> bool:
        return self.source.table.name == _LEDGER

    def _check_beside(self, connection: Connection, checked: Checked, rows: Rows) -> None:
        """See that there are no inspections in the range that no row of the ledger is with."""
        if not self._is_of_ledger:
            return
        beside = tables.inspections.c.ledger_id
        is_near = (beside > self.after) & (beside <= self.up_to)
        with_one = {
            row_id
            for row_id, said in zip(rows.ids, rows.texts["inspections"], strict=True)
            if said is not None
        }
        count = connection.scalar(select(func.count()).where(is_near)) or 0
        if count > len(with_one):
            found = Counter(connection.scalars(select(beside).where(is_near)))
            checked.faults += [
                ("inspections", row_id, "is there twice, or has no row in the ledger")
                for row_id in sorted((found - Counter(with_one)).keys())
            ]

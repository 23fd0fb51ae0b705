"""Presence: which frames the ledger has, and which only share their number with one it has.

A frame is there when its camera's row of this number was exposed at the same moment. Another moment
makes it another frame: its camera's numbers have begun again, and it must not be taken for the old
one. Where a time is a guess (a frame that was trimmed has only its entry's) the number decides.
Where it is impossible, the row has another, and what the clock said in its detail.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from sqlalchemy import Connection, and_, or_, select

from inspection.domain.frame import FrameIdentity, milliseconds
from inspection.domain.ledger import (
    Dropped,
    Entry,
    Inspected,
    Outcome,
    Reason,
    Uninspected,
    clock_said,
    outcome_of,
    with_possible_time,
)
from inspection.store import accounts, gaps
from inspection.store.accounts import Removal
from inspection.store.kinds import Kind, kind_of
from inspection.store.tables import ledger

#: Numbers asked for in one statement; SQLite takes 32,766 values, PostgreSQL 65,535.
NUMBERS_PER_STATEMENT: Final = 5_000


#: Row id of the camera, sequence number and time in ms: what no two rows may share.
Key = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """A frame that gets a row."""

    entry: Entry
    #: Whether another exposure had its number before.
    is_repeated: bool

    @property
    def kind(self) -> Kind:
        """As what it is counted."""
        return kind_of(self.entry, is_repeated=self.is_repeated)


@dataclass(frozen=True, kw_only=True)
class Present:
    """A row of the ledger, as far as it tells frames apart."""

    captured_at: datetime
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None

    @property
    def has_own_time(self) -> bool:
        """Whether its time is the exposure's."""
        return self.reason != Reason.TRIMMED


class Likeness(Enum):
    """What a frame is to the ledger."""

    #: Not there yet.
    NEW = "new"
    #: There already.
    KNOWN = "known"
    #: Not there, but its number is.
    REPEATED = "repeated"


class Presence:
    """What the ledger has of certain numbers of certain cameras."""

    def __init__(self, connection: Connection, numbers: dict[int, set[int]]) -> None:
        """Look.

        Args:
            connection: in which the cameras are locked.
            numbers: sequence numbers that are asked for, by id of the camera.
        """
        self._rows: dict[tuple[int, int], list[Present]] = {}
        self._removals = accounts.removals(connection, numbers)
        self.gaps = {
            camera: gaps.noted(connection, camera)
            for camera, removal in self._removals.items()
            if any(number <= removal.up_to for number in numbers[camera])
        }
        keys = [(camera, number) for camera, of in numbers.items() for number in sorted(of)]
        # What never had a row is not looked for: nearly every frame has its camera's next number.
        ends = accounts.last_sequence_numbers(connection, numbers)
        keys = [(camera, number) for camera, number in keys if number <= ends.get(camera, 0)]
        for start in range(0, len(keys), NUMBERS_PER_STATEMENT):
            self._read(connection, keys[start : start + NUMBERS_PER_STATEMENT])

    def look(self, camera_id: int, entry: Entry) -> tuple[Likeness, Present | None]:
        """Say what `entry` is to the ledger, with the row it is known by if there is one."""
        number, captured_at = entry.identity.sequence_number, entry.identity.captured_at
        rows = self._rows.get((camera_id, number), [])
        said = _clock_said(entry)
        for row in rows:
            # A clock that was ahead may have become possible by the time its frame comes again.
            is_said = row.detail == (said or clock_said(captured_at))
            if is_said or milliseconds(row.captured_at) == milliseconds(captured_at):
                return Likeness.KNOWN, row
        is_guess = isinstance(entry, Uninspected) and entry.reason is Reason.TRIMMED
        if rows and (is_guess or not all(row.has_own_time for row in rows)):
            return Likeness.KNOWN, rows[0]
        if rows:
            return Likeness.REPEATED, None
        removal = self._removals[camera_id]
        if not is_removed(removal, self.gaps.get(camera_id, ()), number):
            return Likeness.NEW, None
        until_at = removal.until_at
        if is_guess or said is not None or until_at is None or captured_at <= until_at:
            return Likeness.KNOWN, None
        return Likeness.REPEATED, None

    def add(self, camera_id: int, entry: Entry) -> None:
        """Take note of an entry that is going to be written."""
        outcome, reason, detail = outcome_of(entry)
        self._rows.setdefault((camera_id, entry.identity.sequence_number), []).append(
            Present(
                captured_at=entry.identity.captured_at,
                outcome=outcome,
                reason=reason,
                detail=detail,
            )
        )

    def _read(self, connection: Connection, keys: list[tuple[int, int]]) -> None:
        numbers: dict[int, list[int]] = {}
        for camera, number in keys:
            numbers.setdefault(camera, []).append(number)
        row = ledger.c
        # Camera by camera: given pairs, SQLite would read its whole index.
        asked = or_(
            *(
                and_(row.camera_id == camera, row.sequence_number.in_(of_camera))
                for camera, of_camera in numbers.items()
            )
        )
        columns = (row.camera_id, row.sequence_number, row.captured_at)
        statement = select(*columns, row.outcome, row.reason, row.detail).where(asked)
        for found in connection.execute(statement.order_by(row.id)):
            self._rows.setdefault((found.camera_id, found.sequence_number), []).append(
                Present(
                    captured_at=found.captured_at,
                    outcome=Outcome(found.outcome),
                    reason=found.reason,
                    detail=found.detail,
                )
            )


def fresh(
    connection: Connection,
    entries: Sequence[Entry],
    camera_ids: Mapping[str, int],
    *,
    at: datetime,
) -> tuple[dict[Key, Fresh], tuple[Entry | None, ...]]:
    """Return the frames that are to get a row, and how each frame stands in the ledger then.

    Args:
        connection: in which the cameras are locked.
        entries: of any cameras; of two with the same identity the first counts.
        camera_ids: of these cameras, by name.
        at: the time of recording.
    """
    entries = [with_possible_time(entry, at=at) for entry in entries]
    numbers: dict[int, set[int]] = {}
    for entry in entries:
        camera = camera_ids[entry.identity.camera]
        numbers.setdefault(camera, set()).add(entry.identity.sequence_number)
    there = Presence(connection, numbers)
    new: dict[Key, Fresh] = {}
    standing: list[Entry | None] = []
    for given in entries:
        camera = camera_ids[given.identity.camera]
        likeness, row = there.look(camera, given)
        if likeness is Likeness.KNOWN:
            standing.append(_standing(given, row))
            continue
        is_repeated = likeness is Likeness.REPEATED
        entry = _of_repeated_number(given) if is_repeated else given
        there.add(camera, entry)
        new[_key(camera, entry.identity)] = Fresh(entry=entry, is_repeated=is_repeated)
        standing.append(entry)
    for camera, noted in there.gaps.items():
        if noted:
            gaps.close(connection, camera, {key[1] for key in new if key[0] == camera})
    return new, tuple(standing)


def _clock_said(entry: Entry) -> str | None:
    """Return what an impossible clock said of a frame; None when its time can be."""
    is_clock = isinstance(entry, Dropped) or (
        isinstance(entry, Uninspected) and entry.reason is Reason.CLOCK
    )
    return entry.detail if is_clock and not isinstance(entry, Inspected) else None


def _standing(given: Entry, row: Present | None) -> Entry | None:
    """Return what the ledger says of a frame it has as uninspected; None of any other."""
    if row is None or row.outcome is not Outcome.UNINSPECTED or row.reason is None:
        return None
    return Uninspected(
        identity=replace(given.identity, captured_at=row.captured_at),
        reason=Reason(row.reason),
        detail=row.detail or "",
    )


def _of_repeated_number(entry: Entry) -> Entry:
    # What a clock said must stay in the detail: nothing else tells the frame from others.
    if isinstance(entry, Dropped) or _clock_said(entry) is not None:
        return entry
    payload = entry.frame.payload if entry.frame is not None else None
    return Uninspected(
        identity=entry.identity,
        reason=Reason.REPEATED_NUMBER,
        detail="its camera gave this number before, to another exposure: the camera's journal and "
        "its stream were lost together, or two cameras have one name",
        frame=entry.frame,
        picture=entry.picture,
        picture_gone=entry.picture_gone,
        size_bytes=entry.size_bytes if isinstance(entry, Uninspected) else len(payload or b""),
    )


def _key(camera: int, identity: FrameIdentity) -> Key:
    return camera, identity.sequence_number, milliseconds(identity.captured_at)


def is_removed(removal: Removal, noted: Iterable[range], number: int) -> bool:
    """Say whether a number without a row had one that retention has removed."""
    return 0 < number <= removal.up_to and not any(number in gap for gap in noted)


def known(connection: Connection, camera_id: int, sequence_numbers: Collection[int]) -> set[int]:
    """Return those of `sequence_numbers` of the camera that have a row, or had one."""
    numbers = list(sequence_numbers)
    removal = accounts.removals(connection, [camera_id])[camera_id]
    noted = gaps.noted(connection, camera_id)
    found = {number for number in numbers if is_removed(removal, noted, number)}
    for start in range(0, len(numbers), NUMBERS_PER_STATEMENT):
        asked = numbers[start : start + NUMBERS_PER_STATEMENT]
        statement = select(ledger.c.sequence_number).where(
            ledger.c.camera_id == camera_id, ledger.c.sequence_number.in_(asked)
        )
        found.update(connection.scalars(statement))
    return found

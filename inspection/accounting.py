"""Accounts of cameras, put together from journal, stream and ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import redis

from inspection.capture.journal import JournalState, journal_path, read_journal
from inspection.domain.frame import LAST_SEQUENCE_NUMBER, EntryId, moment
from inspection.domain.ledger import Account, Outcome
from inspection.store import accounts as store_accounts
from inspection.store import gaps, ledger, lines
from inspection.store.cameras import camera_id
from inspection.store.database import Database
from inspection.stream.backlog import in_flight

#: How often an account that does not add up is read before it is believed.
LOOKS: Final = 3

NO_JOURNAL: Final = JournalState(last_sequence_number=0, held=(), dropped=())


@dataclass(frozen=True, kw_only=True)
class CameraAccount:
    """What became of one camera's frames."""

    camera: str
    line: str
    account: Account
    #: Inspected frames by verdict.
    verdicts: Mapping[str, int] = field(default_factory=dict)
    #: Rows that retention has removed; they count like those that are there.
    removed_count: int = 0
    #: When the oldest frame in the stream was exposed, about; None when there is none.
    oldest_at: datetime | None = None
    #: Highest sequence number that was given.
    last_sequence_number: int = 0
    #: Sequence numbers capture and stream hold and the ledger has not.
    moving: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A counter that does not agree with the rows it counts."""

    camera: str
    outcome: Outcome
    #: Verdict, reason or cause.
    reason: str
    #: What the counter says, removed rows included.
    counted: int
    #: What there is, with what was removed.
    found: int


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What counting every row of a camera has shown."""

    #: Sequence numbers that are nowhere.
    missing: Sequence[range]
    #: Sequence numbers with more rows than exposures.
    doubled: Sequence[int]
    differences: Sequence[Difference]


def accounts(database: Database, client: redis.Redis, journal_dir: Path) -> list[CameraAccount]:
    """Return the account of every camera, by name; the ledger's rows are not counted.

    Raises:
        UnavailableError: the database or the server of the streams does not answer.
    """
    with database.read() as connection:
        cameras = {camera.name: camera.line for camera in lines.list_cameras(connection)}
    return [
        _settled_account(camera, line, database, client, journal_dir)
        for camera, line in cameras.items()
    ]


def total(parts: Sequence[CameraAccount]) -> Account:
    """Add accounts together."""
    return sum((part.account for part in parts), Account())


def audit(database: Database, part: CameraAccount) -> Audit:
    """Count every row of a camera and compare; it takes longer the more there are.

    Raises:
        UnavailableError: the database does not answer.
    """
    with database.read() as connection:
        key = camera_id(connection, part.camera)
        counters = store_accounts.counters(connection, key)
        rows = store_accounts.recounted(connection, key)
        missing = [
            *gaps.noted(connection, key),
            *gaps.between(
                connection, key, after=counters.removal.up_to, up_to=part.last_sequence_number
            ),
        ]
        doubled = ledger.doubled_numbers(connection, part.camera)
    return Audit(
        missing=gaps.without(missing, part.moving),
        doubled=doubled,
        differences=[
            Difference(
                camera=part.camera, outcome=kind[0], reason=kind[1], counted=counted, found=found
            )
            for kind in sorted({*counters.recorded, *rows})
            if (counted := counters.recorded.get(kind, 0))
            != (found := rows[kind] + counters.removed.get(kind, 0))
        ],
    )


def _settled_account(
    camera: str, line: str, database: Database, client: redis.Redis, journal_dir: Path
) -> CameraAccount:
    """Look again when it does not add up: a frame may have been given its identity in between."""
    account = _account(camera, line, database, client, journal_dir)
    for _ in range(LOOKS - 1):
        if account.account.is_balanced:
            break
        account = _account(camera, line, database, client, journal_dir)
    return account


def _account(
    camera: str, line: str, database: Database, client: redis.Redis, journal_dir: Path
) -> CameraAccount:
    """Read journal, stream and ledger, in the order of a frame's way.

    A frame that moves on meanwhile is met twice, never overlooked; what the ledger has by then is
    not in flight.
    """
    with database.read() as connection:
        recorded_last = ledger.last_sequence_number(connection, camera)
    path = journal_path(journal_dir, camera)
    # A camera that never ran here has none: it runs elsewhere, or nowhere yet.
    journal = read_journal(path) if path.exists() else NO_JOURNAL
    backlog = in_flight(client, camera)
    last = max(
        recorded_last,
        journal.last_sequence_number,
        _possible(backlog.last),
    )
    moving = {
        *(identity.sequence_number for identity in journal.held),
        *(dropped.identity.sequence_number for dropped in journal.dropped),
        *backlog.sequence_numbers,
        *backlog.drop_sequence_numbers,
    }
    # A stranger's entry may have any number; it is no frame.
    moving = {number for number in moving if 1 <= number <= LAST_SEQUENCE_NUMBER}
    with database.read() as connection:
        rows = ledger.account_rows(connection, camera, up_to=last)
        moving -= ledger.known(connection, camera, moving)
        counters = store_accounts.counters(connection, camera_id(connection, camera))
    return CameraAccount(
        camera=camera,
        line=line,
        account=replace(rows, in_flight=len(moving)),
        verdicts=counters.verdicts,
        removed_count=counters.removed_count,
        oldest_at=None if backlog.oldest is None else moment(backlog.oldest.time_ms),
        last_sequence_number=last,
        moving=frozenset(moving),
    )


def _possible(last: EntryId | None) -> int:
    number = 0 if last is None else last.sequence_number
    return number if number <= LAST_SEQUENCE_NUMBER else 0

"""Accounts of cameras, put together from journal, stream and ledger."""

from dataclasses import dataclass, replace
from pathlib import Path

import redis

from inspection.capture.journal import JournalState, journal_path, read_journal
from inspection.domain.ledger import Account
from inspection.store import ledger, lines
from inspection.store.database import Database
from inspection.stream.backlog import in_flight

#: How often an account that does not add up is read before it is believed.
LOOKS = 3

NO_JOURNAL = JournalState(last_sequence_number=0, held=(), dropped=())


@dataclass(frozen=True, kw_only=True)
class CameraAccount:
    """What became of one camera's frames, and which cannot be explained."""

    camera: str
    account: Account
    #: Sequence numbers that are nowhere; empty when nothing was lost.
    missing: tuple[int, ...]


def accounts(database: Database, client: redis.Redis, journal_dir: Path) -> list[CameraAccount]:
    """Return the account of every camera, by name.

    Raises:
        UnavailableError: the database or the server of the streams does not answer.
    """
    with database.read() as connection:
        cameras = [camera.name for camera in lines.list_cameras(connection)]
    return [_settled_account(camera, database, client, journal_dir) for camera in cameras]


def total(parts: list[CameraAccount]) -> Account:
    """Add accounts together."""
    return sum((part.account for part in parts), Account())


def _settled_account(
    camera: str, database: Database, client: redis.Redis, journal_dir: Path
) -> CameraAccount:
    """Look again when it does not add up: a frame may have been given its identity in between."""
    account = _account(camera, database, client, journal_dir)
    for _ in range(LOOKS - 1):
        if account.account.is_balanced:
            break
        account = _account(camera, database, client, journal_dir)
    return account


def _account(
    camera: str, database: Database, client: redis.Redis, journal_dir: Path
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
    accepted = max(
        recorded_last,
        journal.last_sequence_number,
        backlog.last.sequence_number if backlog.last else 0,
    )
    moving = {
        *(identity.sequence_number for identity in journal.held),
        *(dropped.identity.sequence_number for dropped in journal.dropped),
        *backlog.sequence_numbers,
        *backlog.drop_sequence_numbers,
    }
    with database.read() as connection:
        rows = ledger.account_rows(connection, camera, up_to=accepted)
        moving -= ledger.known(connection, camera, moving)
        account = replace(rows, in_flight=len(moving))
        missing: set[int] = set()
        if not account.is_balanced:
            numbers = set(range(1, accepted + 1)) - moving
            missing = numbers - ledger.known(connection, camera, numbers)
    return CameraAccount(camera=camera, account=account, missing=tuple(sorted(missing)))
